//! What the autoscaler will do over days, under an assumed load: reconciles strung together.
//!
//! The assumptions, beyond the oracle's. ARC resyncs exactly every period (it really takes 0.9 to 1.1 of it). A change of the status leads to the
//! next reconcile at once, before any runner has come or gone (with a stale cache ARC may instead wait for the next resync). At each resync
//! every runner that was asked for is registered, and as many are busy as there are jobs for them: busy is the lesser of jobs and desired.
//! Nothing comes from webhooks.
//!
//! What it is not: a prophecy. It shows what the rules make of a load.

use std::cmp::min;

use jiff::{SignedDuration, Timestamp};

use super::busy::Busy;
use super::error::ReconcileError;
use super::reason::Reason;
use super::reconcile::{Controller, Observed};
use super::spec::{Spec, Status};

/// Reconciles in a row after which a resync is given up as restless.
const MOST_RECONCILES: usize = 10_000;

/// How many jobs there are for the runners, over time: constant between points, 0 before the first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Load {
    points: Vec<(Timestamp, i64)>,
}

impl Load {
    /// From these instants on that many jobs. Of several points at one instant the last holds.
    #[must_use]
    pub fn new(mut points: Vec<(Timestamp, i64)>) -> Self {
        points.sort_by_key(|(time, _)| *time);
        Load { points }
    }

    /// The jobs at an instant.
    #[must_use]
    pub fn jobs(&self, now: Timestamp) -> i64 {
        let begun = self.points.partition_point(|(time, _)| *time <= now);
        begun.checked_sub(1).map_or(0, |last| self.points[last].1)
    }
}

/// What is simulated, beside the autoscaler itself.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The manager.
    pub controller: Controller,
    /// Its `--sync-period`; positive.
    pub sync_period: SignedDuration,
    /// When the autoscaler is applied, without a status, and reconciles first.
    pub from: Timestamp,
    /// The end, exclusive.
    pub until: Timestamp,
}

/// What a reconcile of the simulation came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Simulated {
    /// This.
    Decided {
        /// The minimum that held.
        min: i64,
        /// Why.
        reason: Reason,
    },
    /// This, and then the same numbers again and again at once, without coming to rest.
    Restless {
        /// The minimum that held.
        min: i64,
        /// Why, the last time that was looked at.
        reason: Reason,
    },
    /// It failed, and nothing changed.
    Failed(ReconcileError),
}

impl Simulated {
    /// The minimum that held, if it came that far.
    #[must_use]
    pub fn min(&self) -> Option<i64> {
        match self {
            Simulated::Decided { min, .. } | Simulated::Restless { min, .. } => Some(*min),
            Simulated::Failed(_) => None,
        }
    }

    /// Whether nothing that a reader would call a change lies between the two; a reason may have other figures.
    fn is_like(&self, other: &Simulated) -> bool {
        match (self, other) {
            (Simulated::Failed(this), Simulated::Failed(other)) => {
                std::mem::discriminant(this) == std::mem::discriminant(other)
            }
            _ => std::mem::discriminant(self) == std::mem::discriminant(other) && self.min() == other.min(),
        }
    }
}

/// A reconcile after which something is different.
#[derive(Debug, Clone, PartialEq)]
pub struct Moment {
    /// When.
    pub time: Timestamp,
    /// The target's replicas afterwards.
    pub desired: i64,
    /// Busy runners that it saw.
    pub busy: i64,
    /// Jobs that there were.
    pub jobs: i64,
    /// What it came to.
    pub outcome: Simulated,
}

impl Moment {
    /// Whether desired, minimum or the kind of outcome differ; busy runners and jobs may.
    #[must_use]
    pub fn is_change_from(&self, earlier: &Moment) -> bool {
        self.desired != earlier.desired || !self.outcome.is_like(&earlier.outcome)
    }

    fn differs_from(&self, earlier: &Moment) -> bool {
        self.is_change_from(earlier) || (self.busy, self.jobs) != (earlier.busy, earlier.jobs)
    }
}

/// Every moment at which something changed, the first reconcile included.
///
/// `target` says what the target is at the beginning; its busy runners and open jobs are the simulation's to fill in.
#[must_use]
pub fn simulate(spec: &Spec, target: &Observed, load: &Load, plan: &Plan) -> Vec<Moment> {
    let mut moments: Vec<Moment> = Vec::new();
    let mut observed = target.clone();
    let mut status = Status::default();
    let mut now = plan.from;
    while now < plan.until {
        let jobs = load.jobs(now);
        let busy = min(jobs, observed.replicas.unwrap_or(1));
        observed.open_jobs = jobs;
        observed.busy = Busy {
            running: busy,
            terminating: 0,
        };
        for moment in resync(spec, &mut observed, &mut status, now, &plan.controller) {
            if moments.last().is_none_or(|earlier| moment.differs_from(earlier)) {
                moments.push(moment);
            }
        }
        match now.checked_add(plan.sync_period) {
            Ok(next) if next > now => now = next,
            _ => break,
        }
    }
    moments
}

/// Reconciles until the status stays as it is, and says what each came to; of a circle only where it was left.
fn resync(
    spec: &Spec,
    observed: &mut Observed,
    status: &mut Status,
    now: Timestamp,
    controller: &Controller,
) -> Vec<Moment> {
    let mut moments = Vec::new();
    let mut seen = vec![status.clone()];
    loop {
        let outcome = match controller.reconcile(spec, status, observed, now) {
            Ok(outcome) => outcome,
            Err(error) => {
                moments.push(moment(observed, now, Simulated::Failed(error)));
                return moments;
            }
        };
        let at_rest = outcome.status == *status;
        let restless = !at_rest && (seen.contains(&outcome.status) || seen.len() > MOST_RECONCILES);
        observed.replicas = outcome.target.replicas.or(observed.replicas);
        let (min, reason) = (outcome.min, outcome.reason);
        let simulated = if restless {
            moments.clear();
            Simulated::Restless { min, reason }
        } else {
            Simulated::Decided { min, reason }
        };
        moments.push(moment(observed, now, simulated));
        *status = outcome.status;
        if at_rest || restless {
            return moments;
        }
        seen.push(status.clone());
    }
}

fn moment(observed: &Observed, time: Timestamp, outcome: Simulated) -> Moment {
    Moment {
        time,
        desired: observed.replicas.unwrap_or(1),
        busy: observed.busy.running,
        jobs: observed.open_jobs,
        outcome,
    }
}
