//! Why an environment, or a scenario's own ARC and GHES in it, did not come up.

use harness_arc::InstallError;
use harness_cluster::local::PlaneError;
use harness_cluster::{ApplyError, EvidenceError, WaitError, error_chain};
use harness_ghes::GhesError;
use harness_model::Exit;
use harness_node::NodeError;
use mock_ghes::StartError;

/// The environment did not come up. Each message says what failed and why; the supervisor adds nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpError {
    #[error("the control plane did not come up: {}", error_chain(.0))]
    Plane(#[from] PlaneError),
    #[error("cert-manager or ARC did not come up: {}", error_chain(.0))]
    Install(#[from] InstallError),
    #[error("a manifest was refused while the environment came up: {}", error_chain(.0))]
    Apply(#[from] ApplyError),
    #[error("the mock GHES did not start: {}", error_chain(.0))]
    MockGhes(#[from] StartError),
    #[error("the mock GHES does not answer: {}", error_chain(.0))]
    Ghes(#[from] GhesError),
    #[error("the node did not start: {}", error_chain(.0))]
    Node(#[from] NodeError),
    #[error("the environment did not get ready: {0}")]
    NotReady(#[from] WaitError),
    #[error("evidence cannot be kept: {}", error_chain(.0))]
    Evidence(#[from] EvidenceError),
    #[error("{what}: {source}; is the disk full?")]
    Files { what: String, source: std::io::Error },
    #[error("only a scenario with an ARC of its own may change it")]
    CommonArc,
    #[error("a certificate could not be made: {0}")]
    Pki(#[from] harness_cluster::PkiError),
}

impl UpError {
    /// A subject that never got ready is a failed check of it, not a failed environment.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            UpError::Install(error) if error.is_subject() => Exit::CheckFailed,
            _ => Exit::Environment,
        }
    }
}
