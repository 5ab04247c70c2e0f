//! From what happened to a pod's containers to the status a kubelet would report. Pure.

use std::net::IpAddr;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{
    ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting, ContainerStatus,
    HostIP, Pod, PodCondition, PodIP, PodStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// Where a container is in its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    Waiting { reason: String, message: Option<String> },
    Running { since: Timestamp },
    Ended(Ended),
}

/// One finished run of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) reason: String,
    pub(crate) message: Option<String>,
    pub(crate) since: Option<Timestamp>,
    pub(crate) at: Option<Timestamp>,
    pub(crate) id: Option<String>,
}

/// One container as the node knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Container {
    pub(crate) name: String,
    pub(crate) image: String,
    pub(crate) state: State,
    /// The run before this one.
    pub(crate) last: Option<Ended>,
    pub(crate) restarts: i32,
    /// Of the newest run.
    pub(crate) id: Option<String>,
}

impl Container {
    fn ended(&self) -> Option<&Ended> {
        match &self.state {
            State::Ended(ended) => Some(ended),
            _ => None,
        }
    }

    fn succeeded(&self) -> bool {
        self.ended().is_some_and(|ended| ended.code == 0)
    }
}

/// One pod as the node knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Model {
    pub(crate) init: Vec<Container>,
    pub(crate) main: Vec<Container>,
    /// When the node accepted the pod.
    pub(crate) accepted: Timestamp,
    /// Volumes are mounted: containers may start.
    pub(crate) prepared: bool,
    /// Nothing will be started again, and nothing runs.
    pub(crate) over: bool,
}

impl Model {
    /// A pod just accepted: every container waits.
    pub(crate) fn new(pod: &Pod, accepted: Timestamp) -> Self {
        let spec = pod.spec.as_ref();
        let init = spec
            .and_then(|spec| spec.init_containers.as_deref())
            .unwrap_or_default();
        let state = first_state(init.is_empty());
        let waiting = |container: &k8s_openapi::api::core::v1::Container| Container {
            name: container.name.clone(),
            image: container.image.clone().unwrap_or_default(),
            state: state.clone(),
            last: None,
            restarts: 0,
            id: None,
        };
        Self {
            init: init.iter().map(waiting).collect(),
            main: spec
                .map(|spec| spec.containers.iter().map(waiting).collect())
                .unwrap_or_default(),
            accepted,
            prepared: false,
            over: false,
        }
    }

    /// The volumes are there; the containers still wait, but not for them.
    pub(crate) fn prepare(&mut self) {
        self.prepared = true;
        let state = first_state(self.init.is_empty());
        for container in self.init.iter_mut().chain(&mut self.main) {
            container.state = state.clone();
        }
    }

    /// The pod is being terminated and nothing runs any more: containers that never ran count as lost, once the pod was
    /// initialized (as a kubelet's status manager has it).
    pub(crate) fn finish(&mut self) {
        self.over = true;
        if !self.init.iter().all(Container::succeeded) {
            return;
        }
        for container in &mut self.main {
            if container.ended().is_none() {
                container.state = State::Ended(Ended {
                    code: 137,
                    reason: "ContainerStatusUnknown".to_owned(),
                    message: Some(
                        "The container could not be located when the pod was terminated".to_owned(),
                    ),
                    since: None,
                    at: None,
                    id: container.id.clone(),
                });
            }
        }
    }

    /// The phase, by a kubelet's rules.
    pub(crate) fn phase(&self, restart_policy: &str) -> &'static str {
        let phase = self.phase_while_alive(restart_policy);
        if self.over && matches!(phase, "Pending" | "Running") {
            "Failed"
        } else {
            phase
        }
    }

    fn phase_while_alive(&self, restart_policy: &str) -> &'static str {
        let last_code = |container: &Container| {
            container
                .ended()
                .or(container.last.as_ref())
                .map(|ended| ended.code)
        };
        if restart_policy == "Never" && self.init.iter().filter_map(last_code).any(|code| code != 0) {
            return "Failed";
        }
        if !self.init.iter().all(Container::succeeded) {
            return "Pending";
        }
        let never_ran = |container: &Container| {
            matches!(container.state, State::Waiting { .. }) && container.last.is_none()
        };
        let running = |container: &Container| matches!(container.state, State::Running { .. });
        let starts_again = restart_policy == "Always" && !self.over;
        if self.main.iter().any(never_ran) {
            "Pending"
        } else if starts_again || self.main.iter().any(running) {
            "Running"
        } else if self.main.iter().all(Container::succeeded) {
            "Succeeded"
        } else if restart_policy == "Never" || self.over {
            "Failed"
        } else {
            "Running"
        }
    }
}

fn first_state(without_init: bool) -> State {
    let reason = if without_init {
        "ContainerCreating"
    } else {
        "PodInitializing"
    };
    State::Waiting {
        reason: reason.to_owned(),
        message: None,
    }
}

