//! `junit.xml` read back by a reader of the format: what a CI system sees of flaky, rerun and skipped checks.

use harness_report::{Summary, junit_xml};
use quick_junit::{FlakyOrRerun, NonSuccessKind, Report, TestCaseStatus};

use crate::sample;

#[test]
fn a_reader_sees_flaky_rerun_and_skipped_with_their_reasons() {
    let xml = junit_xml(&Summary::fold(&sample::every_verdict())).expect("the sample has a JUnit form");

    let report = Report::deserialize_from_str(&xml).expect("the text is JUnit");

    let cases = || report.test_suites.iter().flat_map(|suite| &suite.test_cases);
    let status = |id: &str| {
        &cases()
            .find(|case| case.name.as_str() == id)
            .expect("the check has a case")
            .status
    };
    assert_eq!((report.tests, report.failures, report.errors), (7, 1, 1));
    assert!(
        matches!(status("quickstart::dispatch"), TestCaseStatus::Success { flaky_runs } if flaky_runs.len() == 1)
    );
    assert!(matches!(
        status("registration::enterprise"),
        TestCaseStatus::NonSuccess { kind: NonSuccessKind::Failure, reruns, .. }
            if reruns.runs.len() == 1 && reruns.kind == FlakyOrRerun::Rerun
    ));
    for (id, why) in [
        ("quickstart::dind", "needs dind: no Docker engine"),
        ("ephemeral::replaced", "the time budget of the run is spent"),
        ("webhook::dangling", "awaited: 200 for the delivery"),
    ] {
        assert!(
            matches!(status(id), TestCaseStatus::Skipped { message: Some(message), .. } if message.starts_with(why)),
            "{id} must say why: {:?}",
            status(id)
        );
    }
}
