//! A runner does one job, goes, and is replaced.
//!
//! Source: the guide: "a runner that has done a workflow is deleted automatically; a new runner and pod fill its place quickly". ARC
//! makes no DELETE call for it: GHES removes the runner by itself. Not covered: a runner that crashes.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::FutureExt as _;
use harness::arc::resources;
use harness::cluster::{Seen, eventually};
use harness::model::{Capability, Check, Claim, Profile};
use harness::{Context, Scenario, expect, expect_equal};
use kube::api::ListParams;
use serde_json::json;

use crate::fleet::{self, await_another};
use crate::quickstart::{dispatch, follow, follow_in};
use crate::visit::visit;

pub(crate) const REPLACED: Scenario = Scenario {
    check: || {
        Check {
        id: "ephemeral::replaced".into(),
        claim: "after its job a runner is gone from GHES and the cluster without a DELETE call, and a new one is online".into(),
        grounds: "the guide: a runner that has done a workflow is deleted, and a new runner and pod fill its place quickly".into(),
        not_covered: "a runner that crashes".into(),
        profile: Profile::Core,
        needs: vec![Capability::RunPods, Capability::Ledger],
        claims: Claim::SharedArc,
        pains: vec![11, 13],
    }
    },
    run: |context| replaced(context).boxed(),
};

pub(crate) const SIDECAR: Scenario = Scenario {
    check: || {
        Check {
        id: "ephemeral::sidecar".into(),
        claim: "a runner whose pod has a container beside it that does not end by itself is replaced after its job as any other, and its pod is gone"
            .into(),
        grounds: "ARC's documentation: sidecarContainers; ARC's source: a runner is over once its own container has ended".into(),
        not_covered: "a Docker daemon beside the runner; a container that does not heed SIGTERM".into(),
        profile: Profile::Extended,
        needs: vec![Capability::RunPods],
        claims: Claim::SharedArc,
        pains: vec![11, 12],
    }
    },
    run: |context| sidecar(context).boxed(),
};

pub(crate) const VOLUME: Scenario = Scenario {
    check: || {
        Check {
        id: "ephemeral::volume".into(),
        claim: "of 50 jobs over 4 runners each runs exactly once, none is lost, and no runner does two; jobs and GHES agree who did which"
            .into(),
        grounds: "the guide: a runner that has done a workflow is deleted, and a new runner and pod fill its place quickly".into(),
        not_covered: "jobs with load; a runner that crashes".into(),
        profile: Profile::Extended,
        needs: vec![Capability::RunPods],
        claims: Claim::SharedArc,
        pains: vec![11, 13],
    }
    },
    run: |context| volume(context).boxed(),
};

const DEADLINE: Duration = fleet::DEADLINE;
const JOBS: usize = 50;
const RUNNERS: usize = 4;

async fn volume(context: Context) -> anyhow::Result<()> {
    let repository = context.tenant().repository();
    let tickets: Vec<String> = (1..=JOBS).map(|ticket| ticket.to_string()).collect();
    let desk = context.desk().await?;
    desk.let_all_go();
    let run = visit(&context, &repository, &desk, &tickets).await?;
    let mut manifest = context.runner_deployment()?;
    manifest["spec"]["replicas"] = json!(RUNNERS);
    context.apply(&manifest).await?;

    let start = Instant::now();
    follow_in(&context, &repository, run).await?;
    context.measure("50 jobs over 4 runners", start.elapsed().as_secs_f64(), "s");

    let visits = desk.visits();
    let mut ran: Vec<String> = visits.iter().map(|visit| visit.ticket.clone()).collect();
    ran.sort_by_key(|ticket| ticket.parse::<usize>().unwrap_or(usize::MAX));
    expect_equal("tickets of the jobs that ran", &tickets, &ran)?;
    let runners: BTreeSet<&String> = visits.iter().map(|visit| &visit.runner).collect();
    expect(
        format!("{JOBS} runners, one for each job"),
        runners.len() == JOBS,
        format!("{}: {visits:?}", runners.len()),
    )?;
    let jobs = context
        .ghes()
        .jobs(&repository, run)
        .await
        .context("list the jobs")?;
    let of = |name: String, runner: String| (name, runner);
    let told: BTreeSet<_> = jobs
        .into_iter()
        .map(|job| of(job.name, job.runner_name.unwrap_or_default()))
        .collect();
    let seen: BTreeSet<_> = visits
        .into_iter()
        .map(|v| of(format!("visit ({})", v.ticket), v.runner))
        .collect();
    expect_equal("jobs and their runners, as GHES lists them", &seen, &told)?;
    Ok(())
}

