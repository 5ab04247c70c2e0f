//! cert-manager and actions-runner-controller (ARC) on the local cluster: real programs as processes, everything else from their real charts.
//!
//! What it is not: it knows no GHES but an address, and judges nothing.

mod balancer;
mod cert_manager;
mod chart;
mod identity;
mod manager;
mod reach;
mod release;
pub mod resources;
mod servers;
mod serving;
mod workload;

pub use cert_manager::{CertManager, CertManagerParts, NAMESPACE as CERT_MANAGER_NAMESPACE};
pub use chart::{Chart, ChartError, Rendered, definitions, render};
pub use manager::{Arc, Controller, NAMESPACE, Subject, install, prepare};
pub use release::{RELEASE, Release, Replica, Server};
pub use servers::RunningServer;

use harness_cluster::{ApplyError, ProcessError, WaitError};

/// cert-manager or ARC did not come up.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// A chart could not be read or rendered.
    #[error(transparent)]
    Chart(#[from] ChartError),
    /// A manifest was refused.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// A program could not be started.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A file for a program could not be written.
    #[error("write {path}")]
    Write {
        /// Which.
        path: camino::Utf8PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The API server refused a call.
    #[error("{what}")]
    Call {
        /// What was tried.
        what: String,
        /// Its answer.
        #[source]
        source: Box<kube::Error>,
    },
    /// In place of a Service nothing could listen.
    #[error("listen for the API server's admission requests on port {port}")]
    Listen {
        /// Where.
        port: u16,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Something never got ready.
    #[error(transparent)]
    NotReady(#[from] WaitError),
    /// The program under test ended: a failed subject, not a failed environment.
    #[error("{name} ended with {status} before it was ready; its last words:\n{tail}")]
    SubjectDied {
        /// Which program.
        name: String,
        /// Its status.
        status: String,
        /// The end of its log.
        tail: String,
    },
    /// The program under test runs but never did what it must: a failed subject.
    #[error("{name} never got ready: {wait}; its last words:\n{tail}")]
    SubjectNotReady {
        /// Which program.
        name: String,
        /// What was awaited and last seen.
        wait: WaitError,
        /// The end of its log.
        tail: String,
    },
}

impl InstallError {
    /// Whether the program under test is to blame.
    #[must_use]
    pub fn is_subject(&self) -> bool {
        matches!(
            self,
            InstallError::SubjectDied { .. } | InstallError::SubjectNotReady { .. }
        )
    }
}
