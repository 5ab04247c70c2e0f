//! Laws that hold for every spec, status and observation.

use super::*;
use harness_model::autoscaling::{Clamp, Metric, Periods};
use jiff::SignedDuration;
use proptest::prelude::*;
use proptest::sample::select;

/// 2024 to 2032, to a minute.
fn instants() -> impl Strategy<Value = Timestamp> {
    (28_401_120_i64..32_609_760)
        .prop_map(|minute| Timestamp::from_second(minute * 60).expect("the years are known"))
}

fn metrics() -> impl Strategy<Value = Metric> {
    (
        select(vec!["0.5", "0.75", "0.8", "1"]),
        select(vec!["0", "0.1", "0.25", "0.3"]),
        select(vec!["1", "1.1", "1.3", "2"]),
        select(vec!["0.5", "0.58", "0.7", "1"]),
    )
        .prop_map(|(up, down, grow, shrink)| {
            let metric = percentage(&json!({
                "scaleUpThreshold": up, "scaleDownThreshold": down,
                "scaleUpFactor": grow, "scaleDownFactor": shrink,
            }));
            serde_json::from_value(metric).expect("the metric is well-formed")
        })
}

fn specs() -> impl Strategy<Value = Spec> {
    (
        0_i64..20,
        1_i64..40,
        prop::option::of(metrics()),
        prop::option::of(0_i64..900),
    )
        .prop_map(|(min, max, metric, delay)| Spec {
            min_replicas: Some(min),
            max_replicas: Some(max),
            metrics: metric.into_iter().collect(),
            scale_down_delay_seconds_after_scale_out: delay,
            ..Spec::default()
        })
}

fn statuses() -> impl Strategy<Value = Status> {
    (prop::option::of(0_i64..50), prop::option::of(0_i64..1200)).prop_map(|(desired, ago)| Status {
        desired_replicas: desired,
        last_successful_scale_out_time: ago.map(|ago| at(NOW) - SignedDuration::from_secs(ago)),
        scheduled_overrides_summary: None,
    })
}

fn reconcile(spec: &Spec, status: &Status, observed: &Observed) -> Outcome {
    Controller::in_zone(TimeZone::UTC)
        .reconcile(spec, status, observed, at(NOW))
        .expect("the spec is valid")
}

