//! GHES is away for a while: for the controller, or for the runner alone.
//!
//! Source: ARC's runner controller, and the guide's sentence that a runner which cannot reach GHES stays Pending: that is so only when the
//! controller cannot either. Not covered: an outage of the list of runners, or one that begins while jobs run.

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::Context as _;
use futures::FutureExt as _;
use harness::cluster::{Seen, eventually};
use harness::mock_ghes::{FaultKind, FaultRule};
use harness::model::{Capability, Check, Claim, OwnArc, Profile};
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

pub(crate) const RUNNER: Scenario = Scenario {
    check: || {
        Check {
        id: "outage::runner".into(),
        claim: "while GHES refuses the runner alone, its pod runs, is registered nowhere, gives up after ten tries and is replaced; \
                afterwards a runner registers by itself"
            .into(),
        grounds: "the runner image's startup script: ten tries, then the container ends; the guide says that such a runner stays Pending"
            .into(),
        not_covered: "a GHES that does not answer at all; an outage that begins while runners are registered".into(),
        profile: Profile::Extended,
        needs: vec![Capability::RunPods, Capability::Ledger, Capability::ForceFault],
        // The refused route is every runner's.
        claims: Claim::OwnArc(OwnArc::default()),
        pains: vec![10],
    }
    },
    run: |context| runner(context).boxed(),
};

/// Where a runner trades its token, whatever its scope.
pub(crate) const RUNNER_REGISTRATION: &str = "/api/v3/actions/runner-registration";

/// How often a runner tries.
const RUNNER_TRIES: usize = 10;

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
    await_refused(&context, &path, TRIES).await?;
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

async fn runner(context: Context) -> anyhow::Result<()> {
    context.hand().fault(FaultRule {
        target: RUNNER_REGISTRATION.to_owned(),
        method: None,
        kind: FaultKind::Status(503),
        count: None,
        until: None,
    });
    context.apply(&context.runner_deployment()?).await?;

    let start = Instant::now();
    let first = await_phase(&context, "Running").await?;
    await_refused(&context, RUNNER_REGISTRATION, RUNNER_TRIES).await?;
    let second = await_replaced(&context, &first).await?;
    context.measure(
        "a pod that cannot register replaced",
        start.elapsed().as_secs_f64(),
        "s",
    );
    context.observe(format!(
        "{first} was Running, not Pending as the guide says, ended after {RUNNER_TRIES} tries, and {second} took its place"
    ));
    let listed = context.ghes().runners(&context.tenant().enterprise()).await;
    let listed = listed.context("list the runners")?;
    expect(
        "no runner registered while GHES refuses runners",
        listed.is_empty(),
        fleet::described(&listed),
    )?;

    context
        .hand()
        .clear_fault(RUNNER_REGISTRATION)
        .await
        .context("end the outage")?;
    let end = Instant::now();
    fleet::await_another(&context, &BTreeSet::from([first])).await?;
    context.measure(
        "end of the runner's outage to a runner online",
        end.elapsed().as_secs_f64(),
        "s",
    );
    Ok(())
}

/// The name of the scenario's one pod, once it is in this phase.
async fn await_phase(context: &Context, phase: &str) -> anyhow::Result<String> {
    let pods: Api<Pod> = Api::namespaced(context.client().clone(), context.namespace());
    let name = eventually(&format!("a pod {phase}"), fleet::DEADLINE, || async {
        let pods = match pods.list(&ListParams::default()).await {
            Ok(pods) => pods.items,
            Err(error) => return Seen::NotYet(error.to_string()),
        };
        let seen: Vec<(String, String)> = pods
            .into_iter()
            .map(|pod| {
                let phase = pod.status.and_then(|status| status.phase);
                (pod.metadata.name.unwrap_or_default(), phase.unwrap_or_default())
            })
            .collect();
        match seen.iter().find(|(_, seen)| seen == phase) {
            Some((name, _)) => Seen::Yes(name.clone()),
            None => Seen::NotYet(format!("{seen:?}")),
        }
    })
    .await?;
    Ok(name)
}

/// The Runner that is there in place of this one.
async fn await_replaced(context: &Context, first: &str) -> anyhow::Result<String> {
    let next = eventually(
        &format!("Runner {first} gone after {RUNNER_TRIES} tries, and another in its place"),
        fleet::DEADLINE,
        || async {
            match fleet::runner_objects(context).await {
                Ok(names) if !names.contains(first) => names
                    .into_iter()
                    .next()
                    .map_or_else(|| Seen::NotYet("no Runner".to_owned()), Seen::Yes),
                Ok(names) => Seen::NotYet(format!("{names:?}")),
                Err(error) => Seen::NotYet(format!("{error:#}")),
            }
        },
    )
    .await?;
    Ok(next)
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

async fn await_refused(context: &Context, path: &str, tries: usize) -> anyhow::Result<()> {
    eventually(
        &format!("{tries} refused requests to {path}"),
        fleet::DEADLINE,
        || async {
            let refused = context
                .hand()
                .ledger()
                .requests_to(path)
                .iter()
                .filter(|r| r.status == Some(503))
                .count();
            if refused >= tries {
                Seen::Yes(())
            } else {
                Seen::NotYet(refused.to_string())
            }
        },
    )
    .await?;
    Ok(())
}
