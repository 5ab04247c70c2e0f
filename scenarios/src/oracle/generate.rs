//! Random cases from a seed: the same seed, zone and number give the same case.
//!
//! Values lie where rules change: thresholds, ends of delays, of overrides and of reservations a few seconds around a moment, days on which clocks
//! change. Two kinds of cases are not drawn: those at which the oracle says that the manager crashes, since it would take the others with it
//! (known upstream: a target without replicas and a busy fraction between the thresholds), and those that never come to rest.
//!
//! What it is not: nothing is asked of ARC.

use harness::model::autoscaling::{Controller, ReconcileError, RunWithoutJobs, Spec, Status};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::case::{
    Case, Flavour, LABELS, Load, Moment, PERCENTAGE, POOL, REPOSITORIES, RUNS, Refused, WorkflowJob,
    WorkflowRun,
};
use super::random::Random;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The first second in which a case can lie: 2030-01-01 in UTC. GHES's certificate is good for ten years, and the clock begins at the present.
const BEGIN: i64 = 1_893_456_000;

/// Cases lie within so long after it.
const SPAN: i64 = 3 * 365 * DAY;

/// How often the clock is set.
const MOMENTS: usize = 5;

/// More reconciles than that at one moment, and a case is taken for one that never comes to rest.
pub(super) const RESTLESS: usize = 16;

/// The times of a batch of cases, which share a clock.
pub(super) fn moments(seed: u64, zone: &TimeZone, batch: usize) -> Vec<Timestamp> {
    let purpose = format!("moments in {}", zone.iana_name().unwrap_or_default());
    let mut random = Random::of(seed, &purpose, batch);
    let mut second = BEGIN + random.below(SPAN);
    if random.percent(70)
        && let Ok(time) = Timestamp::from_second(second)
        && let Some(change) = zone.following(time).next()
    {
        // Around a change of the zone's clock.
        second = change.timestamp().as_second() + random.between(-2 * DAY, 2 * DAY);
    }
    second -= second.rem_euclid(random.pick(&[1, MINUTE, HOUR]));
    let mut times = Vec::new();
    for _ in 0..MOMENTS {
        times.extend(Timestamp::from_second(second));
        let jump = random.pick(&[
            20,
            MINUTE,
            5 * MINUTE,
            10 * MINUTE,
            HOUR,
            6 * HOUR,
            DAY,
            3 * DAY,
            7 * DAY,
            31 * DAY,
        ]);
        second += jump + random.below(20);
    }
    times
}

/// The case of this number, at these times.
pub(super) fn case(seed: u64, number: usize, flavour: Flavour, times: &[Timestamp], zone: &TimeZone) -> Case {
    let purpose = format!("case in {}", zone.iana_name().unwrap_or_default());
    for attempt in 0.. {
        let mut random = Random::of(seed, &purpose, number + attempt * 1_000_003);
        if let Some(case) = draw(&mut random, number, flavour, times, zone) {
            return case;
        }
    }
    unreachable!("some case comes to rest")
}

/// Draws a case; none if it would crash the manager or never come to rest.
fn draw(
    random: &mut Random,
    number: usize,
    flavour: Flavour,
    times: &[Timestamp],
    zone: &TimeZone,
) -> Option<Case> {
    let replicas = random
        .percent(92)
        .then(|| random.pick(&[0, 1, 1, 2, 2, 3, 4, 5, 8, 10, 16, 50, 90, 100]));
    let mut spec = first_spec(random, times, zone);
    let mut case = Case {
        number,
        flavour,
        replicas,
        refused: refused(random),
        moments: Vec::new(),
        run_without_jobs: RunWithoutJobs::default(),
    };
    let mut expected = Expected {
        controller: Controller::in_zone(zone.clone()),
        status: Status::default(),
        replicas,
    };
    for (index, at) in times.iter().enumerate() {
        if index > 0 && random.percent(25) {
            edit(random, &mut spec, *at);
        }
        let edited = (index > 0 && random.percent(6)).then(|| random.pick(&[0, 1, 2, 4, 8, 16]));
        expected.replicas = edited.or(expected.replicas);
        case.moments.push(Moment {
            at: *at,
            spec: spec.clone(),
            edited,
            load: load(
                random,
                expected.replicas.unwrap_or(1),
                i64::try_from(number * 100 + index * 10).ok()?,
            ),
        });
        expected.settle(&case, index)?;
    }
    Some(case)
}

