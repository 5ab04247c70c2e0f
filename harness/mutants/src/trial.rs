//! One run of the suite against one mutant: the scenario runner is started with a plan, its events are read, and the first red check ends it.
//!
//! What it is not: nothing is judged here; whatever the runner calls red is red.

use std::process::Stdio;

use anyhow::Context as _;
use camino::Utf8Path;
use harness_model::{Event, Exit, LIVE_VARIABLE, Line, PLAN_VARIABLE, Plan, Verdict};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::signal::unix::{self, SignalKind};

/// What a run told of a mutant.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Noticed {
    /// The check that was red first, or the start of ARC, with its words.
    By(String),
    /// Everything was green.
    Nobody,
    /// Nothing: the environment broke, or the harness.
    Nothing(String),
    /// Somebody interrupted it.
    Interrupted,
}

/// SIGINT and SIGTERM.
pub(crate) struct Interrupts {
    interrupt: unix::Signal,
    terminate: unix::Signal,
}

impl Interrupts {
    pub(crate) fn listen() -> anyhow::Result<Interrupts> {
        Ok(Interrupts {
            interrupt: unix::signal(SignalKind::interrupt()).context("listen to SIGINT")?,
            terminate: unix::signal(SignalKind::terminate()).context("listen to SIGTERM")?,
        })
    }

    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Runs a plan until the first red check.
pub(crate) async fn run(
    program: &Utf8Path,
    plan: &Plan,
    interrupts: &mut Interrupts,
) -> anyhow::Result<Noticed> {
    let mut child = Command::new(program)
        .env(PLAN_VARIABLE, serde_json::to_string(plan)?)
        .env_remove(LIVE_VARIABLE)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // Ctrl-C of a terminal comes here alone and is passed on once.
        .process_group(0)
        .spawn()
        .with_context(|| format!("start {program}"))?;
    let output = child.stdout.take().context("the run has an output")?;
    let mut lines = BufReader::new(output).lines();
    let mut told = Told::default();
    let mut interrupted = false;
    loop {
        tokio::select! {
            line = lines.next_line() => match line.context("read the run's events")? {
                Some(text) => {
                    let line: Line = serde_json::from_str(&text).with_context(|| format!("the run printed no event: {text}"))?;
                    let first = told.noticed.is_none();
                    told.take(line.event);
                    if first && told.noticed.is_some() {
                        interrupt(&child);
                    }
                }
                None => break,
            },
            () = interrupts.next() => {
                interrupted = true;
                interrupt(&child);
            }
        }
    }
    let status = child.wait().await.context("wait for the run")?;
    if interrupted {
        return Ok(Noticed::Interrupted);
    }
    Ok(told.noticed.unwrap_or_else(|| match told.passed {
        _ if !status.success() => Noticed::Nothing(format!("the run ended with {status} and told nothing")),
        0 => Noticed::Nothing("no check ran".to_owned()),
        _ => Noticed::Nobody,
    }))
}

/// An orderly end: the runner tears down what it has brought up.
fn interrupt(child: &Child) {
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(id) = id {
        // One that is gone needs no signal.
        kill(Pid::from_raw(id), Signal::SIGINT).unwrap_or_default();
    }
}

/// What the events have told so far.
#[derive(Default)]
struct Told {
    noticed: Option<Noticed>,
    passed: usize,
}

impl Told {
    /// The first that tells anything counts; what comes after it is the end of the run.
    fn take(&mut self, event: Event) {
        let noticed = match event {
            Event::CheckFinished {
                id,
                verdict: Verdict::Fail,
                failure,
                ..
            } => {
                let words = failure.map(|it| format!(": awaited {}; last seen {}", it.awaited, it.last_seen));
                Noticed::By(format!("{id}{}", words.unwrap_or_default()))
            }
            Event::CheckFinished {
                id,
                verdict: Verdict::Error,
                failure,
                ..
            } => {
                let words = failure.map(|it| it.last_seen).unwrap_or_default();
                Noticed::Nothing(format!("{id} could not be tried: {words}"))
            }
            Event::CheckFinished { .. } => {
                self.passed += 1;
                return;
            }
            // ARC did not come up, or crashed: the subject's fault.
            Event::Broken { message, exit } if exit == Exit::CheckFailed.code() => {
                Noticed::By(format!("the bring-up: {message}"))
            }
            Event::Broken { message, .. } => Noticed::Nothing(message),
            _ => return,
        };
        self.noticed.get_or_insert(noticed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(verdict: Verdict) -> Event {
        Event::CheckFinished {
            id: "scaling::thresholds".to_owned(),
            attempt: 1,
            verdict,
            duration_ms: 1,
            failure: None,
            evidence: None,
            rerun: String::new(),
        }
    }

    fn told(events: Vec<Event>) -> Told {
        let mut told = Told::default();
        for event in events {
            told.take(event);
        }
        told
    }

    #[test]
    fn the_first_red_check_counts_and_what_its_end_breaks_does_not() {
        let told = told(vec![
            finished(Verdict::Pass),
            finished(Verdict::Fail),
            finished(Verdict::Error),
        ]);

        assert_eq!(told.noticed, Some(Noticed::By("scaling::thresholds".to_owned())));
    }

    #[test]
    fn an_arc_that_does_not_start_is_noticed_and_a_plane_that_does_not_tells_nothing() {
        let broken = |exit: Exit| Event::Broken {
            message: "gone".to_owned(),
            exit: exit.code(),
        };

        assert_eq!(
            told(vec![broken(Exit::CheckFailed)]).noticed,
            Some(Noticed::By("the bring-up: gone".to_owned()))
        );
        assert_eq!(
            told(vec![broken(Exit::Environment)]).noticed,
            Some(Noticed::Nothing("gone".to_owned()))
        );
        assert_eq!(told(vec![finished(Verdict::Pass)]).noticed, None);
    }
}
