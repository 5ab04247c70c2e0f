//! A run before its gate: each line of it, what an earlier answer leaves, and how every report tells it.

use camino::Utf8Path;
use camino_tempfile::tempdir;
use harness_model::{Event, Gate, Line, Measurement};
use harness_report::{
    API_CALLS, Outcome, RUNNER_HOURS, Style, Summary, ask_gate, broken_lines, earned_exit, junit_xml,
    read_gate, replay, report_yaml,
};

use crate::sample;

fn gate(text: &str) -> Gate {
    Gate::parse(text).expect("the sample is a gate")
}

/// A green run in which GHES was called 1000 times in half a runner-hour.
fn used() -> Vec<Line> {
    let mut lines = sample::green();
    let at = lines[0].at;
    for (name, value) in [(API_CALLS, 1000.0), (RUNNER_HOURS, 0.5)] {
        let measurement = Measurement {
            name: name.to_owned(),
            value,
            unit: String::new(),
        };
        let event = Event::Measured {
            id: String::new(),
            measurement,
        };
        lines.insert(1, Line { at, event });
    }
    lines
}

fn broken(text: &str, lines: &[Line]) -> Vec<String> {
    broken_lines(&gate(text), &Summary::fold(lines))
}

#[test]
fn every_line_allows_what_it_says_and_no_more() {
    let verdicts = sample::every_verdict();

    assert_eq!(
        broken("allowed_skips = [\"quickstart::*\"]", &verdicts),
        ["`allowed_skips`: 1 check was not run: ephemeral::replaced"]
    );
    assert_eq!(
        broken("allowed_skips = []", &verdicts),
        ["`allowed_skips`: 2 checks were not run: quickstart::dind, ephemeral::replaced"]
    );
    assert_eq!(
        broken("max_skips = 1", &verdicts),
        ["`max_skips = 1`: of 7 checks, 2 not run: quickstart::dind, ephemeral::replaced"]
    );
    assert!(broken("max_skips = 2", &verdicts).is_empty());
    assert_eq!(
        broken("allowed_flakes = []", &verdicts),
        ["`allowed_flakes`: 1 check was flaky: quickstart::dispatch"]
    );
    assert!(broken("allowed_flakes = [\"quickstart::dispatch\"]", &verdicts).is_empty());
    assert_eq!(
        broken("max_duration_seconds = 31", &used()),
        ["`max_duration_seconds = 31`: the run took 31.2 s"]
    );
    assert!(broken("max_duration_seconds = 31.2", &used()).is_empty());
    assert_eq!(
        broken("max_api_calls = 999", &used()),
        ["`max_api_calls = 999`: GHES's REST API was called 1000 times"]
    );
    assert!(broken("max_api_calls = 1000", &used()).is_empty());
    assert_eq!(
        broken("max_api_calls_per_runner_hour = 1999", &used()),
        ["`max_api_calls_per_runner_hour = 1999`: 1000 calls in 0.500 runner-hours are 2000 an hour"]
    );
    assert!(broken("max_api_calls_per_runner_hour = 2000", &used()).is_empty());
}

#[test]
fn a_budget_without_its_figure_is_broken() {
    let text = "max_api_calls = 1e9\nmax_api_calls_per_runner_hour = 1e9\n";

    let told = broken(text, &sample::green());

    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told.iter().all(|line| line.contains("cannot be judged")),
        "{told:?}"
    );
}

#[test]
fn a_broken_gate_turns_a_green_run_red_and_a_later_answer_replaces_it() {
    let mut lines = used();

    ask_gate(&mut lines, "gate.toml", &gate("max_api_calls = 1"));

    let summary = Summary::fold(&lines);
    assert_eq!(
        (earned_exit(&lines), summary.exit, summary.outcome),
        (1, 1, Outcome::Red)
    );
    assert!(matches!(
        lines.last(),
        Some(Line {
            event: Event::RunFinished { .. },
            ..
        })
    ));

    ask_gate(&mut lines, "gate.toml", &gate("max_api_calls = 5000"));

    let summary = Summary::fold(&lines);
    assert_eq!((summary.exit, summary.outcome), (0, Outcome::Green));
    assert_eq!(lines.len(), used().len() + 1);
}

#[test]
fn every_report_tells_a_broken_gate() {
    let mut lines = used();
    ask_gate(
        &mut lines,
        "gate.toml",
        &gate("max_api_calls = 1\nmax_duration_seconds = 5\n"),
    );
    let summary = Summary::fold(&lines);

    let terminal = replay(&lines, Style::Plain, Utf8Path::new("target/e2e/x"));
    let yaml = report_yaml(&summary).expect("the sample has a YAML form");
    let junit = junit_xml(&summary).expect("the sample has a JUnit form");

    for (report, head) in [
        (&terminal, "gate.toml is broken"),
        (&yaml, "gate:"),
        (&junit, "gate::gate.toml"),
    ] {
        assert!(report.contains(head), "{report}");
        assert!(report.contains("REST API was called 1000 times"), "{report}");
        assert!(
            report.contains("`max_duration_seconds = 5`: the run took 31.2 s"),
            "{report}"
        );
    }
}

#[test]
fn a_gate_that_holds_is_told_too() {
    let mut lines = used();
    ask_gate(&mut lines, "gate.toml", &gate("max_api_calls = 5000"));

    let terminal = replay(&lines, Style::Plain, Utf8Path::new("target/e2e/x"));

    assert!(terminal.contains("Gate gate.toml holds"), "{terminal}");
}

#[test]
fn the_gate_of_the_readme_is_one_with_every_line() {
    let readme = include_str!("../../../../README.md");
    let (_, rest) = readme.split_once("```toml\n").expect("the README shows a gate");
    let (text, _) = rest.split_once("```").expect("the gate ends");

    let gate = gate(text);

    let lines = serde_json::to_value(gate).expect("a gate has a JSON form");
    assert_eq!(lines.as_object().map(serde_json::Map::len), Some(6));
}

#[test]
fn a_file_that_is_no_gate_is_told_with_its_place() {
    let folder = tempdir().expect("a temporary folder");
    let path = folder.path().join("gate.toml");
    fs_err::write(&path, "allowed_skips = []\nmax_apis = 3\n").expect("the folder is ours");

    let wrong = read_gate(&path).expect_err("there is no such line");
    let missing = read_gate(&folder.path().join("none.toml")).expect_err("there is no such file");

    let place = std::error::Error::source(&wrong).expect("the mistake follows");
    assert_eq!(wrong.to_string(), format!("{path} is no gate"));
    assert!(
        place
            .to_string()
            .starts_with("line 2, column 1: unknown field `max_apis`"),
        "{place}"
    );
    assert!(
        missing.to_string().ends_with("none.toml cannot be read"),
        "{missing}"
    );
}
