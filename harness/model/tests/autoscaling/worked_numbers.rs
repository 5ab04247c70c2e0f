//! Numbers worked out by hand or measured on the real ARC: ladders, thresholds, floats.

use super::*;

/// What the metric says of so many busy among so many, before any limit.
fn suggested(metric: &Value, replicas: i64, busy: i64) -> i64 {
    let spec = spec(&json!({"minReplicas": 0, "maxReplicas": 1_000_000, "metrics": [metric]}));
    let outcome = first(&spec, &observed(Some(replicas), busy, 0)).expect("the metric is valid");
    outcome.desired
}

/// The numbers from `start` on with all busy or none, inside these limits, until they stay.
fn ladder(metric: &Value, limits: (i64, i64), start: i64, all_busy: bool) -> Vec<i64> {
    let spec = spec(&json!({"minReplicas": limits.0, "maxReplicas": limits.1, "metrics": [metric]}));
    let next = |replicas: &i64| {
        let busy = if all_busy { *replicas } else { 0 };
        let outcome = first(&spec, &observed(Some(*replicas), busy, 0)).expect("the metric is valid");
        (outcome.desired != *replicas).then_some(outcome.desired)
    };
    std::iter::successors(Some(start), next).collect()
}

#[test]
fn the_guide_s_ladder_doubles_and_halves() {
    assert_eq!(ladder(&guide(), (2, 16), 2, true), [2, 4, 8, 16]);
    assert_eq!(ladder(&guide(), (2, 16), 16, false), [16, 8, 4, 2]);
}

#[test]
fn the_default_ladder_rounds_up_and_truncates() {
    let defaults = percentage(&json!({}));

    assert_eq!(
        ladder(&defaults, (1, 16), 1, true),
        [1, 2, 3, 4, 6, 8, 11, 15, 16]
    );
    assert_eq!(ladder(&defaults, (2, 16), 16, false), [16, 11, 7, 4, 2]);
    assert_eq!(ladder(&defaults, (0, 16), 16, false), [16, 11, 7, 4, 2, 1, 0]);
}

#[test]
fn residual_busy_runners_hold_the_ladder() {
    for (replicas, busy, expected) in [(16, 3, 8), (8, 3, 8), (8, 2, 8), (16, 2, 8), (8, 1, 4)] {
        assert_eq!(
            suggested(&guide(), replicas, busy),
            expected,
            "{busy} of {replicas}"
        );
    }
}

#[test]
fn the_upper_threshold_is_inclusive_and_the_lower_one_is_not() {
    // Replicas; the fewest busy for up and the most for down, of the guide's thresholds and of the defaults.
    let table = [
        (2, (2, 0), (2, 0)),
        (4, (3, 0), (4, 1)),
        (5, (4, 1), (4, 1)),
        (8, (6, 1), (7, 2)),
        (10, (8, 2), (8, 2)),
        (15, (12, 3), (12, 4)),
        (16, (12, 3), (13, 4)),
    ];
    for (replicas, of_guide, of_defaults) in table {
        for (metric, (up, down)) in [(guide(), of_guide), (percentage(&json!({})), of_defaults)] {
            for busy in 0..=replicas {
                let number = suggested(&metric, replicas, busy);

                let context = format!("{busy} of {replicas}, {metric}");
                assert_eq!(number > replicas, busy >= up, "{context}");
                assert_eq!(number < replicas, busy <= down, "{context}");
            }
        }
    }
}

#[test]
fn factors_are_binary_fractions() {
    for (replicas, factor, expected) in [(50, "1.1", 56), (90, "1.1", 100), (100, "1.1", 111)] {
        let metric = percentage(&json!({"scaleUpFactor": factor}));

        assert_eq!(
            suggested(&metric, replicas, replicas),
            expected,
            "{replicas} × {factor}"
        );
    }
    for (replicas, factor, expected) in [(90, "0.7", 62), (50, "0.58", 28), (10, "0.7", 7)] {
        let metric = percentage(&json!({"scaleDownFactor": factor}));

        assert_eq!(suggested(&metric, replicas, 0), expected, "{replicas} × {factor}");
    }
}

#[test]
fn a_factor_that_leads_nowhere_is_no_suggestion() {
    for factor in ["inf", "1e300", "NaN"] {
        let metric = percentage(&json!({"scaleUpFactor": factor}));

        assert_eq!(suggested(&metric, 4, 4), 0, "{factor}");
    }
}

#[test]
fn an_upper_threshold_of_one_half_runs_away_with_a_factor_of_two() {
    let metric = percentage(&json!({"scaleUpThreshold": "0.5", "scaleUpFactor": "2"}));

    let (once, twice) = (suggested(&metric, 2, 2), suggested(&metric, 4, 2));

    assert_eq!((once, twice), (4, 8));
}

#[test]
fn adjustments_add_and_take_away() {
    let metric = percentage(&json!({"scaleUpAdjustment": 3, "scaleDownAdjustment": 2}));

    assert_eq!(suggested(&metric, 4, 4), 7);
    assert_eq!(suggested(&metric, 7, 0), 5);
    assert_eq!(suggested(&metric, 2, 1), 2);
    assert_eq!(ladder(&metric, (2, 16), 2, true), [2, 5, 8, 11, 14, 16]);
    assert_eq!(ladder(&metric, (2, 16), 7, false), [7, 5, 3, 2]);
}

#[test]
fn without_replicas_nothing_is_a_fraction() {
    let never_leaves = ladder(&percentage(&json!({})), (0, 16), 0, true);
    let by_factor = suggested(&percentage(&json!({})), 0, 3);
    let by_adjustment = suggested(&percentage(&json!({"scaleUpAdjustment": 2})), 0, 3);

    assert_eq!(never_leaves, [0]);
    assert_eq!(by_factor, 0);
    assert_eq!(by_adjustment, 2);
}

#[test]
fn pods_that_ghes_would_not_let_go_count_as_busy() {
    let spec = spec(&json!({"metrics": [guide()]}));
    let mut seen = observed(Some(4), 2, 0);
    seen.busy.terminating = 1;

    let outcome = first(&spec, &seen).expect("the metric is valid");

    assert_eq!(outcome.desired, 8);
}

#[test]
fn a_reservation_on_top_of_the_metric_runs_away() {
    let spec = spec(&json!({
        "metrics": [guide()],
        "capacityReservations": [{"replicas": 1, "expirationTime": "2026-11-25T12:10:00Z"}],
    }));
    let desired = |replicas| {
        first(&spec, &observed(Some(replicas), 2, 0))
            .expect("the metric is valid")
            .desired
    };

    let runaway: Vec<i64> = [2, 5, 6, 7].map(desired).to_vec();

    assert_eq!(runaway, [5, 6, 7, 8]);
}
