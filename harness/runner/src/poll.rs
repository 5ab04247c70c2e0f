//! The poll: keeps a session open and hands its messages to the listener, through lost connections, expired sessions and
//! tokens, until the server says that this runner is no more.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::Outcome;
use crate::listener::Shared;
use crate::session::{Message, Session, SessionError};
use crate::shutdown::pause;

/// How long a conflicting session is waited for, and how often it is tried.
const CONFLICT_LIMIT: Duration = Duration::from_secs(240);
const CONFLICT_PAUSE: Duration = Duration::from_secs(30);
/// The pause after a failed poll grows up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// Polls for messages until the runner must not poll any more.
pub(crate) async fn poll(shared: Arc<Shared>, messages: mpsc::Sender<Message>) -> Outcome {
    let never = CancellationToken::new();
    let mut last = None;
    loop {
        let session = match open_session(&shared).await {
            Ok(session) => Arc::new(session),
            Err(outcome) => return outcome,
        };
        *shared.session.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&session));
        shared.console.event("Listening for Jobs");
        let mut failures: u32 = 0;
        loop {
            match session.next(&shared.registered, last).await {
                Ok(message) => {
                    if failures > 0 {
                        shared.console.event("Runner reconnected.");
                        failures = 0;
                    }
                    let Some(message) = message else { continue };
                    last = Some(message.id);
                    if messages.send(message).await.is_err() {
                        return Outcome::Done;
                    }
                }
                Err(error) => match verdict(&error) {
                    Verdict::NewSession => break,
                    Verdict::Leave(outcome) => {
                        shared.console.event(&farewell(&error));
                        return outcome;
                    }
                    Verdict::TryAgain => {
                        if failures == 0 {
                            shared.console.event(&format!(
                                "Runner connect error: {error}. Retrying until reconnected."
                            ));
                        }
                        failures += 1;
                        let wait = Duration::from_secs(1 << failures.min(4)) / 2;
                        pause(wait.min(LONGEST_PAUSE), &never).await;
                    }
                },
            }
        }
    }
}

async fn open_session(shared: &Shared) -> Result<Session, Outcome> {
    let never = CancellationToken::new();
    let started = Instant::now();
    let mut told = false;
    loop {
        let error = match Session::open(&shared.registered, &shared.settings).await {
            Ok(session) => return Ok(session),
            Err(error) => error,
        };
        let conflict =
            matches!(&error, SessionError::Call(call) if call.is("TaskAgentSessionConflictException"));
        let wait = match verdict(&error) {
            _ if conflict && started.elapsed() < CONFLICT_LIMIT => CONFLICT_PAUSE,
            Verdict::TryAgain if !conflict => Duration::from_secs(1),
            Verdict::TryAgain | Verdict::NewSession | Verdict::Leave(_) => {
                shared
                    .console
                    .event(&format!("Failed to create a session. {}", farewell(&error)));
                return Err(match verdict(&error) {
                    Verdict::Leave(outcome) => outcome,
                    _ => Outcome::Terminated,
                });
            }
        };
        if !told {
            told = true;
            shared.console.event(&if conflict {
                "A session for this runner already exists.".to_owned()
            } else {
                format!("Runner connect error: {error}. Retrying until reconnected.")
            });
        }
        pause(wait, &never).await;
    }
}

enum Verdict {
    TryAgain,
    NewSession,
    Leave(Outcome),
}

/// What an error of the queue means for the runner (runner protocol: classes of errors).
fn verdict(error: &SessionError) -> Verdict {
    let SessionError::Call(call) = error else {
        return Verdict::TryAgain;
    };
    if call.is("TaskAgentSessionExpiredException") {
        Verdict::NewSession
    } else if call.is("TaskAgentAccessTokenExpiredException") {
        Verdict::Leave(Outcome::Done)
    } else if [
        "TaskAgentNotFoundException",
        "AccessDeniedException",
        "invalid_client",
    ]
    .iter()
    .any(|class| call.is(class))
    {
        Verdict::Leave(Outcome::Terminated)
    } else {
        Verdict::TryAgain
    }
}

fn farewell(error: &SessionError) -> String {
    match error {
        SessionError::Call(call) if call.is("invalid_client") || call.is("TaskAgentNotFoundException") => {
            "The runner registration has been deleted from the server, please re-configure.".to_owned()
        }
        error => error.to_string(),
    }
}
