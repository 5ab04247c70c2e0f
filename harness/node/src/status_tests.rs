//! What a kubelet reports, case by case.

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a small number of seconds")
}

fn ended(code: i32) -> Ended {
    let reason = if code == 0 { "Completed" } else { "Error" }.to_owned();
    Ended {
        code,
        reason,
        message: None,
        since: Some(at(1)),
        at: Some(at(2)),
        id: Some("process://x".to_owned()),
    }
}

fn model(init: usize, main: usize) -> Model {
    let containers = |count: usize, prefix: &str| -> Vec<_> {
        (0..count)
            .map(|index| json!({"name": format!("{prefix}{index}"), "image": "bash"}))
            .collect()
    };
    let spec = json!({"initContainers": containers(init, "i"), "containers": containers(main, "c")});
    let pod: Pod =
        serde_json::from_value(json!({"metadata": {"name": "p"}, "spec": spec})).expect("the pod must parse");
    Model::new(&pod, at(0))
}

fn folded(model: &Model, policy: &str, before: &PodStatus, now: i64) -> PodStatus {
    fold(
        model,
        policy,
        None,
        before,
        "10.99.0.1".parse().expect("an address"),
        at(now),
    )
}

fn summary(status: &PodStatus) -> Vec<String> {
    let condition = |condition: &PodCondition| {
        let reason = condition
            .reason
            .as_ref()
            .map(|reason| format!(" {reason}"))
            .unwrap_or_default();
        format!("{}={}{reason}", condition.type_, condition.status)
    };
    status.conditions.iter().flatten().map(condition).collect()
}

#[test]
fn a_pod_just_accepted_is_pending() {
    let status = folded(&model(0, 1), "Never", &PodStatus::default(), 5);

    assert_eq!(status.phase.as_deref(), Some("Pending"));
    assert_eq!(status.pod_ip, None, "an address comes with the sandbox");
    assert_eq!(
        summary(&status),
        [
            "PodReadyToStartContainers=False",
            "Initialized=True",
            "Ready=False ContainersNotReady",
            "ContainersReady=False ContainersNotReady",
            "PodScheduled=True",
        ]
    );
    let state = status.container_statuses.expect("one status")[0]
        .state
        .clone()
        .expect("a state");
    assert_eq!(
        state.waiting.and_then(|waiting| waiting.reason).as_deref(),
        Some("ContainerCreating")
    );
}

#[test]
fn init_containers_come_first() {
    let mut model = model(2, 1);
    model.prepared = true;
    model.init[0].state = State::Ended(ended(0));
    model.init[1].state = State::Running { since: at(1) };

    let status = folded(&model, "Always", &PodStatus::default(), 5);

    assert_eq!(status.phase.as_deref(), Some("Pending"));
    let initialized = &status.conditions.as_ref().expect("conditions")[1];
    assert_eq!(
        initialized.message.as_deref(),
        Some("containers with incomplete status: [i1]")
    );
    let statuses = status.init_container_statuses.expect("two statuses");
    assert_eq!(
        (statuses[0].ready, statuses[1].ready),
        (true, false),
        "an init container is ready when it has succeeded"
    );
    let state = status.container_statuses.expect("one status")[0]
        .state
        .clone()
        .expect("a state");
    assert_eq!(
        state.waiting.and_then(|waiting| waiting.reason).as_deref(),
        Some("PodInitializing")
    );
}

#[test]
fn transition_times_move_only_with_the_status() {
    let mut model = model(0, 1);
    model.prepared = true;
    model.main[0].state = State::Running { since: at(10) };
    let running = folded(&model, "Never", &PodStatus::default(), 10);
    model.main[0].state = State::Ended(ended(0));
    model.over = true;

    let done = folded(&model, "Never", &running, 20);

    assert_eq!(running.phase.as_deref(), Some("Running"));
    assert_eq!(done.phase.as_deref(), Some("Succeeded"));
    let times = |status: &PodStatus| -> Vec<_> {
        status
            .conditions
            .iter()
            .flatten()
            .filter_map(|c| c.last_transition_time.clone())
            .map(|time| time.0)
            .collect()
    };
    assert_eq!(times(&running), [at(10); 5]);
    assert_eq!(times(&done), [at(20), at(10), at(20), at(20), at(10)]);
    assert_eq!(
        summary(&done),
        [
            "PodReadyToStartContainers=False",
            "Initialized=True PodCompleted",
            "Ready=False PodCompleted",
            "ContainersReady=False PodCompleted",
            "PodScheduled=True",
        ]
    );
}

