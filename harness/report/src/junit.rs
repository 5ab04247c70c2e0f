//! `junit.xml` for CI systems, in the dialect of Maven Surefire that quick-junit writes.
//!
//! One suite per group of checks, a case per check. A flaky check is a success with `flakyFailure`s, a failed retry a
//! `rerunFailure`. A run that did not end by itself has one more case, `environment::…`, so that a CI system that
//! only reads this file does not take a broken bring-up for green. So has a gate, `gate::FILE`.

use harness_model::{Exit, Failure, Verdict};
use jiff::Timestamp;
use quick_junit::{
    FlakyOrRerun, NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestRerun, TestSuite,
};

use crate::text::{figure, printable};
use crate::{Attempt, AttemptEnd, CheckResult, Outcome, ReportError, Summary};

/// The text of `junit.xml`.
///
/// # Errors
/// [`ReportError::Junit`] if the library cannot form it.
pub fn junit_xml(summary: &Summary) -> Result<String, ReportError> {
    let mut report = Report::new("cargo xtask e2e");
    report.set_time(summary.duration);
    report.timestamp = timestamp(summary.started);
    report.add_test_suites(suites(summary));
    report.to_string().map_err(ReportError::Junit)
}

/// Suites in order of their first check.
fn suites(summary: &Summary) -> Vec<TestSuite> {
    let mut suites: Vec<TestSuite> = Vec::new();
    for (group, case) in environment_case(summary)
        .into_iter()
        .chain(gate_case(summary))
        .chain(summary.checks.iter().map(case))
    {
        let index = suites
            .iter()
            .position(|suite| suite.name == *group)
            .unwrap_or_else(|| {
                let mut suite = TestSuite::new(group);
                suite.add_properties(properties(summary));
                suites.push(suite);
                suites.len() - 1
            });
        let suite = &mut suites[index];
        suite.time = Some(suite.time.unwrap_or_default() + case.time.unwrap_or_default());
        suite.add_test_case(case);
    }
    suites
}

fn properties(summary: &Summary) -> Vec<Property> {
    let run = [
        ("run", summary.run_id.as_str()),
        ("profile", &summary.profile),
        ("cluster", &summary.cluster),
        ("ghes", &summary.ghes),
        ("clock", &summary.clock),
    ];
    let parts = summary.parts.iter().map(|part| {
        Property::new(
            format!("part:{}", part.name),
            format!("{} ({})", part.version, part.origin),
        )
    });
    let settings = summary
        .settings
        .iter()
        .map(|s| Property::new(format!("setting:{}", s.name), &s.value));
    run.into_iter()
        .map(|(name, value)| Property::new(name, value))
        .chain([Property::new("seed", summary.seed.to_string())])
        .chain(parts)
        .chain(settings)
        .collect()
}

fn environment_case(summary: &Summary) -> Option<(&str, TestCase)> {
    let name = match summary.outcome {
        Outcome::Interrupted => "environment::interrupted",
        Outcome::Killed => "environment::killed",
        _ if !summary.broken.is_empty() => "environment::broken",
        Outcome::Green | Outcome::Red | Outcome::Broken => return None,
    };
    let kind = if summary.exit == Exit::CheckFailed.code() {
        NonSuccessKind::Failure
    } else {
        NonSuccessKind::Error
    };
    let mut status = TestCaseStatus::non_success(kind);
    let messages: Vec<String> = summary
        .broken
        .iter()
        .map(|broken| printable(&broken.message))
        .collect();
    status.set_message(if messages.is_empty() {
        format!("the run ended before its checks did; exit {}", summary.exit)
    } else {
        messages.join("\n")
    });
    let mut case = TestCase::new(name, status);
    case.set_classname("environment");
    Some(("environment", case))
}