/// Whether a case neither crashes the manager nor goes on for ever, by the oracle.
pub(super) fn comes_to_rest(case: &Case, zone: &TimeZone) -> bool {
    let mut expected = Expected {
        controller: Controller::in_zone(zone.clone()),
        status: Status::default(),
        replicas: case.replicas,
    };
    (0..case.moments.len()).all(|moment| {
        expected.replicas = case.moments[moment].edited.or(expected.replicas);
        expected.settle(case, moment).is_some()
    })
}

/// What the oracle expects so far.
struct Expected {
    controller: Controller,
    status: Status,
    replicas: Option<i64>,
}

impl Expected {
    /// Reconciles until nothing changes; none if that crashes the manager or does not end.
    fn settle(&mut self, case: &Case, moment: usize) -> Option<()> {
        let spec: Spec = case.spec(moment).ok()?;
        for _ in 0..RESTLESS {
            let mut observed = case.observed(moment, "", "");
            observed.replicas = self.replicas;
            let outcome = self
                .controller
                .reconcile(&spec, &self.status, &observed, case.moments[moment].at);
            let outcome = match outcome {
                Ok(outcome) => outcome,
                Err(ReconcileError::Crash) => return None,
                Err(_) => return Some(()),
            };
            let at_rest = outcome.status == self.status;
            self.replicas = outcome.target.replicas.or(self.replicas);
            self.status = outcome.status;
            if at_rest {
                return Some(());
            }
        }
        None
    }
}

fn refused(random: &mut Random) -> Vec<Refused> {
    let count = if random.percent(12) {
        random.between(1, 3)
    } else {
        0
    };
    (0..count)
        .map(|_| Refused {
            runner: random.percent(60),
            listed: random.pick(&[None, Some(true), Some(false), Some(false)]),
        })
        .collect()
}

fn first_spec(random: &mut Random, times: &[Timestamp], zone: &TimeZone) -> Value {
    let mut spec = json!({});
    if random.percent(98) {
        spec["minReplicas"] = json!(random.pick(&[0, 1, 1, 2, 2, 3, 5, -1, 20]));
    }
    if random.percent(98) {
        spec["maxReplicas"] = json!(random.pick(&[1, 3, 4, 10, 16, 16, 16, 100]));
    }
    if random.percent(75) {
        spec["scaleDownDelaySecondsAfterScaleOut"] =
            json!(random.pick(&[0, 1, 3, 15, 20, 25, 60, 62, 300, 303, 600, 602, -5]));
    }
    let metrics = metrics(random);
    if !metrics.is_empty() {
        spec["metrics"] = json!(metrics);
    }
    let overrides: Vec<Value> = (0..random.pick(&[0, 0, 1, 1, 1, 2, 3]))
        .map(|_| scheduled_override(random, times, zone))
        .collect();
    if !overrides.is_empty() {
        spec["scheduledOverrides"] = json!(overrides);
    }
    if random.percent(25) {
        let near = times[random.index(times.len())];
        spec["capacityReservations"] = reservations(random, near);
    }
    spec
}

/// Somebody, or ARC's webhook server, changes the spec.
fn edit(random: &mut Random, spec: &mut Value, at: Timestamp) {
    match random.below(6) {
        0 => spec["minReplicas"] = json!(random.pick(&[0, 1, 2, 4, 7])),
        1 => spec["maxReplicas"] = json!(random.pick(&[1, 2, 5, 12, 30])),
        2 => spec["scaleDownDelaySecondsAfterScaleOut"] = json!(random.pick(&[0, 2, 30, 600])),
        3 => {
            let metrics = metrics(random);
            spec["metrics"] = json!(metrics);
        }
        _ => spec["capacityReservations"] = reservations(random, at),
    }
}

fn reservations(random: &mut Random, near: Timestamp) -> Value {
    let count = random.between(1, 4);
    // ARC's webhook server gives each a time; a person may leave it out.
    let dated = if random.percent(75) { 95 } else { 0 };
    let reservation = |_| {
        let expires = random.pick(&[-300, -2, 0, 1, 2, 4, 8, 60, 300, 3_600]) + random.below(3);
        let mut reservation = json!({
            "replicas": random.pick(&[1, 1, 1, 2, 5, -1]),
            "expirationTime": later(near, expires).to_string(),
        });
        if random.percent(dated) {
            reservation["effectiveTime"] = json!(later(near, -random.below(600)).to_string());
        }
        reservation
    };
    (0..count).map(reservation).collect()
}

