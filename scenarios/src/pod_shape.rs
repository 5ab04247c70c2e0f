//! The pod that ARC asks for, as facts with names, so that a promise and a pod are compared fact by fact.
//!
//! What it is not: no check of its own, and no look at what a pod does: these pods have no node.

use std::collections::BTreeMap;

use anyhow::Context as _;
use harness::cluster::{Seen, eventually};
use harness::{Context, Unmet, expect};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;
use serde_json::{Value, json};

use crate::fleet;

/// The label by which ARC marks what belongs to a RunnerDeployment.
const DEPLOYMENT: &str = "runner-deployment-name";

/// The variable whose value nobody may read in a report.
pub(crate) const TOKEN: &str = "RUNNER_TOKEN";

/// What stands for it.
pub(crate) const HIDDEN: &str = "(a token)";

/// What a pod's `spec` has that is no fact by itself.
const APART: [&str; 3] = ["containers", "initContainers", "volumes"];

/// What a pod says, by names such as `docker.privileged`, `runner.env.GITHUB_URL`, `runner.mount./run`, `volume.work` and
/// `spec.nodeSelector`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Facts {
    of: String,
    facts: BTreeMap<String, Value>,
}

impl Facts {
    /// Reads them from a pod, or a pod's template.
    pub(crate) fn of(whose: &str, pod: &Value) -> Facts {
        let mut facts = BTreeMap::new();
        for (name, lists) in [
            ("containers", "/spec/containers"),
            ("init containers", "/spec/initContainers"),
        ] {
            let containers = pod.pointer(lists).and_then(Value::as_array);
            let containers: Vec<&Value> = containers.into_iter().flatten().collect();
            let names: Vec<&Value> = containers.iter().map(|container| &container["name"]).collect();
            facts.insert(name.to_owned(), json!(names));
            for container in containers {
                of_container(container, &mut facts);
            }
        }
        for volume in pod["spec"]["volumes"].as_array().into_iter().flatten() {
            let Some(mut source) = volume.as_object().cloned() else {
                continue;
            };
            let name = source.remove("name").unwrap_or_default();
            facts.insert(format!("volume.{}", text(&name)), Value::Object(source));
        }
        for (group, fields) in [
            ("spec", &pod["spec"]),
            ("label", &pod["metadata"]["labels"]),
            ("annotation", &pod["metadata"]["annotations"]),
        ] {
            let fields = fields.as_object().into_iter().flatten();
            // Those are told apart above, without the token.
            let fields = fields.filter(|(name, _)| !APART.contains(&name.as_str()));
            for (name, value) in fields {
                facts.insert(format!("{group}.{name}"), value.clone());
            }
        }
        Facts {
            of: whose.to_owned(),
            facts,
        }
    }

    /// One of them; what is not there is `null`.
    pub(crate) fn get(&self, name: &str) -> Value {
        self.facts.get(name).cloned().unwrap_or_default()
    }

    /// What follows `prefix` in the names of those that begin with it, in order.
    pub(crate) fn under(&self, prefix: &str) -> Vec<String> {
        let names = self.facts.keys();
        names
            .filter_map(|name| Some(name.strip_prefix(prefix)?.to_owned()))
            .collect()
    }

    /// Fails the check at the first that is not as promised; `null` stands for one that must not be there.
    pub(crate) fn expect(&self, promised: &[(&str, Value)]) -> Result<(), Unmet> {
        for (name, value) in promised {
            let seen = self.get(name);
            let awaited = format!("{name} in the pod of {} = {value}", self.of);
            expect(awaited, seen == *value, seen)?;
        }
        Ok(())
    }
}

