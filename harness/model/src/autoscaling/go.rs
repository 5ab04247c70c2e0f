//! What Go does differently from Rust: floats in texts, floats to integers, local times to instants, times as text.
//!
//! What it is not: Go's standard library. Each function covers what ARC asks of it, and says where it stops.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};

/// `strconv.ParseFloat`: as Rust, but a number too large for a binary64 is an error, and so is a signed NaN.
///
/// Go also reads hexadecimal floats and, in those, underscores; here they are errors.
pub(super) fn parse_float(text: &str) -> Option<f64> {
    let value: f64 = text.parse().ok()?;
    let unsigned = text.trim_start_matches(['+', '-']);
    let named_infinity = unsigned.starts_with(['i', 'I']);
    let signed_nan = value.is_nan() && unsigned != text;
    (!signed_nan && (value.is_finite() || value.is_nan() || named_infinity)).then_some(value)
}

/// `int(x)` as the amd64 processor does it: toward zero, and the least integer for what does not fit or is no number.
pub(super) fn int(value: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if (-LIMIT..LIMIT).contains(&value) {
        value as i64
    } else {
        i64::MIN
    }
}

/// `time.Date` in a zone: the offset that holds when the clock time is taken for UTC leads to a first guess, the offset at that guess to the
/// result. So a time that the clock skips, or shows twice, is resolved by where it lies around the change, not by a rule one would choose.
///
/// `None` outside of the years that jiff knows.
pub(super) fn instant(clock: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    let as_utc = TimeZone::UTC.to_timestamp(clock).ok()?;
    let back = |offset: jiff::tz::Offset| {
        as_utc
            .checked_sub(SignedDuration::from_secs(i64::from(offset.seconds())))
            .ok()
    };
    let guess = back(zone.to_offset(as_utc))?;
    back(zone.to_offset(guess))
}

/// `time.Date` for a date that may not exist: days beyond the month's end run over into the next, months into the next year.
pub(super) fn normalized(year: i16, month: i32, day: i32, time: Time) -> Option<DateTime> {
    let months = i32::from(year) * 12 + month - 1;
    let year = i16::try_from(months.div_euclid(12)).ok()?;
    let month = i8::try_from(months.rem_euclid(12) + 1).ok()?;
    let first = Date::new(year, month, 1).ok()?;
    Some(first.checked_add((day - 1).days()).ok()?.to_datetime(time))
}

/// `Time.String`: `2026-11-24 22:33:20 +0000 UTC`, with a fraction only if there is one.
pub(super) fn time_text(instant: Timestamp, zone: &TimeZone) -> String {
    let info = zone.to_offset_info(instant);
    let clock = info.offset().to_datetime(instant);
    let fraction = match clock.subsec_nanosecond() {
        0 => String::new(),
        nanoseconds => format!(".{nanoseconds:09}").trim_end_matches('0').to_owned(),
    };
    let seconds = info.offset().seconds();
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.abs() / 60;
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}{fraction} {sign}{:02}{:02} {}",
        clock.year(),
        clock.month(),
        clock.day(),
        clock.hour(),
        clock.minute(),
        clock.second(),
        minutes / 60,
        minutes % 60,
        info.abbreviation(),
    )
}

/// `Time.Truncate(time.Second)`, which is also what a time in a Kubernetes object keeps.
pub(super) fn whole_second(instant: Timestamp) -> Timestamp {
    let fraction = instant.as_nanosecond().rem_euclid(1_000_000_000);
    Timestamp::from_nanosecond(instant.as_nanosecond() - fraction).unwrap_or(instant)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(posix: &str) -> TimeZone {
        TimeZone::posix(posix).expect("the zone is well-formed")
    }

    #[test]
    fn floats_are_read_as_go_reads_them() {
        for (text, expected) in [
            ("0.75", Some(0.75)),
            (".5", Some(0.5)),
            ("+2", Some(2.0)),
            ("1e-1", Some(0.1)),
            ("-Inf", Some(f64::NEG_INFINITY)),
            ("1e400", None),
            ("", None),
            (" 1", None),
            ("75%", None),
            ("-nan", None),
        ] {
            assert_eq!(parse_float(text), expected, "{text:?}");
        }
        assert!(parse_float("NaN").is_some_and(f64::is_nan));
    }

    #[test]
    fn floats_become_integers_toward_zero_or_the_least_one() {
        for (value, expected) in [
            (0.7, 0),
            (-0.7, 0),
            (62.999_999_999_999_99, 62),
            (f64::NAN, i64::MIN),
            (f64::INFINITY, i64::MIN),
            (1e30, i64::MIN),
        ] {
            assert_eq!(int(value), expected, "{value}");
        }
    }

    #[test]
    fn skipped_and_repeated_clock_times_fall_where_go_lets_them_fall() {
        let new_york = "EST5EDT,M3.2.0,M11.1.0";
        let berlin = "CET-1CEST,M3.5.0,M10.5.0/3";
        for (posix, clock, expected) in [
            (new_york, "2026-03-08T02:30", "2026-03-08T06:30:00Z"),
            (new_york, "2026-11-01T01:30", "2026-11-01T05:30:00Z"),
            (berlin, "2026-03-29T02:30", "2026-03-29T01:30:00Z"),
            (berlin, "2026-10-25T02:30", "2026-10-25T01:30:00Z"),
        ] {
            let clock: DateTime = clock.parse().expect("the clock time is well-formed");

            let instant = instant(clock, &zone(posix)).expect("the year is known");

            assert_eq!(instant.to_string(), expected, "{posix} {clock}");
        }
    }

    #[test]
    fn days_and_months_run_over() {
        for ((year, month, day), expected) in [
            ((2026, 2, 31), "2026-03-03T00:00:00"),
            ((2026, 13, 31), "2027-01-31T00:00:00"),
            ((2025, 2, 29), "2025-03-01T00:00:00"),
            ((2024, 12, 38), "2025-01-07T00:00:00"),
        ] {
            let normalized = normalized(year, month, day, Time::midnight()).expect("the year is known");

            assert_eq!(normalized.to_string(), expected);
        }
    }

    #[test]
    fn times_are_written_as_go_writes_them() {
        let instant: Timestamp = "2026-11-24T22:33:20Z".parse().expect("the time is well-formed");
        let fraction: Timestamp = "2026-11-24T22:33:20.25Z"
            .parse()
            .expect("the time is well-formed");

        assert_eq!(
            time_text(instant, &TimeZone::UTC),
            "2026-11-24 22:33:20 +0000 UTC"
        );
        assert_eq!(
            time_text(fraction, &zone("EST5EDT,M3.2.0,M11.1.0")),
            "2026-11-24 17:33:20.25 -0500 EST"
        );
        assert_eq!(
            time_text(instant, &zone("<+0545>-5:45")),
            "2026-11-25 04:18:20 +0545 +0545"
        );
    }
}
