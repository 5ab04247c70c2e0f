//! The built command line from outside: exit codes, and Ctrl-C. A script stands in for cargo, so nothing is built.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use camino_tempfile::Utf8TempDir;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// `xtask` with a cargo that runs `script` in its place.
fn xtask(folder: &Utf8TempDir, script: &str) -> Command {
    let cargo = folder.path().join("cargo");
    fs_err::write(&cargo, format!("#!/bin/sh\n{script}\n")).expect("the folder is ours");
    fs_err::set_permissions(&cargo, PermissionsExt::from_mode(0o755)).expect("the file is ours");
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.env("CARGO", cargo).stdin(Stdio::null());
    command
}

#[test]
fn an_interrupt_while_building_ends_cargo_and_exits_130() {
    let folder = Utf8TempDir::new().expect("a temporary folder");
    // A shell starts what runs in its background deaf to SIGINT: the worst that a build may leave behind.
    let mut command = xtask(
        &folder,
        "(sleep 30; echo survived >&2) & echo building >&2; wait; echo never >&2",
    );
    let mut child = command
        .args(["e2e", "--cluster", "local"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("xtask starts");
    let mut stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
    let mut line = String::new();
    stderr.read_line(&mut line).expect("stderr is readable");
    assert_eq!(line, "building\n");

    let id = i32::try_from(child.id()).expect("a process id");
    kill(Pid::from_raw(id), Signal::SIGINT).expect("the child is ours");

    // The end of the stream proves that the grandchild, which also holds it, is gone.
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).expect("stderr is readable");
    let status = child.wait().expect("the child is ours");
    assert_eq!(status.code(), Some(130));
    assert_eq!(rest, "error: interrupted\n");
}

#[test]
fn a_wrong_version_is_refused_before_anything_is_built() {
    let folder = Utf8TempDir::new().expect("a temporary folder");
    let mut command = xtask(&folder, "echo building >&2");

    let output = command
        .args(["e2e", "--arc", "9.9.9"])
        .output()
        .expect("xtask starts");

    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr.starts_with("error: --arc 9.9.9: no such version; there is "),
        "{stderr}"
    );
    assert!(!stderr.contains("building"), "{stderr}");
}

#[test]
fn a_failed_build_is_the_environments_fault() {
    let folder = Utf8TempDir::new().expect("a temporary folder");
    let mut command = xtask(&folder, "echo 'error: no linker' >&2; exit 101");

    let output = command
        .args(["mock-ghes", "--listen", "127.0.0.1:0"])
        .output()
        .expect("xtask starts");

    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3));
    assert!(
        stderr.contains("no linker") && stderr.contains("building mock-ghes failed"),
        "{stderr}"
    );
}

#[test]
fn the_command_line_becomes_the_program_that_was_built() {
    let folder = Utf8TempDir::new().expect("a temporary folder");
    let message = r#"{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"harness"},"executable":"/bin/echo"}"#;
    let mut command = xtask(&folder, &format!("echo '{message}'"));

    let output = command
        .args(["artifacts", "list", "--json"])
        .output()
        .expect("xtask starts");

    assert_eq!(String::from_utf8_lossy(&output.stdout), "artifacts list --json\n");
    assert!(output.status.success());
}
