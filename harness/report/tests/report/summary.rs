//! What a log adds up to: verdicts, reasons, exit codes, outcomes.

use harness_model::{Event, Line, Verdict};
use harness_report::{Outcome, Summary, earned_exit};

use crate::sample::{self, check, failure, finished, lines, run_started, started};

fn verdict(summary: &Summary, id: &str) -> (Verdict, String) {
    let result = summary
        .checks
        .iter()
        .find(|c| c.check.id == id)
        .expect("the check is in the summary");
    (result.verdict, result.reason.clone().unwrap_or_default())
}

fn one_check(events: impl IntoIterator<Item = Event>) -> Vec<Line> {
    let planned = Event::CheckPlanned {
        check: check("a::b", "It holds.", &[], &[]),
        skip: None,
    };
    lines([run_started(), planned].into_iter().chain(events).collect())
}

fn failed(attempt: u32) -> Event {
    finished("a::b", attempt, Verdict::Fail, Some(failure("one", "none", None)))
}

fn end(exit: u8) -> Event {
    Event::RunFinished { exit, duration_ms: 1 }
}

#[test]
fn every_verdict_with_its_reason() {
    let summary = Summary::fold(&sample::every_verdict());

    let of = |id| verdict(&summary, id);
    assert_eq!(of("verify-install::programs"), (Verdict::Pass, String::new()));
    assert_eq!(of("registration::enterprise").0, Verdict::Fail);
    assert_eq!(of("admission::two-scopes").0, Verdict::Error);
    assert_eq!(
        of("quickstart::dispatch"),
        (
            Verdict::Flaky,
            "attempt 1 ended in fail, awaited: the run is completed; last seen: queued".to_owned()
        )
    );
    assert_eq!(
        of("quickstart::dind"),
        (
            Verdict::Unsupported,
            "needs dind: no Docker engine on the local cluster; take --cluster kind".to_owned()
        )
    );
    assert_eq!(
        of("ephemeral::replaced"),
        (Verdict::Skipped, "the time budget of the run is spent".to_owned())
    );
    assert_eq!(
        (summary.exit, summary.outcome, summary.killed),
        (1, Outcome::Red, false)
    );
}

#[test]
fn a_killed_run_owes_its_checks_an_end_and_is_not_green() {
    let summary = Summary::fold(&sample::killed());

    let killed = (Verdict::Error, "the run was killed".to_owned());
    assert_eq!(verdict(&summary, "registration::enterprise"), killed);
    assert_eq!(verdict(&summary, "admission::two-scopes"), killed);
    assert_eq!(verdict(&summary, "verify-install::programs").0, Verdict::Pass);
    assert_eq!(
        (summary.exit, summary.outcome, summary.killed),
        (130, Outcome::Killed, true)
    );
}

#[test]
fn a_reaped_run_is_killed_still_and_took_no_longer() {
    let mut lines = sample::killed();
    let before = Summary::fold(&lines);
    let reaped = Event::Reaped {
        during: "while it ran registration::enterprise".to_owned(),
        did: vec!["ended etcd (7)".to_owned()],
    };
    let at = lines[0].at + jiff::SignedDuration::from_hours(9);
    lines.push(Line { at, event: reaped });

    let after = Summary::fold(&lines);

    assert_eq!(
        (after.exit, after.outcome, after.killed),
        (130, Outcome::Killed, true)
    );
    assert_eq!((after.duration, &after.checks), (before.duration, &before.checks));
    assert_eq!(
        after.notes,
        [
            "the run was killed while it ran registration::enterprise; `cargo xtask reap` finished it",
            "ended etcd (7)"
        ]
    );
    let told = harness_report::replay(&lines, harness_report::Style::Plain, "target/e2e/r".into());
    assert!(
        told.contains("KILLED the run was killed while it ran registration::enterprise"),
        "{told}"
    );
}

