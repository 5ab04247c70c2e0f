//! What a manifest may say of metrics, and which jobs and repositories count.
//!
//! Source: ARC's documentation on pull driven scaling; that a refusal is an event, and that labels are compared literally, is its source. Not
//! covered: runners, and GHES's own answers: what it says of runs and jobs is the tables' input. `metrics::queued-jobs` has real jobs.

use anyhow::Context as _;
use futures::FutureExt as _;
use harness::model::Check;
use harness::{Context, Scenario};
use serde_json::{Value, json};

use crate::oracle::case::{Level, Load, PERCENTAGE, REPOSITORIES, RUNS, WorkflowJob, WorkflowRun};
use crate::oracle::rows::{Row, UTC, Wanted, are_as_promised, busy, of_rows, play, second};
use crate::scaling::await_failure;

pub(crate) const ADJUSTMENT_AND_FACTOR: Scenario = Scenario {
    check: || {
        Check {
        id: "scaling::both-adjustment-and-factor".into(),
        claim: "an autoscaler with adjustment and factor of one direction, a negative adjustment or a factor that is no number leaves DESIRED \
                as it is and has an event RunnerAutoscalingFailure that says why; put right, it scales"
            .into(),
        grounds: "ARC's documentation: scaling by a percentage or by a fixed count; ARC's source: its event".into(),
        not_covered: "the event's type, which is Normal and not Warning; an admission webhook, of which there is none".into(),
        ..of_rows(UTC, vec![])
    }
    },
    run: |context| refusals(context, adjustments()).boxed(),
};

pub(crate) const SEVERAL: Scenario = Scenario {
    check: || {
        Check {
        id: "scaling::several-metrics".into(),
        claim: "TotalNumberOfQueuedAndInProgressWorkflowRuns as second metric is asked only when PercentageRunnersBusy gives 0; three metrics are \
                refused with an event, and so are two in another order, but only once the first gives 0"
            .into(),
        grounds: "ARC's documentation on combining pull driven scaling metrics: the second is used if the first returns 0; in the other order the \
                  controller fails"
            .into(),
        not_covered: "runners, which are not real here".into(),
        ..of_rows(UTC, vec![1, 2])
    }
    },
    run: |context| refusals(context, several()).boxed(),
};

pub(crate) const REPOSITORY_NAMES: Scenario = Scenario {
    check: || {
        Check {
        id: "scaling::repository-names".into(),
        claim: "for runners of an organization the jobs of the repositories count that the metric names, and of no others; without names it is \
                refused with an event, and for an enterprise always; for a repository's runners its own jobs count, whatever is named"
            .into(),
        grounds: "ARC's documentation: a list of repositories must be included within the metric".into(),
        not_covered: "repositories that do not exist; runners, which are not real here".into(),
        ..of_rows(UTC, vec![])
    }
    },
    run: |context| refusals(context, repositories()).boxed(),
};

pub(crate) const QUEUED_LABELS: Scenario = Scenario {
    check: || {
        Check {
        id: "metrics::queued-labels".into(),
        claim: "a queued or running job counts if each of its labels but self-hosted is one of the RunnerDeployment's, in whatever case; one \
                without labels or with a label besides does not"
            .into(),
        grounds: "ARC's documentation: job labels choose the RunnerDeployment; GitHub's documentation on self-hosted runners: labels are not \
                  case sensitive"
            .into(),
        not_covered: "runners, which are not real here; labels that every runner has, such as X64".into(),
        ..of_rows(UTC, vec![2])
    }
    },
    run: |context| refusals(context, labels()).boxed(),
};

async fn refusals(context: Context, rows: Vec<Row>) -> anyhow::Result<()> {
    let played = play(&context, UTC, rows).await?;
    for row in &played {
        for words in &row.errors {
            let event = await_failure(&context, &row.autoscaler, words).await;
            event.with_context(|| format!("the row {:?}", row.name))?;
        }
    }
    are_as_promised(&played)?;
    Ok(())
}

fn spec(metrics: &Value) -> Value {
    json!({ "minReplicas": 1, "maxReplicas": 20, "metrics": metrics })
}

