//! Where an autoscaler's thresholds lie exactly, and what it makes of none.
//!
//! Source: ARC's documentation on `PercentageRunnersBusy` and on `TotalNumberOfQueuedAndInProgressWorkflowRuns`. Runners are busy with real
//! jobs. That an autoscaler leaves DESIRED alone is seen from outside: ARC lists the runners of the scope at each reconcile, and after
//! several of them DESIRED is what it was. Not covered: other factors, and what a fraction that no float holds is rounded to.

use anyhow::Context as _;
use futures::FutureExt as _;
use harness::arc::resources;
use harness::model::{Capability, Check, Claim, Profile};
use harness::{Context, Scenario, expect, expect_equal};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::fleet;
use crate::quickstart::follow;
use crate::scaling::{ROUNDING, autoscale, autoscaler};
use crate::visit::visit;

pub(crate) const EXACT: Scenario = Scenario {
    check: || {
        Check {
        id: "scaling::thresholds".into(),
        claim: "with exactly scaleUpThreshold of the runners busy DESIRED rises; with exactly scaleDownThreshold busy it stays, and with \
                less it falls"
            .into(),
        grounds: "ARC's documentation: scale up at the threshold or above it, scale down below it".into(),
        not_covered: "thresholds that no binary fraction holds".into(),
        profile: Profile::Core,
        needs: vec![Capability::RunPods, Capability::Ledger],
        claims: Claim::SharedArc,
        pains: vec![],
    }
    },
    run: |context| exact(context).boxed(),
};

pub(crate) const ZERO: Scenario = Scenario {
    check: || {
        Check {
        id: "scaling::zero-trap".into(),
        claim: "from minReplicas 0 PercentageRunnersBusy alone never brings a runner, although a job waits; with the number of queued runs \
                as a second metric it does, and the job succeeds"
            .into(),
        grounds: "ARC's documentation: PercentageRunnersBusy cannot scale from 0, TotalNumberOfQueuedAndInProgressWorkflowRuns can".into(),
        not_covered: "webhooks, which can as well; how it gets back to 0".into(),
        profile: Profile::Extended,
        needs: vec![Capability::RunPods, Capability::Ledger],
        claims: Claim::SharedArc,
        pains: vec![1],
    }
    },
    run: |context| zero(context).boxed(),
};

/// So many reconciles that leave DESIRED alone show that it stays.
const RECONCILES: usize = 3;

/// Short, so that it is soon over.
const DELAY: SignedDuration = SignedDuration::from_secs(1);

async fn exact(context: Context) -> anyhow::Result<()> {
    let desk = context.desk().await?;
    let run = visit(&context, &context.tenant().repository(), &desk, &["1", "2"]).await?;
    context.apply(&context.runner_deployment()?).await?;
    let mut manifest = autoscaler(&context);
    manifest["spec"]["minReplicas"] = json!(4);
    manifest["spec"]["maxReplicas"] = json!(8);
    manifest["spec"]["scaleDownDelaySecondsAfterScaleOut"] = json!(DELAY.as_secs());
    manifest["spec"]["metrics"][0]["scaleUpThreshold"] = json!("0.5");
    manifest["spec"]["metrics"][0]["scaleDownThreshold"] = json!("0.25");
    let trail = autoscale(&context, &manifest).await?;

    trail.reaches(8, fleet::DEADLINE).await?;
    let delayed = Timestamp::now() + DELAY + ROUNDING;
    fleet::await_listed(&context, &context.tenant().enterprise(), RECONCILES, delayed).await?;
    expect_equal(
        "DESIRED with 2 of 4 busy at a scaleUpThreshold of 0.5, and 2 of 8 at a scaleDownThreshold of 0.25",
        &vec![4, 8],
        &trail.values(),
    )?;
    desk.let_go("1");
    trail.reaches(4, fleet::DEADLINE).await?;

    expect_equal("DESIRED with 1 of 8 busy", &vec![4, 8, 4], &trail.values())?;
    desk.let_all_go();
    follow(&context, run).await?;
    Ok(())
}

async fn zero(context: Context) -> anyhow::Result<()> {
    let scope = context.tenant().organization();
    let desk = context.desk().await?;
    let mut deployment = fixtures::for_scope(context.runner_deployment()?, &scope);
    deployment["spec"]["replicas"] = json!(0);
    // The metric counts a job only if the manifest names each of its labels: ARC does not know those that every runner has.
    if let Some(labels) = deployment["spec"]["template"]["spec"]["labels"].as_array_mut() {
        labels.push(json!("linux"));
    }
    context.apply(&deployment).await?;
    let mut manifest = autoscaler(&context);
    manifest["spec"]["minReplicas"] = json!(0);
    let trail = autoscale(&context, &manifest).await?;
    let run = visit(&context, &context.tenant().repository(), &desk, &["1"]).await?;

    fleet::await_listed(&context, &scope, RECONCILES, Timestamp::now()).await?;
    let replicas = replicas(&context, &deployment).await?;
    expect(
        "no runner wanted while a job waits and PercentageRunnersBusy is the only metric",
        replicas == Some(0),
        format!("spec.replicas {replicas:?}, DESIRED {:?}", trail.values()),
    )?;
    let queued = json!({
        "type": "TotalNumberOfQueuedAndInProgressWorkflowRuns",
        "repositoryNames": [context.tenant().repository().name],
    });
    if let Some(metrics) = manifest["spec"]["metrics"].as_array_mut() {
        metrics.push(queued);
    }
    context.apply(&manifest).await?;
    trail.reaches(1, fleet::DEADLINE).await?;

    desk.waiting(1, fleet::DEADLINE).await?;
    desk.let_all_go();
    follow(&context, run).await?;
    Ok(())
}

/// What the autoscaler's target asks for.
async fn replicas(context: &Context, deployment: &Value) -> anyhow::Result<Option<i64>> {
    let name = deployment["metadata"]["name"].as_str().unwrap_or_default();
    let object = context.objects(&resources::runner_deployment()).get(name).await;
    let object = object.with_context(|| format!("get the RunnerDeployment {name}"))?;
    Ok(object.data["spec"]["replicas"].as_i64())
}
