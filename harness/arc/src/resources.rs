//! ARC's kinds, `actions.summerwind.dev/v1alpha1`.

use kube::api::{ApiResource, DynamicObject};
use kube::{Api, Client};

/// API group of the legacy controller.
pub const GROUP: &str = "actions.summerwind.dev";

fn kind(kind: &str, plural: &str) -> ApiResource {
    ApiResource {
        group: GROUP.into(),
        version: "v1alpha1".into(),
        api_version: format!("{GROUP}/v1alpha1"),
        kind: kind.into(),
        plural: plural.into(),
    }
}

/// Runner.
#[must_use]
pub fn runner() -> ApiResource {
    kind("Runner", "runners")
}

/// RunnerDeployment.
#[must_use]
pub fn runner_deployment() -> ApiResource {
    kind("RunnerDeployment", "runnerdeployments")
}

/// RunnerReplicaSet.
#[must_use]
pub fn runner_replica_set() -> ApiResource {
    kind("RunnerReplicaSet", "runnerreplicasets")
}

/// RunnerSet.
#[must_use]
pub fn runner_set() -> ApiResource {
    kind("RunnerSet", "runnersets")
}

/// HorizontalRunnerAutoscaler.
#[must_use]
pub fn horizontal_runner_autoscaler() -> ApiResource {
    kind("HorizontalRunnerAutoscaler", "horizontalrunnerautoscalers")
}

/// An untyped API of one of these kinds in a namespace.
#[must_use]
pub fn api(client: &Client, namespace: &str, resource: &ApiResource) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), namespace, resource)
}
