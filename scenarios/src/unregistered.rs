//! Runners that GHES does not know when they are to go: no node has taken their pod, or they are still registering.
//!
//! Source: ARC's source on runners without an id, as the result of <https://github.com/actions/actions-runner-controller/issues/1273>. Not covered: a
//! runner that never registers, for which ARC waits ten minutes.

use std::collections::BTreeSet;

use anyhow::Context as _;
use futures::FutureExt as _;
use harness::cluster::{Seen, eventually};
use harness::mock_ghes::{FaultKind, FaultRule};
use harness::model::{Capability, Check, Claim, OwnArc, Profile};
use harness::{Context, Scenario, expect};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt as _};
use serde_json::json;

use crate::fleet;
use crate::outage::{RUNNER_REGISTRATION, await_phase};
use crate::replicas::await_nothing;

pub(crate) const PENDING: Scenario = Scenario {
    check: || {
        Check {
        id: "replicas::pending".into(),
        claim: "runners whose pods wait for a node are gone at once when their RunnerDeployment is, and ARC has asked GHES for no removal".into(),
        grounds: "ARC's source: a runner that is not in GHES and whose pod is Pending need not be waited for; \
                  actions/actions-runner-controller issue 1273"
            .into(),
        not_covered: "pods that wait for a volume or an image".into(),
        profile: Profile::Extended,
        needs: vec![Capability::Ledger],
        claims: Claim::SharedArc,
        pains: vec![12],
    }
    },
    run: |context| pending(context).boxed(),
};

pub(crate) const NOT_YET: Scenario = Scenario {
    check: || {
        Check {
        id: "replicas::not-yet-registered".into(),
        claim: "a runner that is still registering when its RunnerDeployment goes to replicas 0 keeps its pod until it has registered; then ARC \
                removes it from GHES, and its pod goes"
            .into(),
        grounds: "ARC's documentation: runners are unregistered before they are deleted; ARC's source: a running pod has ten minutes to register".into(),
        not_covered: "a runner that does not register within ten minutes".into(),
        profile: Profile::Extended,
        needs: vec![Capability::RunPods, Capability::Ledger, Capability::ForceFault],
        // The route that hangs is every runner's.
        claims: Claim::OwnArc(OwnArc::default()),
        pains: vec![11, 13],
    }
    },
    run: |context| not_yet(context).boxed(),
};

pub(crate) const DELETED_REGISTERING: Scenario = Scenario {
    check: || {
        Check {
        id: "deployment::registering".into(),
        claim: "when a RunnerDeployment is deleted while its runner is still registering, ARC keeps hold of the pod until the runner has registered and \
                left, also if the pod is not ready; then nothing is left of it"
            .into(),
        grounds: "ARC's documentation: runners are unregistered before they are deleted; ARC's source: a running pod has ten minutes from Ready on to register".into(),
        not_covered: "a runner that does not register within ten minutes; one that is killed meanwhile".into(),
        profile: Profile::Extended,
        needs: vec![Capability::RunPods, Capability::Ledger, Capability::ForceFault],
        claims: Claim::OwnArc(OwnArc::default()),
        pains: vec![11, 12],
    }
    },
    run: |context| deleted_registering(context).boxed(),
};

const COUNT: usize = 3;

async fn pending(context: Context) -> anyhow::Result<()> {
    let mut manifest = fleet::without_a_node(context.runner_deployment()?);
    manifest["spec"]["replicas"] = json!(COUNT);
    context.apply(&manifest).await?;
    await_pods(&context, COUNT).await?;

    fleet::delete(&context, &manifest).await?;
    await_nothing(&context).await?;
    let removals = removals(&context);
    expect(
        "no removal asked of GHES",
        removals.is_empty(),
        format!("{removals:?}"),
    )?;
    Ok(())
}

async fn not_yet(context: Context) -> anyhow::Result<()> {
    context
        .hand()
        .fault(FaultRule::standing("POST", RUNNER_REGISTRATION, FaultKind::Hang));
    let mut manifest = context.runner_deployment()?;
    context.apply(&manifest).await?;
    let pod = await_phase(&context, "Running").await?;

    manifest["spec"]["replicas"] = json!(0);
    let since = Timestamp::now();
    context.apply(&manifest).await?;
    fleet::await_listed(&context, &context.tenant().enterprise(), LOOKS, since).await?;
    let pods = fleet::pod_names(&context).await?;
    expect(
        format!("{pod}, which is still registering, among the pods"),
        pods == BTreeSet::from([pod]),
        format!("{pods:?}"),
    )?;

    let cleared = context.hand().clear_fault(RUNNER_REGISTRATION).await;
    cleared.context("let the runner register")?;
    await_pods(&context, 0).await?;
    let removals = removals(&context);
    // ARC may ask once more, going by a list of a moment before.
    let done = removals.first() == Some(&Some(204)) && removals[1..].iter().all(|it| *it == Some(404));
    expect(
        "the runner removed from GHES, once",
        done,
        format!("{removals:?}"),
    )?;
    Ok(())
}

