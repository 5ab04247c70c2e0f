//! How many runners there are, without an autoscaler: none and then some again, and none for good.
//!
//! Source: ARC's documentation: `spec.replicas` of a RunnerDeployment, and runners that are unregistered before they are deleted. Not
//! covered: busy runners.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use anyhow::Context as _;
use futures::FutureExt as _;
use harness::arc::resources;
use harness::cluster::{Seen, eventually};
use harness::model::{Capability, Check, Claim, Profile};
use harness::{Context, Scenario, expect};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;
use serde_json::json;

use crate::fleet;
use crate::scaling::await_count;

pub(crate) const TO_ZERO_AND_BACK: Scenario = Scenario {
    check: || {
        Check {
        id: "replicas::to-zero-and-back".into(),
        claim: "with replicas 0 ARC removes each idle runner from GHES before its pod ends, and none is left; with replicas 2 as many others \
                are online again"
            .into(),
        grounds: "ARC's documentation: replicas of a RunnerDeployment; runners are unregistered before they are deleted".into(),
        not_covered: "busy runners; an autoscaler that changes replicas".into(),
        profile: Profile::Extended,
        needs: vec![Capability::RunPods, Capability::Ledger],
        claims: Claim::SharedArc,
        pains: vec![11],
    }
    },
    run: |context| to_zero_and_back(context).boxed(),
};

pub(crate) const DELETED: Scenario = Scenario {
    check: || {
        Check {
        id: "deployment::deleted".into(),
        claim: "once a RunnerDeployment with idle runners is deleted, nothing of it is left: neither itself nor RunnerReplicaSet, Runner or \
                pod, and no runner in GHES"
            .into(),
        grounds: "ARC's documentation: runners are unregistered before they are deleted; Kubernetes' documentation on owners of objects".into(),
        not_covered: "busy runners; a GHES that is away meanwhile".into(),
        profile: Profile::Core,
        needs: vec![Capability::RunPods],
        claims: Claim::SharedArc,
        pains: vec![11, 12],
    }
    },
    run: |context| deleted(context).boxed(),
};

const COUNT: usize = 2;

async fn to_zero_and_back(context: Context) -> anyhow::Result<()> {
    let mut manifest = context.runner_deployment()?;
    manifest["spec"]["replicas"] = json!(COUNT);
    context.apply(&manifest).await?;
    let before = fleet::await_idle(&context, COUNT).await?;
    let scope = context.tenant().enterprise();
    let listed = context.ghes().runners(&scope).await.context("list the runners")?;

    manifest["spec"]["replicas"] = json!(0);
    context.apply(&manifest).await?;
    await_count(&context, 0).await?;

    for runner in &listed {
        let path = format!("/api/v3/{scope}/actions/runners/{}", runner.id);
        let answers: Vec<Option<u16>> = context
            .hand()
            .ledger()
            .requests_to(&path)
            .iter()
            .filter(|request| request.method == "DELETE")
            .map(|request| request.status)
            .collect();
        expect(
            format!("DELETE {path} answered 204"),
            answers.contains(&Some(204)),
            format!("{answers:?}"),
        )?;
    }
    manifest["spec"]["replicas"] = json!(COUNT);
    context.apply(&manifest).await?;
    let start = Instant::now();
    await_count(&context, COUNT).await?;
    context.measure("from no runner to two online", start.elapsed().as_secs_f64(), "s");
    let after = fleet::await_idle(&context, COUNT).await?;
    let again: BTreeSet<&String> = before.intersection(&after).collect();
    expect(
        "other runners than before",
        again.is_empty(),
        format!("{again:?}"),
    )?;
    Ok(())
}

async fn deleted(context: Context) -> anyhow::Result<()> {
    let mut manifest = context.runner_deployment()?;
    manifest["spec"]["replicas"] = json!(COUNT);
    context.apply(&manifest).await?;
    fleet::await_idle(&context, COUNT).await?;
    fleet::await_tended(&context).await?;

    let start = Instant::now();
    fleet::delete(&context, &manifest).await?;

    await_nothing(&context).await?;
    context.measure(
        "a RunnerDeployment deleted to nothing of it left",
        start.elapsed().as_secs_f64(),
        "s",
    );
    Ok(())
}

/// Waits until the scenario has no object of ARC's, no pod, and no runner in GHES.
pub(crate) async fn await_nothing(context: &Context) -> anyhow::Result<()> {
    let none: BTreeMap<&str, usize> = left(context).await?.into_keys().map(|what| (what, 0)).collect();
    eventually(&format!("left = {none:?}"), fleet::DEADLINE, || async {
        match left(context).await {
            Ok(left) if left == none => Seen::Yes(()),
            Ok(left) => Seen::NotYet(format!("{left:?}")),
            Err(error) => Seen::NotYet(format!("{error:#}")),
        }
    })
    .await?;
    Ok(())
}

async fn left(context: &Context) -> anyhow::Result<BTreeMap<&'static str, usize>> {
    let mut left = BTreeMap::new();
    for (what, kind) in [
        ("RunnerDeployments", resources::runner_deployment()),
        ("RunnerReplicaSets", resources::runner_replica_set()),
        ("Runners", resources::runner()),
    ] {
        let list = context.objects(&kind).list(&ListParams::default()).await;
        let list = list.with_context(|| format!("list the {what}"))?;
        left.insert(what, list.items.len());
    }
    let pods: Api<Pod> = Api::namespaced(context.client().clone(), context.namespace());
    let pods = pods.list(&ListParams::default()).await.context("list the pods")?;
    left.insert("pods", pods.items.len());
    let listed = context.ghes().runners(&context.tenant().enterprise()).await;
    left.insert("runners in GHES", listed.context("list the runners")?.len());
    Ok(left)
}
