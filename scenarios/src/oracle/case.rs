//! A case of the differential test: an autoscaler, its target, and what GHES says of it at each of several moments.
//!
//! What it is not: it draws nothing and asks nobody.

use harness::model::Scope;
use harness::model::autoscaling::{
    Busy, Job, ListedRunner, Observed, Run, RunWithoutJobs, Spec, necessary_replicas,
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

/// Runners that every target has. Nobody registers them and they have no pods: GHES lists of them what a case says.
pub(super) const POOL: usize = 60;

/// The labels of every target's runners.
pub(super) const LABELS: [&str; 2] = ["linux", "gpu"];

/// The repositories whose workflow runs can count; a target of repository scope belongs to the first.
pub(crate) const REPOSITORIES: [&str; 2] = ["one", "two"];

/// A case. As YAML it is what a person needs to play it again by hand.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Case {
    /// Its place among those of its seed.
    pub(super) number: usize,
    /// What the target is.
    #[serde(flatten)]
    pub(super) flavour: Flavour,
    /// The target's `spec.replicas` before the first moment.
    pub(super) replicas: Option<i64>,
    /// Pods of the target that GHES would not let go.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) refused: Vec<Refused>,
    /// At least one, in their order.
    pub(super) moments: Vec<Moment>,
    /// As the ARC has it to which it is played.
    #[serde(skip)]
    pub(super) run_without_jobs: RunWithoutJobs,
}

/// What a target cannot change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Flavour {
    pub(super) level: Level,
    pub(super) ephemeral: bool,
}

/// Where its runners are registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Level {
    Enterprise,
    Organization,
    Repository,
}

impl Flavour {
    /// Every one, so that a list of targets repeats them in turn.
    pub(super) const ALL: [Flavour; 6] = {
        const fn flavour(level: Level, ephemeral: bool) -> Flavour {
            Flavour { level, ephemeral }
        }
        [
            flavour(Level::Enterprise, true),
            flavour(Level::Organization, true),
            flavour(Level::Repository, true),
            flavour(Level::Enterprise, false),
            flavour(Level::Organization, false),
            flavour(Level::Repository, false),
        ]
    };

    /// Its scope at this company.
    pub(super) fn scope(self, company: &str) -> Scope {
        match self.level {
            Level::Enterprise => Scope::Enterprise(company.to_owned()),
            Level::Organization => Scope::Organization(company.to_owned()),
            Level::Repository => Scope::Repository {
                owner: company.to_owned(),
                name: REPOSITORIES[0].to_owned(),
            },
        }
    }
}

/// A pod whose unregistration GHES refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Refused {
    /// Whether its Runner is still there.
    pub(crate) runner: bool,
    /// Whether GHES lists it, and as busy.
    pub(crate) listed: Option<bool>,
}

/// From this time on, until the next.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Moment {
    /// To what the clock is set, in whole seconds.
    pub(super) at: Timestamp,
    /// The autoscaler's `spec`, without its target.
    pub(super) spec: Value,
    /// To what somebody sets the target's `spec.replicas` first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) edited: Option<i64>,
    /// What GHES says.
    pub(super) load: Load,
}

/// What GHES says of a target.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Load {
    /// Of the target's runners, so many are listed as busy,
    pub(crate) busy: usize,
    /// so many as idle, and the rest is not listed.
    pub(crate) idle: usize,
    /// Busy runners of somebody else.
    pub(crate) strangers: usize,
    /// Workflow runs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) runs: Vec<WorkflowRun>,
}

/// A workflow run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct WorkflowRun {
    pub(crate) repository: &'static str,
    pub(crate) id: i64,
    pub(crate) status: &'static str,
    /// Absent: GHES answers 404.
    pub(crate) jobs: Option<Vec<WorkflowJob>>,
}

/// A job of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct WorkflowJob {
    pub(crate) status: &'static str,
    pub(crate) labels: Vec<&'static str>,
}

/// The name of a runner of the pool.
pub(super) fn pool_runner(index: usize) -> String {
    format!("pool-{index}")
}

impl Case {
    /// The name of a pod that GHES would not let go, and of its Runner.
    pub(super) fn refused_name(autoscaler: &str, index: usize) -> String {
        format!("{autoscaler}-refused-{index}")
    }

