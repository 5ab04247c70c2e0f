//! A runner pod is deleted by hand.
//!
//! Source: ARC's documentation on graceful termination of runners. Not covered: a pod that is killed, a node that is lost.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::FutureExt as _;
use harness::cluster::{Seen, eventually};
use harness::ghes::Status;
use harness::model::{Capability, Check, Claim, Profile};
use harness::{Context, Scenario, expect, expect_equal};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, ListParams};
use serde_json::json;

use crate::fleet;
use crate::visit::visit;

pub(crate) const IDLE_DELETED: Scenario = Scenario {
    check: || {
        Check {
        id: "pods::idle-deleted".into(),
        claim: "after the pod of an idle runner is deleted, another runner is online in its place and the deleted one is gone".into(),
        grounds: "ARC's documentation: the controller keeps the number of runners that spec.replicas says".into(),
        not_covered: "a pod that is killed without a grace period".into(),
        profile: Profile::Core,
        needs: vec![Capability::RunPods],
        claims: Claim::SharedArc,
        pains: vec![11, 12],
    }
    },
    run: |context| idle_deleted(context).boxed(),
};

pub(crate) const BUSY_DELETED: Scenario = Scenario {
    check: || {
        Check {
        id: "pods::busy-deleted".into(),
        claim: "after the pod of a busy runner is deleted, its job still ends in success and another runner is online in its place".into(),
        grounds: "ARC's documentation: a runner that is stopped waits RUNNER_GRACEFUL_STOP_TIMEOUT, 15 s, for its job".into(),
        not_covered: "jobs that last longer than the graceful stop".into(),
        profile: Profile::Core,
        needs: vec![Capability::RunPods],
        claims: Claim::SharedArc,
        pains: vec![12, 13],
    }
    },
    run: |context| busy_deleted(context).boxed(),
};

/// Two, so that one is there while the other is replaced.
const RUNNERS: usize = 2;

/// Shorter than the graceful stop of 15 s, longer than a hard one.
const GRACEFUL: Duration = Duration::from_secs(5);

async fn idle_deleted(context: Context) -> anyhow::Result<()> {
    let mut manifest = context.runner_deployment()?;
    manifest["spec"]["replicas"] = json!(RUNNERS);
    context.apply(&manifest).await?;
    let before = fleet::await_idle(&context, RUNNERS).await?;
    let victim = before.first().cloned().context("there are runners")?;

    delete_pod(&context, &victim).await?;
    let deleted = Instant::now();

    let next = fleet::await_another(&context, &before).await?;
    context.measure(
        "capacity back after an idle pod was deleted",
        deleted.elapsed().as_secs_f64(),
        "s",
    );
    await_gone(&context, &victim).await?;
    tell_leftovers(&context, &victim).await?;
    context.observe(format!("{next} took the place of {victim}"));
    Ok(())
}

async fn busy_deleted(context: Context) -> anyhow::Result<()> {
    let desk = context.desk().await?;
    let repository = context.tenant().repository();
    context.apply(&context.runner_deployment()?).await?;
    let run = visit(&context, &repository, &desk, &["only"]).await?;
    let visits = desk.waiting(1, fleet::DEADLINE).await?;
    let victim = visits.first().context("one job waits")?.runner.clone();

    delete_pod(&context, &victim).await?;
    let deleted = Instant::now();

    let capacity = async {
        fleet::await_another(&context, &BTreeSet::from([victim.clone()])).await?;
        anyhow::Ok(deleted.elapsed())
    };
    let (capacity, lost) = futures::join!(capacity, desk.lost_within(GRACEFUL));
    context.measure(
        "capacity back after a busy pod was deleted",
        capacity?.as_secs_f64(),
        "s",
    );
    expect(
        format!("the job in progress for {GRACEFUL:?} after its pod was deleted"),
        lost.is_none(),
        format!("{lost:?} after {:?}", deleted.elapsed()),
    )?;
    desk.let_all_go();
    let ended = eventually(
        "the job of the deleted pod completed",
        fleet::DEADLINE,
        || async {
            match context.ghes().jobs(&repository, run).await {
                Ok(jobs) => match jobs.first() {
                    Some(job) if job.status == Status::Completed => {
                        Seen::Yes((job.runner_name.clone(), format!("{:?}", job.conclusion)))
                    }
                    job => Seen::NotYet(format!("{:?}", job.map(|job| &job.status))),
                },
                Err(error) => Seen::NotYet(error.to_string()),
            }
        },
    )
    .await?;
    expect_equal(
        "runner and conclusion of the job",
        &(Some(victim.clone()), "Some(Success)".to_owned()),
        &ended,
    )?;
    await_gone(&context, &victim).await?;
    tell_leftovers(&context, &victim).await
}

async fn delete_pod(context: &Context, name: &str) -> anyhow::Result<()> {
    let pods: Api<Pod> = Api::namespaced(context.client().clone(), context.namespace());
    pods.delete(name, &DeleteParams::default())
        .await
        .with_context(|| format!("delete pod {name}"))?;
    Ok(())
}

/// Neither pod nor Runner of this name is left.
pub(crate) async fn await_gone(context: &Context, name: &str) -> anyhow::Result<()> {
    let pods: Api<Pod> = Api::namespaced(context.client().clone(), context.namespace());
    eventually(
        &format!("pod and Runner {name} gone"),
        fleet::DEADLINE,
        || async {
            let left = async {
                let pods = pods.list(&ListParams::default()).await?;
                let pod = pods
                    .items
                    .iter()
                    .any(|pod| pod.metadata.name.as_deref() == Some(name));
                anyhow::Ok((pod, fleet::runner_objects(context).await?.contains(name)))
            };
            match left.await {
                Ok((false, false)) => Seen::Yes(()),
                Ok((pod, runner)) => Seen::NotYet(format!("pod there: {pod}, Runner there: {runner}")),
                Err(error) => Seen::NotYet(format!("{error:#}")),
            }
        },
    )
    .await?;
    Ok(())
}

/// ARC promises nothing about what GHES keeps, so this is told and not judged.
async fn tell_leftovers(context: &Context, name: &str) -> anyhow::Result<()> {
    let list = context
        .ghes()
        .runners(&context.tenant().enterprise())
        .await
        .context("list the runners")?;
    let left: Vec<_> = list.into_iter().filter(|r| r.name == name).collect();
    let left = if left.is_empty() {
        "nothing".to_owned()
    } else {
        fleet::described(&left)
    };
    context.observe(format!("GHES keeps of {name}: {left}"));
    Ok(())
}
