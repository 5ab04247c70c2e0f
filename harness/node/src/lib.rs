//! The local cluster's node: a kubelet stand-in that runs the pods assigned to it as processes.
//!
//! It registers a Node, keeps its lease, and gives each pod one task ([`start`]); each container is a process tree of its own
//! mount, PID and UTS namespaces, made by the launcher `pod-init` ([`launch`]). [`ImageTable`] says which program stands for
//! which image. `kubectl logs` is served over HTTPS to the API server.
//!
//! What it is not: an isolation boundary, or a kubelet to test. Deviations from a kubelet, all of them deliberate:
//! - a container runs as the namespace's root: `runAsUser`, `fsGroup` and every other security context is ignored;
//! - resource requests and limits are not enforced, nothing is killed for memory; `emptyDir.sizeLimit` is not enforced;
//! - all pods share the plane's network: `podIP` is the node's address, and two pods cannot listen on one port;
//! - `/usr`, `/etc` and the other program folders are the host's, read-only;
//! - probes are not run: a running container is ready;
//! - hooks of the kinds `exec` and `sleep` only; others fail with an event that says so;
//! - `activeDeadlineSeconds` is not observed, `terminationMessagePolicy` is always `File`, sub-path volumes do not follow updates;
//! - a node started anew runs its unfinished pods from the beginning, and counts their restarts from zero;
//! - service environment is only `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT`;
//! - `hostPath`, claims, CSI and other volumes with storage behind them, and init containers that restart always (sidecars), leave the
//!   pod waiting with a message; `kubectl exec`, `attach` and `port-forward` answer 501.

mod config;
mod container;
mod downward;
mod env;
mod events;
mod expand;
mod images;
pub mod launch;
mod logs;
mod objects;
mod payload;
mod pods;
mod prepare;
mod publish;
mod register;
mod server;
mod status;
mod supervise;
mod tail;
mod volumes;
mod worker;

pub use config::{HostFile, NodeConfig, Tls};
pub use images::{ImageTable, Program};

use std::sync::Arc;

use camino::Utf8PathBuf;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::events::Events;
use crate::logs::Logs;

/// Why the node could not come up, or did not go down well.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// A folder of the node's could not be made.
    #[error("prepare the node's folder {path}")]
    Folder {
        /// The folder.
        path: Utf8PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The log server could not listen.
    #[error("listen for the API server's log requests on {address}")]
    Listen {
        /// Where.
        address: std::net::SocketAddr,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The serving pair or the client CA is not usable.
    #[error("read the node's TLS material: {0}")]
    Tls(String),
    /// The Node object could not be written.
    #[error("register node {name}")]
    Register {
        /// The node's name.
        name: String,
        /// The API server's answer.
        #[source]
        source: Box<kube::Error>,
    },
    /// Containers were still ending when patience ended.
    #[error("node {name}: {left} tasks still running {seconds} s after shutdown began")]
    Shutdown {
        /// The node's name.
        name: String,
        /// Tasks of pods and of the node itself.
        left: usize,
        /// How long was waited.
        seconds: u64,
    },
}

/// What every task of the node needs.
pub(crate) struct Shared {
    pub(crate) client: kube::Client,
    pub(crate) config: NodeConfig,
    pub(crate) logs: Logs,
    pub(crate) events: Events,
    /// Cancelled when the node goes down: containers are killed, the API is left alone.
    pub(crate) closing: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

/// A running node. Dropping it ends its tasks and kills its containers without waiting for them.
pub struct Node {
    shared: Arc<Shared>,
}

/// Registers the node (Ready at once) and begins to run the pods assigned to it.
///
/// # Errors
/// [`NodeError`] of every kind but [`NodeError::Shutdown`].
pub async fn start(client: kube::Client, config: NodeConfig) -> Result<Node, NodeError> {
    for path in [Some(&config.state), config.logs.as_ref()].into_iter().flatten() {
        fs_err::create_dir_all(path).map_err(|source| NodeError::Folder {
            path: path.clone(),
            source,
        })?;
    }
    let closing = CancellationToken::new();
    let tasks = TaskTracker::new();
    let logs = Logs::new(
        config.logs.clone().unwrap_or_else(|| config.state.join("logs")),
        config.logs.is_some(),
    );
    let port = server::start(&config, logs.clone(), &tasks, closing.clone())?;
    let events = Events::start(client.clone(), &config.name, &tasks, closing.clone());
    let config = NodeConfig { port, ..config };
    let shared = Arc::new(Shared {
        client,
        config,
        logs,
        events,
        closing,
        tasks,
    });
    register::register(&shared).await?;
    shared.tasks.spawn(register::keep_alive(Arc::clone(&shared)));
    shared.tasks.spawn(pods::run(Arc::clone(&shared)));
    Ok(Node { shared })
}

impl Node {
    /// How long [`Node::shutdown`] waits for containers to be gone.
    const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

    /// Kills every container, keeps their logs, and ends the node's tasks, as a machine that loses its power. Objects in the API stay as they
    /// are: after its grace period kube-controller-manager finds the node lost.
    ///
    /// # Errors
    /// [`NodeError::Shutdown`] when something is still running after ten seconds.
    pub async fn shutdown(self) -> Result<(), NodeError> {
        self.shared.closing.cancel();
        self.shared.tasks.close();
        tokio::time::timeout(Self::PATIENCE, self.shared.tasks.wait())
            .await
            .map_err(|_| NodeError::Shutdown {
                name: self.shared.config.name.clone(),
                left: self.shared.tasks.len(),
                seconds: Self::PATIENCE.as_secs(),
            })
    }

    /// The port of the log server.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.shared.config.port
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.shared.closing.cancel();
    }
}
