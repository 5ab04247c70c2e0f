//! The whole runner against a stand-in server: registration, jobs, cancellation, leaving.

mod stand_in;

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use camino_tempfile::Utf8TempDir;
use harness_runner::Outcome;
use harness_runner::config::Settings;
use harness_runner::console::Console;
use serde_json::{Value, json};
use stand_in::{StandIn, run_step};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A runner under test.
struct Runner {
    task: JoinHandle<Outcome>,
    stop: CancellationToken,
    output: Captured,
    home: Utf8TempDir,
}

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn start(server: &StandIn, extra: &[(&str, &str)]) -> Runner {
    // Another test of this process may have been first.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let home = camino_tempfile::tempdir().expect("a folder for the runner");
    let path = std::env::var("PATH").expect("the tests have a PATH");
    let base = [
        ("RUNNER_NAME", "r1"),
        ("RUNNER_TOKEN", "registration-token"),
        ("RUNNER_ENTERPRISE", "corp"),
        ("RUNNER_LABELS", "custom"),
        ("RUNNER_EPHEMERAL", "true"),
        ("GITHUB_URL", &server.url),
        ("RUNNER_HOME", home.path().as_str()),
        ("RUNNER_WORKDIR", "_work"),
        ("PATH", &path),
    ];
    let variables = base
        .iter()
        .chain(extra)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let settings = Settings::from_environment(variables).expect("the environment is complete");
    let (stop, output) = (CancellationToken::new(), Captured::default());
    let task = tokio::spawn(harness_runner::run(
        settings,
        Console::to(output.clone()),
        stop.clone(),
    ));
    Runner {
        task,
        stop,
        output,
        home,
    }
}

impl Runner {
    async fn end(self) -> (Outcome, String) {
        let outcome = tokio::time::timeout(Duration::from_secs(60), self.task)
            .await
            .unwrap_or_else(|_| panic!("the runner did not end; its output: {}", self.output.text()))
            .expect("the runner does not panic");
        (outcome, self.output.text())
    }
}

/// The log of a step or of the job, without the times.
fn log_of(server: &StandIn, record: &str) -> String {
    let seen = server.seen();
    let id = seen.records[record]["log"]["id"]
        .as_i64()
        .unwrap_or_else(|| panic!("{record} has no log: {:#?}", seen.records));
    let lines = seen.logs[&id]
        .lines()
        .map(|line| line.split_once(' ').map_or(line, |(_, text)| text));
    lines.collect::<Vec<_>>().join("\n")
}

fn results(server: &StandIn) -> Vec<(String, String)> {
    let seen = server.seen();
    let mut records: Vec<&Value> = seen
        .records
        .values()
        .filter(|record| record["type"] == "Task")
        .collect();
    records.sort_by_key(|record| record["order"].as_u64());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    records
        .iter()
        .map(|record| (text(&record["name"]), text(&record["result"])))
        .collect()
}

fn expression(text: &str) -> Value {
    json!({"type": 3, "expr": text})
}

fn mapping(entries: &[(&str, Value)]) -> Value {
    let pairs: Vec<Value> = entries
        .iter()
        .map(|(key, value)| json!({"Key": {"type": 0, "lit": key}, "Value": value}))
        .collect();
    json!({"type": 2, "map": pairs})
}