proptest! {
    #[test]
    fn limits_hold_unless_the_delay_or_a_minimum_above_the_maximum_decides(
        spec in specs(), status in statuses(), replicas in 0_i64..60, busy in 0_i64..60,
    ) {
        let outcome = reconcile(&spec, &status, &observed(Some(replicas), busy, 0));

        let (min, max) = (spec.min_replicas.unwrap_or_default(), spec.max_replicas.unwrap_or_default());
        let limited = outcome.reason.limited;
        prop_assert!(limited <= max || (outcome.reason.clamp == Clamp::Min && limited == min));
        prop_assert!(limited >= min || (outcome.reason.clamp == Clamp::Max && limited == max && max < min));
        prop_assert!(outcome.reason.held_until.is_some() || outcome.desired == limited);
    }

    #[test]
    fn the_delay_never_lowers(spec in specs(), status in statuses(), replicas in 0_i64..60, busy in 0_i64..60) {
        let outcome = reconcile(&spec, &status, &observed(Some(replicas), busy, 0));

        prop_assert!(outcome.desired >= outcome.reason.limited);
        if outcome.reason.held_until.is_some() {
            prop_assert_eq!(Some(outcome.desired), status.desired_replicas);
        }
    }

    #[test]
    fn more_busy_runners_never_mean_fewer_replicas(
        mut spec in specs(), replicas in 0_i64..60, busy in 0_i64..60, more in 0_i64..60,
    ) {
        // With a minimum above the maximum it is not so: below the minimum that wins, above it the maximum does.
        spec.max_replicas = spec.max_replicas.max(spec.min_replicas);
        let fewer = reconcile(&spec, &Status::default(), &observed(Some(replicas), busy, 0));

        let outcome = reconcile(&spec, &Status::default(), &observed(Some(replicas), busy + more, 0));

        prop_assert!(outcome.desired >= fewer.desired, "{} then {}", fewer.desired, outcome.desired);
    }

    #[test]
    fn a_scale_out_is_stamped_and_nothing_else_is(
        spec in specs(), status in statuses(), replicas in 0_i64..60, busy in 0_i64..60,
    ) {
        let outcome = reconcile(&spec, &status, &observed(Some(replicas), busy, 0));

        let rose = outcome.desired > status.desired_replicas.unwrap_or(1);
        let expected = if rose { Some(at(NOW)) } else { status.last_successful_scale_out_time };
        prop_assert_eq!(outcome.status.last_successful_scale_out_time, expected);
        prop_assert_eq!(outcome.status.desired_replicas, Some(outcome.desired));
        prop_assert_eq!(outcome.target.replicas, (outcome.desired != replicas).then_some(outcome.desired));
    }

    #[test]
    fn an_active_period_holds_now_and_an_upcoming_one_does_not(
        start in instants(), now in instants(), minutes in 1_i64..1440,
        frequency in select(vec!["Daily", "Weekly", "Monthly", "Yearly"]),
        posix in select(vec!["UTC0", NEW_YORK, BERLIN, HAVANA, "KST-9"]),
    ) {
        let zone = zone(posix);
        let length = SignedDuration::from_mins(minutes);
        let entry = json!({
            "startTime": start, "endTime": start + length, "recurrenceRule": {"frequency": frequency},
        });
        let entry = serde_json::from_value(entry).expect("the override is well-formed");

        // Days of 23 hours refuse what is longer; that is another test's.
        if let Ok(periods) = Periods::of(&entry, now, &zone) {
            if let Some(active) = periods.active {
                prop_assert!(start <= active.start && active.start <= now && now < active.end);
                prop_assert_eq!(active.end.duration_since(active.start), length);
            }
            if let Some(upcoming) = periods.upcoming {
                prop_assert!(now < upcoming.start && start <= upcoming.start);
            }
        }
    }

    #[test]
    fn what_is_upcoming_is_active_when_it_starts(
        start in instants(), now in instants(), minutes in 1_i64..1200,
        frequency in select(vec!["Daily", "Weekly", "Monthly", "Yearly"]),
        posix in select(vec!["UTC0", NEW_YORK, BERLIN, "KST-9"]),
    ) {
        let zone = zone(posix);
        let entry = json!({
            "startTime": start, "endTime": start + SignedDuration::from_mins(minutes),
            "recurrenceRule": {"frequency": frequency},
        });
        let entry = serde_json::from_value(entry).expect("the override is well-formed");
        let upcoming = Periods::of(&entry, now, &zone).expect("20 hours fit in any day").upcoming;

        if let Some(upcoming) = upcoming {
            let then = Periods::of(&entry, upcoming.start, &zone).expect("20 hours fit in any day");
            let before = Periods::of(&entry, upcoming.start - SignedDuration::from_nanos(1), &zone)
                .expect("20 hours fit in any day");

            prop_assert_eq!(then.active, Some(upcoming));
            prop_assert!(before.active != Some(upcoming));
        }
    }

    #[test]
    fn in_utc_a_daily_override_is_active_by_the_remainder_of_a_day(
        start in instants(), now in instants(), minutes in 1_i64..=1440,
    ) {
        let entry = json!({
            "startTime": start, "endTime": start + SignedDuration::from_mins(minutes),
            "recurrenceRule": {"frequency": "Daily"},
        });
        let entry = serde_json::from_value(entry).expect("the override is well-formed");

        let periods = Periods::of(&entry, now, &TimeZone::UTC).expect("a day fits in a day");

        let since = now.duration_since(start).as_secs();
        let expected = since >= 0 && since.rem_euclid(86_400) < minutes * 60;
        prop_assert_eq!(periods.active.is_some(), expected);
    }
}
