//! Watches the pods assigned to the node, and gives each its task.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Config, Event, watcher};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{Shared, worker};

/// A pod that has its task.
struct Assigned {
    pod: watch::Sender<Arc<Pod>>,
    gone: CancellationToken,
}

/// Until the node goes down.
pub(crate) async fn run(node: Arc<Shared>) {
    let api = Api::<Pod>::all(node.client.clone());
    let config = Config::default().fields(&format!("spec.nodeName={}", node.config.name));
    let mut events = watcher(api, config).default_backoff().boxed();
    let mut assigned = HashMap::new();
    let mut listed = HashSet::new();
    while let Some(Some(event)) = node.closing.run_until_cancelled(events.next()).await {
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(pod)) => {
                listed.extend(pod.metadata.uid.clone());
                see(&node, &mut assigned, pod);
            }
            // What is not in a new list was deleted while nobody watched.
            Ok(Event::InitDone) => forget(&mut assigned, |uid| !listed.contains(uid)),
            Ok(Event::Apply(pod)) => see(&node, &mut assigned, pod),
            Ok(Event::Delete(pod)) => forget(&mut assigned, |uid| pod.metadata.uid.as_ref() == Some(uid)),
            Err(error) => tracing::debug!(%error, "the watch of the node's pods broke off, and begins again"),
        }
    }
}

fn see(node: &Arc<Shared>, assigned: &mut HashMap<String, Assigned>, pod: Pod) {
    let Some(uid) = pod.metadata.uid.clone() else {
        return;
    };
    let pod = Arc::new(pod);
    match assigned.get(&uid) {
        Some(known) => {
            known.pod.send_replace(pod);
        }
        None => {
            let (sender, pods) = watch::channel(pod);
            let gone = CancellationToken::new();
            node.tasks
                .spawn(worker::run(Arc::clone(node), pods, gone.clone()));
            assigned.insert(uid, Assigned { pod: sender, gone });
        }
    }
}

fn forget(assigned: &mut HashMap<String, Assigned>, which: impl Fn(&String) -> bool) {
    for (_, gone) in assigned.extract_if(|uid, _| which(uid)) {
        gone.gone.cancel();
    }
}