async fn deleted_registering(context: Context) -> anyhow::Result<()> {
    context
        .hand()
        .fault(FaultRule::standing("POST", RUNNER_REGISTRATION, FaultKind::Hang));
    let mut manifest = context.runner_deployment()?;
    let spec = &mut manifest["spec"]["template"]["spec"];
    // A container that has ended makes a pod unready.
    spec["sidecarContainers"] = json!([{ "name": "brief", "image": "busybox", "command": ["true"] }]);
    // Longer than any wait here: a runner that is killed would be gone as well.
    spec["terminationGracePeriodSeconds"] = json!(fleet::DEADLINE.as_secs() * 4);
    context.apply(&manifest).await?;
    let pod = await_phase(&context, "Running").await?;
    fleet::await_tended(&context).await?;

    fleet::delete(&context, &manifest).await?;
    let begun = await_annotated(&context, &pod, BEGUN).await?;
    let since = Timestamp::now();
    // Any change of the pod has ARC look at it again.
    let pods: Api<Pod> = Api::namespaced(context.client().clone(), context.namespace());
    for look in 1..=LOOKS {
        let note = json!({ "metadata": { "annotations": { "ghes-harness/look": look.to_string() } } });
        pods.patch(&pod, &PatchParams::default(), &Patch::Merge(&note))
            .await
            .with_context(|| format!("annotate the pod {pod}, whose removal began at {begun}"))?;
        fleet::await_listed(&context, &context.tenant().enterprise(), look, since).await?;
    }
    let kept = pods
        .get(&pod)
        .await
        .context("read the pod that ARC should keep")?;
    expect(
        format!("{pod}, which is still registering, with ARC's finalizer and not said to be unregistered"),
        fleet::is_tended(&kept) && !kept.annotations().contains_key(COMPLETE),
        format!("finalizers {:?}, {:?}", kept.finalizers(), kept.annotations()),
    )?;

    let cleared = context.hand().clear_fault(RUNNER_REGISTRATION).await;
    cleared.context("let the runner register")?;
    await_nothing(&context).await
}

/// What ARC notes on a pod when it begins to remove the runner from GHES, and when that is done. Source: ARC's source, `constants.go`.
const BEGUN: &str = "actions-runner/unregistration-start-timestamp";
const COMPLETE: &str = "actions-runner/unregistration-complete-timestamp";

/// The value of this annotation of the pod, once it has it.
async fn await_annotated(context: &Context, pod: &str, annotation: &str) -> anyhow::Result<String> {
    let pods: Api<Pod> = Api::namespaced(context.client().clone(), context.namespace());
    let awaited = format!("the annotation {annotation} on the pod {pod}");
    let value = eventually(&awaited, fleet::DEADLINE, || async {
        match pods.get(pod).await {
            Ok(pod) => match pod.annotations().get(annotation) {
                Some(value) => Seen::Yes(value.clone()),
                None => Seen::NotYet(format!("{:?}", pod.annotations())),
            },
            Err(error) => Seen::NotYet(error.to_string()),
        }
    })
    .await?;
    Ok(value)
}

/// So many looks of ARC at GHES show that it waits.
const LOOKS: usize = 3;

/// What GHES answered to ARC's removals of the scenario's runners.
fn removals(context: &Context) -> Vec<Option<u16>> {
    let below = format!("/api/v3/{}/actions/runners/", context.tenant().enterprise());
    let records = context.hand().ledger().recent().into_iter();
    let removals = records.filter(|record| record.method == "DELETE" && record.path.starts_with(&below));
    removals.map(|record| record.status).collect()
}

async fn await_pods(context: &Context, count: usize) -> anyhow::Result<()> {
    eventually(&format!("{count} pods"), fleet::DEADLINE, || async {
        match fleet::pod_names(context).await {
            Ok(pods) if pods.len() == count => Seen::Yes(()),
            Ok(pods) => Seen::NotYet(format!("{pods:?}")),
            Err(error) => Seen::NotYet(format!("{error:#}")),
        }
    })
    .await?;
    Ok(())
}
