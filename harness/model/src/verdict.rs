//! How a check ended.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The outcome of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The claim held.
    Pass,
    /// The claim did not hold.
    Fail,
    /// The claim did not hold, as is known of this version of ARC ([`crate::Expectation`]).
    #[serde(rename = "expected-failure")]
    ExpectedFailure,
    /// The claim held, but only at a later attempt.
    Flaky,
    /// Not run; the reason is recorded.
    Skipped,
    /// The environment lacks a capability that the check needs.
    Unsupported,
    /// The harness itself failed: nothing is known about the claim.
    Error,
}

impl Verdict {
    /// Whether a run with this verdict in it can still be green.
    #[must_use]
    pub fn is_green(self) -> bool {
        !matches!(self, Verdict::Fail | Verdict::Error)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
            Verdict::ExpectedFailure => "expected failure",
            Verdict::Flaky => "flaky",
            Verdict::Skipped => "skipped",
            Verdict::Unsupported => "unsupported",
            Verdict::Error => "error",
        })
    }
}
