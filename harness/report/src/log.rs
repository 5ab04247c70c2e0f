//! The run log on disk: `run.jsonl`, one event a line, the truth that every report is folded from.
//!
//! A line is one `write` of one event, so a killed run leaves at most its last line torn. Secrets are cleaned here,
//! before the first byte is written, and the cleaned line is what the live output must show too.

use std::io::Write as _;

use camino::{Utf8Path, Utf8PathBuf};
use harness_model::{Event, FORMAT, Line, Redactor};
use serde_json::Value;

use crate::ReportError;

/// The log's name in the run's folder.
pub const LOG_FILE: &str = "run.jsonl";

/// Appends events to a run's log.
#[derive(Debug)]
pub struct LogWriter {
    file: fs_err::File,
    /// Bytes of whole lines.
    whole: u64,
    redactor: Redactor,
}

impl LogWriter {
    /// Begins the log `run.jsonl` in the run's folder, which must exist; an earlier log there is replaced.
    ///
    /// # Errors
    /// [`ReportError::File`] if the file cannot be made.
    pub fn create(run_dir: &Utf8Path, redactor: Redactor) -> Result<Self, ReportError> {
        let file = fs_err::OpenOptions::new()
            .create(true)
            .append(true)
            .open(run_dir.join(LOG_FILE))
            .and_then(|file| file.set_len(0).map(|()| file))
            .map_err(ReportError::file("begin the run log"))?;
        Ok(Self {
            file,
            whole: 0,
            redactor,
        })
    }

    /// Goes on with the log of a killed run, without its torn last line.
    ///
    /// # Errors
    /// [`ReportError::File`] if the file cannot be changed.
    pub(crate) fn resume(run_dir: &Utf8Path, redactor: Redactor) -> Result<Self, ReportError> {
        let path = run_dir.join(LOG_FILE);
        let bytes = fs_err::read(&path).map_err(ReportError::file("read the run log"))?;
        let (whole, tail) = split_torn(&bytes);
        // Only the newline may be missing.
        let is_line = serde_json::from_slice::<Line>(tail).is_ok();
        let resumed = fs_err::OpenOptions::new()
            .append(true)
            .open(&path)
            .and_then(|mut file| {
                if is_line {
                    file.write_all(b"\n")?;
                    return Ok((file, bytes.len() + 1));
                }
                file.set_len(whole.len() as u64)?;
                Ok((file, whole.len()))
            });
        let (file, whole) = resumed.map_err(ReportError::file("end the run log"))?;
        Ok(Self {
            file,
            whole: whole as u64,
            redactor,
        })
    }

    /// Writes one event and returns it as written, without secrets: show this one, not the one passed in.
    ///
    /// # Errors
    /// [`ReportError::File`] if the disk takes it not (the log keeps its whole lines), [`ReportError::Encode`] if the
    /// event would not read back.
    pub fn append(&mut self, line: &Line) -> Result<Line, ReportError> {
        let clean = self.clean(line)?;
        let mut text = serde_json::to_string(&clean).map_err(|source| self.encode_error(line, source))?;
        text.push('\n');

        if let Err(source) = self.file.write_all(text.as_bytes()) {
            // A full disk may have taken half of the line. Shrinking needs no space; if even that fails, the first
            // error is still the one to tell.
            let _ = self.file.set_len(self.whole);
            return Err(ReportError::File {
                doing: "write the run log",
                source,
            });
        }
        self.whole += text.len() as u64;
        Ok(clean)
    }

    fn clean(&self, line: &Line) -> Result<Line, ReportError> {
        let mut value = serde_json::to_value(line).map_err(|source| self.encode_error(line, source))?;
        self.redactor.clean_json(&mut value);
        // Reading it back also refuses what JSON silently drops: a figure that is not finite becomes null.
        serde_json::from_value(value).map_err(|source| self.encode_error(line, source))
    }

    fn encode_error(&self, line: &Line, source: serde_json::Error) -> ReportError {
        ReportError::Encode {
            event: self.redactor.clean(&format!("{:?}", line.event)),
            source,
        }
    }
}

/// Reads a run's log. A torn last line is left out: that is how a killed run's log ends.
///
/// # Errors
/// [`ReportError::File`] if it cannot be read, [`ReportError::Empty`] if it holds no whole line,
/// [`ReportError::NewerFormat`] and [`ReportError::Headless`] by its first line, [`ReportError::Corrupt`] with the line
/// number for anything else.
pub fn read_log(path: &Utf8Path) -> Result<Vec<Line>, ReportError> {
    let bytes = fs_err::read(path).map_err(ReportError::file("read the run log"))?;
    let (whole, tail) = split_torn(&bytes);

    let mut lines = Vec::new();
    for (index, raw) in whole.split_inclusive(|byte| *byte == b'\n').enumerate() {
        if index == 0 {
            refuse_newer_format(path, raw)?;
        }
        let line = serde_json::from_slice(raw).map_err(|source| ReportError::Corrupt {
            path: path.to_owned(),
            line: index + 1,
            source,
        })?;
        lines.push(line);
    }
    // Only the newline may be missing.
    if let Ok(line) = serde_json::from_slice(tail) {
        lines.push(line);
    }

    match lines.first() {
        None => Err(ReportError::Empty {
            path: path.to_owned(),
        }),
        Some(Line {
            event: Event::RunStarted { .. },
            ..
        }) => Ok(lines),
        Some(_) => Err(ReportError::Headless {
            path: path.to_owned(),
        }),
    }
}

/// Whole lines, and what follows the last of them.
fn split_torn(bytes: &[u8]) -> (&[u8], &[u8]) {
    let newline = bytes.iter().rposition(|byte| *byte == b'\n');
    bytes.split_at(newline.map_or(0, |at| at + 1))
}

/// Looks at the format before anything else: a newer log may hold events that this program does not know.
fn refuse_newer_format(path: &Utf8Path, first: &[u8]) -> Result<(), ReportError> {
    let format = serde_json::from_slice::<Value>(first)
        .ok()
        .and_then(|value| value.get("format")?.as_u64());
    match format {
        Some(found) if found > u64::from(FORMAT) => Err(ReportError::NewerFormat {
            path: Utf8PathBuf::from(path),
            found,
            known: FORMAT,
        }),
        _ => Ok(()),
    }
}
