//! Hand-built logs: a run with every verdict, and runs that ended badly.

use harness_model::upgrade::{Arm, ArmFacts, ChartDifference, RefusedValue};
use harness_model::{
    Capability, Check, Claim, Event, FORMAT, Failure, Line, Measurement, Origin, Part, Profile, SkipReason,
    Verdict,
};
use jiff::{SignedDuration, Timestamp};

/// Puts events 250 ms apart.
pub(crate) fn lines(events: Vec<Event>) -> Vec<Line> {
    let start: Timestamp = "2026-11-24T10:15:00Z"
        .parse()
        .expect("the sample's start is a timestamp");
    let at = |index: usize| {
        start + SignedDuration::from_millis(250 * i64::try_from(index).expect("a small index"))
    };
    events
        .into_iter()
        .enumerate()
        .map(|(index, event)| Line { at: at(index), event })
        .collect()
}

pub(crate) fn run_started() -> Event {
    Event::RunStarted {
        format: FORMAT,
        run_id: "20261124-101500-4f2a".to_owned(),
        command: "cargo xtask e2e --retries 1".to_owned(),
        profile: "core".to_owned(),
        cluster: "local".to_owned(),
        cluster_reason: "auto: no Docker engine answers".to_owned(),
        ghes: "mock".to_owned(),
        clock: "real".to_owned(),
        seed: 42,
    }
}

pub(crate) fn check(id: &str, claim: &str, needs: &[Capability], pains: &[u8]) -> Check {
    Check {
        id: id.to_owned(),
        claim: claim.to_owned(),
        grounds: "the guide, \"Deploy runners\"".to_owned(),
        not_covered: "other scopes".to_owned(),
        profile: Profile::Core,
        needs: needs.to_vec(),
        claims: Claim::SharedArc,
        pains: pains.to_vec(),
    }
}

fn planned(check: Check) -> Event {
    Event::CheckPlanned { check, skip: None }
}

pub(crate) fn started(id: &str, attempt: u32) -> Event {
    let namespace = format!("e2e-{}", id.replace("::", "-"));
    Event::CheckStarted {
        id: id.to_owned(),
        attempt,
        namespace,
    }
}

pub(crate) fn finished(id: &str, attempt: u32, verdict: Verdict, failure: Option<Failure>) -> Event {
    let evidence = failure
        .is_some()
        .then(|| format!("evidence/{}/{attempt}", id.replace("::", "-")));
    Event::CheckFinished {
        id: id.to_owned(),
        attempt,
        verdict,
        duration_ms: 3_402,
        failure,
        evidence,
        rerun: format!("cargo xtask e2e {id}"),
    }
}

pub(crate) fn failure(awaited: &str, last_seen: &str, detail: Option<&str>) -> Failure {
    Failure {
        awaited: awaited.to_owned(),
        last_seen: last_seen.to_owned(),
        detail: detail.map(str::to_owned),
    }
}

fn measured(id: &str, name: &str, value: f64) -> Event {
    let measurement = Measurement {
        name: name.to_owned(),
        value,
        unit: "s".to_owned(),
    };
    Event::Measured {
        id: id.to_owned(),
        measurement,
    }
}

fn part(name: &str, version: &str, origin: Origin) -> Event {
    Event::Part {
        part: Part {
            name: name.to_owned(),
            version: version.to_owned(),
            origin,
        },
    }
}

