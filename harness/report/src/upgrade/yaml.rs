//! The answer as a file, block style: `verdict:` on a line of its own, then reasons or steps, facts, and where the runs lie.

use camino::Utf8Path;
use harness_model::upgrade::{ArmFacts, ChartDifference};
use serde::Serialize;

use super::{UpgradeReport, UpgradeVerdict};
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
    reasons: Vec<&'a str>,
    steps: Vec<Step<'a>>,
    arms: &'a [ArmFacts],
    charts: Option<&'a ChartDifference>,
    /// Folders beside this file, each a run of its own.
    runs: [&'a str; 3],
}

/// Writes `upgrade.yaml` into the folder of an upgrade, beside the folders of its three runs.
///
/// # Errors
/// [`ReportError::Yaml`] and [`ReportError::File`].
pub fn write_upgrade(folder: &Utf8Path, report: &UpgradeReport, runs: [&str; 3]) -> Result<(), ReportError> {
    let (from, to) = report.versions();
    let (reasons, steps) = match &report.verdict {
        UpgradeVerdict::Safe => (Vec::new(), Vec::new()),
        UpgradeVerdict::SafeWithSteps(steps) => {
            let steps = steps.iter().map(|step| Step {
                why: &step.why,
                command: &step.command,
            });
            (Vec::new(), steps.collect())
        }
        UpgradeVerdict::Unsafe(reasons) => (reasons.iter().map(String::as_str).collect(), Vec::new()),
    };
    let document = Document {
        format: 1,
        verdict: report.verdict.word(),
        from,
        to,
        reasons,
        steps,
        arms: &report.change.arms,
        charts: report.change.chart_difference.as_ref(),
        runs,
    };
    let text = harness_yaml::to_string(&document).map_err(ReportError::Yaml)?;
    replace(folder, UPGRADE_FILE, &text).map_err(ReportError::file("write upgrade.yaml"))
}
