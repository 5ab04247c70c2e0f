//! The environment of a run on the local cluster: control plane, node, cert-manager, ARC, and the mock GHES behind them.
//!
//! What it is not: it downloads and builds nothing (the supervisor did), and judges nothing (scenarios do).

mod bring_up;
mod clock;
mod comparison;
mod defect;
mod error;
mod ghes;
pub mod kept;
mod monitoring;
mod namespace;
mod node;
mod site;
mod tenant;
mod world;

use std::sync::Arc;
use std::time::Duration;

use harness_cluster::local::{ControlPlane, enclosure};
use harness_cluster::{Applier, Process, Recorder};
use harness_model::{Event, Exit};
use harness_node::Node;
use k8s_openapi::api::core::v1::Taint;
use kube::Client;
use kube::api::DeleteParams;

pub(crate) use bring_up::up;
pub use clock::{ClockError, WorldClock};
pub use defect::Defect;
pub(crate) use error::UpError;
pub use ghes::GhesCertificate;
pub(crate) use monitoring::parts as prometheus_parts;
pub(crate) use namespace::make as make_namespace;
pub use tenant::{APP, INSTALLATION, TEAMS, Tenant};
pub(crate) use world::World;

use site::Site;

use crate::arc::resources;
use crate::run::{ArcParts, Emitter, Order, leaks};

/// The ConfigMap of every scenario's namespace that holds GHES's CA.
pub const GHES_CA: &str = "ghes-ca";

/// Where the plane's state lies in the run's folder, where it has no tmpfs of its own.
pub(crate) const STATE_FOLDER: &str = "state";

/// A running environment.
pub struct Environment {
    pub(crate) order: Order,
    pub(crate) emitter: Emitter,
    site: Site,
    plane: ControlPlane,
    /// Absent where pods cannot run.
    node: Option<Node>,
    cert_manager: Vec<Arc<Process>>,
    /// The common ARC as it was installed, for when it must come back.
    common_arc: harness_arc::Arc,
    common: Arc<World>,
    recorder: Recorder,
}

/// Furnishes the namespaces that the process is the first of.
///
/// # Errors
/// [`enclosure::EnclosureError`].
pub(crate) fn furnish(order: &Order) -> Result<(), enclosure::EnclosureError> {
    enclosure::furnish(&site::names(order.own_arcs.len()))
}

impl Environment {
    /// An administrator's client.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.plane.client
    }

    /// The GHES and the ARC that scenarios share.
    pub(crate) fn common(&self) -> &Arc<World> {
        &self.common
    }

    /// An administrator's kubeconfig file.
    pub(crate) fn admin_kubeconfig(&self) -> &camino::Utf8Path {
        &self.plane.admin_kubeconfig
    }

    /// The defects that the run was seeded with.
    pub(crate) fn defects(&self) -> Vec<Defect> {
        Defect::of_plan(&self.order.plan)
    }

    /// A further node, on which only pods that tolerate this taint run.
    pub(crate) async fn extra_node(&self, name: &str, taint: Taint) -> Result<Node, UpError> {
        node::start(&self.order, &self.site, &self.plane, name, vec![taint]).await
    }

    /// Puts the definitions of this chart in the place of those that are there, as `kubectl replace` does.
    pub(crate) async fn replace_definitions(&self, arc: &ArcParts) -> Result<(), UpError> {
        let definitions = harness_arc::definitions(&arc.chart).map_err(harness_arc::InstallError::from)?;
        let applier = Applier::new(self.client().clone());
        Ok(applier.definitions(&definitions, Duration::from_secs(60)).await?)
    }

    /// cert-manager's programs.
    pub(crate) fn cert_manager(&self) -> &[Arc<Process>] {
        &self.cert_manager
    }

    /// Stops what a finished scenario left running. Its objects stay for whoever looks at a kept environment.
    pub(crate) async fn leave(&self, namespace: &str) {
        if self.order.plan.keep {
            return;
        }
        for kind in [resources::runner_deployment(), resources::runner_set()] {
            let gone = resources::api(self.client(), namespace, &kind)
                .delete_collection(&DeleteParams::background(), &Default::default())
                .await;
            if let Err(error) = gone {
                tracing::warn!(namespace, %error, "{} stay until tear-down", kind.plural);
            }
        }
    }

    /// Keeps what two runs are compared by: the metrics that the common ARC exposes now, by name and labels.
    pub(crate) async fn keep_metrics(&self) {
        if let Some(url) = self.common.metrics().first() {
            comparison::keep_metrics(&self.order.folder, url).await;
        }
    }

    /// Ends the common ARC, which works in every namespace, so that scenarios may have one of their own.
    pub(crate) async fn retire_common_arc(&self) -> Result<(), UpError> {
        self.tell(self.common.faults());
        self.common.retire(&self.plane.client).await
    }

    /// Brings the common ARC back, for whoever looks at a kept environment.
    pub(crate) async fn resume_common_arc(&self) -> Result<(), UpError> {
        let site = &self.site;
        let arc = self.common_arc.clone();
        let controller =
            harness_arc::install(arc, &self.plane, site.enclosed, &site.state, &site.logs).await?;
        self.common.resume(controller);
        Ok(())
    }

    /// Tells which part did not live through the checks.
    pub(crate) fn tell_health(&self) {
        self.tell(self.common.faults());
        if let Some(died) = self.plane.died() {
            self.emitter.emit(Event::Broken {
                message: died.to_string(),
                exit: Exit::Environment.code(),
            });
        }
    }

    /// Tells these.
    pub(crate) fn tell(&self, events: impl IntoIterator<Item = Event>) {
        for event in events {
            self.emitter.emit(event);
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
        self.common.stop_arc().await;
        if let Some(node) = self.node
            && let Err(error) = node.shutdown().await
        {
            tracing::warn!(%error, "the node did not stop cleanly");
        }
        if let Some(common) = Arc::into_inner(self.common)
            && let Some(event) = common.down().await
        {
            self.emitter.emit(event);
        }
        futures::future::join_all(
            self.cert_manager
                .iter()
                .map(|process| process.stop(Duration::ZERO)),
        )
        .await;
        self.plane.stop().await;
    }
}
