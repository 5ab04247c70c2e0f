//! What went wrong: the operation, how GHES refused it, and what to do about it.
//!
//! No address with a query and no header stands in an error: signed log addresses and tokens stay out of logs.

use std::fmt;
use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use octocrab::models::RunId;

use crate::Operation;

/// Why it did not work.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// GHES answered, and refused.
    #[error("GHES answered {status}: {message}")]
    Refused {
        /// The HTTP status.
        status: StatusCode,
        /// GHES's words.
        message: String,
        /// Too many requests, or too many at once; nothing was carried out.
        rate_limited: bool,
        /// How long GHES asks to wait.
        retry_after: Option<Duration>,
    },
    /// The connection could not be made, or broke.
    #[error("{reason}")]
    Unreachable {
        /// The deepest cause.
        reason: String,
        /// Whether GHES may have seen the request.
        sent: bool,
        /// Whether trying again can help.
        transient: bool,
    },
    /// An answer that is not what the REST documentation promises.
    #[error("GHES's answer cannot be understood: {0}")]
    Answer(
        /// Where and how it differs.
        String,
    ),
    /// No more requests may go out.
    #[error("the API budget of {budget} requests is spent")]
    Spent {
        /// How many there were.
        budget: u32,
    },
    /// The target itself cannot be used.
    #[error("{0}")]
    Target(
        /// What is wrong with it, and what to do.
        String,
    ),
    /// The dispatch was accepted, but its run did not show.
    #[error("the dispatch was accepted, but no new run showed within {} s; last seen: {last_seen}", waited.as_secs_f32())]
    NoRun {
        /// How long it was awaited.
        waited: Duration,
        /// The newest run that was there.
        last_seen: String,
    },
    /// Somebody else dispatched the same workflow on the same branch meanwhile.
    #[error("runs {} showed at once, and nothing tells which is this dispatch's", runs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    ManyRuns {
        /// The new runs.
        runs: Vec<RunId>,
    },
}

impl Failure {
    /// Whether an operation that may be repeated should be.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Failure::Refused {
                status, rate_limited, ..
            } => {
                *rate_limited
                    || matches!(
                        *status,
                        StatusCode::BAD_GATEWAY
                            | StatusCode::SERVICE_UNAVAILABLE
                            | StatusCode::GATEWAY_TIMEOUT
                    )
            }
            Failure::Unreachable { transient, .. } => *transient,
            _ => false,
        }
    }

    /// Whether GHES may have carried the request out all the same.
    pub(crate) fn may_have_been_done(&self) -> bool {
        match self {
            Failure::Refused { status, .. } => status.is_server_error(),
            Failure::Unreachable { sent, .. } => *sent,
            Failure::Answer(_) => true,
            _ => false,
        }
    }

    /// How long GHES asks to wait.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Failure::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl From<octocrab::Error> for Failure {
    fn from(error: octocrab::Error) -> Failure {
        match error {
            octocrab::Error::GitHub { source, .. } => refused(&source),
            octocrab::Error::Reqwest { source, .. } => unreachable(source),
            octocrab::Error::Service { source, .. } => match source.downcast::<octocrab::Error>() {
                Ok(inner) => Failure::from(*inner),
                Err(other) => Failure::Unreachable {
                    reason: deepest(other.as_ref()),
                    sent: true,
                    transient: true,
                },
            },
            octocrab::Error::Json { source, .. } => {
                Failure::Answer(format!("at {}: {}", source.path(), source.inner()))
            }
            octocrab::Error::Serde { source, .. } => Failure::Answer(source.to_string()),
            other => Failure::Answer(deepest(&other)),
        }
    }
}

fn refused(error: &octocrab::GitHubError) -> Failure {
    let header = |name: &str| error.headers.as_ref()?.get(name)?.to_str().ok();
    let now = header("date")
        .and_then(|date| rfc2822::parse(date).ok())
        .map_or_else(Timestamp::now, |date| date.timestamp());
    let retry_after = header("retry-after").and_then(|text| {
        let seconds = text.parse().ok().map(Duration::from_secs);
        seconds.or_else(|| Some(until(rfc2822::parse(text).ok()?.timestamp(), now)))
    });
    let spent = header("x-ratelimit-remaining") == Some("0");
    let reset = header("x-ratelimit-reset")
        .and_then(|second| Timestamp::from_second(second.parse().ok()?).ok())
        .filter(|_| spent)
        .map(|reset| until(reset, now));
    let secondary = error.message.contains("secondary rate limit");
    let rate_limited = match error.status_code {
        StatusCode::TOO_MANY_REQUESTS => true,
        StatusCode::FORBIDDEN => retry_after.is_some() || spent || secondary,
        _ => false,
    };
    let retry_after = retry_after.or(reset);
    let mut message = first_line(&error.message);
    for detail in error.errors.iter().flatten() {
        message = format!("{message} {detail}");
    }
    Failure::Refused {
        status: error.status_code,
        message,
        rate_limited,
        retry_after,
    }
}