fn of_container(container: &Value, facts: &mut BTreeMap<String, Value>) {
    let whose = text(&container["name"]).to_owned();
    let mut put = |name: &str, value: &Value| facts.insert(format!("{whose}.{name}"), value.clone());
    for (name, pointer) in [
        ("image", "/image"),
        ("args", "/args"),
        ("privileged", "/securityContext/privileged"),
        ("resources", "/resources"),
        ("env-from", "/envFrom"),
        ("pre-stop", "/lifecycle/preStop/exec/command"),
    ] {
        if let Some(value) = container.pointer(pointer) {
            put(name, value);
        }
    }
    // Of two with one name the later counts, as it does for the container.
    for variable in container["env"].as_array().into_iter().flatten() {
        let name = text(&variable["name"]);
        let value = match (name, text(&variable["value"])) {
            (TOKEN, token) if !token.is_empty() => json!(HIDDEN),
            (_, "") if variable.get("valueFrom").is_some() => variable["valueFrom"].clone(),
            (_, value) => json!(value),
        };
        put(&format!("env.{name}"), &value);
    }
    for mount in container["volumeMounts"].as_array().into_iter().flatten() {
        put(&format!("mount.{}", text(&mount["mountPath"])), &mount["name"]);
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A RunnerDeployment of this name with one runner of this spec, for the scenario's enterprise unless the spec has another scope. Its pods get no node.
pub(crate) fn runners(context: &Context, name: &str, mut spec: Value) -> Value {
    let scopes = ["enterprise", "organization", "repository"];
    if scopes.iter().all(|scope| spec.get(*scope).is_none()) {
        spec["enterprise"] = json!(context.tenant().name);
    }
    let deployment = json!({
        "apiVersion": "actions.summerwind.dev/v1alpha1",
        "kind": "RunnerDeployment",
        "metadata": { "name": name, "namespace": context.namespace() },
        "spec": { "replicas": 1, "template": { "spec": spec } },
    });
    fleet::without_a_node(deployment)
}

/// Applies [`runners`] and gives the facts of the pod that ARC makes.
pub(crate) async fn made(context: &Context, name: &str, spec: Value) -> anyhow::Result<Facts> {
    context.apply(&runners(context, name, spec)).await?;
    let pod = await_pod(context, name).await?;
    let pod = serde_json::to_value(pod).context("read the pod")?;
    Ok(Facts::of(name, &pod))
}

/// The pod of this RunnerDeployment, once there is one.
pub(crate) async fn await_pod(context: &Context, name: &str) -> anyhow::Result<Pod> {
    let pods: Api<Pod> = Api::namespaced(context.client().clone(), context.namespace());
    let selector = ListParams::default().labels(&format!("{DEPLOYMENT}={name}"));
    let pod = eventually(&format!("a pod of {name}"), fleet::DEADLINE, || async {
        match pods.list(&selector).await {
            Ok(list) => {
                let first = list.items.into_iter().next();
                first.map_or_else(|| Seen::NotYet("none".to_owned()), Seen::Yes)
            }
            Err(error) => Seen::NotYet(error.to_string()),
        }
    })
    .await?;
    Ok(pod)
}

/// The value of a variable in the runner's container. Of two with one name the later counts.
pub(crate) fn variable<'a>(pod: &'a Pod, name: &str) -> Option<&'a str> {
    let containers = &pod.spec.as_ref()?.containers;
    let runner = containers.iter().find(|container| container.name == "runner")?;
    let mut variables = runner.env.iter().flatten().rev();
    variables.find(|variable| variable.name == name)?.value.as_deref()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod() -> Value {
        json!({
            "metadata": { "labels": { "app": "x" } },
            "spec": {
                "restartPolicy": "Never",
                "containers": [
                    { "name": "runner", "env": [
                        { "name": "A", "value": "first" },
                        { "name": "A", "value": "second" },
                        { "name": "RUNNER_TOKEN", "value": "secret" },
                        { "name": "EMPTY" },
                    ]},
                    { "name": "docker", "securityContext": { "privileged": true },
                      "volumeMounts": [{ "name": "work", "mountPath": "/work" }] },
                ],
                "volumes": [{ "name": "work", "emptyDir": {} }],
            },
        })
    }

    #[test]
    fn facts_are_found_by_name_and_the_later_variable_counts() {
        let facts = Facts::of("x", &pod());

        for (name, value) in [
            ("containers", json!(["runner", "docker"])),
            ("docker.privileged", json!(true)),
            ("runner.privileged", Value::Null),
            ("runner.env.A", json!("second")),
            ("runner.env.EMPTY", json!("")),
            ("docker.mount./work", json!("work")),
            ("volume.work", json!({ "emptyDir": {} })),
            ("spec.restartPolicy", json!("Never")),
            ("label.app", json!("x")),
        ] {
            assert_eq!(facts.get(name), value, "{name}");
        }
        assert_eq!(facts.under("runner.env."), ["A", "EMPTY", "RUNNER_TOKEN"]);
    }

    #[test]
    fn a_token_stands_in_no_fact() {
        let facts = Facts::of("x", &pod());

        assert!(!format!("{facts:?}").contains("secret"));
        let pod: Pod = serde_json::from_value(pod()).expect("it is a pod");
        assert_eq!(variable(&pod, TOKEN), Some("secret"));
        assert_eq!(variable(&pod, "A"), Some("second"));
    }

    #[test]
    fn a_promise_that_is_not_kept_names_both_values() {
        let facts = Facts::of("big", &pod());

        let unmet = facts
            .expect(&[
                ("docker.privileged", json!(true)),
                ("runner.env.A", json!("first")),
            ])
            .expect_err("the second is broken");

        assert_eq!(unmet.awaited, r#"runner.env.A in the pod of big = "first""#);
        assert_eq!(unmet.seen, r#""second""#);
    }
}
