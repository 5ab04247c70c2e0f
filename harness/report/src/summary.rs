//! The whole run as a value, folded from its log.
//!
//! What it is not: a judge of the log. A log that contradicts itself still folds; where an event is missing the
//! summary says so in the verdict of the check that lacks it.

mod check;

use std::time::Duration;

use harness_model::upgrade::{ArmFacts, ChartDifference};
use harness_model::{Event, Exit, Line, Measurement, Part, Verdict};
use jiff::Timestamp;
use serde::Serialize;

pub use check::{Attempt, AttemptEnd, CheckResult, Moment, What};

/// How a run ended, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Nothing failed (exit 0).
    Green,
    /// A check failed or the subject did (exit 1).
    Red,
    /// Usage, environment or harness (exit 2, 3, 4): nothing is said about the subject.
    Broken,
    /// Ctrl-C or SIGTERM (exit 130).
    Interrupted,
    /// The log has no end.
    #[default]
    Killed,
}

/// A phase of bring-up or tear-down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phase {
    /// For example `control plane`.
    pub name: String,
    /// When it began (UTC).
    pub started: Timestamp,
    /// `None` if it never ended.
    pub duration: Option<Duration>,
}

/// A departure of a fixture from the guide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deviation {
    /// File and path within it.
    pub what: String,
    /// What the guide has.
    pub guide: String,
    /// What the run has.
    pub ours: String,
    /// Why.
    pub reason: String,
}

/// A version of the guide beside the tested one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GuideVersion {
    /// For example `actions-runner-controller`.
    pub part: String,
    /// The guide's version.
    pub guide: String,
    /// The tested version.
    pub tested: String,
    /// Why they differ; empty if they do not.
    pub reason: String,
}

/// A setting that changes what the run means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// For example `runner list max-age`.
    pub name: String,
    /// For example `0 s`.
    pub value: String,
}

/// What the gate said of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GateAnswer {
    /// The gate's file, as the user named it.
    pub file: String,
    /// A sentence for each of its lines that the run broke; empty: it holds.
    pub broken: Vec<String>,
}

/// The environment did not come up, or broke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breakage {
    /// What failed, why, what to do.
    pub message: String,
    /// The exit code this leads to.
    pub exit: u8,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Summary {
    /// Names the run's folder.
    pub run_id: String,
    /// The command line.
    pub command: String,
    /// `core`, `extended` or `all`.
    pub profile: String,
    /// `local`, `kind` or `existing`.
    pub cluster: String,
    /// Why that cluster.
    pub cluster_reason: String,
    /// `mock` or the address of the real one.
    pub ghes: String,
    /// `real` or `controlled`.
    pub clock: String,
    /// Seed of everything random.
    pub seed: u64,
    /// When it began (UTC).
    pub started: Timestamp,
    /// From the first line to the last.
    pub duration: Duration,
    /// Each part once, as last told, in order of first appearance.
    pub parts: Vec<Part>,
    /// Each setting once, as last told.
    pub settings: Vec<Setting>,
    /// In order of their start.
    pub phases: Vec<Phase>,
    /// The run's own figures; those of checks are with the checks.
    pub measurements: Vec<Measurement>,
    /// In order of appearance.
    pub guide_versions: Vec<GuideVersion>,
    /// In order of appearance.
    pub deviations: Vec<Deviation>,
    /// In the order planned.
    pub checks: Vec<CheckResult>,
    /// The arms of an upgrade, in order.
    pub arms: Vec<ArmFacts>,
    /// How the charts before and after an upgrade differ.
    pub chart_difference: Option<ChartDifference>,
    /// Lines that belong to no check.
    pub notes: Vec<String>,
    /// What broke, in order.
    pub broken: Vec<Breakage>,
    /// What the gate said, if one was asked.
    pub gate: Option<GateAnswer>,
    /// Ctrl-C or SIGTERM came.
    pub interrupted: bool,
    /// The log has no end: somebody killed the run, or it still goes on.
    pub killed: bool,
    /// What went on when it was killed, if `cargo xtask reap` has finished it: then it goes on no more.
    pub killed_during: Option<String>,
    /// As logged; of a killed run the one it had earned, 130 if nothing had failed.
    pub exit: u8,
    /// In one word.
    pub outcome: Outcome,
}