fn metrics(random: &mut Random) -> Vec<Value> {
    match random.below(20) {
        0..=2 => Vec::new(),
        3..=11 => vec![percentage(random)],
        12..=14 => vec![of_runs(random)],
        15..=16 => vec![percentage(random), of_runs(random)],
        17 => vec![of_runs(random), percentage(random)],
        18 => vec![percentage(random), percentage(random)],
        _ if random.percent(50) => vec![json!({ "type": "Nonsense" })],
        _ => vec![percentage(random), percentage(random), percentage(random)],
    }
}

fn percentage(random: &mut Random) -> Value {
    let mut metric = json!({ "type": PERCENTAGE });
    if random.percent(60) {
        let odd = random.pick(&["0", "1", "x", "1e400", "NaN", "Inf", ".6", "75%"]);
        let usual = random.pick(&["0.75", "0.8", "0.5", "0.9"]);
        metric["scaleUpThreshold"] = json!(if random.percent(12) { odd } else { usual });
    }
    if random.percent(60) {
        metric["scaleDownThreshold"] = json!(random.pick(&["0.25", "0.3", "0.3", "0.5", "0", "-1", "0.1"]));
    }
    if random.percent(50) {
        let odd = random.pick(&["0.5", "inf", "1e300", "abc", "-2"]);
        let usual = random.pick(&["2", "1.1", "1.3", "1.4", "1.7", "3"]);
        metric["scaleUpFactor"] = json!(if random.percent(12) { odd } else { usual });
    }
    if random.percent(50) {
        metric["scaleDownFactor"] =
            json!(random.pick(&["0.5", "0.7", "0.58", "0.9", "0.1", "0", "1e-9", "-0.5"]));
    }
    for (adjustment, factor) in [
        ("scaleUpAdjustment", "scaleUpFactor"),
        ("scaleDownAdjustment", "scaleDownFactor"),
    ] {
        if random.percent(15) {
            metric[adjustment] = json!(random.pick(&[1, 2, 2, 5, 5, 5, -1]));
            if random.percent(85)
                && let Some(metric) = metric.as_object_mut()
            {
                metric.remove(factor);
            }
        }
    }
    metric
}

fn of_runs(random: &mut Random) -> Value {
    let mut metric = json!({ "type": RUNS });
    if random.percent(85) {
        let names: Vec<&str> = (0..random.between(1, 3))
            .map(|_| random.pick(&REPOSITORIES))
            .collect();
        metric["repositoryNames"] = json!(names);
    }
    metric
}

/// An override of which a start or an end lies at one of the times, or a few seconds off; or anywhere.
fn scheduled_override(random: &mut Random, times: &[Timestamp], zone: &TimeZone) -> Value {
    let near = times[random.index(times.len())].as_second();
    let frequency = random.pick(&["", "", "Daily", "Daily", "Weekly", "Weekly", "Monthly", "Yearly"]);
    let period = match frequency {
        "Daily" => DAY,
        "Weekly" => 7 * DAY,
        "Monthly" => 29 * DAY,
        "Yearly" => 365 * DAY,
        _ => 2 * DAY,
    };
    let length = match random.below(10) {
        0 => period,
        1 => period + HOUR,
        2 => period - HOUR,
        3 => 2 * DAY,
        4 => random.pick(&[-HOUR, 0]),
        5 => random.pick(&[10, 30, MINUTE, 10 * MINUTE]),
        _ => random.below(period * 11 / 10) / 900 * 900 + 900,
    };
    let boundary = near + random.pick(&[-HOUR, -2, 0, 1, 2, 3, 4, 6, 20, MINUTE, HOUR]);
    let mut start = if random.percent(50) {
        boundary
    } else {
        boundary - length
    };
    start -= match frequency {
        "Daily" => random.below(900) * DAY,
        "Weekly" => random.below(200) * 7 * DAY,
        "Monthly" => random.below(60) * 30 * DAY + random.below(4) * DAY,
        "Yearly" => random.below(8) * 365 * DAY + random.below(4) * DAY,
        _ => 0,
    };
    start = snapped(random, start, zone);
    let mut entry = json!({
        "startTime": second(start).to_string(),
        "endTime": second(start + length).to_string(),
    });
    if random.percent(85) {
        entry["minReplicas"] = json!(random.below(9));
    }
    if !frequency.is_empty() {
        entry["recurrenceRule"] = json!({ "frequency": frequency });
    }
    if random.percent(20) {
        let until = near + random.pick(&[-DAY, -1, 0, 1, 3, HOUR, DAY, 30 * DAY]);
        entry["recurrenceRule"]["untilTime"] = json!(second(until).to_string());
    }
    entry
}

