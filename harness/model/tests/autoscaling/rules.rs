//! The order of the rules around the metrics: limits, reservations, the delay, combinations, errors.

use super::*;
use harness_model::autoscaling::{Clamp, EffectiveTime, TargetChange};

fn status(desired: i64, scaled_out: Option<&str>) -> Status {
    Status {
        desired_replicas: Some(desired),
        last_successful_scale_out_time: scaled_out.map(at),
        scheduled_overrides_summary: None,
    }
}

fn reconcile(spec: &Spec, status: &Status, observed: &Observed) -> Outcome {
    Controller::in_zone(TimeZone::UTC)
        .reconcile(spec, status, observed, at(NOW))
        .expect("the spec is valid")
}

/// An override that is active now.
fn override_now(min: i64) -> Value {
    json!([{"startTime": "2026-11-25T00:00:00Z", "endTime": "2026-11-26T00:00:00Z", "minReplicas": min}])
}

#[test]
fn a_minimum_above_the_maximum_wins_only_against_a_smaller_number() {
    let with_metric = spec(&json!({
        "maxReplicas": 3, "metrics": [guide()], "scheduledOverrides": override_now(5)
    }));
    let without = spec(&json!({"maxReplicas": 3, "scheduledOverrides": override_now(5)}));

    let suggested_less = reconcile(&with_metric, &Status::default(), &observed(Some(2), 1, 0));
    let suggested_more = reconcile(&with_metric, &Status::default(), &observed(Some(5), 5, 0));
    let nothing_suggested = reconcile(&without, &Status::default(), &observed(Some(2), 0, 0));

    assert_eq!(
        (suggested_less.desired, suggested_less.reason.clamp),
        (5, Clamp::Min)
    );
    assert_eq!(
        (suggested_more.desired, suggested_more.reason.clamp),
        (3, Clamp::Max)
    );
    assert_eq!(
        (nothing_suggested.desired, nothing_suggested.reason.clamp),
        (3, Clamp::Max)
    );
}

#[test]
fn a_negative_minimum_is_one() {
    let spec = spec(&json!({"minReplicas": -1}));

    let outcome = reconcile(&spec, &Status::default(), &observed(Some(4), 0, 0));

    assert_eq!((outcome.min, outcome.desired), (1, 1));
}

#[test]
fn reservations_count_until_the_instant_they_expire() {
    let spec = spec(&json!({"capacityReservations": [
        {"replicas": 1, "expirationTime": "2026-11-25T12:00:01Z", "effectiveTime": "2026-11-25T11:50:00Z"},
        {"replicas": 2, "expirationTime": "2026-11-25T12:00:00Z", "effectiveTime": "2026-11-25T11:55:00Z"},
        {"replicas": 4},
    ]}));
    let mut seen = observed(Some(3), 0, 0);

    let ephemeral = reconcile(&spec, &Status::default(), &seen);
    seen.ephemeral = false;
    let lasting = reconcile(&spec, &Status::default(), &seen);

    assert_eq!((ephemeral.desired, ephemeral.reason.reserved), (3, 1));
    let newest_of_all = EffectiveTime::Set(at("2026-11-25T11:55:00Z"));
    assert_eq!(
        ephemeral.target,
        TargetChange {
            replicas: None,
            effective_time: newest_of_all
        }
    );
    assert_eq!(lasting.target, TargetChange::default());
}

#[test]
fn reservations_without_an_effective_time_take_the_target_s_away() {
    let spec = spec(&json!({"capacityReservations": [
        {"replicas": 1, "expirationTime": "2026-11-25T12:00:01Z"},
        {"replicas": 1, "expirationTime": "2026-11-25T12:00:01Z", "effectiveTime": null},
    ]}));
    let before = Some(at("2026-11-25T11:50:00Z"));

    let outcome = reconcile(&spec, &Status::default(), &observed(Some(3), 0, 0));

    assert_eq!(outcome.target.effective_time, EffectiveTime::Removed);
    assert_eq!(outcome.target.effective_time.after(before), None);
    assert_eq!(EffectiveTime::Kept.after(before), before);
}

#[test]
fn inside_the_delay_nothing_shrinks_whatever_the_maximum_says() {
    let spec = spec(&json!({"maxReplicas": 4, "scaleDownDelaySecondsAfterScaleOut": 300}));
    let seen = observed(Some(8), 0, 0);

    let inside = reconcile(&spec, &status(8, Some("2026-11-25T11:55:01Z")), &seen);
    let over = reconcile(&spec, &status(8, Some("2026-11-25T11:55:00Z")), &seen);
    let never_scaled_out = reconcile(&spec, &status(8, None), &seen);

    assert_eq!(inside.desired, 8);
    assert_eq!(inside.reason.held_until, Some(at("2026-11-25T12:00:01Z")));
    assert_eq!((over.desired, over.reason.held_until), (2, None));
    assert_eq!(never_scaled_out.desired, 2);
}

#[test]
fn the_managers_delay_holds_where_the_spec_has_none() {
    let spec = spec(&json!({}));
    let seen = observed(Some(8), 0, 0);

    let inside = reconcile(&spec, &status(8, Some("2026-11-25T11:50:01Z")), &seen);
    let over = reconcile(&spec, &status(8, Some("2026-11-25T11:50:00Z")), &seen);

    assert_eq!((inside.desired, over.desired), (8, 2));
}