/// The head of every run: bring-up and the plan.
pub(crate) fn bring_up() -> Vec<Event> {
    let module = |module: &str| Origin::GoModule {
        module: module.to_owned(),
    };
    let release = Origin::Release {
        url: "https://github.com/etcd-io/etcd/releases/download/v3.5.21/etcd-v3.5.21-linux-amd64.tar.gz"
            .to_owned(),
        sha256: "0123456789abcdef".repeat(4),
    };
    vec![
        run_started(),
        part("etcd", "v3.5.21", release),
        part(
            "arc-manager",
            "v0.27.6",
            module("github.com/actions/actions-runner-controller@v0.27.6"),
        ),
        part("runner", "0.1.0", Origin::Ours),
        Event::Setting { name: "runner list max-age".to_owned(), value: "0 s".to_owned() },
        Event::GuideVersion {
            part: "cert-manager".to_owned(),
            guide: "v1.8.2".to_owned(),
            tested: "v1.17.2".to_owned(),
            reason: "the guide's version does not speak to this Kubernetes, whose API server dropped what it needs"
                .to_owned(),
        },
        Event::GuideVersion {
            part: "actions-runner-controller".to_owned(),
            guide: "v0.27.6".to_owned(),
            tested: "v0.27.6".to_owned(),
            reason: String::new(),
        },
        Event::Deviation {
            what: "runnerdeployment.yaml spec.template.spec.dockerEnabled".to_owned(),
            guide: "(absent)".to_owned(),
            ours: "false".to_owned(),
            reason: "the local cluster has no Docker".to_owned(),
        },
        Event::PhaseStarted { phase: "control plane".to_owned() },
        Event::PhaseFinished { phase: "control plane".to_owned(), duration_ms: 2_410 },
        measured("", "plane usable", 6.9),
    ]
}

/// Bring-up and six planned checks.
fn planned_run() -> Vec<Event> {
    let mut events = bring_up();
    events.extend([
        planned(check(
            "verify-install::programs",
            "Every program of the installation is up.",
            &[],
            &[],
        )),
        planned(check(
            "registration::enterprise",
            "A runner registers at the enterprise.",
            &[Capability::RunPods],
            &[2, 7],
        )),
        planned(check(
            "quickstart::dispatch",
            "The quickstart workflow succeeds.",
            &[],
            &[1],
        )),
        Event::CheckPlanned {
            check: check(
                "quickstart::dind",
                "A job builds an image.",
                &[Capability::Dind],
                &[11],
            ),
            skip: Some(SkipReason::Missing {
                capability: Capability::Dind,
                reason: "no Docker engine on the local cluster; take --cluster kind".to_owned(),
            }),
        },
        Event::CheckPlanned {
            check: check("ephemeral::replaced", "A runner runs one job.", &[], &[]),
            skip: Some(SkipReason::RunEnded {
                reason: "the time budget of the run is spent".to_owned(),
            }),
        },
        planned(check(
            "admission::two-scopes",
            "The webhook refuses two scopes.",
            &[],
            &[],
        )),
    ]);
    events
}

/// Every verdict: pass, fail after two attempts, failed as expected, flaky, unsupported, skipped, error.
pub(crate) fn every_verdict() -> Vec<Line> {
    let mut events = planned_run();
    events.push(planned(check(
        "webhook::dangling",
        "An autoscaler without a target keeps no other from being scaled.",
        &[],
        &[5],
    )));
    let known = failure(
        "200 for the delivery",
        "500",
        Some("expected of ARC <=0.27.6: the webhook server gives up (https://example.com/arc)"),
    );
    let online = failure(
        "the runner is online in GHES with labels self-hosted, linux",
        "runner list:\n\u{1b}[31m  (empty)\u{1b}[0m",
        Some("wait for the runner: deadline of 60 s passed"),
    );
    let queued = failure("the run is completed", "queued", None);
    let server = failure(
        "the API server answers",
        "connection refused",
        Some("create pod: connection refused"),
    );
    events.extend([
        started("verify-install::programs", 1),
        started("registration::enterprise", 1),
        finished("verify-install::programs", 1, Verdict::Pass, None),
        Event::Observed {
            id: "registration::enterprise".to_owned(),
            text: "event RegistrationTokenUpdated".to_owned(),
        },
        finished("registration::enterprise", 1, Verdict::Fail, Some(online.clone())),
        started("registration::enterprise", 2),
        finished("registration::enterprise", 2, Verdict::Fail, Some(online)),
        started("quickstart::dispatch", 1),
        finished("quickstart::dispatch", 1, Verdict::Fail, Some(queued)),
        started("quickstart::dispatch", 2),
        Event::Observed {
            id: "quickstart::dispatch".to_owned(),
            text: "queued → in_progress → success".to_owned(),
        },
        measured("quickstart::dispatch", "time to success", 4.25),
        finished("quickstart::dispatch", 2, Verdict::Pass, None),
        started("webhook::dangling", 1),
        finished("webhook::dangling", 1, Verdict::ExpectedFailure, Some(known)),
        Event::Note {
            text: "an unknown route was asked: GET /api/v3/unknown".to_owned(),
        },
        started("admission::two-scopes", 1),
        finished("admission::two-scopes", 1, Verdict::Error, Some(server)),
        Event::PhaseStarted {
            phase: "tear-down".to_owned(),
        },
        Event::PhaseFinished {
            phase: "tear-down".to_owned(),
            duration_ms: 310,
        },
        Event::RunFinished {
            exit: 1,
            duration_ms: 31_200,
        },
    ]);
    lines(events)
}

