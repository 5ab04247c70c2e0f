//! How a run is introduced where two are compared.

use std::time::Duration;

use camino::Utf8PathBuf;
use harness_model::Verdict;
use jiff::Timestamp;

use super::Recorded;
use crate::Outcome;
use crate::text::count;

/// Which run it is and how it went.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Head {
    pub(crate) run_id: String,
    pub(crate) command: String,
    /// As found.
    pub(crate) folder: Utf8PathBuf,
    pub(crate) started: Timestamp,
    pub(crate) duration: Duration,
    pub(crate) outcome: Outcome,
    /// `2 checks: 1 passed, 1 failed`.
    pub(crate) counts: String,
    /// What was tested, in one sentence.
    pub(crate) subject: String,
}

impl Head {
    pub(super) fn of(run: &Recorded) -> Head {
        let summary = &run.summary;
        let counts = format!(
            "{}: {} passed, {} failed",
            count(summary.checks.len(), "check"),
            summary.count(Verdict::Pass),
            summary.count(Verdict::Fail)
        );
        Head {
            run_id: summary.run_id.clone(),
            command: summary.command.clone(),
            folder: run.folder.clone(),
            started: summary.started,
            duration: summary.duration,
            outcome: summary.outcome,
            counts,
            subject: summary.subject(),
        }
    }
}
