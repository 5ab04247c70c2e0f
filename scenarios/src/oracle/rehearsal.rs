//! The comparison without ARC: in its place stands a model that may be wrong. The judge must see that it is, and shrinking must find what of it.
//!
//! What it is not: a test of ARC, or of the oracle.

use std::cell::RefCell;
use std::collections::BTreeSet;

use harness::model::autoscaling::{
    Controller, EffectiveTime, Observed, Outcome, ReconcileError, Spec, Status, Suggestion,
};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::arc_log::{End, Percentage, Reconcile};
use super::case::Case;
use super::generate::RESTLESS;
use super::judge::{Disagreement, Judge, Judged, Target, Written};
use super::{TARGETS, batch, shrink};

const NEW_YORK: &str = "America/New_York";

/// What a stand-in for ARC does in one reconcile.
type StandIn<'a> = &'a dyn Fn(&Spec, &Status, &Observed, Timestamp) -> Result<Outcome, ReconcileError>;

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).expect("a zone")
}

fn oracle() -> Controller {
    Controller::in_zone(zone(NEW_YORK))
}

fn cases() -> Vec<Case> {
    (0..6)
        .flat_map(|number| batch(11, number, TARGETS, &zone(NEW_YORK)))
        .collect()
}

/// Has the stand-in go through a case as ARC would, and the judge look at it.
fn rehearsed(case: &Case, stand_in: StandIn<'_>) -> Option<Disagreement> {
    let (name, company) = ("case-1", "company-1");
    let mut judge = Judge::new(oracle(), name.to_owned(), company.to_owned(), None, case.clone());
    let mut written = Written::default();
    let mut status = Status::default();
    let mut target = Target {
        replicas: case.replicas,
        effective_time: None,
    };
    for (moment, now) in case.moments.iter().map(|moment| moment.at).enumerate() {
        judge.begin(moment, now);
        target.replicas = case.moments[moment].edited.or(target.replicas);
        let spec = case.spec(moment).expect("a spec");
        for _ in 0..RESTLESS {
            let observed = Observed {
                replicas: target.replicas,
                ..case.observed(moment, name, company)
            };
            let result = stand_in(&spec, &status, &observed, now);
            let reconcile = told(&result, &observed, case, now);
            let mut rests = true;
            if let Ok(outcome) = result {
                let after = Target {
                    replicas: outcome.target.replicas.or(target.replicas),
                    effective_time: outcome.target.effective_time.after(target.effective_time),
                };
                if after != target {
                    written.targets.push_back(after);
                    target = after;
                }
                if outcome.status != status {
                    written.statuses.push_back(outcome.status.clone());
                    status = outcome.status;
                    rests = false;
                }
            }
            match judge.judge(&reconcile, &mut written, true) {
                Judged::Agreed => {}
                Judged::Open => panic!("late, nothing is open"),
                Judged::Differs(disagreement) => return Some(*disagreement),
            }
            // A write that a cache did not show yet is followed by another reconcile.
            if rests && judge.rests(&written) {
                break;
            }
        }
        if !judge.rests(&written) {
            return Some(judge.unfinished(&written));
        }
    }
    None
}

/// What ARC's log would say.
fn told(
    result: &Result<Outcome, ReconcileError>,
    observed: &Observed,
    case: &Case,
    now: Timestamp,
) -> Reconcile {
    let percentage = |before, suggested| Percentage {
        before,
        suggested,
        runners: i64::try_from(case.own("case-1").len()).expect("few"),
        registered: 0,
        busy: observed.busy.running,
        terminating: observed.busy.terminating,
    };
    let (percentage, runs) = match result.as_ref().map(|outcome| outcome.reason.suggestion) {
        Ok(Suggestion::PercentageRunnersBusy {
            before, suggested, ..
        }) => (Some(percentage(before, suggested)), None),
        Ok(Suggestion::WorkflowRuns { suggested, fallback }) => {
            let first = fallback.then(|| percentage(observed.replicas.unwrap_or(1), 0));
            (first, Some(suggested))
        }
        _ => (None, None),
    };
    Reconcile {
        autoscaler: "case-1".to_owned(),
        checked_at: Some(now),
        after: None,
        ended_at: now,
        percentage,
        runs,
        end: match result {
            Ok(outcome) => End::Calculated {
                desired: outcome.desired,
                suggested: outcome.reason.suggestion.replicas().unwrap_or(outcome.min),
                reserved: outcome.reason.reserved,
                min: outcome.min,
                held_until: outcome.reason.held_until,
            },
            Err(error) => End::Failed {
                at_the_minimum: !error.is_told_by_event(),
                error: words(error),
            },
        },
    }
}

