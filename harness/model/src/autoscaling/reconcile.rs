//! One reconcile: the order of ARC's rules, and what it writes afterwards.
//!
//! ARC reconciles when the autoscaler changes, its own status included, and at each resync of its informer. Nothing else wakes it: not the start
//! of an override, not the end of a delay or of a reservation, no runner and no job. When that is, is the caller's to know.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::busy::Busy;
use super::error::ReconcileError;
use super::go;
use super::overrides::Overrides;
use super::reason::{Clamp, Reason};
use super::spec::{Spec, Status};
use super::suggestion::Suggestion;
use crate::Scope;

/// `--default-scale-down-delay` of the manager if it is not given.
pub const DEFAULT_SCALE_DOWN_DELAY: SignedDuration = SignedDuration::from_mins(10);

/// What matters of the manager's own settings.
#[derive(Debug, Clone)]
pub struct Controller {
    /// The zone of its process: UTC in its container unless `TZ` says otherwise.
    pub zone: TimeZone,
    /// Its `--default-scale-down-delay`.
    pub default_scale_down_delay: SignedDuration,
}

impl Controller {
    /// One with the default delay.
    #[must_use]
    pub fn in_zone(zone: TimeZone) -> Self {
        Controller {
            zone,
            default_scale_down_delay: DEFAULT_SCALE_DOWN_DELAY,
        }
    }
}

/// What ARC sees of the target and of GHES.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// The target's `spec.replicas`.
    pub replicas: Option<i64>,
    /// Whether the target's runners are ephemeral, which is the default.
    pub ephemeral: bool,
    /// Where the target's runners are registered.
    pub scope: Scope,
    /// For `PercentageRunnersBusy`.
    pub busy: Busy,
    /// For `TotalNumberOfQueuedAndInProgressWorkflowRuns`, as [`super::necessary_replicas`] counts.
    pub open_jobs: i64,
}

/// What ARC patches into the target's spec.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TargetChange {
    /// `replicas`, if it differs from what is there; no number there counts as 1.
    pub replicas: Option<i64>,
    /// `effectiveTime`. While it lies before the newest runner's creation, completed runners are not replaced.
    pub effective_time: EffectiveTime,
}

/// What ARC does to a target's `effectiveTime`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EffectiveTime {
    /// Nothing: there are no reservations, or the runners are not ephemeral.
    #[default]
    Kept,
    /// It becomes that of the newest reservation, expired or not.
    Set(Timestamp),
    /// It goes: there are reservations, and none has an `effectiveTime`. ARC takes each for the year 1, which is written as null.
    Removed,
}

impl EffectiveTime {
    /// The target's `effectiveTime` afterwards.
    #[must_use]
    pub fn after(self, before: Option<Timestamp>) -> Option<Timestamp> {
        match self {
            EffectiveTime::Kept => before,
            EffectiveTime::Set(time) => Some(time),
            EffectiveTime::Removed => None,
        }
    }
}

/// What a reconcile comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// How many runners ARC asks for.
    pub desired: i64,
    /// The minimum that held.
    pub min: i64,
    /// The rules that led there.
    pub reason: Reason,
    /// The overrides that were looked at.
    pub overrides: Overrides,
    /// What is patched into the target.
    pub target: TargetChange,
    /// The status afterwards. If it differs from the one before, ARC reconciles again at once.
    pub status: Status,
}

impl Controller {
    /// One reconcile at `now`.
    ///
    /// `lastSuccessfulScaleOutTime` is read from the clock a second time in ARC, after its requests to GHES; here it is `now`.
    ///
    /// # Errors
    /// Where ARC gives up, in the order in which it looks: overrides before limits, limits before metrics.
    pub fn reconcile(
        &self,
        spec: &Spec,
        status: &Status,
        observed: &Observed,
        now: Timestamp,
    ) -> Result<Outcome, ReconcileError> {
        let overrides = Overrides::of(&spec.scheduled_overrides, now, &self.zone)?;
        let min = overrides.min_replicas(spec);
        let suggestion = Suggestion::of(spec, observed)?;

        let reserved = reserved(spec, now);
        let wanted = suggestion.replicas().unwrap_or(min).wrapping_add(reserved);
        // The minimum is looked at first and wins over the maximum, except where it was the starting point.
        let (clamp, limited) = match spec.max_replicas {
            _ if wanted < min => (Clamp::Min, min),
            Some(max) if wanted > max => (Clamp::Max, max),
            _ => (Clamp::None, wanted),
        };
        let held = self.held(spec, status, limited, now);
        let desired = held.map_or(limited, |(desired, _)| desired);

        Ok(Outcome {
            desired,
            min,
            reason: Reason {
                suggestion,
                min,
                reserved,
                clamp,
                limited,
                held_until: held.map(|(_, until)| until),
            },
            overrides,
            target: target_change(spec, observed, desired),
            status: Status {
                desired_replicas: Some(desired),
                last_successful_scale_out_time: scale_out_time(status, desired, now),
                scheduled_overrides_summary: overrides.summary(spec, &self.zone),
            },
        })
    }

    /// The number that the delay after a scale-out holds, and until when. It has the last word: a lower maximum or the start of an override
    /// shrinks nothing meanwhile. Scaling down does not begin it anew.
    fn held(&self, spec: &Spec, status: &Status, limited: i64, now: Timestamp) -> Option<(i64, Timestamp)> {
        let desired = status.desired_replicas.filter(|desired| *desired >= limited)?;
        let delay = spec
            .scale_down_delay_seconds_after_scale_out
            .map_or(self.default_scale_down_delay, SignedDuration::from_secs);
        let until = status
            .last_successful_scale_out_time?
            .checked_add(delay)
            .unwrap_or(Timestamp::MAX);
        (until > now).then_some((desired, until))
    }
}

fn reserved(spec: &Spec, now: Timestamp) -> i64 {
    spec.capacity_reservations
        .iter()
        .filter(|reservation| reservation.expiration_time.is_some_and(|end| end > now))
        .fold(0, |sum, reservation| sum.wrapping_add(reservation.replicas))
}

fn target_change(spec: &Spec, observed: &Observed, desired: i64) -> TargetChange {
    let reservations = spec.capacity_reservations.iter();
    let newest = reservations.map(|reservation| reservation.effective_time).max();
    TargetChange {
        replicas: (observed.replicas.unwrap_or(1) != desired).then_some(desired),
        effective_time: match newest.filter(|_| observed.ephemeral) {
            None => EffectiveTime::Kept,
            Some(None) => EffectiveTime::Removed,
            Some(Some(time)) => EffectiveTime::Set(time),
        },
    }
}

/// A first outcome of more than 1 counts as a scale-out.
fn scale_out_time(status: &Status, desired: i64, now: Timestamp) -> Option<Timestamp> {
    if desired > status.desired_replicas.unwrap_or(1) {
        Some(go::whole_second(now))
    } else {
        status.last_successful_scale_out_time
    }
}
