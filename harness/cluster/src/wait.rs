//! Waiting honestly: every wait says what it is for, has a deadline, and reports what it last saw.

use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use futures::StreamExt;
use kube::runtime::watcher;
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

/// What a probe saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen<T> {
    /// The awaited thing, with its value.
    Yes(T),
    /// Something else, in one line.
    NotYet(String),
}

/// A wait ended without its object.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum WaitError {
    /// The deadline passed.
    #[error("awaited {awaited} for {seconds:.1} s; last seen: {last_seen}")]
    TimedOut {
        /// What for, as the caller said it.
        awaited: String,
        /// What the last probe saw.
        last_seen: String,
        /// How long, in seconds.
        seconds: f64,
    },
    /// The probe itself failed for good.
    #[error("awaited {awaited}; the probe failed: {reason}")]
    Probe {
        /// What for.
        awaited: String,
        /// The probe's error chain.
        reason: String,
    },
}

impl WaitError {
    /// What was awaited.
    #[must_use]
    pub fn awaited(&self) -> &str {
        match self {
            WaitError::TimedOut { awaited, .. } | WaitError::Probe { awaited, .. } => awaited,
        }
    }

    /// What was seen last.
    #[must_use]
    pub fn last_seen(&self) -> &str {
        match self {
            WaitError::TimedOut { last_seen, .. } => last_seen,
            WaitError::Probe { reason, .. } => reason,
        }
    }
}

/// How often [`eventually`] probes. Small against every cadence of ARC, large against one API call.
const PROBE_INTERVAL: Duration = Duration::from_millis(50);

/// Probes until the probe says [`Seen::Yes`], for things that no watch can show (processes, ports, another server's state).
///
/// # Errors
/// [`WaitError::TimedOut`] with the last thing seen.
pub async fn eventually<T, F, Fut>(awaited: &str, deadline: Duration, mut probe: F) -> Result<T, WaitError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Seen<T>>,
{
    let start = Instant::now();
    let end = start + deadline;
    let mut last_seen = String::from("nothing yet");
    let mut ticks = interval(PROBE_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while timeout_at(end, ticks.tick()).await.is_ok() {
        match timeout_at(end, probe()).await {
            Ok(Seen::Yes(value)) => return Ok(value),
            Ok(Seen::NotYet(seen)) => last_seen = seen,
            Err(_) => {
                last_seen = format!("{last_seen} (the probe did not answer again)");
                break;
            }
        }
    }
    Err(WaitError::TimedOut {
        awaited: awaited.to_owned(),
        last_seen,
        seconds: start.elapsed().as_secs_f64(),
    })
}

/// Watches the named object until `judge` accepts it; `judge` sees `None` while the object does not exist.
///
/// # Errors
/// [`WaitError::TimedOut`] with what `judge` last said.
pub async fn watch_object<K, T>(
    api: Api<K>,
    name: &str,
    awaited: &str,
    deadline: Duration,
    mut judge: impl FnMut(Option<&K>) -> Seen<T>,
) -> Result<T, WaitError>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let start = Instant::now();
    let end = start + deadline;
    let mut last_seen = String::from("nothing yet");
    let stream = watcher::watch_object(api, name);
    futures::pin_mut!(stream);
    while let Ok(Some(item)) = timeout_at(end, stream.next()).await {
        match item {
            Ok(object) => match judge(object.as_ref()) {
                Seen::Yes(value) => return Ok(value),
                Seen::NotYet(seen) => last_seen = seen,
            },
            Err(error) => last_seen = format!("the watch failed, trying again: {error}"),
        }
    }
    Err(WaitError::TimedOut {
        awaited: awaited.to_owned(),
        last_seen,
        seconds: start.elapsed().as_secs_f64(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn gives_the_value_once_it_is_there() {
        let mut left = 3;

        let value = eventually("three probes", Duration::from_secs(5), || {
            left -= 1;
            let seen = if left == 0 {
                Seen::Yes(7)
            } else {
                Seen::NotYet(format!("{left} left"))
            };
            async { seen }
        })
        .await;

        assert_eq!(value, Ok(7));
    }

    #[tokio::test]
    async fn a_timeout_tells_what_was_awaited_and_last_seen() {
        let error = eventually("8 runners", Duration::from_millis(120), || async {
            Seen::<()>::NotYet("6 runners".into())
        })
        .await
        .expect_err("six are not eight");

        assert_eq!(error.awaited(), "8 runners");
        assert_eq!(error.last_seen(), "6 runners");
    }

    #[tokio::test]
    async fn a_probe_that_hangs_does_not_outlive_the_deadline() {
        let error = eventually(
            "an answer",
            Duration::from_millis(120),
            std::future::pending::<Seen<()>>,
        )
        .await
        .expect_err("the probe never answers");

        assert!(error.last_seen().contains("did not answer"), "{error}");
    }
}
