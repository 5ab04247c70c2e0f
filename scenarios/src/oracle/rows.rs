//! Tables of what ARC's autoscaler is promised to do: named rows with their numbers written down, played to the real ARC on the oracle's stage.
//!
//! A row is an autoscaler, a target without runners, and what GHES says of it at each of several times. ARC must come to the row's number and give the
//! row's errors; the judge holds each reconcile on the way against the oracle besides. What it is not: a check of its own, and no runner is real.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::Context as _;
use harness::model::autoscaling::{Controller, RunWithoutJobs};
use harness::model::{Capability, Check, Claim, Profile};
use harness::{Context, Unmet, expect_equal};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::case::{Case, Flavour, Level, Load, Moment, PERCENTAGE, Refused};
use super::play::{Rest, Stage};
use super::{judge, on_stage};

/// The zone of ARC's container unless somebody changes it.
pub(crate) const UTC: &str = "UTC";

/// What checks of such tables have in common, with ARC in this zone.
pub(crate) fn of_rows(zone: &str, pains: Vec<u8>) -> Check {
    Check {
        id: String::new(),
        claim: String::new(),
        grounds: String::new(),
        not_covered: String::new(),
        profile: Profile::Extended,
        needs: vec![Capability::ClockControl],
        claims: Claim::OwnArc(on_stage(zone)),
        pains,
    }
}

/// A row of a table.
pub(crate) struct Row {
    name: String,
    /// The autoscaler's spec from now on.
    spec: Value,
    case: Case,
    wanted: Vec<Wanted>,
    promised: Vec<Promised>,
}

/// What users are promised where ARC is known to come to another number.
#[derive(Debug, Clone)]
struct Promised {
    moment: usize,
    desired: i64,
}

/// To what ARC must come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// This number.
    Desired(i64),
    /// No number: each reconcile fails with these words, and the number stays.
    Refused(Option<i64>, &'static str),
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wanted::Desired(desired) => f.write_str(&told(Some(*desired), None)),
            Wanted::Refused(desired, words) => f.write_str(&told(*desired, Some(words))),
        }
    }
}

fn told(desired: Option<i64>, words: Option<&str>) -> String {
    let number = desired.map_or_else(|| "none".to_owned(), |desired| desired.to_string());
    match words {
        None => number,
        Some(words) => format!("{number}, refused: {words}"),
    }
}

impl Rest {
    fn told(&self) -> String {
        let words = self.error.as_ref().map(|error| judge::words(error).join(" "));
        told(self.desired, words.as_deref())
    }
}

impl Row {
    /// A row without a moment yet: this autoscaler of a target that asks for so many runners.
    pub(crate) fn new(name: impl Into<String>, level: Level, replicas: i64, spec: Value) -> Row {
        Row {
            name: name.into(),
            spec,
            case: Case {
                number: 0,
                flavour: Flavour {
                    level,
                    ephemeral: true,
                },
                replicas: Some(replicas),
                refused: Vec::new(),
                moments: Vec::new(),
                run_without_jobs: RunWithoutJobs::default(),
            },
            wanted: Vec::new(),
            promised: Vec::new(),
        }
    }

    /// With pods that GHES would not let go.
    pub(crate) fn with_refused(mut self, refused: Vec<Refused>) -> Row {
        self.case.refused = refused;
        self
    }

    /// At this time GHES says this, and ARC must come to that.
    pub(crate) fn at(mut self, at: Timestamp, load: Load, wanted: Wanted) -> Row {
        self.case.moments.push(Moment {
            at,
            spec: self.spec.clone(),
            edited: None,
            load,
        });
        self.wanted.push(wanted);
        self
    }

    /// At this time ARC comes to that, although users are promised another number.
    pub(crate) fn at_though(self, at: Timestamp, load: Load, wanted: Wanted, promised: i64) -> Row {
        let mut row = self.at(at, load, wanted);
        row.promised.push(Promised {
            moment: row.wanted.len() - 1,
            desired: promised,
        });
        row
    }

    /// From the next moment on the autoscaler is another.
    pub(crate) fn then(mut self, change: impl FnOnce(&mut Value)) -> Row {
        change(&mut self.spec);
        self
    }

    fn wanted(&self) -> Vec<String> {
        self.wanted.iter().map(ToString::to_string).collect()
    }

    fn events(&self) -> impl Iterator<Item = &'static str> {
        self.wanted.iter().filter_map(|wanted| match wanted {
            Wanted::Desired(_) => None,
            Wanted::Refused(_, words) => Some(*words),
        })
    }
}

/// The guide's metric.
pub(crate) fn guide_metric() -> Value {
    json!({
        "type": PERCENTAGE, "scaleUpThreshold": "0.75", "scaleDownThreshold": "0.25",
        "scaleUpFactor": "2", "scaleDownFactor": "0.5",
    })
}

/// A load of so many busy runners.
pub(crate) fn busy(count: usize) -> Load {
    Load {
        busy: count,
        ..Load::default()
    }
}

/// A time of a table, in RFC 3339.
pub(crate) fn time(text: &str) -> Timestamp {
    // A table is a constant: a time that is none shows in the table's test.
    text.parse().unwrap_or_default()
}

/// So many seconds after the time at which tables without a calendar begin.
pub(crate) fn second(seconds: i64) -> Timestamp {
    let begin = time("2031-05-07T09:00:00Z");
    begin
        .saturating_add(SignedDuration::from_secs(seconds))
        .unwrap_or(begin)
}

