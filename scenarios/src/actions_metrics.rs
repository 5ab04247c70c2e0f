//! Metrics of jobs: ARC's real actions-metrics-server, told by GHES of jobs that real runners did.
//!
//! Source: ARC's documentation on monitoring; names and labels are those of its source. Times are those of the jobs' logs, which it fetches from
//! GHES. Not covered: a job whose log cannot be read yet when it begins (its queue time is then missing); exit codes of two digits, which are
//! not recognised; an event without conclusion or repository, which GHES does not send and which ends the program.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use futures::FutureExt as _;
use harness::cluster::{Sample, Seen, eventually};
use harness::mock_ghes::Signature;
use harness::mock_ghes::view::{Conclusion, JobView};
use harness::model::{ArcServer, Capability, Check, Claim, OwnArc, Profile};
use harness::{Context, Scenario, expect, expect_equal};
use jiff::Timestamp;
use serde_json::json;

use crate::fleet;
use crate::metrics::{Series, labels};
use crate::visit::visit;
use crate::webhook::answered;

pub(crate) const JOBS: Scenario = Scenario {
    check: || {
        Check {
        id: "actions-metrics::jobs".into(),
        claim: "of two jobs that succeed and one that fails, the metrics count queued, started and completed, conclusion, failed step and \
                exit code, and have the queue and run times of the jobs' logs; broken, unsigned and other deliveries change nothing"
            .into(),
        grounds: "ARC's documentation on monitoring with the actions-metrics-server".into(),
        not_covered: "a job whose log cannot be read when it begins; exit codes of two digits; events without a conclusion, which end the \
                      program"
            .into(),
        profile: Profile::Extended,
        needs: vec![Capability::RunPods, Capability::Ledger, Capability::ForceFault],
        claims: Claim::OwnArc(OwnArc {
            servers: vec![ArcServer::ActionsMetrics],
            ..OwnArc::default()
        }),
        pains: vec![25],
    }
    },
    run: |context| jobs(context).boxed(),
};

/// The ticket of the job that fails, and its exit code.
const FAILS: &str = "fail";
const EXIT_CODE: &str = "3";

async fn jobs(context: Context) -> anyhow::Result<()> {
    let desk = context.desk().await?;
    let hook = context
        .hook(&context.tenant().organization(), ArcServer::ActionsMetrics)
        .await?;
    // The logs are there by the time that the server is told.
    context.hand().hold_deliveries().await?;
    let mut deployment = context.runner_deployment()?;
    deployment["spec"]["replicas"] = json!(3);
    context.apply(&deployment).await?;
    visit(
        &context,
        &context.tenant().repository(),
        &desk,
        &["1", "2", FAILS],
    )
    .await?;
    desk.waiting(3, fleet::DEADLINE).await?;
    desk.let_all_go();
    let jobs = await_completed(&context, 3).await?;

    refused(&context, hook).await?;
    context.hand().release_deliveries().await?;
    let mut expected = BTreeMap::new();
    for job in &jobs {
        let log = context.hand().job_log(job.id).await?;
        expected.extend(of_job(&context, job, &log.unwrap_or_default())?);
    }
    let count = eventually("the metrics of three jobs", fleet::DEADLINE, || async {
        match context.server_metrics(ArcServer::ActionsMetrics).await {
            Ok(samples) => match differences(&expected, &samples) {
                None => Seen::Yes(expected.len()),
                Some(text) => Seen::NotYet(text),
            },
            Err(error) => Seen::NotYet(format!("{error:#}")),
        }
    })
    .await?;
    context.observe(format!("{count} series as awaited"));
    bounded(&context).await?;
    let sent = context.hand().deliveries().await?;
    expect(
        "every delivery of a job answered 200",
        sent.iter()
            .filter(|d| d.job.is_some())
            .all(|d| d.status == Some(200)),
        format!(
            "{:?}",
            sent.iter().map(|d| (&d.action, d.status)).collect::<Vec<_>>()
        ),
    )?;
    Ok(())
}

/// The upper bounds of the histograms' buckets, in seconds: dashboards go by them.
const BOUNDS: &str = "0.01 0.05 0.1 0.5 1 2 3 4 5 6 7 8 9 10 12 15 18 20 25 30 40 50 60 70 80 90 100 110 120 150 180 210 240 300 360 420 480 540 600 900 \
                      1200 1800 2400 3000 3600 +Inf";

