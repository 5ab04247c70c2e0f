//! Reports of a run: a pure fold over the run log (`run.jsonl`).
//!
//! [`LogWriter`] writes the log while the run happens and [`read_log`] reads it back, torn tail and all. [`Summary`] is
//! the whole run as a value; [`Terminal`] is the text that the run prints as it goes; [`report_yaml`] and [`junit_xml`]
//! are the files for machines, [`report_html`] the page for people, with [`Excerpts`] of the run's evidence;
//! [`step_summary`] and [`annotations`] are for GitHub Actions. The live run and
//! `cargo xtask report RUN` go through the same functions with the same lines, so they print the same bytes. [`diff`]
//! compares two runs by their logs and their [`Evidence`], for the terminal and as a page ([`diff_html`]), [`read_history`] folds all that are kept, and
//! [`broken_lines`] holds a run against a gate.
//!
//! [`Simulation`] shows what the oracle computed, in the same plain manner.
//!
//! What it is not: nothing here reaches a cluster, a GHES, a clock or the environment. The only IO is on the files of
//! runs' folders, and a gate's file.

mod clues;
mod diff;
mod error;
mod evidence;
mod excerpts;
mod files;
mod gate;
mod history;
mod html;
mod junit;
mod killed;
mod log;
mod runs;
mod simulation;
mod step_summary;
mod summary;
mod terminal;
mod text;
mod upgrade;
mod words;
mod yaml;

pub use diff::{Diff, Difference, Noise, Recorded, Section, diff};
pub use error::ReportError;
pub use evidence::{
    Call, EventKind, Evidence, Exposed, LEDGER_FOLDER, MANIFESTS_FILE, METRICS_FILE, OBJECTS_FOLDER,
    OWN_LEDGERS_FOLDER, ObjectName,
};
pub use excerpts::Excerpts;
pub use files::{HTML_FILE, JUNIT_FILE, REPORT_FILE, remove_unfinished, write_all};
pub use gate::{API_CALLS, RUNNER_HOURS, ask_gate, broken_lines, read_gate, usage};
pub use history::{CheckHistory, History, history, read_history};
pub use html::{diff_html, report_html};
pub use junit::junit_xml;
pub use killed::finish_killed;
pub use log::{LOG_FILE, LogWriter, read_log};
pub use runs::{LATEST, find_run, mark_latest};
pub use simulation::Simulation;
pub use step_summary::{annotations, step_summary};
pub use summary::{
    Attempt, AttemptEnd, Breakage, CheckResult, Deviation, GateAnswer, GuideVersion, Moment, Outcome, Phase,
    Setting, Summary, What, earned_exit,
};
pub use terminal::{Style, Terminal, replay};
pub use upgrade::{
    UPGRADE_FILE, UPGRADE_RUNS, UpgradeReason, UpgradeReport, UpgradeStep, UpgradeVerdict, upgrade_text,
    write_upgrade,
};
pub use yaml::{REPORT_FORMAT, report_yaml};