/// An autoscaler that was played, and what its row says of errors.
pub(crate) struct PlayedRow {
    /// The row's name.
    pub(crate) name: String,
    /// The autoscaler's.
    pub(crate) autoscaler: String,
    /// The words of its errors.
    pub(crate) errors: Vec<&'static str>,
    promised: Vec<PromisedNumber>,
}

/// A number that ARC is known not to come to.
struct PromisedNumber {
    /// Row and time.
    when: String,
    promised: i64,
    seen: Option<i64>,
}

/// Whether ARC came to what users are promised where it is known not to. The last that a check asserts: `expectations.toml` says that it fails.
pub(crate) fn are_as_promised(rows: &[PlayedRow]) -> Result<(), Unmet> {
    let of = |number: fn(&PromisedNumber) -> Option<i64>| -> BTreeMap<&str, String> {
        let promises = rows.iter().flat_map(|row| &row.promised);
        promises
            .map(|it| (it.when.as_str(), told(number(it), None)))
            .collect()
    };
    expect_equal(
        "DESIRED as promised",
        &of(|it| Some(it.promised)),
        &of(|it| it.seen),
    )
}

/// Plays the rows side by side and holds what ARC came to against their numbers.
pub(crate) async fn play(context: &Context, zone: &str, rows: Vec<Row>) -> anyhow::Result<Vec<PlayedRow>> {
    let zone = TimeZone::get(zone).with_context(|| format!("find the zone {zone}"))?;
    let flavours = rows.iter().map(|row| row.case.flavour).collect();
    let mut stage = Stage::set(context, Controller::in_zone(zone), flavours).await?;
    let cases = rows.iter().map(|row| row.case.clone()).collect();
    let played = stage.play(cases).await?;
    let reconciles: usize = played.iter().map(|played| played.reconciles).sum();
    context.measure("reconciles compared", reconciles as f64, "");
    let mut all = Vec::new();
    for (row, played) in rows.iter().zip(played) {
        let what = format!("DESIRED of {:?} at its {} times", row.name, row.wanted.len());
        if let Some(disagreement) = played.disagreement {
            let at = row.case.moments[disagreement.moment].at;
            let (oracle, arc) = (disagreement.oracle, disagreement.arc);
            let long = format!("the row has {:?}; the oracle: {oracle}; ARC: {arc}", row.wanted());
            let [awaited, seen] = disagreement.brief.unwrap_or([oracle, arc]);
            let unmet = Unmet {
                awaited: format!("DESIRED of {:?} at {at} = {awaited}", row.name),
                seen,
            };
            return Err(anyhow::Error::from(unmet).context(long));
        }
        let promised = row.promised.iter().map(|promised| PromisedNumber {
            when: format!("{}, {}", row.name, row.case.moments[promised.moment].at),
            promised: promised.desired,
            seen: played.rests.get(promised.moment).and_then(|rest| rest.desired),
        });
        let promised = promised.collect();
        let seen: Vec<String> = played.rests.iter().map(Rest::told).collect();
        expect_equal(&what, &row.wanted(), &seen)?;
        all.push(PlayedRow {
            name: row.name.clone(),
            autoscaler: played.autoscaler,
            errors: row.events().collect(),
            promised,
        });
    }
    Ok(all)
}

#[cfg(test)]
pub(crate) mod tests {
    use harness::model::autoscaling::{Observed, Status};

    use super::*;
    use crate::oracle::generate::RESTLESS;

    /// To what the oracle comes at each moment of a row.
    fn expected(row: &Row, zone: &TimeZone) -> Vec<String> {
        let controller = Controller::in_zone(zone.clone());
        let case = &row.case;
        let (mut status, mut replicas) = (Status::default(), case.replicas);
        let mut told = Vec::new();
        for (moment, now) in case.moments.iter().map(|moment| moment.at).enumerate() {
            let spec = case.spec(moment).expect("a spec");
            let mut rest = None;
            for _ in 0..RESTLESS {
                let observed = Observed {
                    replicas,
                    ..case.observed(moment, "a", "company")
                };
                let result = controller.reconcile(&spec, &status, &observed, now);
                let error = result.as_ref().err().cloned();
                let before = status.clone();
                if let Ok(outcome) = result {
                    replicas = outcome.target.replicas.or(replicas);
                    status = outcome.status;
                }
                if status == before {
                    rest = Some(Rest {
                        desired: status.desired_replicas,
                        error,
                    });
                    break;
                }
            }
            told.push(rest.map_or_else(|| "no rest".to_owned(), |rest| rest.told()));
        }
        told
    }

    /// The rows are in order, their times are such, and the oracle says the same.
    pub(crate) fn are_what_the_oracle_says(zone: &str, rows: &[Row]) {
        let zone = TimeZone::get(zone).expect("a zone");
        for row in rows {
            let times: Vec<Timestamp> = row.case.moments.iter().map(|moment| moment.at).collect();
            let begin = time("2030-01-01T00:00:00Z");

            assert!(
                times.is_sorted() && times.iter().all(|time| *time > begin),
                "{}: {times:?}",
                row.name
            );
            assert_eq!(expected(row, &zone), row.wanted(), "{}", row.name);
        }
    }
}