async fn bounded(context: &Context) -> anyhow::Result<()> {
    let samples = context.server_metrics(ArcServer::ActionsMetrics).await?;
    for what in ["queue", "run"] {
        let name = format!("github_workflow_job_{what}_duration_seconds_bucket");
        let buckets = samples.iter().filter(|sample| sample.name == name);
        let seen: BTreeSet<&str> = buckets
            .filter_map(|sample| sample.labels.get("le"))
            .map(String::as_str)
            .collect();
        let bounds: BTreeSet<&str> = BOUNDS.split_whitespace().collect();
        expect_equal(&format!("the bounds of {name}"), &bounds, &seen)?;
    }
    Ok(())
}

async fn await_completed(context: &Context, count: usize) -> anyhow::Result<Vec<JobView>> {
    let jobs = eventually(&format!("{count} completed jobs"), fleet::DEADLINE, || async {
        match context.hand().jobs().await {
            Ok(jobs) if jobs.len() == count && jobs.iter().all(|j| j.conclusion.is_some()) => Seen::Yes(jobs),
            Ok(jobs) => Seen::NotYet(format!(
                "{:?}",
                jobs.iter().map(|j| j.conclusion).collect::<Vec<_>>()
            )),
            Err(error) => Seen::NotYet(error.to_string()),
        }
    })
    .await?;
    Ok(jobs)
}

/// Deliveries that are no event of a job.
async fn refused(context: &Context, hook: u64) -> anyhow::Result<()> {
    let queued = json!({ "action": "queued", "workflow_job": { "id": 1, "name": "forged" } }).to_string();
    let cases = [
        ("workflow_job", queued.as_str(), Signature::Bad, 500, ""),
        ("workflow_job", queued.as_str(), Signature::Missing, 500, ""),
        ("workflow_job", "{\"action\":", Signature::Good, 500, ""),
        ("no_such_event", "{}", Signature::Good, 500, ""),
        ("push", "{}", Signature::Good, 200, "ok"),
        ("ping", "{}", Signature::Good, 200, "pong"),
    ];
    for (event, payload, signature, status, answer) in cases {
        let told = context.hand().tell(hook, event, payload, signature).await?;
        let told = told.context("GHES has lost the webhook")?;
        answered(&told, &format!("{signature:?} signature"), status, answer)?;
    }
    Ok(())
}

/// What the metrics must be of one job, by GHES's state and the job's log.
fn of_job(context: &Context, job: &JobView, log: &str) -> anyhow::Result<BTreeMap<Series, f64>> {
    let repository = context.tenant().repository();
    let common = labels(&[
        ("runs_on", &job.labels.join(",")),
        ("job_name", &job.name),
        // ARC reads a field that webhooks do not have.
        ("organization", ""),
        ("repository", &repository.name),
        ("repository_full_name", &repository.to_string()),
        ("owner", &repository.owner),
        ("workflow_name", &job.workflow_name),
        ("head_branch", &job.head_branch),
    ]);
    let conclusion = job.conclusion.map(Conclusion::as_str).unwrap_or_default();
    let with = |more: &[(&str, &str)]| {
        let mut all = common.clone();
        all.extend(labels(more));
        all
    };
    let series = |name: &str, labels: BTreeMap<String, String>, value: f64| {
        ((format!("github_workflow_job{name}"), labels), value)
    };
    let concluded = [("job_conclusion", conclusion)];
    let times = Times::of(log)?;
    let mut expected = BTreeMap::from([
        series("s_queued_total", common.clone(), 1.0),
        series("s_started_total", common.clone(), 1.0),
        series("s_completed_total", common.clone(), 1.0),
        series("_conclusions_total", with(&concluded), 1.0),
        series("_queue_duration_seconds_count", common.clone(), 1.0),
        series("_queue_duration_seconds_sum", common.clone(), times.queued),
        series("_run_duration_seconds_count", with(&concluded), 1.0),
        series("_run_duration_seconds_sum", with(&concluded), times.ran),
    ]);
    if job.conclusion == Some(Conclusion::Failure) {
        let failed = job
            .steps
            .iter()
            .position(|s| s.conclusion == Some(Conclusion::Failure));
        let failed = failed.context("a failed job has a failed step")?.to_string();
        let labels = with(&[("failed_step", failed.as_str()), ("exit_code", EXIT_CODE)]);
        expected.extend([series("_failures_total", labels, 1.0)]);
    }
    Ok(expected)
}

