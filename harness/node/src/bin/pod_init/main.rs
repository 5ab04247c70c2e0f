//! `pod-init`: the launcher of one container on the local node.
//!
//! Three roles of one program, each single-threaded:
//! - without arguments, the *supervisor*: takes orders from the node on its standard input (a socket), makes a PID
//!   namespace, starts the container in it, forwards signals and reports the end;
//! - `container`: the first process of that namespace; builds the root, then becomes the container's main process;
//! - `enter`: joins a running container to run one command (lifecycle hooks).
//!
//! It needs mount, PID and UTS namespaces of its own making, so it runs as (mapped) root of a user namespace. It is not a
//! security boundary: it keeps a container's writes off the host and its processes together, no more.

mod container;
mod doing;
mod enter;
mod root;
mod supervisor;

use std::process::ExitCode;

use nix::sys::signal::SigSet;

fn main() -> ExitCode {
    let role = std::env::args().nth(1);
    let code = match role.as_deref() {
        None => supervisor::run(),
        Some("container") => with_signals(container::run),
        Some("enter") => with_signals(enter::run),
        Some(_) => 2,
    };
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// The supervisor waits for its signals blocked, and a mask is inherited: a container's processes must not be born deaf.
fn with_signals(role: fn() -> i32) -> i32 {
    match SigSet::empty().thread_set_mask() {
        Ok(()) => role(),
        Err(_) => 2,
    }
}
