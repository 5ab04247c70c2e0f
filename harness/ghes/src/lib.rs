//! The client side of a GitHub Enterprise Server (GHES), mock or real: dispatch workflows, follow runs, read runners.
//!
//! REST calls and their objects are octocrab's; this crate adds what octocrab lacks: a private CA, retries that never repeat what
//! might have been carried out, the enterprise scope, the run that belongs to a dispatch, and errors that say what to do.
//! What it is not: it registers no runner and speaks no runner protocol, and it knows nothing of Kubernetes.

mod connect;
mod error;
mod hooks;
mod logs;
mod operation;
mod retry;
mod runners;
mod runs;
mod scope;
mod workflows;

pub use connect::{Ghes, Target};
pub use error::{Failure, GhesError};
pub use harness_model::Scope;
pub use hooks::NewHook;
pub use octocrab::models::actions::SelfHostedRunner as Runner;
pub use octocrab::models::workflows::{Conclusion, Job, Run, Status, Step};
pub use octocrab::models::{JobId, RunId, RunnerId};
pub use operation::Operation;
pub use scope::{InvalidRepo, Repo};