/// The gate is a case of its own: a CI system that only reads this file must see that it is broken.
fn gate_case(summary: &Summary) -> Option<(&str, TestCase)> {
    let gate = summary.gate.as_ref()?;
    let status = if gate.broken.is_empty() {
        TestCaseStatus::success()
    } else {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        status.set_message(printable(&gate.broken.join("\n")));
        status
    };
    let mut case = TestCase::new(format!("gate::{}", printable(&gate.file)), status);
    case.set_classname("gate");
    Some(("gate", case))
}

fn case(result: &CheckResult) -> (&str, TestCase) {
    let id = result.check.id.as_str();
    let group = id.split_once("::").map_or(id, |(group, _)| group);
    let mut case = TestCase::new(id, status(result));
    case.set_classname(group).set_time(result.duration());
    case.timestamp = result.attempts.first().and_then(|first| timestamp(first.started));
    let told: Vec<String> = result
        .observations
        .iter()
        .map(|text| printable(text))
        .chain(result.measurements.iter().map(figure))
        .collect();
    if !told.is_empty() {
        case.set_system_out(told.join("\n"));
    }
    (group, case)
}

fn status(result: &CheckResult) -> TestCaseStatus {
    let reason = result.reason.as_deref().map(printable).unwrap_or_default();
    match result.verdict {
        Verdict::Pass | Verdict::Flaky => {
            let mut status = TestCaseStatus::success();
            status.add_reruns(reruns(&result.attempts));
            status
        }
        // As pytest has it: JUnit has no word for a failure that is expected.
        Verdict::Skipped | Verdict::Unsupported | Verdict::ExpectedFailure => {
            let mut status = TestCaseStatus::skipped();
            status.set_type(result.verdict.to_string()).set_message(reason);
            status
        }
        Verdict::Fail | Verdict::Error => {
            let mut status = TestCaseStatus::non_success(kind(result.verdict));
            status.set_type(result.verdict.to_string()).set_message(reason);
            // The first attempt is the case itself, as Surefire has it; the others are its reruns.
            if let Some(end) = result.attempts.iter().find_map(|attempt| attempt.end.as_ref()) {
                status.set_description(description(end));
            }
            status.add_reruns(reruns(result.attempts.get(1..).unwrap_or_default()));
            status.set_rerun_kind(FlakyOrRerun::Rerun);
            status
        }
    }
}

fn reruns(attempts: &[Attempt]) -> Vec<TestRerun> {
    let failed = |attempt: &Attempt| {
        let end = attempt.end.as_ref().filter(|end| !end.verdict.is_green())?;
        let mut rerun = TestRerun::new(kind(end.verdict));
        rerun.timestamp = timestamp(attempt.started);
        rerun
            .set_time(end.duration)
            .set_type(end.verdict.to_string())
            .set_description(description(end));
        if let Some(failure) = &end.failure {
            rerun.set_message(printable(&crate::text::failure_reason(failure)));
        }
        Some(rerun)
    };
    attempts.iter().filter_map(failed).collect()
}

fn kind(verdict: Verdict) -> NonSuccessKind {
    if verdict == Verdict::Fail {
        NonSuccessKind::Failure
    } else {
        NonSuccessKind::Error
    }
}

fn description(end: &AttemptEnd) -> String {
    let mut lines = Vec::new();
    if let Some(Failure {
        awaited,
        last_seen,
        detail,
    }) = &end.failure
    {
        lines.push(format!("awaited: {awaited}"));
        lines.push(format!("last seen: {last_seen}"));
        lines.extend(detail.iter().map(|detail| format!("detail: {detail}")));
    }
    lines.extend(
        end.evidence
            .iter()
            .map(|evidence| format!("evidence: {evidence}")),
    );
    lines.push(format!("rerun: {}", end.rerun));
    printable(&lines.join("\n"))
}

/// The library's timestamp type, by way of RFC 3339: its crate is no dependency of ours.
fn timestamp<T: std::str::FromStr>(at: Timestamp) -> Option<T> {
    at.to_string().parse().ok()
}
