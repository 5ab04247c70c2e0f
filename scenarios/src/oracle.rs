//! The oracle against the real ARC: random autoscalers, loads and jumps of the clock from a seed, every reconcile compared.
//!
//! What ARC had and what it came to is taken from its debug log, GHES's staged answers and a watch. Source: ARC's own source, of which the oracle is a
//! model; the simulation and the year of weekends rest on it. Not covered: targets of kind RunnerSet, and runners: which of them are busy is a staged
//! answer of GHES, since the load is the test's input here. `scaling::ladder` is where busy flags come from jobs.

mod answers;
mod arc_log;
pub(crate) mod case;
mod eyes;
mod generate;
mod judge;
mod known;
mod manifests;
mod play;
mod random;
#[cfg(test)]
mod rehearsal;
pub(crate) mod rows;
mod shrink;

use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::FutureExt as _;
use harness::model::autoscaling::Controller;
use harness::model::{Capability, Check, Claim, OwnArc, Profile, WallClock};
use harness::{Context, Scenario, Unmet, expect};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use case::Case;
use judge::Disagreement;
use known::{CRASH, KNOWN};
use play::{Played, Stage};

pub(crate) const DIFFERENTIAL: Scenario = Scenario {
    check: || {
        Check {
        id: "oracle::differential".into(),
        claim: "of random autoscalers under random loads and jumps of the clock ARC computes, writes and refuses in every reconcile what the \
                oracle gives"
            .into(),
        ..in_zone(UTC)
    }
    },
    run: |context| differential(context, UTC).boxed(),
};

pub(crate) const DIFFERENTIAL_IN_NEW_YORK: Scenario = Scenario {
    check: || Check {
        id: "oracle::differential-in-new-york".into(),
        claim: "the same with TZ=America/New_York, around the days on which clocks change there".into(),
        ..in_zone(NEW_YORK)
    },
    run: |context| differential(context, NEW_YORK).boxed(),
};

const UTC: &str = "UTC";
const NEW_YORK: &str = "America/New_York";

/// So many cases are played side by side.
const TARGETS: usize = 30;

/// Cases of each check, unless the user wants another number.
const CASES: usize = 120;

/// Shrinking begins no round after this time.
const SHRINKING: Duration = Duration::from_secs(60);

/// What both checks have in common.
fn in_zone(zone: &str) -> Check {
    Check {
        id: String::new(),
        claim: String::new(),
        grounds: "ARC's documentation on autoscaling: metrics, thresholds, scheduled overrides, the delay after a scale-out, capacity reservations"
            .into(),
        not_covered: "runners, which are not real here: GHES's answers are the test's input; RunnerSets; a target that crashes the manager".into(),
        profile: Profile::Extended,
        needs: vec![Capability::ClockControl],
        claims: Claim::OwnArc(on_stage(zone)),
        pains: vec![9],
    }
}

/// The ARC that cases are played to.
fn on_stage(zone: &str) -> OwnArc {
    OwnArc {
        flags: [
            "--log-format=json",
            // One below `debug`, since there the log leaves lines out when there are many.
            "--log-level=-2",
            // A reconcile that nobody asked for would only repeat the one before.
            "--sync-period=10h",
        ]
        .map(str::to_owned)
        .to_vec(),
        env: [("TZ".to_owned(), zone.to_owned())].into(),
        clock: WallClock::Controlled,
        ..OwnArc::default()
    }
}

