//! Which scheduled override holds when: of several, to the last, at the end of a month, where clocks change, and where it cannot hold.
//!
//! Source: ARC's documentation on scheduled overrides; what it leaves open is its source and that of the recurrence library, which follows RFC
//! 5545. The clock is moved over years. Not covered: runners; `overrides::year` has every boundary of a year.

use futures::FutureExt as _;
use harness::model::Check;
use harness::{Context, Scenario, expect};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::oracle::case::{Level, Load, PERCENTAGE};
use crate::oracle::rows::{Row, UTC, Wanted, are_as_promised, busy, of_rows, play, time};

pub(crate) const PRIORITY: Scenario = Scenario {
    check: || {
        Check {
        id: "overrides::priority".into(),
        claim: "of several overrides that are active at once the one that stands first holds, whether it recurs or not; when it is over, the next \
                one does, and in the end the autoscaler's own minReplicas"
            .into(),
        grounds: "ARC's documentation on scheduled overrides: the earlier entry is prioritized higher than later entries".into(),
        not_covered: "an entry without minReplicas, which oracle::differential has".into(),
        ..of_rows(UTC, vec![9])
    }
    },
    run: |context| table(context, UTC, priority()).boxed(),
};

pub(crate) const UNTIL_TIME: Scenario = Scenario {
    check: || {
        Check {
        id: "overrides::until-time".into(),
        claim: "an override recurs for the last time where a recurrence starts at its untilTime or before, and that one lasts to its end".into(),
        grounds: "ARC's documentation on scheduled overrides: the last recurrence's startTime is equal or earlier than untilTime".into(),
        not_covered: "a controller that is away at the last recurrence".into(),
        ..of_rows(UTC, vec![9])
    }
    },
    run: |context| table(context, UTC, until_time()).boxed(),
};

pub(crate) const MONTHLY_AND_YEARLY: Scenario = Scenario {
    check: || {
        Check {
        id: "overrides::monthly-and-yearly".into(),
        claim: "a monthly override of the 31st comes in the months that have one and a yearly one of 29 February in leap years, and at no other \
                day in its place; one from December to January lasts over the new year"
            .into(),
        grounds: "ARC's documentation on scheduled overrides: Monthly and Yearly; RFC 5545, which its recurrence library follows: days that \
                  do not exist are left out"
            .into(),
        not_covered: "zones other than UTC".into(),
        ..of_rows(UTC, vec![9])
    }
    },
    run: |context| table(context, UTC, monthly_and_yearly()).boxed(),
};

pub(crate) const DST: Scenario = Scenario {
    check: || {
        Check {
        id: "overrides::dst-short-day".into(),
        claim: "where clocks change an override begins and ends at the zone's time, as on any other day, and one of a whole day holds on the day \
                of 23 hours too"
            .into(),
        grounds: "ARC's documentation on scheduled overrides: a recurring override begins and ends at the times of its first occurrence".into(),
        not_covered: "zones other than America/New_York".into(),
        ..of_rows(NEW_YORK, vec![9])
    }
    },
    run: |context| table(context, NEW_YORK, clock_changes()).boxed(),
};

pub(crate) const TOO_LONG: Scenario = Scenario {
    check: || {
        Check {
        id: "overrides::too-long".into(),
        claim: "while an override is longer than its Daily, Weekly, Monthly or Yearly period an event says why DESIRED stays what it was; without \
                the override it follows again"
            .into(),
        grounds: "ARC's source: such an override is an error, at which nothing is scaled; other errors of an autoscaler are events".into(),
        not_covered: "an override that is too long in some months only".into(),
        ..of_rows(UTC, vec![9])
    }
    },
    run: |context| told(context).boxed(),
};

pub(crate) const ABOVE_THE_MAXIMUM: Scenario = Scenario {
    check: || {
        Check {
        id: "overrides::max-below-min".into(),
        claim: "an override's minReplicas above maxReplicas is cut to maxReplicas, whether a metric suggests a number or none does".into(),
        grounds: "ARC's documentation: an autoscaler scales between minReplicas and maxReplicas, and an override changes the former; \
                  actions/actions-runner-controller issue 2509"
            .into(),
        not_covered: "runners, which are not real here".into(),
        ..of_rows(UTC, vec![5, 9])
    }
    },
    run: |context| table(context, UTC, above_the_maximum()).boxed(),
};

const NEW_YORK: &str = "America/New_York";

