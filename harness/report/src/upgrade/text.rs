//! The answer for the terminal: one screen.

use std::fmt::Write as _;

use harness_model::Verdict;
use harness_model::upgrade::{ArmFacts, ChartDifference};

use super::{UpgradeReport, UpgradeVerdict};
use crate::Summary;

/// So many entries of a list are named.
const SHOWN: usize = 6;

/// The answer, its reasons or steps, and what was measured.
#[must_use]
pub fn upgrade_text(report: &UpgradeReport) -> String {
    let (from, to) = report.versions();
    let mut lines = vec![format!("Upgrade of ARC {from} → {to}: {}", report.verdict.word())];
    match &report.verdict {
        UpgradeVerdict::Safe => {}
        UpgradeVerdict::SafeWithSteps(steps) => {
            for (number, step) in (1..).zip(steps) {
                lines.push(format!("  {number}. {}", step.why));
                lines.push(format!("     $ {}", step.command));
            }
        }
        UpgradeVerdict::Unsafe(reasons) => {
            for reason in reasons {
                lines.push(format!("  - {}", reason.why));
                lines.push(format!("    see {}", reason.evidence));
            }
        }
    }
    lines.push(String::new());
    lines.push(format!("  suite before   {}", verdicts(&report.before)));
    lines.push(format!("  suite after    {}", verdicts(&report.after)));
    let row = |(name, value): (&str, String)| format!("    {name:<34} {value}");
    for facts in &report.change.arms {
        lines.push(String::new());
        lines.push(format!("  {}: {} → {}", facts.arm, facts.from, facts.to));
        lines.extend(figures(facts).into_iter().map(row));
    }
    if let Some(difference) = &report.change.chart_difference {
        lines.push(String::new());
        lines.push("  charts".to_owned());
        lines.extend(charts(difference).into_iter().map(row));
    }
    lines.join("\n") + "\n"
}

/// An arm's figures, each with its name.
pub(crate) fn figures(facts: &ArmFacts) -> Vec<(&'static str, String)> {
    vec![
        (
            "jobs killed",
            format!("{} of {} in progress", facts.jobs_killed.len(), facts.jobs),
        ),
        (
            "idle runners replaced",
            format!("{} of {}", facts.idle_replaced.len(), facts.idle),
        ),
        (
            "without an idle runner",
            format!("{:.1} s", facts.without_capacity),
        ),
        (
            "without a controller",
            format!("{:.1} s", facts.without_controller),
        ),
        (
            "pods at one time",
            format!("{} for {} runners", facts.most_pods, facts.runners),
        ),
        ("calls to GHES", facts.api_calls.to_string()),
        ("replica sets added", facts.replica_sets_added.to_string()),
        ("new fields not kept", listed(&facts.pruned)),
        ("objects refused", listed(&facts.refused)),
        (
            "runners at the end",
            facts.unsettled.clone().unwrap_or_else(|| "as wanted".to_owned()),
        ),
    ]
}

/// How the charts differ, each list with its name.
pub(crate) fn charts(difference: &ChartDifference) -> Vec<(&'static str, String)> {
    let values: Vec<String> = difference
        .values
        .iter()
        .map(|value| value.value.clone())
        .collect();
    let lists = [
        ("fields added to definitions", &difference.fields_added),
        ("fields dropped from definitions", &difference.fields_dropped),
        ("fields newly required", &difference.fields_required),
        ("objects that render differently", &difference.objects),
        ("values that no longer render", &values),
    ];
    lists.map(|(name, list)| (name, listed(list))).into()
}

fn verdicts(summary: &Summary) -> String {
    let mut text = format!("{} checks", summary.checks.len());
    for verdict in [
        Verdict::Pass,
        Verdict::Fail,
        Verdict::ExpectedFailure,
        Verdict::Flaky,
        Verdict::Skipped,
        Verdict::Unsupported,
        Verdict::Error,
    ] {
        let count = summary.count(verdict);
        if count > 0 {
            let _ = write!(text, ", {count} {verdict}");
        }
    }
    text
}

fn listed(list: &[String]) -> String {
    if list.is_empty() {
        return "none".to_owned();
    }
    let more = list.len().saturating_sub(SHOWN);
    let mut text = list[..list.len().min(SHOWN)].join(", ");
    if more > 0 {
        let _ = write!(text, " and {more} more");
    }
    text
}
