//! Each reconcile of ARC against the oracle, given the same inputs.
//!
//! What ARC had before it is not all in its log. Where something is open, such as whether its cache already showed the target as it last wrote it,
//! every possibility that really existed is tried, and one must explain the whole reconcile: the numbers in the log, then what a watch showed of
//! status and target. What it is not: it waits for nothing and talks to nobody.

use std::collections::VecDeque;

use harness::model::autoscaling::{Controller, Observed, Outcome, ReconcileError, Spec, Status, Suggestion};
use jiff::{SignedDuration, Timestamp};

use super::arc_log::{End, Percentage, Reconcile};
use super::case::Case;

/// Seconds that the requests of a reconcile may take.
const REQUESTS: i64 = 2;

/// Seconds that writing a target may take: ARC writes no more than twenty objects a second, and waits for its turn.
const WRITING: i64 = 5;

/// What of a target ARC's autoscaler writes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) replicas: Option<i64>,
    pub(super) effective_time: Option<Timestamp>,
}

/// What a watch showed and no reconcile has explained yet, oldest first.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) statuses: VecDeque<Status>,
    pub(super) targets: VecDeque<Target>,
}

/// ARC and the oracle differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Disagreement {
    /// When, by the case's moments, from 0, and the reconcile at it, from 1.
    pub(super) moment: usize,
    pub(super) reconcile: usize,
    /// What the oracle gives for the most likely inputs.
    pub(super) oracle: String,
    /// What ARC did.
    pub(super) arc: String,
    /// In a few words, the oracle's and ARC's; empty if these would be the same.
    pub(super) brief: Option<[String; 2]>,
}

/// What of a reconcile a user sees, and until when the delay holds it.
#[derive(Debug, PartialEq, Eq)]
struct Brief {
    number: String,
    schedule: Option<String>,
    held_until: Option<Timestamp>,
}

impl Brief {
    fn of(result: &Result<Outcome, ReconcileError>) -> Brief {
        match result {
            Err(error) => Brief::refused(&words(error).join(" ")),
            Ok(outcome) => Brief {
                number: outcome.desired.to_string(),
                schedule: outcome.status.scheduled_overrides_summary.clone(),
                held_until: outcome.reason.held_until,
            },
        }
    }

    fn refused(words: &str) -> Brief {
        Brief {
            number: format!("none, refused: {words}"),
            schedule: None,
            held_until: None,
        }
    }

    /// Both, with what they differ in.
    fn told(&self, other: &Brief) -> Option<[String; 2]> {
        let told = |brief: &Brief| {
            let mut parts = vec![brief.number.clone()];
            if self.schedule != other.schedule {
                parts.push(format!(
                    "SCHEDULE {}",
                    brief.schedule.as_deref().unwrap_or("none")
                ));
            }
            if self.held_until != other.held_until {
                parts.push(brief.held_until.map_or_else(
                    || "held by no delay".to_owned(),
                    |until| format!("held until {until}"),
                ));
            }
            parts.join(", ")
        };
        (self != other).then(|| [told(self), told(other)])
    }
}

/// What came of a reconcile.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Judged {
    /// What it must have written has not been seen yet.
    Open,
    /// The oracle says the same.
    Agreed,
    /// It does not.
    Differs(Box<Disagreement>),
}

/// One case while it is played.
pub(super) struct Judge {
    controller: Controller,
    autoscaler: String,
    company: String,
    case: Case,
    moment: usize,
    status: Status,
    /// The status that this moment's last write replaced, which a cache may still show.
    replaced: Option<Status>,
    target: Target,
    /// What the clock showed when this moment began.
    left: Timestamp,
    /// Earlier replicas that a cache may still show.
    earlier: Vec<Option<i64>>,
    /// Reconciles at this moment.
    pub(super) reconciles: usize,
    /// Whether the last reconcile had nothing to change.
    rests: bool,
    /// Whether its cache was behind the times.
    behind: bool,
    /// Reconciles that only a cache behind the times explains.
    pub(super) stale: usize,
    /// What the last reconcile came to.
    pub(super) last: Option<Result<Outcome, ReconcileError>>,
}

/// One possibility of what a reconcile began with, and what the oracle makes of it.
struct Possibility {
    /// Whether spec and load are those of this moment, and not yet those of the one before.
    current: bool,
    now: Timestamp,
    status: Status,
    observed: Observed,
    result: Result<Outcome, ReconcileError>,
}

