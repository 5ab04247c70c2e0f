//! What the user sees while parts are fetched and built.
//!
//! The resolver tells what happens, and how long it has taken so far; a [`Progress`] only shows it. Silence is never
//! longer than [`HEARTBEAT`].

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::watch;
use tokio::time::Instant;

/// Between two lines about the same step, where lines are all there is.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Between two updates about the same step.
const TICK: Duration = Duration::from_millis(500);

/// One thing to make: what goes through one download, or through one run of `go build`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// For example `etcd v3.6.13`.
    pub what: String,
    /// The step after this one.
    pub next: Option<String>,
}

/// What happens.
#[derive(Debug, Clone, Copy)]
pub enum Update<'a> {
    /// These are not in the cache; sent once, before the first step, and not at all if everything is cached.
    Planned {
        /// In the order they will be made.
        steps: &'a [String],
        /// What a first build of all of them usually takes on two cores.
        usual: Duration,
    },
    /// A step began.
    Started {
        /// Which.
        step: &'a Step,
    },
    /// A step goes on; sent about twice a second.
    Running {
        /// Which.
        step: &'a Step,
        /// Since it began.
        elapsed: Duration,
        /// What it is at; may be empty.
        detail: &'a str,
    },
    /// A step ended.
    Finished {
        /// Which.
        step: &'a Step,
        /// From begin to end.
        elapsed: Duration,
        /// Whether it gave what it should; the error itself is returned to the caller.
        succeeded: bool,
    },
    /// Something worth a line, for example a fallback and its reason.
    Note {
        /// The line.
        text: &'a str,
    },
}

/// Shows what happens.
pub trait Progress: Send + Sync {
    /// Called in the order of events, from one task at a time.
    fn update(&self, update: Update<'_>);
}

/// The display that fits standard error: [`Interactive`] on a terminal, [`Plain`] elsewhere.
#[must_use]
pub fn for_stderr() -> Box<dyn Progress> {
    if std::io::stderr().is_terminal() {
        Box::new(Interactive::default())
    } else {
        Box::new(Plain::new(std::io::stderr()))
    }
}

/// Shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn update(&self, _: Update<'_>) {}
}

/// Whole lines: one when a step begins, one every 15 seconds, one when it ends.
#[derive(Debug)]
pub struct Plain<W> {
    state: Mutex<PlainState<W>>,
}

#[derive(Debug)]
struct PlainState<W> {
    out: W,
    next_line: Duration,
}

impl<W: Write + Send> Plain<W> {
    /// Writes to `out`. A failure to write is not an error: nobody is reading.
    pub fn new(out: W) -> Self {
        Plain {
            state: Mutex::new(PlainState {
                out,
                next_line: HEARTBEAT,
            }),
        }
    }

    /// Gives the writer back.
    pub fn into_inner(self) -> W {
        self.state
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
            .out
    }
}

impl<W: Write + Send> Progress for Plain<W> {
    fn update(&self, update: Update<'_>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let line = match update {
            Update::Planned { steps, usual } => planned(steps, usual),
            Update::Started { step } => {
                state.next_line = HEARTBEAT;
                format!("{}: started{}", step.what, next(step))
            }
            Update::Running { elapsed, .. } if elapsed < state.next_line => return,
            Update::Running {
                step,
                elapsed,
                detail,
            } => {
                state.next_line = elapsed + HEARTBEAT;
                format!(
                    "{}: {} so far{}{}",
                    step.what,
                    clock(elapsed),
                    bracket(detail),
                    next(step)
                )
            }
            Update::Finished {
                step,
                elapsed,
                succeeded,
            } => ended(step, elapsed, succeeded),
            Update::Note { text } => text.to_owned(),
        };
        // See `new`: a closed standard error must not fail the build.
        let _closed = writeln!(state.out, "artifacts: {line}").and_then(|()| state.out.flush());
    }
}

/// One live line per step, which stays with its time when the step has ended.
#[derive(Debug, Default)]
pub struct Interactive {
    bar: Mutex<Option<ProgressBar>>,
}

