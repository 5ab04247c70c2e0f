//! Two runs' folders with evidence, to be compared.

use camino::Utf8Path;
use camino_tempfile::{Utf8TempDir, tempdir};
use harness_model::{Event, Line};
use harness_report::{
    Diff, LEDGER_FOLDER, LOG_FILE, MANIFESTS_FILE, METRICS_FILE, OBJECTS_FOLDER, Recorded, diff,
};
use serde_json::{Value, json};

use crate::sample;

/// A run's folder with this log and nothing beside it.
pub(crate) fn run(lines: &[Line]) -> Utf8TempDir {
    let folder = tempdir().expect("a temporary folder");
    let lines: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::to_value(line).expect("a line has a JSON form"))
        .collect();
    put(folder.path(), LOG_FILE, &lines);
    folder
}

/// Writes the lines into a file of the folder.
pub(crate) fn put(folder: &Utf8Path, file: &str, lines: &[Value]) {
    let path = folder.join(file);
    fs_err::create_dir_all(path.parent().expect("the file lies in a folder")).expect("the folder is ours");
    let text: Vec<String> = lines.iter().map(|line| line.to_string() + "\n").collect();
    fs_err::write(path, text.concat()).expect("the folder is ours");
}

/// As the mock's ledger tells it.
pub(crate) fn request(method: &str, route: &str, status: u16) -> Value {
    json!({"method": method, "path": "/x", "route": route, "status": status, "identity": "user arc-admin"})
}

fn event(uid: &str, reason: &str, count: u64) -> Value {
    json!({"at": "2026-11-24T10:15:01Z", "kind": "Event", "change": "seen", "object": {
        "metadata": {"uid": uid}, "involvedObject": {"kind": "Runner"}, "reason": reason, "type": "Warning", "count": count}})
}

fn definition(required: &Value, description: &str) -> Value {
    json!({"kind": "CustomResourceDefinition", "metadata": {"name": "runners.example"}, "spec": {"versions": [
        {"name": "v1alpha1", "schema": {"description": description, "required": required}}]}})
}

fn deployment(replicas: u32) -> Value {
    json!({"kind": "Deployment", "metadata": {"name": "arc", "namespace": "arc-system"}, "spec": {"replicas": replicas}})
}

/// Evidence of every kind that runs are compared by.
pub(crate) fn furnish(folder: &Utf8Path) {
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

pub(crate) fn compared(before: &Utf8TempDir, after: &Utf8TempDir) -> Diff {
    let read = |folder: &Utf8TempDir| Recorded::read(folder.path()).expect("the run can be read");
    diff(&read(before), &read(after))
}

/// Two runs of which each section of a diff has something to tell.
pub(crate) fn differing_in_everything() -> (Utf8TempDir, Utf8TempDir) {
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
        &[event("2", "OOMKilled", 1), event("3", "FailedUpdate", 1)],
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
    (before, after)
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
