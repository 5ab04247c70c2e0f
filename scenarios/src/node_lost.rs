//! The node of runner pods loses its power.
//!
//! Source: Kubernetes' documentation on nodes: kube-controller-manager taints a silent node, pods that do not tolerate that are deleted, and
//! nobody confirms it; the guide promises that a failed node's runners start anew elsewhere. Not covered: a node that comes back.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::FutureExt as _;
use harness::cluster::{Seen, eventually};
use harness::model::{Capability, Check, Claim, Profile};
use harness::{Context, OWN_NODE_TAINT, Scenario, expect};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, ListParams};
use serde_json::{Value, json};

use crate::fleet;
use crate::visit::visit;

pub(crate) const LOST: Scenario = Scenario {
    check: || {
        Check {
        id: "pods::node-lost".into(),
        claim: "after the node of an idle and a busy runner is lost, as many others are online elsewhere; what stays behind is told".into(),
        grounds: "the guide: when the node of a runner fails, Kubernetes notices and starts another; Kubernetes' documentation on eviction by \
                  taint"
            .into(),
        not_covered: "a node that comes back; the busy runner's job, which GHES gives up later".into(),
        profile: Profile::Core,
        needs: vec![Capability::RunPods],
        claims: Claim::SharedArc,
        pains: vec![12],
    }
    },
    run: |context| lost(context).boxed(),
};

const RUNNERS: usize = 2;

/// In place of Kubernetes' 300 s (`fixtures/deviations.toml`).
const TOLERATED: Duration = Duration::from_secs(2);

/// The silent node's grace period, the tolerated time, and what the replacement takes.
const DEADLINE: Duration = Duration::from_secs(45);

async fn lost(context: Context) -> anyhow::Result<()> {
    let desk = context.desk().await?;
    let node = context.own_node().await?;
    await_schedulable(&context).await?;
    let repository = context.tenant().repository();
    let mut manifest = context.runner_deployment()?;
    manifest["spec"]["replicas"] = json!(RUNNERS);
    prefer_own_node(&mut manifest, context.namespace());
    context.apply(&manifest).await?;
    let before = fleet::await_idle(&context, RUNNERS).await?;
    let elsewhere = pods_elsewhere(&context).await?;
    anyhow::ensure!(
        elsewhere.is_empty(),
        "not on the scenario's own node: {elsewhere:?}"
    );
    visit(&context, &repository, &desk, &["only"]).await?;
    let busy = desk.waiting(1, fleet::DEADLINE).await?;

    // Its processes end without a word to anybody, and nobody renews its lease.
    node.shutdown().await?;
    let start = Instant::now();

    let after = await_others(&context, &before).await?;
    context.measure(
        "capacity back after the node was lost",
        start.elapsed().as_secs_f64(),
        "s",
    );
    context.observe(format!(
        "{after:?} took the place of {before:?}, of which {} was busy",
        busy[0].runner
    ));
    tell_leftovers(&context, &before).await
}

/// Waits until the scheduler knows the scenario's own node, which it may some milliseconds after the API server does: a preference for a node
/// that it does not know yet is lost. Seen by a pod that can go nowhere else, and is never run.
pub(crate) async fn await_schedulable(context: &Context) -> anyhow::Result<()> {
    const NAME: &str = "await-schedulable";
    let node = context.namespace();
    context
        .apply(&json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": { "name": NAME, "namespace": node },
            "spec": {
                "nodeSelector": { "kubernetes.io/hostname": node },
                "tolerations": [{ "key": OWN_NODE_TAINT, "operator": "Exists" }],
                "containers": [{ "name": "none", "image": "none" }],
            },
        }))
        .await?;
    let pods: Api<Pod> = Api::namespaced(context.client().clone(), node);
    eventually(
        &format!("a pod scheduled to the node {node}"),
        fleet::DEADLINE,
        || async {
            match pods.get(NAME).await {
                Ok(pod) => match pod.spec.and_then(|spec| spec.node_name) {
                    Some(_) => Seen::Yes(()),
                    None => Seen::NotYet("not scheduled".to_owned()),
                },
                Err(error) => Seen::NotYet(error.to_string()),
            }
        },
    )
    .await?;
    let at_once = DeleteParams::default().grace_period(0);
    pods.delete(NAME, &at_once).await.context("delete the pod")?;
    Ok(())
}

