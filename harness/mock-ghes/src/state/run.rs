//! Workflow runs: starting, planning what comes next, cancelling, running again.

use std::sync::Arc;

use indexmap::IndexMap;
use jiff::Timestamp;

use super::hook::Told;
use super::job::{Job, Stage};
use super::timeline::Timeline;
use super::{Message, State, next};
use crate::engine::{
    Conclusion, EngineError, JobPlan, Readiness, RunContext, Workflow, plan, readiness, run_name,
};
use crate::view::{CommitView, RunView, Status};
use crate::wire::random_guid;
use crate::{Defect, RepositoryName};

/// One run with its current attempt.
pub(super) struct Run {
    pub(super) id: u64,
    pub(super) repository: RepositoryName,
    pub(super) workflow_id: u64,
    pub(super) workflow: Arc<Workflow>,
    /// Has the number, attempt, ref and actor.
    pub(super) context: RunContext,
    pub(super) title: String,
    pub(super) plan: Vec<JobPlan>,
    pub(super) commit: CommitView,
    pub(super) created: Timestamp,
    pub(super) updated: Timestamp,
    /// Of this attempt.
    pub(super) started: Timestamp,
    pub(super) cancelled: bool,
    pub(super) conclusion: Option<Conclusion>,
}

impl Run {
    /// The branch or tag, short.
    pub(super) fn branch(&self) -> &str {
        let full = &self.context.ref_;
        full.strip_prefix("refs/heads/")
            .or_else(|| full.strip_prefix("refs/tags/"))
            .unwrap_or(full)
    }
}

impl State {
    pub(super) fn view_run(&self, run: &Run) -> RunView {
        let has_begun = self
            .jobs_of_current_attempt(run.id)
            .any(|job| job.started.is_some());
        let status = match (run.conclusion, has_begun) {
            (Some(_), _) => Status::Completed,
            (None, true) => Status::InProgress,
            (None, false) => Status::Queued,
        };
        RunView {
            id: run.id,
            number: run.context.run_number,
            attempt: run.context.run_attempt,
            name: run.workflow.name().to_owned(),
            display_title: run.title.clone(),
            path: run.workflow.path().to_owned(),
            workflow_id: run.workflow_id,
            event: run.context.event_name.clone(),
            status,
            conclusion: run.conclusion,
            repository: run.repository.clone(),
            head_branch: run.branch().to_owned(),
            commit: run.commit.clone(),
            actor: run.context.actor.clone(),
            created_at: run.created,
            updated_at: run.updated,
            started_at: run.started,
        }
    }

    pub(super) fn touch_run(&mut self, run: u64, now: Timestamp) {
        if let Some(run) = self.runs.get_mut(&run) {
            run.updated = now;
        }
    }

    /// Queues and skips what has become ready, and ends the run with its last job.
    pub(super) fn advance(&mut self, id: u64, now: Timestamp) {
        self.touch_run(id, now);
        loop {
            let outcomes = self.outcomes(id, false);
            let Some(run) = self.runs.get(&id) else { return };
            let waiting = self
                .jobs_of_current_attempt(id)
                .filter(|job| job.stage == Stage::Waiting);
            let decision = waiting.into_iter().find_map(|job| {
                let ready = readiness(&run.workflow, &run.plan, &job.plan.key, &outcomes, &run.context);
                match ready {
                    Ok(Readiness::Waiting) => None,
                    Ok(Readiness::Ready)
                        if run.cancelled && !survives_cancellation(job, &run.plan, &outcomes) =>
                    {
                        Some((job.id, Next::End(Conclusion::Cancelled)))
                    }
                    Ok(Readiness::Ready) => Some((job.id, Next::Queue)),
                    Ok(Readiness::Skipped) => Some((job.id, Next::End(Conclusion::Skipped))),
                    Err(error) => Some((job.id, Next::Fail(error.to_string()))),
                }
            });
            match decision {
                None => break,
                Some((job, Next::Queue)) => {
                    if let Some(job) = self.jobs.get_mut(&job) {
                        job.stage = Stage::Queued;
                        job.created = now;
                    }
                }
                // These come back here; what is left is done below them.
                Some((job, Next::End(conclusion))) => return self.finish_job(job, conclusion, now),
                Some((job, Next::Fail(reason))) => return self.fail_job(job, &reason, now),
            }
        }
        self.conclude(id);
    }

    fn conclude(&mut self, id: u64) {
        let results: Option<Vec<Conclusion>> = self
            .jobs_of_current_attempt(id)
            .map(|job| match job.conclusion()? {
                Conclusion::Failure if job.plan.continue_on_error => Some(Conclusion::Success),
                conclusion => Some(conclusion),
            })
            .collect();
        let Some(results) = results else { return };
        let any = |wanted| results.contains(&wanted);
        let conclusion = match () {
            () if any(Conclusion::Failure) => Conclusion::Failure,
            () if any(Conclusion::Cancelled) => Conclusion::Cancelled,
            () if !any(Conclusion::Success) && any(Conclusion::Skipped) => Conclusion::Skipped,
            () => Conclusion::Success,
        };
        if let Some(run) = self.runs.get_mut(&id) {
            run.conclusion.get_or_insert(conclusion);
        }
    }

