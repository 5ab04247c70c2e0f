//! What time does to the state, with the clock handed in: no test waits.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use harness_model::Redactor;
use indexmap::IndexMap;
use jiff::Timestamp;
use serde_json::Value;

use super::job::Stage;
use super::runner::Registration;
use super::*;
use crate::engine::{Conclusion, RunContext, Workflow};
use crate::view::{CommitView, RunnerView, Status};
use crate::wire::AgentKey;
use crate::{Clock, RepositoryName, Scope, clock};

fn state() -> State {
    State::new(
        Arc::new(World::default()),
        TokenSecret::random(),
        Redactor::default(),
        Clock::default(),
    )
}

fn key() -> AgentKey {
    use aws_lc_rs::signature::KeyPair as _;
    let pair =
        aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).expect("a key can be generated");
    let public = pair.public_key();
    let encode = |bytes: &[u8]| BASE64_STANDARD.encode(bytes);
    AgentKey::from_modulus_exponent(
        &encode(public.modulus().big_endian_without_leading_zero()),
        &encode(public.exponent().big_endian_without_leading_zero()),
    )
    .expect("the numbers are a key")
}

/// Registers a runner with an open session; returns its number and session.
fn listening_runner(state: &mut State, scope: Scope, labels: &[&str], ephemeral: bool) -> (u64, uuid::Uuid) {
    let name = format!("r{}", state.runners.len() + 1);
    let registration = Registration {
        name,
        version: "2.306.0".into(),
        os_description: "Linux".into(),
        labels: labels.iter().map(|label| ((*label).to_owned(), false)).collect(),
        key: key(),
        public_key: Value::Null,
        ephemeral,
        disable_update: true,
        base_url: "http://h".into(),
    };
    let AddRunnerReply::Added(answer) = state.carry_out(AddRunner {
        scope,
        replaces: None,
        registration,
    }) else {
        panic!("the name must be free");
    };
    let runner = answer.view.id;
    let opened = state.carry_out(OpenSession {
        runner,
        base_url: "http://h".into(),
    });
    let Opened::Session { id, .. } = opened else {
        panic!("there is no other session")
    };
    (runner, id)
}

fn enterprise() -> Scope {
    Scope::Enterprise("dogecompany".into())
}

/// Starts a run of a workflow with these jobs.
fn start_run(state: &mut State, jobs: &str) -> u64 {
    let workflow = Workflow::parse(
        ".github/workflows/w.yml",
        &format!("on: workflow_dispatch\njobs:\n{jobs}"),
    )
    .expect("the workflow is valid");
    let repository = RepositoryName {
        owner: "dogecompany".into(),
        name: "quickstart".into(),
    };
    let context = RunContext {
        repository: repository.to_string(),
        ref_: "refs/heads/main".into(),
        event_name: "workflow_dispatch".into(),
        ..RunContext::default()
    };
    let commit = CommitView {
        sha: "0".repeat(40),
        tree: String::new(),
        message: String::new(),
        author: String::new(),
        email: String::new(),
        date: String::new(),
        parents: Vec::new(),
    };
    let start = StartRun {
        repository,
        workflow_id: 1,
        workflow: Arc::new(workflow),
        context,
        commit,
    };
    state.carry_out(start).expect("the workflow can be planned").id
}

const ONE_JOB: &str = "  a:\n    runs-on: gpu\n    steps: [{run: \"true\"}]\n";

fn later(seconds: i64) -> Timestamp {
    clock::later(Timestamp::now(), seconds)
}

fn assign(state: &mut State) {
    queue::assign(state, Timestamp::now());
}

fn stage(state: &State, job: u64) -> Stage {
    state.jobs[&job].stage
}

fn view(state: &State, runner: u64, at: Timestamp) -> RunnerView {
    state.view_runner(&state.runners[&runner], at)
}

fn take(state: &mut State, runner: u64, job: u64) {
    let request = state.jobs[&job].request_id;
    state
        .carry_out(Renew { runner, request })
        .expect("the runner has the job");
}

#[test]
fn an_untaken_job_is_queued_again_after_a_minute() {
    let mut state = state();
    let (runner, session) = listening_runner(&mut state, enterprise(), &["gpu"], true);
    start_run(&mut state, ONE_JOB);
    assign(&mut state);
    let (before, busy) = (stage(&state, 1), view(&state, runner, Timestamp::now()).busy);

    housekeeping::tick(&mut state, later(59));
    let still = stage(&state, 1);
    housekeeping::tick(&mut state, later(62));

    assert!(matches!(before, Stage::Assigned { .. }) && busy);
    assert!(matches!(still, Stage::Assigned { .. }));
    assert_eq!(stage(&state, 1), Stage::Queued);
    let poll = Poll {
        runner,
        session,
        after: 0,
        opens: false,
    };
    let message = state.carry_out(poll);
    assert!(
        !matches!(message, PollReply::Message(_)),
        "the message must be withdrawn"
    );
}

