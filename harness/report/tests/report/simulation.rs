//! Table and chart of simulations.

use harness_model::Scope;
use harness_model::autoscaling::{Busy, Controller, Load, Moment, Observed, Plan, Spec, simulate};
use harness_report::Simulation;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

fn at(time: &str) -> Timestamp {
    time.parse().expect("the time is well-formed")
}

/// The guide's metric with these further fields.
fn spec(fields: Value) -> Spec {
    let mut spec = json!({"minReplicas": 2, "maxReplicas": 16, "metrics": [{
        "type": "PercentageRunnersBusy", "scaleUpThreshold": "0.75", "scaleDownThreshold": "0.25",
        "scaleUpFactor": "2", "scaleDownFactor": "0.5",
    }]});
    if let (Value::Object(spec), Value::Object(fields)) = (&mut spec, fields) {
        spec.extend(fields);
    }
    serde_json::from_value(spec).expect("the spec is well-formed")
}

/// A Friday and a weekend in Seoul, by a controller there; two jobs at noon, 20 from 13:00 to 18:00.
fn plan() -> Plan {
    Plan {
        controller: Controller::in_zone(TimeZone::posix("KST-9").expect("the zone is well-formed")),
        sync_period: SignedDuration::from_mins(1),
        from: at("2026-11-27T03:00:00Z"),
        until: at("2026-11-29T15:30:00Z"),
    }
}

fn moments(spec: &Spec) -> Vec<Moment> {
    let target = Observed {
        replicas: None,
        ephemeral: true,
        scope: Scope::Enterprise("dogecompany".to_owned()),
        busy: Busy::default(),
        open_jobs: 0,
    };
    let load = Load::new(vec![
        (at("2026-11-27T03:00:00Z"), 2),
        (at("2026-11-27T04:00:00Z"), 20),
        (at("2026-11-27T09:00:00Z"), 0),
    ]);
    simulate(spec, &target, &load, &plan())
}

fn weekend() -> Spec {
    spec(json!({"scheduledOverrides": [{
        "startTime": "2023-07-15T00:00:00+09:00", "endTime": "2023-07-17T00:00:00+09:00", "minReplicas": 1,
        "recurrenceRule": {"frequency": "Weekly"},
    }]}))
}

#[test]
fn table_of_a_weekend() {
    let moments = moments(&weekend());
    let simulation = Simulation {
        name: "runners",
        plan: &plan(),
        moments: &moments,
    };

    insta::assert_snapshot!(simulation.text());
}

#[test]
fn chart_of_a_weekend() {
    let moments = moments(&weekend());
    let simulation = Simulation {
        name: "runners <of> & \"for\" all",
        plan: &plan(),
        moments: &moments,
    };

    insta::assert_snapshot!(simulation.svg());
}

#[test]
fn table_of_an_override_that_is_too_long() {
    let moments = moments(&spec(json!({"scheduledOverrides": [{
        "startTime": "2023-07-15T00:00:00+09:00", "endTime": "2023-07-17T00:00:00+09:00", "minReplicas": 1,
        "recurrenceRule": {"frequency": "Daily"},
    }]})));
    let simulation = Simulation {
        name: "runners",
        plan: &plan(),
        moments: &moments,
    };

    insta::assert_snapshot!(simulation.text());
}
