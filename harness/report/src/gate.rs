//! A run before its gate: which lines of the gate it broke, and the log with that said.
//!
//! What it is not: the gate itself, which is data of the model.

use camino::Utf8Path;
use harness_model::{Event, Gate, Line, Measurement, Verdict, allows};

use crate::text::count;
use crate::{CheckResult, Evidence, ReportError, Summary, earned_exit};

/// The figure of a run with its requests to GHES's REST API.
pub const API_CALLS: &str = "API calls";
/// The figure of a run with the hours that its runner pods lived.
pub const RUNNER_HOURS: &str = "runner-hours";

/// Reads a gate's file.
///
/// # Errors
/// [`ReportError::GateFile`] if it cannot be read, [`ReportError::Gate`] with line and column if it is no gate.
pub fn read_gate(path: &Utf8Path) -> Result<Gate, ReportError> {
    // The plain read: the error names the file already.
    let text = std::fs::read_to_string(path).map_err(|source| ReportError::GateFile {
        path: path.to_owned(),
        source,
    })?;
    Gate::parse(&text).map_err(|source| ReportError::Gate {
        path: path.to_owned(),
        source,
    })
}

/// The figures that a gate has budgets for, from what lies beside the log. What was not recorded has none.
#[must_use]
pub fn usage(evidence: &Evidence) -> Vec<Measurement> {
    // A run's counts are far below where a double loses whole numbers.
    #[expect(clippy::cast_precision_loss, reason = "a run's counts are small")]
    let calls = evidence.api_calls().map(|calls| Measurement {
        name: API_CALLS.to_owned(),
        value: calls as f64,
        unit: "calls".to_owned(),
    });
    let hours = evidence.runner_time.map(|time| Measurement {
        name: RUNNER_HOURS.to_owned(),
        value: time.as_secs_f64() / 3600.0,
        unit: "h".to_owned(),
    });
    calls.into_iter().chain(hours).collect()
}

/// A sentence for each line of the gate that the run broke. A budget without its figure is broken: what is not known is not kept.
#[must_use]
pub fn broken_lines(gate: &Gate, summary: &Summary) -> Vec<String> {
    let mut broken = Vec::new();
    let not_run = |verdict| matches!(verdict, Verdict::Skipped | Verdict::Unsupported);
    if let Some(limit) = gate.max_skips {
        let skipped = summary.checks.iter().filter(|check| not_run(check.verdict));
        let ids: Vec<&str> = skipped.map(|check| check.check.id.as_str()).collect();
        if ids.len() > limit as usize {
            broken.push(format!(
                "`max_skips = {limit}`: of {}, {} not run: {}",
                count(summary.checks.len(), "check"),
                ids.len(),
                ids.join(", ")
            ));
        }
    }
    if let Some(allowed) = &gate.allowed_skips {
        broken.extend(not_allowed(
            summary,
            allowed,
            not_run,
            "`allowed_skips`",
            "not run",
        ));
    }
    if let Some(allowed) = &gate.allowed_flakes {
        let flaky = |verdict| verdict == Verdict::Flaky;
        broken.extend(not_allowed(summary, allowed, flaky, "`allowed_flakes`", "flaky"));
    }
    if let Some(limit) = gate.max_duration_seconds {
        let seconds = summary.duration.as_secs_f64();
        if seconds > limit {
            broken.push(format!(
                "`max_duration_seconds = {limit}`: the run took {seconds:.1} s"
            ));
        }
    }
    let calls = figure(summary, API_CALLS);
    if let Some(limit) = gate.max_api_calls {
        let line = format!("`max_api_calls = {limit}`");
        match calls {
            None => broken.push(unknown(&line, API_CALLS)),
            Some(calls) if calls > limit => {
                broken.push(format!("{line}: GHES's REST API was called {calls} times"))
            }
            Some(_) => {}
        }
    }
    if let Some(limit) = gate.max_api_calls_per_runner_hour {
        let line = format!("`max_api_calls_per_runner_hour = {limit}`");
        match (calls, figure(summary, RUNNER_HOURS)) {
            (None, _) => broken.push(unknown(&line, API_CALLS)),
            (_, None) => broken.push(unknown(&line, RUNNER_HOURS)),
            (Some(calls), Some(hours)) if calls > limit * hours => broken.push(format!(
                "{line}: {calls} calls in {hours:.3} runner-hours are {}",
                if hours > 0.0 {
                    format!("{:.0} an hour", calls / hours)
                } else {
                    "more than none".to_owned()
                }
            )),
            _ => {}
        }
    }
    broken
}

/// Asks the gate of a run's log: what it says comes before the run's end, in place of what an earlier gate said, and the exit code follows.
pub fn ask_gate(lines: &mut Vec<Line>, file: &str, gate: &Gate) {
    lines.retain(|line| !matches!(line.event, Event::GateChecked { .. }));
    let broken = broken_lines(gate, &Summary::fold(lines));
    let ended = |line: &Line| matches!(line.event, Event::RunFinished { .. } | Event::Reaped { .. });
    let end = lines.iter().position(ended).unwrap_or(lines.len());
    let Some(at) = lines.get(end).or(lines.last()).map(|line| line.at) else {
        return;
    };
    let event = Event::GateChecked {
        file: file.to_owned(),
        broken,
    };
    lines.insert(end, Line { at, event });
    let earned = earned_exit(lines);
    if let Some(Line {
        event: Event::RunFinished { exit, .. },
        ..
    }) = lines.last_mut()
    {
        *exit = earned;
    }
}

fn not_allowed(
    summary: &Summary,
    allowed: &[String],
    is: impl Fn(Verdict) -> bool,
    line: &str,
    what: &str,
) -> Option<String> {
    let told = |check: &&CheckResult| is(check.verdict) && !allows(allowed, &check.check.id);
    let ids: Vec<&str> = summary
        .checks
        .iter()
        .filter(told)
        .map(|c| c.check.id.as_str())
        .collect();
    let were = if ids.len() == 1 { "was" } else { "were" };
    let sentence = || {
        format!(
            "{line}: {} {were} {what}: {}",
            count(ids.len(), "check"),
            ids.join(", ")
        )
    };
    (!ids.is_empty()).then(sentence)
}

fn figure(summary: &Summary, name: &str) -> Option<f64> {
    let known = summary.measurements.iter().rev().find(|m| m.name == name);
    known.map(|measurement| measurement.value)
}

fn unknown(line: &str, name: &str) -> String {
    format!("{line} cannot be judged: the run's log holds no figure `{name}`")
}