/// The status to report. The transition times of conditions that stay are those of the last report, or before the first of the
/// pod as `seen` in the API; there are also the conditions of other owners.
pub(crate) fn fold(
    model: &Model,
    restart_policy: &str,
    reported: Option<&PodStatus>,
    seen: &PodStatus,
    address: IpAddr,
    now: Timestamp,
) -> PodStatus {
    let phase = model.phase(restart_policy);
    let address = address.to_string();
    let reachable = model.prepared.then(|| address.clone());
    PodStatus {
        phase: Some(phase.to_owned()),
        conditions: Some(conditions(model, phase, reported.unwrap_or(seen), seen, now)),
        container_statuses: Some(
            model
                .main
                .iter()
                .map(|container| container_status(container, false))
                .collect(),
        ),
        init_container_statuses: (!model.init.is_empty()).then(|| {
            model
                .init
                .iter()
                .map(|container| container_status(container, true))
                .collect()
        }),
        host_ip: Some(address.clone()),
        host_ips: Some(vec![HostIP { ip: address }]),
        pod_ip: reachable.clone(),
        pod_ips: reachable.map(|ip| vec![PodIP { ip }]),
        start_time: Some(Time(model.accepted)),
        ..PodStatus::default()
    }
}

fn container_status(container: &Container, init: bool) -> ContainerStatus {
    let running = matches!(container.state, State::Running { .. });
    ContainerStatus {
        name: container.name.clone(),
        image: container.image.clone(),
        image_id: container
            .id
            .as_ref()
            .map(|_| format!("process://{}", container.image))
            .unwrap_or_default(),
        container_id: container.id.clone(),
        ready: if init { container.succeeded() } else { running },
        started: Some(running),
        restart_count: container.restarts,
        state: Some(match &container.state {
            State::Waiting { reason, message } => ContainerState {
                waiting: Some(ContainerStateWaiting {
                    reason: Some(reason.clone()),
                    message: message.clone(),
                }),
                ..ContainerState::default()
            },
            State::Running { since } => ContainerState {
                running: Some(ContainerStateRunning {
                    started_at: Some(Time(*since)),
                }),
                ..ContainerState::default()
            },
            State::Ended(ended) => terminated(ended),
        }),
        last_state: Some(container.last.as_ref().map(terminated).unwrap_or_default()),
        ..ContainerStatus::default()
    }
}

fn terminated(ended: &Ended) -> ContainerState {
    ContainerState {
        terminated: Some(ContainerStateTerminated {
            exit_code: ended.code,
            reason: Some(ended.reason.clone()),
            message: ended.message.clone(),
            started_at: ended.since.map(Time),
            finished_at: ended.at.map(Time),
            container_id: ended.id.clone(),
            signal: None,
        }),
        ..ContainerState::default()
    }
}

/// A condition's status, with reason and message where it is not simply true.
type Finding = (bool, Option<&'static str>, Option<String>);

fn conditions(
    model: &Model,
    phase: &str,
    before: &PodStatus,
    seen: &PodStatus,
    now: Timestamp,
) -> Vec<PodCondition> {
    let names = |containers: &[Container], pick: fn(&Container) -> bool| {
        let names: Vec<&str> = containers
            .iter()
            .filter(|container| pick(container))
            .map(|container| container.name.as_str())
            .collect();
        names.join(" ")
    };
    let uninitialized = names(&model.init, |container| !container.succeeded());
    let initialized: Finding = match (uninitialized.as_str(), phase) {
        ("", "Succeeded") => (true, Some("PodCompleted"), None),
        ("", _) => (true, None, None),
        (names, _) => {
            let message = format!("containers with incomplete status: [{names}]");
            (false, Some("ContainersNotInitialized"), Some(message))
        }
    };
    let unready = names(&model.main, |container| {
        !matches!(container.state, State::Running { .. })
    });
    let ready: Finding = match (phase, unready.as_str()) {
        ("Succeeded", _) => (false, Some("PodCompleted"), None),
        ("Failed", _) => (false, Some("PodFailed"), None),
        (_, "") => (true, None, None),
        (_, names) => {
            let message = format!("containers with unready status: [{names}]");
            (false, Some("ContainersNotReady"), Some(message))
        }
    };
    let own = [
        (
            "PodReadyToStartContainers",
            (model.prepared && !model.over, None, None),
        ),
        ("Initialized", initialized),
        ("Ready", ready.clone()),
        ("ContainersReady", ready),
        ("PodScheduled", (true, None, None)),
    ];
    let old = before.conditions.as_deref().unwrap_or_default();
    let is_foreign = |condition: &&PodCondition| own.iter().all(|(type_, _)| *type_ != condition.type_);
    let foreign: Vec<PodCondition> = seen
        .conditions
        .iter()
        .flatten()
        .filter(is_foreign)
        .cloned()
        .collect();
    let mut all: Vec<PodCondition> = own
        .into_iter()
        .map(|(type_, (holds, reason, message))| {
            let status = if holds { "True" } else { "False" };
            let since = old
                .iter()
                .find(|condition| condition.type_ == type_ && condition.status == status)
                .and_then(|condition| condition.last_transition_time.clone());
            PodCondition {
                type_: type_.to_owned(),
                status: status.to_owned(),
                reason: reason.map(str::to_owned),
                message,
                last_transition_time: Some(since.unwrap_or(Time(now))),
                ..PodCondition::default()
            }
        })
        .collect();
    all.extend(foreign);
    all
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
