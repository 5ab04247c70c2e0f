//! Which runner gets which job: oldest job first, idle listening runners only, the nearest level first.

use jiff::{SignedDuration, Timestamp};

use super::job::Stage;
use super::runner::Runner;
use super::session::Contact;
use super::{State, next};
use crate::engine::{Conclusion, Delivery, JobPlan, job_message};
use crate::view::RunnerOfJob;
use crate::wire::Grant;
use crate::{Defect, RepositoryName, Scope, clock};

/// Name of the only runner group of every scope.
pub(crate) const DEFAULT_GROUP: &str = "Default";

/// Gives queued jobs to runners, as far as there are runners for them.
pub(super) fn assign(state: &mut State, now: Timestamp) {
    if state.defects.contains(&Defect::NoDispatch) {
        return;
    }
    let mut queued: Vec<(Timestamp, u64)> = state
        .jobs
        .values()
        .filter(|j| matches!(j.stage, Stage::Queued))
        .map(|j| (j.created, j.id))
        .collect();
    queued.sort_unstable();
    for (_, job) in queued {
        if let Some(runner) = candidate(state, job, now) {
            deliver(state, job, runner, now);
        }
    }
}

/// The runner for a job: repository level before organization before enterprise, then the oldest.
fn candidate(state: &State, job: u64, now: Timestamp) -> Option<u64> {
    let job = state.jobs.get(&job)?;
    if !has_place(state, job.run, &job.plan) {
        return None;
    }
    state
        .runners
        .values()
        .filter(|runner| is_free(state, runner, now))
        .filter(|runner| reaches(state, &runner.scope, &job.repository))
        .filter(|runner| suits(runner, &job.plan))
        .min_by_key(|runner| (runner.scope.level(), runner.id))
        .map(|runner| runner.id)
}

/// Whether a runner of this scope may take jobs of this repository, seeded defects included.
fn reaches(state: &State, scope: &Scope, repository: &RepositoryName) -> bool {
    let wider = match scope {
        Scope::Repository(own) if state.defects.contains(&Defect::WideRepository) => {
            own.owner == repository.owner
        }
        Scope::Organization(login) if state.defects.contains(&Defect::WideOrganization) => {
            let enterprise = |login: &str| {
                state
                    .world
                    .organization(login)
                    .and_then(|o| o.enterprise.as_deref())
            };
            enterprise(login).is_some() && enterprise(login) == enterprise(&repository.owner)
        }
        _ => false,
    };
    wider || state.world.reaches(scope, repository)
}

fn is_free(state: &State, runner: &Runner, now: Timestamp) -> bool {
    let session = runner.session.and_then(|id| state.sessions.get(&id));
    runner.job.is_none()
        && !(runner.ephemeral && runner.served)
        && session.is_some_and(|session| session.contact(now) == Contact::Listening)
}

/// Whether the runner has all labels, in any case, and is in the group.
fn suits(runner: &Runner, plan: &JobPlan) -> bool {
    let has = |wanted: &String| {
        runner
            .labels
            .iter()
            .any(|label| label.name.to_lowercase() == wanted.to_lowercase())
    };
    plan.group
        .as_ref()
        .is_none_or(|group| group.eq_ignore_ascii_case(DEFAULT_GROUP))
        && plan.runs_on.iter().all(has)
}

/// Whether the job's matrix lets one more of its legs run.
fn has_place(state: &State, run: u64, plan: &JobPlan) -> bool {
    let running = state
        .jobs_of_current_attempt(run)
        .filter(|job| {
            job.plan.job == plan.job && matches!(job.stage, Stage::Assigned { .. } | Stage::Running)
        })
        .count();
    running < plan.max_parallel.max(1)
}

/// Hands a job to a runner: the message goes into its session, the runner is busy from now on.
fn deliver(state: &mut State, job_id: u64, runner_id: u64, now: Timestamp) {
    let (Some(job), Some(runner)) = (state.jobs.get(&job_id), state.runners.get(&runner_id)) else {
        return;
    };
    let Some(run) = state.runs.get(&job.run) else {
        return;
    };
    let request_id = next(&mut state.ids.request);
    // The job token must outlive the job: no client renews it.
    let lifetime = SignedDuration::from_mins(i64::from(job.plan.timeout_minutes) + 60);
    let grant = Grant::Job {
        plan_id: job.plan_id,
        job_id: job.record,
    };
    let job_token = state.secret.mint(&grant, now, lifetime);
    let github_token = state.tokens.issue_for_job(job_id);
    state.redactor.learn(&job_token);
    state.redactor.learn(&github_token);
    let delivery = Delivery {
        plan_id: job.plan_id,
        timeline_id: job.timeline,
        job_id: job.record,
        request_id,
        tenant_url: format!(
            "{}/_services/pipelines/{}/",
            runner.base_url,
            runner.scope.tenant()
        ),
        job_token,
        github_token,
        secrets: indexmap::IndexMap::new(),
        runner_group: DEFAULT_GROUP.to_owned(),
    };
    let mut context = run.context.clone();
    context.server_url.clone_from(&runner.base_url);
    context.api_url = format!("{}/api/v3", runner.base_url);
    let outcomes = state.outcomes(job.run, true);
    let message = job_message(
        &run.workflow,
        &context,
        &run.plan,
        &job.plan.key,
        &outcomes,
        &delivery,
    );
    let runner_of_job = RunnerOfJob {
        id: runner_id,
        name: runner.name.clone(),
        group: DEFAULT_GROUP.to_owned(),
    };
    match message {
        Err(error) => {
            let reason = format!("the job message could not be made: {error}");
            state.fail_job(job_id, &reason, now);
        }
        Ok(body) => {
            if let Some(job) = state.jobs.get_mut(&job_id) {
                job.stage = Stage::Assigned { since: now };
                job.request_id = request_id;
                job.runner = Some(runner_of_job);
                job.delivered = Some(now);
            }
            if let Some(runner) = state.runners.get_mut(&runner_id) {
                runner.job = Some(job_id);
                runner.served = true;
            }
            state.send(runner_id, job_id, "PipelineAgentJobRequest", body, now);
        }
    }
}

/// Cancels the other legs of a matrix when one failed, if it wants that.
pub(super) fn fail_fast(state: &mut State, failed: u64, now: Timestamp) {
    let Some(job) = state.jobs.get(&failed) else {
        return;
    };
    if !job.plan.fail_fast || job.plan.continue_on_error || job.conclusion() != Some(Conclusion::Failure) {
        return;
    }
    let (run, name) = (job.run, job.plan.job.clone());
    let others: Vec<u64> = state
        .jobs_of_current_attempt(run)
        .filter(|other| other.id != failed && other.plan.job == name && other.conclusion().is_none())
        .map(|other| other.id)
        .collect();
    for other in others {
        state.cancel_job(other, now);
    }
}

/// When a job's cancellation may reach its runner: a runner that gets it right after the job may lose the job.
pub(super) fn cancellation_time(delivered: Option<Timestamp>, now: Timestamp) -> Timestamp {
    delivered.map_or(now, |at| now.max(clock::later(at, 2)))
}
