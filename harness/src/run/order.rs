//! What the supervisor tells the process inside the namespaces: one JSON line on its standard input, before the lifeline's bytes.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use harness_model::{ArcServer, Plan};
use serde::{Deserialize, Serialize};

/// The argument that makes the program the inner process.
pub(crate) const INSIDE: &str = "--inside";

/// Everything the inner process needs; it asks the network for nothing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    /// The user's plan.
    pub(crate) plan: Plan,
    /// The run's id.
    pub(crate) run_id: String,
    /// The run's folder.
    pub(crate) folder: Utf8PathBuf,
    /// Whether the process is the first of its own namespaces.
    pub(crate) enclosed: bool,
    /// Ids of the checks to run.
    pub(crate) checks: Vec<String>,
    /// Those of them that have an ARC and a GHES of their own.
    pub(crate) own_arcs: Vec<String>,
    /// The real parts.
    pub(crate) parts: PartPaths,
}

/// Where the real parts lie.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PartPaths {
    pub(crate) etcd: Utf8PathBuf,
    pub(crate) kube_apiserver: Utf8PathBuf,
    pub(crate) kube_controller_manager: Utf8PathBuf,
    pub(crate) kube_scheduler: Utf8PathBuf,
    pub(crate) kubectl: Utf8PathBuf,
    pub(crate) helm: Utf8PathBuf,
    pub(crate) cert_manager_controller: Utf8PathBuf,
    pub(crate) cert_manager_cainjector: Utf8PathBuf,
    pub(crate) cert_manager_webhook: Utf8PathBuf,
    pub(crate) cert_manager_chart: Utf8PathBuf,
    /// The ARC under test.
    pub(crate) arc: ArcParts,
    /// The same with a clock that can be moved, if a check wants it.
    pub(crate) controlled_arc: Option<ArcParts>,
    /// What it is upgraded to, in a run that does so.
    pub(crate) target: Option<ArcParts>,
    /// Other versions of ARC, for the scenarios that want one.
    pub(crate) other_arcs: BTreeMap<String, ArcParts>,
}

/// One version of ARC.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ArcParts {
    /// As the chart is told it, for example `v0.27.6`.
    pub version: String,
    /// The manager program.
    pub manager: Utf8PathBuf,
    /// The chart's folder.
    pub chart: Utf8PathBuf,
    /// The other programs, as far as a check wants them.
    #[serde(default)]
    pub servers: BTreeMap<ArcServer, Utf8PathBuf>,
}
