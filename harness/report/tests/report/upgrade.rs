//! The answer to an upgrade: what makes it unsafe, what needs a step, and what is neither.

use harness_model::upgrade::{Arm, ArmFacts, ChartDifference};
use harness_model::{Event, Verdict};
use harness_report::{
    Excerpts, Summary, UpgradeReason, UpgradeReport, UpgradeVerdict, report_html, upgrade_text,
};

use crate::sample;

/// A suite with one check of this verdict.
fn suite(verdict: Verdict) -> Summary {
    let check = sample::check("scaling::ladder", "It scales.", &[], &[]);
    let failure = (verdict == Verdict::Fail).then(|| harness_model::Failure {
        awaited: "DESIRED = 16".to_owned(),
        last_seen: "8".to_owned(),
        detail: None,
    });
    let exit = u8::from(verdict == Verdict::Fail);
    Summary::fold(&sample::lines(vec![
        sample::run_started(),
        Event::CheckPlanned { check, skip: None },
        sample::finished("scaling::ladder", 1, verdict, failure),
        Event::RunFinished { exit, duration_ms: 1 },
    ]))
}

/// The upgrade's own run.
fn change(difference: ChartDifference, facts: ArmFacts) -> Summary {
    Summary::fold(&sample::lines(vec![
        sample::run_started(),
        Event::ChartsDiffer { difference },
        Event::Upgraded { facts },
        Event::RunFinished {
            exit: 0,
            duration_ms: 1,
        },
    ]))
}

fn answer(difference: ChartDifference, facts: ArmFacts, after: Verdict) -> UpgradeReport {
    UpgradeReport::fold(suite(Verdict::Pass), change(difference, facts), suite(after))
}

fn reasons(report: &UpgradeReport) -> Vec<String> {
    let told = |reason: &UpgradeReason| format!("{} ({})", reason.why, reason.evidence);
    match &report.verdict {
        UpgradeVerdict::Unsafe(reasons) => reasons.iter().map(told).collect(),
        other => panic!("it must be unsafe, but is {other:?}"),
    }
}

#[test]
fn equal_charts_and_unharmed_jobs_are_safe() {
    let report = answer(
        ChartDifference::default(),
        sample::arm(Arm::DefinitionsFirst),
        Verdict::Pass,
    );

    assert_eq!(report.verdict, UpgradeVerdict::Safe);
    assert_eq!(report.exit(), 0);
}

#[test]
fn new_fields_and_refused_values_are_steps_with_a_command_each() {
    let report = answer(
        sample::chart_difference(),
        sample::arm(Arm::DefinitionsFirst),
        Verdict::Pass,
    );

    let UpgradeVerdict::SafeWithSteps(steps) = &report.verdict else {
        panic!("there must be steps: {:?}", report.verdict)
    };
    assert_eq!(steps.len(), 2);
    assert!(steps[0].command.ends_with("| kubectl replace -f -"), "{steps:?}");
    assert!(
        steps[1].command.ends_with("metrics.serviceMonitor.enable=true"),
        "{steps:?}"
    );
    assert_eq!(report.exit(), 0);
    insta::assert_snapshot!("upgrade_with_steps", upgrade_text(&report));
}

#[test]
fn every_harm_of_a_careful_upgrade_is_a_reason() {
    let facts = ArmFacts {
        jobs_killed: vec!["visit (1)".to_owned()],
        most_pods: 9,
        refused: vec!["Runner a: spec.newField is required".to_owned()],
        unsettled: Some("Runners {}".to_owned()),
        ..sample::arm(Arm::DefinitionsFirst)
    };

    let report = answer(ChartDifference::default(), facts, Verdict::Fail);

    insta::assert_snapshot!("reasons_of_every_harm", reasons(&report).join("\n"));
    assert_eq!(report.exit(), 1);
}

#[test]
fn a_dropped_and_a_newly_required_field_are_reasons() {
    let difference = ChartDifference {
        fields_dropped: vec!["Runner.spec.gone".to_owned()],
        fields_required: vec!["Runner.spec.must".to_owned()],
        ..ChartDifference::default()
    };

    let report = answer(difference, sample::arm(Arm::DefinitionsFirst), Verdict::Pass);

    let reasons = reasons(&report);
    assert!(
        reasons[0].contains("drop the field Runner.spec.gone"),
        "{reasons:?}"
    );
    assert!(
        reasons[1].contains("require the field Runner.spec.must"),
        "{reasons:?}"
    );
}

#[test]
fn what_happens_when_definitions_are_forgotten_is_told_but_no_reason() {
    let facts = ArmFacts {
        jobs_killed: vec!["visit (1)".to_owned()],
        ..sample::arm(Arm::DefinitionsForgotten)
    };
    let mut change = change(ChartDifference::default(), sample::arm(Arm::DefinitionsFirst));
    change.arms.push(facts);

    let report = UpgradeReport::fold(suite(Verdict::Pass), change, suite(Verdict::Pass));

    assert_eq!(report.verdict, UpgradeVerdict::Safe);
}

#[test]
fn an_upgrade_that_did_not_happen_is_not_safe() {
    let change = Summary::fold(&sample::lines(vec![
        sample::run_started(),
        Event::Broken {
            message: "ARC never got ready".to_owned(),
            exit: 1,
        },
        Event::RunFinished {
            exit: 1,
            duration_ms: 1,
        },
    ]));

    let report = UpgradeReport::fold(suite(Verdict::Pass), change, suite(Verdict::Pass));

    assert_eq!(
        reasons(&report),
        [
            "ARC never got ready (change/report.html#said)",
            "the upgrade itself was not carried out to its end (change/report.html#checks)"
        ]
    );
}

#[test]
fn every_place_that_a_reason_points_to_is_on_the_page_of_its_run() {
    let difference = ChartDifference {
        fields_dropped: vec!["Runner.spec.gone".to_owned()],
        ..ChartDifference::default()
    };
    let facts = ArmFacts {
        jobs_killed: vec!["visit (1)".to_owned()],
        ..sample::arm(Arm::DefinitionsFirst)
    };

    let report = answer(difference, facts, Verdict::Fail);

    let UpgradeVerdict::Unsafe(reasons) = &report.verdict else {
        panic!("it must be unsafe, but is {:?}", report.verdict)
    };
    assert_eq!(reasons.len(), 3);
    for reason in reasons {
        let (page, place) = reason.evidence.split_once('#').expect("a place on a page");
        let run = match page {
            "change/report.html" => &report.change,
            "after/report.html" => &report.after,
            other => panic!("no run has the page {other}"),
        };
        let page = report_html(run, &Excerpts::default());
        assert!(page.contains(&format!("id=\"{place}\"")), "{reason:?}");
    }
}
