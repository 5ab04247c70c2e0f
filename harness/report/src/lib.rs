//! Reports of a run: a pure fold over the run log (`run.jsonl`).
//!
//! [`LogWriter`] writes the log while the run happens and [`read_log`] reads it back, torn tail and all. [`Summary`] is
//! the whole run as a value; [`Terminal`] is the text that the run prints as it goes; [`report_yaml`] and [`junit_xml`]
//! are the files for machines. The live run and `cargo xtask report RUN` go through the same functions with the same
//! lines, so they print the same bytes.
//!
//! [`Simulation`] shows what the oracle computed, in the same plain manner.
//!
//! What it is not: nothing here reaches a cluster, a GHES, a clock or the environment. The only IO is on the files of
//! one run's folder.

mod error;
mod files;
mod junit;
mod log;
mod runs;
mod simulation;
mod summary;
mod terminal;
mod text;
mod upgrade;
mod yaml;

pub use error::ReportError;
pub use files::{JUNIT_FILE, REPORT_FILE, write_all};
pub use junit::junit_xml;
pub use log::{LOG_FILE, LogWriter, read_log};
pub use runs::{LATEST, find_run, mark_latest};
pub use simulation::Simulation;
pub use summary::{
    Attempt, AttemptEnd, Breakage, CheckResult, Deviation, GuideVersion, Outcome, Phase, Setting, Summary,
    earned_exit,
};
pub use terminal::{Style, Terminal, replay};
pub use upgrade::{UPGRADE_FILE, UpgradeReport, UpgradeStep, UpgradeVerdict, upgrade_text, write_upgrade};
pub use yaml::{REPORT_FORMAT, report_yaml};
