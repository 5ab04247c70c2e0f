//! What seeded defects change in the autoscalers of tables that are played to ARC.
//!
//! What it is not: an autoscaler that lacks what a defect changes is left as it is.

use serde_json::{Value, json};

use super::Defect;

/// Changes an autoscaler's spec.
pub(super) fn in_autoscaler(defect: Defect, spec: &mut Value) {
    match defect {
        Defect::RoughFactor => replace(spec, "/metrics/0/scaleUpFactor", "1.1", &json!("1.09")),
        Defect::LowThreshold => replace(spec, "/metrics/0/scaleDownThreshold", "0.25", &json!("0.15")),
        Defect::ShortDelay => set(spec, "/scaleDownDelaySecondsAfterScaleOut", &json!(5)),
        Defect::FloorOfNone => set(spec, "/minReplicas", &json!(0)),
        Defect::HigherMaximum => set(spec, "/maxReplicas", &json!(9)),
        Defect::WrongMetric => set(spec, "/metrics/0/type", &json!("PercentageRunnersBusy")),
        Defect::OtherRepository => set(spec, "/metrics/0/repositoryNames/0", &json!("another")),
        Defect::FactorLost => {
            if let Some(metric) = spec.pointer_mut("/metrics/0").and_then(Value::as_object_mut) {
                metric.remove("scaleUpFactor");
            }
        }
        Defect::SecondMetricGone => {
            if let Some(metrics) = spec["metrics"].as_array_mut() {
                metrics.truncate(1);
            }
        }
        Defect::ReversedOverrides => {
            if let Some(overrides) = spec["scheduledOverrides"].as_array_mut() {
                overrides.reverse();
            }
        }
        Defect::UntilLost => each_override(spec, |entry| {
            if let Some(rule) = entry["recurrenceRule"].as_object_mut() {
                rule.remove("untilTime");
            }
        }),
        Defect::MonthlyForYearly => each_override(spec, |entry| {
            replace(entry, "/recurrenceRule/frequency", "Yearly", &json!("Monthly"));
        }),
        Defect::EmptyOverride => each_override(spec, |entry| entry["endTime"] = entry["startTime"].clone()),
        _ => {}
    }
}

fn set(value: &mut Value, pointer: &str, to: &Value) {
    if let Some(place) = value.pointer_mut(pointer) {
        *place = to.clone();
    }
}

fn replace(value: &mut Value, pointer: &str, from: &str, to: &Value) {
    if value.pointer(pointer).is_some_and(|value| value == from) {
        set(value, pointer, to);
    }
}

fn each_override(spec: &mut Value, change: impl FnMut(&mut Value)) {
    let entries = spec["scheduledOverrides"].as_array_mut();
    entries.into_iter().flatten().for_each(change);
}