#[tokio::test]
async fn an_ephemeral_runner_registers_runs_one_job_and_leaves() {
    let server = StandIn::start().await;
    let steps = json!([
        run_step(
            "one",
            "echo \"val=42\" >> $GITHUB_OUTPUT\necho \"ADDED=more\" >> $GITHUB_ENV\necho secret hunter22 m4sk3d; \
             printf u:hunter22 | base64; echo ::add-mask::made%25up; echo 'http://me:made%25up@ghes' made%up",
            &json!({})
        ),
        run_step(
            "two",
            "echo got $V $ADDED in $GITHUB_REPOSITORY; cat $GITHUB_EVENT_PATH; pwd",
            &json!({
                "environment": mapping(&[("V", expression("steps.one.outputs.val"))]),
                "displayNameToken": {"type": 0, "lit": "consume"},
            })
        ),
    ]);
    server.send_job(steps, &json!({
        "jobOutputs": mapping(&[("val", expression("steps.one.outputs.val")), ("leak", expression("secrets.PASSWORD"))]),
    }));

    let runner = start(&server, &[]);
    let workspace = runner.home.path().join("_work/one/one");
    let (outcome, output) = runner.end().await;

    assert_eq!(outcome, Outcome::Done);
    for line in [
        "√ Connected to GitHub",
        "√ Runner successfully added",
        "Listening for Jobs",
        "Running job: build",
        "Job build completed with result: Succeeded",
    ] {
        assert!(output.contains(line), "the output has `{line}`: {output}");
    }
    let named = |name: &str, result: &str| (name.to_owned(), result.to_owned());
    assert_eq!(
        results(&server),
        [
            named("Set up job", "succeeded"),
            named("Run echo \"val=42\" >> $GITHUB_OUTPUT", "succeeded"),
            named("consume", "succeeded"),
            named("Complete job", "succeeded"),
        ]
    );
    let completed = server.seen().completed.clone().expect("the job is completed");
    assert_eq!(completed["result"], "succeeded");
    assert_eq!(completed["outputs"], json!({"val": {"value": "42"}}));
    let one = log_of(&server, "record-one");
    assert!(one.contains("secret *** ***"), "{one}");
    assert!(one.contains("http://me:***@ghes ***"), "{one}");
    assert!(!one.contains("odW50ZXIyM"), "base64 goes too: {one}");
    let two = log_of(&server, "record-two");
    assert!(two.contains("got 42 more in doge/one"), "{two}");
    assert!(two.contains("\"x\": \"y\""), "{two}");
    assert!(two.contains(workspace.as_str()), "{two}");
    assert!(log_of(&server, "job-id").contains("got 42 more in doge/one"));
    assert!(
        server
            .seen()
            .feed
            .iter()
            .any(|line| line == "got 42 more in doge/one")
    );
    assert_eq!(server.seen().acknowledged, [1]);
    let agent = server.seen().agents[0].clone();
    let labels: Vec<&str> = agent["labels"]
        .as_array()
        .expect("labels")
        .iter()
        .filter_map(|label| label["name"].as_str())
        .collect();
    assert_eq!(labels, ["self-hosted", "Linux", "X64", "custom"]);
    assert_eq!(
        server.seen().calls.last().map(String::as_str),
        Some("DELETE sessions")
    );
}

#[tokio::test]
async fn the_registration_is_tried_again_and_replaces_a_namesake() {
    let server = StandIn::start().await;
    server.seen().refuse_registrations = 1;
    server.seen().agents.push(json!({"id": 5, "name": "r1"}));
    server.send_job(json!([]), &json!({}));

    let runner = start(&server, &[("RUNNER_GROUP", "GPU")]);
    let (outcome, output) = runner.end().await;

    assert_eq!(outcome, Outcome::Done);
    assert!(output.contains("Configuration failed (try 1 of 10): POST actions/runner-registration: 404 Not Found: Not Found. Retrying"), "{output}");
    assert!(output.contains("√ Successfully replaced the runner"), "{output}");
    assert_eq!(server.seen().calls[0], "register register /enterprises/corp");
    assert!(server.seen().calls.contains(&"PUT agents".to_owned()));
}

#[tokio::test]
async fn a_runner_that_is_never_registered_gives_up() {
    let server = StandIn::start().await;

    let (outcome, output) = start(&server, &[("RUNNER_TOKEN", "wrong")]).end().await;

    assert_eq!(outcome, Outcome::NotConfigured);
    assert_eq!(
        output
            .lines()
            .filter(|line| line.contains("Configuration failed (try"))
            .count(),
        10,
        "{output}"
    );
    assert!(!output.contains("wrong"), "no token in the output: {output}");
}

