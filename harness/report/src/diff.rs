//! What differs between two runs, as far as it matters: a value, folded from both logs and what lies beside them.
//!
//! Two runs of the same thing never agree to the millisecond, so a figure differs only beyond its [`Noise`]. What it is not: a verdict on
//! which run is better, or a look at anything but the two folders.

mod calls;
mod difference;
mod figures;
mod head;
mod noise;
mod objects;
mod screen;
mod subject;
mod verdicts;

use camino::{Utf8Path, Utf8PathBuf};

pub use difference::Difference;
pub(crate) use head::Head;
pub use noise::Noise;
pub(crate) use screen::OTHER_CHECKS;

use crate::{Evidence, LOG_FILE, ReportError, Summary, read_log};

/// A run with all that two runs are compared by.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// Its folder, as found.
    pub folder: Utf8PathBuf,
    /// Its log, folded.
    pub summary: Summary,
    /// What lies beside the log.
    pub evidence: Evidence,
}

impl Recorded {
    /// Reads a run's folder.
    ///
    /// # Errors
    /// As [`read_log`] and [`Evidence::read`].
    pub fn read(folder: &Utf8Path) -> Result<Recorded, ReportError> {
        Ok(Recorded {
            folder: folder.to_owned(),
            summary: Summary::fold(&read_log(&folder.join(LOG_FILE))?),
            evidence: Evidence::read(folder)?,
        })
    }
}

/// One thing that runs are compared by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// For example `API calls`; at most 12 characters.
    pub title: &'static str,
    /// What was compared and when a change counts; or why nothing could be.
    pub scope: String,
    /// Whether it could be compared at all.
    pub compared: bool,
    /// Each difference that matters, the weightiest first.
    pub differences: Vec<Difference>,
    /// What moved by no more than it may move by itself.
    pub within_noise: Vec<Difference>,
    /// The differences that matter on a line each, with what repeats drawn together, for a screen.
    pub brief: Vec<String>,
}

impl Section {
    fn new(title: &'static str, scope: String, differences: Vec<Difference>) -> Self {
        Section {
            title,
            scope,
            compared: true,
            brief: differences.iter().map(|each| each.line.clone()).collect(),
            differences,
            within_noise: Vec::new(),
        }
    }

    fn unavailable(title: &'static str, scope: String) -> Self {
        Section {
            title,
            scope,
            compared: false,
            brief: Vec::new(),
            differences: Vec::new(),
            within_noise: Vec::new(),
        }
    }

    /// Compares what both runs keep; if one does not, says which and what for.
    fn of_both<T>(
        title: &'static str,
        what: &str,
        (before, after): (Option<&T>, Option<&T>),
        compare: impl FnOnce(&T, &T) -> Section,
    ) -> Self {
        let keeps_none = match (before, after) {
            (Some(before), Some(after)) => return compare(before, after),
            (None, Some(_)) => "the first run keeps",
            (Some(_), None) => "the second run keeps",
            (None, None) => "both runs keep",
        };
        let scope = format!("not compared: {keeps_none} no {what}");
        Section::unavailable(title, scope)
    }
}

/// What differs between two runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Diff {
    pub(crate) runs: [Head; 2],
    /// Whether the same checks ran in both.
    pub(crate) same_checks: bool,
    /// In the order of their weight.
    pub sections: Vec<Section>,
}

impl Diff {
    /// How many differences matter.
    #[must_use]
    pub fn differences(&self) -> usize {
        self.sections
            .iter()
            .map(|section| section.differences.len())
            .sum()
    }
}

/// Compares two runs.
#[must_use]
pub fn diff(before: &Recorded, after: &Recorded) -> Diff {
    let (one, other) = (&before.evidence, &after.evidence);
    let recorded = "recorded objects";
    let sections = vec![
        verdicts::section(&before.summary, &after.summary),
        figures::timings(&before.summary, &after.summary),
        subject::section(&before.summary, &after.summary),
        figures::section(&before.summary, &after.summary),
        Section::of_both(
            "API calls",
            "ledger of requests",
            (one.calls.as_ref(), other.calls.as_ref()),
            calls::requests,
        ),
        Section::of_both(
            "Metrics",
            "list of ARC's metrics",
            (one.metrics.as_ref(), other.metrics.as_ref()),
            calls::metrics,
        ),
        Section::of_both(
            "Definitions",
            "manifests of the chart",
            (one.manifests.as_ref(), other.manifests.as_ref()),
            objects::definitions,
        ),
        Section::of_both(
            "Manifests",
            "manifests of the chart",
            (one.manifests.as_ref(), other.manifests.as_ref()),
            objects::manifests,
        ),
        Section::of_both(
            "Events",
            recorded,
            (one.events.as_ref(), other.events.as_ref()),
            calls::events,
        ),
    ];
    Diff {
        runs: [Head::of(before), Head::of(after)],
        same_checks: verdicts::same_checks(&before.summary, &after.summary),
        sections,
    }
}