impl Summary {
    /// Folds the lines of a log, whole or not. It cannot fail: what is missing is told as missing.
    #[must_use]
    pub fn fold(lines: &[Line]) -> Summary {
        let mut summary = Summary {
            killed: true,
            ..Summary::default()
        };
        // What was written afterwards is no part of the run's time.
        let own = |line: &&Line| !matches!(line.event, Event::Reaped { .. });
        if let (Some(first), Some(last)) = (lines.first(), lines.iter().rfind(own)) {
            summary.started = first.at;
            // A clock that was set back is no reason to fail.
            summary.duration = Duration::try_from(last.at.duration_since(first.at)).unwrap_or_default();
        }
        for line in lines {
            summary.take(line);
        }
        summary.close();
        summary
    }

    /// How many checks ended with this verdict.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.checks
            .iter()
            .filter(|check| check.verdict == verdict)
            .count()
    }

    /// What was tested, in one sentence.
    #[must_use]
    pub fn subject(&self) -> String {
        let version = |name: &str| {
            self.parts
                .iter()
                .find(|part| part.name == name)
                .map(|part| part.version.as_str())
        };
        let mut pieces = Vec::new();
        if let Some(arc) = version("arc-manager") {
            pieces.push(format!("actions-runner-controller {arc}"));
        }
        if let Some(certificates) = version("cert-manager-controller") {
            pieces.push(format!("cert-manager {certificates}"));
        }
        if let Some(kubernetes) = version("kube-apiserver") {
            pieces.push(format!("Kubernetes {kubernetes} ({} cluster)", self.cluster));
        } else {
            pieces.push(format!("{} cluster", self.cluster));
        }
        pieces.push(match version("mock-ghes") {
            Some(ghes) => format!("a mock of GitHub Enterprise Server {ghes}"),
            None => format!("GHES: {}", self.ghes),
        });
        pieces.join(", ")
    }

    fn take(&mut self, line: &Line) {
        match line.event.clone() {
            Event::RunStarted {
                run_id,
                command,
                profile,
                cluster,
                cluster_reason,
                ghes,
                clock,
                seed,
                ..
            } => {
                self.run_id = run_id;
                self.command = command;
                self.profile = profile;
                self.cluster = cluster;
                self.cluster_reason = cluster_reason;
                self.ghes = ghes;
                self.clock = clock;
                self.seed = seed;
            }
            Event::Part { part } => match self
                .parts
                .iter_mut()
                .find(|known| (&known.name, &known.version) == (&part.name, &part.version))
            {
                Some(known) => *known = part,
                None => self.parts.push(part),
            },
            Event::Setting { name, value } => {
                match self.settings.iter_mut().find(|known| known.name == name) {
                    Some(known) => known.value = value,
                    None => self.settings.push(Setting { name, value }),
                }
            }
            Event::PhaseStarted { phase } => self.phases.push(Phase {
                name: phase,
                started: line.at,
                duration: None,
            }),
            Event::PhaseFinished { phase, duration_ms } => self.finish_phase(phase, duration_ms, line.at),
            Event::Deviation {
                what,
                guide,
                ours,
                reason,
            } => {
                self.deviations.push(Deviation {
                    what,
                    guide,
                    ours,
                    reason,
                });
            }
            Event::GuideVersion {
                part,
                guide,
                tested,
                reason,
            } => {
                self.guide_versions.push(GuideVersion {
                    part,
                    guide,
                    tested,
                    reason,
                });
            }
            Event::Measured { id, measurement } if id.is_empty() => self.measurements.push(measurement),
            Event::Upgraded { facts } => self.arms.push(facts),
            Event::ChartsDiffer { difference } => self.chart_difference = Some(difference),
            Event::Broken { message, exit } => self.broken.push(Breakage { message, exit }),
            Event::Note { text } => self.notes.push(text),
            Event::GateChecked { file, broken } => self.gate = Some(GateAnswer { file, broken }),
            Event::Interrupted => self.interrupted = true,
            Event::RunFinished { exit, duration_ms } => {
                self.killed = false;
                self.exit = exit;
                self.duration = Duration::from_millis(duration_ms);
            }
            Event::Reaped { during, did } => {
                self.notes.push(format!(
                    "the run was killed {during}; `cargo xtask reap` finished it"
                ));
                self.notes.extend(did);
                self.killed_during = Some(during);
            }
            Event::CheckPlanned { .. }
            | Event::CheckStarted { .. }
            | Event::Observed { .. }
            | Event::Measured { .. }
            | Event::CheckFinished { .. } => check::take(&mut self.checks, line),
        }
    }

    fn finish_phase(&mut self, phase: String, duration_ms: u64, at: Timestamp) {
        let duration = Some(Duration::from_millis(duration_ms));
        match self
            .phases
            .iter_mut()
            .rev()
            .find(|known| known.name == phase && known.duration.is_none())
        {
            Some(known) => known.duration = duration,
            None => self.phases.push(Phase {
                name: phase,
                started: at,
                duration,
            }),
        }
    }

    fn close(&mut self) {
        let why = self.why_cut_off();
        // What an orderly end did not reach was not run; what a kill left open is unknown.
        let orderly = !self.killed && (self.interrupted || !self.broken.is_empty());
        for check in &mut self.checks {
            check.close(&why, orderly);
        }
        if self.killed {
            self.exit = match self.earned(false) {
                0 => Exit::Interrupted.code(),
                earned => earned,
            };
        }
        self.outcome = if self.killed && !self.interrupted {
            Outcome::Killed
        } else if self.exit == Exit::Green.code() {
            Outcome::Green
        } else if self.exit == Exit::CheckFailed.code() {
            Outcome::Red
        } else if self.exit == Exit::Interrupted.code() {
            Outcome::Interrupted
        } else {
            Outcome::Broken
        };
    }

    /// The exit code by what happened; a check without an end counts as an error only if asked.
    fn earned(&self, cut_off_is_error: bool) -> u8 {
        let is_error = |check: &CheckResult| {
            check.verdict == Verdict::Error && (cut_off_is_error || !check.is_cut_off())
        };
        if self.interrupted {
            Exit::Interrupted.code()
        } else if let Some(first) = self.broken.first() {
            first.exit
        } else if self.count(Verdict::Fail) > 0 {
            Exit::CheckFailed.code()
        } else if self.checks.iter().any(is_error) {
            Exit::Harness.code()
        } else if self.gate.as_ref().is_some_and(|gate| !gate.broken.is_empty()) {
            Exit::CheckFailed.code()
        } else {
            Exit::Green.code()
        }
    }

    /// How a killed run ended, as far as that is known.
    pub(crate) fn how_killed(&self) -> String {
        match &self.killed_during {
            Some(during) => format!("the run was killed {during}"),
            None => "the log has no end; the run was killed, or it still goes on".to_owned(),
        }
    }

    fn why_cut_off(&self) -> String {
        if self.interrupted {
            "the run was interrupted".to_owned()
        } else if let Some(first) = self.broken.first() {
            format!("the environment broke: {}", first.message)
        } else if self.killed {
            "the run was killed".to_owned()
        } else {
            "the run ended without this check's verdict".to_owned()
        }
    }
}

/// The exit code that a run earns with these lines, for its [`Event::RunFinished`].
///
/// Ctrl-C comes before a broken environment, that before a failed check, that before a defect of the harness, and
/// a broken gate comes last. A check that was begun or planned and never ended is such a defect.
#[must_use]
pub fn earned_exit(lines: &[Line]) -> u8 {
    Summary::fold(lines).earned(true)
}
