//! The oracle held against ARC's documented and measured behaviour: worked numbers, calendars, laws, simulations.
//!
//! Zones are given as POSIX rules, so that nothing is read from the machine.

mod laws;
mod overrides;
mod rules;
mod schedule;
mod simulation;
mod worked_numbers;

use harness_model::Scope;
use harness_model::autoscaling::{Busy, Controller, Observed, Outcome, ReconcileError, Spec, Status};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

/// New York since 2007.
const NEW_YORK: &str = "EST5EDT,M3.2.0,M11.1.0";
/// Berlin since 1996.
const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";
/// Havana since 2013: in spring the clock goes from midnight to 01:00.
const HAVANA: &str = "CST5CDT,M3.2.0/0,M11.1.0/1";

fn zone(posix: &str) -> TimeZone {
    TimeZone::posix(posix).expect("the zone is well-formed")
}

fn at(time: &str) -> Timestamp {
    time.parse().expect("the time is well-formed")
}

/// The spec of these fields, with a minimum of 2 and a maximum of 16 unless they say otherwise.
fn spec(fields: &Value) -> Spec {
    let mut spec = json!({"minReplicas": 2, "maxReplicas": 16});
    for (name, value) in fields.as_object().expect("fields are a mapping") {
        spec[name] = value.clone();
    }
    serde_json::from_value(spec).expect("the spec is well-formed")
}

/// One `PercentageRunnersBusy` with these fields.
fn percentage(fields: &Value) -> Value {
    let mut metric = json!({"type": "PercentageRunnersBusy"});
    for (name, value) in fields.as_object().expect("fields are a mapping") {
        metric[name] = value.clone();
    }
    metric
}

/// The guide's metric.
fn guide() -> Value {
    percentage(&json!({
        "scaleUpThreshold": "0.75", "scaleDownThreshold": "0.25", "scaleUpFactor": "2", "scaleDownFactor": "0.5"
    }))
}

fn open_jobs() -> Value {
    json!({"type": "TotalNumberOfQueuedAndInProgressWorkflowRuns", "repositoryNames": ["quickstart"]})
}

fn observed(replicas: Option<i64>, busy: i64, open_jobs: i64) -> Observed {
    Observed {
        replicas,
        ephemeral: true,
        scope: Scope::Organization("dogecompany".to_owned()),
        busy: Busy {
            running: busy,
            terminating: 0,
        },
        open_jobs,
    }
}

const NOW: &str = "2026-11-25T12:00:00Z";

/// A reconcile in UTC without an earlier status.
fn first(spec: &Spec, observed: &Observed) -> Result<Outcome, ReconcileError> {
    Controller::in_zone(TimeZone::UTC).reconcile(spec, &Status::default(), observed, at(NOW))
}
