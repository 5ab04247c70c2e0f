//! Which calls are repeated, when, and how often.
//!
//! A call that changes nothing when repeated goes again after 502, 503, 504, a lost connection or a rate limit. Any other goes again
//! only when GHES certainly did not carry it out. What GHES asks to wait is waited, up to the pace's patience, and a budget ends it all.
//!
//! Source of the waits: <https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit>.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder, Retryable, Sleeper, TokioSleeper};

use crate::{Failure, GhesError, Operation};

/// The first wait after a rate limit that does not say how long. Each further one is twice as long.
const UNTOLD: Duration = Duration::from_secs(60);

/// How GHES is asked. Clones share what is spent.
#[derive(Debug, Clone)]
pub struct Pace {
    /// First try included.
    attempts: usize,
    /// A longer wait is an error for whoever reads it, not a wait.
    patience: Duration,
    /// For a whole exchange; a job's log can be long.
    timeout: Duration,
    /// How many requests may go out; absent: as many as it takes.
    budget: Option<u32>,
    spent: Arc<AtomicU32>,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            attempts: 5,
            patience: Duration::from_secs(60),
            timeout: Duration::from_secs(60),
            budget: None,
            spent: Arc::default(),
        }
    }
}

impl Pace {
    /// With at most so many requests, tries and pages included.
    #[must_use]
    pub fn with_budget(self, requests: u32) -> Pace {
        Pace {
            budget: Some(requests),
            ..self
        }
    }

    /// With another time for a whole exchange.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Pace {
        Pace { timeout, ..self }
    }

    /// How many requests went out.
    #[must_use]
    pub fn spent(&self) -> u32 {
        self.spent.load(Ordering::Relaxed)
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Counts a request that is about to go out.
    fn spend(&self) -> Result<(), Failure> {
        let within = |spent: u32| self.budget.is_none_or(|budget| spent < budget);
        let counted = self
            .spent
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |spent| {
                within(spent).then(|| spent.saturating_add(1))
            });
        counted.map(drop).map_err(|budget| Failure::Spent { budget })
    }
}

/// What a call does when it is carried out twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// The same as once.
    Harmless,
    /// Something more.
    Harmful,
}

impl Repeat {
    fn allows(self, failure: &Failure) -> bool {
        failure.is_transient() && (self == Repeat::Harmless || !failure.may_have_been_done())
    }
}

/// Tries until it works. The closure is given the number of the try, from 1.
pub(crate) async fn call<T, Fut>(
    pace: &Pace,
    operation: Operation,
    repeat: Repeat,
    attempt: impl FnMut(u32) -> Fut,
) -> Result<T, GhesError>
where
    Fut: Future<Output = octocrab::Result<T>>,
{
    let pauses = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_factor(3.0)
        .with_max_times(pace.attempts.saturating_sub(1))
        .with_jitter();
    let mut attempt = attempt;
    let attempt = |number| {
        // On the heap: a request's future is large, and every layer above would carry it through its own stack frame.
        let answer = Box::pin(attempt(number));
        async move { answer.await.map_err(Failure::from) }
    };
    call_with(pace, operation, repeat, pauses, TokioSleeper, attempt).await
}

