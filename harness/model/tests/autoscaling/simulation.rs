//! Simulations: what follows from what, and when.

use super::*;
use harness_model::autoscaling::{Load, Moment, Plan, Simulated, simulate};
use jiff::SignedDuration;

fn plan(from: &str, until: &str, period: SignedDuration) -> Plan {
    Plan {
        controller: Controller::in_zone(TimeZone::UTC),
        sync_period: period,
        from: at(from),
        until: at(until),
    }
}

fn load(points: &[(&str, i64)]) -> Load {
    Load::new(points.iter().map(|(time, jobs)| (at(time), *jobs)).collect())
}

/// Minute and second, desired, and busy of every change.
fn changes(moments: &[Moment]) -> Vec<(String, i64, i64)> {
    let mut shown: Vec<&Moment> = Vec::new();
    for moment in moments {
        if shown.last().is_none_or(|last| moment.is_change_from(last)) {
            shown.push(moment);
        }
    }
    let row = |moment: &&Moment| {
        (
            moment.time.strftime("%M:%S").to_string(),
            moment.desired,
            moment.busy,
        )
    };
    shown.iter().map(row).collect()
}

fn rows(rows: &[(&str, i64, i64)]) -> Vec<(String, i64, i64)> {
    rows.iter()
        .map(|(time, desired, busy)| ((*time).to_owned(), *desired, *busy))
        .collect()
}

#[test]
fn the_ladder_goes_up_step_by_step_and_down_in_one_burst() {
    let spec = spec(&json!({"metrics": [guide()], "scaleDownDelaySecondsAfterScaleOut": 15}));
    let load = load(&[("2026-11-25T12:00:10Z", 20), ("2026-11-25T12:00:40Z", 0)]);
    let plan = plan(NOW, "2026-11-25T12:02:00Z", SignedDuration::from_secs(10));

    let moments = simulate(&spec, &observed(Some(2), 0, 0), &load, &plan);

    let expected = [
        ("00:00", 2, 0),
        ("00:10", 4, 2),
        ("00:20", 8, 4),
        ("00:30", 16, 8),
        // The delay after 00:30 is over at 00:45; the next resync is at 00:50.
        ("00:50", 8, 0),
        ("00:50", 4, 0),
        ("00:50", 2, 0),
    ];
    assert_eq!(changes(&moments), rows(&expected));
}

#[test]
fn an_override_takes_effect_at_the_next_resync() {
    let spec = spec(&json!({"minReplicas": 1, "scheduledOverrides": [{
        "startTime": "2026-11-25T12:00:12Z", "endTime": "2026-11-25T12:10:42Z", "minReplicas": 3,
    }]}));
    let plan = plan(NOW, "2026-11-25T13:00:00Z", SignedDuration::from_secs(10));

    let moments = simulate(&spec, &observed(None, 0, 0), &Load::default(), &plan);

    let expected = [("00:00", 1, 0), ("00:20", 3, 0), ("10:50", 1, 0)];
    let minima: Vec<_> = moments.iter().map(|moment| moment.outcome.min()).collect();
    assert_eq!(changes(&moments), rows(&expected));
    assert_eq!(minima, [Some(1), Some(3), Some(1)]);
}

#[test]
fn without_a_minimum_the_percentage_never_leaves_zero() {
    let alone = spec(&json!({"minReplicas": 0, "metrics": [guide()]}));
    let with_jobs = spec(&json!({"minReplicas": 0, "metrics": [guide(), open_jobs()]}));
    let load = load(&[(NOW, 5)]);
    let plan = plan(NOW, "2026-11-25T12:05:00Z", SignedDuration::from_mins(1));
    let last = |spec: &Spec| {
        let moments = simulate(spec, &observed(Some(0), 0, 0), &load, &plan);
        moments.last().expect("there is a first reconcile").desired
    };

    let (alone, with_jobs) = (last(&alone), last(&with_jobs));

    assert_eq!(alone, 0);
    assert_eq!(with_jobs, 10);
}

#[test]
fn thresholds_that_contradict_each_other_never_come_to_rest() {
    let metric = percentage(&json!({
        "scaleUpThreshold": "0.9", "scaleDownThreshold": "0.6", "scaleUpFactor": "2", "scaleDownFactor": "0.5"
    }));
    let spec = spec(&json!({"metrics": [metric], "scaleDownDelaySecondsAfterScaleOut": 0}));
    let plan = plan(NOW, "2026-11-25T13:00:00Z", SignedDuration::from_mins(1));

    let moments = simulate(&spec, &observed(Some(2), 0, 0), &load(&[(NOW, 2)]), &plan);

    assert_eq!(moments.len(), 1, "{moments:?}");
    assert!(
        matches!(moments[0].outcome, Simulated::Restless { .. }),
        "{moments:?}"
    );
}

#[test]
fn a_reconcile_that_fails_leaves_everything_as_it_is() {
    let spec = spec(&json!({"scheduledOverrides": [{
        "startTime": "2026-03-01T00:00:00Z", "endTime": "2026-04-01T00:00:00Z", "minReplicas": 4,
        "recurrenceRule": {"frequency": "Monthly"},
    }]}));
    let plan = plan(
        "2026-01-20T00:00:00Z",
        "2026-03-02T00:00:00Z",
        SignedDuration::from_hours(1),
    );

    let moments = simulate(&spec, &observed(Some(2), 0, 0), &Load::default(), &plan);

    let told: Vec<_> = moments
        .iter()
        .map(|moment| {
            let failed = matches!(moment.outcome, Simulated::Failed(_));
            (moment.time.to_string(), moment.desired, failed)
        })
        .collect();
    // February has 28 days, so from there on 31 days are longer than a month, until March begins.
    assert_eq!(
        told,
        [
            ("2026-01-20T00:00:00Z".to_owned(), 2, false),
            ("2026-02-01T00:00:00Z".to_owned(), 2, true),
            ("2026-03-01T00:00:00Z".to_owned(), 4, false),
        ]
    );
}

#[test]
fn busy_runners_are_never_more_than_there_are() {
    let spec = spec(&json!({"metrics": [guide()]}));
    let load = load(&[(NOW, 40), ("2026-11-25T12:30:00Z", 3)]);
    let plan = plan(NOW, "2026-11-25T14:00:00Z", SignedDuration::from_mins(1));

    let moments = simulate(&spec, &observed(None, 0, 0), &load, &plan);

    let mut before = 1;
    for moment in &moments {
        assert!(
            moment.busy <= before.max(moment.desired) && moment.busy <= moment.jobs,
            "{moment:?}"
        );
        before = moment.desired;
    }
    assert_eq!(moments.last().map(|moment| moment.desired), Some(8));
}
