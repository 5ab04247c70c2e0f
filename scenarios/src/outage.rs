//! GHES is away for a while.
//!
//! Source: ARC's runner controller. Not covered: an outage of the list of runners, or one
//! that begins while jobs run.

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::Context as _;
use futures::FutureExt as _;
use harness::cluster::{Seen, eventually};
use harness::mock_ghes::{FaultKind, FaultRule};
use harness::model::{Capability, Check, Claim, Profile};
use harness::{Context, Scenario, expect};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;

use crate::fleet;

pub(crate) const CONTROLLER: Scenario = Scenario {
    check: || {
        Check {
        id: "outage::controller".into(),
        claim: "while GHES gives the controller no registration token there is no pod but a Warning event; afterwards the runner registers \
                by itself"
            .into(),
        grounds: "ARC's runner controller: event FailedUpdateRegistrationToken, and another try at each resync".into(),
        not_covered: "an outage that begins while runners are registered".into(),
        profile: Profile::Core,
        needs: vec![Capability::RunPods, Capability::Ledger],
        claims: Claim::SharedArc,
        pains: vec![],
    }
    },
    run: |context| controller(context).boxed(),
};

const EVENT: (&str, &str) = ("Warning", "FailedUpdateRegistrationToken");

/// So many refused tries show that ARC goes on trying.
const TRIES: usize = 2;

async fn controller(context: Context) -> anyhow::Result<()> {
    // Only this tenant's tokens: other scenarios go on.
    let path = format!(
        "/api/v3/enterprises/{}/actions/runners/registration-token",
        context.tenant().name
    );
    context.hand().fault(FaultRule {
        target: path.clone(),
        method: None,
        kind: FaultKind::Status(503),
        count: None,
        until: None,
    });
    context.apply(&context.runner_deployment()?).await?;

    let runner = await_warning(&context).await?;
    await_tries(&context, &path).await?;
    let pods: Api<Pod> = Api::namespaced(context.client().clone(), context.namespace());
    let pods = pods.list(&ListParams::default()).await.context("list the pods")?;
    let names: Vec<String> = pods
        .items
        .into_iter()
        .filter_map(|pod| pod.metadata.name)
        .collect();
    expect(
        "no pod while GHES gives no registration token",
        names.is_empty(),
        format!("{names:?}"),
    )?;

    context
        .hand()
        .clear_fault(&path)
        .await
        .context("end the outage")?;
    let end = Instant::now();
    let online = fleet::await_another(&context, &BTreeSet::new()).await?;
    context.measure(
        "end of the outage to a runner online",
        end.elapsed().as_secs_f64(),
        "s",
    );
    expect(
        format!("{runner}, which waited, online"),
        online == runner,
        online,
    )?;
    Ok(())
}

/// The Runner that has the event.
async fn await_warning(context: &Context) -> anyhow::Result<String> {
    let found = eventually(
        &format!("an event {EVENT:?} on a Runner"),
        fleet::DEADLINE,
        || async {
            let runner = match fleet::runner_objects(context).await {
                Ok(names) => names.into_iter().next(),
                Err(error) => return Seen::NotYet(format!("{error:#}")),
            };
            let Some(runner) = runner else {
                return Seen::NotYet("no Runner".to_owned());
            };
            let events = match context.events_on("Runner", &runner).await {
                Ok(events) => events,
                Err(error) => return Seen::NotYet(format!("{error:#}")),
            };
            let seen: Vec<(String, String)> = events
                .into_iter()
                .map(|e| (e.type_.unwrap_or_default(), e.reason.unwrap_or_default()))
                .collect();
            let has = seen
                .iter()
                .any(|(kind, reason)| (kind.as_str(), reason.as_str()) == EVENT);
            if has {
                Seen::Yes(runner)
            } else {
                Seen::NotYet(format!("{seen:?}"))
            }
        },
    )
    .await?;
    Ok(found)
}

async fn await_tries(context: &Context, path: &str) -> anyhow::Result<()> {
    eventually(
        &format!("{TRIES} refused requests for a registration token"),
        fleet::DEADLINE,
        || async {
            let refused = context
                .hand()
                .ledger()
                .requests_to(path)
                .iter()
                .filter(|r| r.status == Some(503))
                .count();
            if refused >= TRIES {
                Seen::Yes(())
            } else {
                Seen::NotYet(refused.to_string())
            }
        },
    )
    .await?;
    Ok(())
}
