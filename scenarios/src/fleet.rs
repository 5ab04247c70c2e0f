//! What several checks do with runners: wait until they are online, keep them busy with real jobs, let them go.
//!
//! What it is not: no check of its own.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context as _;
use harness::Context;
use harness::arc::resources;
use harness::cluster::{Seen, eventually};
use harness::ghes::{Job, RunId, Runner};
use kube::api::ListParams;

/// Long against the few seconds that each step takes.
pub(crate) const DEADLINE: Duration = Duration::from_secs(45);

/// The names of the enterprise's runners, once exactly `count` are online and all of these are idle. What GHES keeps of gone runners is another check's.
pub(crate) async fn await_idle(context: &Context, count: usize) -> anyhow::Result<BTreeSet<String>> {
    let scope = context.tenant().enterprise();
    let names = eventually(
        &format!("{count} runners online in GHES, all idle"),
        DEADLINE,
        || async {
            match context.ghes().runners(&scope).await {
                Ok(list) => {
                    let online: Vec<_> = list.iter().filter(|r| r.status == "online").collect();
                    if online.len() == count && online.iter().all(|r| !r.busy) {
                        Seen::Yes(online.iter().map(|r| r.name.clone()).collect())
                    } else {
                        Seen::NotYet(described(&list))
                    }
                }
                Err(error) => Seen::NotYet(error.to_string()),
            }
        },
    )
    .await?;
    Ok(names)
}

/// The name of a runner that is online and not among these.
pub(crate) async fn await_another(context: &Context, known: &BTreeSet<String>) -> anyhow::Result<String> {
    let scope = context.tenant().enterprise();
    let name = eventually(
        &format!("a runner online in GHES besides {known:?}"),
        DEADLINE,
        || async {
            match context.ghes().runners(&scope).await {
                Ok(list) => {
                    let new = list
                        .iter()
                        .find(|r| r.status == "online" && !known.contains(&r.name));
                    new.map_or_else(|| Seen::NotYet(described(&list)), |r| Seen::Yes(r.name.clone()))
                }
                Err(error) => Seen::NotYet(error.to_string()),
            }
        },
    )
    .await?;
    Ok(name)
}

/// Runners in a line, with what GHES says of each.
pub(crate) fn described(list: &[Runner]) -> String {
    let one = |r: &Runner| format!("{} {}{}", r.name, r.status, if r.busy { " busy" } else { "" });
    format!("[{}]", list.iter().map(one).collect::<Vec<_>>().join(", "))
}

/// The names of the Runners in the scenario's namespace.
pub(crate) async fn runner_objects(context: &Context) -> anyhow::Result<BTreeSet<String>> {
    let list = context
        .objects(&resources::runner())
        .list(&ListParams::default())
        .await
        .context("list the Runners")?;
    Ok(list
        .items
        .into_iter()
        .filter_map(|runner| runner.metadata.name)
        .collect())
}

/// Starts this many jobs that last for so many seconds, each in a run of its own.
pub(crate) async fn hold(context: &Context, jobs: usize, seconds: u64) -> anyhow::Result<Vec<RunId>> {
    let (repository, seconds) = (context.tenant().repository(), seconds.to_string());
    let mut runs = Vec::new();
    for _ in 0..jobs {
        let run = context
            .ghes()
            .dispatch(&repository, "hold.yml", "main", &[("seconds", &seconds)])
            .await;
        runs.push(run.context("dispatch a job that holds its runner")?);
    }
    Ok(runs)
}

/// The runners that do these runs' jobs, once every run has its job in progress.
pub(crate) async fn await_busy(context: &Context, runs: &[RunId]) -> anyhow::Result<BTreeSet<String>> {
    let names = eventually(
        &format!("the jobs of runs {runs:?} in progress"),
        DEADLINE,
        || async {
            let jobs = match jobs(context, runs).await {
                Ok(jobs) => jobs,
                Err(error) => return Seen::NotYet(format!("{error:#}")),
            };
            let busy: BTreeSet<String> = jobs.iter().filter_map(in_progress_on).collect();
            if busy.len() == runs.len() {
                Seen::Yes(busy)
            } else {
                let states = jobs
                    .iter()
                    .map(|job| format!("{:?} on {:?}", job.status, job.runner_name));
                Seen::NotYet(states.collect::<Vec<_>>().join(", "))
            }
        },
    )
    .await?;
    Ok(names)
}

/// The runner of a job that is in progress.
fn in_progress_on(job: &Job) -> Option<String> {
    job.runner_name
        .clone()
        .filter(|_| job.status == harness::ghes::Status::InProgress)
}

/// The jobs of these runs.
pub(crate) async fn jobs(context: &Context, runs: &[RunId]) -> anyhow::Result<Vec<Job>> {
    let repository = context.tenant().repository();
    let mut jobs = Vec::new();
    for run in runs {
        jobs.extend(
            context
                .ghes()
                .jobs(&repository, *run)
                .await
                .context("list the jobs")?,
        );
    }
    Ok(jobs)
}

/// Cancels these runs.
pub(crate) async fn release(context: &Context, runs: &[RunId]) -> anyhow::Result<()> {
    for run in runs {
        context
            .ghes()
            .cancel(&context.tenant().repository(), *run)
            .await
            .context("cancel a run")?;
    }
    Ok(())
}
