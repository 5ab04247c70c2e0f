//! The objects of the differential test, as manifests.
//!
//! What it is not: they are applied elsewhere.

use harness::model::Scope;
use serde_json::{Value, json};

use super::case::{Flavour, LABELS};

/// The label by which a target finds its Runners.
pub(super) const LABEL: &str = "differential";

/// The finalizer that ARC would add.
const FINALIZER: &str = "runner.actions.summerwind.dev";

/// The flavour of a target for random cases.
pub(super) fn flavour(target: usize) -> Flavour {
    Flavour::ALL[target % Flavour::ALL.len()]
}

/// The name of a target.
pub(super) fn target_name(target: usize) -> String {
    format!("target-{target}")
}

/// What GHES calls the owner of a target's runners. It does not exist there, so its runners are registered nowhere.
pub(super) fn company(target: usize) -> String {
    format!("company-{target}")
}

/// A target without runners of its own.
pub(super) fn target(index: usize, flavour: Flavour) -> Value {
    let name = target_name(index);
    let mut spec = json!({ "labels": LABELS, "ephemeral": flavour.ephemeral });
    match flavour.scope(&company(index)) {
        Scope::Enterprise(slug) => spec["enterprise"] = json!(slug),
        Scope::Organization(login) => spec["organization"] = json!(login),
        Scope::Repository { owner, name } => spec["repository"] = json!(format!("{owner}/{name}")),
    }
    json!({
        "apiVersion": "actions.summerwind.dev/v1alpha1",
        "kind": "RunnerDeployment",
        "metadata": { "name": name },
        "spec": {
            "replicas": 0,
            "selector": { "matchExpressions": [{ "key": LABEL, "operator": "In", "values": ["pool", name] }] },
            "template": { "metadata": { "labels": { LABEL: name } }, "spec": spec },
        },
    })
}

/// A Runner that is never registered.
pub(super) fn runner(name: &str, label: &str) -> Value {
    json!({
        "apiVersion": "actions.summerwind.dev/v1alpha1",
        "kind": "Runner",
        "metadata": { "name": name, "labels": { LABEL: label }, "finalizers": [FINALIZER] },
        "spec": { "enterprise": "nobody" },
    })
}

/// A pod of the target that GHES would not let go.
pub(super) fn refused_pod(name: &str, target: usize) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": { "runner-deployment-name": target_name(target) },
            "annotations": { "actions-runner/unregistration-failure-message": "it still runs a job" },
        },
        "spec": {
            "nodeSelector": { "ghes-harness/node": "none" },
            "containers": [{ "name": "nothing", "image": "nothing" }],
        },
    })
}

/// The autoscaler's manifest.
pub(super) fn autoscaler(name: &str, target: &str, spec: &Value) -> Value {
    let mut spec = spec.clone();
    spec["scaleTargetRef"] = json!({ "kind": "RunnerDeployment", "name": target });
    json!({
        "apiVersion": "actions.summerwind.dev/v1alpha1",
        "kind": "HorizontalRunnerAutoscaler",
        "metadata": { "name": name },
        "spec": spec,
    })
}

/// The merge patch that makes one spec the other.
pub(super) fn changes(from: &Value, to: &Value) -> Value {
    let mut patch = json!({});
    for (field, _) in from.as_object().into_iter().flatten() {
        if to.get(field).is_none() {
            patch[field] = Value::Null;
        }
    }
    for (field, value) in to.as_object().into_iter().flatten() {
        if from.get(field) != Some(value) {
            patch[field] = value.clone();
        }
    }
    patch
}
