//! What people see: the run as it goes, in the manner of cargo-nextest, and its summary.
//!
//! An incremental fold: the live run feeds each line as it is logged, `cargo xtask report RUN` feeds the same lines
//! again, and both print the same bytes. So nothing here asks for the terminal's width, the time or the environment,
//! and there are no cursor tricks: plain lines read well in a CI log.

mod ending;
mod style;

use std::collections::BTreeMap;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use harness_model::{Event, Failure, Line, Origin, Part, SkipReason, Verdict};

pub use style::Style;

pub(crate) use self::style::Tone;
use crate::Summary;
use crate::text::{count, failure_reason, one_line, skip_reason};

/// Observations that a failure shows; the others are in the reports.
const OBSERVATIONS_SHOWN: usize = 10;

/// Text of a run for a terminal or a CI log.
#[derive(Debug)]
pub struct Terminal {
    style: Style,
    run_dir: Utf8PathBuf,
    /// Checks of the run by id: whether they will run.
    planned: BTreeMap<String, bool>,
    begun: bool,
    /// By check id, until its attempt ends.
    observations: BTreeMap<String, Vec<String>>,
}

impl Terminal {
    /// Text in this style for the run in this folder. The folder is printed as given, so give it as the user would type it.
    #[must_use]
    pub fn new(style: Style, run_dir: &Utf8Path) -> Self {
        Terminal {
            style,
            run_dir: run_dir.to_owned(),
            planned: BTreeMap::new(),
            begun: false,
            observations: BTreeMap::new(),
        }
    }

    /// What to print for this line of the log, with its line ends; `None` if it is nothing to print now.
    pub fn line(&mut self, line: &Line) -> Option<String> {
        let style = self.style;
        match &line.event {
            Event::RunStarted { .. } => Some(self.header(&line.event)),
            Event::Part { part } => Some(style.entry(Tone::Quiet, "Part", &part_text(part))),
            Event::Setting { name, value } => {
                Some(style.entry(Tone::Strong, "Setting", &format!("{name} = {value}")))
            }
            Event::PhaseStarted { phase } => Some(style.entry(Tone::Quiet, "Starting", phase)),
            Event::PhaseFinished { phase, duration_ms } => {
                Some(style.timed(Tone::Good, "PHASE", Duration::from_millis(*duration_ms), phase))
            }
            Event::CheckPlanned { check, skip } => self.planned(&check.id, skip.as_ref()),
            Event::CheckStarted { id, attempt, .. } => self.started(id, *attempt),
            Event::Observed { id, text } => {
                self.observations
                    .entry(id.clone())
                    .or_default()
                    .push(text.clone());
                None
            }
            Event::CheckFinished { .. } => self.finished(&line.event),
            Event::Broken { message, .. } => Some(style.entry(Tone::Bad, "BROKEN", message)),
            Event::GateChecked { file, broken } => Some(gate_text(style, file, broken)),
            Event::Note { text } => Some(style.entry(Tone::Strong, "Note", text)),
            Event::Reaped { did, .. } => Some(style.entry(Tone::Strong, "Reaped", &did.join("\n"))),
            Event::Interrupted => Some(style.entry(Tone::Warn, "INTERRUPTED", "tearing down")),
            Event::Deviation { .. }
            | Event::GuideVersion { .. }
            | Event::Measured { .. }
            | Event::Upgraded { .. }
            | Event::ChartsDiffer { .. }
            | Event::RunFinished { .. } => None,
        }
    }

    /// The summary that ends the output, with its line ends.
    #[must_use]
    pub fn finish(&self, summary: &Summary) -> String {
        ending::ending(self.style, &self.run_dir, summary)
    }

    fn header(&self, event: &Event) -> String {
        let Event::RunStarted {
            run_id,
            command,
            profile,
            cluster,
            cluster_reason,
            ghes,
            clock,
            seed,
            ..
        } = event
        else {
            return String::new();
        };
        let style = self.style;
        [
            style.entry(Tone::Good, "Run", &format!("{run_id}: {command}")),
            style.entry(Tone::Strong, "Cluster", &format!("{cluster}: {cluster_reason}")),
            style.entry(Tone::Strong, "GHES", ghes),
            style.raw_entry(
                Tone::Strong,
                "Clock",
                &style.paint(Tone::Strong, &one_line(clock, 40)),
            ),
            style.entry(Tone::Strong, "Profile", profile),
            style.entry(Tone::Strong, "Seed", &seed.to_string()),
        ]
        .concat()
    }

    fn planned(&mut self, id: &str, skip: Option<&SkipReason>) -> Option<String> {
        self.planned.insert(id.to_owned(), skip.is_none());
        let skip = skip?;
        let label = match skip {
            SkipReason::Missing { .. } => "UNSUPPORTED",
            SkipReason::RunEnded { .. } => "SKIP",
        };
        Some(
            self.style
                .untimed(Tone::Warn, label, &format!("{id}: {}", skip_reason(skip))),
        )
    }

