//! The listener: takes messages, starts and cancels the job, and decides when the runner leaves. One job at a time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::Client;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::Outcome;
use crate::config::Settings;
use crate::console::Console;
use crate::http::CallError;
use crate::job::{self, Cancellation, Finished, JobMessage};
use crate::poll::poll;
use crate::registration::{Registered, deregister};
use crate::session::{Message, Session, renew_job};
use crate::shutdown::pause;

/// A cancelled job may clean up for this long if the server does not say.
const CANCEL_GRACE: Duration = Duration::from_secs(300);

/// What the listener and its tasks share.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    http: Client,
    pub(crate) console: Console,
    pub(crate) registered: Registered,
    pub(crate) session: Mutex<Option<Arc<Session>>>,
}

/// A job that runs.
struct Running {
    id: String,
    request_id: i64,
    name: String,
    cancellation: Cancellation,
    task: JoinHandle<Finished>,
}

/// What the listener waits for.
enum Event {
    Message(Message),
    PollEnded(Outcome),
    JobEnded(Finished),
    Stop,
    DeadlinePassed,
}

/// Listens until the runner has to leave.
pub(crate) async fn listen(
    settings: &Settings,
    http: &Client,
    console: &Console,
    registered: Registered,
    stop: &CancellationToken,
) -> Outcome {
    let shared = Arc::new(Shared {
        settings: settings.clone(),
        http: http.clone(),
        console: console.clone(),
        registered,
        session: Mutex::new(None),
    });
    let (messages, incoming) = mpsc::channel(1);
    let poll = AbortOnDropHandle::new(tokio::spawn(poll(Arc::clone(&shared), messages)));
    let mut listener = Listener {
        shared,
        incoming,
        poll,
        job: None,
        deadline: None,
        stopping: false,
        stop: stop.clone(),
    };
    let outcome = listener.run().await;
    drop(listener.poll);
    let session = listener
        .shared
        .session
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    if let Some(session) = session
        && let Err(error) = session.close(&listener.shared.registered).await
    {
        // An ephemeral runner is often removed by the server before it says goodbye.
        tracing::debug!("{error}");
    }
    outcome
}

struct Listener {
    shared: Arc<Shared>,
    incoming: mpsc::Receiver<Message>,
    poll: AbortOnDropHandle<Outcome>,
    job: Option<Running>,
    /// When a stop no longer waits for the job.
    deadline: Option<Instant>,
    stopping: bool,
    stop: CancellationToken,
}

impl Listener {
    async fn run(&mut self) -> Outcome {
        loop {
            match self.event().await {
                Event::Message(message) => self.dispatch(message).await,
                Event::PollEnded(outcome) => {
                    self.end_job().await;
                    return outcome;
                }
                Event::JobEnded(finished) => {
                    self.announce(finished);
                    if self.shared.settings.ephemeral || self.stopping {
                        return Outcome::Done;
                    }
                }
                Event::Stop => {
                    self.stopping = true;
                    if self.leave().await {
                        self.end_job().await;
                        return Outcome::Done;
                    }
                }
                Event::DeadlinePassed => {
                    self.shared.console.event("Sending SIGTERM to the actions runner");
                    self.end_job().await;
                    return Outcome::Done;
                }
            }
        }
    }

    async fn event(&mut self) -> Event {
        let Self {
            incoming,
            poll,
            job,
            stop,
            stopping,
            deadline,
            ..
        } = self;
        let job_end = async {
            match job {
                Some(running) => (&mut running.task).await.unwrap_or(Finished::Lost),
                None => std::future::pending().await,
            }
        };
        let event = async {
            tokio::select! {
                // What has been said comes before what ends the saying.
                biased;
                finished = job_end => Event::JobEnded(finished),
                Some(message) = incoming.recv() => Event::Message(message),
                outcome = poll => Event::PollEnded(outcome.unwrap_or(Outcome::Terminated)),
                () = stop.cancelled(), if !*stopping => Event::Stop,
            }
        };
        match deadline {
            Some(deadline) => timeout_at(*deadline, event)
                .await
                .unwrap_or(Event::DeadlinePassed),
            None => event.await,
        }
    }

    async fn dispatch(&mut self, message: Message) {
        match message.kind.as_str() {
            "PipelineAgentJobRequest" => self.start(message).await,
            "JobCancellation" => {
                self.cancel(&message.body);
                self.acknowledge(message.id).await;
            }
            kind => {
                tracing::info!("a message of type {kind} is ignored");
                self.acknowledge(message.id).await;
            }
        }
    }

    /// A message that is not acknowledged is a job that is not taken: the server gives it to another runner.
    async fn start(&mut self, message: Message) {
        if self.job.is_some() {
            tracing::warn!("a second job arrived while one runs; it is left to others");
            return;
        }
        let job: JobMessage = match serde_json::from_str(&message.body) {
            Ok(job) => job,
            Err(error) => {
                self.shared
                    .console
                    .event(&format!("The job message cannot be read: {error}"));
                return;
            }
        };
        let (id, request_id, name) = (job.job_id.clone(), job.request_id, job.job_display_name.clone());
        if let Err(error) = self.lock_job(request_id).await {
            self.shared
                .console
                .event(&format!("The job {name} cannot be locked: {error}"));
            return;
        }
        self.shared.console.event(&format!("Running job: {name}"));
        let cancellation = Cancellation::new();
        let task = tokio::spawn(run_job(Arc::clone(&self.shared), job, cancellation.clone()));
        self.job = Some(Running {
            id,
            request_id,
            name,
            cancellation,
            task,
        });
        self.acknowledge(message.id).await;
    }