#[test]
fn a_killed_run_keeps_the_failure_it_had_seen() {
    let summary = Summary::fold(&one_check([started("a::b", 1), failed(1), started("a::b", 2)]));

    assert_eq!(
        verdict(&summary, "a::b"),
        (
            Verdict::Fail,
            "awaited: one; last seen: none; attempt 2 was cut off: the run was killed".to_owned()
        )
    );
    assert_eq!((summary.exit, summary.outcome), (1, Outcome::Killed));
}

#[test]
fn an_interrupted_run_tells_what_it_cut_off_from_what_it_did_not_begin() {
    let summary = Summary::fold(&sample::interrupted());

    let reason = || "the run was interrupted".to_owned();
    assert_eq!(
        verdict(&summary, "registration::enterprise"),
        (Verdict::Error, reason())
    );
    assert_eq!(
        verdict(&summary, "admission::two-scopes"),
        (Verdict::Skipped, reason())
    );
    assert_eq!((summary.exit, summary.outcome), (130, Outcome::Interrupted));
}

#[test]
fn an_interrupted_run_that_was_then_killed_is_interrupted() {
    let summary = Summary::fold(&one_check([Event::Interrupted]));

    assert_eq!(
        verdict(&summary, "a::b"),
        (Verdict::Error, "the run was interrupted".to_owned())
    );
    assert_eq!(
        (summary.exit, summary.outcome, summary.killed),
        (130, Outcome::Interrupted, true)
    );
}

#[test]
fn a_broken_bring_up_skips_its_checks() {
    let summary = Summary::fold(&sample::broken());

    let (verdict, reason) = verdict(&summary, "verify-install::programs");
    assert_eq!(verdict, Verdict::Skipped);
    assert!(
        reason.starts_with("the environment broke: etcd could not be resolved"),
        "{reason}"
    );
    assert_eq!((summary.exit, summary.outcome), (3, Outcome::Broken));
}

#[test]
fn a_subject_that_crashes_makes_the_run_red() {
    let crash = Event::Broken {
        message: "the foreign ARC crashed".to_owned(),
        exit: 1,
    };
    let summary = Summary::fold(&one_check([crash, end(1)]));

    assert_eq!(summary.outcome, Outcome::Red);
}

#[test]
fn a_check_that_an_orderly_run_forgot_is_an_error() {
    let summary = Summary::fold(&one_check([end(4)]));

    let expected = (
        Verdict::Error,
        "the run ended without this check's verdict".to_owned(),
    );
    assert_eq!(verdict(&summary, "a::b"), expected);
}

#[test]
fn the_earned_exit_follows_the_contract() {
    let pass = || finished("a::b", 1, Verdict::Pass, None);
    let error = finished("a::b", 1, Verdict::Error, None);
    let broken = |exit| Event::Broken {
        message: "no disk".to_owned(),
        exit,
    };

    assert_eq!(earned_exit(&one_check([started("a::b", 1), pass()])), 0);
    assert_eq!(earned_exit(&one_check([started("a::b", 1), failed(1)])), 1);
    assert_eq!(
        earned_exit(&one_check([failed(1), finished("a::b", 2, Verdict::Pass, None)])),
        0
    );
    assert_eq!(earned_exit(&one_check([error])), 4);
    assert_eq!(earned_exit(&one_check([])), 4);
    assert_eq!(earned_exit(&one_check([failed(1), broken(3)])), 3);
    assert_eq!(earned_exit(&one_check([broken(2)])), 2);
    assert_eq!(
        earned_exit(&one_check([broken(3), failed(1), Event::Interrupted])),
        130
    );
}

#[test]
fn a_part_that_tells_its_version_twice_stands_once() {
    let mut log = sample::bring_up();
    log.extend(sample::bring_up().into_iter().skip(1));

    let summary = Summary::fold(&lines(log));

    assert_eq!(summary.parts.len(), 3);
    assert_eq!(summary.settings.len(), 1);
}