    /// GHES's list of runners at this moment.
    pub(super) fn listed(&self, moment: usize, autoscaler: &str) -> Vec<ListedRunner> {
        let load = &self.moments[moment].load;
        let runner = |name: String, busy: bool| ListedRunner { name, busy };
        let pool = (0..POOL.min(load.busy + load.idle)).map(|i| runner(pool_runner(i), i < load.busy));
        let strangers = (0..load.strangers).map(|i| runner(format!("stranger-{i}"), true));
        let refused = self.refused.iter().enumerate().filter_map(|(i, refused)| {
            let name = Case::refused_name(autoscaler, i);
            Some(runner(name, refused.listed?))
        });
        pool.chain(strangers).chain(refused).collect()
    }

    /// The names of the target's Runners.
    pub(super) fn own(&self, autoscaler: &str) -> Vec<String> {
        let refused = self
            .refused
            .iter()
            .enumerate()
            .filter(|(_, refused)| refused.runner);
        let refused = refused.map(|(i, _)| Case::refused_name(autoscaler, i));
        (0..POOL).map(pool_runner).chain(refused).collect()
    }

    /// What the oracle is told, but for the target's replicas.
    pub(super) fn observed(&self, moment: usize, autoscaler: &str, company: &str) -> Observed {
        let refused: Vec<String> = (0..self.refused.len())
            .map(|i| Case::refused_name(autoscaler, i))
            .collect();
        Observed {
            replicas: None,
            ephemeral: self.flavour.ephemeral,
            scope: self.flavour.scope(company),
            busy: Busy::count(&self.own(autoscaler), &refused, &self.listed(moment, autoscaler)),
            open_jobs: self.open_jobs(moment),
        }
    }

    /// The open jobs of the repositories that the metric names, each as often as it names it.
    fn open_jobs(&self, moment: usize) -> i64 {
        let Moment { spec, load, .. } = &self.moments[moment];
        let labels = LABELS.map(str::to_owned);
        self.counted(spec)
            .iter()
            .map(|repository| {
                let runs: Vec<Run> = load
                    .runs
                    .iter()
                    .filter(|run| run.repository == repository)
                    .map(WorkflowRun::to_model)
                    .collect();
                necessary_replicas(&runs, &labels, self.run_without_jobs)
            })
            .sum()
    }

    /// The repositories whose runs ARC reads: those of the metric that it asks, which is the first of the kind.
    fn counted(&self, spec: &Value) -> Vec<String> {
        if self.flavour.level == Level::Repository {
            return vec![REPOSITORIES[0].to_owned()];
        }
        let metrics = spec["metrics"].as_array().into_iter().flatten();
        let mut of_runs = metrics.filter(|metric| metric["type"] == RUNS);
        let names = of_runs
            .next()
            .and_then(|metric| metric["repositoryNames"].as_array());
        let names = names.into_iter().flatten().filter_map(Value::as_str);
        names.map(str::to_owned).collect()
    }

    /// The moment's spec as the oracle reads it.
    pub(super) fn spec(&self, moment: usize) -> Result<Spec, serde_json::Error> {
        serde_json::from_value(self.moments[moment].spec.clone())
    }
}

/// The metric of workflow runs.
pub(crate) const RUNS: &str = "TotalNumberOfQueuedAndInProgressWorkflowRuns";

/// The metric of busy runners.
pub(crate) const PERCENTAGE: &str = "PercentageRunnersBusy";

impl WorkflowRun {
    fn to_model(&self) -> Run {
        let job = |job: &WorkflowJob| Job {
            status: job.status.to_owned(),
            labels: job.labels.iter().map(|label| (*label).to_owned()).collect(),
        };
        Run {
            id: self.id,
            status: self.status.to_owned(),
            jobs: self.jobs.as_ref().map(|jobs| jobs.iter().map(job).collect()),
        }
    }

    /// As REST shows it.
    pub(super) fn to_json(&self) -> Value {
        json!({ "id": self.id, "status": self.status })
    }
}

impl WorkflowJob {
    /// As REST shows it.
    pub(super) fn to_json(&self) -> Value {
        json!({ "id": 1, "status": self.status, "labels": self.labels })
    }
}
