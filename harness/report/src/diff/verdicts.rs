//! Checks whose verdict changed, and checks that only one run had.

use std::collections::BTreeSet;

use harness_model::Verdict;

use super::{Difference, Section};
use crate::text::count;
use crate::{CheckResult, Summary};

pub(super) fn section(before: &Summary, after: &Summary) -> Section {
    let mut changes: Vec<(u8, Difference)> = Vec::new();
    if before.outcome != after.outcome {
        let why = after.broken.first().map(|broken| broken.message.as_str());
        let change = Difference::changed("the run", outcome(before), outcome(after));
        changes.push((0, change.because(why)));
    }
    for check in &after.checks {
        let (id, now) = (&check.check.id, check.verdict);
        match of(before, id) {
            Some(known) if known.verdict == now => {}
            Some(known) => {
                let change = Difference::changed(id, known.verdict.to_string(), now.to_string());
                changes.push((weight(now), change.because(check.reason.as_deref())));
            }
            None => changes.push((3, Difference::only_second(id, now.to_string()))),
        }
    }
    for check in before.checks.iter().filter(|c| of(after, &c.check.id).is_none()) {
        let change = Difference::only_first(&check.check.id, check.verdict.to_string());
        changes.push((3, change));
    }
    // Stable: within a weight the order of the plan stays.
    changes.sort_by_key(|(weight, _)| *weight);

    let both = after
        .checks
        .iter()
        .filter(|c| of(before, &c.check.id).is_some())
        .count();
    let scope = format!("{} in both runs", count(both, "check"));
    Section::new(
        "Verdicts",
        scope,
        changes.into_iter().map(|(_, change)| change).collect(),
    )
}

/// Whether the same checks ran in both.
pub(super) fn same_checks(before: &Summary, after: &Summary) -> bool {
    let ran = |summary: &Summary| -> BTreeSet<String> {
        let not_run = |verdict| matches!(verdict, Verdict::Skipped | Verdict::Unsupported);
        let ran = summary.checks.iter().filter(|check| !not_run(check.verdict));
        ran.map(|check| check.check.id.clone()).collect()
    };
    ran(before) == ran(after)
}

/// What went red comes first.
fn weight(now: Verdict) -> u8 {
    if now.is_green() { 2 } else { 1 }
}

fn of<'a>(summary: &'a Summary, id: &str) -> Option<&'a CheckResult> {
    summary.checks.iter().find(|check| check.check.id == id)
}

fn outcome(summary: &Summary) -> String {
    format!("{:?} (exit {})", summary.outcome, summary.exit).to_lowercase()
}
