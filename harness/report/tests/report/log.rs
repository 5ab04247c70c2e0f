//! The log on disk: torn tails, damage, newer formats, secrets.

use std::error::Error as _;

use camino_tempfile::{Utf8TempDir, tempdir};
use harness_model::{Event, FORMAT, Line, Measurement, Redactor};
use harness_report::{LOG_FILE, LogWriter, ReportError, read_log};

use crate::sample;

fn log_with(bytes: &[u8]) -> Utf8TempDir {
    let dir = tempdir().expect("a temporary folder can be made");
    fs_err::write(dir.path().join(LOG_FILE), bytes).expect("a log can be written");
    dir
}

fn text(lines: &[Line]) -> String {
    lines
        .iter()
        .map(|line| serde_json::to_string(line).expect("a line has a JSON form") + "\n")
        .collect()
}

#[test]
fn what_is_written_reads_back() {
    let dir = tempdir().expect("a temporary folder can be made");
    let lines = sample::every_verdict();

    let mut log = LogWriter::create(dir.path(), Redactor::default()).expect("the log can be begun");
    for line in &lines {
        log.append(line).expect("the log takes a line");
    }

    assert_eq!(
        read_log(&dir.path().join(LOG_FILE)).expect("the log reads back"),
        lines
    );
}

#[test]
fn a_new_log_replaces_an_earlier_one() {
    let dir = log_with(text(&sample::every_verdict()).as_bytes());
    let lines = sample::lines(vec![sample::run_started()]);

    let mut log = LogWriter::create(dir.path(), Redactor::default()).expect("the log can be begun");
    log.append(&lines[0]).expect("the log takes a line");

    assert_eq!(
        read_log(&dir.path().join(LOG_FILE)).expect("the log reads back"),
        lines
    );
}

#[test]
fn secrets_are_cleaned_before_they_reach_the_disk_even_where_json_escapes_them() {
    let dir = tempdir().expect("a temporary folder can be made");
    let redactor = Redactor::default();
    redactor.learn("qu\"oted\\secret");
    let mut log = LogWriter::create(dir.path(), redactor).expect("the log can be begun");
    let note = Event::Note {
        text: format!("a qu\"oted\\secret and ghp_{}", "a".repeat(36)),
    };

    let written = log
        .append(&sample::lines(vec![note])[0])
        .expect("the log takes a line");

    let on_disk = fs_err::read_to_string(dir.path().join(LOG_FILE)).expect("the log can be read");
    assert_eq!(
        written.event,
        Event::Note {
            text: "a *** and ***".to_owned()
        }
    );
    assert!(on_disk.contains("a *** and ***"), "{on_disk}");
    assert!(
        !on_disk.contains("secret") && !on_disk.contains("ghp_"),
        "{on_disk}"
    );
}

#[test]
fn a_figure_that_is_no_number_is_refused_and_leaves_the_log_whole() {
    let dir = tempdir().expect("a temporary folder can be made");
    let mut log = LogWriter::create(dir.path(), Redactor::default()).expect("the log can be begun");
    let measurement = Measurement {
        name: "ratio".to_owned(),
        value: f64::NAN,
        unit: String::new(),
    };
    let lines = sample::lines(vec![
        sample::run_started(),
        Event::Measured {
            id: String::new(),
            measurement,
        },
    ]);
    log.append(&lines[0]).expect("the log takes a line");

    let error = log.append(&lines[1]).expect_err("NaN has no JSON form");

    assert!(matches!(error, ReportError::Encode { .. }), "{error}");
    assert_eq!(
        read_log(&dir.path().join(LOG_FILE))
            .expect("the log reads back")
            .len(),
        1
    );
}

#[test]
fn a_torn_last_line_is_left_out() {
    let whole = text(&sample::killed());
    let torn = format!("{whole}{}", &text(&sample::every_verdict())[..57]);
    let dir = log_with(torn.as_bytes());

    let lines = read_log(&dir.path().join(LOG_FILE)).expect("a torn tail is no damage");

    assert_eq!(lines, sample::killed());
}

#[test]
fn a_last_line_that_lacks_only_its_end_is_kept() {
    let dir = log_with(text(&sample::killed()).trim_end().as_bytes());

    let lines = read_log(&dir.path().join(LOG_FILE)).expect("only the line end is missing");

    assert_eq!(lines, sample::killed());
}

#[test]
fn damage_within_the_log_is_told_with_file_and_line() {
    let whole = text(&sample::killed());
    let damaged = whole.replacen("\"event\":\"setting\"", "\"event\":\"sett", 1);
    let dir = log_with(damaged.as_bytes());
    let path = dir.path().join(LOG_FILE);

    let error = read_log(&path).expect_err("line 5 is damaged");

    assert!(
        error.to_string().starts_with(&format!("{path}, line 5: ")),
        "{error}"
    );
    assert!(error.source().is_some(), "the reason must follow");
}

#[test]
fn a_newer_format_is_refused_with_a_sentence() {
    let dir =
        log_with(b"{\"at\":\"2030-01-01T00:00:00Z\",\"event\":\"run-started\",\"format\":99,\"new\":true}\n");
    let path = dir.path().join(LOG_FILE);

    let error = read_log(&path).expect_err("format 99 is not known");

    assert_eq!(
        error.to_string(),
        format!(
            "{path} has format 99, this program reads up to {FORMAT}: use the version that wrote it, or a newer one"
        )
    );
}

#[test]
fn a_log_without_a_whole_line_or_without_a_head_is_refused() {
    let torn = log_with(&text(&sample::killed()).as_bytes()[..40]);
    let headless = log_with(text(&sample::killed()[1..]).as_bytes());

    let torn = read_log(&torn.path().join(LOG_FILE)).expect_err("no line is whole");
    let headless = read_log(&headless.path().join(LOG_FILE)).expect_err("the head is missing");

    assert!(matches!(torn, ReportError::Empty { .. }), "{torn}");
    assert!(matches!(headless, ReportError::Headless { .. }), "{headless}");
}

#[test]
fn a_missing_log_is_told_with_its_path() {
    let dir = tempdir().expect("a temporary folder can be made");

    let error = read_log(&dir.path().join(LOG_FILE)).expect_err("there is no log");

    let reason = error.source().expect("the system's reason follows").to_string();
    assert!(reason.contains(dir.path().as_str()), "{reason}");
}
