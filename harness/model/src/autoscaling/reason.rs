//! Which rules made an outcome, as a value and as a sentence.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::suggestion::{Step, Suggestion};

/// Whether a limit changed the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clamp {
    /// Neither did.
    None,
    /// Raised to the minimum.
    Min,
    /// Cut to the maximum.
    Max,
}

/// The rules, in the order in which they apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reason {
    /// What the metrics say.
    pub suggestion: Suggestion,
    /// The minimum that holds; without a suggestion it takes its place.
    pub min: i64,
    /// Replicas of reservations that have not expired; they are added.
    pub reserved: i64,
    /// Whether the sum hit a limit.
    pub clamp: Clamp,
    /// The number after the limits.
    pub limited: i64,
    /// Until when the delay after a scale-out holds the earlier number in its place.
    pub held_until: Option<Timestamp>,
}

impl Reason {
    /// One line, with times in this zone: `4 of 4 busy (1.00): up to 8`.
    #[must_use]
    pub fn text(&self, zone: &TimeZone) -> String {
        let mut text = self.suggested();
        if self.reserved != 0 {
            let _ = write!(text, "; {} reserved", self.reserved);
        }
        match self.clamp {
            Clamp::None => {}
            Clamp::Min => {
                let _ = write!(text, "; the minimum is {}", self.limited);
            }
            Clamp::Max => {
                let _ = write!(text, "; the maximum is {}", self.limited);
            }
        }
        if let Some(until) = self.held_until {
            let until = until.to_zoned(zone.clone()).strftime("%F %T");
            let _ = write!(text, "; held until {until} by the delay after the last scale-out");
        }
        text
    }

    fn suggested(&self) -> String {
        match self.suggestion {
            Suggestion::NoMetric => format!("no metric: the minimum {}", self.min),
            Suggestion::PercentageRunnersBusy {
                busy,
                before,
                step,
                suggested,
            } => {
                let all = busy.running + busy.terminating;
                let fraction = all as f64 / before as f64;
                let step = match step {
                    Step::Up => "up to",
                    Step::Stay => "stay at",
                    Step::Down => "down to",
                };
                let instead = if self.suggestion.replicas().is_none() {
                    format!(", which is no suggestion: the minimum {}", self.min)
                } else {
                    String::new()
                };
                format!("{all} of {before} busy ({fraction:.2}): {step} {suggested}{instead}")
            }
            Suggestion::WorkflowRuns { suggested, .. } if self.suggestion.replicas().is_none() => {
                format!("{suggested} open jobs: the minimum {}", self.min)
            }
            Suggestion::WorkflowRuns { suggested, .. } => format!("{suggested} open jobs"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::busy::Busy;
    use super::*;

    fn percentage(running: i64, before: i64, step: Step, suggested: i64) -> Suggestion {
        Suggestion::PercentageRunnersBusy {
            busy: Busy {
                running,
                terminating: 0,
            },
            before,
            step,
            suggested,
        }
    }

    #[test]
    fn a_reason_is_told_in_the_order_of_the_rules() {
        let until = "2026-11-25T00:05:00Z".parse().expect("the time is well-formed");
        let reason = |suggestion, reserved, clamp, limited, held_until| Reason {
            suggestion,
            min: 2,
            reserved,
            clamp,
            limited,
            held_until,
        };
        for (reason, expected) in [
            (
                reason(Suggestion::NoMetric, 0, Clamp::None, 2, None),
                "no metric: the minimum 2",
            ),
            (
                reason(percentage(3, 4, Step::Up, 8), 1, Clamp::None, 9, None),
                "3 of 4 busy (0.75): up to 8; 1 reserved",
            ),
            (
                reason(percentage(9, 12, Step::Up, 24), 0, Clamp::Max, 16, None),
                "9 of 12 busy (0.75): up to 24; the maximum is 16",
            ),
            (
                reason(percentage(0, 2, Step::Down, 1), 0, Clamp::Min, 2, Some(until)),
                "0 of 2 busy (0.00): down to 1; the minimum is 2; \
                 held until 2026-11-25 00:05:00 by the delay after the last scale-out",
            ),
            (
                reason(percentage(0, 0, Step::Stay, 0), 0, Clamp::None, 2, None),
                "0 of 0 busy (NaN): stay at 0, which is no suggestion: the minimum 2",
            ),
        ] {
            assert_eq!(reason.text(&TimeZone::UTC), expected);
        }
    }
}
