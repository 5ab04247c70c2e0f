//! A changed template replaces the runners, and interrupts none.
//!
//! Source: ARC's documentation: a RunnerDeployment rolls its runners over as a Deployment does, and a busy runner ends after its job.
//! Not covered: RunnerSets; a change while an autoscaler is at work.

use std::collections::BTreeSet;
use std::time::Instant;

use futures::FutureExt as _;
use harness::arc::resources;
use harness::cluster::{Seen, eventually};
use harness::model::{Capability, Check, Claim, Profile};
use harness::{Context, Scenario, Stay, expect};
use jiff::Timestamp;
use kube::api::ListParams;
use serde_json::json;

use crate::fleet;
use crate::quickstart::follow;
use crate::scaling::await_count;
use crate::visit::visit;

pub(crate) const TEMPLATE: Scenario = Scenario {
    check: || {
        Check {
        id: "rollout::template".into(),
        claim: "after a change of the template as many runners of the new one are online, a busy runner of the old one goes on until its job \
                has succeeded, and then only the new RunnerReplicaSet and its runners are there"
            .into(),
        grounds: "ARC's documentation: runners are unregistered before they are deleted; a RunnerDeployment rolls over as a Deployment does"
            .into(),
        not_covered: "how many pods there are meanwhile; a change back; one within the second of the RunnerReplicaSet's creation, after which ARC makes several".into(),
        profile: Profile::Core,
        needs: vec![Capability::RunPods],
        claims: Claim::SharedArc,
        pains: vec![13, 15],
    }
    },
    run: |context| template(context).boxed(),
};

const COUNT: usize = 2;

async fn template(context: Context) -> anyhow::Result<()> {
    let desk = context.desk().await?;
    let run = visit(&context, &context.tenant().repository(), &desk, &["1"]).await?;
    let mut manifest = context.runner_deployment()?;
    manifest["spec"]["replicas"] = json!(COUNT);
    context.apply(&manifest).await?;
    desk.waiting(1, fleet::DEADLINE).await?;
    let old = await_sets(&context, 1, &BTreeSet::new()).await?;

    await_next_second().await?;
    if let Some(variables) = manifest["spec"]["template"]["spec"]["env"].as_array_mut() {
        variables.push(json!({ "name": "ROLLED_OVER", "value": "yes" }));
    }
    context.apply(&manifest).await?;
    let start = Instant::now();
    let new = await_sets(&context, 2, &old).await?;
    await_online(&context, &new).await?;
    context.measure(
        "change of the template to new runners online",
        start.elapsed().as_secs_f64(),
        "s",
    );
    let visits = desk.visits();
    expect(
        "the job of the old runner still in progress",
        visits.iter().all(|visit| visit.stay == Stay::Waiting) && visits.len() == 1,
        format!("{visits:?}"),
    )?;
    desk.let_all_go();
    follow(&context, run).await?;

    let left = await_sets(&context, 1, &BTreeSet::new()).await?;
    expect(
        format!("the RunnerReplicaSet {new:?} left"),
        left == new,
        format!("{left:?}"),
    )?;
    await_count(&context, COUNT).await
}

/// Waits until no set can be made any more in the second of those that are there. ARC takes the one with the latest creationTimestamp, which has
/// no fractions, for the newest: after a change within the same second it makes several sets of the new template, and keeps the last.
async fn await_next_second() -> anyhow::Result<()> {
    let second = Timestamp::now().as_second();
    eventually("the next second", fleet::DEADLINE, || async {
        match Timestamp::now().as_second() {
            now if now > second => Seen::Yes(()),
            now => Seen::NotYet(now.to_string()),
        }
    })
    .await?;
    Ok(())
}

/// The names of the scenario's RunnerReplicaSets besides these, once there are so many in all.
async fn await_sets(
    context: &Context,
    count: usize,
    known: &BTreeSet<String>,
) -> anyhow::Result<BTreeSet<String>> {
    let sets = context.objects(&resources::runner_replica_set());
    let names = eventually(&format!("{count} RunnerReplicaSets"), fleet::DEADLINE, || async {
        let list = match sets.list(&ListParams::default()).await {
            Ok(list) => list.items,
            Err(error) => return Seen::NotYet(error.to_string()),
        };
        let names: BTreeSet<String> = list.into_iter().filter_map(|set| set.metadata.name).collect();
        if names.len() == count {
            Seen::Yes(names.difference(known).cloned().collect())
        } else {
            Seen::NotYet(format!("{names:?}"))
        }
    })
    .await?;
    Ok(names)
}

/// Waits until as many runners of these RunnerReplicaSets are online in GHES as the RunnerDeployment wants.
async fn await_online(context: &Context, sets: &BTreeSet<String>) -> anyhow::Result<()> {
    let scope = context.tenant().enterprise();
    // ARC names a Runner after its set, and a runner after its Runner.
    let of_sets = |name: &str| sets.iter().any(|set| name.starts_with(&format!("{set}-")));
    eventually(
        &format!("{COUNT} runners of {sets:?} online in GHES"),
        fleet::DEADLINE,
        || async {
            let list = match context.ghes().runners(&scope).await {
                Ok(list) => list,
                Err(error) => return Seen::NotYet(error.to_string()),
            };
            let online = list.iter().filter(|r| r.status == "online" && of_sets(&r.name));
            if online.count() == COUNT {
                Seen::Yes(())
            } else {
                Seen::NotYet(fleet::described(&list))
            }
        },
    )
    .await?;
    Ok(())
}
