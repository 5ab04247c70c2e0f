//! When one override is active and upcoming: ARC's own cases in short, then the calendar's corners, in UTC and in zones.

use super::*;
use harness_model::autoscaling::{Periods, ScheduledOverride};

/// An override from `start` to `end`; `rule` is `Weekly`, `Weekly until TIME` or empty.
fn entry(start: &str, end: &str, rule: &str) -> ScheduledOverride {
    let (frequency, until) = rule.split_once(" until ").unwrap_or((rule, ""));
    let field = |text: &str| if text.is_empty() { Value::Null } else { json!(text) };
    let entry = json!({
        "startTime": start, "endTime": end,
        "recurrenceRule": {"frequency": field(frequency), "untilTime": field(until)},
    });
    serde_json::from_value(entry).expect("the override is well-formed")
}

/// Start of the active and of the upcoming occurrence, as the zone's clock shows it; `-` for none.
fn starts(entry: &ScheduledOverride, now: &str, posix: &str) -> String {
    let zone = zone(posix);
    let periods = Periods::of(entry, at(now), &zone).expect("the override is valid");
    let clock = |period: Option<harness_model::autoscaling::Period>| {
        period.map_or("-".to_owned(), |period| {
            period.start.to_zoned(zone.clone()).strftime("%F %R").to_string()
        })
    };
    format!("{} {}", clock(periods.active), clock(periods.upcoming))
}

fn error(entry: &ScheduledOverride, now: &str, posix: &str) -> Option<ReconcileError> {
    Periods::of(entry, at(now), &zone(posix)).err()
}

const SEOUL: &str = "KST-9";

#[test]
fn arcs_own_cases_hold() {
    let (start, end) = ("2021-05-01T00:00:00+09:00", "2021-05-03T00:00:00+09:00");
    let forever = ["", "Weekly", "Monthly", "Yearly"].map(|rule| entry(start, end, rule));
    let [once, weekly, ..] = &forever;
    let weekly_until = &entry(start, end, "Weekly until 2022-05-01T00:00:00+09:00");
    let monthly = &entry(start, end, "Monthly until 2022-05-01T00:00:00+09:00");
    let yearly = &entry(start, end, "Yearly until 2023-05-01T00:00:00+09:00");
    for (entry, now, expected) in [
        (once, "2021-04-30T23:59:59", "- 2021-05-01 00:00"),
        (once, "2021-05-01T00:00:00", "2021-05-01 00:00 -"),
        (once, "2021-05-02T23:59:59", "2021-05-01 00:00 -"),
        (once, "2021-05-03T00:00:00", "- -"),
        (weekly, "2021-05-08T00:00:00", "2021-05-08 00:00 2021-05-15 00:00"),
        (weekly_until, "2021-04-30T23:59:59", "- 2021-05-01 00:00"),
        (
            weekly_until,
            "2021-05-01T00:00:00",
            "2021-05-01 00:00 2021-05-08 00:00",
        ),
        (
            weekly_until,
            "2021-05-02T23:59:59",
            "2021-05-01 00:00 2021-05-08 00:00",
        ),
        (weekly_until, "2021-05-03T00:00:00", "- 2021-05-08 00:00"),
        (weekly_until, "2022-04-29T23:59:59", "- 2022-04-30 00:00"),
        (weekly_until, "2022-05-01T23:59:59", "2022-04-30 00:00 -"),
        (weekly_until, "2022-05-02T00:00:00", "- -"),
        (
            monthly,
            "2021-06-01T00:00:00",
            "2021-06-01 00:00 2021-07-01 00:00",
        ),
        (monthly, "2022-04-30T23:59:59", "- 2022-05-01 00:00"),
        (monthly, "2022-05-01T00:00:01", "2022-05-01 00:00 -"),
        (monthly, "2022-05-03T00:00:00", "- -"),
        (yearly, "2022-05-01T00:00:00", "2022-05-01 00:00 2023-05-01 00:00"),
        (yearly, "2023-04-30T23:59:59", "- 2023-05-01 00:00"),
        (yearly, "2023-05-02T23:23:59", "2023-05-01 00:00 -"),
        (yearly, "2023-05-03T00:00:00", "- -"),
    ] {
        let seen = starts(entry, &format!("{now}+09:00"), SEOUL);

        assert_eq!(seen, expected, "{now} {:?}", entry.recurrence_rule);
    }
}