/// ARC's words, as far as the judge looks for them.
fn words(error: &ReconcileError) -> String {
    super::judge::words(error).join(" ")
}

/// The first case that disagrees, as simple as it gets.
fn simplest(stand_in: StandIn<'_>) -> Option<Case> {
    let mut case = cases()
        .into_iter()
        .find(|case| rehearsed(case, stand_in).is_some())?;
    while let Some(simpler) = shrink::simpler(&case)
        .into_iter()
        .find(|case| rehearsed(case, stand_in).is_some())
    {
        case = simpler;
    }
    Some(case)
}

#[test]
fn a_stand_in_that_does_as_the_oracle_agrees_in_every_case() {
    let right = oracle();

    let disagreeing: Vec<_> = cases()
        .iter()
        .filter_map(|case| {
            rehearsed(case, &|spec, status, observed, now| {
                right.reconcile(spec, status, observed, now)
            })
        })
        .collect();

    assert_eq!(disagreeing, []);
}

#[test]
fn a_stand_in_whose_cache_shows_the_status_late_agrees_in_every_case() {
    let right = oracle();

    let disagreeing: Vec<_> = cases()
        .iter()
        .filter_map(|case| {
            let reconciles = RefCell::new(Vec::<(Timestamp, Status)>::new());
            rehearsed(case, &|spec, status, observed, now| {
                let mut reconciles = reconciles.borrow_mut();
                reconciles.push((now, status.clone()));
                let of_moment: Vec<_> = reconciles.iter().filter(|(at, _)| *at == now).collect();
                let shown = match of_moment.as_slice() {
                    [(_, before), _] => before,
                    _ => status,
                };
                right.reconcile(spec, shown, observed, now)
            })
        })
        .collect();

    assert_eq!(disagreeing, []);
}

#[test]
fn a_stand_in_in_another_zone_is_seen_by_an_override_alone() {
    let utc = Controller::in_zone(TimeZone::UTC);

    let case = simplest(&|spec, status, observed, now| utc.reconcile(spec, status, observed, now));

    let case = case.expect("some override shows the zone");
    let spec = &case.moments[0].spec;
    assert_eq!(
        (
            case.moments.len(),
            spec["scheduledOverrides"].as_array().map(Vec::len)
        ),
        (1, Some(1))
    );
    assert_eq!(
        (&spec["metrics"], &spec["capacityReservations"]),
        (&json!(null), &json!(null))
    );
}

#[test]
fn a_stand_in_that_forgets_a_scale_out_after_nine_minutes_is_seen() {
    let hasty = Controller {
        default_scale_down_delay: SignedDuration::from_mins(9),
        ..oracle()
    };

    let case = simplest(&|spec, status, observed, now| hasty.reconcile(spec, status, observed, now));

    let case = case.expect("some case is held by the default delay");
    let spec = &case.moments[case.moments.len() - 1].spec;
    let nothing = json!(null);
    assert_eq!(
        [
            &spec["scaleDownDelaySecondsAfterScaleOut"],
            &spec["scheduledOverrides"],
            &spec["capacityReservations"]
        ],
        [&nothing; 3]
    );
    assert_eq!(case.refused, []);
}

