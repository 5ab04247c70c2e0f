//! What happens to runners while ARC is upgraded: how long GHES has no idle one, and how many pods there are at most.
//!
//! What it is not: it judges nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use harness::Context;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::runtime::{WatchStreamExt as _, reflector, watcher};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

/// Watches from its beginning until it is dropped.
pub(super) struct Observers {
    without: watch::Receiver<Duration>,
    most_pods: Arc<AtomicUsize>,
    _tasks: [AbortOnDropHandle<()>; 2],
}

impl Observers {
    /// Begins to watch the scenario's namespace and its GHES.
    pub(super) fn begin(context: &Context) -> Observers {
        let (writer, without) = watch::channel(Duration::ZERO);
        let most_pods = Arc::new(AtomicUsize::new(0));
        let capacity = tokio::spawn(without_idle(context.clone(), writer));
        let pods = Api::namespaced(context.client().clone(), context.namespace());
        let count = tokio::spawn(count_pods(pods, most_pods.clone()));
        Observers {
            without,
            most_pods,
            _tasks: [AbortOnDropHandle::new(capacity), AbortOnDropHandle::new(count)],
        }
    }

    /// Seconds so far during which GHES listed no idle runner.
    pub(super) fn without_capacity(&self) -> f64 {
        self.without.borrow().as_secs_f64()
    }

    /// The most pods so far at one time.
    pub(super) fn most_pods(&self) -> usize {
        self.most_pods.load(Ordering::Relaxed)
    }
}

/// Adds up the time without an idle runner, at each change of GHES.
async fn without_idle(context: Context, writer: watch::Sender<Duration>) {
    let mut changes = context.hand().watch();
    let mut since: Option<Instant> = None;
    loop {
        let Ok(runners) = context.hand().runners().await else {
            return;
        };
        let idle = runners.iter().any(|runner| runner.online && !runner.busy);
        let now = Instant::now();
        if let Some(since) = since {
            writer.send_modify(|total| *total += now - since);
        }
        since = (!idle).then_some(now);
        if changes.changed().await.is_err() {
            return;
        }
    }
}

async fn count_pods(api: Api<Pod>, most: Arc<AtomicUsize>) {
    let (store, writer) = reflector::store();
    let stream = watcher(api, watcher::Config::default())
        .default_backoff()
        .reflect(writer)
        .applied_objects()
        .map_ok(drop);
    futures::pin_mut!(stream);
    while let Some(item) = stream.next().await {
        if item.is_ok() {
            most.fetch_max(store.len(), Ordering::Relaxed);
        }
    }
}