#[test]
fn the_delay_begins_at_a_scale_out_only() {
    let spec = spec(&json!({"metrics": [guide()]}));

    let out = reconcile(
        &spec,
        &status(4, Some("2026-11-25T01:00:00Z")),
        &observed(Some(4), 4, 0),
    );
    let same = reconcile(
        &spec,
        &status(4, Some("2026-11-25T01:00:00Z")),
        &observed(Some(4), 2, 0),
    );
    let down = reconcile(
        &spec,
        &status(4, Some("2026-11-25T01:00:00Z")),
        &observed(Some(4), 0, 0),
    );
    let first_of_one = reconcile(
        &self::spec(&json!({"minReplicas": 1})),
        &Status::default(),
        &observed(None, 0, 0),
    );

    let scaled_out = |outcome: &Outcome| outcome.status.last_successful_scale_out_time;
    assert_eq!((out.desired, scaled_out(&out)), (8, Some(at(NOW))));
    assert_eq!(
        (same.desired, scaled_out(&same)),
        (4, Some(at("2026-11-25T01:00:00Z")))
    );
    assert_eq!(
        (down.desired, scaled_out(&down)),
        (2, Some(at("2026-11-25T01:00:00Z")))
    );
    assert_eq!((first_of_one.desired, scaled_out(&first_of_one)), (1, None));
}

#[test]
fn the_second_metric_is_asked_where_the_first_says_nothing() {
    let spec = spec(&json!({"minReplicas": 0, "metrics": [guide(), open_jobs()]}));

    let zero = reconcile(&spec, &Status::default(), &observed(Some(0), 0, 3));
    let running = reconcile(&spec, &Status::default(), &observed(Some(2), 1, 9));

    assert_eq!(zero.desired, 3);
    assert_eq!(running.desired, 2);
}

#[test]
fn no_open_job_is_no_suggestion_of_a_first_metric_and_zero_of_a_second() {
    let reserved = json!([{"replicas": 3, "expirationTime": "2026-11-25T12:10:00Z"}]);
    let alone = spec(&json!({"metrics": [open_jobs()], "capacityReservations": reserved}));
    let second = spec(&json!({"metrics": [guide(), open_jobs()], "capacityReservations": reserved}));
    let seen = observed(Some(0), 0, 0);

    let alone = reconcile(&alone, &Status::default(), &seen);
    let second = reconcile(&second, &Status::default(), &seen);

    assert_eq!(alone.desired, 5);
    assert_eq!(second.desired, 3);
}

#[test]
fn what_arc_refuses_is_an_error() {
    let unknown = json!({"type": "CPU"});
    let metrics = |metrics: Value| json!({"metrics": metrics});
    for (fields, expected) in [
        (
            json!({"minReplicas": null, "maxReplicas": null}),
            "minReplicas is missing",
        ),
        (json!({"maxReplicas": null}), "maxReplicas is missing"),
        (
            metrics(json!([guide(), guide(), guide()])),
            "there are 3 metrics; leave at most two",
        ),
        (metrics(json!([unknown])), "the metric type \"CPU\" is unknown"),
        (
            metrics(json!([percentage(&json!({"scaleUpThreshold": "75%"}))])),
            "scaleUpThreshold is \"75%\", which is no number",
        ),
        (
            metrics(json!([percentage(&json!({"scaleUpAdjustment": -1}))])),
            "scaleUpAdjustment is -1; it cannot be negative",
        ),
        (
            metrics(json!([percentage(
                &json!({"scaleDownAdjustment": 1, "scaleDownFactor": "0.5"})
            )])),
            "scaleDownAdjustment and scaleDownFactor are both set; leave one",
        ),
        (
            metrics(json!([{"type": "TotalNumberOfQueuedAndInProgressWorkflowRuns"}])),
            "repositoryNames is empty",
        ),
    ] {
        let error = first(&spec(&fields), &observed(Some(2), 0, 0)).expect_err("ARC refuses it");

        assert!(error.to_string().starts_with(expected), "{error}");
        assert!(error.is_told_by_event());
    }
}

#[test]
fn a_wrong_second_metric_is_noticed_only_when_it_is_needed() {
    let spec = spec(&json!({"metrics": [guide(), guide()]}));

    let running = first(&spec, &observed(Some(4), 4, 0)).expect("the second metric is not looked at");
    let zero = first(&spec, &observed(Some(0), 0, 0)).expect_err("the second metric is needed");

    assert_eq!(running.desired, 8);
    assert!(matches!(zero, ReconcileError::Combination { .. }), "{zero}");
}

#[test]
fn the_runs_of_an_enterprise_cannot_be_counted() {
    let spec = spec(&json!({"metrics": [open_jobs()]}));
    let mut seen = observed(Some(2), 0, 3);
    seen.scope = Scope::Enterprise("dogecompany".to_owned());

    let error = first(&spec, &seen).expect_err("ARC has no such request");

    assert_eq!(error, ReconcileError::EnterpriseRuns);
}

#[test]
fn a_target_without_replicas_crashes_the_manager_between_the_thresholds() {
    let spec = spec(&json!({"minReplicas": 1, "metrics": [percentage(&json!({"scaleDownThreshold": "0"}))]}));

    let between = first(&spec, &observed(None, 0, 0)).expect_err("ARC dereferences the missing number");
    let above = first(&spec, &observed(None, 1, 0)).expect("the missing number counts as 1");

    assert_eq!(between, ReconcileError::Crash);
    assert_eq!(above.desired, 2);
}
