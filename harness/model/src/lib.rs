//! The vocabulary of a run: events, verdicts, checks, capabilities, parts, exit codes, redaction, the names and the allow-list that keep it to what is its own.
//!
//! Pure: no file, no network, no clock. Everything here is data that the run writes and the reports read.
//! What it is not: nothing here knows Kubernetes or GitHub.

pub mod autoscaling;
mod capability;
mod check;
mod config;
mod event;
mod exit;
mod expectation;
mod gate;
mod hosts;
pub mod journal;
mod lifeline;
mod own_name;
mod pain;
mod part;
mod plan;
mod redactor;
mod scope;
mod toml_text;
pub mod upgrade;
mod verdict;

pub use capability::Capability;
pub use check::{ArcServer, Check, Claim, OwnArc, Profile, WallClock};
pub use config::{CONFIG_FILE, Config, Retention, Target, TargetCluster};
pub use event::{Event, FORMAT, Failure, Line, Measurement, SkipReason};
pub use exit::Exit;
pub use expectation::{EXPECTATIONS_FILE, Expectation, expectations};
pub use gate::{Gate, GateFile, allows};
pub use hosts::{HOSTS_VARIABLE, Hosts, InvalidHost};
pub use lifeline::INTERRUPT;
pub use own_name::{Foreign, OwnName, RunPrefix};
pub use pain::{PAINS, Pain};
pub use part::{Origin, Part};
pub use plan::{
    AWS_CLI_VARIABLE, BROWSER_VARIABLE, ClusterChoice, LIVE_VARIABLE, OutputFormat, PLAN_VARIABLE,
    PROGRAM_VARIABLE, Plan,
};
pub use redactor::{Learned, REDACTED, Redactor};
pub use scope::Scope;
pub use toml_text::TomlError;
pub use verdict::Verdict;
