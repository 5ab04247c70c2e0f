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
            let ArcLog {
                checked_at,
                percentage,
                runs,
            } = std::mem::take(self);
            return Some(Reconcile {
                autoscaler: autoscaler(&line["horizontalrunnerautoscaler"])?,
                checked_at,
                ended_at: time(&line["ts"])?,
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
