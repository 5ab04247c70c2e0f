//! The answer to "may we bump ARC?": a fold over three runs — the suite before, the upgrade itself, the suite after.
//!
//! What it is not: it measures nothing; the facts are in the runs' logs.

mod text;
mod yaml;

use harness_model::upgrade::{Arm, ArmFacts, ChartDifference};
use harness_model::{Exit, Verdict};
use serde::Serialize;

use crate::{HTML_FILE, Summary, html};

pub use text::upgrade_text;
pub(crate) use text::{charts, figures};
pub use yaml::{UPGRADE_FILE, write_upgrade};

/// What an administrator must do besides the upgrade itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpgradeStep {
    /// What for.
    pub why: String,
    /// What to type.
    pub command: String,
}

/// The folders of the three runs, beside the answer's file.
pub const UPGRADE_RUNS: [&str; 3] = ["before", "change", "after"];

/// Why an upgrade is not safe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UpgradeReason {
    /// What it did, in a sentence.
    pub why: String,
    /// Where that is to be seen: a place on the page of one of the runs, relative to the upgrade's folder.
    pub evidence: String,
}

impl UpgradeReason {
    fn new(why: String, run: usize, place: &str) -> UpgradeReason {
        UpgradeReason {
            why,
            evidence: format!("{}/{HTML_FILE}#{place}", UPGRADE_RUNS[run]),
        }
    }
}

/// Which of [`UPGRADE_RUNS`].
const CHANGE: usize = 1;
const AFTER: usize = 2;

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpgradeVerdict {
    /// Nothing needs doing besides.
    Safe,
    /// Safe if these are done.
    SafeWithSteps(Vec<UpgradeStep>),
    /// Not safe, for these reasons.
    Unsafe(Vec<UpgradeReason>),
}

impl UpgradeVerdict {
    /// As the report says it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            UpgradeVerdict::Safe => "SAFE",
            UpgradeVerdict::SafeWithSteps(_) => "SAFE WITH STEPS",
            UpgradeVerdict::Unsafe(_) => "UNSAFE",
        }
    }
}

/// The three runs of an upgrade, with the answer.
#[derive(Debug, Clone)]
pub struct UpgradeReport {
    /// The suite on the version before.
    pub before: Summary,
    /// The upgrade in its arms.
    pub change: Summary,
    /// The suite on the version after.
    pub after: Summary,
    /// The answer.
    pub verdict: UpgradeVerdict,
}

impl UpgradeReport {
    /// Folds the three runs.
    #[must_use]
    pub fn fold(before: Summary, change: Summary, after: Summary) -> UpgradeReport {
        let verdict = verdict(&before, &change, &after);
        UpgradeReport {
            before,
            change,
            after,
            verdict,
        }
    }

    /// The exit code: 0 for safe, 1 for unsafe; a run that did not come up, was interrupted or broke says so itself.
    #[must_use]
    pub fn exit(&self) -> u8 {
        let runs = [&self.before, &self.change, &self.after];
        let own = |exit: u8| exit != Exit::Green.code() && exit != Exit::CheckFailed.code();
        if let Some(run) = runs.iter().find(|run| own(run.exit)) {
            return run.exit;
        }
        match self.verdict {
            UpgradeVerdict::Unsafe(_) => Exit::CheckFailed.code(),
            UpgradeVerdict::Safe | UpgradeVerdict::SafeWithSteps(_) => Exit::Green.code(),
        }
    }

    /// What stands before and after the arrow: the versions of the manager.
    #[must_use]
    pub fn versions(&self) -> (&str, &str) {
        let arm = self.change.arms.first();
        arm.map_or(("?", "?"), |arm| (arm.from.as_str(), arm.to.as_str()))
    }
}

