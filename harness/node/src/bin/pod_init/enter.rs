//! One command inside a running container.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use nix::sched::{CloneFlags, setns};
use serde::{Deserialize, Serialize};

/// What to run and where; on standard input.
#[derive(Serialize, Deserialize)]
pub(crate) struct Enter {
    /// The container's main process as this process's `/proc` numbers it.
    pub(crate) pid: u32,
    /// The command.
    pub(crate) argv: Vec<String>,
    /// The container's environment.
    pub(crate) env: Vec<(String, String)>,
    /// The container's working directory.
    pub(crate) workdir: Option<String>,
}

/// Joins the mount namespace (the supervisor's children are in the PID namespace already) and executes. Returns only on
/// failure, with a shell's code for a command that cannot be run.
pub(crate) fn run() -> i32 {
    let _ = enter();
    126
}

fn enter() -> io::Result<std::convert::Infallible> {
    let enter: Enter = serde_json::from_reader(io::stdin())?;
    let namespace = fs_err::File::open(format!("/proc/{}/ns/mnt", enter.pid))?;
    setns(namespace.file(), CloneFlags::CLONE_NEWNS)?;
    let (program, args) = enter.argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    Err(Command::new(program)
        .args(args)
        .env_clear()
        .envs(enter.env.iter().map(|(name, value)| (name, value)))
        .current_dir(enter.workdir.as_deref().unwrap_or("/"))
        .stdin(Stdio::null())
        .exec())
}
