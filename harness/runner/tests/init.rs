//! The program as the first process of a PID namespace, as the node starts it.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// `runner` as process 1; nobody answers at its server's address.
fn pod() -> Command {
    let mut command = Command::new("unshare");
    command
        .args([
            "--user",
            "--map-root-user",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
        ])
        .arg(env!("CARGO_BIN_EXE_runner"))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("RUNNER_NAME", "r1")
        .env("RUNNER_TOKEN", "registration-token")
        .env("RUNNER_ORG", "doge")
        .env("GITHUB_URL", "http://127.0.0.1:9")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

#[test]
fn the_pod_succeeds_even_if_the_runner_fails() {
    let output = pod()
        .env_remove("RUNNER_TOKEN")
        .output()
        .expect("unshare is there");

    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{text}{errors}");
    assert!(errors.contains("RUNNER_TOKEN must be set"), "{errors}");
    assert!(text.contains("Runner init exited with code 1."), "{text}");
}

/// The first child of a process.
fn child_of(process: u32) -> u32 {
    let children = format!("/proc/{process}/task/{process}/children");
    let children = std::fs::read_to_string(children).expect("the kernel lists children");
    let first = children.split_whitespace().next().expect("there is a child");
    first.parse().expect("a process has a number")
}

#[test]
fn the_runner_is_not_born_deaf() {
    let mut unshare = pod()
        .env("STARTUP_DELAY_IN_SECONDS", "60")
        .spawn()
        .expect("unshare is there");
    let mut stdout = BufReader::new(unshare.stdout.take().expect("the output is piped"));
    stdout.read_line(&mut String::new()).expect("the runner speaks");

    let runner = child_of(child_of(unshare.id()));
    let status = std::fs::read_to_string(format!("/proc/{runner}/status")).expect("the runner is there");

    unshare.kill().expect("the pod is ended");
    unshare.wait().expect("the pod ends");
    let blocked = status
        .lines()
        .find(|line| line.starts_with("SigBlk:"))
        .expect("the kernel tells the mask");
    assert_eq!(
        blocked
            .trim_start_matches("SigBlk:")
            .trim()
            .trim_start_matches('0'),
        ""
    );
}

#[test]
fn a_signal_reaches_the_runner() {
    let mut child = pod()
        .env("STARTUP_DELAY_IN_SECONDS", "1")
        .spawn()
        .expect("unshare is there");
    let stdout = BufReader::new(child.stdout.take().expect("the output is piped"));
    let mut lines = stdout.lines().map(|line| line.expect("the output is text"));
    assert!(
        lines
            .next()
            .expect("the runner speaks")
            .contains("Delaying startup by 1 seconds")
    );

    // The namespace's first process is the child of `unshare`.
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    let init: i32 = std::fs::read_to_string(children)
        .expect("the kernel lists children")
        .trim()
        .parse()
        .expect("unshare has one child");
    kill(Pid::from_raw(init), Signal::SIGTERM).expect("the signal is sent");
    let rest: Vec<String> = lines.collect();

    let code = child.wait().expect("the pod ends").code();
    assert_eq!(code, Some(0), "{rest:?}");
    // As in the image, a runner that is asked to go while it registers goes on trying first.
    assert!(
        rest.iter()
            .any(|line| line.contains("Configuration failed (try 10 of 10)")),
        "{rest:?}"
    );
    assert!(
        rest.last()
            .is_some_and(|line| line.contains("Runner init exited with code 2.")),
        "{rest:?}"
    );
}
