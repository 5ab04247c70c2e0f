//! A killed run's log, finished afterwards: its last line says what went on when it was killed, and what was left of it.
//!
//! What it is not: nothing is ended or removed here; whoever did that says so.

use camino::Utf8Path;
use harness_model::{Event, Line, Redactor};
use jiff::Timestamp;

use crate::{LOG_FILE, LogWriter, ReportError, Summary, read_log, write_all};

/// Ends the log of a killed run with [`Event::Reaped`] and renders its reports. `None` if there is nothing to report: the run was killed before its
/// first event, or the log beside the journal is another run's. A log that has its end stays as it is.
///
/// # Errors
/// As [`read_log`] for a log that is damaged, as [`write_all`] for the reports.
pub fn finish_killed(
    run_dir: &Utf8Path,
    run_id: &str,
    at: Timestamp,
    did: &[String],
) -> Result<Option<Summary>, ReportError> {
    let path = run_dir.join(LOG_FILE);
    if !path.is_file() {
        return Ok(None);
    }
    let mut lines = match read_log(&path) {
        Err(ReportError::Empty { .. }) => return Ok(None),
        lines => lines?,
    };
    let summary = Summary::fold(&lines);
    if summary.run_id != run_id {
        return Ok(None);
    }
    let ended = |line: &Line| matches!(line.event, Event::RunFinished { .. } | Event::Reaped { .. });
    if !lines.iter().any(ended) {
        let event = Event::Reaped {
            during: during(&summary),
            did: did.to_vec(),
        };
        let mut log = LogWriter::resume(run_dir, Redactor::default())?;
        lines.push(log.append(&Line { at, event })?);
    }
    let summary = Summary::fold(&lines);
    write_all(run_dir, &summary)?;
    Ok(Some(summary))
}

/// What went on where the log ends.
fn during(summary: &Summary) -> String {
    let running: Vec<&str> = summary
        .checks
        .iter()
        .filter(|check| check.attempts.last().is_some_and(|attempt| attempt.end.is_none()))
        .map(|check| check.check.id.as_str())
        .collect();
    let phase = summary.phases.iter().rev().find(|phase| phase.duration.is_none());
    if summary.interrupted {
        return "after it had been interrupted".to_owned();
    }
    match (phase, running.as_slice()) {
        (Some(phase), _) => format!("during the phase \"{}\"", phase.name),
        (None, []) => "between its phases".to_owned(),
        (None, checks) => format!("while it ran {}", checks.join(", ")),
    }
}
