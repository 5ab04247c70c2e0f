//! One check of a run: its attempts and the verdict they add up to.

use std::time::Duration;

use harness_model::{Check, Claim, Event, Failure, Line, Measurement, Profile, SkipReason, Verdict};
use jiff::{SignedDuration, Timestamp};

use crate::text::{failure_reason, skip_reason};

/// One attempt at a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// From 1.
    pub number: u32,
    /// The namespace it acted in; empty if the log does not tell its start.
    pub namespace: String,
    /// When it began (UTC).
    pub started: Timestamp,
    /// `None` if the log does not tell its end.
    pub end: Option<AttemptEnd>,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptEnd {
    /// Of this attempt alone.
    pub verdict: Verdict,
    /// How long it took.
    pub duration: Duration,
    /// Set for `fail` and `error`.
    pub failure: Option<Failure>,
    /// Folder of evidence, relative to the run's folder.
    pub evidence: Option<String>,
    /// The command that runs this check alone.
    pub rerun: String,
}

/// Something that happened in a check, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// When the log took it (UTC).
    pub at: Timestamp,
    /// What.
    pub what: What,
}

/// What happened at a [`Moment`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The attempt of this number began.
    Began(u32),
    /// It saw something: the place in [`CheckResult::observations`].
    Observed(usize),
    /// It measured something: the place in [`CheckResult::measurements`].
    Measured(usize),
    /// The attempt of this number ended.
    Ended(u32, Verdict),
}

/// A check and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckResult {
    /// As planned; of a check that was never planned only the id is known.
    pub check: Check,
    /// Over all attempts.
    pub verdict: Verdict,
    /// Why, unless it passed at once.
    pub reason: Option<String>,
    /// In order.
    pub attempts: Vec<Attempt>,
    /// What it saw, one line each.
    pub observations: Vec<String>,
    /// What it measured.
    pub measurements: Vec<Measurement>,
    /// All that happened in it, in the order of the log.
    pub moments: Vec<Moment>,
    skip: Option<SkipReason>,
}

impl CheckResult {
    /// Time over all attempts that ended; zero if none did.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.ends().map(|end| end.duration).sum()
    }

    /// What the last attempt that did not pass awaited and saw.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.ends().filter_map(|end| end.failure.as_ref()).last()
    }

    /// When the last attempt that did not pass ended (UTC), by its start and what it took.
    #[must_use]
    pub fn failed_at(&self) -> Option<Timestamp> {
        let failed = |attempt: &&Attempt| attempt.end.as_ref().is_some_and(|end| end.failure.is_some());
        let attempt = self.attempts.iter().rev().find(failed)?;
        let took = SignedDuration::try_from(attempt.end.as_ref()?.duration).ok()?;
        attempt.started.checked_add(took).ok()
    }

    /// The last evidence folder, relative to the run's folder.
    #[must_use]
    pub fn evidence(&self) -> Option<&str> {
        self.ends().filter_map(|end| end.evidence.as_deref()).last()
    }

    /// The command that runs this check alone, once an attempt ended.
    #[must_use]
    pub fn rerun(&self) -> Option<&str> {
        self.ends().map(|end| end.rerun.as_str()).last()
    }

    /// The log owes this check an end: neither skipped nor with a last attempt that ended.
    #[must_use]
    pub fn is_cut_off(&self) -> bool {
        match self.attempts.last() {
            Some(last) => last.end.is_none(),
            None => self.skip.is_none(),
        }
    }

    fn new(check: Check, skip: Option<SkipReason>) -> Self {
        CheckResult {
            check,
            verdict: Verdict::Error,
            reason: None,
            attempts: Vec::new(),
            observations: Vec::new(),
            measurements: Vec::new(),
            moments: Vec::new(),
            skip,
        }
    }

    fn ends(&self) -> impl Iterator<Item = &AttemptEnd> {
        self.attempts.iter().filter_map(|attempt| attempt.end.as_ref())
    }

    /// Settles verdict and reason. `why_cut_off` and `orderly` say how the run treats what it did not finish.
    pub(super) fn close(&mut self, why_cut_off: &str, orderly: bool) {
        (self.verdict, self.reason) = self.settle(why_cut_off, orderly);
    }

    fn settle(&self, why_cut_off: &str, orderly: bool) -> (Verdict, Option<String>) {
        let Some(last) = self.attempts.last() else {
            return match &self.skip {
                Some(skip @ SkipReason::Missing { .. }) => (Verdict::Unsupported, Some(skip_reason(skip))),
                Some(skip @ SkipReason::RunEnded { .. }) => (Verdict::Skipped, Some(skip_reason(skip))),
                None if orderly => (Verdict::Skipped, Some(why_cut_off.to_owned())),
                None => (Verdict::Error, Some(why_cut_off.to_owned())),
            };
        };
        let failed = self.attempts.iter().rev().find_map(|attempt| {
            let end = attempt.end.as_ref().filter(|end| !end.verdict.is_green())?;
            let why = end
                .failure
                .as_ref()
                .map_or_else(|| "no reason recorded".to_owned(), failure_reason);
            Some((attempt.number, end.verdict, why))
        });
        match (&last.end, failed) {
            (Some(end), Some((number, verdict, why))) if end.verdict == Verdict::Pass => (
                Verdict::Flaky,
                Some(format!("attempt {number} ended in {verdict}, {why}")),
            ),
            (Some(end), None) => (end.verdict, end.failure.as_ref().map(failure_reason)),
            (Some(end), Some((_, _, why))) => (end.verdict, Some(why)),
            // A failure that was seen outlives the attempt that should have explained it away.
            (None, Some((_, Verdict::Fail, why))) => (
                Verdict::Fail,
                Some(format!(
                    "{why}; attempt {} was cut off: {why_cut_off}",
                    last.number
                )),
            ),
            (None, _) => (Verdict::Error, Some(why_cut_off.to_owned())),
        }
    }
}