/// By GHES's own clock, which is not this machine's.
fn until(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(then.duration_since(now)).unwrap_or_default()
}

fn unreachable(error: reqwest::Error) -> Failure {
    let error = error.without_url();
    let reason = deepest(&error);
    let transient = !(error.is_builder() || error.is_redirect() || reason.contains("certificate"));
    let reason = if error.is_timeout() {
        format!("no answer in time ({reason})")
    } else {
        reason
    };
    Failure::Unreachable {
        reason,
        sent: !(error.is_connect() || error.is_builder()),
        transient,
    }
}

fn deepest(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    first_line(&cause.to_string())
}

/// Proxies answer with whole pages; one line of at most 200 characters says enough.
fn first_line(text: &str) -> String {
    let line = text
        .lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or("(no message)")
        .trim();
    match line.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

/// An operation on GHES failed.
#[derive(Debug)]
pub struct GhesError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    operation: Operation,
    failure: Failure,
    attempts: u32,
}

impl GhesError {
    pub(crate) fn new(operation: Operation, failure: Failure, attempts: u32) -> GhesError {
        GhesError(Box::new(Inner {
            operation,
            failure,
            attempts,
        }))
    }

    /// What was being done.
    #[must_use]
    pub fn operation(&self) -> &Operation {
        &self.0.operation
    }

    /// Why it did not work.
    #[must_use]
    pub fn failure(&self) -> &Failure {
        &self.0.failure
    }

    /// How often it was tried.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// The HTTP status, if GHES answered.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        match &self.0.failure {
            Failure::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    fn advice(&self) -> String {
        let rights = self.0.operation.rights();
        match &self.0.failure {
            Failure::Refused {
                rate_limited: true,
                retry_after,
                ..
            } => match retry_after {
                Some(wait) => format!(
                    "GHES asks to wait {} s: try again then, or raise its rate limit",
                    wait.as_secs()
                ),
                None => "try again later, or raise GHES's rate limit".to_owned(),
            },
            Failure::Refused { status, .. } => match (*status, &self.0.operation) {
                (StatusCode::UNAUTHORIZED, _) => {
                    "the token is not accepted: give a valid personal access token".to_owned()
                }
                (StatusCode::FORBIDDEN, _) => format!("the token may not do this: it needs {rights}"),
                (StatusCode::NOT_FOUND, Operation::Connect(_)) => {
                    "nothing answers at /api/v3/meta: is this the address of a GitHub Enterprise Server?"
                        .to_owned()
                }
                (StatusCode::NOT_FOUND, Operation::ReadJobLog { .. }) => {
                    format!(
                        "a log exists only once the job has run; GHES also hides what a token may not see: it needs {rights}"
                    )
                }
                (StatusCode::NOT_FOUND, _) => {
                    format!("check the names; GHES also hides what a token may not see: it needs {rights}")
                }
                (StatusCode::CONFLICT, Operation::CancelRun { .. }) => "the run has ended already".to_owned(),
                (StatusCode::UNPROCESSABLE_ENTITY, Operation::Dispatch { .. }) => {
                    "check the ref, the workflow's workflow_dispatch trigger and its inputs".to_owned()
                }
                (StatusCode::UNPROCESSABLE_ENTITY, Operation::DeleteRunner { .. }) => {
                    "a runner can be deleted only when it has no job".to_owned()
                }
                (status, _) if status.is_redirection() => {
                    "GHES points elsewhere, and nothing is sent where nobody allowed it: use the address and the names of today"
                        .to_owned()
                }
                (status, _) if status.is_server_error() => {
                    "GHES is not well: look at its own logs".to_owned()
                }
                _ => "the request does not suit this GHES: compare its version with the REST documentation"
                    .to_owned(),
            },
            Failure::Unreachable { reason, .. } if reason.contains("certificate") => {
                "give the CA that signed GHES's certificate, and use the name that stands in it".to_owned()
            }
            Failure::Unreachable { reason, .. } if reason.contains("tunnel") || reason.contains("proxy") => {
                "the proxy of HTTPS_PROXY did not let it through: mend that variable, or name the host in NO_PROXY".to_owned()
            }
            Failure::Unreachable { .. } => "check the address, the network and whether GHES is up".to_owned(),
            Failure::Answer(_) => "compare GHES's version with the REST documentation".to_owned(),
            Failure::Spent { .. } => "give a larger one, or name less".to_owned(),
            Failure::Target(_) => String::new(),
            Failure::NoRun { .. } => {
                "check that Actions is enabled and that GHES's job queue moves".to_owned()
            }
            Failure::ManyRuns { .. } => "dispatch on a branch that nobody else uses".to_owned(),
        }
    }
}

impl fmt::Display for GhesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.operation, self.0.failure)?;
        if self.0.attempts > 1 {
            write!(f, " ({} attempts)", self.0.attempts)?;
        }
        match self.advice() {
            advice if advice.is_empty() => Ok(()),
            advice => write!(f, "; {advice}"),
        }
    }
}

/// The display says it all, so there is no source to repeat it.
impl std::error::Error for GhesError {}
