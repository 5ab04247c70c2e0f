//! The first process in a container's PID namespace, until it becomes the container's main process.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use harness_node::launch::Launch;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd;

use crate::doing::{Doing, Failed};
use crate::root;

/// Reads the launch from standard input (a socket to the supervisor), and executes the main process. The socket closes by
/// the execution: that is how the supervisor learns of success. Failure is written to it.
pub(crate) fn run() -> i32 {
    let mut supervisor = match supervisor_socket() {
        Ok(socket) => socket,
        Err(_) => return 2,
    };
    let Err(failed) = become_container(&mut supervisor);
    // The supervisor's death is this process's too: nobody is left to tell.
    let _ = supervisor.write_all(failed.to_string().as_bytes());
    128
}

fn supervisor_socket() -> io::Result<UnixStream> {
    Ok(UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?))
}

fn become_container(supervisor: &mut UnixStream) -> Result<std::convert::Infallible, Failed> {
    // The parent is single-threaded, so "parent's death" is the supervisor's.
    prctl::set_pdeathsig(Signal::SIGKILL).doing("bind to the supervisor's life")?;
    unistd::setsid().doing("begin a session")?;
    let mut json = Vec::new();
    supervisor.read_to_end(&mut json).doing("read the launch")?;
    let launch: Launch = serde_json::from_slice(&json)
        .map_err(io::Error::from)
        .doing("read the launch")?;

    root::build(&launch)?;

    let workdir = launch.workdir.as_deref().unwrap_or("/");
    fs_err::create_dir_all(workdir).doing("make the working directory")?;
    let (program, args) = launch
        .argv
        .split_first()
        .ok_or(io::ErrorKind::InvalidInput)
        .doing("no command")?;
    let cause = Command::new(program)
        .args(args)
        .env_clear()
        .envs(launch.env.iter().map(|(name, value)| (name, value)))
        .current_dir(workdir)
        .stdin(Stdio::null())
        .exec();
    Err(cause).doing(format_args!("execute {program:?}"))
}
