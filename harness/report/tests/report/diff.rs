//! Two runs with evidence, compared.

use camino::Utf8Path;
use camino_tempfile::{Utf8TempDir, tempdir};
use harness_model::{Event, Line};
use harness_report::{
    Diff, Evidence, LEDGER_FOLDER, LOG_FILE, MANIFESTS_FILE, METRICS_FILE, OBJECTS_FOLDER,
    OWN_LEDGERS_FOLDER, Recorded, ReportError, Style, diff, usage,
};
use serde_json::{Value, json};

use crate::sample;

/// A run's folder with this log and nothing beside it.
fn run(lines: &[Line]) -> Utf8TempDir {
    let folder = tempdir().expect("a temporary folder");
    let lines: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::to_value(line).expect("a line has a JSON form"))
        .collect();
    put(folder.path(), LOG_FILE, &lines);
    folder
}

fn put(folder: &Utf8Path, file: &str, lines: &[Value]) {
    let path = folder.join(file);
    fs_err::create_dir_all(path.parent().expect("the file lies in a folder")).expect("the folder is ours");
    let text: Vec<String> = lines.iter().map(|line| line.to_string() + "\n").collect();
    fs_err::write(path, text.concat()).expect("the folder is ours");
}

fn request(method: &str, route: &str, status: u16) -> Value {
    json!({"method": method, "path": "/x", "route": route, "status": status, "identity": "user arc-admin"})
}

fn event(uid: &str, reason: &str, count: u64) -> Value {
    json!({"at": "2026-11-24T10:15:01Z", "kind": "Event", "change": "seen", "object": {
        "metadata": {"uid": uid}, "involvedObject": {"kind": "Runner"}, "reason": reason, "type": "Warning", "count": count}})
}

fn pod(uid: &str, at: &str, phase: &str, owner: &str) -> Value {
    json!({"at": at, "kind": "Pod", "change": "seen", "object": {
        "metadata": {"uid": uid, "ownerReferences": [{"kind": owner}]}, "status": {"phase": phase}}})
}

fn definition(required: &Value, description: &str) -> Value {
    json!({"kind": "CustomResourceDefinition", "metadata": {"name": "runners.example"}, "spec": {"versions": [
        {"name": "v1alpha1", "schema": {"description": description, "required": required}}]}})
}

fn deployment(replicas: u32) -> Value {
    json!({"kind": "Deployment", "metadata": {"name": "arc", "namespace": "arc-system"}, "spec": {"replicas": replicas}})
}

fn furnish(folder: &Utf8Path) {
    let list = request("GET", "/api/v3/orgs/{org}/actions/runners", 200);
    put(folder, &format!("{LEDGER_FOLDER}/ledger.jsonl"), &vec![list; 40]);
    put(
        folder,
        &format!("{OBJECTS_FOLDER}/a.jsonl"),
        &[event("1", "FailedUpdate", 1), event("1", "FailedUpdate", 2)],
    );
    put(
        folder,
        METRICS_FILE,
        &[json!({"name": "runners_busy", "labels": ["organization"]})],
    );
    put(
        folder,
        MANIFESTS_FILE,
        &[definition(&json!(["a"]), "one"), deployment(1)],
    );
}

fn compared(before: &Utf8TempDir, after: &Utf8TempDir) -> Diff {
    let read = |folder: &Utf8TempDir| Recorded::read(folder.path()).expect("the run can be read");
    diff(&read(before), &read(after))
}

fn text(before: &Utf8TempDir, after: &Utf8TempDir) -> String {
    let text = compared(before, after).text(Style::Plain, false);
    text.replace(before.path().as_str(), "<first>")
        .replace(after.path().as_str(), "<second>")
}

#[test]
fn a_run_is_the_same_as_itself() {
    let folder = run(&sample::every_verdict());
    furnish(folder.path());

    let diff = compared(&folder, &folder);

    assert_eq!(diff.differences(), 0);
    assert!(diff.sections.iter().all(|section| section.compared));
}

#[test]
fn what_neither_run_keeps_is_told() {
    let (before, after) = (run(&sample::green()), run(&sample::green()));

    insta::assert_snapshot!(text(&before, &after));
}

