//! When one scheduled override is active, and when it is active next.
//!
//! ARC asks rrule-go for the starts of a rule `FREQ` with `DTSTART` and `UNTIL`, in the controller's own zone: Kubernetes' times forget the
//! offset that the manifest has. Of the rule only four frequencies with interval 1 are in use, which is calendar arithmetic, so it is done with
//! jiff. A recurrence crate would bring a second time library and would resolve skipped local times by its own rule, where Go's decides.
//!
//! What it is not: a choice among several overrides; see [`super::overrides`].

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};

use super::error::ReconcileError;
use super::go;
use super::spec::{Frequency, ScheduledOverride};

/// `UNTIL` if there is none: as far from the first start as Go's durations reach.
const FOREVER: SignedDuration = SignedDuration::from_nanos(i64::MAX);

/// One occurrence of an override.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// From this instant on,
    pub start: Timestamp,
    /// before this one.
    pub end: Timestamp,
}

/// The occurrences of one override around an instant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Periods {
    /// The one that is going on.
    pub active: Option<Period>,
    /// The next to start, if that is at most one period of the recurrence away.
    pub upcoming: Option<Period>,
}

impl Periods {
    /// Those of this override at `now`, for a controller in this zone.
    ///
    /// # Errors
    /// [`ReconcileError::OverrideTooLong`] and [`ReconcileError::OverlappingOccurrences`], of recurring overrides only.
    pub fn of(entry: &ScheduledOverride, now: Timestamp, zone: &TimeZone) -> Result<Self, ReconcileError> {
        match entry.recurrence_rule.frequency {
            None => Ok(once(entry, now)),
            Some(frequency) => recurring(entry, frequency, now, zone),
        }
    }
}

/// A one-off override is active at its start and not at its end; its `untilTime` is never looked at.
fn once(entry: &ScheduledOverride, now: Timestamp) -> Periods {
    let period = Period {
        start: entry.start_time,
        end: entry.end_time,
    };
    Periods {
        active: (period.start <= now && now < period.end).then_some(period),
        upcoming: (now < period.start).then_some(period),
    }
}

fn recurring(
    entry: &ScheduledOverride,
    frequency: Frequency,
    now: Timestamp,
    zone: &TimeZone,
) -> Result<Periods, ReconcileError> {
    let duration = entry.end_time.duration_since(entry.start_time);
    let one_period_later = one_period_after(now, frequency, zone);
    let allowed = one_period_later.duration_since(now);
    if duration > allowed {
        return Err(ReconcileError::OverrideTooLong {
            duration,
            allowed,
            frequency,
        });
    }
    let period = |start: Timestamp| Period {
        start,
        end: later(start, duration),
    };
    let ended_by_now = later(now, -duration);
    let mut active = None;
    for start in starts(entry, frequency, ended_by_now.min(now), zone).take_while(|start| *start <= now) {
        // An override that ends before it starts is never active.
        if start > ended_by_now && active.replace(start).is_some() {
            return Err(ReconcileError::OverlappingOccurrences { now });
        }
    }
    let upcoming = starts(entry, frequency, now, zone)
        .find(|start| *start > now)
        .filter(|start| *start <= one_period_later);
    Ok(Periods {
        active: active.map(period),
        upcoming: upcoming.map(period),
    })
}

/// The same clock time one day, week, month or year later: on a day with a change of the clock, a day of 23 or 25 hours.
fn one_period_after(now: Timestamp, frequency: Frequency, zone: &TimeZone) -> Timestamp {
    let clock = zone.to_datetime(now);
    let (year, month, day) = (clock.year(), i32::from(clock.month()), i32::from(clock.day()));
    let later = match frequency {
        Frequency::Daily => go::normalized(year, month, day + 1, clock.time()),
        Frequency::Weekly => go::normalized(year, month, day + 7, clock.time()),
        Frequency::Monthly => go::normalized(year, month + 1, day, clock.time()),
        Frequency::Yearly => go::normalized(year + 1, month, day, clock.time()),
    };
    later
        .and_then(|clock| go::instant(clock, zone))
        .unwrap_or(Timestamp::MAX)
}

/// The starts of all occurrences in their order, except that those well before `near` may be left out.
fn starts(
    entry: &ScheduledOverride,
    frequency: Frequency,
    near: Timestamp,
    zone: &TimeZone,
) -> impl Iterator<Item = Timestamp> {
    let first = go::whole_second(entry.start_time);
    let until = match entry.recurrence_rule.until_time {
        Some(until) => go::whole_second(until),
        None => later(first, FOREVER),
    };
    let clock = zone.to_datetime(first);
    let begin = periods_before(clock, frequency, zone.to_datetime(near).date());
    (begin..)
        .map_while(move |index| date(clock.date(), frequency, index))
        .flatten()
        .filter_map(move |date| start_on(date, clock.time(), zone))
        // The first start itself may be missed: shown twice by the clock, it can be read as the earlier of the two.
        .filter(move |start| first <= *start)
        .take_while(move |start| *start <= until)
}

/// The number of whole periods from the first start to a date, a few less for safety.
fn periods_before(first: DateTime, frequency: Frequency, near: Date) -> i32 {
    let days = || near.since(first.date()).map_or(0, |span| span.get_days());
    let years = || i32::from(near.year()) - i32::from(first.year());
    let periods = match frequency {
        Frequency::Daily => days(),
        Frequency::Weekly => days() / 7,
        Frequency::Monthly => years() * 12 + i32::from(near.month()) - i32::from(first.month()),
        Frequency::Yearly => years(),
    };
    (periods - 3).max(0)
}

/// The date that many periods after the first: outside none at the calendar's end, inside none in a month without that day.
#[expect(clippy::option_option, reason = "the end, and a gap")]
fn date(first: Date, frequency: Frequency, index: i32) -> Option<Option<Date>> {
    let in_month = |months: i32| {
        let months = i32::from(first.year()) * 12 + i32::from(first.month()) - 1 + months;
        let year = i16::try_from(months.div_euclid(12)).ok()?;
        let month = i8::try_from(months.rem_euclid(12) + 1).ok()?;
        Date::new(year, month, 1).ok()?;
        Some(Date::new(year, month, first.day()).ok())
    };
    match frequency {
        Frequency::Daily => Some(Some(first.checked_add(index.days()).ok()?)),
        Frequency::Weekly => Some(Some(first.checked_add(index.weeks()).ok()?)),
        Frequency::Monthly => in_month(index),
        Frequency::Yearly => in_month(index.checked_mul(12)?),
    }
}

/// The start on a date. rrule-go takes the date from that day's midnight: where the clock skips midnight, Go may read it as an hour of the day
/// before, and the start falls on that day a second time.
fn start_on(date: Date, time: Time, zone: &TimeZone) -> Option<Timestamp> {
    let midnight = go::instant(date.to_datetime(Time::midnight()), zone)?;
    go::instant(zone.to_datetime(midnight).date().to_datetime(time), zone)
}

fn later(instant: Timestamp, duration: SignedDuration) -> Timestamp {
    let end = if duration.is_negative() {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    };
    instant.checked_add(duration).unwrap_or(end)
}
