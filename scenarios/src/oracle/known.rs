//! Where ARC is wrong and the oracle follows it: known upstream defects, each with the simplest case that shows it.
//!
//! They are played before the random cases, so that each run proves that they are still there, and that the oracle still says so. The one that
//! ends the manager is played last. What it is not: an excuse; a disagreement is never compared with this list.

use harness::model::autoscaling::{Outcome, ReconcileError, RunWithoutJobs};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::case::{Case, Flavour, Load, Moment, PERCENTAGE};

/// A known defect.
pub(super) struct Known {
    /// What is wrong.
    pub(super) what: &'static str,
    /// The target's `spec.replicas`.
    replicas: Option<i64>,
    /// Busy runners.
    busy: usize,
    /// The autoscaler's spec, at this time.
    spec: fn(Timestamp) -> Value,
    /// What the oracle, and so ARC, comes to in the end.
    pub(super) shows: fn(&Result<Outcome, ReconcileError>) -> bool,
}

/// All but the crash.
pub(super) const KNOWN: [Known; 6] = [
    Known {
        what: "a minimum above the maximum is cut to the maximum if no metric suggests a number",
        replicas: Some(1),
        busy: 0,
        spec: |_| json!({ "minReplicas": 5, "maxReplicas": 3 }),
        shows: |result| desired(result) == Some(3),
    },
    Known {
        what: "the same minimum stands above the maximum if a metric suggests less",
        replicas: Some(2),
        busy: 1,
        spec: |_| json!({ "minReplicas": 5, "maxReplicas": 3, "metrics": [{ "type": PERCENTAGE }] }),
        shows: |result| desired(result) == Some(5),
    },
    Known {
        what: "from 0 replicas PercentageRunnersBusy never rises: 0 of 0 is neither above nor below a threshold",
        replicas: Some(0),
        busy: 3,
        spec: |_| json!({ "minReplicas": 0, "maxReplicas": 9, "metrics": [{ "type": PERCENTAGE }] }),
        shows: |result| desired(result) == Some(0),
    },
    Known {
        what: "an override without minReplicas overrides nothing, and keeps a later one that is active too from doing so",
        replicas: Some(1),
        busy: 0,
        spec: |now| {
            let (start, end) = (later(now, -60), later(now, 600));
            json!({
                "minReplicas": 1, "maxReplicas": 9,
                "scheduledOverrides": [
                    { "startTime": start, "endTime": end },
                    { "startTime": start, "endTime": end, "minReplicas": 4 },
                ],
            })
        },
        shows: |result| desired(result) == Some(1),
    },
    Known {
        what: "an override that is longer than its recurrence stops every reconcile, and no event says so",
        replicas: Some(1),
        busy: 0,
        spec: |now| {
            // A day has 25 hours where clocks are set back.
            json!({
                "minReplicas": 2, "maxReplicas": 9,
                "scheduledOverrides": [{
                    "startTime": later(now, 600), "endTime": later(now, 600 + 26 * 3_600), "minReplicas": 4,
                    "recurrenceRule": { "frequency": "Daily" },
                }],
            })
        },
        shows: |result| matches!(result, Err(error @ ReconcileError::OverrideTooLong { .. }) if !error.is_told_by_event()),
    },
    Known {
        what: "reserved capacity is counted into the busy fraction's base and so again at each reconcile: one reservation runs away to the maximum",
        replicas: Some(2),
        busy: 60,
        spec: |now| {
            json!({
                "minReplicas": 2, "maxReplicas": 12, "metrics": [{ "type": PERCENTAGE }],
                "capacityReservations": [{ "replicas": 1, "expirationTime": later(now, 600), "effectiveTime": now.to_string() }],
            })
        },
        shows: |result| desired(result) == Some(12),
    },
];

/// A target without replicas, and a busy fraction between the thresholds: a nil pointer, and the manager is gone.
pub(super) const CRASH: Known = Known {
    what: "the manager crashes if the target has no replicas and the busy fraction lies between the thresholds",
    replicas: None,
    busy: 0,
    spec: |_| {
        json!({
            "minReplicas": 1, "maxReplicas": 9, "metrics": [{ "type": PERCENTAGE, "scaleDownThreshold": "0" }],
        })
    },
    shows: |result| matches!(result, Err(ReconcileError::Crash)),
};

impl Known {
    /// The case that shows it, from this time on.
    pub(super) fn case(&self, number: usize, flavour: Flavour, from: Timestamp) -> Case {
        let moment = Moment {
            at: from,
            spec: (self.spec)(from),
            edited: None,
            load: Load {
                busy: self.busy,
                ..Load::default()
            },
        };
        Case {
            number,
            flavour,
            replicas: self.replicas,
            refused: Vec::new(),
            moments: vec![moment],
            run_without_jobs: RunWithoutJobs::default(),
        }
    }
}

fn desired(result: &Result<Outcome, ReconcileError>) -> Option<i64> {
    result.as_ref().ok().map(|outcome| outcome.desired)
}

fn later(time: Timestamp, seconds: i64) -> String {
    let later = time.saturating_add(SignedDuration::from_secs(seconds));
    later.unwrap_or(time).to_string()
}

#[cfg(test)]
mod tests {
    use harness::model::autoscaling::{Controller, Observed, Status};
    use jiff::tz::TimeZone;

    use super::*;

    /// What the oracle comes to at rest, from this time on, with the controller in this zone.
    fn settled(known: &Known, now: &str, zone: &TimeZone) -> Result<Outcome, ReconcileError> {
        let now = now.parse().expect("a time");
        let case = known.case(0, Flavour::ALL[0], now);
        let (mut status, mut replicas) = (Status::default(), case.replicas);
        loop {
            let observed = Observed {
                replicas,
                ..case.observed(0, "a", "company")
            };
            let spec = case.spec(0).expect("a spec");
            let outcome = Controller::in_zone(zone.clone()).reconcile(&spec, &status, &observed, now)?;
            if outcome.status == status {
                return Ok(outcome);
            }
            replicas = outcome.target.replicas.or(replicas);
            status = outcome.status;
        }
    }

    #[test]
    fn the_oracle_has_every_known_defect_also_on_the_day_of_25_hours() {
        let new_york = TimeZone::get("America/New_York").expect("a zone");
        for (now, zone) in [
            ("2030-01-01T00:00:00Z", TimeZone::UTC),
            ("2030-11-02T14:13:00Z", new_york),
        ] {
            for known in KNOWN.iter().chain([&CRASH]) {
                let result = settled(known, now, &zone);

                assert!((known.shows)(&result), "{now}: {}: {result:?}", known.what);
            }
        }
    }
}