#[test]
fn a_taken_job_fails_when_its_lock_expires_and_takes_the_ephemeral_runner_with_it() {
    let mut state = state();
    let (runner, _) = listening_runner(&mut state, enterprise(), &["gpu"], true);
    let run = start_run(&mut state, ONE_JOB);
    assign(&mut state);
    take(&mut state, runner, 1);

    housekeeping::tick(&mut state, later(590));
    let still = stage(&state, 1);
    housekeeping::tick(&mut state, later(610));

    assert_eq!(still, Stage::Running);
    assert_eq!(stage(&state, 1), Stage::Finished(Conclusion::Failure));
    assert_eq!(state.runs[&run].conclusion, Some(Conclusion::Failure));
    assert!(!state.runners.contains_key(&runner));
    let log = state.carry_out(JobLog(1)).expect("the reason is in the log");
    assert!(log.contains("lost communication with the server"), "{log}");
}

#[test]
fn a_runner_that_is_not_heard_of_goes_offline_after_a_minute() {
    let mut state = state();
    let (runner, session) = listening_runner(&mut state, enterprise(), &[], false);

    let (now, soon, late) = (
        view(&state, runner, Timestamp::now()),
        view(&state, runner, later(55)),
        view(&state, runner, later(65)),
    );
    housekeeping::tick(&mut state, later(65));

    assert_eq!([now.online, soon.online, late.online], [true, true, false]);
    assert!(
        !state.sessions.contains_key(&session),
        "a lost session must be free for the next"
    );
}

#[test]
fn a_lock_on_a_job_is_a_sign_of_life() {
    let mut state = state();
    let (runner, session) = listening_runner(&mut state, enterprise(), &["gpu"], false);
    start_run(&mut state, ONE_JOB);
    assign(&mut state);
    take(&mut state, runner, 1);

    housekeeping::tick(&mut state, later(300));

    assert!(state.sessions.contains_key(&session));
    assert!(view(&state, runner, later(300)).online);
}

#[test]
fn a_runner_whose_poll_was_left_gets_no_job() {
    let mut state = state();
    let (runner, session) = listening_runner(&mut state, enterprise(), &["gpu"], true);
    state.carry_out(Poll {
        runner,
        session,
        after: 0,
        opens: true,
    });
    state.carry_out(PollClosed {
        session,
        answered: false,
    });

    start_run(&mut state, ONE_JOB);
    assign(&mut state);

    assert_eq!(stage(&state, 1), Stage::Queued);
}

#[test]
fn the_oldest_job_goes_first_and_one_runner_has_one_job() {
    let mut state = state();
    start_run(&mut state, ONE_JOB);
    start_run(&mut state, ONE_JOB);
    listening_runner(&mut state, enterprise(), &["GPU"], false);

    assign(&mut state);

    assert!(matches!(stage(&state, 1), Stage::Assigned { .. }));
    assert_eq!(stage(&state, 2), Stage::Queued);
}

#[test]
fn a_job_past_its_timeout_is_cancelled_and_ends_even_if_its_runner_does_not_answer() {
    let mut state = state();
    let (runner, session) = listening_runner(&mut state, enterprise(), &["gpu"], false);
    start_run(
        &mut state,
        "  a:\n    runs-on: gpu\n    timeout-minutes: 1\n    steps: [{run: \"true\"}]\n",
    );
    assign(&mut state);
    take(&mut state, runner, 1);

    housekeeping::tick(&mut state, later(65));
    let told = state.sessions[&session].kinds();
    let still = stage(&state, 1);
    housekeeping::tick(&mut state, later(65 + job::CANCEL_TIMEOUT + 40));

    assert_eq!(told, ["PipelineAgentJobRequest", "JobCancellation"]);
    assert_eq!(still, Stage::Running);
    assert_eq!(stage(&state, 1), Stage::Finished(Conclusion::Cancelled));
    assert!(!view(&state, runner, Timestamp::now()).busy);
}

#[test]
fn nobody_waits_longer_than_a_day_for_a_runner() {
    let mut state = state();
    let run = start_run(&mut state, ONE_JOB);

    housekeeping::tick(&mut state, later(24 * 60 * 60 + 1));

    assert_eq!(state.runs[&run].conclusion, Some(Conclusion::Failure));
}