/// A job's times in seconds, as its log has them: from the wait for a runner to its start, and from there to the last line that is no error.
#[derive(Debug, PartialEq)]
struct Times {
    queued: f64,
    ran: f64,
}

impl Times {
    fn of(log: &str) -> anyhow::Result<Times> {
        let lines = log.lines().filter_map(|line| line.split_once(' '));
        let lines: Vec<(Timestamp, &str)> = lines
            .filter_map(|(at, text)| Some((at.parse().ok()?, text)))
            .filter(|(_, text)| !text.is_empty() && !text.starts_with("##[error]"))
            .collect();
        let find = |beginning: &str| {
            let found = lines.iter().find(|(_, text)| text.starts_with(beginning));
            found
                .map(|(at, _)| *at)
                .with_context(|| format!("the log has no line {beginning:?}"))
        };
        let waits = find("Waiting for a runner")?;
        let starts = find("Job is about to start")?;
        let (ends, _) = lines.last().context("the log has no line")?;
        Ok(Times {
            queued: starts.duration_since(waits).as_secs_f64(),
            ran: ends.duration_since(starts).as_secs_f64(),
        })
    }
}

/// Less than the clock's own step between two lines of a log.
const TOLERANCE: f64 = 1e-6;

/// So many differences are told in full: each has all labels of its job.
const TOLD: usize = 2;

/// How the counts, sums and durations of jobs differ from what is awaited; none: not at all.
fn differences(expected: &BTreeMap<Series, f64>, samples: &[Sample]) -> Option<String> {
    let of_jobs = samples
        .iter()
        .filter(|sample| sample.name.starts_with("github_workflow_job") && !sample.name.ends_with("_bucket"));
    let seen: BTreeMap<Series, f64> = of_jobs
        .map(|sample| ((sample.name.clone(), sample.labels.clone()), sample.value))
        .collect();
    let all: BTreeSet<&Series> = expected.keys().chain(seen.keys()).collect();
    let different = all
        .into_iter()
        .filter_map(|series| match (expected.get(series), seen.get(series)) {
            (Some(awaited), Some(seen)) if (awaited - seen).abs() < TOLERANCE => None,
            (awaited, seen) => Some(format!(
                "{}{:?}: {seen:?}, awaited {awaited:?}",
                series.0, series.1
            )),
        });
    let different: Vec<String> = different.collect();
    let (told, more) = different.split_at(different.len().min(TOLD));
    match more.len() {
        _ if told.is_empty() => None,
        0 => Some(told.join("; ")),
        count => Some(format!("{}; and {count} more", told.join("; "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_log_without_its_errors() {
        let log = "2026-01-01T00:00:00.0000000Z Waiting for a runner to pick up this job...\n\
                   2026-01-01T00:00:02.5000000Z Job is about to start running on the runner: r1\n\
                   2026-01-01T00:00:03.0000000Z hello\n\
                   2026-01-01T00:00:09.0000000Z ##[error]Process completed with exit code 3.\n";

        let times = Times::of(log).expect("the log has all lines");

        assert_eq!(
            times,
            Times {
                queued: 2.5,
                ran: 0.5
            }
        );
    }

    #[test]
    fn a_difference_names_the_series_and_both_values() {
        let series = (
            "github_workflow_jobs_queued_total".to_owned(),
            labels(&[("owner", "o")]),
        );
        let sample = Sample {
            name: series.0.clone(),
            labels: series.1.clone(),
            value: 2.0,
        };
        let awaited = |value| BTreeMap::from([(series.clone(), value)]);

        let differs = differences(&awaited(1.0), std::slice::from_ref(&sample));

        assert_eq!(
            differs.as_deref(),
            Some("github_workflow_jobs_queued_total{\"owner\": \"o\"}: Some(2.0), awaited Some(1.0)")
        );
        assert_eq!(differences(&awaited(2.0), &[sample]), None);
    }
}
