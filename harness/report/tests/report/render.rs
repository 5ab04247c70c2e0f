//! Snapshots of the three reports, and the promise that a replay prints what the live run printed.

use camino::Utf8Path;
use camino_tempfile::tempdir;
use harness_model::{Event, Line, Redactor, Verdict};
use harness_report::{
    LOG_FILE, LogWriter, Style, Summary, Terminal, junit_xml, read_log, replay, report_yaml, write_all,
};

use crate::sample;

fn plain(lines: &[Line]) -> String {
    replay(
        lines,
        Style::Plain,
        Utf8Path::new("target/e2e/20261124-101500-4f2a"),
    )
}

#[test]
fn terminal_of_every_verdict() {
    insta::assert_snapshot!(plain(&sample::every_verdict()));
}

#[test]
fn terminal_of_a_green_run() {
    insta::assert_snapshot!(plain(&sample::green()));
}

#[test]
fn terminal_of_an_interrupted_run() {
    insta::assert_snapshot!(plain(&sample::interrupted()));
}

#[test]
fn terminal_of_a_killed_run() {
    insta::assert_snapshot!(plain(&sample::killed()));
}

#[test]
fn terminal_of_a_broken_bring_up() {
    insta::assert_snapshot!(plain(&sample::broken()));
}

#[test]
fn yaml_of_every_verdict() {
    let summary = Summary::fold(&sample::every_verdict());

    insta::assert_snapshot!(report_yaml(&summary).expect("the sample has a YAML form"));
}

#[test]
fn yaml_of_a_killed_run() {
    let summary = Summary::fold(&sample::killed());

    insta::assert_snapshot!(report_yaml(&summary).expect("the sample has a YAML form"));
}

#[test]
fn junit_of_every_verdict() {
    let summary = Summary::fold(&sample::every_verdict());

    insta::assert_snapshot!(junit_xml(&summary).expect("the sample has a JUnit form"));
}

#[test]
fn junit_of_a_broken_bring_up() {
    let summary = Summary::fold(&sample::broken());

    insta::assert_snapshot!(junit_xml(&summary).expect("the sample has a JUnit form"));
}

#[test]
fn colours_change_nothing_but_colour() {
    let lines = sample::every_verdict();
    let run_dir = Utf8Path::new("target/e2e/20261124-101500-4f2a");

    let coloured = replay(&lines, Style::Colour, run_dir);

    assert!(
        coloured.contains("\u{1b}[1mreal\u{1b}[0m"),
        "the clock must be bold:\n{coloured}"
    );
    assert_eq!(without_colours(&coloured), plain(&lines));
}

/// Takes out what owo-colors puts in: escape, bracket, numbers, `m`.
fn without_colours(text: &str) -> String {
    let mut pieces = text.split('\u{1b}');
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        out += piece.split_once('m').expect("a colour sequence ends with m").1;
    }
    out
}

#[test]
fn a_replay_prints_what_the_live_run_printed() {
    let dir = tempdir().expect("a temporary folder can be made");
    let redactor = Redactor::default();
    redactor.learn("s3cr3t-value");
    let mut lines = sample::every_verdict();
    lines.insert(
        12,
        Line {
            at: lines[12].at,
            event: Event::Note {
                text: "PAT \"s3cr3t-value\" is set".to_owned(),
            },
        },
    );
    let mut log = LogWriter::create(dir.path(), redactor).expect("the log can be begun");

    let mut terminal = Terminal::new(Style::Colour, dir.path());
    let mut live = String::new();
    let mut written = Vec::new();
    for line in &lines {
        let line = log.append(line).expect("the log takes a line");
        live.extend(terminal.line(&line));
        written.push(line);
    }
    live += &terminal.finish(&Summary::fold(&written));
    let read = read_log(&dir.path().join(LOG_FILE)).expect("the log reads back");

    assert_eq!(replay(&read, Style::Colour, dir.path()), live);
    assert!(live.contains("PAT \"***\" is set"), "{live}");
}

#[test]
fn one_line_verdict_pass_per_passed_check() {
    let summary = Summary::fold(&sample::every_verdict());

    let yaml = report_yaml(&summary).expect("the sample has a YAML form");

    let passed = yaml.lines().filter(|line| line.trim() == "verdict: pass").count();
    assert_eq!(passed, summary.count(Verdict::Pass));
    assert_eq!(yaml.matches("verdict:").count(), summary.checks.len());
}

#[test]
fn the_report_reads_back_as_yaml_with_its_texts_whole() {
    let summary = Summary::fold(&sample::every_verdict());

    let yaml = report_yaml(&summary).expect("the sample has a YAML form");
    let value: serde_json::Value = harness_yaml::manifest(&yaml).expect("the report is YAML");

    assert_eq!(value["subject"]["arc-manager"]["version"], "v0.27.6");
    assert_eq!(
        value["guide_versions"][0]["reason"],
        summary.guide_versions[0].reason.as_str()
    );
    assert_eq!(
        value["checks"][1]["last_seen"],
        "runner list:\n\u{1b}[31m  (empty)\u{1b}[0m"
    );
    assert_eq!(value["checks"][1]["duration"], 6.804);
}

#[test]
fn the_files_replace_earlier_ones_and_leave_nothing_beside() {
    let dir = tempdir().expect("a temporary folder can be made");
    let summary = Summary::fold(&sample::green());
    fs_err::write(dir.path().join("report.yaml"), "old").expect("an old report can be written");

    write_all(dir.path(), &summary).expect("the files can be written");

    let mut names: Vec<String> = dir
        .path()
        .read_dir_utf8()
        .expect("the folder can be listed")
        .map(|entry| entry.expect("an entry can be read").file_name().to_owned())
        .collect();
    names.sort();
    assert_eq!(names, ["junit.xml", "report.html", "report.yaml"]);
    let yaml = fs_err::read_to_string(dir.path().join("report.yaml")).expect("the report can be read");
    assert_eq!(yaml, report_yaml(&summary).expect("the sample has a YAML form"));
}
