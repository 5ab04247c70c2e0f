//! Jobs: their stages, the runner's lock on them, how they end.

use indexmap::IndexMap;
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::hook::Told;
use super::timeline::Timeline;
use super::{Message, State, queue};
use crate::engine::{Conclusion, JobOutcome, JobPlan};
use crate::view::{JobView, RunnerOfJob, Status};
use crate::{Defect, RepositoryName, clock};

/// A runner must renew its lock within this.
const LOCK: i64 = 600;
/// What a runner gets to end a cancelled job.
pub(super) const CANCEL_TIMEOUT: i64 = 300;

/// One job of one attempt of a run.
pub(super) struct Job {
    pub(super) id: u64,
    pub(super) run: u64,
    pub(super) attempt: u32,
    pub(super) repository: RepositoryName,
    pub(super) plan: JobPlan,
    pub(super) plan_id: Uuid,
    pub(super) timeline: Uuid,
    /// The job's own record in the timeline: `jobId` on the wire.
    pub(super) record: Uuid,
    pub(super) request_id: u64,
    pub(super) stage: Stage,
    /// What webhooks know of it.
    pub(super) told: Told,
    /// When it was queued (or planned, while it waits).
    pub(super) created: Timestamp,
    /// When its message was made for the runner that has it.
    pub(super) delivered: Option<Timestamp>,
    pub(super) started: Option<Timestamp>,
    pub(super) completed: Option<Timestamp>,
    pub(super) locked_until: Option<Timestamp>,
    /// When it ends even if its runner does not answer.
    pub(super) forced_end: Option<Timestamp>,
    pub(super) runner: Option<RunnerOfJob>,
    pub(super) outputs: IndexMap<String, String>,
    pub(super) records: Timeline,
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Something it needs has not finished.
    Waiting,
    /// Waits for a runner.
    Queued,
    /// A runner was sent the job but has not taken it.
    Assigned { since: Timestamp },
    /// The runner has renewed its lock or reported.
    Running,
    /// Has ended.
    Finished(Conclusion),
}

impl Job {
    pub(super) fn status(&self) -> Status {
        match self.stage {
            Stage::Waiting => Status::Waiting,
            Stage::Queued | Stage::Assigned { .. } => Status::Queued,
            Stage::Running => Status::InProgress,
            Stage::Finished(_) => Status::Completed,
        }
    }

    pub(super) fn conclusion(&self) -> Option<Conclusion> {
        match self.stage {
            Stage::Finished(conclusion) => Some(conclusion),
            _ => None,
        }
    }

    /// The runner took the job.
    pub(super) fn begin(&mut self, now: Timestamp) {
        if matches!(self.stage, Stage::Assigned { .. }) {
            self.stage = Stage::Running;
            self.started = Some(now);
            self.locked_until = Some(clock::later(now, LOCK));
        }
    }
}

impl State {
    pub(super) fn view_job(&self, job: &Job) -> Option<JobView> {
        let run = self.runs.get(&job.run)?;
        Some(JobView {
            id: job.id,
            run_id: job.run,
            attempt: job.attempt,
            key: job.plan.key.clone(),
            name: job.plan.name.clone(),
            status: job.status(),
            conclusion: job.conclusion(),
            labels: job.plan.runs_on.clone(),
            // Until the job runs, REST names no runner.
            runner: job.runner.clone().filter(|_| job.started.is_some()),
            created_at: job.created,
            started_at: job.started,
            completed_at: job.completed,
            outputs: job.outputs.clone(),
            steps: job.records.steps(job.record),
            repository: job.repository.clone(),
            workflow_name: run.workflow.name().to_owned(),
            head_sha: run.commit.sha.clone(),
            head_branch: run.branch().to_owned(),
        })
    }

    pub(super) fn jobs_of_current_attempt(&self, run: u64) -> impl Iterator<Item = &Job> {
        let attempt = self.runs.get(&run).map(|r| r.context.run_attempt);
        self.jobs
            .values()
            .filter(move |job| job.run == run && Some(job.attempt) == attempt)
    }

    /// The finished jobs of a run's attempt by plan key, in the order of finishing. For jobs that need them, a seeded
    /// defect may take the outputs away.
    pub(super) fn outcomes(&self, run: u64, for_needs: bool) -> IndexMap<String, JobOutcome> {
        let drop = for_needs && self.defects.contains(&Defect::DropOutputs);
        let mut finished: Vec<&Job> = self
            .jobs_of_current_attempt(run)
            .filter(|job| job.conclusion().is_some())
            .collect();
        finished.sort_by_key(|job| (job.completed, job.id));
        finished
            .into_iter()
            .filter_map(|job| {
                let outputs = if drop {
                    IndexMap::new()
                } else {
                    job.outputs.clone()
                };
                Some((
                    job.plan.key.clone(),
                    JobOutcome {
                        conclusion: job.conclusion()?,
                        outputs,
                    },
                ))
            })
            .collect()
    }

    /// Ends a job, frees its runner and looks at what its run does next. The first end counts.
    pub(super) fn finish_job(&mut self, id: u64, conclusion: Conclusion, now: Timestamp) {
        let Some(job) = self.jobs.get_mut(&id).filter(|job| job.conclusion().is_none()) else {
            return;
        };
        job.stage = Stage::Finished(conclusion);
        job.completed = Some(now);
        job.forced_end = None;
        job.records.close(now, conclusion);
        let (run, holder) = (job.run, job.runner.clone());
        self.tokens.end_job(id, now);
        if let Some(holder) = holder {
            self.release(holder.id, id, now);
        }
        self.changed = true;
        queue::fail_fast(self, id, now);
        self.advance(run, now);
    }