async fn table(context: Context, zone: &str, rows: Vec<Row>) -> anyhow::Result<()> {
    are_as_promised(&play(&context, zone, rows).await?)?;
    Ok(())
}

async fn told(context: Context) -> anyhow::Result<()> {
    for row in play(&context, UTC, too_long()).await? {
        let events = context
            .events_on("HorizontalRunnerAutoscaler", &row.autoscaler)
            .await?;
        let told: Vec<String> = events.into_iter().filter_map(|event| event.message).collect();
        let all = row
            .errors
            .iter()
            .all(|words| told.iter().any(|told| told.contains(words)));
        expect(
            format!("an event on {:?} that says why DESIRED stays", row.name),
            all,
            format!("{told:?}"),
        )?;
    }
    Ok(())
}

/// An override: its first occurrence, how often it recurs, and its minimum.
fn entry(start: &str, end: &str, frequency: Option<&str>, min: u32) -> Value {
    let mut entry = json!({ "startTime": start, "endTime": end, "minReplicas": min });
    if let Some(frequency) = frequency {
        entry["recurrenceRule"] = json!({ "frequency": frequency });
    }
    entry
}

/// An autoscaler without a metric, of which the minimum is what it comes to: 2 but for overrides.
fn spec(overrides: &Value) -> Value {
    json!({
        "minReplicas": 2, "maxReplicas": 16, "scaleDownDelaySecondsAfterScaleOut": 0,
        "scheduledOverrides": overrides,
    })
}

/// A row with these numbers at these times.
fn row(name: &str, overrides: &Value, moments: &[(&str, i64)]) -> Row {
    let moments: Vec<(&str, i64, i64)> = moments
        .iter()
        .map(|(at, desired)| (*at, *desired, *desired))
        .collect();
    promised(name, overrides, &moments)
}

/// A row with the number to which ARC comes at each time, and the one that users are promised.
fn promised(name: &str, overrides: &Value, moments: &[(&str, i64, i64)]) -> Row {
    let row = Row::new(name, Level::Enterprise, 2, spec(overrides));
    moments.iter().fold(row, |row, (at, desired, promised)| {
        let wanted = Wanted::Desired(*desired);
        if promised == desired {
            row.at(time(at), Load::default(), wanted)
        } else {
            row.at_though(time(at), Load::default(), wanted, *promised)
        }
    })
}

fn priority() -> Vec<Row> {
    // A Wednesday.
    let once = entry("2031-05-07T10:00:00Z", "2031-05-07T14:00:00Z", None, 9);
    let weekly = entry("2031-05-07T08:00:00Z", "2031-05-07T18:00:00Z", Some("Weekly"), 5);
    let daily = entry("2031-05-01T12:00:00Z", "2031-05-01T20:00:00Z", Some("Daily"), 7);
    let times = [
        "2031-05-07T07:00:00Z",
        "2031-05-07T09:00:00Z",
        "2031-05-07T11:00:00Z",
        "2031-05-07T13:00:00Z",
        "2031-05-07T15:00:00Z",
        "2031-05-07T19:00:00Z",
        "2031-05-07T21:00:00Z",
        "2031-05-14T11:00:00Z",
        "2031-05-14T13:00:00Z",
    ];
    let at = |numbers: [i64; 9]| -> Vec<(&str, i64)> { times.into_iter().zip(numbers).collect() };
    vec![
        row(
            "once, weekly, daily",
            &json!([once, weekly, daily]),
            &at([2, 5, 9, 9, 5, 7, 2, 5, 5]),
        ),
        row(
            "daily, weekly, once",
            &json!([daily, weekly, once]),
            &at([2, 5, 5, 7, 7, 7, 2, 5, 7]),
        ),
        row(
            "weekly, once",
            &json!([weekly, once]),
            &at([2, 5, 5, 5, 5, 2, 2, 5, 5]),
        ),
    ]
}

fn until_time() -> Vec<Row> {
    let times = [
        "2031-05-02T11:00:00Z",
        "2031-05-03T11:00:00Z",
        "2031-05-03T11:45:00Z",
        "2031-05-03T12:30:00Z",
        "2031-05-04T11:00:00Z",
    ];
    let until = |name: &str, until: Option<&str>, numbers: [i64; 5]| {
        let mut entry = entry("2031-05-01T10:00:00Z", "2031-05-01T12:00:00Z", Some("Daily"), 5);
        if let Some(until) = until {
            entry["recurrenceRule"]["untilTime"] = json!(until);
        }
        let moments: Vec<(&str, i64)> = times.into_iter().zip(numbers).collect();
        row(name, &json!([entry]), &moments)
    };
    vec![
        until("for ever", None, [5, 5, 5, 2, 5]),
        until(
            "to the third start",
            Some("2031-05-03T10:00:00Z"),
            [5, 5, 5, 2, 2],
        ),
        until(
            "to a second before it",
            Some("2031-05-03T09:59:59Z"),
            [5, 2, 2, 2, 2],
        ),
        until(
            "to within the third",
            Some("2031-05-03T11:30:00Z"),
            [5, 5, 5, 2, 2],
        ),
    ]
}

