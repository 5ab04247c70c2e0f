//! The one child at a time that xtask waits for, and Ctrl-C.
//!
//! A child runs in its own process group: an interrupt reaches xtask alone, which passes it on exactly once to everything that
//! the child started and ends with 130. What it is not: a supervisor of a run; for that, xtask *becomes* the scenario runner
//! by `exec`, so that one process remains.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::refusal::{self, Refusal};

/// What an interrupt does to a child and to all that it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnInterrupt {
    /// SIGKILL: for what leaves nothing behind that matters, such as a build. Nothing can outlive it, not even what is just starting.
    Kill,
    /// SIGINT: for what has something to tear down.
    Ask,
}

/// The process group of the running child, if one runs.
type Running = Mutex<Option<(Pid, OnInterrupt)>>;

/// Runs children in the foreground and answers interrupts.
pub(crate) struct Foreground {
    running: Arc<Running>,
}

impl Foreground {
    /// Takes over SIGINT and SIGTERM. Call it once.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let mut signals = Signals::new([SIGINT, SIGTERM]).context("taking over SIGINT and SIGTERM")?;
        let running = Arc::new(Running::default());
        let interrupted = Arc::clone(&running);
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                if signals.forever().next().is_some() {
                    end(&interrupted);
                }
            })
            .context("starting the signal thread")?;
        Ok(Foreground { running })
    }

    /// Starts a child in its own process group.
    ///
    /// # Errors
    /// Exit 3 if the program cannot be started.
    pub(crate) fn start(&self, command: &mut Command, on_interrupt: OnInterrupt) -> anyhow::Result<Child> {
        // Held until the group is known: an interrupt that comes meanwhile waits.
        let mut running = lock(&self.running);
        let child = command.process_group(0).spawn().map_err(|error| {
            let program = command.get_program().to_string_lossy();
            Refusal::environment(format!("cannot start `{program}`: {error}; is it installed?"))
        })?;
        let id = i32::try_from(child.id()).context("a process id that is no pid_t")?;
        *running = Some((Pid::from_raw(id), on_interrupt));
        Ok(child)
    }

    /// Waits for a child.
    pub(crate) fn wait(&self, mut child: Child) -> anyhow::Result<ExitStatus> {
        let status = child.wait().context("waiting for a child")?;
        *lock(&self.running) = None;
        Ok(status)
    }

    /// Starts a child and waits for it. An interrupt asks it to end.
    pub(crate) fn run(&self, command: &mut Command) -> anyhow::Result<ExitStatus> {
        let child = self.start(command, OnInterrupt::Ask)?;
        self.wait(child)
    }
}

/// Becomes another program, which answers signals itself. Returns only if that fails.
pub(crate) fn become_program(command: &mut Command) -> anyhow::Error {
    let program = command.get_program().to_string_lossy().into_owned();
    anyhow::Error::new(command.exec()).context(format!("cannot become {program}"))
}

fn lock(running: &Running) -> MutexGuard<'_, Option<(Pid, OnInterrupt)>> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Passes the interrupt on and ends this process.
fn end(running: &Running) -> ! {
    let running = lock(running);
    if let Some((group, on_interrupt)) = *running {
        let signal = match on_interrupt {
            OnInterrupt::Kill => Signal::SIGKILL,
            OnInterrupt::Ask => Signal::SIGINT,
        };
        // A group that is gone needs no signal.
        killpg(group, signal).unwrap_or_default();
    }
    let interrupted = Refusal::interrupted().into();
    refusal::print(&interrupted);
    std::process::exit(i32::from(refusal::exit_of(&interrupted).code()))
}