#[test]
fn everything_that_differs_is_told() {
    let (before, after) = (run(&sample::green()), run(&slower(sample::every_verdict())));
    furnish(before.path());
    furnish(after.path());
    let list = request("GET", "/api/v3/orgs/{org}/actions/runners", 200);
    let new = request(
        "POST",
        "/api/v3/orgs/{org}/actions/runners/generate-jitconfig",
        201,
    );
    let calls = [vec![list; 90], vec![new; 6]].concat();
    put(after.path(), &format!("{LEDGER_FOLDER}/ledger.jsonl"), &calls);
    put(
        after.path(),
        &format!("{OBJECTS_FOLDER}/b.jsonl"),
        &[event("2", "OOMKilled", 1)],
    );
    put(
        after.path(),
        METRICS_FILE,
        &[
            json!({"name": "runners_busy", "labels": ["org"]}),
            json!({"name": "runners_idle", "labels": []}),
        ],
    );
    put(
        after.path(),
        MANIFESTS_FILE,
        &[definition(&json!(["a", "b"]), "two"), deployment(2)],
    );

    insta::assert_snapshot!(text(&before, &after));
}

/// The same run with a slow phase and another part.
fn slower(mut lines: Vec<Line>) -> Vec<Line> {
    for line in &mut lines {
        match &mut line.event {
            Event::PhaseFinished { duration_ms, .. } => *duration_ms += 10_000,
            Event::Part { part } if part.name == "arc-manager" => part.version = "v0.27.3".to_owned(),
            Event::Measured { measurement, .. } => measurement.value *= 3.0,
            _ => {}
        }
    }
    lines
}

#[test]
fn a_screen_shows_some_differences_and_counts_the_rest() {
    let (before, after) = (run(&sample::green()), run(&sample::green()));
    let metric = |n: usize| json!({"name": format!("m{n}"), "labels": []});
    put(before.path(), METRICS_FILE, &[]);
    put(
        after.path(),
        METRICS_FILE,
        &(1..=9).map(metric).collect::<Vec<_>>(),
    );
    let diff = compared(&before, &after);

    let (screen, all) = (diff.text(Style::Plain, false), diff.text(Style::Plain, true));

    assert!(
        screen.contains("… and 4 more: `--all` shows them") && !screen.contains("m9:"),
        "{screen}"
    );
    assert!(
        !all.contains("more:") && all.contains("m9: only in the second run"),
        "{all}"
    );
}

#[test]
fn usage_counts_the_api_and_the_lives_of_runner_pods_over_all_ledgers() {
    let folder = run(&sample::green());
    let (api, service) = (
        request("GET", "/api/v3/meta", 200),
        request("GET", "/_services/pipelines/{tenant}/_apis/connectionData", 200),
    );
    put(
        folder.path(),
        &format!("{LEDGER_FOLDER}/ledger.jsonl"),
        &[api.clone(), service],
    );
    put(
        folder.path(),
        &format!("{OWN_LEDGERS_FOLDER}/e2e-a/ledger.jsonl"),
        &[api.clone(), api],
    );
    put(
        folder.path(),
        &format!("{OBJECTS_FOLDER}/e2e-a.jsonl"),
        &[
            pod("1", "2026-11-24T10:00:00Z", "Pending", "Runner"),
            pod("1", "2026-11-24T10:30:00Z", "Succeeded", "Runner"),
            pod("1", "2026-11-24T10:40:00Z", "Succeeded", "Runner"),
            pod("2", "2026-11-24T11:00:00Z", "Running", "Runner"),
            pod("3", "2026-11-24T10:00:00Z", "Running", "ReplicaSet"),
            pod("3", "2026-11-24T12:00:00Z", "Running", "ReplicaSet"),
        ],
    );

    let figures = usage(&Evidence::read(folder.path()).expect("the evidence can be read"));

    let told: Vec<(&str, f64)> = figures.iter().map(|m| (m.name.as_str(), m.value)).collect();
    // The second pod lived until the last thing that was recorded.
    assert_eq!(told, [("API calls", 3.0), ("runner-hours", 1.5)]);
}

#[test]
fn a_torn_end_is_left_out_and_damage_is_told() {
    let folder = run(&sample::green());
    furnish(folder.path());
    let ledger = folder.path().join(LEDGER_FOLDER).join("ledger.jsonl");
    let whole = fs_err::read_to_string(&ledger).expect("the ledger is there");
    fs_err::write(&ledger, format!("{whole}{{\"method\":\"GE")).expect("the folder is ours");

    let torn = Evidence::read(folder.path()).expect("a torn end is no damage");
    fs_err::write(&ledger, format!("{{\"method\":\"GE\n{whole}")).expect("the folder is ours");
    let damaged = Evidence::read(folder.path()).expect_err("the first line is damaged");

    assert_eq!(torn.api_calls(), Some(40));
    assert!(
        matches!(damaged, ReportError::Evidence { line: 1, .. }),
        "{damaged}"
    );
}
