//! Whatever a kill or a defect leaves in a log, there is a readable report of it.

use camino::Utf8Path;
use camino_tempfile::tempdir;
use harness_model::Line;
use harness_report::{
    Excerpts, LOG_FILE, Outcome, ReportError, Style, Summary, junit_xml, read_log, replay, report_html,
    report_yaml,
};
use proptest::prelude::*;
use serde_json::Value;

use crate::sample;

/// Renders everything and looks whether each report is one.
fn reads_well(lines: &[Line]) -> Result<Summary, TestCaseError> {
    let summary = Summary::fold(lines);

    let terminal = replay(lines, Style::Plain, Utf8Path::new("target/e2e/run"));
    let yaml = report_yaml(&summary).map_err(|error| TestCaseError::fail(error.to_string()))?;
    let junit = junit_xml(&summary).map_err(|error| TestCaseError::fail(error.to_string()))?;

    prop_assert!(terminal.contains("     Summary ["), "{terminal}");
    prop_assert!(
        !terminal.contains('\u{1b}'),
        "plain text carries an escape:\n{terminal}"
    );
    let report: Value =
        harness_yaml::manifest(&yaml).map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert_eq!(
        report["checks"].as_array().map(Vec::len),
        Some(summary.checks.len())
    );
    prop_assert_eq!(&report["exit"], &Value::from(summary.exit));
    let page = report_html(&summary, &Excerpts::default());
    prop_assert!(page.ends_with("</html>\n"), "the page is not whole");
    prop_assert_eq!(
        page.matches("<details class=\"check\"").count(),
        summary.checks.len()
    );
    let cases = junit.matches("<testcase ").count();
    prop_assert!(cases >= summary.checks.len(), "a check is missing:\n{junit}");
    Ok(summary)
}

proptest! {
    #[test]
    fn a_log_cut_at_any_byte_gives_a_report(cut in 0_usize..20_000) {
        let lines = sample::every_verdict();
        let text: String =
            lines.iter().map(|line| serde_json::to_string(line).expect("a line has a JSON form") + "\n").collect();
        let cut = cut % text.len();
        let dir = tempdir().expect("a temporary folder can be made");
        let path = dir.path().join(LOG_FILE);
        fs_err::write(&path, &text.as_bytes()[..cut]).expect("a log can be written");

        match read_log(&path) {
            Ok(read) => {
                prop_assert_eq!(&read[..], &lines[..read.len()]);
                let summary = reads_well(&read)?;
                prop_assert_eq!(summary.killed, read.len() < lines.len());
                prop_assert!(summary.outcome != Outcome::Green);
            }
            Err(error) => {
                prop_assert!(matches!(error, ReportError::Empty { .. }), "{error}");
                prop_assert!(!text.as_bytes()[..cut].contains(&b'\n'));
            }
        }
    }

    #[test]
    fn events_in_any_order_give_a_report(lines in prop::sample::subsequence(sample::every_verdict(), 0..30).prop_shuffle()) {
        reads_well(&lines)?;
    }

    #[test]
    fn texts_of_any_kind_give_a_report(awaited in any::<String>(), last_seen in "\\PC{0,200}|(.|\n){0,200}", id in "[a-z]{1,8}(::[a-z]{1,8})?") {
        let failure = sample::failure(&awaited, &last_seen, None);
        let lines = sample::lines(vec![
            sample::run_started(),
            sample::finished(&id, 1, harness_model::Verdict::Fail, Some(failure)),
        ]);

        let summary = reads_well(&lines)?;

        let yaml = report_yaml(&summary).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let report: Value = harness_yaml::manifest(&yaml).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(report["checks"][0]["awaited"].as_str(), Some(awaited.as_str()));
        prop_assert_eq!(report["checks"][0]["last_seen"].as_str(), Some(last_seen.as_str()));
    }
}