/// Folds one line about a check. Lines about a check that was never planned make one with that id.
pub(super) fn take(checks: &mut Vec<CheckResult>, line: &Line) {
    match line.event.clone() {
        Event::CheckPlanned { check, skip } => {
            match checks.iter_mut().find(|known| known.check.id == check.id) {
                Some(known) => {
                    known.check = check;
                    known.skip = skip;
                }
                None => checks.push(CheckResult::new(check, skip)),
            }
        }
        Event::CheckStarted {
            id,
            attempt,
            namespace,
        } => {
            let started = line.at;
            let check = entry(checks, &id);
            check.moments.push(Moment {
                at: line.at,
                what: What::Began(attempt),
            });
            check.attempts.push(Attempt {
                number: attempt,
                namespace,
                started,
                end: None,
            });
        }
        Event::Observed { id, text } => {
            let check = entry(checks, &id);
            check.moments.push(Moment {
                at: line.at,
                what: What::Observed(check.observations.len()),
            });
            check.observations.push(text);
        }
        Event::Measured { id, measurement } => {
            let check = entry(checks, &id);
            check.moments.push(Moment {
                at: line.at,
                what: What::Measured(check.measurements.len()),
            });
            check.measurements.push(measurement);
        }
        Event::CheckFinished {
            id,
            attempt,
            verdict,
            duration_ms,
            failure,
            evidence,
            rerun,
        } => {
            let duration = Duration::from_millis(duration_ms);
            let end = Some(AttemptEnd {
                verdict,
                duration,
                failure,
                evidence,
                rerun,
            });
            let check = entry(checks, &id);
            check.moments.push(Moment {
                at: line.at,
                what: What::Ended(attempt, verdict),
            });
            let attempts = &mut check.attempts;
            match attempts
                .iter_mut()
                .find(|known| known.number == attempt && known.end.is_none())
            {
                Some(known) => known.end = end,
                None => {
                    attempts.push(Attempt {
                        number: attempt,
                        namespace: String::new(),
                        started: line.at,
                        end,
                    });
                }
            }
        }
        _ => {}
    }
}

fn entry<'a>(checks: &'a mut Vec<CheckResult>, id: &str) -> &'a mut CheckResult {
    let index = checks
        .iter()
        .position(|known| known.check.id == id)
        .unwrap_or_else(|| {
            let check = Check {
                id: id.to_owned(),
                claim: String::new(),
                grounds: String::new(),
                not_covered: String::new(),
                profile: Profile::Core,
                needs: Vec::new(),
                claims: Claim::SharedArc,
                pains: Vec::new(),
            };
            checks.push(CheckResult::new(check, None));
            checks.len() - 1
        });
    &mut checks[index]
}
