//! All scheduled overrides together: which one is active, which is next, and how ARC sums them up.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::error::ReconcileError;
use super::go;
use super::schedule::{Period, Periods};
use super::spec::{ScheduledOverride, Spec};

/// What ARC takes for the minimum where the spec has none, or a negative one.
const DEFAULT_MIN: i64 = 1;

/// An occurrence of one of several overrides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScheduledPeriod {
    /// Its place in the spec's list, from 0.
    pub index: usize,
    /// The minimum meanwhile, if it overrides it.
    pub min_replicas: Option<i64>,
    /// From when to when.
    pub period: Period,
}

/// The overrides of a spec at an instant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Of the active ones the first in the list, even if it has no `minReplicas` and a later one has.
    pub active: Option<ScheduledPeriod>,
    /// The next to start; of those at the same time the first in the list.
    pub upcoming: Option<ScheduledPeriod>,
}

impl Overrides {
    /// Those of a spec at `now`, for a controller in this zone.
    ///
    /// # Errors
    /// The first entry that [`Periods::of`] refuses, whether or not another one is active.
    pub fn of(
        entries: &[ScheduledOverride],
        now: Timestamp,
        zone: &TimeZone,
    ) -> Result<Self, ReconcileError> {
        let mut overrides = Overrides::default();
        for (index, entry) in entries.iter().enumerate() {
            let periods = Periods::of(entry, now, zone)?;
            let scheduled = |period| ScheduledPeriod {
                index,
                min_replicas: entry.min_replicas.map(i64::from),
                period,
            };
            if overrides.active.is_none() {
                overrides.active = periods.active.map(scheduled);
            }
            let sooner = |period: &Period| {
                overrides
                    .upcoming
                    .is_none_or(|upcoming| period.start < upcoming.period.start)
            };
            if let Some(period) = periods.upcoming.filter(sooner) {
                overrides.upcoming = Some(scheduled(period));
            }
        }
        Ok(overrides)
    }

    /// The minimum that holds: the active override's, else the spec's.
    #[must_use]
    pub fn min_replicas(&self, spec: &Spec) -> i64 {
        self.active
            .and_then(|active| active.min_replicas)
            .unwrap_or_else(|| own_min(spec))
    }

    /// `status.scheduledOverridesSummary`: the minimum to come and the time at which it comes, in the controller's zone. That is the end of the
    /// active override if it lies before the next start, else the next start. Nothing if both are the same instant, or if the next override has
    /// no `minReplicas`.
    #[must_use]
    pub fn summary(&self, spec: &Spec, zone: &TimeZone) -> Option<String> {
        let ends_first = |active: &ScheduledPeriod| match &self.upcoming {
            Some(upcoming) => active.period.end < upcoming.period.start,
            None => true,
        };
        let starts_first = |upcoming: &ScheduledPeriod| match &self.active {
            Some(active) => active.period.end > upcoming.period.start,
            None => true,
        };
        let (min, time) = if let Some(active) = self.active.filter(ends_first) {
            (own_min(spec), active.period.end)
        } else {
            let upcoming = self.upcoming.filter(starts_first)?;
            (upcoming.min_replicas?, upcoming.period.start)
        };
        Some(format!("min={min} time={}", go::time_text(time, zone)))
    }
}

fn own_min(spec: &Spec) -> i64 {
    spec.min_replicas.filter(|min| *min >= 0).unwrap_or(DEFAULT_MIN)
}
