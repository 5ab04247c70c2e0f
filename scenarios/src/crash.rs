//! A runner that dies in the middle of its job.
//!
//! Source: ARC's documentation: the controller keeps the number of runners that spec.replicas says. Not covered: a node that is lost
//! (`node_lost`), a pod that is deleted (`pods`), a container that is out of memory.

use std::time::Instant;

use anyhow::Context as _;
use futures::FutureExt as _;
use harness::model::{Capability, Check, Claim, Profile};
use harness::{Context, Scenario, expect};
use serde_json::json;

use crate::visit::visit;
use crate::{fleet, pods};

pub(crate) const CRASH: Scenario = Scenario {
    check: || {
        Check {
        id: "ephemeral::crash".into(),
        claim: "after a runner's program is killed in the middle of its job, its pod and Runner go and another runner is online in its place; \
                what GHES keeps of it is told"
            .into(),
        grounds: "ARC's documentation: the controller keeps the number of runners that spec.replicas says".into(),
        not_covered: "the job, which GHES gives up later; a container out of memory, which ends in the same way".into(),
        profile: Profile::Extended,
        needs: vec![Capability::RunPods],
        claims: Claim::SharedArc,
        pains: vec![11, 13],
    }
    },
    run: |context| crash(context).boxed(),
};

/// Two, so that one is there while the other is replaced.
const RUNNERS: usize = 2;

/// The desk's workflow kills its runner for a ticket that begins so.
const TICKET: &str = "kill";

async fn crash(context: Context) -> anyhow::Result<()> {
    let desk = context.desk().await?;
    let mut manifest = context.runner_deployment()?;
    manifest["spec"]["replicas"] = json!(RUNNERS);
    context.apply(&manifest).await?;
    let before = fleet::await_idle(&context, RUNNERS).await?;
    visit(&context, &context.tenant().repository(), &desk, &[TICKET]).await?;
    let visits = desk.waiting(1, fleet::DEADLINE).await?;
    let victim = visits.first().context("one job waits")?.runner.clone();

    desk.let_all_go();
    let killed = Instant::now();

    let next = fleet::await_another(&context, &before).await?;
    context.measure(
        "capacity back after a busy runner was killed",
        killed.elapsed().as_secs_f64(),
        "s",
    );
    pods::await_gone(&context, &victim).await?;
    let listed = context.ghes().runners(&context.tenant().enterprise()).await;
    let listed = listed.context("list the runners")?;
    let online = listed
        .iter()
        .filter(|runner| runner.status == "online" && runner.name != victim);
    expect(
        format!("{RUNNERS} runners online besides {victim}"),
        online.count() == RUNNERS,
        fleet::described(&listed),
    )?;
    let kept: Vec<_> = listed
        .into_iter()
        .filter(|runner| runner.name == victim)
        .collect();
    context.observe(format!(
        "{next} took the place of {victim}, of which GHES keeps {}",
        fleet::described(&kept)
    ));
    Ok(())
}