#[test]
fn conditions_of_others_are_kept() {
    let foreign = PodCondition {
        type_: "DisruptionTarget".to_owned(),
        status: "True".to_owned(),
        ..Default::default()
    };
    let before = PodStatus {
        conditions: Some(vec![foreign]),
        ..Default::default()
    };

    let status = folded(&model(0, 1), "Never", &before, 5);

    assert_eq!(
        summary(&status).last().map(String::as_str),
        Some("DisruptionTarget=True")
    );
}

#[test]
fn restart_policy_decides_what_an_end_means() {
    for (code, policy, over, expected) in [
        (0, "Never", false, "Succeeded"),
        (1, "Never", false, "Failed"),
        (0, "OnFailure", false, "Succeeded"),
        (1, "OnFailure", false, "Running"),
        (0, "Always", false, "Running"),
        (0, "Always", true, "Succeeded"),
        (1, "Always", true, "Failed"),
        (1, "OnFailure", true, "Failed"),
    ] {
        let mut model = model(0, 1);
        model.main[0].state = State::Ended(ended(code));
        model.over = over;

        assert_eq!(
            model.phase(policy),
            expected,
            "exit {code} under {policy}, over: {over}"
        );
    }
}

#[test]
fn a_back_off_is_still_running_and_a_first_wait_is_pending() {
    let waiting = |reason: &str| State::Waiting {
        reason: reason.to_owned(),
        message: None,
    };
    let mut backing_off = model(0, 1);
    backing_off.main[0].state = waiting("CrashLoopBackOff");
    backing_off.main[0].last = Some(ended(1));
    let mut beside_a_refused_image = model(0, 2);
    beside_a_refused_image.main[0].state = State::Running { since: at(1) };
    beside_a_refused_image.main[1].state = waiting("ImagePullBackOff");

    assert_eq!(backing_off.phase("Always"), "Running");
    assert_eq!(beside_a_refused_image.phase("Never"), "Pending");
}

#[test]
fn a_failed_init_container_fails_a_pod_that_never_restarts() {
    let mut model = model(1, 1);
    model.init[0].state = State::Ended(ended(3));

    assert_eq!(model.phase("Never"), "Failed");
    assert_eq!(model.phase("OnFailure"), "Pending");
}

#[test]
fn a_pod_deleted_before_it_ran_fails_and_its_containers_are_lost() {
    let mut initialized = model(0, 1);
    initialized.finish();
    let mut uninitialized = model(1, 1);
    uninitialized.finish();

    assert_eq!(initialized.phase("Never"), "Failed");
    assert!(matches!(&initialized.main[0].state, State::Ended(ended) if ended.code == 137));
    assert_eq!(uninitialized.phase("Always"), "Failed");
    assert!(
        matches!(uninitialized.main[0].state, State::Waiting { .. }),
        "its turn had not come"
    );
}

fn any_state() -> impl Strategy<Value = (State, Option<Ended>)> {
    let last = prop_oneof![Just(None), (0..3).prop_map(|code| Some(ended(code)))];
    let state = prop_oneof![
        Just(State::Waiting {
            reason: "ContainerCreating".to_owned(),
            message: None
        }),
        Just(State::Running { since: at(1) }),
        (0..3).prop_map(|code| State::Ended(ended(code))),
    ];
    (state, last)
}

proptest! {
    #[test]
    fn phase_and_conditions_agree(
        main in prop::collection::vec(any_state(), 1..4),
        init in prop::collection::vec(any_state(), 0..3),
        over: bool,
        policy in prop_oneof![Just("Always"), Just("OnFailure"), Just("Never")],
    ) {
        let mut model = model(init.len(), main.len());
        for (container, (state, last)) in model.init.iter_mut().chain(&mut model.main).zip(init.into_iter().chain(main)) {
            (container.state, container.last) = (state, last);
        }
        if over { model.finish() }

        let status = folded(&model, policy, &PodStatus::default(), 1);
        let again = folded(&model, policy, &status, 2);

        let phase = status.phase.clone().expect("a phase");
        let ready = status.conditions.iter().flatten().any(|c| c.type_ == "Ready" && c.status == "True");
        let terminal = phase == "Succeeded" || phase == "Failed";
        prop_assert!(!over || terminal, "a pod that is over is terminal");
        prop_assert!(!(terminal && ready), "a terminal pod is never ready");
        prop_assert_eq!(again, status, "nothing happened, so nothing is reported");
    }
}