fn verdict(before: &Summary, change: &Summary, after: &Summary) -> UpgradeVerdict {
    let difference = change.chart_difference.clone().unwrap_or_default();
    let careful = change.arms.iter().find(|arm| arm.arm == Arm::DefinitionsFirst);
    let mut reasons = Vec::new();
    for (run, place) in [(change, CHANGE), (after, AFTER)] {
        let broken = run.broken.iter().map(|broken| broken.message.clone());
        reasons.extend(broken.map(|why| UpgradeReason::new(why, place, "said")));
    }
    reasons.extend(turned_red(before, after));
    let harms = careful.into_iter().flat_map(harms);
    reasons.extend(harms.map(|why| UpgradeReason::new(why, CHANGE, html::UPGRADE)));
    if careful.is_none() {
        let failed = change.checks.iter().enumerate().filter_map(|(index, check)| {
            let failure = check.failure()?;
            let why = format!(
                "{}: awaited {}; last seen: {}",
                check.check.id, failure.awaited, failure.last_seen
            );
            Some(UpgradeReason::new(why, CHANGE, &html::anchor(index, check)))
        });
        reasons.extend(failed);
        let why = "the upgrade itself was not carried out to its end".to_owned();
        reasons.push(UpgradeReason::new(why, CHANGE, "checks"));
    }
    let dropped = difference
        .fields_dropped
        .iter()
        .map(|field| format!("the new definitions drop the field {field}: what objects say there is lost"));
    let required = difference
        .fields_required
        .iter()
        .map(|field| format!("the new definitions require the field {field}, which stored objects lack"));
    reasons.extend(
        dropped
            .chain(required)
            .map(|why| UpgradeReason::new(why, CHANGE, html::CHARTS)),
    );
    if !reasons.is_empty() {
        return UpgradeVerdict::Unsafe(reasons);
    }
    let steps = steps(&difference, after);
    if steps.is_empty() {
        UpgradeVerdict::Safe
    } else {
        UpgradeVerdict::SafeWithSteps(steps)
    }
}

/// Checks that passed before and do not after, each with what was awaited and last seen.
fn turned_red(before: &Summary, after: &Summary) -> Vec<UpgradeReason> {
    let green = |verdict: Verdict| matches!(verdict, Verdict::Pass | Verdict::Flaky);
    let passed = before.checks.iter().filter(|check| green(check.verdict));
    let mut reasons = Vec::new();
    for check in passed {
        let id = &check.check.id;
        let mut checks = after.checks.iter().enumerate();
        let now = checks.find(|(_, now)| now.check.id == *id);
        match now {
            Some((_, now)) if green(now.verdict) => {}
            Some((index, now)) => {
                let (awaited, seen) = now
                    .failure()
                    .map_or(("it to pass", "no failure is told"), |failure| {
                        (failure.awaited.as_str(), failure.last_seen.as_str())
                    });
                let why = format!(
                    "{id} passes before and is {} after: awaited {awaited}; last seen: {seen}",
                    now.verdict
                );
                reasons.push(UpgradeReason::new(why, AFTER, &html::anchor(index, now)));
            }
            None => {
                let why = format!("{id} passes before and was not run after");
                reasons.push(UpgradeReason::new(why, AFTER, "checks"));
            }
        }
    }
    reasons
}

/// What a careful upgrade must not do.
fn harms(facts: &ArmFacts) -> Vec<String> {
    let mut reasons = Vec::new();
    if !facts.jobs_killed.is_empty() {
        reasons.push(format!(
            "{} of {} jobs in progress were killed: {}",
            facts.jobs_killed.len(),
            facts.jobs,
            facts.jobs_killed.join(", ")
        ));
    }
    reasons.extend(
        facts
            .refused
            .iter()
            .map(|refusal| format!("an object that was stored before is refused after: {refusal}")),
    );
    reasons.extend(
        facts
            .pruned
            .iter()
            .map(|field| format!("the field {field} is not kept although the definitions were replaced")),
    );
    // A rollout has both generations for a while.
    if facts.most_pods > 2 * facts.runners {
        reasons.push(format!(
            "{} pods at one time for {} runners",
            facts.most_pods, facts.runners
        ));
    }
    if let Some(seen) = &facts.unsettled {
        reasons.push(format!(
            "{} runners, online and idle, did not come back: {seen}",
            facts.runners
        ));
    }
    reasons
}

fn steps(difference: &ChartDifference, after: &Summary) -> Vec<UpgradeStep> {
    let chart = after.parts.iter().find(|part| part.name == "arc-chart");
    let version = chart.map_or("VERSION", |part| part.version.as_str());
    let mut steps = Vec::new();
    if !difference.fields_added.is_empty() {
        steps.push(UpgradeStep {
            why: format!(
                "replace the definitions before the chart: Helm does not, and {} new fields would be lost",
                difference.fields_added.len()
            ),
            command: format!(
                "helm show crds actions-runner-controller/actions-runner-controller --version {version} | kubectl replace -f -"
            ),
        });
    }
    steps.extend(difference.values.iter().map(|value| UpgradeStep {
        why: format!("{} no longer renders: {}", value.value, value.reason),
        command: format!("helm upgrade … --set {}", value.instead),
    }));
    steps
}