#[test]
fn until_is_inclusive_on_the_start_of_an_occurrence() {
    let daily = |until: &str| {
        entry(
            "2026-01-01T22:00:00Z",
            "2026-01-02T04:00:00Z",
            &format!("Daily until {until}"),
        )
    };

    let at_the_start = starts(&daily("2026-01-10T22:00:00Z"), "2026-01-11T01:00:00Z", "UTC0");
    let just_before = starts(&daily("2026-01-10T21:59:59Z"), "2026-01-11T01:00:00Z", "UTC0");

    assert_eq!(at_the_start, "2026-01-10 22:00 -");
    assert_eq!(just_before, "- -");
}

#[test]
fn a_short_month_has_no_thirty_first() {
    let monthly = entry("2026-01-31T00:00:00Z", "2026-01-31T12:00:00Z", "Monthly");
    for (now, expected) in [
        ("2026-02-28T01:00:00Z", "- -"),
        ("2026-03-01T01:00:00Z", "- 2026-03-31 00:00"),
        ("2026-03-31T01:00:00Z", "2026-03-31 00:00 -"),
        ("2026-04-30T01:00:00Z", "- -"),
        ("2026-05-01T00:00:00Z", "- 2026-05-31 00:00"),
    ] {
        assert_eq!(starts(&monthly, now, "UTC0"), expected, "{now}");
    }
}

#[test]
fn a_leap_day_comes_in_leap_years() {
    let yearly = entry("2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z", "Yearly");
    for (now, expected) in [
        ("2024-02-29T12:00:00Z", "2024-02-29 00:00 -"),
        ("2025-02-28T12:00:00Z", "- -"),
        ("2027-03-01T00:00:00Z", "- 2028-02-29 00:00"),
        ("2028-02-29T23:59:59Z", "2028-02-29 00:00 -"),
    ] {
        assert_eq!(starts(&yearly, now, "UTC0"), expected, "{now}");
    }
}

#[test]
fn a_weekend_keeps_its_clock_time_in_a_zone_and_its_instant_in_utc() {
    let weekend = entry("2026-01-03T00:00:00-05:00", "2026-01-05T00:00:00-05:00", "Weekly");
    let summer = "2026-06-12T12:00:00Z";

    let in_new_york = starts(&weekend, summer, NEW_YORK);
    let in_utc = starts(&weekend, summer, "UTC0");

    assert_eq!(in_new_york, "- 2026-06-13 00:00");
    // 05:00 UTC is 01:00 in New York's summer.
    assert_eq!(in_utc, "- 2026-06-13 05:00");
}

#[test]
fn clock_times_that_are_skipped_or_shown_twice_are_as_go_has_them() {
    let daily = |start: &str| entry(start, &start.replace(":30:00", ":45:00"), "Daily");
    for (posix, start, now, expected) in [
        (
            NEW_YORK,
            "2026-01-01T02:30:00-05:00",
            "2026-03-08T05:00:00Z",
            "- 2026-03-08 01:30",
        ),
        (
            NEW_YORK,
            "2026-01-01T01:30:00-05:00",
            "2026-11-01T05:31:00Z",
            "2026-11-01 01:30 2026-11-02 01:30",
        ),
        (
            BERLIN,
            "2026-01-01T02:30:00+01:00",
            "2026-03-28T23:00:00Z",
            "- 2026-03-29 03:30",
        ),
        (
            BERLIN,
            "2026-01-01T02:30:00+01:00",
            // The first 02:31 of that day.
            "2026-10-25T00:31:00Z",
            "- 2026-10-25 02:30",
        ),
    ] {
        assert_eq!(starts(&daily(start), now, posix), expected, "{posix} {start}");
    }
}

