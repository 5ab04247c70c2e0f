//! Questions that change nothing: lists of runners, runs and jobs, and a job's log.

use super::job::Job;
use super::{Message, State};
use crate::view::{JobView, RunView, RunnerView};
use crate::{RepositoryName, clock};

/// Every runner of the server, oldest first.
pub(crate) struct Runners;

impl Message for Runners {
    type Reply = Vec<RunnerView>;
    const CHANGES: bool = false;

    fn apply(self, state: &mut State) -> Vec<RunnerView> {
        let now = state.clock.now();
        state
            .runners
            .values()
            .map(|runner| state.view_runner(runner, now))
            .collect()
    }
}

/// The runs of a repository, or of the server; newest first.
pub(crate) struct Runs(pub(crate) Option<RepositoryName>);

impl Message for Runs {
    type Reply = Vec<RunView>;
    const CHANGES: bool = false;

    fn apply(self, state: &mut State) -> Vec<RunView> {
        let wanted = |repository: &RepositoryName| self.0.as_ref().is_none_or(|name| name == repository);
        let runs = state.runs.values().rev().filter(|run| wanted(&run.repository));
        runs.map(|run| state.view_run(run)).collect()
    }
}

/// The jobs of a repository, or of the server, oldest first, with those that wait for others.
pub(crate) struct Jobs(pub(crate) Option<RepositoryName>);

impl Message for Jobs {
    type Reply = Vec<JobView>;
    const CHANGES: bool = false;

    fn apply(self, state: &mut State) -> Vec<JobView> {
        let wanted = |repository: &RepositoryName| self.0.as_ref().is_none_or(|name| name == repository);
        let jobs = state.jobs.values().filter(|job| wanted(&job.repository));
        jobs.filter_map(|job| state.view_job(job)).collect()
    }
}

/// The log of a job: the server's lines about its start, then the runner's.
pub(crate) struct JobLog(pub(crate) u64);

impl Message for JobLog {
    /// None: no such job, or no log yet.
    type Reply = Option<String>;
    const CHANGES: bool = false;

    fn apply(self, state: &mut State) -> Option<String> {
        let job = state.jobs.get(&self.0)?;
        let log = job.records.log(job.record)?;
        Some(preamble(state, job) + &log)
    }
}

/// What GitHub writes above a runner's log.
fn preamble(state: &State, job: &Job) -> String {
    let Some(run) = state.runs.get(&job.run) else {
        return String::new();
    };
    let queued = clock::service(job.created);
    let mut text = format!(
        "{queued} Requested labels: {}\n{queued} Job defined at: {}/{}@{}\n{queued} Waiting for a runner to pick up \
         this job...\n",
        job.plan.runs_on.join(", "),
        job.repository,
        run.workflow.path(),
        run.context.ref_,
    );
    if let (Some(runner), Some(started)) = (&job.runner, job.started) {
        text.push_str(&clock::service(started));
        text.push_str(" Job is about to start running on the runner: ");
        text.push_str(&runner.name);
        text.push('\n');
    }
    text
}