    fn started(&mut self, id: &str, attempt: u32) -> Option<String> {
        self.observations.remove(id);
        if attempt > 1 {
            return Some(
                self.style
                    .entry(Tone::Warn, "Retrying", &format!("{id}, attempt {attempt}")),
            );
        }
        if std::mem::replace(&mut self.begun, true) {
            return None;
        }
        let running = self.planned.values().filter(|runs| **runs).count();
        let text = match self.planned.len() - running {
            0 => count(running, "check"),
            left_out => format!("{}, {left_out} not run", count(running, "check")),
        };
        Some(self.style.entry(Tone::Good, "Starting", &text))
    }

    fn finished(&mut self, event: &Event) -> Option<String> {
        let Event::CheckFinished {
            id,
            attempt,
            verdict,
            duration_ms,
            failure,
            evidence,
            rerun,
        } = event
        else {
            return None;
        };
        let observations = self.observations.remove(id).unwrap_or_default();
        let label = verdict_label(*verdict);
        let label = if *attempt > 1 {
            format!("TRY {attempt} {label}")
        } else {
            label.to_owned()
        };
        let text = match failure {
            Some(failure) if verdict.is_green() => format!("{id}: {}", failure_reason(failure)),
            _ => id.clone(),
        };
        let mut out = self.style.timed(
            verdict_tone(*verdict),
            &label,
            Duration::from_millis(*duration_ms),
            &text,
        );
        if !verdict.is_green() {
            out += &self.failure_block(failure.as_ref(), &observations, evidence.as_deref(), rerun);
        }
        Some(out)
    }

    /// All that the first screen needs: awaited, last seen, what was observed, evidence, the command to run it alone.
    fn failure_block(
        &self,
        failure: Option<&Failure>,
        observations: &[String],
        evidence: Option<&str>,
        rerun: &str,
    ) -> String {
        let mut out = String::new();
        let mut field = |name: &str, text: &str| out += &self.style.field(name, text);
        if let Some(Failure {
            awaited,
            last_seen,
            detail,
        }) = failure
        {
            field("awaited", awaited);
            field("last seen", last_seen);
            if let Some(detail) = detail {
                field("detail", detail);
            }
        }
        let shown = &observations[observations.len().saturating_sub(OBSERVATIONS_SHOWN)..];
        if !shown.is_empty() {
            field("observed", &shown.join("\n"));
        }
        if let Some(evidence) = evidence {
            field("evidence", self.run_dir.join(evidence).as_str());
        }
        field("rerun", rerun);
        out
    }
}

/// What the gate said: that it holds, or a sentence for each line of it that the run broke.
fn gate_text(style: Style, file: &str, broken: &[String]) -> String {
    if broken.is_empty() {
        return style.entry(Tone::Good, "Gate", &format!("{file} holds"));
    }
    let head = format!("{file} is broken");
    style.entry(Tone::Bad, "GATE", &[&[head], broken].concat().join("\n"))
}

/// The whole output of a run from its lines: what `cargo xtask report RUN` prints.
#[must_use]
pub fn replay(lines: &[Line], style: Style, run_dir: &Utf8Path) -> String {
    let mut terminal = Terminal::new(style, run_dir);
    let mut out: String = lines.iter().filter_map(|line| terminal.line(line)).collect();
    out += &terminal.finish(&Summary::fold(lines));
    out
}

fn verdict_label(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "PASS",
        Verdict::Fail => "FAIL",
        Verdict::ExpectedFailure => "XFAIL",
        Verdict::Flaky => "FLAKY",
        Verdict::Skipped => "SKIP",
        Verdict::Unsupported => "UNSUPPORTED",
        Verdict::Error => "ERROR",
    }
}

fn verdict_tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Pass => Tone::Good,
        Verdict::Fail | Verdict::Error => Tone::Bad,
        Verdict::ExpectedFailure | Verdict::Flaky | Verdict::Skipped | Verdict::Unsupported => Tone::Warn,
    }
}

/// Name, version and a short origin; the whole digest is in `report.yaml`.
fn part_text(part: &Part) -> String {
    const DIGEST_SHOWN: usize = 12;
    let short = |sha256: &str| sha256.chars().take(DIGEST_SHOWN).collect::<String>();
    let origin = match &part.origin {
        Origin::Release { url, sha256 } => {
            let file = url.rsplit('/').find(|segment| !segment.is_empty()).unwrap_or(url);
            format!("release {file} sha256:{}…", short(sha256))
        }
        Origin::Foreign { path, sha256 } => format!("foreign {path} sha256:{}…", short(sha256)),
        Origin::GoModule { .. } | Origin::Ours => part.origin.to_string(),
    };
    format!("{} {} ({origin})", part.name, part.version)
}
