//! The program: its one line, its ends, and what it says of a wrong world file.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

const DEADLINE: Duration = Duration::from_secs(30);

fn program(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mock-ghes"));
    command
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn ready(child: &mut Child) -> Value {
    let stdout = child.stdout.take().expect("stdout is piped");
    let line = tokio::time::timeout(DEADLINE, BufReader::new(stdout).lines().next_line())
        .await
        .expect("the program gets ready")
        .expect("stdout is readable")
        .expect("the program prints a line");
    serde_json::from_str(&line).expect("the line is JSON")
}

async fn exit_code(child: &mut Child) -> Option<i32> {
    let status = tokio::time::timeout(DEADLINE, child.wait())
        .await
        .expect("the program ends");
    status.expect("the program can be waited for").code()
}

#[tokio::test]
async fn it_prints_where_it_is_and_stops_at_sigterm() {
    let mut child = program(&["--listen", "127.0.0.1:0", "--tls"])
        .spawn()
        .expect("the program starts");
    let line = ready(&mut child).await;
    let ca = reqwest::Certificate::from_pem(line["ca"].as_str().expect("a PEM").as_bytes())
        .expect("the CA is PEM");
    let http = reqwest::Client::builder()
        .tls_certs_only([ca])
        .build()
        .expect("a client can be built");

    let url = format!("{}/api/v3/user", line["url"].as_str().expect("a URL"));
    let user = http
        .get(url)
        .bearer_auth(line["pat"].as_str().expect("a token"))
        .send()
        .await;
    let state = format!("{}/state", line["admin_url"].as_str().expect("a URL"));
    let state = http
        .get(state)
        .bearer_auth(line["admin_token"].as_str().expect("a token"))
        .send()
        .await;
    let pid = child.id().expect("the program runs").to_string();
    let killed = Command::new("kill")
        .args(["-TERM", &pid])
        .status()
        .await
        .expect("kill is installed");

    assert!(user.expect("the server is trusted").status().is_success());
    assert!(state.expect("the server is trusted").status().is_success());
    assert!(killed.success());
    assert_eq!(exit_code(&mut child).await, Some(0));
}

#[tokio::test]
async fn the_lifelines_end_is_its_end() {
    let mut child = program(&["--listen", "127.0.0.1:0", "--stdin-lifeline"])
        .spawn()
        .expect("the program starts");
    let line = ready(&mut child).await;

    drop(child.stdin.take());

    assert_eq!(line["ca"], Value::Null);
    assert_eq!(exit_code(&mut child).await, Some(0));
}

#[tokio::test]
async fn a_wrong_world_file_is_told_with_its_place() {
    let dir = camino_tempfile::tempdir().expect("a temporary folder can be made");
    let file = dir.path().join("world.yaml");
    fs_err::write(&file, "users:\n  - login: u\n    scope: x\n").expect("the folder is writable");

    let output = program(&["--listen", "127.0.0.1:0", "--world", file.as_str()])
        .output()
        .await;
    let output = output.expect("the program runs");

    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("world.yaml: line 3, column"), "{stderr}");
}

#[tokio::test]
async fn a_taken_port_is_told_with_its_address() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = taken
        .local_addr()
        .expect("the listener has an address")
        .to_string();

    let output = program(&["--listen", &address])
        .output()
        .await
        .expect("the program runs");

    assert_eq!(output.status.code(), Some(3));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains(&address), "{stderr}");
}