fn monthly_and_yearly() -> Vec<Row> {
    vec![
        row(
            "the 31st of the month",
            &json!([entry(
                "2031-01-31T00:00:00Z",
                "2031-02-01T00:00:00Z",
                Some("Monthly"),
                5
            )]),
            &[
                ("2031-01-31T12:00:00Z", 5),
                ("2031-02-28T12:00:00Z", 2),
                ("2031-03-03T12:00:00Z", 2),
                ("2031-03-31T12:00:00Z", 5),
                ("2031-04-30T12:00:00Z", 2),
                ("2031-05-01T12:00:00Z", 2),
                ("2031-05-31T12:00:00Z", 5),
            ],
        ),
        row(
            "the 15th of the month",
            &json!([entry(
                "2031-01-15T00:00:00Z",
                "2031-01-16T00:00:00Z",
                Some("Monthly"),
                5
            )]),
            &[
                ("2031-02-15T12:00:00Z", 5),
                ("2031-02-16T12:00:00Z", 2),
                ("2031-03-15T12:00:00Z", 5),
            ],
        ),
        row(
            "29 February",
            &json!([entry(
                "2028-02-29T00:00:00Z",
                "2028-03-01T00:00:00Z",
                Some("Yearly"),
                5
            )]),
            &[
                ("2031-02-28T12:00:00Z", 2),
                ("2031-03-01T12:00:00Z", 2),
                ("2032-02-29T12:00:00Z", 5),
                ("2032-03-01T12:00:00Z", 2),
                ("2033-03-01T12:00:00Z", 2),
            ],
        ),
        row(
            "the turn of the year",
            &json!([entry(
                "2028-12-24T00:00:00Z",
                "2029-01-02T00:00:00Z",
                Some("Yearly"),
                5
            )]),
            &[
                ("2031-12-23T12:00:00Z", 2),
                ("2031-12-25T12:00:00Z", 5),
                ("2032-01-01T12:00:00Z", 5),
                ("2032-01-02T12:00:00Z", 2),
            ],
        ),
    ]
}

/// Clocks go forward on 9 March 2031 at 07:00 and back on 2 November at 06:00, of UTC. The row that is refused is of the year after: ARC tries it again by
/// itself, also while the clock stands at another row's time.
fn clock_changes() -> Vec<Row> {
    let night = json!([entry(
        "2031-03-01T22:00:00-05:00",
        "2031-03-02T06:00:00-05:00",
        Some("Daily"),
        5
    )]);
    let day = json!([entry(
        "2031-03-01T00:00:00-05:00",
        "2031-03-02T00:00:00-05:00",
        Some("Daily"),
        5
    )]);
    let whole = |at: &str| -> (Timestamp, Load) { (time(at), Load::default()) };
    let [before, short, after] = [
        "2032-03-12T12:00:00-05:00",
        "2032-03-13T12:00:00-05:00",
        "2032-03-14T12:00:00-04:00",
    ]
    .map(whole);
    vec![
        promised(
            "the night of the short day",
            &night,
            &[
                ("2031-03-08T21:30:00-05:00", 2, 2),
                ("2031-03-08T22:30:00-05:00", 5, 5),
                // As long as ever, and so an hour late.
                ("2031-03-09T06:30:00-04:00", 5, 2),
                ("2031-03-09T07:30:00-04:00", 2, 2),
                ("2031-03-09T21:30:00-04:00", 2, 2),
                ("2031-03-09T22:30:00-04:00", 5, 5),
                ("2031-03-10T05:30:00-04:00", 5, 5),
                ("2031-03-10T06:30:00-04:00", 2, 2),
            ],
        ),
        promised(
            "the night of the long day",
            &night,
            &[
                ("2031-11-01T22:30:00-04:00", 5, 5),
                ("2031-11-02T04:30:00-05:00", 5, 5),
                // An hour early.
                ("2031-11-02T05:30:00-05:00", 2, 5),
                ("2031-11-02T22:30:00-05:00", 5, 5),
                ("2031-11-03T05:30:00-05:00", 5, 5),
            ],
        ),
        Row::new("the whole day", Level::Enterprise, 2, spec(&day))
            .at(before.0, before.1, Wanted::Desired(5))
            .then(|spec| spec["scheduledOverrides"][0]["minReplicas"] = json!(6))
            .at_though(short.0, short.1, Wanted::Refused(Some(5), TOO_LONG_WORDS), 6)
            .at(after.0, after.1, Wanted::Desired(6)),
    ]
}

