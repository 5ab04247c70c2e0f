//! The client side of a GitHub Enterprise Server (GHES), mock or real: dispatch workflows, follow runs, read runners.
//!
//! REST calls and their objects are octocrab's; this crate adds what octocrab lacks: a private CA, retries that never repeat what
//! might have been carried out, the enterprise scope, the run that belongs to a dispatch, and errors that say what to do.
//! A server that is not ours is approached in steps that the types keep: an [`Admitted`] address, a [`Guest`] that reads, and a [`Permit`] that may write, only to what bears a run's
//! prefix.
//! What it is not: it registers no runner and speaks no runner protocol, and it knows nothing of Kubernetes.

mod admission;
mod connect;
mod error;
mod guest;
mod hooks;
mod logs;
mod mark;
mod needs;
mod operation;
mod permit;
mod retry;
mod runners;
mod runs;
mod scope;
mod survey;
mod workflows;

pub use admission::{Admitted, NotAdmitted};
pub use connect::{Ghes, Target};
pub use error::{Failure, GhesError};
pub use guest::{Guest, Holder, RateLimit};
pub use harness_model::Scope;
pub use hooks::NewHook;
pub use mark::{MARK, Mark, place_of};
pub use needs::{Need, creates, needs};
pub use octocrab::models::actions::SelfHostedRunner as Runner;
pub use octocrab::models::workflows::{Conclusion, Job, Run, Status, Step};
pub use octocrab::models::{JobId, RunId, RunnerId};
pub use operation::Operation;
pub use permit::{Kind, Leftover, Leftovers, Permit, Removal};
pub use retry::Pace;
pub use scope::{InvalidRepo, Repo, is_name};
pub use survey::{Created, Row, State, Survey, Targets, Unfit, how_to_mark, survey};
