//! The program against the mock GHES: runners that register, run the quickstart's two jobs, and vanish.

use std::process::Stdio;
use std::time::Duration;

use camino_tempfile::Utf8TempDir;
use mock_ghes::view::{Conclusion, Status};
use mock_ghes::{Hand, MockGhes};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::process::{Child, Command};

/// Longest wait for anything.
const DEADLINE: Duration = Duration::from_secs(60);

struct Runner {
    child: Child,
    home: Utf8TempDir,
}

async fn post(hand: &Hand, path: &str, body: &Value) -> Value {
    let request = reqwest::Client::new().post(format!("{}/api/v3/{path}", hand.url()));
    let response = request
        .bearer_auth(hand.pat().expose_secret())
        .json(body)
        .send()
        .await
        .expect("the server answers");
    let response = response.error_for_status().expect("the server agrees");
    serde_json::from_slice(&response.bytes().await.expect("the answer arrives")).unwrap_or_default()
}

/// Starts the program as ARC would: everything by environment.
async fn start(hand: &Hand, name: &str) -> Runner {
    let token = post(
        hand,
        "enterprises/dogecompany/actions/runners/registration-token",
        &json!({}),
    )
    .await;
    let home = camino_tempfile::tempdir().expect("a folder for the runner");
    let child = Command::new(env!("CARGO_BIN_EXE_runner"))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").expect("the tests have a PATH"))
        .env("RUNNER_NAME", name)
        .env("RUNNER_TOKEN", token["token"].as_str().expect("a token"))
        .env("RUNNER_ENTERPRISE", "dogecompany")
        .env("RUNNER_EPHEMERAL", "true")
        .env("GITHUB_URL", hand.url())
        .env("RUNNER_HOME", home.path())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the program starts");
    Runner { child, home }
}

impl Runner {
    async fn end(self) -> (Option<i32>, String) {
        let output = tokio::time::timeout(DEADLINE, self.child.wait_with_output())
            .await
            .expect("the runner ends in time")
            .expect("the runner can be waited for");
        drop(self.home);
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    }
}

/// Waits until the server's state satisfies a probe.
async fn until<T>(hand: &Hand, what: &str, probe: impl AsyncFn(&Hand) -> Option<T>) -> T {
    let mut revision = hand.watch();
    let wait = async {
        loop {
            revision.mark_unchanged();
            if let Some(found) = probe(hand).await {
                return found;
            }
            revision.changed().await.expect("the server runs");
        }
    };
    tokio::time::timeout(DEADLINE, wait)
        .await
        .unwrap_or_else(|_| panic!("timed out waiting for {what}"))
}

#[tokio::test]
async fn two_runners_run_the_quickstart_and_vanish() {
    // The server may have been first.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (server, hand) = MockGhes::builder().start().await.expect("the server starts");
    let dispatch = "repos/dogecompany/quickstart/actions/workflows/quickstart.yml/dispatches";
    post(&hand, dispatch, &json!({"ref": "main"})).await;

    let (first, second) = (start(&hand, "r1").await, start(&hand, "r2").await);
    let (first, second) = (first.end().await, second.end().await);
    let run = until(&hand, "the end of the run", async |hand| {
        let runs = hand.runs().await.expect("the server runs");
        runs.into_iter().find(|run| run.status == Status::Completed)
    })
    .await;

    assert_eq!(
        (first.0, second.0),
        (Some(0), Some(0)),
        "{}\n{}",
        first.1,
        second.1
    );
    assert_eq!(
        run.conclusion,
        Some(Conclusion::Success),
        "{}\n{}",
        first.1,
        second.1
    );
    let output = format!("{}{}", first.1, second.1);
    for job in ["Explore-GitHub-Actions", "Echo-Outputs"] {
        assert!(
            output.contains(&format!("Job {job} completed with result: Succeeded")),
            "{output}"
        );
    }
    let jobs = hand.jobs().await.expect("the server runs");
    let sha = &jobs[0].head_sha;
    let steps: Vec<&str> = jobs[0].steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(jobs[0].outputs.get("tag_git_hash"), Some(sha));
    assert_eq!(
        (steps[0], steps[4], steps.last()),
        ("Set up job", "Check out repository code", Some(&"Complete job"))
    );
    assert!(
        jobs[0]
            .steps
            .iter()
            .all(|step| step.conclusion == Some(Conclusion::Success)),
        "every step says how it ended: {:#?}",
        jobs[0].steps
    );
    let log = async |job: usize| {
        hand.job_log(jobs[job].id)
            .await
            .expect("the server runs")
            .expect("the job has a log")
    };
    let (explore, echo) = (log(0).await, log(1).await);
    assert!(
        explore.lines().any(|line| line.ends_with(" README.md")),
        "{explore}"
    );
    assert!(explore.contains("now running on a Linux server"), "{explore}");
    assert!(explore.contains("This job's status is success"), "{explore}");
    assert!(
        echo.lines()
            .any(|line| line.ends_with(&format!("tag_git_hash={sha}"))),
        "{echo}"
    );
    let gone = until(&hand, "the runners to vanish", async |hand| {
        hand.runners()
            .await
            .expect("the server runs")
            .is_empty()
            .then_some(())
    });
    gone.await;
    let unknown = hand.ledger().unknown_routes();
    assert!(
        unknown.is_empty(),
        "the runner asks for nothing that the server does not have: {unknown:#?}"
    );
    server
        .shutdown()
        .await
        .expect("nothing broke while the server ran");
}

#[tokio::test]
async fn a_runner_is_seen_online_and_then_busy() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (server, hand) = MockGhes::builder().start().await.expect("the server starts");
    let runner = start(&hand, "r1").await;
    let online = until(&hand, "the runner to be online", async |hand| {
        let runners = hand.runners().await.expect("the server runs");
        runners.into_iter().find(|runner| runner.online)
    })
    .await;

    post(
        &hand,
        "repos/dogecompany/quickstart/actions/workflows/quickstart.yml/dispatches",
        &json!({"ref": "main"}),
    )
    .await;
    until(&hand, "the runner to be busy", async |hand| {
        hand.runners()
            .await
            .expect("the server runs")
            .iter()
            .any(|runner| runner.busy)
            .then_some(())
    })
    .await;
    let (code, output) = runner.end().await;

    let labels: Vec<&str> = online.labels.iter().map(|label| label.name.as_str()).collect();
    assert_eq!(labels, ["self-hosted", "Linux", "X64"]);
    assert!(
        online.ephemeral && online.os == "linux" && !online.busy,
        "{online:?}"
    );
    assert_eq!(code, Some(0), "{output}");
    server
        .shutdown()
        .await
        .expect("nothing broke while the server ran");
}