async fn replaced(context: Context) -> anyhow::Result<()> {
    context.apply(&context.runner_deployment()?).await?;
    let first = await_another(&context, &BTreeSet::new()).await?;

    let run = dispatch(&context).await?;
    follow(&context, run).await?;
    let done = Instant::now();

    let jobs = context
        .ghes()
        .jobs(&context.tenant().repository(), run)
        .await
        .context("list the jobs")?;
    let used: BTreeSet<String> = jobs.iter().filter_map(|job| job.runner_name.clone()).collect();
    expect(
        format!("{first} among the runners that did the jobs"),
        used.contains(&first),
        format!("{used:?}"),
    )?;
    expect(
        "a runner of its own for each job",
        used.len() == jobs.len(),
        format!("{used:?} for {} jobs", jobs.len()),
    )?;
    let next = await_another(&context, &used).await?;
    context.measure(
        "replacement online after the last job",
        done.elapsed().as_secs_f64(),
        "s",
    );
    for name in &used {
        await_gone(&context, name).await?;
    }
    let ids: Vec<String> = jobs
        .iter()
        .filter_map(|job| job.runner_id.map(|id| id.to_string()))
        .collect();
    let deleted = deletions(&context, &ids);
    expect(
        "no runner that did its job removed by a DELETE call",
        deleted.is_empty(),
        format!("{deleted:?}"),
    )?;
    context.observe(format!("{used:?} did the jobs and went; {next} took their place"));
    Ok(())
}

/// Runs until it is told to end.
const ENDLESS: &str = "trap 'exit 0' TERM; sleep infinity & wait";

async fn sidecar(context: Context) -> anyhow::Result<()> {
    let mut manifest = context.runner_deployment()?;
    manifest["spec"]["template"]["spec"]["sidecarContainers"] = json!([
        { "name": "beside", "image": "busybox", "command": ["sh", "-c", ENDLESS] },
    ]);
    context.apply(&manifest).await?;
    let first = await_another(&context, &BTreeSet::new()).await?;
    let desk = context.desk().await?;
    desk.let_all_go();

    let run = visit(&context, &context.tenant().repository(), &desk, &["only"]).await?;
    follow(&context, run).await?;

    let next = await_another(&context, &BTreeSet::from([first.clone()])).await?;
    await_gone(&context, &first).await?;
    eventually(&format!("no pod but {next}"), DEADLINE, || async {
        match fleet::pod_names(&context).await {
            Ok(pods) if pods == BTreeSet::from([next.clone()]) => Seen::Yes(()),
            Ok(pods) => Seen::NotYet(format!("{pods:?}")),
            Err(error) => Seen::NotYet(format!("{error:#}")),
        }
    })
    .await?;
    Ok(())
}

async fn await_gone(context: &Context, name: &str) -> anyhow::Result<()> {
    let scope = context.tenant().enterprise();
    let runners = context.objects(&resources::runner());
    eventually(
        &format!("{name} after its job = in GHES: false, in the cluster: false"),
        DEADLINE,
        || async {
            let in_ghes = match context.ghes().runners(&scope).await {
                Ok(list) => list.iter().any(|r| r.name == name),
                Err(error) => return Seen::NotYet(error.to_string()),
            };
            let in_cluster = match runners.list(&ListParams::default()).await {
                Ok(list) => list
                    .items
                    .iter()
                    .any(|r| r.metadata.name.as_deref() == Some(name)),
                Err(error) => return Seen::NotYet(error.to_string()),
            };
            if in_ghes || in_cluster {
                Seen::NotYet(format!("in GHES: {in_ghes}, in the cluster: {in_cluster}"))
            } else {
                Seen::Yes(())
            }
        },
    )
    .await?;
    Ok(())
}

/// DELETE calls that removed one of these runners. ARC may make one too many for a moment and ask for its removal again; GHES refuses
/// that (422) while it has a job, which is no removal.
fn deletions(context: &Context, ids: &[String]) -> Vec<String> {
    let prefix = format!("/api/v3/enterprises/{}/actions/runners/", context.tenant().name);
    let all = context.hand().ledger().recent();
    let removed = all
        .iter()
        .filter(|r| r.method == "DELETE" && r.status == Some(204));
    removed
        .filter(|r| ids.iter().any(|id| r.path == format!("{prefix}{id}")))
        .map(|r| r.path.clone())
        .collect()
}
