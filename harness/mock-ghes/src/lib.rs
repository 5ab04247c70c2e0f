//! A GitHub Enterprise Server for tests: REST v3 for runners and workflows, the runner service that registered runners
//! speak, git over HTTP, and an Actions engine that runs real workflow files on real runners.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let (server, hand) = mock_ghes::MockGhes::builder().start().await?;
//! // Point any client at hand.url() with hand.pat(); then ask the hand what happened.
//! assert!(hand.ledger().unknown_routes().is_empty());
//! server.shutdown().await?;
//! # Ok(())
//! # }
//! ```
//!
//! Everything that requests change lives in one task (`state`); every request and answer is in the [`Ledger`]. What it
//! is not: it knows nothing of Kubernetes, and runs no step of a job.

mod action;
mod clock;
mod defect;
mod digest;
pub mod engine;
mod fault;
mod git;
mod hand;
mod json;
mod ledger;
mod scope;
mod server;
mod staged;
mod state;
mod tls;
pub mod view;
mod web;
pub mod wire;
mod world;

pub use clock::Clock;
pub use defect::{Defect, UnknownDefect};
pub use fault::{FaultKind, FaultRule};
pub use git::GitError;
pub use hand::Hand;
pub use ledger::{DELIVERY_ROUTE, Ledger, Record};
pub use scope::{RepositoryName, Scope};
pub use server::{Builder, MockGhes, Server, ShutdownError, StartError};
pub use state::{Signature, Stopped};
pub use tls::{TlsError, TlsIdentity};
pub use world::{
    Enterprise, GitHubApp, Installation, Organization, PersonalAccessToken, RepositorySpec, User, World,
    WorldError,
};
