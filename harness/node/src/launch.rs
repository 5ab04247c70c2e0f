//! What the node and its launcher `pod-init` say to each other: JSON lines over the launcher's standard input, which is a
//! socket. A closed socket is an order too: kill the container and end.
//!
//! The environment of a container travels here and never in argv. No type here is `Debug`: an environment holds secrets.

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

/// One container to start.
#[derive(Clone, Serialize, Deserialize)]
pub struct Launch {
    /// Host name inside the container; Kubernetes makes it the pod's name.
    pub hostname: String,
    /// An empty folder of the host on which the launcher mounts the container's root, in its own mount namespace.
    pub root: Utf8PathBuf,
    /// The main process, searched in the container's `PATH`.
    pub argv: Vec<String>,
    /// The whole environment of the main process.
    pub env: Vec<(String, String)>,
    /// Made if it does not exist. `/` when absent.
    pub workdir: Option<String>,
    /// Mounted in this order, after the base of the root.
    pub mounts: Vec<Mount>,
}

/// A file or folder of the host that appears in the container.
#[derive(Clone, Serialize, Deserialize)]
pub struct Mount {
    /// Path on the host; must exist.
    pub source: Utf8PathBuf,
    /// Absolute path in the container; made as the source's kind where it does not exist.
    pub target: Utf8PathBuf,
    /// Whether writes are refused.
    pub read_only: bool,
}

/// From the node to the launcher. The first order must be [`Order::Launch`].
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Start the container.
    Launch(Launch),
    /// Send this signal number to the main process.
    Signal(i32),
    /// Run a command inside the container's namespaces, with its environment; output is discarded.
    Exec {
        /// Comes back in [`Report::ExecDone`].
        id: u64,
        /// Searched in the container's `PATH`.
        argv: Vec<String>,
    },
}

/// From the launcher to the node.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// The main process has been executed.
    Started,
    /// The container could not be started, and why.
    Refused(String),
    /// The main process ended and every other process of the container with it. 128 + signal for a signal's death.
    Exited(i32),
    /// A command of [`Order::Exec`] ended, with its exit code; 126 when it could not be run.
    ExecDone {
        /// The order's.
        id: u64,
        /// Exit code.
        code: i32,
    },
}

/// One message as its line, newline included.
///
/// # Errors
/// None in practice: the messages hold only strings and numbers.
pub fn line<T: Serialize>(message: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(line)
}
