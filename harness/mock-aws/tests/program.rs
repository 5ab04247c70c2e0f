//! The program: its one line, its ends, and what it says of a wrong world file or defect.

use std::process::Stdio;
use std::time::Duration;

use camino_tempfile::Utf8TempDir;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

const DEADLINE: Duration = Duration::from_secs(30);

/// A world with a policy in a file of its own and one that is written where it is used.
const WORLD: &str = r#"
[[accounts.111122223333.oidc_providers]]
issuer = "https://oidc.example.test/id/1"
client_ids = ["sts.amazonaws.com"]

[accounts.111122223333.roles.actions-runner-role]
trust = "trust.json"

[accounts.444455556666.buckets."bucket.dogecompany.com".policy]
Version = "2012-10-17"
Statement = { Effect = "Allow", Principal = "*", Action = "s3:ListBucket", Resource = "*" }
"#;

const TRUST: &str = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
    "Principal": {"Federated": "arn:aws:iam::111122223333:oidc-provider/oidc.example.test/id/1"}}}"#;

fn folder(world: &str) -> Utf8TempDir {
    let dir = camino_tempfile::tempdir().expect("a temporary folder can be made");
    fs_err::write(dir.path().join("world.toml"), world).expect("the folder is writable");
    fs_err::write(dir.path().join("trust.json"), TRUST).expect("the folder is writable");
    dir
}

fn program(folder: &Utf8TempDir, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mock-aws"));
    command
        .args(["--world", folder.path().join("world.toml").as_str()])
        .args(more)
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

#[tokio::test]
async fn it_prints_where_it_is_notes_and_ends_with_its_lifeline() {
    let folder = folder(WORLD);
    let ledger = folder.path().join("ledger.jsonl");
    let mut child = program(
        &folder,
        &["--tls", "--ledger", ledger.as_str(), "--stdin-lifeline"],
    )
    .spawn()
    .expect("the program starts");
    let line = ready(&mut child).await;
    let ca = reqwest::Certificate::from_pem(line["ca"].as_str().expect("a PEM").as_bytes())
        .expect("the CA is PEM");
    let http = reqwest::Client::builder()
        .tls_certs_only([ca])
        .no_proxy()
        .build()
        .expect("a client can be built");

    let url = line["url"].as_str().expect("a URL");
    let answer = http
        .post(url)
        .form(&[("Action", "GetCallerIdentity")])
        .send()
        .await
        .expect("the server is trusted");
    let unsigned = http.get(format!("{url}/bucket.dogecompany.com")).send().await;
    drop(child.stdin.take());
    let status = tokio::time::timeout(DEADLINE, child.wait()).await;

    assert!(url.starts_with("https://127.0.0.1:"), "{url}");
    assert_eq!(answer.status(), 403);
    assert_eq!(unsigned.expect("the server is trusted").status(), 403);
    let written = fs_err::read_to_string(ledger).expect("the ledger is written");
    assert_eq!(written.matches("\"reason\":\"unsigned\"").count(), 2, "{written}");
    let status = status.expect("the program ends").expect("it can be waited for");
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn a_wrong_world_file_is_told_with_its_place() {
    let cases = [
        ("[accounts.1]\n", "12 digits"),
        ("[accounts.111122223333.roles.r]\ntrust = 1\n", "world.toml: "),
        (
            "[[accounts.111122223333.oidc_providers]]\nissuer = \"http://plain.test\"\nclient_ids = []\n",
            "no https URL",
        ),
        (
            "[accounts.111122223333.buckets.b]\n[accounts.444455556666.buckets.b]\n",
            "bucket b is in the accounts",
        ),
    ];
    for (world, wanted) in cases {
        let folder = folder(world);

        let output = program(&folder, &[]).output().await.expect("the program runs");

        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(wanted), "{stderr}");
    }
}

#[tokio::test]
async fn an_unknown_defect_is_answered_with_the_known_ones() {
    let output = program(&folder(WORLD), &["--defect", "no-law"]).output().await;
    let output = output.expect("the program runs");

    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr.contains("no-denials"), "{stderr}");
}
