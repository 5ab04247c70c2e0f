//! A RunnerSet: runners in StatefulSets, whose pods get their registration token from ARC's admission webhook for pods.
//!
//! Source: ARC's documentation: deploying runners with RunnerSets. Not covered: volumes that outlive a runner; a changed template.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use anyhow::Context as _;
use futures::FutureExt as _;
use harness::cluster::{Seen, eventually};
use harness::model::{Capability, Check, Claim, Profile};
use harness::{Context, Scenario, expect, expect_equal};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, Resource};
use serde::Serialize;
use serde_json::{Value, json};

use crate::pod_shape::{Facts, HIDDEN};
use crate::quickstart::follow;
use crate::visit::visit;
use crate::{fleet, scaling};

pub(crate) const REGISTRATION: Scenario = Scenario {
    check: || {
        Check {
        id: "runner-set::registration".into(),
        claim: "a RunnerSet gives a StatefulSet of one replica for each runner, without a token in its template; ARC's webhook for pods puts \
                name and token into each pod, tells when it expires, and the runners register under their pods' names"
            .into(),
        grounds: "ARC's documentation on RunnerSets: a mutating webhook injects a runner's registration token dynamically".into(),
        not_covered: "volumeClaimTemplates; containerMode kubernetes; Docker".into(),
        profile: Profile::Extended,
        needs: vec![Capability::RunPods],
        claims: Claim::SharedArc,
        pains: vec![16, 22],
    }
    },
    run: |context| registration(context).boxed(),
};

pub(crate) const REPLACED: Scenario = Scenario {
    check: || {
        Check {
        id: "runner-set::replaced".into(),
        claim: "after its job a RunnerSet's runner is gone, its StatefulSet and pod with it, and one of another StatefulSet is online in its place"
            .into(),
        grounds: "ARC's documentation on RunnerSets and on persistent runners: every runner is ephemeral by default, a RunnerSet's too".into(),
        not_covered: "a pod that Kubernetes makes again in the old StatefulSet for a moment".into(),
        profile: Profile::Extended,
        needs: vec![Capability::RunPods],
        claims: Claim::SharedArc,
        pains: vec![11, 13],
    }
    },
    run: |context| replaced(context).boxed(),
};

pub(crate) const SCALE: Scenario = Scenario {
    check: || {
        Check {
        id: "runner-set::scale".into(),
        claim: "an autoscaler of kind RunnerSet doubles its runners while all are busy, and the new ones are online"
            .into(),
        grounds: "ARC's documentation on autoscaling: scaleTargetRef may name a RunnerSet".into(),
        not_covered: "the way back; webhooks".into(),
        profile: Profile::Extended,
        needs: vec![Capability::RunPods],
        claims: Claim::SharedArc,
        pains: vec![],
    }
    },
    run: |context| scale(context).boxed(),
};

/// The label by which ARC marks a RunnerSet's StatefulSets and pods.
const SET: &str = "runnerset-name";

/// What ARC's webhook for pods notes of the token.
const EXPIRES: &str = "annotation.actions-runner-controller/token-expires-at";

/// The RunnerSet of the scenario's enterprise, with so many runners.
pub(crate) fn runner_set(context: &Context, replicas: usize) -> Value {
    let mut set = fixtures::in_namespace(fixtures::runner_set(), context.namespace());
    set["spec"]["enterprise"] = json!(context.tenant().name);
    set["spec"]["replicas"] = json!(replicas);
    set
}

const COUNT: usize = 2;

/// Twice as many.
const MAX: i64 = 4;

async fn registration(context: Context) -> anyhow::Result<()> {
    let start = Instant::now();
    context.apply(&runner_set(&context, COUNT)).await?;

    let pods = await_pods(&context, COUNT).await?;
    for (name, template) in sets(&context).await? {
        let facts = Facts::of(&name, &template);
        facts.expect(&[
            ("runner.env.RUNNER_TOKEN", Value::Null),
            ("runner.env.RUNNER_NAME", Value::Null),
            ("runner.env.RUNNER_ENTERPRISE", json!(context.tenant().name)),
        ])?;
    }
    for (name, pod) in &pods {
        let facts = Facts::of(name, pod);
        facts.expect(&[
            ("runner.env.RUNNER_TOKEN", json!(HIDDEN)),
            ("runner.env.RUNNER_NAME", json!(name)),
            ("spec.restartPolicy", json!("Never")),
        ])?;
        let expires = facts.get(EXPIRES);
        let at = expires.as_str().and_then(|at| at.parse::<Timestamp>().ok());
        let later = at.is_some_and(|at| at > Timestamp::now());
        expect(
            format!("{EXPIRES} of the pod {name}, later than now"),
            later,
            &expires,
        )?;
    }
    let online = fleet::await_idle(&context, COUNT).await?;
    let names: BTreeSet<String> = pods.into_keys().collect();
    expect_equal("runners online in GHES", &names, &online)?;
    context.measure(
        "RunnerSet to its runners online",
        start.elapsed().as_secs_f64(),
        "s",
    );
    Ok(())
}