impl Judge {
    /// Of a case whose autoscaler does not exist yet. Before, its target had these replicas.
    pub(super) fn new(
        controller: Controller,
        autoscaler: String,
        company: String,
        before: Option<i64>,
        case: Case,
    ) -> Judge {
        let target = Target {
            replicas: case.replicas,
            effective_time: None,
        };
        Judge {
            controller,
            autoscaler,
            company,
            case,
            moment: 0,
            left: Timestamp::MAX,
            status: Status::default(),
            replaced: None,
            target,
            earlier: vec![before],
            reconciles: 0,
            rests: false,
            behind: false,
            stale: 0,
            last: None,
        }
    }

    pub(super) fn case(&self) -> &Case {
        &self.case
    }

    /// From now on the inputs are those of this moment. Until then the clock had come to `left`.
    pub(super) fn begin(&mut self, moment: usize, left: Timestamp) {
        self.moment = moment;
        self.left = left;
        self.reconciles = 0;
        self.rests = false;
        self.replaced = None;
        if moment > 0 {
            self.earlier.clear();
        }
        if let Some(edited) = self.case.moments[moment].edited {
            self.earlier.push(self.target.replicas);
            self.target.replicas = Some(edited);
        }
    }

    /// Whether it has reconciled at this moment and has nothing more to do.
    pub(super) fn rests(&self, written: &Written) -> bool {
        self.rests && written.statuses.is_empty() && written.targets.is_empty()
    }

    /// Whether it rests on what a cache behind the times showed: ARC then does nothing more until it is made to reconcile. If so, it rests no longer.
    pub(super) fn rouse(&mut self) -> bool {
        let rouse = self.rests && self.behind;
        self.rests &= !rouse;
        rouse
    }

    /// Judges the next reconcile. `late`: nothing more will be seen of what it wrote.
    pub(super) fn judge(&mut self, reconcile: &Reconcile, written: &mut Written, late: bool) -> Judged {
        let possibilities = match self.possibilities(reconcile) {
            Ok(possibilities) => possibilities,
            Err(error) => {
                return self.differs(format!("cannot read the spec: {error}"), None, reconcile, written);
            }
        };
        let mut open = false;
        for possibility in &possibilities {
            if !agrees_with_log(possibility, reconcile, &self.case, &self.autoscaler) {
                continue;
            }
            match self.agrees_with_writes(possibility, reconcile, written) {
                Some(true) if !open => {
                    let behind = possibility.observed.replicas != self.target.replicas
                        || possibility.status != self.status;
                    self.stale += usize::from(behind);
                    self.behind = behind;
                    self.take(possibility, written);
                    return Judged::Agreed;
                }
                None if !late => open = true,
                _ => {}
            }
        }
        if open {
            return Judged::Open;
        }
        let likely = possibilities.first();
        let oracle = likely.map_or_else(|| "no inputs fit".to_owned(), |likely| self.told(likely));
        let brief = likely.and_then(|likely| Brief::of(&likely.result).told(&self.brief(reconcile, written)));
        self.differs(oracle, brief, reconcile, written)
    }

    /// The disagreement of a case that has not come to rest in time, although every reconcile was as it should be.
    pub(super) fn unfinished(&self, written: &Written) -> Disagreement {
        let oracle = if self.reconciles == 0 {
            "a reconcile at this moment".to_owned()
        } else {
            "nothing more to do".to_owned()
        };
        Disagreement {
            moment: self.moment,
            reconcile: self.reconciles,
            oracle,
            arc: format!("{} reconciles; wrote {}", self.reconciles, written.told()),
            brief: None,
        }
    }

    /// All inputs that ARC may have had, the most likely first.
    fn possibilities(&self, reconcile: &Reconcile) -> Result<Vec<Possibility>, serde_json::Error> {
        let ended = reconcile.ended_at;
        let times = match reconcile.checked_at {
            Some(checked) => vec![checked],
            // ARC reconciles one autoscaler after the other; only a clock that was set back turns their order round.
            None => {
                // The first of a moment may have begun before the clock was moved, and ended after.
                let moved = (self.reconciles == 0).then_some(self.left);
                let ends = std::iter::once(ended).chain(moved);
                ends.flat_map(|end| {
                    let after = reconcile.after.filter(|after| *after <= end);
                    let times = (0..=REQUESTS).map(move |ago| later(end, -ago));
                    times.filter(move |now| after.is_none_or(|after| *now >= after))
                })
                .collect()
            }
        };
        // A retry of a failed reconcile may fall between the inputs of two moments.
        let moments = self.moment.saturating_sub(1)..=self.moment;
        let mut possibilities = Vec::new();
        for (spec_of, load_of) in moments
            .clone()
            .rev()
            .flat_map(|spec| moments.clone().rev().map(move |load| (spec, load)))
        {
            let spec = self.case.spec(spec_of)?;
            let is_of_now = (spec_of, load_of) == (self.moment, self.moment);
            for status in std::iter::once(&self.status).chain(&self.replaced) {
                for replicas in std::iter::once(&self.target.replicas).chain(self.earlier.iter().rev()) {
                    let before = reconcile.percentage.map(|percentage| percentage.before);
                    if before.is_some_and(|before| before != replicas.unwrap_or(1)) {
                        continue;
                    }
                    for now in &times {
                        possibilities.push(Possibility {
                            current: is_of_now && *status == self.status,
                            ..self.possibility(&spec, load_of, (status, *replicas), *now)
                        });
                    }
                }
            }
        }
        Ok(possibilities)
    }

