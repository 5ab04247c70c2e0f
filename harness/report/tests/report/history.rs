//! The history of hand-built runs.

use camino_tempfile::{Utf8TempDir, tempdir};
use harness_model::{Event, Line, Verdict};
use harness_report::{LOG_FILE, ReportError, Style, Summary, history, read_history};

use crate::sample;

/// A folder with these runs.
fn runs(logs: &[(&str, Vec<Line>)]) -> Utf8TempDir {
    let folder = tempdir().expect("a temporary folder");
    for (id, lines) in logs {
        let text: Vec<String> = lines
            .iter()
            .map(|line| serde_json::to_string(line).expect("a line has a JSON form") + "\n")
            .collect();
        fs_err::create_dir(folder.path().join(id)).expect("the folder is ours");
        fs_err::write(folder.path().join(id).join(LOG_FILE), text.concat()).expect("the folder is ours");
    }
    folder
}

fn seeded() -> Vec<Line> {
    let mut lines = sample::every_verdict();
    let setting = Event::Setting {
        name: "seeded defects".to_owned(),
        value: "drop-label".to_owned(),
    };
    let at = lines[0].at;
    lines.insert(1, Line { at, event: setting });
    lines
}

#[test]
fn history_of_three_runs() {
    let folder = runs(&[
        ("1", sample::green()),
        ("2", sample::every_verdict()),
        ("3", seeded()),
        ("4", sample::killed()),
    ]);
    fs_err::create_dir(folder.path().join("5")).expect("the folder is ours");
    fs_err::write(folder.path().join("5").join(LOG_FILE), "torn").expect("the folder is ours");

    let history = read_history(folder.path(), 10).expect("there are runs");

    let text = history
        .text(Style::Plain)
        .replace(folder.path().as_str(), "<runs>");
    insta::assert_snapshot!(text);
}

#[test]
fn the_newest_runs_are_taken() {
    let folder = runs(&[
        ("1", sample::every_verdict()),
        ("2", sample::green()),
        ("3", sample::green()),
    ]);

    let history = read_history(folder.path(), 2).expect("there are runs");

    assert_eq!(history.runs.len(), 2);
    assert!(history.checks.iter().all(|check| check.count(Verdict::Pass) == 2));
}

#[test]
fn flakes_are_a_share_of_the_runs_that_judged_the_check() {
    let green = Summary::fold(&sample::green());
    let mixed = Summary::fold(&sample::every_verdict());

    let history = history(&[green, mixed.clone(), mixed]);

    let of = |id: &str| {
        history
            .checks
            .iter()
            .find(|check| check.id == id)
            .expect("the check was planned")
    };
    let flaky = of("quickstart::dispatch");
    assert_eq!((flaky.judged(), flaky.flake_rate()), (2, Some(1.0)));
    let failed = of("registration::enterprise");
    assert_eq!(
        (failed.judged(), failed.flake_rate(), failed.durations.len()),
        (3, Some(0.0), 1)
    );
    let skipped = of("ephemeral::replaced");
    assert_eq!(
        (skipped.judged(), skipped.flake_rate(), skipped.median()),
        (0, None, None)
    );
}

#[test]
fn without_a_run_there_is_no_history() {
    let folder = tempdir().expect("a temporary folder");

    let error = read_history(folder.path(), 10).expect_err("there is no run");

    assert!(matches!(error, ReportError::NoRun { .. }), "{error}");
}
