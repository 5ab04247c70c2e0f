//! The run log: one [`Line`] per line of `run.jsonl`, written as it happens.
//!
//! Reports are a pure fold over these lines; nothing else passes between running and reporting.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::upgrade::{ArmFacts, ChartDifference};
use crate::{Capability, Check, Part, Verdict};

/// The version of this format; stands in [`Event::RunStarted`], the first line. It grows with each new kind of event or field that an older
/// program cannot read, and older logs stay readable: 2 added [`Event::GateChecked`], 3
/// [`Verdict::ExpectedFailure`], 4 [`Event::Reaped`]. Published as `docs/schema/event.schema.json`.
pub const FORMAT: u32 = 4;

/// One line of the run log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// When it happened (UTC).
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// Why a check was not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "why")]
pub enum SkipReason {
    /// The environment lacks a capability.
    Missing {
        /// What is missing.
        capability: Capability,
        /// Why this environment has none.
        reason: String,
    },
    /// The run ended before the check's turn.
    RunEnded {
        /// What ended it.
        reason: String,
    },
}

/// Why a check failed: all that the first screen of a report shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What was awaited, as a sentence with its value.
    pub awaited: String,
    /// What was last seen instead.
    pub last_seen: String,
    /// The whole error chain, when it says more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// A figure that the run measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// For example `plane usable`.
    pub name: String,
    /// The figure.
    pub value: f64,
    /// For example `s`.
    pub unit: String,
}

/// What can happen in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// Always the first line.
    RunStarted {
        /// [`FORMAT`] of the writer.
        format: u32,
        /// Names the run's folder; sorts by time.
        run_id: String,
        /// The command line as a user would type it again.
        command: String,
        /// `core`, `extended` or `all`.
        profile: String,
        /// `local`, `kind` or `existing`.
        cluster: String,
        /// Why that cluster.
        cluster_reason: String,
        /// `mock` or the address of the real one.
        ghes: String,
        /// `real` or `controlled`.
        clock: String,
        /// Seed of everything random.
        seed: u64,
    },
    /// A part was resolved, or a component told its version.
    Part {
        /// The part.
        part: Part,
    },
    /// A phase of bring-up or tear-down began.
    PhaseStarted {
        /// For example `control plane`.
        phase: String,
    },
    /// A phase ended.
    PhaseFinished {
        /// As in the start.
        phase: String,
        /// Milliseconds it took.
        duration_ms: u64,
    },
    /// A fixture departs from the guide.
    Deviation {
        /// File and path within it.
        what: String,
        /// What the guide has.
        guide: String,
        /// What the run has.
        ours: String,
        /// Why.
        reason: String,
    },
    /// A version that the guide names, beside the one that was tested.
    GuideVersion {
        /// For example `actions-runner-controller`.
        part: String,
        /// The guide's version.
        guide: String,
        /// The tested version.
        tested: String,
        /// Why they differ; empty if they do not.
        reason: String,
    },
    /// A setting that changes what the run means (list cache, injected defect, …).
    Setting {
        /// For example `runner list max-age`.
        name: String,
        /// For example `0 s`.
        value: String,
    },
    /// A check is part of this run.
    CheckPlanned {
        /// The check.
        check: Check,
        /// Set if it will not run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        skip: Option<SkipReason>,
    },
    /// An attempt at a check began.
    CheckStarted {
        /// The check's id.
        id: String,
        /// From 1.
        attempt: u32,
        /// The namespace it acts in.
        namespace: String,
    },
    /// A check saw something worth telling.
    Observed {
        /// The check's id.
        id: String,
        /// One line.
        text: String,
    },
    /// A check measured something.
    Measured {
        /// The check's id, or empty for the run itself.
        id: String,
        /// The figure.
        measurement: Measurement,
    },
    /// An attempt at a check ended.
    CheckFinished {
        /// The check's id.
        id: String,
        /// From 1.
        attempt: u32,
        /// Its verdict.
        verdict: Verdict,
        /// Milliseconds it took.
        duration_ms: u64,
        /// Set for `fail`, `expected-failure` and `error`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<Failure>,
        /// Folder of evidence, relative to the run's folder.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evidence: Option<String>,
        /// The command that runs this check alone.
        rerun: String,
    },
    /// An arm of an upgrade is done.
    Upgraded {
        /// What it did.
        facts: ArmFacts,
    },
    /// How the charts before and after an upgrade differ.
    ChartsDiffer {
        /// In what.
        difference: ChartDifference,
    },
    /// The environment did not come up, or broke while checks ran.
    Broken {
        /// What failed, why, what to do: one sentence each.
        message: String,
        /// The exit code this leads to.
        exit: u8,
    },
    /// Something worth a line that belongs to no check.
    Note {
        /// The line.
        text: String,
    },
    /// The gate was asked, once the checks had ended.
    GateChecked {
        /// The gate's file, as the user named it.
        file: String,
        /// A sentence for each of its lines that the run broke; empty: the gate holds.
        broken: Vec<String>,
    },
    /// Ctrl-C or SIGTERM.
    Interrupted,
    /// Always the last line of a run that was not killed.
    RunFinished {
        /// The exit code.
        exit: u8,
        /// Milliseconds from start to here.
        duration_ms: u64,
    },
    /// The last line of a run that was killed and that `cargo xtask reap` has finished.
    Reaped {
        /// What went on when it was killed, for example `during the phase "ARC"`.
        during: String,
        /// What was ended and removed, a sentence each.
        did: Vec<String>,
    },
}