async fn replaced(context: Context) -> anyhow::Result<()> {
    let desk = context.desk().await?;
    context.apply(&runner_set(&context, 1)).await?;
    let run = visit(&context, &context.tenant().repository(), &desk, &["only"]).await?;
    let visits = desk.waiting(1, fleet::DEADLINE).await?;
    let first = visits.first().context("one job waits")?.runner.clone();
    let set = first.strip_suffix("-0").unwrap_or(&first).to_owned();

    desk.let_all_go();
    follow(&context, run).await?;
    let done = Instant::now();

    let next = fleet::await_another(&context, &BTreeSet::from([first.clone()])).await?;
    context.measure(
        "a RunnerSet's replacement online after its job",
        done.elapsed().as_secs_f64(),
        "s",
    );
    await_gone(&context, &first, &set).await?;
    context.observe(format!("{next} took the place of {first}"));
    Ok(())
}

async fn scale(context: Context) -> anyhow::Result<()> {
    let desk = context.desk().await?;
    let set = runner_set(&context, 1);
    context.apply(&set).await?;
    let run = visit(&context, &context.tenant().repository(), &desk, &["1", "2"]).await?;
    let mut autoscaler = scaling::autoscaler(&context);
    let target = json!({ "kind": "RunnerSet", "name": set["metadata"]["name"] });
    autoscaler["spec"]["scaleTargetRef"] = target;
    autoscaler["spec"]["maxReplicas"] = json!(MAX);
    let desired = scaling::autoscale(&context, &autoscaler).await?;

    let busy = desk.waiting(COUNT, fleet::DEADLINE).await?;
    desired.reaches(MAX, fleet::DEADLINE).await?;
    let mut runners: BTreeSet<String> = busy.into_iter().map(|visit| visit.runner).collect();
    for _ in 0..2 {
        let next = fleet::await_another(&context, &runners).await?;
        runners.insert(next);
    }
    desk.let_all_go();
    follow(&context, run).await?;
    Ok(())
}

/// The RunnerSet's pods by name, once there are so many.
async fn await_pods(context: &Context, count: usize) -> anyhow::Result<BTreeMap<String, Value>> {
    let pods: Api<Pod> = Api::namespaced(context.client().clone(), context.namespace());
    let selector = ListParams::default().labels(SET);
    let found = eventually(
        &format!("{count} pods of the RunnerSet"),
        fleet::DEADLINE,
        || async {
            match pods.list(&selector).await {
                Ok(list) if list.items.len() == count => Seen::Yes(list.items),
                Ok(list) => Seen::NotYet(list.items.len().to_string()),
                Err(error) => Seen::NotYet(error.to_string()),
            }
        },
    )
    .await?;
    named(found)
}

/// The templates of the scenario's StatefulSets.
async fn sets(context: &Context) -> anyhow::Result<BTreeMap<String, Value>> {
    let sets: Api<StatefulSet> = Api::namespaced(context.client().clone(), context.namespace());
    let list = sets.list(&ListParams::default()).await;
    let sets = named(list.context("list the StatefulSets")?.items)?;
    sets.into_iter()
        .map(|(name, set)| {
            expect_equal(
                &format!("replicas of the StatefulSet {name}"),
                &json!(1),
                &set["spec"]["replicas"],
            )?;
            Ok((name, set["spec"]["template"].clone()))
        })
        .collect()
}

fn named<K: Resource + Serialize>(objects: Vec<K>) -> anyhow::Result<BTreeMap<String, Value>> {
    objects
        .into_iter()
        .map(|object| {
            let name = object.meta().name.clone().unwrap_or_default();
            Ok((name, serde_json::to_value(object).context("read an object")?))
        })
        .collect()
}

/// Waits until neither GHES nor the cluster has this runner, and the cluster has no such StatefulSet.
async fn await_gone(context: &Context, runner: &str, set: &str) -> anyhow::Result<()> {
    let pods: Api<Pod> = Api::namespaced(context.client().clone(), context.namespace());
    let sets: Api<StatefulSet> = Api::namespaced(context.client().clone(), context.namespace());
    let scope = context.tenant().enterprise();
    eventually(
        &format!("{runner} after its job = in GHES: false, pod: false, StatefulSet: false"),
        fleet::DEADLINE,
        || async {
            let left = async {
                let listed = context.ghes().runners(&scope).await?;
                let listed = listed.iter().any(|listed| listed.name == runner);
                let pod = pods.get_opt(runner).await?.is_some();
                let set = sets.get_opt(set).await?.is_some();
                anyhow::Ok((listed, pod, set))
            };
            match left.await {
                Ok((false, false, false)) => Seen::Yes(()),
                Ok((listed, pod, set)) => {
                    Seen::NotYet(format!("in GHES: {listed}, pod: {pod}, StatefulSet: {set}"))
                }
                Err(error) => Seen::NotYet(format!("{error:#}")),
            }
        },
    )
    .await?;
    Ok(())
}
