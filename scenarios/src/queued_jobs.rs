//! Runners follow the queue: the metric `TotalNumberOfQueuedAndInProgressWorkflowRuns`.
//!
//! Source: ARC's documentation on pull driven scaling; that it counts jobs whose labels the manifest names literally, is its source. Not covered:
//! runners of an organization, for which repositories must be listed; runs that wait for an approval.

use std::collections::BTreeMap;

use anyhow::Context as _;
use futures::FutureExt as _;
use harness::arc::resources;
use harness::cluster::{Seen, eventually};
use harness::ghes::Scope;
use harness::model::autoscaling::{Job, Run, RunWithoutJobs, necessary_replicas};
use harness::model::{Capability, Check, Claim, Profile};
use harness::{Context, Scenario};
use serde_json::{Value, json};

use crate::fleet;
use crate::metrics::{Series, differences, labels};
use crate::visit::visit;
use crate::webhook::{LONG, autoscaler, deployment};

pub(crate) const QUEUED_JOBS: Scenario = Scenario {
    check: || {
        Check {
        id: "metrics::queued-jobs".into(),
        claim: "with three queued jobs for its labels the autoscaler of a repository wants three runners, and its metrics say why; when \
                they are cancelled it wants its minimum"
            .into(),
        grounds: "ARC's documentation on pull driven scaling: TotalNumberOfQueuedAndInProgressWorkflowRuns; the oracle's count".into(),
        not_covered: "jobs in progress; runners of an organization; runs that wait for an approval".into(),
        profile: Profile::Core,
        needs: vec![Capability::RunPods, Capability::Ledger],
        claims: Claim::SharedArc,
        pains: vec![1, 2],
    }
    },
    run: |context| queued_jobs(context).boxed(),
};

const MIN: i64 = 1;

async fn queued_jobs(context: Context) -> anyhow::Result<()> {
    let desk = context.desk().await?;
    let repository = context.tenant().repository();
    let run = visit(&context, &repository, &desk, &["1", "2", "3"]).await?;
    let deployment = fixtures::for_scope(deployment(&context)?, &Scope::from(&repository));
    let deployment = fleet::without_a_node(deployment);
    let mut autoscaler = autoscaler(&context, 5, LONG);
    autoscaler["spec"]["minReplicas"] = json!(MIN);
    autoscaler["spec"]["metrics"] = json!([{ "type": "TotalNumberOfQueuedAndInProgressWorkflowRuns" }]);
    if let Some(spec) = autoscaler["spec"].as_object_mut() {
        spec.remove("scaleUpTriggers");
    }
    let name = autoscaler["metadata"]["name"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let kind = resources::horizontal_runner_autoscaler();
    let desired = context.trail(&kind, &name, "/status/desiredReplicas");
    context.apply(&deployment).await?;
    context.apply(&autoscaler).await?;

    let wanted = wanted(&context, &deployment).await?;
    desired.reaches(wanted, fleet::DEADLINE).await?;
    await_metrics(&context, &deployment, &name, wanted).await?;
    context
        .ghes()
        .cancel(&repository, run)
        .await
        .context("cancel the run")?;
    desired.reaches(MIN, fleet::DEADLINE).await?;
    await_metrics(&context, &deployment, &name, 0).await
}

/// How many runners the oracle counts, of what GHES's state shows.
async fn wanted(context: &Context, deployment: &Value) -> anyhow::Result<i64> {
    let (runs, jobs) = (context.hand().runs().await?, context.hand().jobs().await?);
    let repository = context.tenant().repository().to_string();
    let runs: Vec<Run> = runs
        .iter()
        .filter(|run| run.repository.to_string() == repository)
        .map(|run| Run {
            id: i64::try_from(run.id).unwrap_or_default(),
            status: run.status.as_str().to_owned(),
            jobs: Some(
                jobs.iter()
                    .filter(|job| job.run_id == run.id)
                    .map(|job| Job {
                        status: job.status.as_str().to_owned(),
                        labels: job.labels.clone(),
                    })
                    .collect(),
            ),
        })
        .collect();
    let labels = deployment
        .pointer("/spec/template/spec/labels")
        .cloned()
        .unwrap_or_default();
    let labels: Vec<String> = serde_json::from_value(labels).context("read the runners' labels")?;
    Ok(necessary_replicas(&runs, &labels, RunWithoutJobs::default()))
}

/// Waits until the metrics say that so many queued jobs make so many runners necessary.
async fn await_metrics(
    context: &Context,
    deployment: &Value,
    autoscaler: &str,
    queued: i64,
) -> anyhow::Result<()> {
    let target = deployment["metadata"]["name"].as_str().unwrap_or_default();
    let repository = context.tenant().repository().to_string();
    let long = labels(&[
        ("horizontalrunnerautoscaler", autoscaler),
        ("namespace", context.namespace()),
        ("enterprise", ""),
        ("organization", ""),
        ("repository", &repository),
        ("kind", "runnerdeployment"),
        ("name", target),
    ]);
    let names = [
        ("necessary_replicas", queued),
        ("workflow_runs_queued", queued),
        ("workflow_runs_in_progress", 0),
        ("workflow_runs_completed", 0),
        ("workflow_runs_unknown", 0),
    ];
    let expected: BTreeMap<Series, String> = names
        .into_iter()
        .map(|(name, value)| {
            let name = format!("horizontalrunnerautoscaler_{name}");
            ((name, long.clone()), value.to_string())
        })
        .collect();
    eventually(
        &format!("metrics of {queued} queued jobs"),
        fleet::DEADLINE,
        || async {
            let samples = match context.arc_metrics(0).await {
                Ok(samples) => samples,
                Err(error) => return Seen::NotYet(error.to_string()),
            };
            let about = samples
                .into_iter()
                .filter(|s| s.labels.get("namespace") == long.get("namespace"));
            let about = about.filter(|s| expected.keys().any(|(name, _)| *name == s.name));
            let seen = about.map(|s| ((s.name, s.labels), s.value.to_string())).collect();
            if seen == expected {
                Seen::Yes(())
            } else {
                Seen::NotYet(differences(&expected, &seen))
            }
        },
    )
    .await?;
    Ok(())
}