fn runs_of(names: &[&str]) -> Value {
    json!({ "type": RUNS, "repositoryNames": names })
}

fn adjustments() -> Vec<Row> {
    let row = |name: &str, more: &Value| {
        let mut metric = json!({ "type": PERCENTAGE });
        for (field, value) in more.as_object().into_iter().flatten() {
            metric[field] = value.clone();
        }
        Row::new(name, Level::Enterprise, 4, spec(&json!([metric])))
    };
    let both_up = json!({ "scaleUpAdjustment": 2, "scaleUpFactor": "2" });
    let both_down = json!({ "scaleDownAdjustment": 2, "scaleDownFactor": "0.5" });
    let up = "scaleUpAdjustment scaleUpFactor cannot be specified together";
    vec![
        row("both of a rise", &both_up).at(second(0), busy(4), Wanted::Refused(None, up)),
        row("both of a fall", &both_down).at(
            second(0),
            busy(4),
            Wanted::Refused(
                None,
                "scaleDownAdjustment scaleDownFactor cannot be specified together",
            ),
        ),
        row("less than none", &json!({ "scaleUpAdjustment": -1 })).at(
            second(0),
            busy(4),
            Wanted::Refused(None, "scaleUpAdjustment cannot be lower than 0"),
        ),
        row(
            "a factor that is no number",
            &json!({ "scaleUpFactor": "double" }),
        )
        .at(
            second(0),
            busy(4),
            Wanted::Refused(None, "scaleUpFactor cannot be parsed into a float64"),
        ),
        row(
            "one of each direction",
            &json!({ "scaleUpAdjustment": 3, "scaleDownFactor": "0.5" }),
        )
        .at(second(0), busy(4), Wanted::Desired(7)),
        row("wrong for a while", &json!({ "scaleUpAdjustment": 2 }))
            .at(second(0), busy(4), Wanted::Desired(6))
            .then(|spec| spec["metrics"][0]["scaleUpFactor"] = json!("2"))
            .at(second(60), busy(6), Wanted::Refused(Some(6), up))
            .then(|spec| spec["metrics"][0]["scaleUpFactor"] = json!(""))
            .at(second(120), busy(6), Wanted::Desired(8)),
    ]
}

/// So many queued jobs in each repository.
fn queued(counts: [usize; 2]) -> Load {
    let run = |(index, count): (usize, usize)| WorkflowRun {
        repository: REPOSITORIES[index],
        id: 100 + i64::try_from(index).unwrap_or_default(),
        status: "queued",
        jobs: Some(
            (0..count)
                .map(|_| job("queued", &["self-hosted", "linux"]))
                .collect(),
        ),
    };
    Load {
        runs: counts.into_iter().enumerate().map(run).collect(),
        ..Load::default()
    }
}

fn job(status: &'static str, labels: &[&'static str]) -> WorkflowJob {
    WorkflowJob {
        status,
        labels: labels.to_vec(),
    }
}

fn several() -> Vec<Row> {
    let (busy_first, jobs_first) = (
        json!([{ "type": PERCENTAGE, "scaleUpFactor": "2" }, runs_of(&[])]),
        json!([runs_of(&[]), { "type": PERCENTAGE }]),
    );
    let three = json!([{ "type": PERCENTAGE }, runs_of(&[]), runs_of(&[])]);
    let twice = json!([{ "type": PERCENTAGE }, { "type": PERCENTAGE }]);
    let row = |name: &str, replicas: i64, metrics: &Value| {
        Row::new(name, Level::Repository, replicas, spec(metrics))
    };
    let other_order =
        "cannot be combined with TotalNumberOfQueuedAndInProgressWorkflowRuns PercentageRunnersBusy";
    vec![
        row("busy runners, and jobs", 2, &busy_first).at(
            second(0),
            Load {
                busy: 2,
                ..queued([7, 0])
            },
            Wanted::Desired(4),
        ),
        row("no runner, and jobs", 0, &busy_first).at(second(0), queued([3, 0]), Wanted::Desired(3)),
        row("the other order, and jobs", 2, &jobs_first).at(second(0), queued([3, 0]), Wanted::Desired(3)),
        row("the other order, and no job", 2, &jobs_first).at(
            second(0),
            busy(2),
            Wanted::Refused(None, other_order),
        ),
        row("three", 2, &three).at(
            second(0),
            queued([3, 0]),
            Wanted::Refused(None, "too many autoscaling metrics"),
        ),
        row("the same twice, of no runner", 0, &twice).at(
            second(0),
            busy(0),
            Wanted::Refused(
                None,
                "cannot be combined with PercentageRunnersBusy PercentageRunnersBusy",
            ),
        ),
    ]
}