#[tokio::test]
async fn a_failed_step_fails_the_job_and_later_steps_follow_their_conditions() {
    let server = StandIn::start().await;
    let steps = json!([
        run_step("soft", "exit 3", &json!({"continueOnError": true})),
        run_step("hard", "false; echo never", &json!({})),
        run_step("skipped", "echo never", &json!({})),
        run_step(
            "on_failure",
            "echo status ${X}",
            &json!({"condition": "failure()",
            "environment": mapping(&[("X", expression("format('{0} {1} {2}', steps.soft.outcome, steps.soft.conclusion, job.status)"))])})
        ),
        run_step(
            "slow",
            "sleep 100",
            &json!({"condition": "always()", "timeoutInMinutes": {"type": 6, "num": 0.005}})
        ),
    ]);
    server.send_job(steps, &json!({}));

    let (outcome, output) = start(&server, &[]).end().await;

    assert_eq!(outcome, Outcome::Done);
    assert!(output.contains("completed with result: Failed"), "{output}");
    let results: Vec<String> = results(&server).into_iter().map(|(_, result)| result).collect();
    assert_eq!(
        results,
        [
            "succeeded",
            "succeeded",
            "failed",
            "skipped",
            "succeeded",
            "failed",
            "succeeded"
        ]
    );
    assert!(log_of(&server, "record-hard").contains("##[error]Process completed with exit code 1."));
    assert!(log_of(&server, "record-on_failure").contains("status failure success failure"));
    assert!(log_of(&server, "record-slow").contains("##[error]The action has timed out."));
}

#[tokio::test]
async fn a_composite_action_is_fetched_and_runs() {
    let server = StandIn::start().await;
    let manifest = "
name: greet
inputs:
  who: {default: world}
  token: {default: '${{ github.token }}'}
outputs:
  greeting: {value: '${{ steps.say.outputs.text }}'}
runs:
  using: composite
  steps:
    - id: say
      run: |
        echo \"text=hello ${{ inputs.who }}\" >> $GITHUB_OUTPUT
        cat $GITHUB_ACTION_PATH/data
        if [ '${{ inputs.token }}' = ghs_token ]; then echo token given; fi
      shell: bash
    - if: always() && inputs.who == 'doge'
      uses: ./inner
    - run: echo leaves-a-trace
      if: failure()
      shell: bash
";
    server.seen().archives.insert(
        "o-greet".to_owned(),
        archive(&[
            ("o-greet-1/action.yml", manifest),
            ("o-greet-1/data", "from-the-action\n"),
        ]),
    );
    let inner = "mkdir inner; printf 'runs:\\n  using: composite\\n  steps:\\n    - run: echo inner ran\\n      shell: sh\\n' > inner/action.yml";
    let steps = json!([
        run_step("prepare", inner, &json!({})),
        {"type": "action", "id": "record-greet", "contextName": "greet", "condition": "success()",
         "reference": {"type": "repository", "name": "o/greet", "ref": "v1", "repositoryType": "GitHub"},
         "inputs": mapping(&[("who", json!("doge"))])},
        run_step("after", "echo said $S", &json!({"environment": mapping(&[("S", expression("steps.greet.outputs.greeting"))])})),
    ]);
    server.send_job(steps, &json!({}));

    let (outcome, output) = start(&server, &[]).end().await;

    let log = log_of(&server, "record-greet");
    assert_eq!(outcome, Outcome::Done);
    assert!(
        output.contains("completed with result: Succeeded"),
        "{output}\n{log}"
    );
    for line in ["from-the-action", "token given", "inner ran"] {
        assert!(
            log.lines().any(|found| found == line),
            "the log has `{line}`: {log}"
        );
    }
    assert!(!log.contains("leaves-a-trace"), "{log}");
    assert!(log_of(&server, "record-after").contains("said hello doge"));
}

