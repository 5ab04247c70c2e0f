//! What can go wrong between a run's folder and its reports, one variant per operation.

use std::io;

use camino::Utf8PathBuf;

/// A log or a report could not be read, written or found.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file operation of the run's folder; the source names the path.
    #[error("{doing}")]
    File {
        /// For example `write the run log`.
        doing: &'static str,
        /// The system's reason, with the path.
        #[source]
        source: io::Error,
    },
    /// An event has no JSON form that reads back as the same event, such as a figure that is not a number.
    #[error("write the run log: the event `{event}` has no JSON form: a defect of whoever emitted it")]
    Encode {
        /// The event, in Rust's debug form, cleaned of secrets.
        event: String,
        /// JSON's reason.
        #[source]
        source: serde_json::Error,
    },
    /// A whole line of the log is not an event.
    #[error(
        "{path}, line {line}: not an event of a run log; the file was changed or damaged after it was written"
    )]
    Corrupt {
        /// The log.
        path: Utf8PathBuf,
        /// From 1.
        line: usize,
        /// JSON's reason.
        #[source]
        source: serde_json::Error,
    },
    /// A whole line of a file of evidence is not what the harness writes there.
    #[error(
        "{path}, line {line}: not evidence of this harness; the file was changed or damaged after it was written"
    )]
    Evidence {
        /// The file.
        path: Utf8PathBuf,
        /// From 1.
        line: usize,
        /// JSON's reason.
        #[source]
        source: serde_json::Error,
    },
    /// A gate's file cannot be read.
    #[error("the gate {path} cannot be read")]
    GateFile {
        /// The file as named.
        path: Utf8PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// A gate's file is no gate.
    #[error("{path} is no gate")]
    Gate {
        /// The file as named.
        path: Utf8PathBuf,
        /// Where and why.
        source: harness_model::TomlError,
    },
    /// The log does not begin with the start of a run.
    #[error(
        "{path}, line 1: a run log begins with the event run-started; this is not a run log, or its head is lost"
    )]
    Headless {
        /// The log.
        path: Utf8PathBuf,
    },
    /// The log holds no whole line.
    #[error("{path} holds no event: the run was killed before it wrote its first line")]
    Empty {
        /// The log.
        path: Utf8PathBuf,
    },
    /// The log was written by a newer harness.
    #[error(
        "{path} has format {found}, this program reads up to {known}: use the version that wrote it, or a newer one"
    )]
    NewerFormat {
        /// The log.
        path: Utf8PathBuf,
        /// The log's format.
        found: u64,
        /// The newest format that this program reads.
        known: u32,
    },
    /// There is no run at all.
    #[error("no run in {folder}: start one with `cargo xtask e2e`, or name the folder of one")]
    NoRun {
        /// Where runs lie.
        folder: Utf8PathBuf,
    },
    /// No run of that name.
    #[error("no run `{wanted}` in {folder}: {known}")]
    UnknownRun {
        /// What was asked for.
        wanted: String,
        /// Where runs lie.
        folder: Utf8PathBuf,
        /// A fragment that names what is there.
        known: String,
    },
    /// Several runs begin with the given text.
    #[error("`{wanted}` fits several runs ({fits}): give more of the run id")]
    AmbiguousRun {
        /// What was asked for.
        wanted: String,
        /// The ids that fit.
        fits: String,
    },
    /// `report.yaml` could not be formed.
    #[error("form report.yaml")]
    Yaml(#[source] harness_yaml::YamlError),
    /// `junit.xml` could not be formed.
    #[error("form junit.xml")]
    Junit(#[source] quick_junit::SerializeError),
}

impl ReportError {
    /// For `map_err` on a file operation.
    pub(crate) fn file(doing: &'static str) -> impl FnOnce(io::Error) -> ReportError {
        move |source| ReportError::File { doing, source }
    }
}