/// ARC's words in its log.
const TOO_LONG_WORDS: &str = "override's duration";

fn too_long() -> Vec<Row> {
    let start = "2031-05-07T00:00:00Z";
    let periods = [
        ("Daily", "2031-05-08T01:00:00Z"),
        ("Weekly", "2031-05-15T00:00:00Z"),
        ("Monthly", "2031-06-08T00:00:00Z"),
        ("Yearly", "2032-05-08T00:00:00Z"),
    ];
    let frozen = |(frequency, end): (&str, &str)| {
        let name = format!("{frequency}, and longer");
        Row::new(name, Level::Enterprise, 2, spec(&json!([])))
            .at(time("2031-05-06T12:00:00Z"), Load::default(), Wanted::Desired(2))
            .then(|spec| {
                spec["minReplicas"] = json!(3);
                spec["scheduledOverrides"] = json!([entry(start, end, Some(frequency), 5)]);
            })
            .at(
                time("2031-05-07T12:00:00Z"),
                Load::default(),
                Wanted::Refused(Some(2), TOO_LONG_WORDS),
            )
            .then(|spec| spec["scheduledOverrides"] = json!([]))
            .at(time("2031-05-07T13:00:00Z"), Load::default(), Wanted::Desired(3))
    };
    let fits = entry(start, "2031-05-08T00:00:00Z", Some("Daily"), 5);
    let of_a_day = fits.clone();
    let from_the_beginning = entry(start, "2031-05-08T01:00:00Z", Some("Daily"), 5);
    let first = Row::new(
        "Daily, and longer from the beginning",
        Level::Enterprise,
        2,
        spec(&json!([from_the_beginning])),
    )
    .at(
        time("2031-05-07T12:00:00Z"),
        Load::default(),
        Wanted::Refused(None, TOO_LONG_WORDS),
    )
    .then(move |spec| spec["scheduledOverrides"] = json!([of_a_day]))
    .at(time("2031-05-07T13:00:00Z"), Load::default(), Wanted::Desired(5));
    std::iter::once(first)
        .chain(periods.into_iter().map(frozen))
        .chain([row(
            "Daily, and a day",
            &json!([fits]),
            &[("2031-05-06T12:00:00Z", 2), ("2031-05-07T12:00:00Z", 5)],
        )])
        .collect()
}

fn above_the_maximum() -> Vec<Row> {
    let of = |name: &str, metrics: &Value| {
        let mut spec = spec(&json!([entry(
            "2031-05-07T10:00:00Z",
            "2031-05-07T12:00:00Z",
            None,
            5
        )]));
        spec["maxReplicas"] = json!(3);
        spec["metrics"] = metrics.clone();
        Row::new(name, Level::Enterprise, 2, spec)
    };
    let [before, during, after] = [
        "2031-05-07T09:00:00Z",
        "2031-05-07T11:00:00Z",
        "2031-05-07T13:00:00Z",
    ]
    .map(time);
    vec![
        of("no metric", &json!([]))
            .at(before, busy(1), Wanted::Desired(2))
            .at(during, busy(1), Wanted::Desired(3))
            .at(after, busy(1), Wanted::Desired(2)),
        of("a metric", &json!([{ "type": PERCENTAGE }]))
            .at(before, busy(1), Wanted::Desired(2))
            .at_though(during, busy(1), Wanted::Desired(5), 3)
            .at(after, busy(1), Wanted::Desired(3)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::rows::tests::are_what_the_oracle_says;

    #[test]
    fn the_rows_are_what_the_oracle_says() {
        for rows in [
            priority(),
            until_time(),
            monthly_and_yearly(),
            too_long(),
            above_the_maximum(),
        ] {
            are_what_the_oracle_says(UTC, &rows);
        }
        are_what_the_oracle_says(NEW_YORK, &clock_changes());
    }
}
