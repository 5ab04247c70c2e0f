//! What stops a reconcile. Nothing is written then: the target and the status stay as they are.
//!
//! What it is not: ARC's own wording, which is in its log and, for most of these, in an event.

use jiff::{SignedDuration, Timestamp};

use super::spec::Frequency;

/// Why a reconcile ends without an outcome.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ReconcileError {
    /// A recurring override is longer than the period of its recurrence, counted from now. Only logged.
    #[error(
        "a scheduled override of {duration:#} is longer than its {frequency:?} recurrence, {allowed:#} at this time; shorten it"
    )]
    OverrideTooLong {
        /// The override's length.
        duration: SignedDuration,
        /// From now to the same clock time a period later.
        allowed: SignedDuration,
        /// Its recurrence.
        frequency: Frequency,
    },
    /// Two occurrences of one override are active: they lie closer together than one period from now is long. Only logged.
    #[error("two occurrences of a scheduled override overlap at {now}; shorten it")]
    OverlappingOccurrences {
        /// When.
        now: Timestamp,
    },
    /// `minReplicas` is missing.
    #[error("minReplicas is missing; add it")]
    MissingMinReplicas,
    /// `maxReplicas` is missing.
    #[error("maxReplicas is missing; add it")]
    MissingMaxReplicas,
    /// More than two metrics.
    #[error("there are {0} metrics; leave at most two")]
    TooManyMetrics(usize),
    /// A first metric of a type that ARC does not know.
    #[error(
        "the metric type {0:?} is unknown; write PercentageRunnersBusy or TotalNumberOfQueuedAndInProgressWorkflowRuns"
    )]
    UnknownMetric(String),
    /// Two metrics that may not stand together. ARC notices only when the first suggests nothing.
    #[error(
        "the metrics {first:?} and {second:?} cannot be combined; \
         only PercentageRunnersBusy followed by TotalNumberOfQueuedAndInProgressWorkflowRuns can"
    )]
    Combination {
        /// The first metric's type.
        first: String,
        /// The second's.
        second: String,
    },
    /// A threshold or factor that is no number.
    #[error("{field} is {text:?}, which is no number; write one such as \"0.75\"")]
    NotANumber {
        /// The field of the metric.
        field: &'static str,
        /// Its value.
        text: String,
    },
    /// A negative adjustment.
    #[error("{field} is {value}; it cannot be negative")]
    NegativeAdjustment {
        /// The field of the metric.
        field: &'static str,
        /// Its value.
        value: i64,
    },
    /// Adjustment and factor of one direction.
    #[error("{adjustment} and {factor} are both set; leave one")]
    AdjustmentAndFactor {
        /// The field that adds or takes away.
        adjustment: &'static str,
        /// The field that multiplies.
        factor: &'static str,
    },
    /// The metric of workflow runs for runners of an enterprise.
    #[error(
        "TotalNumberOfQueuedAndInProgressWorkflowRuns cannot count an enterprise's runs; use PercentageRunnersBusy"
    )]
    EnterpriseRuns,
    /// The metric of workflow runs for runners of an organization, without repositories.
    #[error("repositoryNames is empty; name the organization's repositories whose workflow runs count")]
    NoRepositories,
    /// The target has no `replicas`, and the busy fraction lies between the thresholds: ARC dereferences the missing number.
    #[error(
        "the manager crashes: the target has no replicas, and the busy fraction lies between the thresholds; set replicas"
    )]
    Crash,
}

impl ReconcileError {
    /// Whether ARC tells it in an event `RunnerAutoscalingFailure`; the others are in its log only.
    #[must_use]
    pub fn is_told_by_event(&self) -> bool {
        !matches!(
            self,
            ReconcileError::OverrideTooLong { .. }
                | ReconcileError::OverlappingOccurrences { .. }
                | ReconcileError::Crash
        )
    }
}
