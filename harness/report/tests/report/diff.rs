//! Two runs with evidence, compared.

use camino_tempfile::Utf8TempDir;
use harness_report::{
    Evidence, LEDGER_FOLDER, METRICS_FILE, OBJECTS_FOLDER, OWN_LEDGERS_FOLDER, ReportError, Style, usage,
};
use serde_json::{Value, json};

use crate::pair::{self, compared, furnish, put, request, run};
use crate::sample;

fn pod(uid: &str, at: &str, phase: &str, owner: &str) -> Value {
    json!({"at": at, "kind": "Pod", "change": "seen", "object": {
        "metadata": {"uid": uid, "ownerReferences": [{"kind": owner}]}, "status": {"phase": phase}}})
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
    let (before, after) = pair::differing_in_everything();

    insta::assert_snapshot!(text(&before, &after));
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
