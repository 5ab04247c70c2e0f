//! What several checks ask of runners: which are online, which exist. Jobs that keep them busy: `visit`.
//!
//! What it is not: no check of its own.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context as _;
use harness::Context;
use harness::arc::resources;
use harness::cluster::{Seen, eventually};
use harness::ghes::{Runner, Scope};
use harness::mock_ghes::Record;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

/// Long against the few seconds that each step takes.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// The names of the enterprise's runners, once exactly `count` are online and all of these are idle. GHES may list runners besides that are
/// gone: it keeps those that were killed.
pub(crate) async fn await_idle(context: &Context, count: usize) -> anyhow::Result<BTreeSet<String>> {
    let scope = context.tenant().enterprise();
    let names = eventually(
        &format!("{count} runners online in GHES, all idle"),
        DEADLINE,
        || async {
            match context.ghes().runners(&scope).await {
                Ok(list) => {
                    let online: Vec<_> = list.iter().filter(|r| r.status == "online").collect();
                    if online.len() == count && online.iter().all(|r| !r.busy) {
                        Seen::Yes(online.iter().map(|r| r.name.clone()).collect())
                    } else {
                        Seen::NotYet(described(&list))
                    }
                }
                Err(error) => Seen::NotYet(error.to_string()),
            }
        },
    )
    .await?;
    Ok(names)
}

/// The name of a runner that is online and not among these.
pub(crate) async fn await_another(context: &Context, known: &BTreeSet<String>) -> anyhow::Result<String> {
    let scope = context.tenant().enterprise();
    let name = eventually(
        &format!("a runner online in GHES besides {known:?}"),
        DEADLINE,
        || async {
            match context.ghes().runners(&scope).await {
                Ok(list) => {
                    let new = list
                        .iter()
                        .find(|r| r.status == "online" && !known.contains(&r.name));
                    new.map_or_else(|| Seen::NotYet(described(&list)), |r| Seen::Yes(r.name.clone()))
                }
                Err(error) => Seen::NotYet(error.to_string()),
            }
        },
    )
    .await?;
    Ok(name)
}

/// Waits until exactly so many of the scope's runners are online, busy or idle.
pub(crate) async fn await_online(context: &Context, scope: &Scope, count: usize) -> anyhow::Result<()> {
    let awaited = format!("{count} runners of {scope} online in GHES");
    eventually(&awaited, DEADLINE, || async {
        match context.ghes().runners(scope).await {
            Ok(list) if list.iter().filter(|r| r.status == "online").count() == count => Seen::Yes(()),
            Ok(list) => Seen::NotYet(described(&list)),
            Err(error) => Seen::NotYet(error.to_string()),
        }
    })
    .await?;
    Ok(())
}

/// Waits until ARC has listed the scope's runners so many times after `since`, as it does at each reconcile of an autoscaler that counts
/// busy ones.
pub(crate) async fn await_listed(
    context: &Context,
    scope: &Scope,
    times: usize,
    since: Timestamp,
) -> anyhow::Result<()> {
    let path = format!("/api/v3/{scope}/actions/runners");
    eventually(
        &format!("{times} requests of ARC for {path} after {since}"),
        DEADLINE,
        || async {
            let requests = context.hand().ledger().requests_to(&path);
            let requests = requests
                .iter()
                .filter(|request| request.method == "GET" && request.at > since);
            let listed = requests.filter(|request| is_of_arc(request)).count();
            if listed >= times {
                Seen::Yes(())
            } else {
                Seen::NotYet(listed.to_string())
            }
        },
    )
    .await?;
    Ok(())
}

/// Whether ARC sent this request.
pub(crate) fn is_of_arc(request: &Record) -> bool {
    let agent = request.user_agent.as_deref().unwrap_or_default();
    agent.starts_with("actions-runner-controller")
}

/// The name of a manifest's object.
pub(crate) fn name_of(manifest: &Value) -> String {
    let name = manifest["metadata"]["name"].as_str();
    name.unwrap_or_default().to_owned()
}

/// Deletes this RunnerDeployment; what it owns goes after it.
pub(crate) async fn delete(context: &Context, manifest: &Value) -> anyhow::Result<()> {
    let name = name_of(manifest);
    context
        .objects(&resources::runner_deployment())
        .delete(&name, &DeleteParams::background())
        .await
        .with_context(|| format!("delete the RunnerDeployment {name}"))?;
    Ok(())
}

/// The names of the pods in the scenario's namespace.
pub(crate) async fn pod_names(context: &Context) -> anyhow::Result<BTreeSet<String>> {
    let pods: Api<Pod> = Api::namespaced(context.client().clone(), context.namespace());
    let list = pods.list(&ListParams::default()).await.context("list the pods")?;
    let names = list.items.into_iter();
    Ok(names.filter_map(|pod| pod.metadata.name).collect())
}

/// Waits until ARC tends every pod of the scenario, so that none ends without it. It begins to a moment after it has made a pod; one that is deleted
/// before, as with its RunnerDeployment, is not removed from GHES first.
pub(crate) async fn await_tended(context: &Context) -> anyhow::Result<()> {
    let pods: Api<Pod> = Api::namespaced(context.client().clone(), context.namespace());
    let awaited = format!("the finalizer {POD_FINALIZER} on every pod");
    eventually(&awaited, DEADLINE, || async {
        match pods.list(&ListParams::default()).await {
            Ok(list) if !list.items.is_empty() && list.items.iter().all(is_tended) => Seen::Yes(()),
            Ok(list) => Seen::NotYet(format!(
                "{:?}",
                list.items.iter().map(ResourceExt::finalizers).collect::<Vec<_>>()
            )),
            Err(error) => Seen::NotYet(error.to_string()),
        }
    })
    .await?;
    Ok(())
}

/// Whether ARC keeps this pod until its runner is gone from GHES.
pub(crate) fn is_tended(pod: &Pod) -> bool {
    let mut finalizers = pod.finalizers().iter();
    finalizers.any(|finalizer| finalizer == POD_FINALIZER)
}

/// By which ARC keeps a pod until its runner is gone from GHES. Source: ARC's runner pod controller.
const POD_FINALIZER: &str = "actions.summerwind.dev/runner-pod";

/// Runners in a line, with what GHES says of each.
pub(crate) fn described(list: &[Runner]) -> String {
    let one = |r: &Runner| format!("{} {}{}", r.name, r.status, if r.busy { " busy" } else { "" });
    format!("[{}]", list.iter().map(one).collect::<Vec<_>>().join(", "))
}

/// A RunnerDeployment with pods that no node will take: for checks of what ARC asks for, not of what a pod makes of it.
pub(crate) fn without_a_node(mut deployment: Value) -> Value {
    deployment["spec"]["template"]["spec"]["nodeSelector"] = json!({ "ghes-harness/node": "none" });
    deployment
}

/// The names of the Runners in the scenario's namespace.
pub(crate) async fn runner_objects(context: &Context) -> anyhow::Result<BTreeSet<String>> {
    let list = context
        .objects(&resources::runner())
        .list(&ListParams::default())
        .await
        .context("list the Runners")?;
    Ok(list
        .items
        .into_iter()
        .filter_map(|runner| runner.metadata.name)
        .collect())
}