    /// The first renewal says that the job is accepted.
    async fn lock_job(&self, request_id: i64) -> Result<(), CallError> {
        let mut tries = 0;
        loop {
            match renew_job(&self.shared.registered, request_id).await {
                Err(error) if error.is_transient() && tries < 4 => {
                    tries += 1;
                    pause(Duration::from_secs(1), &self.stop).await;
                }
                answer => return answer,
            }
        }
    }

    fn cancel(&self, body: &str) {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct CancelMessage {
            job_id: String,
            #[serde(default)]
            timeout: Option<String>,
        }
        let message: CancelMessage = match serde_json::from_str(body) {
            Ok(message) => message,
            Err(error) => {
                tracing::warn!("a cancellation cannot be read: {error}");
                return;
            }
        };
        match &self.job {
            Some(job) if job.id.eq_ignore_ascii_case(&message.job_id) => {
                let grace = message
                    .timeout
                    .as_deref()
                    .and_then(time_span)
                    .unwrap_or(CANCEL_GRACE);
                job.cancellation.cancel(grace);
            }
            _ => tracing::info!("a cancellation for a job that does not run here is ignored"),
        }
    }

    async fn acknowledge(&self, message_id: i64) {
        let session = self
            .shared
            .session
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(session) = session
            && let Err(error) = session.acknowledge(&self.shared.registered, message_id).await
        {
            tracing::warn!("{error}");
        }
    }

    fn announce(&mut self, finished: Finished) {
        let Some(job) = self.job.take() else { return };
        self.shared.console.event(&match finished {
            Finished::Reported(result) => format!("Job {} completed with result: {result:?}", job.name),
            Finished::Lost => format!(
                "Job {} (request {}) was lost: nobody takes its result",
                job.name, job.request_id
            ),
        });
    }

    /// SIGTERM: removes the runner from the server; true if that went well. A busy runner is not removed.
    async fn leave(&mut self) -> bool {
        let console = &self.shared.console;
        let timeout = self.shared.settings.graceful_stop_timeout;
        console.event("Executing actions-runner-controller's SIGTERM handler.");
        console.event("Note that if this takes more time than terminationGracePeriodSeconds, the runner will be forcefully terminated by Kubernetes, which may result in the in-progress workflow job, if any, to fail.");
        match deregister(&self.shared.settings, &self.shared.http).await {
            Ok(()) => {
                console.success("Runner removed successfully");
                true
            }
            Err(error) => {
                console.event(&format!("The runner cannot be removed: {error}"));
                console.event(&format!(
                    "Waiting for RUNNER_GRACEFUL_STOP_TIMEOUT={} seconds until the runner agent to stop by itself.",
                    timeout.as_secs()
                ));
                self.deadline = Some(Instant::now() + timeout);
                false
            }
        }
    }

    /// Ends a job that must not go on, and waits until its result is told.
    async fn end_job(&mut self) {
        let Some(job) = &mut self.job else { return };
        job.cancellation.shut_down();
        let finished = (&mut job.task).await.unwrap_or(Finished::Lost);
        self.announce(finished);
    }
}

/// Runs a job and keeps its lock meanwhile.
async fn run_job(shared: Arc<Shared>, message: JobMessage, cancellation: Cancellation) -> Finished {
    let request_id = message.request_id;
    let keep_lock = async {
        let mut ticks = tokio::time::interval(Duration::from_secs(60));
        ticks.tick().await;
        loop {
            ticks.tick().await;
            match renew_job(&shared.registered, request_id).await {
                Err(error)
                    if error.is("TaskAgentJobNotFoundException")
                        || error.is("TaskAgentJobTokenExpiredException") =>
                {
                    return;
                }
                Err(error) => tracing::warn!("{error}"),
                Ok(()) => {}
            }
        }
    };
    let job = job::run(
        message,
        &shared.settings,
        &shared.http,
        &shared.console,
        cancellation.clone(),
    );
    tokio::pin!(job);
    tokio::select! {
        finished = &mut job => finished,
        () = keep_lock => {
            cancellation.abandon();
            job.await;
            Finished::Lost
        }
    }
}

/// `hh:mm:ss`, as .NET writes a time span.
fn time_span(text: &str) -> Option<Duration> {
    let mut parts = text
        .split(':')
        .map(|part| part.split('.').next().unwrap_or_default().parse::<u64>());
    let (hours, minutes, seconds) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    parts
        .next()
        .is_none()
        .then(|| Duration::from_secs(hours * 3600 + minutes * 60 + seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_spans_are_read() {
        assert_eq!(time_span("00:05:00"), Some(Duration::from_secs(300)));
        assert_eq!(time_span("01:00:01.5000000"), Some(Duration::from_secs(3601)));
        assert_eq!(time_span("5"), None);
    }
}