fn repositories() -> Vec<Row> {
    let [one, two] = REPOSITORIES;
    let row =
        |name: &str, level: Level, names: &[&str]| Row::new(name, level, 0, spec(&json!([runs_of(names)])));
    let at = second(0);
    let unnamed = Wanted::Refused(None, "repositoryNames is required");
    let nowhere = Wanted::Refused(None, "should not be empty on this code path");
    vec![
        row("one named", Level::Organization, &[one]).at(at, queued([2, 3]), Wanted::Desired(2)),
        row("the other named", Level::Organization, &[two]).at(at, queued([2, 3]), Wanted::Desired(3)),
        row("both named", Level::Organization, &[one, two]).at(at, queued([2, 3]), Wanted::Desired(5)),
        row("none named", Level::Organization, &[]).at(at, queued([2, 3]), unnamed),
        row("an enterprise's", Level::Enterprise, &[one]).at(at, queued([2, 3]), nowhere),
        row("a repository's own", Level::Repository, &[]).at(at, queued([2, 3]), Wanted::Desired(2)),
        row("a repository's, with another named", Level::Repository, &[two]).at(
            at,
            queued([2, 3]),
            Wanted::Desired(2),
        ),
    ]
}

/// One run of such a job makes so many runners necessary. The RunnerDeployment names `linux` and `gpu`.
fn labels() -> Vec<Row> {
    let of = |name: &str| {
        let spec = json!({ "minReplicas": 0, "maxReplicas": 20, "metrics": [runs_of(&[])] });
        Row::new(name, Level::Repository, 0, spec)
    };
    let load = |status: &'static str, jobs: Option<Vec<WorkflowJob>>| Load {
        runs: vec![WorkflowRun {
            repository: REPOSITORIES[0],
            id: 100,
            status,
            jobs,
        }],
        ..Load::default()
    };
    let row = |name: &str, run: &'static str, jobs: Option<Vec<WorkflowJob>>, desired: i64| {
        of(name).at(second(0), load(run, jobs), Wanted::Desired(desired))
    };
    let one = |name: &str, labels: &[&'static str], desired: i64| {
        row(name, "queued", Some(vec![job("queued", labels)]), desired)
    };
    // GitHub takes the two for the same, ARC does not.
    let other_case = |name: &str, labels: &[&'static str]| {
        let load = load("queued", Some(vec![job("queued", labels)]));
        of(name).at_though(second(0), load, Wanted::Desired(0), 1)
    };
    vec![
        one("every label", &["self-hosted", "linux", "gpu"], 1),
        one("some labels", &["gpu"], 1),
        one("self-hosted alone", &["self-hosted"], 1),
        other_case("self-hosted in another case", &["Self-Hosted"]),
        other_case("a label in another case", &["self-hosted", "Linux"]),
        one("a label besides", &["self-hosted", "linux", "x64"], 0),
        one("another label", &["windows"], 0),
        one("no label", &[], 0),
        row("no job", "queued", Some(Vec::new()), 0),
        row("jobs that GHES does not list", "queued", None, 0),
        row(
            "jobs of every status",
            "in_progress",
            Some(vec![
                job("queued", &["linux"]),
                job("in_progress", &["linux"]),
                job("completed", &["linux"]),
                job("waiting", &["linux"]),
                job("in_progress", &["windows"]),
            ]),
            2,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::rows::tests::are_what_the_oracle_says;

    #[test]
    fn the_rows_are_what_the_oracle_says() {
        for rows in [adjustments(), several(), repositories(), labels()] {
            are_what_the_oracle_says(UTC, &rows);
        }
    }
}
