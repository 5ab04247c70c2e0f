//! One pod's task: volumes, init containers in order, containers together, and the pod's end.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use camino::Utf8PathBuf;
use futures::future::join_all;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, PodSpec};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use crate::Shared;
use crate::logs::Key;
use crate::publish::Publisher;
use crate::status::{Container, Model, State};
use crate::supervise::{Outcome, Restart, supervise};
use crate::volumes::{VolumeError, Volumes};

/// How often volumes that could not be made are tried again.
const RETRY: Duration = Duration::from_secs(2);
/// How often volumes are compared with the objects they show. A kubelet takes up to a minute.
const REFRESH: Duration = Duration::from_secs(10);

/// Whether, and until when, containers are to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Not at all.
    No,
    /// Gracefully, by this time.
    By(Instant),
    /// At once: the pod is gone from the API, or the node goes down.
    Now,
}

/// Which container of the pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    Init(usize),
    Main(usize),
}

impl Slot {
    /// Its entry in the model.
    pub(crate) fn of(self, model: &mut Model) -> &mut Container {
        match self {
            Self::Init(index) => &mut model.init[index],
            Self::Main(index) => &mut model.main[index],
        }
    }
}

/// What the parts of a pod's task share.
pub(crate) struct PodRun {
    pub(crate) node: Arc<Shared>,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) restart_policy: String,
    pub(crate) dir: Utf8PathBuf,
    pub(crate) model: watch::Sender<Model>,
    pub(crate) stop: watch::Receiver<Stop>,
    /// The object is gone from the API.
    pub(crate) gone: CancellationToken,
    pods: watch::Receiver<Arc<Pod>>,
}

impl PodRun {
    /// The pod as last seen.
    pub(crate) fn pod(&self) -> Arc<Pod> {
        Arc::clone(&self.pods.borrow())
    }

    pub(crate) fn stopping(&self) -> bool {
        *self.stop.borrow() != Stop::No
    }

    /// Returns when the pod is to stop.
    pub(crate) async fn stop_requested(&self) {
        let mut stop = self.stop.clone();
        // A closed channel means that nobody is left who could want the pod.
        let _ = stop.wait_for(|stop| *stop != Stop::No).await;
    }

    pub(crate) fn log_key(&self, container: &str) -> Key {
        Key {
            namespace: self.namespace.clone(),
            pod: self.name.clone(),
            container: container.to_owned(),
        }
    }
}

/// Cares for a pod from its assignment until it is gone from the API.
pub(crate) async fn run(node: Arc<Shared>, pods: watch::Receiver<Arc<Pod>>, gone: CancellationToken) {
    let pod = Arc::clone(&pods.borrow());
    let meta = &pod.metadata;
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let uid = text(&meta.uid);
    let (stop_order, stop) = watch::channel(Stop::No);
    let spec = pod.spec.clone().unwrap_or_default();
    let started = pod.status.as_ref().and_then(|status| status.start_time.clone());
    let model = Model::new(&pod, started.map_or_else(Timestamp::now, |time| time.0));
    let run = Arc::new(PodRun {
        namespace: text(&meta.namespace),
        name: text(&meta.name),
        restart_policy: spec.restart_policy.clone().unwrap_or_else(|| "Always".to_owned()),
        dir: node.config.state.join("pods").join(&uid),
        model: watch::Sender::new(model),
        stop,
        gone,
        pods,
        uid,
        node,
    });
    let publisher = Publisher::new(Arc::clone(&run));
    // Its containers may have ended under another node; a terminal pod is never run again.
    if !has_ended(&pod) {
        for container in spec.init_containers.iter().flatten().chain(&spec.containers) {
            run.node.logs.expect(run.log_key(&container.name), &run.uid);
        }
        tokio::select! {
            () = work(&run, &spec) => {}
            () = publisher.follow(run.model.subscribe()) => {}
            never = steer(&run, &stop_order) => match never {},
        }
        run.model.send_modify(|model| {
            if run.stopping() {
                model.finish()
            } else {
                model.over = true
            }
        });
    }
    let ending = async {
        if !has_ended(&pod) {
            publisher.report().await;
        }
        deletion_requested(&run).await;
        publisher.delete().await;
        run.gone.cancelled().await;
    };
    tokio::select! {
        () = ending => {}
        () = run.gone.cancelled() => {}
        () = run.node.closing.cancelled() => {}
    }
    clean_up(&run).await;
}