#[test]
fn a_stand_in_that_writes_one_replica_too_many_or_keeps_a_time_is_seen() {
    let right = oracle();
    let greedy = |spec: &Spec, status: &Status, observed: &Observed, now| {
        let mut outcome = right.reconcile(spec, status, observed, now)?;
        outcome.target.replicas = outcome.target.replicas.map(|replicas| replicas + 1);
        Ok(outcome)
    };
    let forgetful = |spec: &Spec, status: &Status, observed: &Observed, now| {
        let mut outcome = right.reconcile(spec, status, observed, now)?;
        if outcome.target.effective_time == EffectiveTime::Removed {
            outcome.target.effective_time = EffectiveTime::Kept;
        }
        Ok(outcome)
    };

    let (too_many, kept) = (simplest(&greedy), simplest(&forgetful));

    let too_many = too_many.expect("most cases change the target");
    assert_eq!((too_many.moments.len(), too_many.refused.len()), (1, 0));
    let kept = kept.expect("some reservations have no time");
    assert_eq!(kept.moments.len(), 2);
    assert!(
        kept.moments
            .iter()
            .all(|moment| moment.spec["capacityReservations"].is_array())
    );
}

/// The rules that made this outcome, or the error.
fn rules(result: &Result<Outcome, ReconcileError>) -> Vec<String> {
    let outcome = match result {
        Ok(outcome) => outcome,
        Err(error) => return vec![super::judge::words(error)[0].to_owned()],
    };
    let reason = &outcome.reason;
    let suggestion = match reason.suggestion {
        Suggestion::NoMetric => "no metric".to_owned(),
        Suggestion::PercentageRunnersBusy { step, busy, .. } => {
            format!("busy, {step:?}, terminating {}", busy.terminating > 0)
        }
        Suggestion::WorkflowRuns { fallback, .. } => format!("runs, fallback {fallback}"),
    };
    let active = outcome.overrides.active;
    vec![
        suggestion,
        format!("clamp {:?}", reason.clamp),
        format!("held {}", reason.held_until.is_some()),
        format!("reserved {}", reason.reserved.signum()),
        format!(
            "override {:?}",
            active.map(|active| active.min_replicas.is_some())
        ),
        format!("next {}", outcome.overrides.upcoming.is_some()),
        format!("summary {}", outcome.status.scheduled_overrides_summary.is_some()),
        format!("target {}", outcome.target.replicas.is_some()),
        match outcome.target.effective_time {
            EffectiveTime::Kept => "time kept".to_owned(),
            EffectiveTime::Set(_) => "time set".to_owned(),
            EffectiveTime::Removed => "time removed".to_owned(),
        },
    ]
}

/// Each way through ARC's rules, and the errors by ARC's words.
const RULES: [&str; 42] = [
    "busy, Down, terminating false",
    "busy, Down, terminating true",
    "busy, Stay, terminating false",
    "busy, Stay, terminating true",
    "busy, Up, terminating false",
    "busy, Up, terminating true",
    "cannot be combined with",
    "clamp Max",
    "clamp Min",
    "clamp None",
    "held false",
    "held true",
    "is missing maxReplicas",
    "is missing minReplicas",
    "next false",
    "next true",
    "no metric",
    "number of active overrides",
    "override None",
    "override Some(false)",
    "override Some(true)",
    "override's duration",
    "repositoryNames is required",
    "reserved -1",
    "reserved 0",
    "reserved 1",
    "runs, fallback false",
    "runs, fallback true",
    "scaleDownAdjustment",
    "scaleUpAdjustment",
    "scaleUpFactor",
    "scaleUpThreshold",
    "should not be empty on this code path",
    "summary false",
    "summary true",
    "target false",
    "target true",
    "time kept",
    "time removed",
    "time set",
    "too many autoscaling metrics",
    "unsupported metric type",
];

#[test]
fn the_cases_of_two_runs_reach_every_rule() {
    let right = oracle();
    let reached = RefCell::new(BTreeSet::new());

    for case in (0..8).flat_map(|number| batch(12, number, TARGETS, &zone(NEW_YORK))) {
        let differs = rehearsed(&case, &|spec, status, observed, now| {
            let result = right.reconcile(spec, status, observed, now);
            reached.borrow_mut().extend(rules(&result));
            result
        });
        assert_eq!(differs, None);
    }

    let reached = reached.into_inner();
    let missing = RULES.into_iter().filter(|rule| !reached.contains(*rule));
    assert_eq!(missing.collect::<Vec<_>>(), [""; 0]);
}