    fn possibility(
        &self,
        spec: &Spec,
        load_of: usize,
        (status, replicas): (&Status, Option<i64>),
        now: Timestamp,
    ) -> Possibility {
        let observed = Observed {
            replicas,
            ..self.case.observed(load_of, &self.autoscaler, &self.company)
        };
        Possibility {
            current: false,
            now,
            status: status.clone(),
            result: self.controller.reconcile(spec, status, &observed, now),
            observed,
        }
    }

    /// Whether status and target were written as they should; `None`: something has not been seen yet.
    fn agrees_with_writes(
        &self,
        possibility: &Possibility,
        reconcile: &Reconcile,
        written: &Written,
    ) -> Option<bool> {
        let Ok(outcome) = &possibility.result else {
            return Some(true);
        };
        let target = self.target_after(outcome);
        if target != self.target && written.targets.front()? != &target {
            return Some(false);
        }
        if outcome.status == self.status {
            return Some(true);
        }
        let mut seen = written.statuses.front()?.clone();
        // ARC reads the clock again for the time of a scale-out, after it has written the target.
        let scaled_out = outcome.desired > possibility.status.desired_replicas.unwrap_or(1);
        let read_again = possibility.now..=later(reconcile.ended_at, WRITING);
        let time = &mut seen.last_successful_scale_out_time;
        if scaled_out && time.is_some_and(|time| read_again.contains(&time)) {
            *time = outcome.status.last_successful_scale_out_time;
        }
        Some(seen == outcome.status)
    }

    fn target_after(&self, outcome: &Outcome) -> Target {
        Target {
            replicas: outcome.target.replicas.or(self.target.replicas),
            effective_time: outcome.target.effective_time.after(self.target.effective_time),
        }
    }

    /// Goes on from what this reconcile left.
    fn take(&mut self, possibility: &Possibility, written: &mut Written) {
        self.reconciles += 1;
        self.rests = possibility.current;
        self.last = Some(possibility.result.clone());
        let Ok(outcome) = &possibility.result else { return };
        let target = self.target_after(outcome);
        if target != self.target {
            written.targets.pop_front();
            self.earlier.push(self.target.replicas);
            self.target = target;
        }
        if outcome.status != self.status {
            self.rests = false;
            // As it was written, with ARC's own reading of the clock.
            let written = written.statuses.pop_front();
            let status = written.unwrap_or_else(|| outcome.status.clone());
            self.replaced = Some(std::mem::replace(&mut self.status, status));
        }
    }

    fn told(&self, possibility: &Possibility) -> String {
        match &possibility.result {
            Err(error) => format!("at {} no number: {error}", possibility.now),
            Ok(outcome) => format!(
                "at {} of {} replicas {} ({}); target {}; status {:?}",
                possibility.now,
                possibility
                    .observed
                    .replicas
                    .map_or_else(|| "no".to_owned(), |replicas| replicas.to_string()),
                outcome.desired,
                outcome.reason.text(&self.controller.zone),
                self.target_after(outcome).told(),
                outcome.status,
            ),
        }
    }

    /// What ARC made of this reconcile.
    fn brief(&self, reconcile: &Reconcile, written: &Written) -> Brief {
        match &reconcile.end {
            End::Failed { error, .. } => Brief::refused(error),
            End::Calculated {
                desired, held_until, ..
            } => Brief {
                number: desired.to_string(),
                schedule: written
                    .statuses
                    .front()
                    .unwrap_or(&self.status)
                    .scheduled_overrides_summary
                    .clone(),
                held_until: *held_until,
            },
        }
    }

    fn differs(
        &self,
        oracle: String,
        brief: Option<[String; 2]>,
        reconcile: &Reconcile,
        written: &Written,
    ) -> Judged {
        Judged::Differs(Box::new(Disagreement {
            moment: self.moment,
            reconcile: self.reconciles + 1,
            oracle,
            arc: format!(
                "ended at {}: {:?}; busy runners {:?}; workflow runs {:?}; then wrote {}",
                reconcile.ended_at,
                reconcile.end,
                reconcile.percentage,
                reconcile.runs,
                written.told()
            ),
            brief,
        }))
    }
}