    /// Ends a job as failed and leaves the reason in its log.
    pub(super) fn fail_job(&mut self, id: u64, reason: &str, now: Timestamp) {
        if let Some(job) = self.jobs.get_mut(&id) {
            job.records.note(&format!("##[error]{reason}"), now);
        }
        self.finish_job(id, Conclusion::Failure, now);
    }

    /// A job that its runner has not begun goes back to the queue; one that has begun stays with it.
    pub(super) fn take_back(&mut self, id: u64, now: Timestamp) {
        let Some(job) = self
            .jobs
            .get_mut(&id)
            .filter(|job| matches!(job.stage, Stage::Assigned { .. }))
        else {
            return;
        };
        job.stage = Stage::Queued;
        job.delivered = None;
        let (holder, is_cancelled) = (job.runner.take(), job.forced_end.is_some());
        self.tokens.end_job(id, now);
        if let Some(holder) = holder
            && let Some(runner) = self.runners.get_mut(&holder.id).filter(|r| r.job == Some(id))
        {
            runner.job = None;
            // It never took a job, so an ephemeral runner is still good for one.
            runner.served = false;
            let session = runner.session;
            if let Some(session) = session.and_then(|s| self.sessions.get_mut(&s)) {
                session.withdraw(id);
            }
        }
        self.changed = true;
        if is_cancelled {
            self.finish_job(id, Conclusion::Cancelled, now);
        }
    }

    /// Frees a runner from its job; an ephemeral one goes.
    fn release(&mut self, runner_id: u64, job: u64, now: Timestamp) {
        let Some(runner) = self.runners.get_mut(&runner_id).filter(|r| r.job == Some(job)) else {
            return;
        };
        runner.job = None;
        let (session, ephemeral) = (runner.session, runner.ephemeral);
        if let Some(session) = session.and_then(|s| self.sessions.get_mut(&s)) {
            session.withdraw(job);
        }
        if ephemeral && !self.defects.contains(&Defect::KeepEphemeral) {
            self.depart(runner_id, now);
        }
    }

    /// Cancels a job: at once if no runner has it, else by asking the runner, which gets some minutes.
    pub(super) fn cancel_job(&mut self, id: u64, now: Timestamp) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        match job.stage {
            Stage::Waiting | Stage::Queued => self.finish_job(id, Conclusion::Cancelled, now),
            Stage::Assigned { .. } | Stage::Running if job.forced_end.is_none() => {
                // A margin above what the runner was told.
                job.forced_end = Some(clock::later(now, CANCEL_TIMEOUT + 30));
                let body = json!({"jobId": job.record, "timeout": "00:05:00"});
                let at = queue::cancellation_time(job.delivered, now);
                if let Some(runner) = job.runner.as_ref().map(|r| r.id) {
                    self.send(runner, id, "JobCancellation", body, at);
                }
            }
            _ => {}
        }
    }
}

/// A runner renews its lock on a job; the first time it takes the job.
pub(crate) struct Renew {
    pub(crate) runner: u64,
    pub(crate) request: u64,
}

/// The lock.
pub(crate) struct Renewal {
    pub(crate) locked_until: Timestamp,
    pub(crate) runner: RunnerOfJob,
}

impl Message for Renew {
    /// None: the runner has no such job (any more).
    type Reply = Option<Renewal>;

    fn apply(self, state: &mut State) -> Option<Renewal> {
        let now = state.clock.now();
        let is_it = |job: &&mut Job| {
            job.request_id == self.request
                && job.conclusion().is_none()
                && job.runner.as_ref().is_some_and(|r| r.id == self.runner)
        };
        let job = state.jobs.values_mut().find(is_it)?;
        job.begin(now);
        let locked_until = clock::later(now, LOCK);
        job.locked_until = Some(locked_until);
        let (run, runner) = (job.run, job.runner.clone()?);
        let session = state.runners.get(&self.runner).and_then(|r| r.session);
        if let Some(session) = session.and_then(|s| state.sessions.get_mut(&s)) {
            session.heard(now);
        }
        state.touch_run(run, now);
        Some(Renewal { locked_until, runner })
    }
}

/// The runner reports a job's end. Repeated reports change nothing.
pub(crate) struct CompleteJob {
    pub(crate) job: u64,
    pub(crate) conclusion: Conclusion,
    pub(crate) outputs: IndexMap<String, String>,
}

impl Message for CompleteJob {
    type Reply = ();

    fn apply(self, state: &mut State) {
        let now = state.clock.now();
        let Some(job) = state
            .jobs
            .get_mut(&self.job)
            .filter(|job| job.conclusion().is_none())
        else {
            return;
        };
        job.begin(now);
        job.outputs = self.outputs;
        state.finish_job(self.job, self.conclusion, now);
    }
}

/// How the job of a request ended.
pub(crate) struct JobRequest {
    pub(crate) runner: u64,
    pub(crate) request: u64,
}

impl Message for JobRequest {
    /// None: the runner never had such a request. Some(None): not ended.
    type Reply = Option<Option<Conclusion>>;
    const CHANGES: bool = false;

    fn apply(self, state: &mut State) -> Option<Option<Conclusion>> {
        let is_it = |job: &&Job| {
            job.request_id == self.request && job.runner.as_ref().is_some_and(|r| r.id == self.runner)
        };
        state.jobs.values().find(is_it).map(Job::conclusion)
    }
}