    /// Plans the jobs of the run's current attempt.
    fn plan_jobs(&mut self, id: u64, now: Timestamp) {
        let Some(run) = self.runs.get(&id) else { return };
        let (attempt, repository, plans) =
            (run.context.run_attempt, run.repository.clone(), run.plan.clone());
        for plan in plans {
            let job = Job {
                id: next(&mut self.ids.job),
                run: id,
                attempt,
                repository: repository.clone(),
                plan,
                plan_id: random_guid(),
                timeline: random_guid(),
                record: random_guid(),
                request_id: 0,
                stage: Stage::Waiting,
                told: Told::Nothing,
                created: now,
                delivered: None,
                started: None,
                completed: None,
                locked_until: None,
                forced_end: None,
                runner: None,
                outputs: IndexMap::new(),
                records: Timeline::default(),
            };
            self.jobs.insert(job.id, job);
        }
        self.advance(id, now);
    }
}

/// What becomes of a waiting job.
enum Next {
    Queue,
    End(Conclusion),
    Fail(String),
}

/// After a cancellation only jobs start whose condition holds although something they need did not succeed
/// (`always()`, `cancelled()`, `failure()`).
fn survives_cancellation(
    job: &Job,
    plan: &[JobPlan],
    outcomes: &IndexMap<String, crate::engine::JobOutcome>,
) -> bool {
    plan.iter()
        .filter(|other| job.plan.needs.contains(&other.job))
        .any(|other| {
            outcomes
                .get(&other.key)
                .is_some_and(|o| o.conclusion != Conclusion::Success)
        })
}

/// Starts a run. The numbers in the context are filled in here.
pub(crate) struct StartRun {
    pub(crate) repository: RepositoryName,
    pub(crate) workflow_id: u64,
    pub(crate) workflow: Arc<Workflow>,
    pub(crate) context: RunContext,
    pub(crate) commit: CommitView,
}

impl Message for StartRun {
    type Reply = Result<RunView, EngineError>;

    fn apply(self, state: &mut State) -> Result<RunView, EngineError> {
        let now = state.clock.now();
        let mut context = self.context;
        let of_workflow =
            |run: &&Run| run.repository == self.repository && run.workflow_id == self.workflow_id;
        context.run_number = state
            .runs
            .values()
            .filter(of_workflow)
            .map(|run| run.context.run_number)
            .max()
            .unwrap_or(0)
            + 1;
        context.run_attempt = 1;
        context.run_id = state.ids.run + 1;
        let mut plan = plan(&self.workflow, &context)?;
        if state.defects.contains(&Defect::RepeatLeg) {
            repeat_leg(&mut plan);
        }
        let id = next(&mut state.ids.run);
        let run = Run {
            id,
            repository: self.repository,
            workflow_id: self.workflow_id,
            title: run_name(&self.workflow, &context),
            workflow: self.workflow,
            context,
            plan,
            commit: self.commit,
            created: now,
            updated: now,
            started: now,
            cancelled: false,
            conclusion: None,
        };
        let view = state.view_run(&run);
        state.runs.insert(id, run);
        state.plan_jobs(id, now);
        Ok(view)
    }
}

/// Gives the last job of a large matrix the values of its first: a seeded defect.
fn repeat_leg(plan: &mut [JobPlan]) {
    if let [first, .., last] = plan
        && first.total > 32
        && first.job == last.job
    {
        last.matrix.clone_from(&first.matrix);
    }
}

/// Runs a finished run again, as its next attempt.
pub(crate) struct Rerun {
    pub(crate) repository: RepositoryName,
    pub(crate) run: u64,
}

impl Message for Rerun {
    /// None: no such run. False: it has not finished.
    type Reply = Option<bool>;

    fn apply(self, state: &mut State) -> Option<bool> {
        let now = state.clock.now();
        let run = state
            .runs
            .get_mut(&self.run)
            .filter(|run| run.repository == self.repository)?;
        if run.conclusion.is_none() {
            return Some(false);
        }
        run.context.run_attempt += 1;
        run.conclusion = None;
        run.cancelled = false;
        run.started = now;
        state.plan_jobs(self.run, now);
        Some(true)
    }
}

/// Cancels a run.
pub(crate) struct CancelRun {
    pub(crate) repository: RepositoryName,
    pub(crate) run: u64,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CancelReply {
    Cancelled,
    NotFound,
    AlreadyCompleted,
}

impl Message for CancelRun {
    type Reply = CancelReply;

    fn apply(self, state: &mut State) -> CancelReply {
        let now = state.clock.now();
        let Some(run) = state
            .runs
            .get_mut(&self.run)
            .filter(|run| run.repository == self.repository)
        else {
            return CancelReply::NotFound;
        };
        if run.conclusion.is_some() {
            return CancelReply::AlreadyCompleted;
        }
        run.cancelled = true;
        let open = |job: &&Job| job.conclusion().is_none() && job.stage != Stage::Waiting;
        let jobs: Vec<u64> = state
            .jobs_of_current_attempt(self.run)
            .filter(open)
            .map(|job| job.id)
            .collect();
        for job in jobs {
            state.cancel_job(job, now);
        }
        state.advance(self.run, now);
        CancelReply::Cancelled
    }
}

/// Deletes a finished run with its jobs.
pub(crate) struct DeleteRun {
    pub(crate) repository: RepositoryName,
    pub(crate) run: u64,
}

impl Message for DeleteRun {
    /// None: no such run. False: it has not finished.
    type Reply = Option<bool>;

    fn apply(self, state: &mut State) -> Option<bool> {
        let run = state
            .runs
            .get(&self.run)
            .filter(|run| run.repository == self.repository)?;
        if run.conclusion.is_none() {
            return Some(false);
        }
        state.runs.remove(&self.run);
        state.jobs.retain(|_, job| job.run != self.run);
        Some(true)
    }
}