impl Target {
    fn told(&self) -> String {
        let replicas = self
            .replicas
            .map_or_else(|| "none".to_owned(), |replicas| replicas.to_string());
        match self.effective_time {
            Some(time) => format!("replicas {replicas}, effectiveTime {time}"),
            None => format!("replicas {replicas}"),
        }
    }
}

impl Written {
    fn told(&self) -> String {
        let target = self.targets.front().map(Target::told);
        format!("target {target:?}, status {:?}", self.statuses.front())
    }
}

/// Whether a reconcile's lines say what this possibility would.
fn agrees_with_log(possibility: &Possibility, reconcile: &Reconcile, case: &Case, autoscaler: &str) -> bool {
    let outcome = match (&possibility.result, &reconcile.end) {
        (
            Err(error),
            End::Failed {
                at_the_minimum,
                error: text,
            },
        ) => {
            return *at_the_minimum != error.is_told_by_event()
                && words(error).iter().all(|word| text.contains(word));
        }
        (Ok(outcome), End::Calculated { .. }) => outcome,
        _ => return false,
    };
    let End::Calculated {
        desired,
        suggested,
        reserved,
        min,
        held_until,
    } = &reconcile.end
    else {
        return false;
    };
    let reason = &outcome.reason;
    let expected = reason.suggestion.replicas().unwrap_or(outcome.min);
    *desired == outcome.desired
        && *suggested == expected
        && *reserved == reason.reserved
        && *min == outcome.min
        && *held_until == reason.held_until
        && agrees_with_metrics(possibility, outcome, reconcile, case, autoscaler)
}

/// Whether the metrics were asked that should be, and said what they should.
fn agrees_with_metrics(
    possibility: &Possibility,
    outcome: &Outcome,
    reconcile: &Reconcile,
    case: &Case,
    autoscaler: &str,
) -> bool {
    let observed = &possibility.observed;
    let runners = i64::try_from(case.own(autoscaler).len()).unwrap_or(0);
    let counted = |percentage: &Percentage| {
        percentage.runners == runners
            && percentage.busy == observed.busy.running
            && percentage.terminating == observed.busy.terminating
    };
    match outcome.reason.suggestion {
        Suggestion::NoMetric => reconcile.percentage.is_none() && reconcile.runs.is_none(),
        Suggestion::PercentageRunnersBusy {
            before, suggested, ..
        } => {
            reconcile.runs.is_none()
                && reconcile.percentage.is_some_and(|seen| {
                    counted(&seen) && seen.before == before && seen.suggested == suggested
                })
        }
        Suggestion::WorkflowRuns { suggested, fallback } => {
            reconcile.runs == Some(suggested)
                && reconcile.percentage.is_some() == fallback
                && reconcile
                    .percentage
                    .is_none_or(|seen| counted(&seen) && seen.suggested <= 0)
        }
    }
}

/// What ARC says of this error, in its own words.
pub(super) fn words(error: &ReconcileError) -> Vec<&str> {
    match error {
        ReconcileError::OverrideTooLong { .. } => vec!["override's duration"],
        ReconcileError::OverlappingOccurrences { .. } => vec!["number of active overrides"],
        ReconcileError::MissingMinReplicas => vec!["is missing minReplicas"],
        ReconcileError::MissingMaxReplicas => vec!["is missing maxReplicas"],
        ReconcileError::TooManyMetrics(_) => vec!["too many autoscaling metrics"],
        ReconcileError::UnknownMetric(_) => vec!["unsupported metric type"],
        ReconcileError::Combination { first, second } => vec!["cannot be combined with", first, second],
        ReconcileError::NotANumber { field, .. } => vec![field, "cannot be parsed into a float64"],
        ReconcileError::NegativeAdjustment { field, .. } => vec![field, "cannot be lower than 0"],
        ReconcileError::AdjustmentAndFactor { adjustment, factor } => {
            vec![adjustment, factor, "cannot be specified together"]
        }
        ReconcileError::EnterpriseRuns => vec!["should not be empty on this code path"],
        ReconcileError::NoRepositories => vec!["repositoryNames is required"],
        // The manager would be gone.
        ReconcileError::Crash => vec!["no words"],
    }
}

fn later(time: Timestamp, seconds: i64) -> Timestamp {
    time.saturating_add(SignedDuration::from_secs(seconds))
        .unwrap_or(time)
}
