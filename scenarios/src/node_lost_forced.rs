//! The pod of a runner whose node is lost, and that nobody confirms to have ended, goes in the end.
//!
//! Source: ARC's source on pods that are deleted and stay: after a minute it deletes them by force. The minutes pass on ARC's clock, while the API server
//! writes the time of deletion by the real one. Not covered: a busy runner; a node that comes back.

use std::collections::BTreeSet;

use anyhow::Context as _;
use futures::FutureExt as _;
use harness::cluster::{Seen, eventually};
use harness::model::{Capability, Check, Claim, OwnArc, Profile};
use harness::{Context, Scenario};
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt as _};
use serde_json::json;

use crate::fleet;
use crate::node_lost::{await_schedulable, prefer_own_node};

pub(crate) const FORCED: Scenario = Scenario {
    check: || {
        Check {
        id: "pods::forced".into(),
        claim: "the pod of an idle runner whose node is lost, which stays since nobody confirms its end, is deleted by force once ARC sees the time of its \
                deletion more than a minute ago, and an event says so"
            .into(),
        grounds: "ARC's source: the runner pod controller deletes a pod by force a minute after its deletion; Kubernetes' documentation: without its node a \
                  pod goes only by force"
            .into(),
        not_covered: "a busy runner; a node that comes back".into(),
        profile: Profile::Extended,
        needs: vec![Capability::RunPods, Capability::ClockControl],
        claims: Claim::OwnArc(OwnArc::with_clock()),
        pains: vec![12],
    }
    },
    run: |context| forced(context).boxed(),
};

/// The pod's time to end, ARC's minute, and another one.
const LATER: SignedDuration = SignedDuration::from_secs(150);

async fn forced(context: Context) -> anyhow::Result<()> {
    let clock = context.clock()?;
    let node = context.own_node().await?;
    await_schedulable(&context).await?;
    let mut manifest = context.runner_deployment()?;
    prefer_own_node(&mut manifest, context.namespace());
    context.apply(&manifest).await?;
    let lost = fleet::await_another(&context, &BTreeSet::new()).await?;

    node.shutdown().await?;
    let pods: Api<Pod> = Api::namespaced(context.client().clone(), context.namespace());
    let awaited = format!("the pod {lost} deleted, and ARC's hold on it let go");
    eventually(&awaited, fleet::DEADLINE, || async {
        match pods.get(&lost).await {
            Ok(pod) if pod.metadata.deletion_timestamp.is_some() && !fleet::is_tended(&pod) => Seen::Yes(()),
            Ok(pod) => Seen::NotYet(format!(
                "deleted at {:?}, finalizers {:?}",
                pod.metadata.deletion_timestamp,
                pod.finalizers()
            )),
            Err(error) => Seen::NotYet(error.to_string()),
        }
    })
    .await?;

    clock.jump(clock.now() + LATER)?;
    // Any change of the pod has ARC look at it again.
    let note = json!({ "metadata": { "annotations": { "ghes-harness/look": "again" } } });
    pods.patch(&lost, &PatchParams::default(), &Patch::Merge(&note))
        .await
        .with_context(|| format!("annotate the pod {lost}"))?;
    eventually(&format!("the pod {lost} gone"), fleet::DEADLINE, || async {
        match pods.get_opt(&lost).await {
            Ok(None) => Seen::Yes(()),
            Ok(Some(pod)) => Seen::NotYet(format!("deleted at {:?}", pod.metadata.deletion_timestamp)),
            Err(error) => Seen::NotYet(error.to_string()),
        }
    })
    .await?;
    let awaited = format!("the event PodDeleted \"Forcefully deleted pod '{lost}'\"");
    eventually(&awaited, fleet::DEADLINE, || async {
        match context.events_on("Pod", &lost).await {
            Ok(events) => {
                let told = events
                    .iter()
                    .find(|event| event.reason.as_deref() == Some("PodDeleted"));
                match told.and_then(|event| event.message.as_deref()) {
                    Some(message) if message.starts_with("Forcefully deleted pod") => Seen::Yes(()),
                    other => Seen::NotYet(format!("{other:?} among {} events", events.len())),
                }
            }
            Err(error) => Seen::NotYet(format!("{error:#}")),
        }
    })
    .await?;
    Ok(())
}
