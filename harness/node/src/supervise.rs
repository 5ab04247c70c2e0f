//! The life of one container of one pod: prepare, run, restart by policy, stop when told.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, LifecycleHandler, Pod};
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use crate::container::Running;
use crate::images::Program;
use crate::logs::Key;
use crate::prepare::{ConfigError, Place, prepare};
use crate::status::{Ended, State};
use crate::worker::{PodRun, Slot, Stop};

/// How often a container that could not be configured is tried again.
const RETRY: Duration = Duration::from_secs(2);
/// A kubelet's back-off: none for the first restart, then doubling between these.
const FIRST_BACK_OFF: Duration = Duration::from_secs(10);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(300);
/// A run this long clears the back-off.
const HEALTHY_RUN: Duration = Duration::from_secs(600);
/// What a process gets between SIGTERM and SIGKILL at least, as in a kubelet.
const SHORTEST_GRACE: Duration = Duration::from_secs(2);
const TERMINATION_MESSAGE_BYTES: usize = 4096;

/// When a container that ended is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Restart {
    Always,
    OnFailure,
    Never,
}

impl Restart {
    /// Of a pod's `restartPolicy`.
    pub(crate) fn of(policy: &str) -> Self {
        match policy {
            "Never" => Self::Never,
            "OnFailure" => Self::OnFailure,
            _ => Self::Always,
        }
    }

    fn after(self, code: i32) -> bool {
        match self {
            Self::Always => true,
            Self::OnFailure => code != 0,
            Self::Never => false,
        }
    }
}

/// Why a container is not run any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It ended with this code, and its policy does not start it again.
    Ended(i32),
    /// The pod is being stopped.
    Stopped,
}

/// Runs a container until it is done for good.
pub(crate) async fn supervise(run: &PodRun, slot: Slot, container: &Container, restart: Restart) -> Outcome {
    let one = One {
        run,
        slot,
        container,
        place: Place::new(&run.dir, &container.name),
    };
    let mut back_off = Duration::ZERO;
    let mut restarts = 0;
    loop {
        let began = Instant::now();
        let Some(ended) = one.run_once(restarts).await else {
            return Outcome::Stopped;
        };
        let code = ended.code;
        run.model
            .send_modify(|model| slot.of(model).state = State::Ended(ended.clone()));
        if run.stopping() {
            return Outcome::Stopped;
        }
        if !restart.after(code) {
            return Outcome::Ended(code);
        }
        if began.elapsed() >= HEALTHY_RUN {
            back_off = Duration::ZERO;
        }
        if !back_off.is_zero() {
            one.back_off(back_off);
            if timeout(back_off, run.stop_requested()).await.is_ok() {
                // As a kubelet reports it: what was waiting to restart has ended.
                run.model
                    .send_modify(|model| slot.of(model).state = State::Ended(ended));
                return Outcome::Stopped;
            }
        }
        back_off = if back_off.is_zero() {
            FIRST_BACK_OFF
        } else {
            (back_off * 2).min(LONGEST_BACK_OFF)
        };
        restarts += 1;
    }
}

struct One<'a> {
    run: &'a PodRun,
    slot: Slot,
    container: &'a Container,
    place: Place,
}

