//! Several overrides together, and the summary that ARC writes of them.

use super::*;
use harness_model::autoscaling::Overrides;

fn one(start: &str, end: &str, min: Option<u32>) -> Value {
    json!({
        "startTime": format!("2026-11-{start}:00:00Z"), "endTime": format!("2026-11-{end}:00:00Z"), "minReplicas": min,
    })
}

fn with(entries: &[Value]) -> Spec {
    spec(&json!({"scheduledOverrides": entries}))
}

/// The minimum and the summary on the 25th at noon.
fn told(spec: &Spec, posix: &str) -> (i64, Option<String>) {
    let zone = zone(posix);
    let overrides =
        Overrides::of(&spec.scheduled_overrides, at(NOW), &zone).expect("the overrides are valid");
    (overrides.min_replicas(spec), overrides.summary(spec, &zone))
}

fn summary(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn the_first_active_override_wins() {
    let first = one("25T00", "26T00", Some(7));
    let second = one("25T06", "25T18", Some(9));

    let (min, _) = told(&with(&[first.clone(), second.clone()]), "UTC0");
    let (reversed, _) = told(&with(&[second, first]), "UTC0");

    assert_eq!((min, reversed), (7, 9));
}

#[test]
fn an_active_override_without_a_minimum_shadows_the_others() {
    let spec = with(&[one("25T00", "26T00", None), one("25T06", "25T18", Some(9))]);

    let told = told(&spec, "UTC0");

    assert_eq!(told, (2, summary("min=2 time=2026-11-26 00:00:00 +0000 UTC")));
}

#[test]
fn the_summary_tells_the_next_change_of_the_minimum() {
    let active = || one("25T00", "25T20", Some(7));
    for (entries, expected) in [
        (vec![], None),
        (vec![one("24T00", "25T00", Some(7))], None),
        (
            vec![one("26T00", "27T00", Some(7))],
            summary("min=7 time=2026-11-26 00:00:00 +0000 UTC"),
        ),
        (vec![one("26T00", "27T00", None)], None),
        (
            vec![active()],
            summary("min=2 time=2026-11-25 20:00:00 +0000 UTC"),
        ),
        (
            vec![active(), one("25T22", "26T22", Some(9))],
            summary("min=2 time=2026-11-25 20:00:00 +0000 UTC"),
        ),
        // Both at once: ARC tells neither.
        (vec![active(), one("25T20", "26T22", Some(9))], None),
        // The next begins earlier, and would not win; ARC tells it nevertheless.
        (
            vec![active(), one("25T18", "26T22", Some(9))],
            summary("min=9 time=2026-11-25 18:00:00 +0000 UTC"),
        ),
        (vec![active(), one("25T18", "26T22", None)], None),
        // Of the upcoming ones the earliest counts, and of two at one time the first.
        (
            vec![one("27T00", "28T00", Some(3)), one("26T00", "27T00", Some(4))],
            summary("min=4 time=2026-11-26 00:00:00 +0000 UTC"),
        ),
        (
            vec![one("26T00", "27T00", Some(3)), one("26T00", "27T00", Some(4))],
            summary("min=3 time=2026-11-26 00:00:00 +0000 UTC"),
        ),
    ] {
        let (_, text) = told(&with(&entries), "UTC0");

        assert_eq!(text, expected, "{entries:?}");
    }
}

#[test]
fn the_summary_speaks_the_controllers_time() {
    let spec = with(&[one("26T00", "27T00", Some(7))]);

    let (_, text) = told(&spec, NEW_YORK);

    assert_eq!(text, summary("min=7 time=2026-11-25 19:00:00 -0500 EST"));
}

#[test]
fn one_wrong_override_stops_the_reconcile_even_behind_an_active_one() {
    let wrong = json!({
        "startTime": "2026-11-01T00:00:00Z", "endTime": "2026-11-03T00:00:00Z",
        "recurrenceRule": {"frequency": "Daily"},
    });
    let spec = with(&[one("25T00", "26T00", Some(7)), wrong]);

    let error = first(&spec, &observed(Some(2), 0, 0)).expect_err("two days are longer than one");

    assert!(matches!(error, ReconcileError::OverrideTooLong { .. }), "{error}");
}
