//! Reconciles of autoscalers, as ARC's debug log in JSON tells them.
//!
//! ARC reconciles autoscalers one after the other, and each reconcile that gets to a number or to an error ends with a line that says so. What it is
//! not: nothing is judged here, and lines of other controllers are passed over.

use jiff::Timestamp;
use serde_json::Value;

/// One reconcile of one autoscaler.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reconcile {
    /// The autoscaler's name.
    pub(super) autoscaler: String,
    /// The time that ARC compared overrides with, to a second; absent if there are none.
    pub(super) checked_at: Option<Timestamp>,
    /// When the last line of the reconcile before it was written, of whatever autoscaler; it began later.
    pub(super) after: Option<Timestamp>,
    /// When its last line was written, to a second.
    pub(super) ended_at: Timestamp,
    /// What the busy runners suggested, if they were asked.
    pub(super) percentage: Option<Percentage>,
    /// What the workflow runs suggested, if they were asked.
    pub(super) runs: Option<i64>,
    /// What it came to.
    pub(super) end: End,
}

/// `Suggested desired replicas of … by PercentageRunnersBusy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Percentage {
    pub(super) before: i64,
    pub(super) suggested: i64,
    pub(super) runners: i64,
    pub(super) registered: i64,
    pub(super) busy: i64,
    pub(super) terminating: i64,
}

/// The last line of a reconcile.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum End {
    /// `Calculated desired replicas of …`.
    Calculated {
        desired: i64,
        /// The minimum in its place if there is none.
        suggested: i64,
        reserved: i64,
        min: i64,
        held_until: Option<Timestamp>,
    },
    /// `Could not compute …`.
    Failed {
        /// Already the minimum: no event tells it.
        at_the_minimum: bool,
        error: String,
    },
}

/// Reads lines in their order.
#[derive(Debug, Default)]
pub(super) struct ArcLog {
    after: Option<Timestamp>,
    checked_at: Option<Timestamp>,
    percentage: Option<Percentage>,
    runs: Option<i64>,
}

impl ArcLog {
    /// The reconcile that ends with this line, if one does.
    pub(super) fn read(&mut self, line: &str) -> Option<Reconcile> {
        let line: Value = serde_json::from_str(line).ok()?;
        let message = line["message"].as_str()?;
        let number = |field: &str| line[field].as_i64();
        if message == "Checking scheduled override" {
            self.checked_at = self.checked_at.or(time(&line["now"]));
        } else if message.ends_with("by PercentageRunnersBusy") {
            self.percentage = Some(Percentage {
                before: number("replicas_desired_before")?,
                suggested: number("replicas_desired")?,
                runners: number("num_runners")?,
                registered: number("num_runners_registered")?,
                busy: number("num_runners_busy")?,
                terminating: number("num_terminating_busy")?,
            });
        } else if message.ends_with("by TotalNumberOfQueuedAndInProgressWorkflowRuns") {
            self.runs = last_number(message, "replicas of ");
        } else if let Some(end) = end(&line, message) {
            let ended_at = time(&line["ts"])?;
            let next = ArcLog {
                after: Some(ended_at),
                ..ArcLog::default()
            };
            let ArcLog {
                after,
                checked_at,
                percentage,
                runs,
            } = std::mem::replace(self, next);
            return Some(Reconcile {
                autoscaler: autoscaler(&line["horizontalrunnerautoscaler"])?,
                checked_at,
                after,
                ended_at,
                percentage,
                runs,
                end,
            });
        }
        None
    }
}

fn end(line: &Value, message: &str) -> Option<End> {
    let at_the_minimum = message == "Could not compute min replicas";
    if at_the_minimum || message == "Could not compute replicas" {
        return Some(End::Failed {
            at_the_minimum,
            error: line["error"].as_str()?.to_owned(),
        });
    }
    Some(End::Calculated {
        desired: last_number(message, "Calculated desired replicas of ")?,
        suggested: line["suggested"].as_i64()?,
        reserved: line["reserved"].as_i64()?,
        min: line["min"].as_i64()?,
        held_until: time(&line["scale_down_delay_until"]),
    })
}

fn last_number(message: &str, before: &str) -> Option<i64> {
    let (_, rest) = message.split_once(before)?;
    rest.split(' ').next()?.parse().ok()
}

/// `namespace/name`, or an object of both.
fn autoscaler(value: &Value) -> Option<String> {
    let name = match value {
        Value::String(text) => text.rsplit('/').next()?,
        object => object["name"].as_str()?,
    };
    Some(name.to_owned())
}

