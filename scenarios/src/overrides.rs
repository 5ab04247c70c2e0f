//! The weekend override: another minimum from one time to another, every week.
//!
//! Source: the guide's `scheduledOverrides`; ARC's documentation on scheduled overrides. Not covered: daylight saving, overlapping
//! overrides, and the runners themselves.

use std::sync::Mutex;
use std::time::Duration;

use anyhow::Context as _;
use futures::FutureExt as _;
use harness::arc::resources;
use harness::cluster::{Seen, eventually, watch_object};
use harness::model::{Check, Claim, Profile};
use harness::{Context, Scenario, Unmet, expect_equal};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use kube::api::DynamicObject;
use serde_json::Value;

use crate::table;

pub(crate) const WEEKEND: Scenario = Scenario {
    check: || {
        Check {
        id: "overrides::weekend".into(),
        claim: "at the override's start DESIRED goes from 2 to 1, at its end back to 2; SCHEDULE says what comes next, in UTC".into(),
        grounds: "the guide: minReplicas 1 at the weekend, and `kubectl get hra` with its SCHEDULE column".into(),
        not_covered: "daylight saving, overlapping overrides, and which runner goes".into(),
        profile: Profile::Core,
        needs: vec![],
        claims: Claim::SharedArc,
        pains: vec![9],
    }
    },
    run: |context| weekend(context).boxed(),
};

/// From now to the override's start: longer than the delay after the scale-out to 2, which no override cuts short.
const UNTIL_START: SignedDuration = SignedDuration::from_secs(7);

/// How long the override lasts: long against a resync, at which ARC looks at the clock.
const LASTS: SignedDuration = SignedDuration::from_secs(4);

const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The last change comes at the override's end, or one resync later.
const DEADLINE: Duration = Duration::from_secs(45);

/// What the status says: desired replicas, and the summary of the schedule.
type Status = (i64, String);

async fn weekend(context: Context) -> anyhow::Result<()> {
    let start = whole_seconds(Timestamp::now() + UNTIL_START)?;
    let end = start + LASTS;
    let autoscaler = context.horizontal_runner_autoscaler(&as_in_the_guide(start), &as_in_the_guide(end));
    let (min, max) = (
        number(&autoscaler, "/spec/minReplicas")?,
        number(&autoscaler, "/spec/maxReplicas")?,
    );
    let during = number(&autoscaler, "/spec/scheduledOverrides/0/minReplicas")?;
    let name = autoscaler["metadata"]["name"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    context.apply(&context.runner_deployment()?).await?;
    context.apply(&autoscaler).await?;

    let expected = [
        (min, format!("min={during} time={}", as_go_prints(start))),
        (during, format!("min={min} time={}", as_go_prints(end))),
        (min, format!("min={during} time={}", as_go_prints(start + WEEK))),
    ];
    let seen = Mutex::new(Vec::<(Status, Timestamp)>::new());
    let rows = async {
        for status in &expected {
            await_status(&seen, status).await?;
            let row = [
                &name,
                &min.to_string(),
                &max.to_string(),
                &status.0.to_string(),
                &status.1,
            ];
            expect_row(&context, &row.map(ToOwned::to_owned)).await?;
        }
        Ok(())
    };
    futures::try_join!(record(&context, &name, &expected, &seen), rows)?;

    let seen = seen
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    for (what, boundary, at) in [("start", start, seen[1].1), ("end", end, seen[2].1)] {
        context.measure(
            &format!("override's {what} to DESIRED"),
            at.duration_since(boundary).as_secs_f64(),
            "s",
        );
    }
    Ok(())
}

/// Watches the autoscaler through exactly these statuses.
async fn record(
    context: &Context,
    name: &str,
    expected: &[Status],
    seen: &Mutex<Vec<(Status, Timestamp)>>,
) -> anyhow::Result<()> {
    let wanted = format!("DESIRED and SCHEDULE through {expected:?}");
    let autoscalers = context.objects(&resources::horizontal_runner_autoscaler());
    let all = watch_object(autoscalers, name, &wanted, DEADLINE, |object| {
        let mut seen = seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(status) = object.and_then(status_of)
            && seen.last().is_none_or(|(last, _)| *last != status)
        {
            seen.push((status, Timestamp::now()));
        }
        let statuses: Vec<Status> = seen.iter().map(|(status, _)| status.clone()).collect();
        if statuses.len() >= expected.len() || !expected.starts_with(&statuses) {
            Seen::Yes(statuses)
        } else {
            Seen::NotYet(format!("{statuses:?}"))
        }
    })
    .await?;
    expect_equal(
        &format!("DESIRED and SCHEDULE of {name}, one after the other"),
        &expected.to_vec(),
        &all,
    )?;
    Ok(())
}

/// The status, once ARC has written one.
fn status_of(object: &DynamicObject) -> Option<Status> {
    let status = object.data.get("status")?;
    let schedule = status["scheduledOverridesSummary"].as_str().unwrap_or_default();
    Some((status["desiredReplicas"].as_i64()?, schedule.to_owned()))
}

async fn await_status(seen: &Mutex<Vec<(Status, Timestamp)>>, wanted: &Status) -> anyhow::Result<()> {
    eventually(&format!("DESIRED and SCHEDULE {wanted:?}"), DEADLINE, || async {
        let seen = seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match seen.last() {
            Some((last, _)) if last == wanted => Seen::Yes(()),
            last => Seen::NotYet(format!("{:?}", last.map(|(status, _)| status))),
        }
    })
    .await?;
    Ok(())
}

/// NAME, MIN, MAX, DESIRED and SCHEDULE as `kubectl get hra` prints them.
async fn expect_row(context: &Context, expected: &[String; 5]) -> anyhow::Result<()> {
    let output = context
        .kubectl(&["get", "hra", "-n", context.namespace()])
        .await?;
    let tables = table::read(&output);
    let rows = tables
        .first()
        .map(|table| table.columns(&["NAME", "MIN", "MAX", "DESIRED", "SCHEDULE"]));
    expect_equal(
        "the row of `kubectl get hra`",
        &vec![expected.to_vec()],
        &rows.unwrap_or_default(),
    )?;
    Ok(())
}

fn number(manifest: &Value, pointer: &str) -> anyhow::Result<i64> {
    let value = manifest.pointer(pointer).and_then(Value::as_i64);
    value.ok_or_else(|| {
        Unmet {
            awaited: format!("a number at {pointer}"),
            seen: manifest.to_string(),
        }
        .into()
    })
}

/// Overrides begin at whole seconds.
fn whole_seconds(at: Timestamp) -> anyhow::Result<Timestamp> {
    Timestamp::from_second(at.as_second()).context("a time next to now")
}

/// With the guide's offset, `+09:00`.
fn as_in_the_guide(at: Timestamp) -> String {
    at.display_with_offset(Offset::constant(9)).to_string()
}

/// As Go's `time.Time` prints itself in UTC.
fn as_go_prints(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC)
        .strftime("%Y-%m-%d %H:%M:%S +0000 UTC")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_the_guide_does_and_read_as_go_prints_it() {
        let at: Timestamp = "2023-07-14T15:00:00Z".parse().expect("a time");

        assert_eq!(as_in_the_guide(at), "2023-07-15T00:00:00+09:00");
        assert_eq!(as_go_prints(at), "2023-07-14 15:00:00 +0000 UTC");
    }
}