/// Has the runners' pods scheduled to the node of this name as long as it lives.
pub(crate) fn prefer_own_node(manifest: &mut Value, node: &str) {
    let spec = &mut manifest["spec"]["template"]["spec"];
    let lost = |key: &str| {
        json!({
            "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": TOLERATED.as_secs(),
        })
    };
    spec["tolerations"] = json!([
        { "key": OWN_NODE_TAINT, "operator": "Exists", "effect": "NoSchedule" },
        lost("node.kubernetes.io/unreachable"),
        lost("node.kubernetes.io/not-ready"),
    ]);
    let here = json!({ "key": "kubernetes.io/hostname", "operator": "In", "values": [node] });
    spec["affinity"] = json!({ "nodeAffinity": { "preferredDuringSchedulingIgnoredDuringExecution": [
        { "weight": 100, "preference": { "matchExpressions": [here] } },
    ]}});
}

/// The scenario's pods that are not on its own node.
async fn pods_elsewhere(context: &Context) -> anyhow::Result<Vec<String>> {
    let pods: Api<Pod> = Api::namespaced(context.client().clone(), context.namespace());
    let pods = pods.list(&ListParams::default()).await.context("list the pods")?;
    let elsewhere = pods.items.into_iter().filter(|pod| {
        let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
        node != Some(context.namespace())
    });
    Ok(elsewhere.filter_map(|pod| pod.metadata.name).collect())
}

/// Waits until as many others than these are online.
async fn await_others(context: &Context, before: &BTreeSet<String>) -> anyhow::Result<BTreeSet<String>> {
    let scope = context.tenant().enterprise();
    let after = eventually(
        &format!("{RUNNERS} runners online in GHES besides {before:?}"),
        DEADLINE,
        || async {
            let list = match context.ghes().runners(&scope).await {
                Ok(list) => list,
                Err(error) => return Seen::NotYet(error.to_string()),
            };
            let others: BTreeSet<String> = list
                .iter()
                .filter(|runner| runner.status == "online" && !before.contains(&runner.name))
                .map(|runner| runner.name.clone())
                .collect();
            if others.len() >= RUNNERS {
                Seen::Yes(others)
            } else {
                Seen::NotYet(fleet::described(&list))
            }
        },
    )
    .await?;
    Ok(after)
}

/// Tells what of the lost runners is left, in the cluster and in GHES: ARC's users clean it up by hand.
async fn tell_leftovers(context: &Context, lost: &BTreeSet<String>) -> anyhow::Result<()> {
    let pods: Api<Pod> = Api::namespaced(context.client().clone(), context.namespace());
    let pods = pods.list(&ListParams::default()).await.context("list the pods")?;
    let pods = pods.items.into_iter().filter_map(|pod| pod.metadata.name);
    let pods: Vec<String> = pods.filter(|name| lost.contains(name)).collect();
    let runners = fleet::runner_objects(context).await?;
    let runners: Vec<&String> = runners.intersection(lost).collect();
    let listed = context.ghes().runners(&context.tenant().enterprise()).await;
    let mut listed = listed.context("list the runners")?;
    listed.retain(|runner| lost.contains(&runner.name));
    context.observe(format!(
        "left behind when capacity was back: pods {pods:?}, Runners {runners:?}, in GHES {}",
        fleet::described(&listed)
    ));
    expect(
        "a pod of the lost node still there, since nobody confirms its end",
        !pods.is_empty(),
        format!("{pods:?}"),
    )?;
    Ok(())
}
