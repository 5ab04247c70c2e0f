//! The guide's weekend override through a year of calendar, against the oracle: in UTC, and where clocks change.
//!
//! Source: the guide's `scheduledOverrides`; ARC's documentation on scheduled overrides: they recur at the clock time of the controller's zone. The
//! clock of an own ARC and its GHES is moved to each boundary; the API server stays on the real one. Not covered: runners. The target's pods
//! ask for a node that does not exist, so that what is compared is what ARC asks for, not what a pod makes of it.

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::Context as _;
use futures::FutureExt as _;
use harness::arc::resources;
use harness::model::autoscaling::{Busy, Controller, Observed, Outcome, ReconcileError, Spec, Status};
use harness::model::{Capability, Check, Claim, OwnArc, Profile, Scope, WallClock};
use harness::{Context, Scenario, expect_equal};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::fleet;

pub(crate) const YEAR: Scenario = Scenario {
    check: || {
        Check {
            id: "overrides::year".into(),
            claim: "through a year the weekend override comes and goes at the same time of UTC: a minute before and a second after each \
                    boundary DESIRED, the replicas and SCHEDULE are those that the oracle gives"
                .into(),
            not_covered: "the oracle is a model of ours of ARC's autoscaler; runners, and any that are busy".into(),
            ..in_zone(UTC)
        }
    },
    run: |context| year(context, UTC, &[15]).boxed(),
};

pub(crate) const YEAR_IN_NEW_YORK: Scenario = Scenario {
    check: || {
        Check {
            id: "overrides::year-in-new-york".into(),
            claim: "with TZ=America/New_York the weekend override keeps the clock time of that zone through both changes of the clock, \
                    and all else is as in UTC"
                .into(),
            not_covered: "other zones, and an override that begins within the hour that is skipped or repeated".into(),
            ..in_zone(NEW_YORK)
        }
    },
    // The guide's Saturday 00:00 of +09:00 is Friday 11:00 in New York, in July and hence always.
    run: |context| year(context, NEW_YORK, &[15, 16]).boxed(),
};

const UTC: &str = "UTC";
const NEW_YORK: &str = "America/New_York";

/// Shortly before a boundary, with time enough for a slow machine to reconcile before it comes.
const BEFORE: SignedDuration = SignedDuration::from_secs(60);

/// Shortly after a boundary.
const AFTER: SignedDuration = SignedDuration::from_secs(1);

const A_YEAR: SignedDuration = SignedDuration::from_hours(365 * 24);

/// What a reconcile can come to, one after the other, until it changes nothing. Each halves the replicas at most.
const RECONCILES: usize = 8;

/// What both checks have in common.
fn in_zone(zone: &str) -> Check {
    Check {
        id: String::new(),
        claim: String::new(),
        not_covered: String::new(),
        grounds: "the guide: minReplicas 1 at every weekend; ARC's documentation on scheduled overrides"
            .into(),
        profile: Profile::Extended,
        needs: vec![Capability::ClockControl],
        claims: Claim::OwnArc(OwnArc {
            env: [("TZ".to_owned(), zone.to_owned())].into(),
            clock: WallClock::Controlled,
            ..OwnArc::default()
        }),
        pains: vec![9],
    }
}

/// What is compared.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    desired: Option<i64>,
    /// The target's.
    replicas: Option<i64>,
    schedule: Option<String>,
}

/// The oracle's side: what ARC has written so far if it is right.
struct Oracle {
    controller: Controller,
    spec: Spec,
    status: Status,
    target: Observed,
}

async fn year(context: Context, zone: &str, hours: &[i8]) -> anyhow::Result<()> {
    let began = Instant::now();
    let clock = context.clock()?;
    let zone = TimeZone::get(zone).with_context(|| format!("find the zone {zone}"))?;
    let autoscaler = context.horizontal_runner_autoscaler(GUIDE.0, GUIDE.1);
    let name = autoscaler["metadata"]["name"].as_str().unwrap_or_default();
    let target = autoscaler["spec"]["scaleTargetRef"]["name"]
        .as_str()
        .unwrap_or_default();
    let spec = serde_json::from_value(autoscaler["spec"].clone()).context("read the guide's autoscaler")?;
    context
        .apply(&fleet::without_a_node(context.runner_deployment()?))
        .await?;
    let mut oracle = Oracle {
        controller: Controller::in_zone(zone),
        spec,
        status: Status::default(),
        target: idle(seen(&context, None, target).await?.replicas),
    };
    context.apply(&autoscaler).await?;

    // Not in the middle of a boundary that real time brings.
    let near = oracle.next(clock.now())?;
    if let Some((boundary, _)) = near.filter(|(at, _)| *at < clock.now() + BEFORE + BEFORE) {
        clock.jump(boundary + AFTER)?;
    }
    let first = clock.now();
    let (mut now, mut boundaries, mut starts) = (first, 0_u32, BTreeSet::new());
    compare(&context, &mut oracle, (name, target), now, "at first").await?;
    while let Some((boundary, what)) = oracle.next(now)?.filter(|(at, _)| *at <= first + A_YEAR) {
        for (at, side) in [
            (boundary - BEFORE, "shortly before"),
            (boundary + AFTER, "right after"),
        ] {
            clock.jump(at)?;
            now = clock.now();
            let side = format!("{side} {what} of {boundary}");
            compare(&context, &mut oracle, (name, target), now, &side).await?;
        }
        boundaries += 1;
        if what == START {
            starts.insert(boundary.to_zoned(TimeZone::UTC).hour());
        }
    }

    let wanted: BTreeSet<i8> = hours.iter().copied().collect();
    expect_equal("the hours of UTC at which the override begins", &wanted, &starts)?;
    context.measure("boundaries compared", f64::from(boundaries), "");
    context.measure("a year of calendar", began.elapsed().as_secs_f64(), "s");
    Ok(())
}

