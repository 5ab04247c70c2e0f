//! The answer as a file, block style: `verdict:` on a line of its own, then reasons or steps, facts, and where the runs lie.

use camino::Utf8Path;
use harness_model::upgrade::{ArmFacts, ChartDifference};
use serde::Serialize;

use super::{UPGRADE_RUNS, UpgradeReason, UpgradeReport, UpgradeVerdict};
use crate::ReportError;
use crate::files::replace;

/// The file's name in the upgrade's folder.
pub const UPGRADE_FILE: &str = "upgrade.yaml";

#[derive(Serialize)]
struct Step<'a> {
    why: &'a str,
    command: &'a str,
}

#[derive(Serialize)]
struct Document<'a> {
    format: u32,
    verdict: &'a str,
    from: &'a str,
    to: &'a str,
    reasons: &'a [UpgradeReason],
    steps: Vec<Step<'a>>,
    arms: &'a [ArmFacts],
    charts: Option<&'a ChartDifference>,
    /// Folders beside this file, each a run of its own.
    runs: [&'a str; 3],
}

/// Writes `upgrade.yaml` into the folder of an upgrade, beside the folders [`UPGRADE_RUNS`] of its three runs.
///
/// # Errors
/// [`ReportError::Yaml`] and [`ReportError::File`].
pub fn write_upgrade(folder: &Utf8Path, report: &UpgradeReport) -> Result<(), ReportError> {
    let (from, to) = report.versions();
    let (reasons, steps) = match &report.verdict {
        UpgradeVerdict::Safe => (&[][..], Vec::new()),
        UpgradeVerdict::SafeWithSteps(steps) => {
            let steps = steps.iter().map(|step| Step {
                why: &step.why,
                command: &step.command,
            });
            (&[][..], steps.collect())
        }
        UpgradeVerdict::Unsafe(reasons) => (reasons.as_slice(), Vec::new()),
    };
    let document = Document {
        format: 2,
        verdict: report.verdict.word(),
        from,
        to,
        reasons,
        steps,
        arms: &report.change.arms,
        charts: report.change.chart_difference.as_ref(),
        runs: UPGRADE_RUNS,
    };
    let text = harness_yaml::to_string(&document).map_err(ReportError::Yaml)?;
    replace(folder, UPGRADE_FILE, &text).map_err(ReportError::file("write upgrade.yaml"))
}
