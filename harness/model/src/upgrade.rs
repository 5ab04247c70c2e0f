//! What an upgrade of ARC did, as facts: how the charts differ, and what became of runners and jobs in each arm. The verdict is a fold over
//! them; nothing here judges.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What is upgraded to what; part of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpgradePlan {
    /// The version after the upgrade, as `v0.27.6`; the one before is the plan's own.
    pub to: String,
    /// A foreign manager program that stands for it.
    pub to_manager: Option<String>,
    /// A foreign chart's folder that stands for its chart.
    pub to_chart: Option<String>,
}

/// A way in which people upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arm {
    /// First the definitions, then the chart, as ARC's documentation says.
    DefinitionsFirst,
    /// The chart alone, which leaves the definitions as they were.
    DefinitionsForgotten,
    /// After a careful upgrade the old chart again.
    Rollback,
}

impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Arm::DefinitionsFirst => "definitions, then chart",
            Arm::DefinitionsForgotten => "definitions forgotten",
            Arm::Rollback => "rollback",
        })
    }
}

/// What one arm did to runners and jobs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArmFacts {
    /// Which.
    pub arm: Arm,
    /// The version before.
    pub from: String,
    /// The version after.
    pub to: String,
    /// Runners that the manifest asks for.
    pub runners: usize,
    /// Jobs in progress when the upgrade began.
    pub jobs: usize,
    /// Of those, the ones that did not end in success.
    pub jobs_killed: Vec<String>,
    /// Idle runners when it began.
    pub idle: usize,
    /// Of those, the ones that are gone.
    pub idle_replaced: Vec<String>,
    /// Seconds during which GHES listed no idle runner.
    pub without_capacity: f64,
    /// Seconds from the end of the old controller until the new one leads.
    pub without_controller: f64,
    /// The most pods at one time.
    pub most_pods: usize,
    /// Calls of the controller to GHES, from the beginning of the upgrade until runners settled.
    pub api_calls: usize,
    /// Replica sets that the upgrade added: the template's hash changed as often.
    pub replica_sets_added: usize,
    /// Fields that the new chart's definitions know and that were not kept when a manifest set them.
    pub pruned: Vec<String>,
    /// Objects that the API server refused, with its reason.
    pub refused: Vec<String>,
    /// What was last seen, if runners did not settle at the wanted number.
    pub unsettled: Option<String>,
}

/// A chart value that an administrator may have, and that the new chart refuses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedValue {
    /// As `--set` takes it.
    pub value: String,
    /// As the new chart wants it.
    pub instead: String,
    /// Helm's reason.
    pub reason: String,
}

/// How two charts differ.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChartDifference {
    /// Fields that only the new definitions have, as `kind.path`.
    pub fields_added: Vec<String>,
    /// Fields that only the old definitions have.
    pub fields_dropped: Vec<String>,
    /// Fields that the new definitions require and the old ones did not.
    pub fields_required: Vec<String>,
    /// Objects, as `kind name`, that only one chart renders or that they render differently.
    pub objects: Vec<String>,
    /// Values that the old chart takes and the new one refuses.
    pub values: Vec<RefusedValue>,
}
