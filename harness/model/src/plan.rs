//! What the user asked for: xtask parses it, the scenario runner carries it out.

use serde::{Deserialize, Serialize};

use crate::upgrade::UpgradePlan;
use crate::{Expectation, GateFile, Profile, Retention, WallClock};

/// The environment variable that hands the plan (JSON) from xtask to the scenario runner.
pub const PLAN_VARIABLE: &str = "GHES_E2E_PLAN";

/// Set to `1` by `cargo xtask test`: tests that bring up a whole environment run. Without it they are reported as ignored.
pub const LIVE_VARIABLE: &str = "GHES_E2E";

/// The environment variable that names the folder in which the report's browser test finds its node package; without it the test is
/// ignored. Set by `cargo xtask test`.
pub const BROWSER_VARIABLE: &str = "GHES_REPORT_BROWSER";

/// The environment variable that names the folder with the AWS CLI's Python packages; without it the tests that need the CLI are ignored. Set by
/// `cargo xtask test`.
pub const AWS_CLI_VARIABLE: &str = "GHES_AWS_CLI";

/// The path of the built scenario runner, for tests that start it themselves (with a plan in [`PLAN_VARIABLE`]).
pub const PROGRAM_VARIABLE: &str = "GHES_E2E_PROGRAM";

/// Which cluster to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClusterChoice {
    /// kind where it can be had, else local.
    Auto,
    /// The control plane as processes in the run's own namespaces.
    Local,
    /// A kind cluster.
    Kind,
}

/// How the run prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputFormat {
    /// For people.
    Human,
    /// The lines of `run.jsonl`, as they are written.
    Json,
}

/// One invocation of `cargo xtask e2e`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The command line to show and to rerun; holds no secret.
    pub command: String,
    /// Substrings of check ids; empty takes all.
    pub filters: Vec<String>,
    /// Which cluster.
    pub cluster: ClusterChoice,
    /// Why that cluster: the user's flag, or what `auto` found.
    #[serde(default)]
    pub cluster_reason: String,
    /// How much of the catalogue.
    pub profile: Profile,
    /// ARC's version, as `v0.27.6`.
    pub arc: String,
    /// A foreign manager program to put under the suite.
    pub arc_manager: Option<String>,
    /// A foreign chart's folder in place of the version's own.
    #[serde(default)]
    pub arc_chart: Option<String>,
    /// A foreign webhook server program.
    pub arc_webhook_server: Option<String>,
    /// A folder of programs built here from a changed copy of the version's source, by part name, which stand for the version's own. They have the
    /// clock overlay, so unlike a foreign manager they may be on a controlled clock.
    #[serde(default)]
    pub arc_build: Option<String>,
    /// What it is upgraded to, in a run that does so.
    #[serde(default)]
    pub upgrade: Option<UpgradePlan>,
    /// `--sync-period` of the manager, in Go's notation, for example `1s`.
    pub sync_period: String,
    /// Whether checks may move the clock of an ARC of their own.
    #[serde(default)]
    pub clock: WallClock,
    /// Keep the environment after the run.
    pub keep: bool,
    /// Use the cache only.
    pub offline: bool,
    /// The run's folder, if not `target/e2e/<run id>`.
    pub out: Option<String>,
    /// How the run prints.
    pub format: OutputFormat,
    /// Scenarios at a time; absent: as the claims allow.
    pub test_threads: Option<usize>,
    /// Further attempts for a failed check; a pass after a failure is `flaky`.
    pub retries: u32,
    /// Seed of everything random.
    pub seed: u64,
    /// Cases of each differential check; absent: the check's own number.
    #[serde(default)]
    pub cases: Option<usize>,
    /// A file of RunnerDeployment manifests that replaces the guide's in registration, quickstart and ephemeral.
    pub manifest: Option<String>,
    /// Name of a seeded defect (see `cargo xtask list --defects`): the suite's own proof that its checks can fail.
    pub defect: Option<String>,
    /// `max-age` of GHES's runner lists, in seconds.
    pub list_max_age: u64,
    /// What the run may be, over and above green.
    #[serde(default)]
    pub gate: Option<GateFile>,
    /// Which older runs stay when this one ends; absent: all.
    #[serde(default)]
    pub retention: Option<Retention>,
    /// Failures that are expected.
    #[serde(default)]
    pub expectations: Vec<Expectation>,
    /// The folder of the repository.
    pub repository: String,
    /// The folder with the built programs (`runner`, `pod-init`).
    pub programs: String,
}
