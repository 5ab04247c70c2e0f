//! The guide's first workflow, end to end, on a runner that ARC made.
//!
//! Source: the guide's section on testing the runner ("GitHub Actions Demo"). Not covered: the web interface.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::FutureExt as _;
use harness::cluster::{Seen, eventually};
use harness::ghes::{Job, Repo, RunId};
use harness::model::{Capability, Check, Claim, Profile};
use harness::{Context, Scenario, expect, expect_equal};

pub(crate) const WORKFLOW: Scenario = Scenario {
    check: || {
        Check {
        id: "quickstart::workflow".into(),
        claim: "the dispatched quickstart goes queued, in_progress, success; its second job gets the outputs; listing and git hash are \
                the repository's"
            .into(),
        grounds: "the guide: the workflow is assigned to the runner and completes without a problem".into(),
        not_covered: "triggers other than workflow_dispatch".into(),
        profile: Profile::Core,
        needs: vec![Capability::RunPods],
        claims: Claim::SharedArc,
        pains: vec![13],
    }
    },
    run: |context| workflow(context).boxed(),
};

/// Two runners in a row, each registered and with one job.
const DEADLINE: Duration = Duration::from_secs(90);

async fn workflow(context: Context) -> anyhow::Result<()> {
    let repository = context.tenant().repository();
    let head = context
        .ghes()
        .branch_head(&repository, "main")
        .await
        .context("read the branch")?;
    let run = dispatch(&context).await?;
    context.apply(&context.runner_deployment()?).await?;

    let start = Instant::now();
    let states = follow(&context, run).await?;
    context.measure(
        "quickstart from runner deployment to success",
        start.elapsed().as_secs_f64(),
        "s",
    );

    let expected = ["queued", "in_progress", "completed"].map(str::to_owned).to_vec();
    expect_equal("states of the run", &expected, &states)?;
    let jobs = context
        .ghes()
        .jobs(&repository, run)
        .await
        .context("list the jobs")?;
    let explore = log_of(&context, &jobs, "Explore-GitHub-Actions").await?;
    expect(
        "README.md in the first job's listing",
        explore.lines().any(|l| l.ends_with("README.md")),
        &explore,
    )?;
    expect(
        format!("the git hash {head} in the first job's log"),
        explore.contains(&head),
        &explore,
    )?;
    let second = log_of(&context, &jobs, fixtures::SECOND_JOB).await?;
    expect(
        format!("tag_git_hash={head} in the second job's log"),
        second.contains(&format!("tag_git_hash={head}")),
        &second,
    )?;
    expect("a tag_date in the second job's log", has_date(&second), &second)?;
    Ok(())
}

/// Dispatches the quickstart in the scenario's repository.
pub(crate) async fn dispatch(context: &Context) -> anyhow::Result<RunId> {
    let repository = context.tenant().repository();
    let run = context
        .ghes()
        .dispatch(&repository, "quickstart.yml", "main", &[])
        .await;
    run.context("dispatch the quickstart")
}

/// The states that the run shows until it is completed, each once.
pub(crate) async fn follow(context: &Context, run: RunId) -> anyhow::Result<Vec<String>> {
    follow_in(context, &context.tenant().repository(), run).await
}

/// As [`follow`], for a run of any repository.
pub(crate) async fn follow_in(
    context: &Context,
    repository: &Repo,
    run: RunId,
) -> anyhow::Result<Vec<String>> {
    let states = std::sync::Mutex::new(Vec::<String>::new());
    let conclusion = eventually(&format!("run {run} completed"), DEADLINE, || async {
        let seen = match context.ghes().run(repository, run).await {
            Ok(seen) => seen,
            Err(error) => return Seen::NotYet(error.to_string()),
        };
        let mut states = states.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if states.last() != Some(&seen.status) {
            states.push(seen.status.clone());
        }
        match seen.conclusion {
            Some(conclusion) if seen.status == "completed" => Seen::Yes(conclusion),
            _ => Seen::NotYet(format!("{states:?}")),
        }
    })
    .await?;
    expect_equal("conclusion of the run", &"success".to_owned(), &conclusion)?;
    Ok(states
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner))
}

async fn log_of(context: &Context, jobs: &[Job], name: &str) -> anyhow::Result<String> {
    let Some(job) = jobs.iter().find(|job| job.name == name) else {
        let names: Vec<&str> = jobs.iter().map(|job| job.name.as_str()).collect();
        expect(format!("a job called {name}"), false, format!("{names:?}"))?;
        unreachable!("the expectation above never holds");
    };
    let log = context
        .ghes()
        .job_log(&context.tenant().repository(), job.id)
        .await;
    log.with_context(|| format!("read the log of {name}"))
}

/// `tag_date=` followed by a date such as `2023-07-15`.
fn has_date(log: &str) -> bool {
    log.split("tag_date=").skip(1).any(|rest| {
        let shape: String = rest
            .chars()
            .take(10)
            .map(|c| if c.is_ascii_digit() { '0' } else { c })
            .collect();
        shape == "0000-00-00"
    })
}
