//! Two managers, of which one leads, and the leader dies.
//!
//! Source: ARC's chart: `replicaCount` and `enableLeaderElection`; controller-runtime's leader election (lease of 15 s). The guide installs
//! two. Not covered: a manager that hangs; a network that parts.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::FutureExt as _;
use harness::arc::resources;
use harness::cluster::{Seen, eventually};
use harness::model::{Capability, Check, Claim, OwnArc, Profile};
use harness::{Context, Scenario, Stay, expect, expect_equal};
use kube::api::ListParams;
use serde_json::json;

use crate::fleet;
use crate::quickstart::follow;
use crate::visit::visit;

pub(crate) const LEADER: Scenario = Scenario {
    check: || {
        Check {
        id: "failover::leader".into(),
        claim: "of two managers one leads; after it is killed the other still admits, leads within the lease, and makes the missing runner \
                and none besides; jobs in progress succeed"
            .into(),
        grounds: "ARC's chart, replicaCount 2 with leader election, as the guide installs it; controller-runtime's lease of 15 s".into(),
        not_covered: "a manager that hangs; a network that parts".into(),
        profile: Profile::Extended,
        needs: vec![Capability::RunPods],
        claims: Claim::OwnArc(OwnArc {
            replicas: 2,
            ..OwnArc::default()
        }),
        pains: vec![],
    }
    },
    run: |context| leader(context).boxed(),
};

/// A lease of 15 s, and the pause between two tries to take it.
const FAILOVER: Duration = Duration::from_secs(45);

async fn leader(context: Context) -> anyhow::Result<()> {
    let desk = context.desk().await?;
    let repository = context.tenant().repository();
    let first = await_leader(&context).await?;
    let run = visit(&context, &repository, &desk, &["1", "2"]).await?;
    let mut manifest = context.runner_deployment()?;
    manifest["spec"]["replicas"] = json!(2);
    context.apply(&manifest).await?;
    let busy = desk.waiting(2, fleet::DEADLINE).await?;
    let busy: BTreeSet<String> = busy.into_iter().map(|visit| visit.runner).collect();

    context.kill_manager(first).await;
    let killed = Instant::now();
    manifest["spec"]["replicas"] = json!(3);
    // Admitted by the one that does not lead.
    context.apply(&manifest).await?;
    let second = await_leader(&context).await?;
    context.measure(
        "leader killed to another leads",
        killed.elapsed().as_secs_f64(),
        "s",
    );
    expect(
        format!("another manager than {first} to lead"),
        second != first,
        second,
    )?;

    let third = fleet::await_another(&context, &busy).await?;
    context.measure(
        "leader killed to the missing runner online",
        killed.elapsed().as_secs_f64(),
        "s",
    );
    let visits = desk.visits();
    expect(
        "both jobs in progress through the failover",
        visits.iter().all(|visit| visit.stay == Stay::Waiting) && visits.len() == 2,
        format!("{visits:?}"),
    )?;
    let mut expected = busy;
    expected.insert(third);
    expect_equal("Runners", &expected, &fleet::runner_objects(&context).await?)?;
    desk.let_all_go();
    follow(&context, run).await?;
    await_exactly(&context, 3).await
}

/// The manager that leads, once exactly one does.
pub(crate) async fn await_leader(context: &Context) -> anyhow::Result<usize> {
    let managers = context.managers().len();
    let leader = eventually("exactly one manager that leads", FAILOVER, || async {
        let mut leads = Vec::new();
        for manager in 0..managers {
            // A killed one answers nothing.
            let samples = context.arc_metrics(manager).await.unwrap_or_default();
            let status = samples
                .iter()
                .find(|sample| sample.name == "leader_election_master_status");
            leads.push(status.map(|sample| sample.value.to_string()));
        }
        let one = Some("1".to_owned());
        let leaders: Vec<usize> = (0..managers).filter(|manager| leads[*manager] == one).collect();
        match leaders.as_slice() {
            [leader] => Seen::Yes(*leader),
            _ => Seen::NotYet(format!("leader_election_master_status {leads:?}")),
        }
    })
    .await?;
    Ok(leader)
}

/// Waits until the scenario has so many Runners, and as many are online and idle.
async fn await_exactly(context: &Context, count: usize) -> anyhow::Result<()> {
    let online = fleet::await_idle(context, count).await?;
    let runners = context.objects(&resources::runner());
    eventually(
        &format!("{count} Runners, the ones online"),
        fleet::DEADLINE,
        || async {
            match runners.list(&ListParams::default()).await {
                Ok(list) if list.items.len() == count => Seen::Yes(()),
                Ok(list) => Seen::NotYet(format!("{} Runners, online {online:?}", list.items.len())),
                Err(error) => Seen::NotYet(error.to_string()),
            }
        },
    )
    .await
    .context("after the failover")?;
    Ok(())
}