async fn call_with<T, Fut>(
    pace: &Pace,
    operation: Operation,
    repeat: Repeat,
    pauses: impl BackoffBuilder,
    sleeper: impl Sleeper,
    mut attempt: impl FnMut(u32) -> Fut,
) -> Result<T, GhesError>
where
    Fut: Future<Output = Result<T, Failure>>,
{
    let mut attempts = 0;
    let next = || {
        let answer = pace.spend().map(|()| {
            attempts += 1;
            attempt(attempts)
        });
        async move { answer?.await }
    };
    let mut untold = UNTOLD;
    let result = next
        .retry(pauses)
        .sleep(sleeper)
        .when(|failure| repeat.allows(failure))
        .adjust(|failure, pause| {
            let pause = pause?;
            let wait = match failure {
                Failure::Refused {
                    rate_limited: true,
                    retry_after: None,
                    ..
                } => {
                    let wait = untold;
                    untold = wait.saturating_mul(2);
                    wait
                }
                other => other.retry_after().unwrap_or(pause),
            };
            (wait <= pace.patience).then_some(wait.max(pause))
        })
        .notify(|failure, pause| tracing::debug!(%operation, %failure, ?pause, "GHES is asked again"))
        .await;
    result.map_err(|failure| GhesError::new(operation, failure, attempts))
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::sync::{Arc, Mutex};

    use backon::ConstantBuilder;
    use http::StatusCode;
    use octocrab::models::RunId;

    use super::*;
    use crate::Repo;

    /// Calls an operation that always fails so, with pauses of one second; gives the error and the pauses that were made.
    async fn failing(repeat: Repeat, failure: impl Fn() -> Failure) -> (GhesError, Vec<u64>) {
        failing_at(&Pace::default(), repeat, failure).await
    }

    async fn failing_at(pace: &Pace, repeat: Repeat, failure: impl Fn() -> Failure) -> (GhesError, Vec<u64>) {
        let pauses = Arc::new(Mutex::new(Vec::new()));
        let noted = pauses.clone();
        let sleeper = move |pause: Duration| {
            noted
                .lock()
                .expect("no test panics while it holds the lock")
                .push(pause.as_secs());
            ready(())
        };
        let operation = Operation::ReadRun {
            repo: Repo {
                owner: "o".into(),
                name: "r".into(),
            },
            run: RunId(1),
        };
        let seconds = ConstantBuilder::default()
            .with_delay(Duration::from_secs(1))
            .with_max_times(3);

        let error = call_with(pace, operation, repeat, seconds, sleeper, |_| {
            ready(Err::<(), _>(failure()))
        })
        .await
        .expect_err("every try fails");

        let pauses = pauses
            .lock()
            .expect("no test panics while it holds the lock")
            .clone();
        (error, pauses)
    }

    fn status(status: StatusCode) -> Failure {
        Failure::Refused {
            status,
            message: "no".into(),
            rate_limited: false,
            retry_after: None,
        }
    }

    fn limited(seconds: u64) -> Failure {
        Failure::Refused {
            status: StatusCode::FORBIDDEN,
            message: "slow down".into(),
            rate_limited: true,
            retry_after: Some(Duration::from_secs(seconds)),
        }
    }

    fn lost(sent: bool) -> Failure {
        Failure::Unreachable {
            reason: "connection reset".into(),
            sent,
            transient: true,
        }
    }

    #[tokio::test]
    async fn reading_gives_up_after_the_last_pause_and_tells_the_tries() {
        for code in [
            StatusCode::BAD_GATEWAY,
            StatusCode::SERVICE_UNAVAILABLE,
            StatusCode::GATEWAY_TIMEOUT,
        ] {
            let (error, pauses) = failing(Repeat::Harmless, || status(code)).await;

            assert_eq!(pauses, [1, 1, 1]);
            assert!(error.to_string().contains("(4 attempts)"), "{error}");
        }
    }

    #[tokio::test]
    async fn an_answer_that_will_not_change_is_final() {
        for code in [
            StatusCode::UNAUTHORIZED,
            StatusCode::NOT_FOUND,
            StatusCode::INTERNAL_SERVER_ERROR,
        ] {
            let (error, pauses) = failing(Repeat::Harmless, || status(code)).await;

            assert_eq!((pauses, error.attempts()), (vec![], 1));
        }
    }

    #[tokio::test]
    async fn what_may_have_been_done_is_not_done_again() {
        let failures: [fn() -> Failure; 2] = [|| status(StatusCode::BAD_GATEWAY), || lost(true)];
        for failure in failures {
            let (error, _) = failing(Repeat::Harmful, failure).await;

            assert_eq!(error.attempts(), 1);
        }
    }

    #[tokio::test]
    async fn what_was_certainly_not_done_is_done_again() {
        let failures: [fn() -> Failure; 2] = [|| limited(1), || lost(false)];
        for failure in failures {
            let (error, _) = failing(Repeat::Harmful, failure).await;

            assert_eq!(error.attempts(), 4);
        }
    }

    #[tokio::test]
    async fn a_longer_wait_that_ghes_asks_for_is_kept() {
        let (_, pauses) = failing(Repeat::Harmless, || limited(7)).await;

        assert_eq!(pauses, [7, 7, 7]);
    }

    #[tokio::test]
    async fn a_wait_beyond_all_patience_is_told_instead() {
        let (error, pauses) = failing(Repeat::Harmless, || limited(3600)).await;

        assert!(pauses.is_empty(), "{pauses:?}");
        assert!(error.to_string().contains("asks to wait 3600 s"), "{error}");
    }

    #[tokio::test]
    async fn a_limit_that_does_not_say_how_long_is_given_a_minute_then_more_than_patience() {
        let untold = || Failure::Refused {
            status: StatusCode::FORBIDDEN,
            message: "You have exceeded a secondary rate limit".into(),
            rate_limited: true,
            retry_after: None,
        };

        let (error, pauses) = failing(Repeat::Harmful, untold).await;

        assert_eq!((pauses, error.attempts()), (vec![60], 2));
    }

    #[tokio::test]
    async fn a_spent_budget_ends_the_tries_and_every_later_call() {
        let pace = Pace::default().with_budget(3);

        let (error, pauses) = failing_at(&pace, Repeat::Harmless, || lost(true)).await;
        let (later, _) = failing_at(&pace.clone(), Repeat::Harmless, || lost(true)).await;

        assert_eq!((pauses.len(), pace.spent()), (3, 3));
        for error in [error, later] {
            assert!(
                error.to_string().contains("budget of 3 requests is spent"),
                "{error}"
            );
        }
    }
}
