//! How each check fared over the runs that are kept: trend, flake rate, durations.
//!
//! What it is not: a database. It reads the logs in the folder of runs, newest first, each time it is asked.

use std::collections::BTreeMap;
use std::time::Duration;

use camino::Utf8Path;
use comfy_table::{CellAlignment, Table, presets};
use harness_model::Verdict;

use crate::runs::run_ids;
use crate::text::{count, seconds};
use crate::{LOG_FILE, Outcome, ReportError, Style, Summary, read_log};

/// The setting by which a run says that it was seeded with defects.
const SEEDED: &str = "seeded defects";

/// How one check fared. Runs that did not judge it (not planned, skipped, cut off) do not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckHistory {
    /// The check's id.
    pub id: String,
    /// Per run, oldest first: its verdict, `None` where the run did not judge it.
    pub verdicts: Vec<Option<Verdict>>,
    /// Durations of the runs in which it was green, oldest first.
    pub durations: Vec<Duration>,
}

impl CheckHistory {
    /// In how many runs it ended so.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.verdicts
            .iter()
            .filter(|known| **known == Some(verdict))
            .count()
    }

    /// In how many runs it was judged.
    #[must_use]
    pub fn judged(&self) -> usize {
        self.verdicts.iter().flatten().count()
    }

    /// The share of the runs that judged it in which it was flaky; `None` if none did.
    #[must_use]
    pub fn flake_rate(&self) -> Option<f64> {
        // Runs on a disk are few.
        #[expect(clippy::cast_precision_loss, reason = "runs are few")]
        let share = |part: usize, whole: usize| part as f64 / whole as f64;
        let judged = self.judged();
        (judged > 0).then(|| share(self.count(Verdict::Flaky), judged))
    }

    /// The middle of its green durations; of an even number, the lower one.
    #[must_use]
    pub fn median(&self) -> Option<Duration> {
        let mut sorted = self.durations.clone();
        sorted.sort();
        sorted.get(sorted.len().saturating_sub(1) / 2).copied()
    }
}

/// The runs that are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    /// Run ids and how they ended, oldest first.
    pub runs: Vec<(String, Outcome)>,
    /// By id.
    pub checks: Vec<CheckHistory>,
    /// Runs that were seeded with defects: red on purpose, so left out.
    pub seeded: usize,
    /// Folders whose log cannot be read, each with why.
    pub unreadable: Vec<String>,
}

/// Reads the newest `last` runs of the folder.
///
/// # Errors
/// [`ReportError::File`] if the folder cannot be listed, [`ReportError::NoRun`] if there is no run. A log that cannot be read is told in the
/// history.
pub fn read_history(runs: &Utf8Path, last: usize) -> Result<History, ReportError> {
    let ids = run_ids(runs)?;
    if ids.is_empty() {
        return Err(ReportError::NoRun {
            folder: runs.to_owned(),
        });
    }
    let (mut newest, mut seeded, mut unreadable) = (Vec::new(), 0, Vec::new());
    for id in ids.iter().rev() {
        if newest.len() == last {
            break;
        }
        match read_log(&runs.join(id).join(LOG_FILE)) {
            Ok(lines) => {
                let summary = Summary::fold(&lines);
                if summary.settings.iter().any(|setting| setting.name == SEEDED) {
                    seeded += 1;
                } else {
                    newest.push(summary);
                }
            }
            Err(error) => unreadable.push(error.to_string()),
        }
    }
    newest.reverse();
    Ok(History {
        seeded,
        unreadable,
        ..history(&newest)
    })
}

/// Folds runs, oldest first.
#[must_use]
pub fn history(runs: &[Summary]) -> History {
    let mut checks: BTreeMap<&str, CheckHistory> = BTreeMap::new();
    for (index, run) in runs.iter().enumerate() {
        for result in &run.checks {
            let check = checks.entry(&result.check.id).or_insert_with(|| CheckHistory {
                id: result.check.id.clone(),
                verdicts: vec![None; runs.len()],
                durations: Vec::new(),
            });
            let judged =
                !matches!(result.verdict, Verdict::Skipped | Verdict::Unsupported) && !result.is_cut_off();
            if judged {
                check.verdicts[index] = Some(result.verdict);
                if result.verdict.is_green() {
                    check.durations.push(result.duration());
                }
            }
        }
    }
    History {
        runs: runs.iter().map(|run| (run.run_id.clone(), run.outcome)).collect(),
        checks: checks.into_values().collect(),
        ..History::default()
    }
}

impl History {
    /// The text for a terminal, with its line ends.
    #[must_use]
    pub fn text(&self, style: Style) -> String {
        use crate::terminal::Tone;

        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header([
            "check",
            "runs",
            "pass",
            "flaky",
            "fail",
            "expected",
            "error",
            "flake rate",
            "median",
            "last",
            "trend, newest last",
        ]);
        for check in &self.checks {
            table.add_row(row(check));
        }
        for column in 1..=9 {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let mut out = table.trim_fmt() + "\n";
        let green = self
            .runs
            .iter()
            .filter(|(_, outcome)| *outcome == Outcome::Green)
            .count();
        let ends = match self.runs.as_slice() {
            [] => String::new(),
            [(only, _)] => format!(" ({only})"),
            [(oldest, _), .., (newest, _)] => format!(" ({oldest} to {newest})"),
        };
        let text = format!("{}, {green} green{ends}", count(self.runs.len(), "run"));
        out += &style.entry(Tone::Strong, "Runs", &text);
        out += &style.entry(
            Tone::Strong,
            "Trend",
            "· pass, ~ flaky, F fail, x expected failure, E error, blank: not judged by that run; durations of green checks, in seconds",
        );
        if self.seeded > 0 {
            let text = format!("{} with seeded defects", count(self.seeded, "run"));
            out += &style.entry(Tone::Strong, "Left out", &text);
        }
        for why in &self.unreadable {
            out += &style.entry(Tone::Warn, "Left out", why);
        }
        out
    }
}

fn row(check: &CheckHistory) -> Vec<String> {
    let trend: String = check
        .verdicts
        .iter()
        .map(|verdict| match verdict {
            Some(Verdict::Pass) => '·',
            Some(Verdict::Flaky) => '~',
            Some(Verdict::Fail) => 'F',
            Some(Verdict::ExpectedFailure) => 'x',
            Some(Verdict::Error) => 'E',
            Some(Verdict::Skipped | Verdict::Unsupported) | None => ' ',
        })
        .collect();
    let number = |verdict| match check.count(verdict) {
        0 => String::new(),
        number => number.to_string(),
    };
    let rate = check.flake_rate();
    vec![
        check.id.clone(),
        check.judged().to_string(),
        number(Verdict::Pass),
        number(Verdict::Flaky),
        number(Verdict::Fail),
        number(Verdict::ExpectedFailure),
        number(Verdict::Error),
        rate.map_or_else(String::new, |rate| format!("{:.0} %", rate * 100.0)),
        check.median().map(seconds).unwrap_or_default(),
        check.durations.last().copied().map(seconds).unwrap_or_default(),
        trend,
    ]
}