impl One<'_> {
    /// One run, from configuration to end. `None` when the pod was stopped before the container started.
    async fn run_once(&self, restarts: i32) -> Option<Ended> {
        let pod = self.run.pod();
        let image = self.container.image.clone().unwrap_or_default();
        let program = self.run.node.config.images.program(&image);
        if let Program::Waiting { reason, message } = program {
            self.event(&pod, true, "Failed", message.clone());
            self.wait(&reason, Some(message));
            self.run.stop_requested().await;
            return None;
        }
        let launch = loop {
            match prepare(&self.run.node, &pod, self.container, &program, &self.place).await {
                Ok(launch) => break launch,
                Err(ConfigError(why)) => {
                    if self.wait("CreateContainerConfigError", Some(why.clone())) {
                        self.event(&pod, true, "Failed", format!("Error: {why}"));
                    }
                }
            }
            if timeout(RETRY, self.run.stop_requested()).await.is_ok() {
                return None;
            }
        };
        if self.run.stopping() {
            return None;
        }
        if restarts == 0 {
            self.event(
                &pod,
                false,
                "Pulled",
                format!("Container image {image:?} already present on machine"),
            );
        }
        let id = format!("process://{}/{}/{restarts}", self.run.uid, self.container.name);
        self.event(
            &pod,
            false,
            "Created",
            format!("Created container: {}", self.container.name),
        );
        match self.launch(launch, restarts).await {
            Ok(running) => Some(self.attend(&pod, &running, id, restarts).await),
            Err(why) => {
                let message = format!("failed to start container {:?}: {why}", self.container.name);
                self.event(&pod, true, "Failed", format!("Error: {message}"));
                let now = Some(Timestamp::now());
                let reason = "StartError".to_owned();
                self.started(
                    State::Waiting {
                        reason: "RunContainerError".to_owned(),
                        message: None,
                    },
                    &id,
                    restarts,
                );
                Some(Ended {
                    code: 128,
                    reason,
                    message: Some(message),
                    since: now,
                    at: now,
                    id: Some(id),
                })
            }
        }
    }

    async fn launch(&self, launch: crate::launch::Launch, restarts: i32) -> Result<Running, String> {
        let node = &self.run.node;
        let log = node
            .logs
            .open(&self.log_key(), &self.run.uid, restarts)
            .await
            .map_err(|error| format!("open its log: {error}"))?;
        Running::launch(&node.config.pod_init, launch, log)
            .await
            .map_err(|error| error.to_string())
    }

    fn log_key(&self) -> Key {
        self.run.log_key(&self.container.name)
    }

    async fn attend(&self, pod: &Pod, running: &Running, id: String, restarts: i32) -> Ended {
        let since = Timestamp::now();
        self.started(State::Running { since }, &id, restarts);
        self.event(
            pod,
            false,
            "Started",
            format!("Started container {}", self.container.name),
        );
        let lifecycle = self.container.lifecycle.as_ref();
        let mut stop = self.run.stop.clone();
        let code = if let Some(why) = match lifecycle.and_then(|lifecycle| lifecycle.post_start.as_ref()) {
            Some(hook) => self.post_start(hook, running, &mut stop).await,
            None => None,
        } {
            self.event(
                pod,
                true,
                "FailedPostStartHook",
                format!("PostStartHook failed: {why}"),
            );
            let grace = pod
                .spec
                .as_ref()
                .and_then(|spec| spec.termination_grace_period_seconds)
                .unwrap_or(30);
            let by = Instant::now() + Duration::from_secs(grace.try_into().unwrap_or_default());
            self.terminate(pod, running, Stop::By(by), &mut stop).await
        } else {
            tokio::select! {
                code = running.wait() => code,
                order = stopped(&mut stop) => self.terminate(pod, running, order, &mut stop).await,
            }
        };
        let reason = if code == 0 { "Completed" } else { "Error" }.to_owned();
        Ended {
            code,
            reason,
            message: self.termination_message().await,
            since: Some(since),
            at: Some(Timestamp::now()),
            id: Some(id),
        }
    }

    /// Why the hook failed, if it did. A container that ends, or a pod that stops, ends the hook.
    async fn post_start(
        &self,
        hook: &LifecycleHandler,
        running: &Running,
        stop: &mut watch::Receiver<Stop>,
    ) -> Option<String> {
        tokio::select! {
            result = call(hook, running) => result.err(),
            _ = running.wait() => None,
            _ = stopped(stop) => None,
        }
    }

    /// Hook, SIGTERM, and SIGKILL when the time is up. A deadline may come nearer meanwhile.
    async fn terminate(
        &self,
        pod: &Pod,
        running: &Running,
        order: Stop,
        stop: &mut watch::Receiver<Stop>,
    ) -> i32 {
        if let Stop::By(by) = order {
            self.event(
                pod,
                false,
                "Killing",
                format!("Stopping container {}", self.container.name),
            );
            let hook = self
                .container
                .lifecycle
                .as_ref()
                .and_then(|lifecycle| lifecycle.pre_stop.as_ref());
            if let Some(hook) = hook {
                let called = tokio::select! {
                    result = timeout_at(by, call(hook, running)) => result.unwrap_or_else(|_| Err("took longer than the grace period".to_owned())),
                    () = killed(stop) => Ok(()),
                };
                if let Err(why) = called {
                    self.event(
                        pod,
                        true,
                        "FailedPreStopHook",
                        format!("PreStopHook failed: {why}"),
                    );
                }
            }
            running.terminate();
            let shortest = Instant::now() + SHORTEST_GRACE;
            let mut by = by.max(shortest);
            loop {
                match *stop.borrow_and_update() {
                    Stop::Now => break,
                    Stop::By(earlier) => by = by.min(earlier.max(shortest)),
                    Stop::No => {}
                }
                tokio::select! {
                    ended = timeout_at(by, running.wait()) => match ended {
                        Ok(code) => return code,
                        Err(_) => break,
                    },
                    Ok(()) = stop.changed() => {}
                }
            }
        }
        running.kill();
        running.wait().await
    }

    async fn termination_message(&self) -> Option<String> {
        let bytes = fs_err::tokio::read(self.place.termination_log()).await.ok()?;
        let end = bytes.len().min(TERMINATION_MESSAGE_BYTES);
        Some(String::from_utf8_lossy(&bytes[..end]).into_owned()).filter(|message| !message.is_empty())
    }

    fn started(&self, state: State, id: &str, restarts: i32) {
        self.run.model.send_modify(|model| {
            let container = self.slot.of(model);
            if let State::Ended(ended) = &container.state {
                container.last = Some(ended.clone());
            }
            container.state = state;
            container.id = Some(id.to_owned());
            container.restarts = restarts;
        });
    }

    /// Shows the container as waiting. Whether that is news.
    fn wait(&self, reason: &str, message: Option<String>) -> bool {
        let state = State::Waiting {
            reason: reason.to_owned(),
            message,
        };
        self.run.model.send_if_modified(|model| {
            let container = self.slot.of(model);
            let news = container.state != state;
            if let State::Ended(ended) = std::mem::replace(&mut container.state, state) {
                container.last = Some(ended);
            }
            news
        })
    }

    fn back_off(&self, delay: Duration) {
        let pod = self.run.pod();
        let (name, pod_name) = (
            &self.container.name,
            pod.metadata.name.as_deref().unwrap_or_default(),
        );
        let delay = go_duration(delay);
        let whole = format!("{name} pod={pod_name}_{}({})", self.run.namespace, self.run.uid);
        self.wait(
            "CrashLoopBackOff",
            Some(format!("back-off {delay} restarting failed container={whole}")),
        );
        self.event(
            &pod,
            true,
            "BackOff",
            format!("Back-off restarting failed container {whole}"),
        );
    }

    fn event(&self, pod: &Pod, warning: bool, reason: &str, note: String) {
        let events = &self.run.node.events;
        let name = Some(self.container.name.as_str());
        if warning {
            events.warning(pod, name, reason, note)
        } else {
            events.normal(pod, name, reason, note)
        }
    }
}