/// The guide's weekend.
const GUIDE: (&str, &str) = ("2023-07-15T00:00:00+09:00", "2023-07-17T00:00:00+09:00");

const START: &str = "the start";

/// Has ARC reconcile, and holds what it wrote against the oracle.
async fn compare(
    context: &Context,
    oracle: &mut Oracle,
    (name, target): (&str, &str),
    now: Timestamp,
    when: &str,
) -> anyhow::Result<()> {
    context.reconcile(name).await?;
    let seen = seen(context, Some(name), target).await?;
    let expected = oracle.settle(now)?;
    expect_equal(
        &format!("{when}, at {now} by the moved clock, what the oracle computes"),
        &expected,
        &seen,
    )?;
    Ok(())
}

/// What ARC wrote, if there is an autoscaler already, and the target's replicas.
async fn seen(context: &Context, autoscaler: Option<&str>, target: &str) -> anyhow::Result<Asked> {
    let status = match autoscaler {
        None => Status::default(),
        Some(name) => {
            let object = context
                .objects(&resources::horizontal_runner_autoscaler())
                .get(name)
                .await;
            let object = object.with_context(|| format!("get the autoscaler {name}"))?;
            let status = object.data.get("status").cloned().unwrap_or(json!({}));
            serde_json::from_value(status).context("read the autoscaler's status")?
        }
    };
    let object = context
        .objects(&resources::runner_deployment())
        .get(target)
        .await
        .with_context(|| format!("get the target {target}"))?;
    Ok(Asked {
        desired: status.desired_replicas,
        replicas: object.data["spec"]["replicas"].as_i64(),
        schedule: status.scheduled_overrides_summary,
    })
}

impl Oracle {
    /// What ARC has written once reconciling at `now` changes nothing more.
    fn settle(&mut self, now: Timestamp) -> Result<Asked, ReconcileError> {
        for _ in 0..RECONCILES {
            let outcome = self.reconcile(now)?;
            let settled = outcome.target.replicas.is_none() && outcome.status == self.status;
            self.status = outcome.status;
            self.target.replicas = outcome.target.replicas.or(self.target.replicas);
            if settled {
                break;
            }
        }
        Ok(Asked {
            desired: self.status.desired_replicas,
            replicas: self.target.replicas,
            schedule: self.status.scheduled_overrides_summary.clone(),
        })
    }

    /// The override's next start or end.
    fn next(&self, now: Timestamp) -> Result<Option<(Timestamp, &'static str)>, ReconcileError> {
        let overrides = self.reconcile(now)?.overrides;
        let end = overrides.active.map(|active| (active.period.end, "the end"));
        let start = overrides.upcoming.map(|next| (next.period.start, START));
        Ok(end.into_iter().chain(start).min())
    }

    fn reconcile(&self, now: Timestamp) -> Result<Outcome, ReconcileError> {
        self.controller
            .reconcile(&self.spec, &self.status, &self.target, now)
    }
}

/// A target whose runners never come.
fn idle(replicas: Option<i64>) -> Observed {
    Observed {
        replicas,
        ephemeral: true,
        // Only the metric that counts jobs looks at it.
        scope: Scope::Enterprise(String::new()),
        busy: Busy::default(),
        open_jobs: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The two boundaries after this instant, in the zone.
    fn boundaries(zone: &str, from: &str) -> Vec<String> {
        let rule = json!({
            "minReplicas": 2, "maxReplicas": 16,
            "scheduledOverrides": [{
                "startTime": GUIDE.0, "endTime": GUIDE.1, "minReplicas": 1, "recurrenceRule": { "frequency": "Weekly" },
            }],
        });
        let oracle = Oracle {
            controller: Controller::in_zone(TimeZone::get(zone).expect("a zone")),
            spec: serde_json::from_value(rule).expect("a spec"),
            status: Status::default(),
            target: idle(Some(1)),
        };
        let mut now: Timestamp = from.parse().expect("a time");
        let mut found = Vec::new();
        for _ in 0..2 {
            let (at, what) = oracle.next(now).expect("it reconciles").expect("one comes");
            found.push(format!("{what} {at}"));
            now = at;
        }
        found
    }

    #[test]
    fn the_boundaries_follow_the_clock_of_the_zone() {
        let winter = "2027-01-04T00:00:00Z";

        assert_eq!(
            boundaries(UTC, winter),
            ["the start 2027-01-08T15:00:00Z", "the end 2027-01-10T15:00:00Z"]
        );
        assert_eq!(
            boundaries(NEW_YORK, winter),
            ["the start 2027-01-08T16:00:00Z", "the end 2027-01-10T16:00:00Z"]
        );
    }

    #[test]
    fn a_scale_out_settles_after_the_reconcile_that_its_status_brings() {
        let mut oracle = Oracle {
            controller: Controller::in_zone(TimeZone::UTC),
            spec: serde_json::from_value(json!({ "minReplicas": 2, "maxReplicas": 16 })).expect("a spec"),
            status: Status::default(),
            target: idle(None),
        };

        let asked = oracle.settle(Timestamp::UNIX_EPOCH).expect("it reconciles");

        assert_eq!(
            asked,
            Asked {
                desired: Some(2),
                replicas: Some(2),
                schedule: None
            }
        );
    }
}
