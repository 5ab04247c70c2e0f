//! How the metrics combine into one suggestion, or none.

use super::busy;
use super::error::ReconcileError;
use super::reconcile::Observed;
use super::spec::{Metric, Spec};
use crate::Scope;

const PERCENTAGE: &str = "PercentageRunnersBusy";
const RUNS: &str = "TotalNumberOfQueuedAndInProgressWorkflowRuns";

/// Where the busy fraction lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// At or above the upper threshold.
    Up,
    /// Between the thresholds, or not a number.
    Stay,
    /// Below the lower threshold.
    Down,
}

/// What the metrics say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suggestion {
    /// There is no metric.
    NoMetric,
    /// By the busy fraction.
    PercentageRunnersBusy {
        /// Who counted as busy.
        busy: busy::Busy,
        /// The target's replicas; 1 if it says none.
        before: i64,
        /// Where the fraction lies.
        step: Step,
        /// The metric's number, as its gauge shows it.
        suggested: i64,
    },
    /// By the open jobs.
    WorkflowRuns {
        /// The metric's number.
        suggested: i64,
        /// As the second metric, because the first had no positive number.
        fallback: bool,
    },
}

impl Suggestion {
    /// What the spec's metrics make of what is observed.
    ///
    /// A second metric is asked, and looked at, only if the first has no positive number.
    pub(super) fn of(spec: &Spec, observed: &Observed) -> Result<Self, ReconcileError> {
        if spec.min_replicas.is_none() {
            return Err(ReconcileError::MissingMinReplicas);
        }
        if spec.max_replicas.is_none() {
            return Err(ReconcileError::MissingMaxReplicas);
        }
        match spec.metrics.as_slice() {
            [] => Ok(Suggestion::NoMetric),
            [only] => first(only, observed),
            [primary, secondary] => {
                let suggestion = first(primary, observed)?;
                if suggestion.replicas().is_some() {
                    return Ok(suggestion);
                }
                if (primary.kind.as_str(), secondary.kind.as_str()) != (PERCENTAGE, RUNS) {
                    return Err(ReconcileError::Combination {
                        first: primary.kind.clone(),
                        second: secondary.kind.clone(),
                    });
                }
                runs(secondary, observed, true)
            }
            more => Err(ReconcileError::TooManyMetrics(more.len())),
        }
    }

    /// The number that takes part in the computation; without one the minimum takes its place.
    ///
    /// 0 or less is no number. ARC checks that of the first metric only: 0 from the second one stands, and reservations then come on top of 0
    /// and not of the minimum.
    #[must_use]
    pub fn replicas(&self) -> Option<i64> {
        match *self {
            Suggestion::NoMetric => None,
            Suggestion::WorkflowRuns {
                suggested,
                fallback: true,
            } => Some(suggested),
            Suggestion::PercentageRunnersBusy { suggested, .. }
            | Suggestion::WorkflowRuns { suggested, .. } => (suggested > 0).then_some(suggested),
        }
    }
}

fn first(metric: &Metric, observed: &Observed) -> Result<Suggestion, ReconcileError> {
    match metric.kind.as_str() {
        PERCENTAGE => busy::suggest(metric, observed.replicas, observed.busy),
        RUNS => runs(metric, observed, false),
        unknown => Err(ReconcileError::UnknownMetric(unknown.to_owned())),
    }
}

/// The open jobs, where ARC can find them: it reads a repository's workflow runs, and knows repositories by the scope or by the metric.
fn runs(metric: &Metric, observed: &Observed, fallback: bool) -> Result<Suggestion, ReconcileError> {
    match observed.scope {
        Scope::Enterprise(_) => Err(ReconcileError::EnterpriseRuns),
        Scope::Organization(_) if metric.repository_names.is_empty() => Err(ReconcileError::NoRepositories),
        Scope::Organization(_) | Scope::Repository { .. } => Ok(Suggestion::WorkflowRuns {
            suggested: observed.open_jobs,
            fallback,
        }),
    }
}