fn has_ended(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

/// Turns what happens to the pod's object into orders for its containers.
async fn steer(run: &PodRun, order: &watch::Sender<Stop>) -> Infallible {
    let mut pods = run.pods.clone();
    loop {
        let meta = pods.borrow_and_update().metadata.clone();
        if meta.deletion_timestamp.is_some() {
            let grace = meta
                .deletion_grace_period_seconds
                .unwrap_or(0)
                .try_into()
                .unwrap_or_default();
            let by = Instant::now() + Duration::from_secs(grace);
            order.send_if_modified(|stop| match *stop {
                Stop::No => {
                    *stop = Stop::By(by);
                    true
                }
                // A later deletion with a shorter grace period counts; the first one's time is not prolonged.
                Stop::By(earlier) if by < earlier => {
                    *stop = Stop::By(by);
                    true
                }
                _ => false,
            });
        }
        tokio::select! {
            // A closed channel leaves it to the other two.
            Ok(()) = pods.changed() => continue,
            () = run.gone.cancelled() => {}
            () = run.node.closing.cancelled() => {}
        }
        order.send_replace(Stop::Now);
        return std::future::pending().await;
    }
}

/// Runs the pod until nothing of it runs and nothing will be started again.
async fn work(run: &PodRun, spec: &PodSpec) {
    if let Some(sidecar) = spec
        .init_containers
        .iter()
        .flatten()
        .find(|init| init.restart_policy.is_some())
    {
        let message = format!(
            "init container {:?} restarts always: such sidecars cannot run on the local cluster: take `--cluster kind`",
            sidecar.name
        );
        wait_all(run, "CreateContainerConfigError", &message);
        return run.stop_requested().await;
    }
    let mut volumes = Volumes::new(&run.dir);
    if !mount(run, &mut volumes).await {
        return;
    }
    run.model.send_modify(Model::prepare);
    tokio::select! {
        () = containers(run, spec) => {}
        never = refresh(run, &mut volumes) => match never {},
    }
}

/// False when the pod was stopped before its volumes were there.
async fn mount(run: &PodRun, volumes: &mut Volumes) -> bool {
    while let Err(error) = volumes.sync(&run.node, &run.pod()).await {
        let reason = match error {
            VolumeError::Refused { .. } => "CreateContainerConfigError",
            _ => "ContainerCreating",
        };
        let message = error.to_string();
        if wait_all(run, reason, &message) {
            run.node.events.warning(&run.pod(), None, "FailedMount", message);
        }
        if matches!(error, VolumeError::Refused { .. }) {
            run.stop_requested().await;
            return false;
        }
        if timeout(RETRY, run.stop_requested()).await.is_ok() {
            return false;
        }
    }
    !run.stopping()
}

/// Every container waits for this reason. Whether that is news.
fn wait_all(run: &PodRun, reason: &str, message: &str) -> bool {
    let waiting = State::Waiting {
        reason: reason.to_owned(),
        message: Some(message.to_owned()),
    };
    run.model.send_if_modified(|model| {
        let mut news = false;
        for container in model.init.iter_mut().chain(&mut model.main) {
            news |= container.state != waiting;
            container.state = waiting.clone();
        }
        news
    })
}

async fn refresh(run: &PodRun, volumes: &mut Volumes) -> Infallible {
    if !Volumes::any_changing(&run.pod()) {
        return std::future::pending().await;
    }
    let mut ticks = interval(REFRESH);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        // What was there stays: a running container keeps a deleted secret.
        if let Err(error) = volumes.sync(&run.node, &run.pod()).await {
            tracing::debug!(%error, pod = run.name, "volumes were not refreshed");
        }
    }
}

async fn containers(run: &PodRun, spec: &PodSpec) {
    let policy = Restart::of(&run.restart_policy);
    // An init container that succeeded is done, whatever the policy.
    let init_policy = if policy == Restart::Never {
        Restart::Never
    } else {
        Restart::OnFailure
    };
    for (index, container) in spec.init_containers.iter().flatten().enumerate() {
        match supervise(run, Slot::Init(index), container, init_policy).await {
            Outcome::Ended(0) => {}
            Outcome::Ended(_) | Outcome::Stopped => return,
        }
    }
    let all = spec.containers.iter().enumerate();
    join_all(all.map(|(index, container)| supervise(run, Slot::Main(index), container, policy))).await;
}

async fn deletion_requested(run: &PodRun) {
    let mut pods = run.pods.clone();
    // A closed channel means that the pod is gone: the caller watches for that.
    if pods
        .wait_for(|pod| pod.metadata.deletion_timestamp.is_some())
        .await
        .is_err()
    {
        std::future::pending::<()>().await;
    }
}

async fn clean_up(run: &PodRun) {
    run.node.logs.forget(&run.namespace, &run.name, &run.uid).await;
    if let Err(error) = fs_err::tokio::remove_dir_all(&run.dir).await
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(%error, "a pod's folder was not removed");
    }
}