/// RFC 3339 in any zone; seconds since 1970 as a number.
fn time(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => Timestamp::from_second(number.as_f64()?.floor() as i64).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reconciles(lines: &[&str]) -> Vec<Reconcile> {
        let mut log = ArcLog::default();
        lines.iter().filter_map(|line| log.read(line)).collect()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("the time is well-formed")
    }

    #[test]
    fn a_reconcile_is_read_from_its_lines() {
        let read = reconciles(&[
            r#"{"severity":"debug","ts":"2031-09-13T06:00:00Z","logger":"horizontalrunnerautoscaler","message":"Checking scheduled override","horizontalrunnerautoscaler":"e2e/case-1","now":"2031-09-13T06:00:00Z","startTime":"2029-09-12 06:05:33 +0000 UTC"}"#,
            r#"{"severity":"debug","ts":"2031-09-13T06:00:00Z","logger":"horizontalrunnerautoscaler","message":"Checking scheduled override","horizontalrunnerautoscaler":"e2e/case-1","now":"2031-09-13T06:00:00Z","startTime":"2029-09-12 06:05:33 +0000 UTC"}"#,
            r#"{"severity":"info","ts":"2031-09-13T06:00:00Z","logger":"runner","message":"Created runner","runner":"e2e/pool-1"}"#,
            r#"{"severity":"debug","ts":"2031-09-13T06:00:01Z","logger":"horizontalrunnerautoscaler","message":"Suggested desired replicas of -4 by PercentageRunnersBusy","replicas_desired_before":1,"replicas_desired":-4,"num_runners":60,"num_runners_registered":1,"num_runners_busy":0,"num_terminating_busy":2,"namespace":"e2e","horizontal_runner_autoscaler":"case-1"}"#,
            r#"{"severity":"debug","ts":"2031-09-13T06:00:01Z","logger":"horizontalrunnerautoscaler","message":"Suggested desired replicas of 3 by TotalNumberOfQueuedAndInProgressWorkflowRuns","workflow_runs_completed":2,"namespace":"e2e","horizontal_runner_autoscaler":"case-1"}"#,
            r#"{"severity":"debug","ts":"2031-09-13T02:00:01-04:00","logger":"horizontalrunnerautoscaler","message":"Calculated desired replicas of 4","horizontalrunnerautoscaler":"e2e/case-1","suggested":3,"reserved":1,"min":1,"max":4,"last_scale_up_time":"2031-09-13 06:00:00 +0000 UTC","scale_down_delay_until":"2031-09-13T06:00:25Z"}"#,
        ]);

        let expected = Reconcile {
            autoscaler: "case-1".to_owned(),
            checked_at: Some(at("2031-09-13T06:00:00Z")),
            after: None,
            ended_at: at("2031-09-13T06:00:01Z"),
            percentage: Some(Percentage {
                before: 1,
                suggested: -4,
                runners: 60,
                registered: 1,
                busy: 0,
                terminating: 2,
            }),
            runs: Some(3),
            end: End::Calculated {
                desired: 4,
                suggested: 3,
                reserved: 1,
                min: 1,
                held_until: Some(at("2031-09-13T06:00:25Z")),
            },
        };
        assert_eq!(read, [expected]);
    }

    #[test]
    fn a_reconcile_that_fails_ends_with_its_error_and_the_next_begins_with_nothing_of_it() {
        let read = reconciles(&[
            r#"{"severity":"debug","ts":"2031-09-13T06:00:00Z","message":"Checking scheduled override","horizontalrunnerautoscaler":"e2e/case-2","now":"2031-09-13T06:00:00Z"}"#,
            r#"{"severity":"error","ts":"2031-09-13T06:00:00Z","message":"Could not compute min replicas","horizontalrunnerautoscaler":"e2e/case-2","error":"override's duration"}"#,
            r#"{"severity":"error","ts":"2031-09-13T06:00:00Z","message":"Reconciler error","controller":"horizontalrunnerautoscaler-controller","name":"case-2","error":"override's duration"}"#,
            "not JSON",
            r#"{"severity":"error","ts":"2031-09-13T06:00:02Z","message":"Could not compute replicas","horizontalrunnerautoscaler":"e2e/case-3","error":"too many"}"#,
        ]);

        let ends: Vec<_> = read
            .iter()
            .map(|reconcile| {
                (
                    reconcile.autoscaler.as_str(),
                    reconcile.checked_at.is_some(),
                    reconcile.after.is_some(),
                    &reconcile.end,
                )
            })
            .collect();
        let failed = |at_the_minimum, error: &str| End::Failed {
            at_the_minimum,
            error: error.to_owned(),
        };
        assert_eq!(
            ends,
            [
                ("case-2", true, false, &failed(true, "override's duration")),
                ("case-3", false, true, &failed(false, "too many")),
            ]
        );
    }
}
