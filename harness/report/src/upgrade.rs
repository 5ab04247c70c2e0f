//! The answer to "may we bump ARC?": a fold over three runs — the suite before, the upgrade itself, the suite after.
//!
//! What it is not: it measures nothing; the facts are in the runs' logs.

mod text;
mod yaml;

use harness_model::upgrade::{Arm, ArmFacts, ChartDifference};
use harness_model::{Exit, Verdict};

use crate::Summary;

pub use text::upgrade_text;
pub use yaml::{UPGRADE_FILE, write_upgrade};

/// What an administrator must do besides the upgrade itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpgradeStep {
    /// What for.
    pub why: String,
    /// What to type.
    pub command: String,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpgradeVerdict {
    /// Nothing needs doing besides.
    Safe,
    /// Safe if these are done.
    SafeWithSteps(Vec<UpgradeStep>),
    /// Not safe, for these reasons.
    Unsafe(Vec<String>),
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
    for run in [change, after] {
        reasons.extend(run.broken.iter().map(|broken| broken.message.clone()));
    }
    reasons.extend(turned_red(before, after));
    reasons.extend(careful.into_iter().flat_map(harms));
    if careful.is_none() {
        let failed = change.checks.iter().filter_map(|check| {
            let failure = check.failure()?;
            Some(format!(
                "{}: awaited {}; last seen: {}",
                check.check.id, failure.awaited, failure.last_seen
            ))
        });
        reasons.extend(failed);
        reasons.push("the upgrade itself was not carried out to its end".to_owned());
    }
    reasons.extend(
        difference.fields_dropped.iter().map(|field| {
            format!("the new definitions drop the field {field}: what objects say there is lost")
        }),
    );
    reasons.extend(
        difference
            .fields_required
            .iter()
            .map(|field| format!("the new definitions require the field {field}, which stored objects lack")),
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
fn turned_red(before: &Summary, after: &Summary) -> Vec<String> {
    let green = |verdict: Verdict| matches!(verdict, Verdict::Pass | Verdict::Flaky);
    let passed = before.checks.iter().filter(|check| green(check.verdict));
    let mut reasons = Vec::new();
    for check in passed {
        let id = &check.check.id;
        let now = after.checks.iter().find(|now| now.check.id == *id);
        match now {
            Some(now) if green(now.verdict) => {}
            Some(now) => {
                let (awaited, seen) = now
                    .failure()
                    .map_or(("it to pass", "no failure is told"), |failure| {
                        (failure.awaited.as_str(), failure.last_seen.as_str())
                    });
                reasons.push(format!(
                    "{id} passes before and is {} after: awaited {awaited}; last seen: {seen}",
                    now.verdict
                ));
            }
            None => reasons.push(format!("{id} passes before and was not run after")),
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