#[tokio::test]
async fn what_cannot_run_here_says_so() {
    let server = StandIn::start().await;
    let node = archive(&[("x/action.yml", "runs: {using: node16, main: index.js}")]);
    server.seen().archives.insert("o-node".to_owned(), node);
    let step = |id: &str, reference: Value| json!({"type": "action", "id": format!("record-{id}"), "contextName": id, "condition": "always()", "reference": reference});
    server.send_job(
        json!([
            step(
                "node",
                json!({"type": "repository", "name": "o/node", "ref": "v1", "repositoryType": "GitHub"})
            ),
            step("docker", json!({"type": "containerRegistry", "image": "alpine"})),
            step(
                "local",
                json!({"type": "repository", "repositoryType": "self", "path": "./missing"})
            ),
        ]),
        &json!({}),
    );

    let (_, output) = start(&server, &[]).end().await;

    assert!(output.contains("completed with result: Failed"), "{output}");
    assert!(
        log_of(&server, "record-node")
            .contains("runs composite actions only; `o/node@v1` is `using: node16`")
    );
    assert!(log_of(&server, "record-docker").contains("no container engine"));
    assert!(log_of(&server, "record-local").contains("Did you forget to run actions/checkout"));
}

#[tokio::test]
async fn an_action_that_does_not_exist_fails_the_set_up() {
    let server = StandIn::start().await;
    server.send_job(
        json!([{"type": "action", "id": "record-x", "contextName": "x", "condition": "success()",
        "reference": {"type": "repository", "name": "o/none", "ref": "v1", "repositoryType": "GitHub"}}]),
        &json!({}),
    );

    let (_, output) = start(&server, &[]).end().await;

    assert!(output.contains("completed with result: Failed"), "{output}");
    assert_eq!(
        results(&server)[0],
        ("Set up job".to_owned(), "failed".to_owned())
    );
    assert!(log_of(&server, "job-id").contains("##[error]Unable to resolve action `o/none@v1`"));
}

#[tokio::test]
async fn a_cancelled_job_ends_its_step_and_runs_what_always_runs() {
    let server = StandIn::start().await;
    server.send_job(
        json!([
            run_step("long", "echo started; sleep 1000 & wait", &json!({})),
            run_step("skipped", "echo never", &json!({})),
            run_step("clean", "echo cleaned", &json!({"condition": "always()"})),
        ]),
        &json!({}),
    );
    let runner = start(&server, &[]);
    server
        .until("the step's output", |seen| {
            seen.feed.contains(&"started".to_owned()).then_some(())
        })
        .await;

    server.send(
        "JobCancellation",
        &json!({"jobId": "job-id", "timeout": "00:05:00"}),
    );
    let (outcome, output) = runner.end().await;

    assert_eq!(outcome, Outcome::Done);
    assert!(output.contains("completed with result: Canceled"), "{output}");
    let results: Vec<String> = results(&server).into_iter().map(|(_, result)| result).collect();
    assert_eq!(
        results,
        ["succeeded", "canceled", "skipped", "succeeded", "succeeded"]
    );
    assert!(log_of(&server, "record-long").contains("##[error]The operation was canceled."));
}

#[tokio::test]
async fn an_idle_runner_that_is_stopped_removes_itself() {
    let server = StandIn::start().await;
    let runner = start(&server, &[]);
    server
        .until("a session", |seen| {
            seen.calls.contains(&"POST sessions".to_owned()).then_some(())
        })
        .await;
    assert!(
        runner.home.path().join(".runner").exists(),
        "a registered runner has its file"
    );

    runner.stop.cancel();
    let file = runner.home.path().join(".runner");
    let (outcome, output) = runner.end().await;

    assert_eq!(outcome, Outcome::Done);
    assert!(output.contains("√ Runner removed successfully"), "{output}");
    assert!(
        server.seen().agents.is_empty(),
        "the server does not know the runner any more"
    );
    assert!(!file.exists(), "the file is gone");
}

