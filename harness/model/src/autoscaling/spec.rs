//! The HorizontalRunnerAutoscaler's spec and status as their JSON has them.
//!
//! Unknown fields of the spec are refused: the API server prunes them, so in a live object there are none, and in a file they are typing errors.
//! What it is not: a validation. ARC has no webhook for this kind, so nonsense such as a minimum above the maximum is a legal spec.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `spec` of a HorizontalRunnerAutoscaler.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Spec {
    /// What is scaled.
    #[serde(default)]
    pub scale_target_ref: ScaleTargetRef,
    /// The fewest replicas. Without it every reconcile fails.
    #[serde(default)]
    pub min_replicas: Option<i64>,
    /// The most replicas. Without it every reconcile fails.
    #[serde(default)]
    pub max_replicas: Option<i64>,
    /// Seconds after a scale-out in which nothing is scaled down.
    #[serde(default)]
    pub scale_down_delay_seconds_after_scale_out: Option<i64>,
    /// None, one or two; see [`crate::autoscaling::Suggestion`].
    #[serde(default)]
    pub metrics: Vec<Metric>,
    /// Which webhook events reserve capacity. Nothing here decides by it.
    #[serde(default)]
    pub scale_up_triggers: Vec<Value>,
    /// Replicas reserved for a time, written by ARC's webhook server.
    #[serde(default)]
    pub capacity_reservations: Vec<CapacityReservation>,
    /// Times at which another minimum holds; earlier entries have priority.
    #[serde(default)]
    pub scheduled_overrides: Vec<ScheduledOverride>,
    /// Whose token to use. Nothing here decides by it.
    #[serde(default, rename = "githubAPICredentialsFrom")]
    pub github_api_credentials_from: Option<Value>,
}

/// What is scaled.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScaleTargetRef {
    /// Which kind it is.
    #[serde(default)]
    pub kind: TargetKind,
    /// Its name, in the autoscaler's namespace.
    #[serde(default)]
    pub name: String,
}

/// The kinds that ARC scales; without a kind it takes a RunnerDeployment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TargetKind {
    /// Pods by way of RunnerReplicaSets.
    #[default]
    RunnerDeployment,
    /// Pods by way of StatefulSets.
    RunnerSet,
}

/// One metric. All numbers but the adjustments are texts, as the CRD wants them; ARC parses them at every reconcile.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metric {
    /// `PercentageRunnersBusy` or `TotalNumberOfQueuedAndInProgressWorkflowRuns`; the CRD lets any text pass.
    #[serde(default, rename = "type")]
    pub kind: String,
    /// For the second type: whose workflow runs count, for runners of an organization.
    #[serde(default)]
    pub repository_names: Vec<String>,
    /// Busy fraction from which on, inclusive, it is scaled up; empty is 0.8.
    #[serde(default)]
    pub scale_up_threshold: String,
    /// Busy fraction below which it is scaled down; empty is 0.3.
    #[serde(default)]
    pub scale_down_threshold: String,
    /// Factor of a scale-up; empty is 1.3.
    #[serde(default)]
    pub scale_up_factor: String,
    /// Factor of a scale-down; empty is 0.7.
    #[serde(default)]
    pub scale_down_factor: String,
    /// Replicas that a scale-up adds; 0 leaves it to the factor.
    #[serde(default)]
    pub scale_up_adjustment: i64,
    /// Replicas that a scale-down takes away; 0 leaves it to the factor.
    #[serde(default)]
    pub scale_down_adjustment: i64,
}

/// Replicas that a webhook event reserved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CapacityReservation {
    /// Its name; ARC's webhook server leaves it empty.
    #[serde(default)]
    pub name: String,
    /// From this instant on it counts no more; without it, it never counts.
    #[serde(default)]
    pub expiration_time: Option<Timestamp>,
    /// How many.
    #[serde(default)]
    pub replicas: i64,
    /// When the event came.
    #[serde(default)]
    pub effective_time: Option<Timestamp>,
}

/// A time at which another minimum holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScheduledOverride {
    /// Start of the first occurrence.
    pub start_time: Timestamp,
    /// End of the first occurrence, exclusive.
    pub end_time: Timestamp,
    /// The minimum meanwhile. Without it the entry overrides nothing, but still wins over later ones.
    #[serde(default)]
    pub min_replicas: Option<u32>,
    /// Whether and how it recurs.
    #[serde(default)]
    pub recurrence_rule: RecurrenceRule,
}

/// How an override recurs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecurrenceRule {
    /// Absent: the override happens once, and `until_time` means nothing.
    #[serde(default)]
    pub frequency: Option<Frequency>,
    /// The latest instant at which an occurrence may start.
    #[serde(default)]
    pub until_time: Option<Timestamp>,
}

/// The period of a recurrence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Frequency {
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

/// `status` of a HorizontalRunnerAutoscaler, as far as ARC writes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The outcome of the last reconcile; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired_replicas: Option<i64>,
    /// When that number last rose, to a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_successful_scale_out_time: Option<Timestamp>,
    /// What `kubectl get hra` shows as SCHEDULE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_overrides_summary: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_spec_is_read_as_kubernetes_stores_it() {
        let stored = json!({
            "scaleTargetRef": {"kind": "RunnerSet", "name": "runners"},
            "minReplicas": 2,
            "maxReplicas": 16,
            "scaleDownDelaySecondsAfterScaleOut": 300,
            "githubAPICredentialsFrom": {"secretRef": {"name": "token"}},
            "scaleUpTriggers": [{"githubEvent": {"workflowJob": {}}, "duration": "30m"}],
            "capacityReservations": [{"replicas": 1, "expirationTime": "2026-11-25T00:10:00Z", "effectiveTime": null}],
            "scheduledOverrides": [{
                "startTime": "2023-07-15T00:00:00+09:00",
                "endTime": "2023-07-17T00:00:00+09:00",
                "minReplicas": null,
                "recurrenceRule": {"frequency": "Weekly", "untilTime": null},
            }],
            "metrics": [{"type": "PercentageRunnersBusy", "scaleUpThreshold": "0.75"}],
        });

        let spec: Spec = serde_json::from_value(stored).expect("every field is one of the CRD's");

        assert_eq!(spec.scale_target_ref.kind, TargetKind::RunnerSet);
        assert_eq!(spec.metrics[0].scale_up_threshold, "0.75");
        assert_eq!(
            spec.scheduled_overrides[0].recurrence_rule.frequency,
            Some(Frequency::Weekly)
        );
        assert_eq!(
            spec.scheduled_overrides[0].start_time.to_string(),
            "2023-07-14T15:00:00Z"
        );
        assert_eq!(spec.capacity_reservations[0].effective_time, None);
    }

    #[test]
    fn what_the_crd_does_not_know_is_refused() {
        for spec in [
            json!({"minReplica": 2}),
            json!({"scheduledOverrides": [{"startTime": "2026-01-01T00:00:00Z", "endTime": "2026-01-02T00:00:00Z", "minReplicas": -1}]}),
            json!({"metrics": [{"scaleUpThreshold": 0.75}]}),
            json!({"scaleTargetRef": {"kind": "Deployment"}}),
        ] {
            let read = serde_json::from_value::<Spec>(spec.clone());

            assert!(read.is_err(), "{spec}");
        }
    }
}
