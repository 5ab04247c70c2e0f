//! One job from its message to its result. The listener starts it and may cancel it; nothing here listens for messages.

mod actions;
mod commands;
mod composite;
mod execute;
mod files;
mod message;
mod output;
mod plan;
mod process;
mod reporter;
mod script;
mod service;
mod shell;
mod state;
mod steps;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use harness_model::Redactor;
use indexmap::IndexMap;
use reqwest::Client;
use secrecy::ExposeSecret as _;
use serde_json::json;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

pub(crate) use message::JobMessage;

use crate::config::Settings;
use crate::console::Console;
use crate::shutdown::pause;

use reporter::Reporter;
use service::JobService;
use state::Job;

/// How often the completion of a job is told before it is given up, and how far apart.
const COMPLETION_TRIES: u32 = 5;
const COMPLETION_PAUSE: Duration = Duration::from_secs(5);

/// A job's result, in the words of the runner service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TaskResult {
    Succeeded,
    Failed,
    Canceled,
    Skipped,
}

impl TaskResult {
    fn text(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Skipped => "skipped",
        }
    }
}

/// What became of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finished {
    /// The server knows the result.
    Reported(TaskResult),
    /// The server does not, or does not want to, know it.
    Lost,
}

/// The ways to end a job early; clones end the same job.
#[derive(Clone)]
pub(crate) struct Cancellation {
    /// Ends the running step; what is `always()` still runs.
    soft: CancellationToken,
    /// Ends also that.
    hard: CancellationToken,
    shutdown: Arc<AtomicBool>,
}

impl Cancellation {
    pub(crate) fn new() -> Self {
        Self {
            soft: CancellationToken::new(),
            hard: CancellationToken::new(),
            shutdown: Arc::new(AtomicBool::new(false)),
        }
    }

    /// Someone cancelled the run; after `grace` nothing may run any more.
    pub(crate) fn cancel(&self, grace: Duration) {
        self.soft.cancel();
        let hard = self.hard.clone();
        tokio::spawn(async move {
            pause(grace, &hard).await;
            hard.cancel();
        });
    }

    /// The runner itself has to go: the job ends at once, and fails.
    pub(crate) fn shut_down(&self) {
        self.shutdown.store(true, Ordering::Relaxed);
        self.abandon();
    }

    /// Nobody waits for the job any more.
    pub(crate) fn abandon(&self) {
        self.soft.cancel();
        self.hard.cancel();
    }

    fn is_cancelled(&self) -> bool {
        self.soft.is_cancelled()
    }

    fn is_shutdown(&self) -> bool {
        self.shutdown.load(Ordering::Relaxed)
    }

    /// What ends a step that starts now.
    fn current(&self) -> CancellationToken {
        if self.soft.is_cancelled() {
            self.hard.clone()
        } else {
            self.soft.clone()
        }
    }
}

/// Runs a job and tells its result.
pub(crate) async fn run(
    mut message: JobMessage,
    settings: &Settings,
    http: &Client,
    console: &Console,
    cancellation: Cancellation,
) -> Finished {
    let masker = masks_of(&message);
    let service = match JobService::connect(http, &message).await {
        Ok(service) => service,
        Err(error) => {
            console.event(&format!("The job's service cannot be reached: {error}"));
            return Finished::Lost;
        }
    };
    let (reporter, told) = Reporter::start(service.clone(), masker.clone());
    let job = Job::new(
        &mut message,
        settings,
        service.clone(),
        reporter,
        masker,
        cancellation,
    );
    let (result, outputs) = job.execute(&mut message).await;
    // The last sender is gone: the task tells what is left and ends.
    if told.await.is_err() {
        tracing::warn!("the reporting task ended early");
    }
    complete(&service, &message, result, &outputs, console).await
}

async fn complete(
    service: &JobService,
    message: &JobMessage,
    result: TaskResult,
    outputs: &IndexMap<String, String>,
    console: &Console,
) -> Finished {
    let outputs: serde_json::Map<_, _> = outputs
        .iter()
        .map(|(name, value)| (name.clone(), json!({"value": value})))
        .collect();
    let body = json!({
        "name": "JobCompleted",
        "jobId": message.job_id,
        "requestId": message.request_id,
        "result": result.text(),
        "outputs": outputs,
    });
    let mut ticks = interval(COMPLETION_PAUSE);
    for _ in 0..COMPLETION_TRIES {
        ticks.tick().await;
        match service.complete(&body).await {
            Ok(()) => return Finished::Reported(result),
            Err(error) => {
                console.event(&format!("The job's result cannot be told: {error}"));
                let gone = ["NotFound", "Security", "Terminated"]
                    .iter()
                    .any(|kind| error.is(&format!("TaskOrchestrationPlan{kind}Exception")));
                if gone {
                    break;
                }
            }
        }
    }
    Finished::Lost
}

/// Secrets that are switches, not values: hiding them would hide every `true` (runner protocol).
const SWITCHES: [&str; 2] = ["ACTIONS_STEP_DEBUG", "ACTIONS_RUNNER_DEBUG"];

/// What the message itself says is secret.
fn masks_of(message: &JobMessage) -> Redactor {
    let masker = Redactor::of_a_job();
    for (name, variable) in &message.variables {
        let is_switch = SWITCHES.iter().any(|switch| switch.eq_ignore_ascii_case(name));
        if variable.is_secret && !is_switch {
            masker.learn(&variable.value);
        }
    }
    for endpoint in &message.resources.endpoints {
        masker.learn(endpoint.authorization.parameters.access_token.expose_secret());
    }
    for mask in &message.mask {
        // A server sends its secrets as regular expressions that match nothing but the secret.
        masker.learn(&mask.value.replace('\\', ""));
    }
    masker
}
