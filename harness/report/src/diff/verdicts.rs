//! Checks whose verdict changed, and checks that only one run had.

use std::collections::BTreeSet;

use harness_model::Verdict;

use super::Section;
use crate::text::{count, one_line};
use crate::{CheckResult, Summary};

/// Characters of a reason.
const REASON: usize = 100;

pub(super) fn section(before: &Summary, after: &Summary) -> Section {
    let mut changes: Vec<(u8, String)> = Vec::new();
    if before.outcome != after.outcome {
        let text = format!("the run: {} → {}{}", outcome(before), outcome(after), why(after));
        changes.push((0, text));
    }
    for check in &after.checks {
        let id = &check.check.id;
        match of(before, id) {
            Some(known) if known.verdict == check.verdict => {}
            Some(known) => {
                let text = format!("{id}: {} → {}{}", known.verdict, check.verdict, reason(check));
                changes.push((weight(check.verdict), text));
            }
            None => changes.push((3, format!("{id}: only in the second run, {}", check.verdict))),
        }
    }
    for check in before.checks.iter().filter(|c| of(after, &c.check.id).is_none()) {
        changes.push((
            3,
            format!("{}: only in the first run, {}", check.check.id, check.verdict),
        ));
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
        changes.into_iter().map(|(_, text)| text).collect(),
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

fn why(summary: &Summary) -> String {
    let broken = summary.broken.first();
    broken.map_or_else(String::new, |b| format!(": {}", one_line(&b.message, REASON)))
}

fn reason(check: &CheckResult) -> String {
    let reason = check.reason.as_deref();
    reason.map_or_else(String::new, |reason| format!(": {}", one_line(reason, REASON)))
}