/// All green.
pub(crate) fn green() -> Vec<Line> {
    let mut events = bring_up();
    events.extend([
        planned(check(
            "verify-install::programs",
            "Every program of the installation is up.",
            &[],
            &[],
        )),
        planned(check(
            "registration::enterprise",
            "A runner registers at the enterprise.",
            &[],
            &[2],
        )),
        started("verify-install::programs", 1),
        finished("verify-install::programs", 1, Verdict::Pass, None),
        started("registration::enterprise", 1),
        finished("registration::enterprise", 1, Verdict::Pass, None),
        Event::RunFinished {
            exit: 0,
            duration_ms: 31_200,
        },
    ]);
    lines(events)
}

/// Ctrl-C while the second check runs; torn down in order.
pub(crate) fn interrupted() -> Vec<Line> {
    let mut events = planned_run();
    events.extend([
        started("verify-install::programs", 1),
        finished("verify-install::programs", 1, Verdict::Pass, None),
        started("registration::enterprise", 1),
        Event::Interrupted,
        Event::RunFinished {
            exit: 130,
            duration_ms: 12_000,
        },
    ]);
    lines(events)
}

/// `kill -9` while the second check runs.
pub(crate) fn killed() -> Vec<Line> {
    let mut events = planned_run();
    events.extend([
        started("verify-install::programs", 1),
        finished("verify-install::programs", 1, Verdict::Pass, None),
        started("registration::enterprise", 1),
    ]);
    lines(events)
}

/// The control plane did not come up.
pub(crate) fn broken() -> Vec<Line> {
    let mut events = planned_run();
    events.truncate(9);
    events.extend([
        planned(check("verify-install::programs", "Every program of the installation is up.", &[], &[])),
        Event::Broken {
            message: "etcd could not be resolved: no Go toolchain and the download was refused; install Go or allow the download"
                .to_owned(),
            exit: 3,
        },
        Event::RunFinished { exit: 3, duration_ms: 900 },
    ]);
    lines(events)
}

/// An arm of an upgrade that harmed nothing but replaced idle runners.
pub(crate) fn arm(arm: Arm) -> ArmFacts {
    ArmFacts {
        arm,
        from: "v0.27.3".to_owned(),
        to: "v0.27.6".to_owned(),
        runners: 4,
        jobs: 2,
        jobs_killed: Vec::new(),
        idle: 2,
        idle_replaced: vec!["runner-a".to_owned(), "runner-b".to_owned()],
        without_capacity: 0.5,
        without_controller: 16.25,
        most_pods: 8,
        api_calls: 26,
        replica_sets_added: 1,
        pruned: Vec::new(),
        refused: Vec::new(),
        unsettled: None,
    }
}

/// Charts of which the new one knows a field more and refuses a value.
pub(crate) fn chart_difference() -> ChartDifference {
    ChartDifference {
        fields_added: vec!["Runner.spec.newField".to_owned()],
        values: vec![RefusedValue {
            value: "metrics.serviceMonitor=true".to_owned(),
            instead: "metrics.serviceMonitor.enable=true".to_owned(),
            reason: "Error: can't evaluate field enable in type interface {}".to_owned(),
        }],
        ..ChartDifference::default()
    }
}