async fn differential(context: Context, zone: &str) -> anyhow::Result<()> {
    let began = Instant::now();
    let (seed, count) = (context.seed(), context.cases().unwrap_or(CASES));
    let zone = TimeZone::get(zone).with_context(|| format!("find the zone {zone}"))?;
    let flavours = (0..TARGETS).map(manifests::flavour).collect();
    let mut stage = Stage::set(&context, Controller::in_zone(zone.clone()), flavours).await?;
    known_defects(&mut stage, generate::moments(seed, &zone, 0)[0]).await?;
    let (mut cases, mut reconciles, mut stale) = (0_usize, 0_usize, 0_usize);
    let mut found: Vec<Played> = Vec::new();
    while cases < count && found.is_empty() {
        let batch = batch(seed, cases / TARGETS, TARGETS.min(count - cases), &zone);
        let played = stage.play(batch).await?;
        cases += played.len();
        reconciles += played.iter().map(|played| played.reconciles).sum::<usize>();
        stale += played.iter().map(|played| played.stale).sum::<usize>();
        found.extend(played.into_iter().filter(|played| played.disagreement.is_some()));
    }
    context.measure("random cases", cases as f64, "");
    context.measure("reconciles compared", reconciles as f64, "");
    context.measure("reconciles on a cache behind the times", stale as f64, "");
    context.measure("random cases took", began.elapsed().as_secs_f64(), "s");
    let count = found.len();
    let Some(first) = found.into_iter().next() else {
        let case = CRASH.case(cases, manifests::flavour(0), generate::moments(seed, &zone, 0)[0]);
        let crashed = stage.crash(case, "nil pointer dereference").await;
        return crashed.context(CRASH.what);
    };
    let number = first.case.number;
    let as_found = first.disagreement.as_ref().context("it disagrees")?;
    context.observe(format!(
        "case {number} of seed {seed} disagrees at moment {}: the oracle's {}; ARC's {}",
        as_found.moment, as_found.oracle, as_found.arc
    ));
    let (case, disagreement) = shrunk(&mut stage, first, &zone).await?;
    let told = told(&case, &disagreement)?;
    Err(anyhow::Error::from(disagreement.unmet()).context(format!(
        "{count} of {cases} random cases of seed {seed} disagree; case {number}, made as simple as it could be:\n{told}"
    )))
}

/// Every known defect of ARC is still there, and the oracle has it too.
async fn known_defects(stage: &mut Stage<'_>, from: Timestamp) -> anyhow::Result<()> {
    let cases = KNOWN.iter().enumerate();
    let cases = cases.map(|(index, known)| known.case(index, manifests::flavour(index), from));
    let played = stage.play(cases.collect()).await?;
    for (known, played) in KNOWN.iter().zip(played) {
        if let Some(disagreement) = played.disagreement {
            return Err(disagreement.unmet()).context(known.what);
        }
        let shown = played.last.as_ref().is_some_and(known.shows);
        expect(known.what, shown, format!("{:?}", played.last))?;
    }
    Ok(())
}

/// The cases of a batch, which share a clock.
fn batch(seed: u64, batch: usize, count: usize, zone: &TimeZone) -> Vec<Case> {
    let times = generate::moments(seed, zone, batch);
    (0..count)
        .map(|target| {
            let number = batch * TARGETS + target;
            generate::case(seed, number, manifests::flavour(target), &times, zone)
        })
        .collect()
}

/// Plays simpler and simpler cases as long as they disagree.
async fn shrunk(
    stage: &mut Stage<'_>,
    found: Played,
    zone: &TimeZone,
) -> anyhow::Result<(Case, Disagreement)> {
    let mut best = (found.case, found.disagreement.context("it disagrees")?);
    let mut tried: Vec<Case> = Vec::new();
    let began = Instant::now();
    while began.elapsed() < SHRINKING {
        let simpler = shrink::simpler(&best.0);
        let fresh: Vec<Case> = simpler
            .into_iter()
            .filter(|case| !tried.contains(case) && generate::comes_to_rest(case, zone))
            .take(TARGETS / case::Flavour::ALL.len())
            .collect();
        if fresh.is_empty() {
            break;
        }
        tried.extend(fresh.iter().cloned());
        let played = stage.play(fresh).await?;
        let disagreeing = played
            .into_iter()
            .filter_map(|played| Some((played.case, played.disagreement?)));
        if let Some(simplest) = disagreeing.min_by_key(|(case, _)| shrink::size(case)) {
            best = simplest;
        }
    }
    Ok(best)
}

impl Disagreement {
    fn unmet(&self) -> Unmet {
        Unmet {
            awaited: format!("the oracle's {}", self.oracle),
            seen: format!("ARC's {}", self.arc),
        }
    }
}

/// The manifest, then what happens at each moment.
fn told(case: &Case, disagreement: &Disagreement) -> anyhow::Result<String> {
    let spec = &case.moments[disagreement.moment.min(case.moments.len() - 1)].spec;
    let autoscaler = harness_yaml::to_string(&manifests::autoscaler("minimal", "target", spec))?;
    let trace = harness_yaml::to_string(case)?;
    Ok(format!(
        "{autoscaler}---\n# moment {}, reconcile {} of this case:\n{trace}",
        disagreement.moment, disagreement.reconcile
    ))
}