/// Sometimes moved to a round time of the zone, or to the end of a month.
fn snapped(random: &mut Random, start: i64, zone: &TimeZone) -> i64 {
    let local = second(start).to_zoned(zone.clone());
    let snapped = match random.below(20) {
        0..=1 => local.start_of_day(),
        2..=3 => local.round(jiff::Unit::Hour),
        4 => local.last_of_month(),
        5 => jiff::civil::date(2024, 2, 29)
            .at(random.pick(&[0, 2, 12]), 30, 0, 0)
            .to_zoned(zone.clone()),
        _ => return start,
    };
    snapped.map_or(start, |snapped| snapped.timestamp().as_second())
}

/// What GHES says, where thresholds lie if the target has so many replicas.
fn load(random: &mut Random, replicas: i64, first_run: i64) -> Load {
    let share = random.pick(&[0.0, 0.1, 0.25, 0.3, 0.5, 0.75, 0.8, 0.9, 1.0, 1.0]);
    let near = (replicas as f64 * share).ceil() as i64 + random.pick(&[0, 0, 0, -1, 1]);
    let pool = i64::try_from(POOL).unwrap_or(0);
    let busy = usize::try_from(near.clamp(0, pool)).unwrap_or(0);
    let idle = usize::try_from((replicas - near).clamp(0, pool)).unwrap_or(0);
    Load {
        busy,
        idle: if random.percent(80) { idle } else { 0 },
        strangers: if random.percent(30) { random.index(4) } else { 0 },
        runs: (0..random.below(5))
            .map(|index| run(random, first_run + index + 1))
            .collect(),
    }
}

fn run(random: &mut Random, id: i64) -> WorkflowRun {
    let jobs = (0..random.below(5)).map(|_| WorkflowJob {
        status: random.pick(&[
            "queued",
            "queued",
            "in_progress",
            "in_progress",
            "completed",
            "waiting",
        ]),
        labels: labels(random),
    });
    let jobs = jobs.collect();
    WorkflowRun {
        repository: random.pick(&REPOSITORIES),
        id: if random.percent(4) { 0 } else { id },
        status: random.pick(&["queued", "in_progress", "in_progress", "completed"]),
        jobs: random.percent(94).then_some(jobs),
    }
}

fn labels(random: &mut Random) -> Vec<&'static str> {
    let usual = ["self-hosted", LABELS[0], LABELS[1]];
    let mut labels: Vec<&str> = usual.into_iter().filter(|_| random.percent(50)).collect();
    if random.percent(12) {
        labels.push(random.pick(&["GPU", "arm64", "Self-Hosted"]));
    }
    labels
}

fn later(time: Timestamp, seconds: i64) -> Timestamp {
    time.saturating_add(SignedDuration::from_secs(seconds))
        .unwrap_or(time)
}

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cases(zone: &str, count: usize) -> Vec<Case> {
        let zone = TimeZone::get(zone).expect("a zone");
        let times = moments(7, &zone, 0);
        let flavours = Flavour::ALL.into_iter().cycle();
        (0..count)
            .zip(flavours)
            .map(|(number, flavour)| case(7, number, flavour, &times, &zone))
            .collect()
    }

    #[test]
    fn a_seed_always_gives_the_same_cases() {
        assert_eq!(cases("America/New_York", 30), cases("America/New_York", 30));
    }

    #[test]
    fn moments_go_forward_within_the_years_that_certificates_last() {
        for batch in 0..200 {
            let times = moments(batch as u64, &TimeZone::UTC, batch);

            assert_eq!(times.len(), MOMENTS);
            assert!(times.is_sorted() && times[0] > second(BEGIN - 3 * DAY));
            assert!(times[MOMENTS - 1] < second(BEGIN + SPAN + 160 * DAY));
        }
    }
}