#[test]
fn an_idle_runner_that_stays_away_is_forgotten() {
    let mut state = state();
    let (ephemeral, _) = listening_runner(&mut state, enterprise(), &[], true);
    let (lasting, _) = listening_runner(&mut state, enterprise(), &[], false);
    let day = 24 * 60 * 60;

    housekeeping::tick(&mut state, later(100));
    housekeeping::tick(&mut state, later(day + 200));
    let after_a_day: Vec<u64> = state.runners.keys().copied().collect();
    housekeeping::tick(&mut state, later(14 * day + 200));

    assert_eq!(after_a_day, [lasting]);
    assert!(!state.runners.contains_key(&ephemeral) && state.runners.is_empty());
}

#[test]
fn what_needs_a_failed_job_is_skipped_unless_it_always_runs() {
    let mut state = state();
    let (runner, _) = listening_runner(&mut state, enterprise(), &["gpu"], false);
    let run = start_run(
        &mut state,
        "  a:\n    runs-on: gpu\n    steps: [{run: \"false\"}]\n\
         \x20 b:\n    runs-on: gpu\n    needs: a\n    steps: [{run: \"true\"}]\n\
         \x20 c:\n    runs-on: gpu\n    needs: [a, b]\n    if: always()\n    steps: [{run: \"true\"}]\n",
    );
    assign(&mut state);
    take(&mut state, runner, 1);

    state.carry_out(CompleteJob {
        job: 1,
        conclusion: Conclusion::Failure,
        outputs: IndexMap::new(),
    });
    let after_first = [stage(&state, 2), stage(&state, 3)];
    assign(&mut state);
    state.carry_out(CompleteJob {
        job: 3,
        conclusion: Conclusion::Success,
        outputs: IndexMap::new(),
    });

    assert_eq!(after_first, [Stage::Finished(Conclusion::Skipped), Stage::Queued]);
    assert_eq!(state.runs[&run].conclusion, Some(Conclusion::Failure));
}

#[test]
fn a_failed_leg_cancels_the_queued_legs_and_max_parallel_holds() {
    let mut state = state();
    let (first, _) = listening_runner(&mut state, enterprise(), &["gpu"], false);
    listening_runner(&mut state, enterprise(), &["gpu"], false);
    let run = start_run(
        &mut state,
        "  a:\n    runs-on: gpu\n    strategy:\n      max-parallel: 1\n      matrix: {n: [1, 2, 3]}\n    steps: [{run: \"false\"}]\n",
    );

    assign(&mut state);
    let stages = [1, 2, 3].map(|job| stage(&state, job));
    take(&mut state, first, 1);
    state.carry_out(CompleteJob {
        job: 1,
        conclusion: Conclusion::Failure,
        outputs: IndexMap::new(),
    });

    assert!(
        matches!(stages, [Stage::Assigned { .. }, Stage::Queued, Stage::Queued]),
        "{stages:?}"
    );
    for leg in [2, 3] {
        assert_eq!(stage(&state, leg), Stage::Finished(Conclusion::Cancelled));
    }
    assert_eq!(state.runs[&run].conclusion, Some(Conclusion::Failure));
}

#[test]
fn a_second_report_of_the_end_changes_nothing() {
    let mut state = state();
    let (runner, _) = listening_runner(&mut state, enterprise(), &["gpu"], false);
    start_run(&mut state, ONE_JOB);
    assign(&mut state);
    take(&mut state, runner, 1);

    for conclusion in [Conclusion::Success, Conclusion::Failure] {
        state.carry_out(CompleteJob {
            job: 1,
            conclusion,
            outputs: IndexMap::new(),
        });
    }

    assert_eq!(stage(&state, 1), Stage::Finished(Conclusion::Success));
    assert_eq!(state.jobs[&1].status(), Status::Completed);
}

#[test]
fn a_runner_that_deregisters_gives_an_untaken_job_back() {
    let mut state = state();
    let (runner, session) = listening_runner(&mut state, enterprise(), &["gpu"], true);
    start_run(&mut state, ONE_JOB);
    assign(&mut state);

    state.carry_out(CloseSession { runner, session });

    assert_eq!(stage(&state, 1), Stage::Queued);
    assert!(!view(&state, runner, Timestamp::now()).busy);
}

#[tokio::test]
async fn a_panic_of_the_state_shows_at_its_task() {
    struct Panics;
    impl Message for Panics {
        type Reply = ();
        fn apply(self, _state: &mut State) {
            panic!("seeded");
        }
    }
    let stop = CancellationToken::new();
    let (posts, _to_deliver) = mpsc::unbounded_channel();
    let (handle, task) = start(
        Arc::new(World::default()),
        TokenSecret::random(),
        Redactor::default(),
        Clock::default(),
        posts,
        stop,
    );

    let asked = handle.ask(Panics).await;

    assert_eq!(asked, Err(Stopped));
    assert!(
        task.await
            .expect_err("the task must end with the panic")
            .is_panic()
    );
}