#[test]
fn where_midnight_is_skipped_the_day_before_is_counted_twice() {
    let daily = entry("2026-01-01T09:00:00-05:00", "2026-01-01T10:00:00-05:00", "Daily");

    let the_day_before = error(&daily, "2026-03-07T14:30:00Z", HAVANA);
    let that_day = starts(&daily, "2026-03-08T13:30:00Z", HAVANA);

    assert!(
        matches!(
            the_day_before,
            Some(ReconcileError::OverlappingOccurrences { .. })
        ),
        "{the_day_before:?}"
    );
    assert_eq!(that_day, "- 2026-03-09 09:00");
}

#[test]
fn an_override_longer_than_its_period_is_refused() {
    let (start, now) = ("2026-01-05T00:00:00Z", "2026-02-10T00:00:00Z");
    for (rule, longest, too_long) in [
        ("Daily", "2026-01-06T00:00:00Z", "2026-01-06T00:00:01Z"),
        ("Weekly", "2026-01-12T00:00:00Z", "2026-01-12T00:00:01Z"),
        ("Monthly", "2026-02-02T00:00:00Z", "2026-02-02T00:00:01Z"),
        ("Yearly", "2027-01-05T00:00:00Z", "2027-01-05T00:00:01Z"),
    ] {
        assert_eq!(error(&entry(start, longest, rule), now, "UTC0"), None, "{rule}");
        let refused = error(&entry(start, too_long, rule), now, "UTC0");
        assert!(
            matches!(refused, Some(ReconcileError::OverrideTooLong { .. })),
            "{rule}: {refused:?}"
        );
    }
}

#[test]
fn a_whole_day_is_too_long_on_a_day_of_twenty_three_hours() {
    let daily = entry("2026-01-01T00:00:00-05:00", "2026-01-02T00:00:00-05:00", "Daily");

    let before = error(&daily, "2026-03-07T12:00:00Z", NEW_YORK).expect("the day has 23 hours");
    let utc = error(&daily, "2026-03-07T12:00:00Z", "UTC0");

    let message = before.to_string();
    assert_eq!(
        message,
        "a scheduled override of 24h is longer than its Daily recurrence, 23h at this time; shorten it"
    );
    assert!(!before.is_told_by_event());
    assert_eq!(utc, None);
}

#[test]
fn after_the_short_day_a_whole_day_overlaps_the_next() {
    let daily = entry("2026-01-01T00:00:00-05:00", "2026-01-02T00:00:00-05:00", "Daily");

    let overlapping = error(&daily, "2026-03-09T04:30:00Z", NEW_YORK);
    let later = starts(&daily, "2026-03-09T05:00:00Z", NEW_YORK);

    assert!(
        matches!(overlapping, Some(ReconcileError::OverlappingOccurrences { .. })),
        "{overlapping:?}"
    );
    assert_eq!(later, "2026-03-09 00:00 2026-03-10 00:00");
}

#[test]
fn an_override_that_ends_before_it_starts_is_never_active() {
    for rule in ["", "Daily"] {
        let backwards = entry("2026-01-01T12:00:00Z", "2026-01-01T10:00:00Z", rule);

        for now in ["2026-01-01T11:00:00Z", "2026-01-01T12:00:00Z"] {
            assert!(
                starts(&backwards, now, "UTC0").starts_with("- "),
                "{rule:?} {now}"
            );
        }
    }
}

#[test]
fn starts_have_whole_seconds_and_lengths_do_not() {
    let daily = entry("2026-01-01T12:00:00.9Z", "2026-01-01T13:00:00.4Z", "Daily");
    let periods = Periods::of(&daily, at("2026-01-02T12:30:00Z"), &zone("UTC0"));

    let active = periods
        .expect("the override is valid")
        .active
        .expect("it is noon");

    assert_eq!(active.start, at("2026-01-02T12:00:00Z"));
    assert_eq!(active.end, at("2026-01-02T12:59:59.5Z"));
}
