//! The metric `PercentageRunnersBusy`: who counts as busy, and what it suggests.

use std::collections::BTreeSet;

use super::error::ReconcileError;
use super::go;
use super::spec::Metric;
use super::suggestion::{Step, Suggestion};

/// A runner as GHES lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedRunner {
    /// Its name.
    pub name: String,
    /// Whether a job runs on it. Whether it is online does not matter.
    pub busy: bool,
}

/// How many runners count as busy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Busy {
    /// Runners of the target that GHES lists as busy.
    pub running: i64,
    /// Pods that GHES would not let go, and which it lists as not busy or not at all.
    pub terminating: i64,
}

impl Busy {
    /// Counts as ARC does.
    ///
    /// `own` are the names of the target's Runners (pods, of a RunnerSet) in the autoscaler's namespace; `refused` the names of its pods whose
    /// unregistration GHES refused. A refused pod that GHES lists but that has no Runner any more counts too.
    #[must_use]
    pub fn count(own: &[String], refused: &[String], listed: &[ListedRunner]) -> Self {
        let own: BTreeSet<&str> = own.iter().map(String::as_str).collect();
        let mut refused: BTreeSet<&str> = refused.iter().map(String::as_str).collect();
        let mut busy = Busy::default();
        for runner in listed.iter().filter(|runner| own.contains(runner.name.as_str())) {
            let was_refused = refused.remove(runner.name.as_str());
            if runner.busy {
                busy.running += 1;
            } else if was_refused {
                busy.terminating += 1;
            }
        }
        busy.terminating += i64::try_from(refused.len()).unwrap_or(i64::MAX);
        busy
    }
}

/// What one direction does with the number of replicas.
#[derive(Debug, Clone, Copy)]
enum Change {
    By(i64),
    Times(f64),
}

/// What the metric suggests for a target with `replicas` in its spec.
///
/// The busy fraction is of the *desired* number, not of those that run; without replicas it is not a number, which is neither above nor below
/// anything.
pub(super) fn suggest(
    metric: &Metric,
    replicas: Option<i64>,
    busy: Busy,
) -> Result<Suggestion, ReconcileError> {
    let up = number("scaleUpThreshold", &metric.scale_up_threshold, 0.8)?;
    let down = number("scaleDownThreshold", &metric.scale_down_threshold, 0.3)?;
    let grow = change(
        ("scaleUpAdjustment", metric.scale_up_adjustment),
        ("scaleUpFactor", &metric.scale_up_factor, 1.3),
    )?;
    let shrink = change(
        ("scaleDownAdjustment", metric.scale_down_adjustment),
        ("scaleDownFactor", &metric.scale_down_factor, 0.7),
    )?;

    let before = replicas.unwrap_or(1);
    let fraction = (busy.running + busy.terminating) as f64 / before as f64;
    let (step, suggested) = if fraction >= up {
        let grown = match grow {
            Change::By(adjustment) => before.wrapping_add(adjustment),
            Change::Times(factor) => go::int((before as f64 * factor).ceil()),
        };
        (Step::Up, grown)
    } else if fraction < down {
        let shrunk = match shrink {
            Change::By(adjustment) => before.wrapping_sub(adjustment),
            Change::Times(factor) => go::int(before as f64 * factor),
        };
        (Step::Down, shrunk)
    } else {
        (Step::Stay, replicas.ok_or(ReconcileError::Crash)?)
    };
    Ok(Suggestion::PercentageRunnersBusy {
        busy,
        before,
        step,
        suggested,
    })
}

fn number(field: &'static str, text: &str, default: f64) -> Result<f64, ReconcileError> {
    if text.is_empty() {
        return Ok(default);
    }
    go::parse_float(text).ok_or_else(|| ReconcileError::NotANumber {
        field,
        text: text.to_owned(),
    })
}

fn change(
    (adjustment, value): (&'static str, i64),
    (factor, text, default): (&'static str, &str, f64),
) -> Result<Change, ReconcileError> {
    if value < 0 {
        return Err(ReconcileError::NegativeAdjustment {
            field: adjustment,
            value,
        });
    }
    if value == 0 {
        return Ok(Change::Times(number(factor, text, default)?));
    }
    if !text.is_empty() {
        return Err(ReconcileError::AdjustmentAndFactor { adjustment, factor });
    }
    Ok(Change::By(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn listed(runners: &[(&str, bool)]) -> Vec<ListedRunner> {
        let runner = |(name, busy): &(&str, bool)| ListedRunner {
            name: (*name).to_owned(),
            busy: *busy,
        };
        runners.iter().map(runner).collect()
    }

    #[test]
    fn only_the_targets_own_runners_count() {
        let own = names(&["a", "b", "unregistered"]);
        let listed = listed(&[("a", true), ("b", false), ("somebody-else-s", true)]);

        let busy = Busy::count(&own, &[], &listed);

        assert_eq!(
            busy,
            Busy {
                running: 1,
                terminating: 0
            }
        );
    }

    #[test]
    fn a_refused_pod_counts_once_whatever_ghes_lists() {
        let own = names(&["busy", "idle", "gone"]);
        let refused = names(&["busy", "idle", "gone", "without-runner"]);
        let listed = listed(&[("busy", true), ("idle", false), ("without-runner", true)]);

        let busy = Busy::count(&own, &refused, &listed);

        assert_eq!(
            busy,
            Busy {
                running: 1,
                terminating: 3
            }
        );
    }
}