impl Progress for Interactive {
    fn update(&self, update: Update<'_>) {
        let mut bar = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        let text = match update {
            Update::Planned { steps, usual } => planned(steps, usual),
            Update::Started { step } => {
                *bar = Some(spinner(format!("{}{}", step.what, next(step))));
                return;
            }
            Update::Running {
                step,
                elapsed,
                detail,
            } => {
                if let Some(bar) = bar.as_ref() {
                    bar.set_message(format!(
                        "{} {}{}{}",
                        step.what,
                        clock(elapsed),
                        next(step),
                        bracket(detail)
                    ));
                    bar.tick();
                }
                return;
            }
            Update::Finished {
                step,
                elapsed,
                succeeded,
            } => {
                if let Some(bar) = bar.take() {
                    bar.finish_and_clear();
                }
                ended(step, elapsed, succeeded)
            }
            Update::Note { text } => text.to_owned(),
        };
        match bar.as_ref() {
            Some(bar) => bar.println(text),
            None => {
                // Same reason as in `Plain`.
                let _closed = writeln!(std::io::stderr(), "{text}");
            }
        }
    }
}

/// The steps of one call, in order.
#[derive(Debug)]
pub(crate) struct Plan {
    steps: Vec<String>,
}

impl Plan {
    /// Tells the plan, if there is anything to do. `usual` is in seconds.
    pub(crate) fn new(steps: Vec<String>, usual: u64, progress: &dyn Progress) -> Self {
        if !steps.is_empty() {
            progress.update(Update::Planned {
                steps: &steps,
                usual: Duration::from_secs(usual),
            });
        }
        Plan { steps }
    }

    /// The step at `index`.
    pub(crate) fn step(&self, index: usize) -> Step {
        Step {
            what: self.steps[index].clone(),
            next: self.steps.get(index + 1).cloned(),
        }
    }
}

/// Does the work of a step and shows how it goes.
pub(crate) async fn watched<T, E>(
    step: &Step,
    progress: &dyn Progress,
    detail: watch::Receiver<String>,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let begun = Instant::now();
    progress.update(Update::Started { step });
    let mut ticks = tokio::time::interval(TICK);
    let mut work = std::pin::pin!(work);
    let outcome = loop {
        tokio::select! {
            outcome = &mut work => break outcome,
            _ = ticks.tick() => {
                let detail = detail.borrow().clone();
                progress.update(Update::Running { step, elapsed: begun.elapsed(), detail: &detail });
            }
        }
    };
    progress.update(Update::Finished {
        step,
        elapsed: begun.elapsed(),
        succeeded: outcome.is_ok(),
    });
    outcome
}

fn spinner(message: String) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{spinner} {wide_msg}").expect("the template is a constant");
    bar.set_style(style);
    bar.set_message(message);
    bar.tick();
    bar
}

fn planned(steps: &[String], usual: Duration) -> String {
    let all = steps.join("; ");
    if usual.is_zero() {
        return format!("to fetch: {all}");
    }
    format!(
        "to make: {all}. A first build takes about {} min in all on two cores",
        usual.as_secs().div_ceil(60)
    )
}

fn ended(step: &Step, elapsed: Duration, succeeded: bool) -> String {
    let how = if succeeded { "done" } else { "failed" };
    format!("{}: {how} after {}", step.what, clock(elapsed))
}

fn next(step: &Step) -> String {
    step.next
        .as_ref()
        .map_or_else(String::new, |next| format!("; next: {next}"))
}

fn bracket(detail: &str) -> String {
    if detail.is_empty() {
        String::new()
    } else {
        format!(" ({detail})")
    }
}

fn clock(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    if seconds < 60 {
        format!("{seconds} s")
    } else {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_lines_tell_begin_heartbeat_next_and_end() {
        let plain = Plain::new(Vec::new());
        let step = Step {
            what: "etcd v3".to_owned(),
            next: Some("helm v3".to_owned()),
        };
        let running = |seconds| Update::Running {
            step: &step,
            elapsed: Duration::from_secs(seconds),
            detail: "bolt",
        };

        plain.update(Update::Planned {
            steps: &["etcd v3".to_owned(), "helm v3".to_owned()],
            usual: Duration::from_secs(95),
        });
        plain.update(Update::Started { step: &step });
        for seconds in 1..40 {
            plain.update(running(seconds));
        }
        plain.update(Update::Finished {
            step: &step,
            elapsed: Duration::from_secs(71),
            succeeded: true,
        });

        let text = String::from_utf8(plain.into_inner()).expect("lines are text");
        assert_eq!(
            text,
            "artifacts: to make: etcd v3; helm v3. A first build takes about 2 min in all on two cores\n\
             artifacts: etcd v3: started; next: helm v3\n\
             artifacts: etcd v3: 15 s so far (bolt); next: helm v3\n\
             artifacts: etcd v3: 30 s so far (bolt); next: helm v3\n\
             artifacts: etcd v3: done after 1 min 11 s\n"
        );
    }
}