/// Waits for an order to stop.
async fn stopped(stop: &mut watch::Receiver<Stop>) -> Stop {
    // A closed channel means that nobody is left who could want the container.
    stop.wait_for(|stop| *stop != Stop::No)
        .await
        .map_or(Stop::Now, |stop| *stop)
}

async fn killed(stop: &mut watch::Receiver<Stop>) {
    // As above.
    let _ = stop.wait_for(|stop| *stop == Stop::Now).await;
}

async fn call(hook: &LifecycleHandler, running: &Running) -> Result<(), String> {
    if let Some(exec) = &hook.exec {
        let command = exec.command.clone().unwrap_or_default();
        match running.exec(command.clone()).await {
            Some(0) => Ok(()),
            Some(code) => Err(format!("command '{}' exited with {code}", command.join(" "))),
            None => Err("the container ended before it did".to_owned()),
        }
    } else if let Some(sleep) = &hook.sleep {
        let span = Duration::from_secs(sleep.seconds.try_into().unwrap_or_default());
        // The end of the container is the end of the pause.
        let _ = timeout(span, running.wait()).await;
        Ok(())
    } else {
        Err(
            "the local cluster's node calls hooks of the kinds exec and sleep only: take `--cluster kind`"
                .to_owned(),
        )
    }
}

/// As Go prints it: `10s`, `1m20s`.
fn go_duration(span: Duration) -> String {
    let (minutes, seconds) = (span.as_secs() / 60, span.as_secs() % 60);
    if minutes == 0 {
        format!("{seconds}s")
    } else {
        format!("{minutes}m{seconds}s")
    }
}
