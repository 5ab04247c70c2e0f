//! The first process of a pod: starts the runner as its child, passes signals on, reaps orphans, and ends with the child.
//!
//! It stands where `dumb-init` and `entrypoint.sh` stand in the image. Process 1 has two duties that a program does not
//! expect: it inherits every orphan, and signals without a handler do not reach it.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// Runs this very program again as a child, and serves as init until that child ends; yields the child's exit code
/// (128 + n after signal n). Call it before any thread exists.
///
/// # Errors
/// Signals cannot be blocked, or the child cannot be started.
pub fn supervise() -> io::Result<u8> {
    // Blocked before the child exists, so none is lost; the child inherits that, see [`hear_signals`].
    let mut signals = SigSet::empty();
    for signal in [
        Signal::SIGCHLD,
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
        Signal::SIGQUIT,
    ] {
        signals.add(signal);
    }
    signals.thread_block()?;
    let child = Command::new(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .process_group(0)
        .spawn()?;
    let child = pid(&child);
    loop {
        match signals.wait() {
            Ok(Signal::SIGCHLD) => {
                if let Some(code) = reap(child)? {
                    return Ok(code);
                }
            }
            // The child may just have ended; SIGCHLD tells.
            Ok(signal) => drop(kill(child, signal)),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Unblocks every signal. A mask is inherited, and [`supervise`] blocks what it waits for: without this the runner and the steps of its
/// jobs would be deaf to SIGTERM and SIGINT. Call it before any thread exists.
///
/// # Errors
/// The mask cannot be set.
pub fn hear_signals() -> io::Result<()> {
    Ok(SigSet::empty().thread_set_mask()?)
}

/// Collects everything that has ended; the code, if the child is among it.
fn reap(child: Pid) -> io::Result<Option<u8>> {
    let mut code = None;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, status)) if pid == child => code = Some(status.to_le_bytes()[0]),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == child => {
                code = Some(128_u8.saturating_add((signal as i32).to_le_bytes()[0]));
            }
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return Ok(code),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("Linux process ids fit in 31 bits"))
}
