//! The environment of a run on the local cluster: control plane, node, cert-manager, ARC, and the mock GHES behind them.
//!
//! What it is not: it downloads and builds nothing (the supervisor did), and judges nothing (scenarios do).

mod bring_up;
mod defect;
pub mod kept;
mod tenant;

use std::time::Duration;

use harness_arc::Controller;
use harness_cluster::local::{ControlPlane, enclosure};
use harness_cluster::{Process, Recorder};
use harness_ghes::Ghes;
use harness_model::{Event, Exit};
use harness_node::Node;
use kube::Client;
use kube::api::DeleteParams;
use mock_ghes::{Hand, Server};

pub(crate) use bring_up::up;
pub use defect::Defect;
pub use tenant::Tenant;

use crate::arc::resources;
use crate::run::{Emitter, Order, leaks};

/// The name under which controller and runners reach GHES.
pub const GHES_HOST: &str = "ghes.test";

/// The ConfigMap of every scenario's namespace that holds GHES's CA.
pub const GHES_CA: &str = "ghes-ca";

/// Where the plane's state lies in the run's folder, where it has no tmpfs of its own.
pub(crate) const STATE_FOLDER: &str = "state";

/// A running environment.
pub struct Environment {
    pub(crate) order: Order,
    pub(crate) emitter: Emitter,
    plane: ControlPlane,
    /// Absent where pods cannot run.
    node: Option<Node>,
    cert_manager: Vec<Process>,
    arc: Controller,
    arc_metrics: String,
    server: Server,
    hand: Hand,
    ghes: Ghes,
    ghes_ca: String,
    recorder: Recorder,
}

/// Furnishes the namespaces that the process is the first of.
///
/// # Errors
/// [`enclosure::EnclosureError`].
pub(crate) fn furnish() -> Result<(), enclosure::EnclosureError> {
    enclosure::furnish(&[GHES_HOST])
}

impl Environment {
    /// An administrator's client.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.plane.client
    }

    /// The GHES, from a user's side.
    #[must_use]
    pub fn ghes(&self) -> &Ghes {
        &self.ghes
    }

    /// The GHES's ledger and faults.
    #[must_use]
    pub fn hand(&self) -> &Hand {
        &self.hand
    }

    /// The certificate that GHES's own is signed with.
    pub(crate) fn ghes_ca(&self) -> &str {
        &self.ghes_ca
    }

    /// An administrator's kubeconfig file.
    pub(crate) fn admin_kubeconfig(&self) -> &camino::Utf8Path {
        &self.plane.admin_kubeconfig
    }

    /// The defects that the run was seeded with.
    pub(crate) fn defects(&self) -> Vec<Defect> {
        Defect::of_plan(&self.order.plan)
    }

    /// cert-manager's and ARC's programs.
    pub fn programs(&self) -> impl Iterator<Item = &Process> {
        self.cert_manager.iter().chain(std::iter::once(&self.arc.process))
    }

    /// Where ARC's manager serves its metrics.
    pub(crate) fn arc_metrics(&self) -> &str {
        &self.arc_metrics
    }

    /// The last lines of ARC's log.
    pub(crate) fn arc_log(&self, lines: usize) -> String {
        self.arc.process.tail(lines)
    }

    /// GHES's last requests, as JSON lines.
    pub(crate) async fn recent_requests(&self, count: usize) -> String {
        let recent = self.hand.ledger().recent();
        let lines = recent[recent.len().saturating_sub(count)..]
            .iter()
            .map(serde_json::to_string);
        lines
            .map(|line| line.unwrap_or_else(|error| error.to_string()) + "\n")
            .collect()
    }

    /// Stops what a finished scenario left running. Its objects stay for whoever looks at a kept environment.
    pub(crate) async fn leave(&self, namespace: &str) {
        if self.order.plan.keep {
            return;
        }
        let deployments = resources::api(self.client(), namespace, &resources::runner_deployment());
        let gone = deployments
            .delete_collection(&DeleteParams::background(), &Default::default())
            .await;
        if let Err(error) = gone {
            tracing::warn!(namespace, %error, "runner deployments stay until tear-down");
        }
    }

    /// A subject that died while checks ran is a failed subject, even if every check had passed by then; so is a request that the mock
    /// could not answer: it makes every verdict doubtful.
    pub(crate) fn tell_subject_health(&self) {
        if let Some(exited) = self.arc.process.exited() {
            let tail = self.arc.process.tail(8);
            let message =
                format!("the ARC manager ended with {exited} while the checks ran; its last words:\n{tail}");
            self.emitter.emit(Event::Broken {
                message,
                exit: Exit::CheckFailed.code(),
            });
        }
        if let Some(died) = self.plane.died() {
            self.emitter.emit(Event::Broken {
                message: died.to_string(),
                exit: Exit::Environment.code(),
            });
        }
        let unknown = self.hand.ledger().unknown_routes();
        if !unknown.is_empty() {
            let mut calls: Vec<String> = unknown
                .iter()
                .map(|r| format!("{} {}", r.method, r.path))
                .collect();
            calls.sort();
            calls.dedup();
            let message = format!(
                "the mock GHES was asked for what it does not serve, so no verdict is sure: {}",
                calls.join(", ")
            );
            self.emitter.emit(Event::Broken {
                message,
                exit: Exit::Harness.code(),
            });
        }
    }

    /// A token in anything that the run leaves fails the run, whatever the checks say.
    pub(crate) fn tell_leaks(&self) {
        // The run log is cleaned line by line on its way out of this process.
        let message = match leaks(&self.order.folder.join("evidence"), self.emitter.redactor()) {
            Ok(found) if found.is_empty() => return,
            Ok(found) => {
                let files: Vec<String> = found.iter().map(ToString::to_string).collect();
                format!(
                    "a token stands in {}: do not hand this run on; this is a defect of the harness",
                    files.join(", ")
                )
            }
            Err(error) => format!("what the run leaves could not be searched for tokens: {error}"),
        };
        self.emitter.emit(Event::Broken {
            message,
            exit: Exit::Harness.code(),
        });
    }

    /// Ends everything, the users of a thing before the thing.
    pub(crate) async fn down(self) {
        self.recorder.stop().await;
        self.arc.stop().await;
        if let Some(node) = self.node
            && let Err(error) = node.shutdown().await
        {
            tracing::warn!(%error, "the node did not stop cleanly");
        }
        futures::future::join_all(
            self.cert_manager
                .into_iter()
                .map(|process| process.stop(Duration::ZERO)),
        )
        .await;
        self.plane.stop().await;
        if let Err(error) = self.server.shutdown().await {
            let message = format!("the mock GHES failed: {error}");
            self.emitter.emit(Event::Broken {
                message,
                exit: Exit::Harness.code(),
            });
        }
    }
}