#[tokio::test]
async fn a_busy_runner_that_is_stopped_finishes_its_job_if_there_is_time() {
    let server = StandIn::start().await;
    server.seen().refuse_removal = true;
    server.send_job(
        json!([run_step(
            "one",
            "echo started; until [ -e go ]; do :; done",
            &json!({})
        )]),
        &json!({}),
    );
    let runner = start(&server, &[("RUNNER_GRACEFUL_STOP_TIMEOUT", "60")]);
    server
        .until("the step's output", |seen| {
            seen.feed.contains(&"started".to_owned()).then_some(())
        })
        .await;

    runner.stop.cancel();
    server
        .until("an attempt to remove", |seen| {
            seen.calls.contains(&"DELETE agents".to_owned()).then_some(())
        })
        .await;
    std::fs::write(runner.home.path().join("_work/one/one/go"), "").expect("the step is let go");
    let (outcome, output) = runner.end().await;

    assert_eq!(outcome, Outcome::Done);
    assert!(
        output.contains("Waiting for RUNNER_GRACEFUL_STOP_TIMEOUT=60 seconds"),
        "{output}"
    );
    assert!(output.contains("completed with result: Succeeded"), "{output}");
}

#[tokio::test]
async fn a_busy_runner_that_is_stopped_ends_its_job_when_time_is_up() {
    let server = StandIn::start().await;
    server.seen().refuse_removal = true;
    server.send_job(
        json!([run_step("one", "echo started; sleep 1000", &json!({}))]),
        &json!({}),
    );
    let runner = start(&server, &[("RUNNER_GRACEFUL_STOP_TIMEOUT", "1")]);
    server
        .until("the step's output", |seen| {
            seen.feed.contains(&"started".to_owned()).then_some(())
        })
        .await;

    runner.stop.cancel();
    let (outcome, output) = runner.end().await;

    assert_eq!(outcome, Outcome::Done);
    assert!(output.contains("completed with result: Failed"), "{output}");
    assert!(log_of(&server, "job-id").contains("The runner has received a shutdown signal."));
}

#[tokio::test]
async fn a_runner_that_the_server_forgot_ends() {
    let server = StandIn::start().await;
    let runner = start(&server, &[]);
    server
        .until("a session", |seen| {
            seen.calls.contains(&"POST sessions".to_owned()).then_some(())
        })
        .await;

    server.seen().agents.clear();
    let (outcome, output) = runner.end().await;

    assert_eq!(outcome, Outcome::Terminated);
    assert!(
        output.contains("The runner registration has been deleted from the server"),
        "{output}"
    );
}

#[tokio::test]
async fn hooks_run_around_the_job() {
    let server = StandIn::start().await;
    server.send_job(json!([run_step("one", "echo hi", &json!({}))]), &json!({}));
    let hooks = camino_tempfile::tempdir().expect("a folder");
    let hook = |name: &str, text: &str| {
        use std::os::unix::fs::PermissionsExt;
        let path = hooks.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("the hook is written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("the hook can run");
        path
    };
    let (started, completed) = (
        hook("started.sh", "echo before in $RUNNER_NAME"),
        hook("completed.sh", "echo after; exit 4"),
    );

    let runner = start(
        &server,
        &[
            ("ACTIONS_RUNNER_HOOK_JOB_STARTED", started.as_str()),
            ("ACTIONS_RUNNER_HOOK_JOB_COMPLETED", completed.as_str()),
        ],
    );
    let (_, output) = runner.end().await;

    let log = log_of(&server, "job-id");
    assert!(output.contains("completed with result: Failed"), "{output}");
    assert!(log.contains("before in r1"), "{log}");
    assert!(
        log.contains("##[error]Process completed with exit code 4."),
        "{log}"
    );
}

fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut builder = tar::Builder::new(encoder);
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder
            .append_data(&mut header, path, content.as_bytes())
            .expect("an entry is written");
    }
    builder
        .into_inner()
        .and_then(flate2::write::GzEncoder::finish)
        .expect("the archive is written")
}
