//! A scenario: a check and the code that tries its claim, with what it may act on.

mod context;
mod desk;
mod trail;

use std::fmt::{Debug, Display};

use futures::future::BoxFuture;
use harness_cluster::WaitError;
use harness_model::{Check, Failure};

pub use context::{Context, OWN_NODE_TAINT, Upgrade};
pub use desk::{Desk, Stay, Visit};
pub use trail::{Step, Trail};

/// A check with its code.
pub struct Scenario {
    /// The claim and its grounds.
    pub check: fn() -> Check,
    /// Tries the claim; an error that holds an [`Unmet`] or a [`WaitError`] means that the claim failed, any other that the harness did.
    pub run: fn(Context) -> BoxFuture<'static, anyhow::Result<()>>,
}

/// The claim did not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("awaited {awaited}; saw {seen}")]
pub struct Unmet {
    /// What was awaited, with its value.
    pub awaited: String,
    /// What was there instead.
    pub seen: String,
}

/// Fails the check unless `holds`.
///
/// # Errors
/// [`Unmet`].
pub fn expect(awaited: impl Into<String>, holds: bool, seen: impl Display) -> Result<(), Unmet> {
    if holds {
        Ok(())
    } else {
        Err(Unmet {
            awaited: awaited.into(),
            seen: seen.to_string(),
        })
    }
}

/// Fails the check unless both are equal; the failure shows both values.
///
/// # Errors
/// [`Unmet`].
pub fn expect_equal<T: PartialEq + Debug>(what: &str, expected: &T, seen: &T) -> Result<(), Unmet> {
    if expected == seen {
        return Ok(());
    }
    Err(Unmet {
        awaited: format!("{what} = {expected:?}"),
        seen: format!("{seen:?}"),
    })
}

/// How an error of a scenario is to be read: a claim that failed, or (`None`) a harness that did.
pub(crate) fn failure(error: &anyhow::Error) -> Option<Failure> {
    let mut around = Vec::new();
    for cause in error.chain() {
        let (awaited, last_seen) = if let Some(unmet) = cause.downcast_ref::<Unmet>() {
            (unmet.awaited.clone(), unmet.seen.clone())
        } else if let Some(wait) = cause.downcast_ref::<WaitError>() {
            if let WaitError::TimedOut { seconds, .. } = wait {
                around.push(format!("waited {seconds:.0} s"));
            }
            (wait.awaited().to_owned(), wait.last_seen().to_owned())
        } else {
            around.push(cause.to_string());
            continue;
        };
        return Some(Failure {
            awaited,
            last_seen,
            detail: Some(around.join(": ")).filter(|text| !text.is_empty()),
        });
    }
    None
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn an_unmet_claim_is_a_failure_however_deep_it_lies() {
        let error = Err::<(), _>(Unmet {
            awaited: "4 runners".into(),
            seen: "3".into(),
        })
        .context("scaling up")
        .expect_err("three are not four");

        let failure = failure(&error).expect("an unmet claim is a failure");

        assert_eq!(
            (failure.awaited.as_str(), failure.last_seen.as_str()),
            ("4 runners", "3")
        );
        assert_eq!(failure.detail.as_deref(), Some("scaling up"));
    }

    #[test]
    fn a_wait_that_timed_out_tells_how_long_it_was() {
        let wait = WaitError::TimedOut {
            awaited: "a runner".into(),
            last_seen: "none".into(),
            seconds: 45.0,
        };

        let failure = failure(&wait.into()).expect("a wait is a claim that failed");

        assert_eq!(failure.awaited, "a runner");
        assert_eq!(failure.detail.as_deref(), Some("waited 45 s"));
    }

    #[test]
    fn any_other_error_is_the_harness_s_own() {
        assert_eq!(failure(&anyhow::anyhow!("the disk is gone")), None);
    }

    #[test]
    fn unequal_values_are_both_shown() {
        let unmet = expect_equal("labels", &vec!["a", "b"], &vec!["a"]).expect_err("they differ");

        assert_eq!(unmet.to_string(), r#"awaited labels = ["a", "b"]; saw ["a"]"#);
    }
}
