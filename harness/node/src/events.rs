//! Events on pods, as a kubelet reports them. Best effort, in order, never waited for.

use k8s_openapi::api::core::v1::{ObjectReference, Pod};
use kube::Resource;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Where events are handed in.
#[derive(Clone)]
pub(crate) struct Events {
    queue: mpsc::UnboundedSender<(Event, ObjectReference)>,
}

impl Events {
    pub(crate) fn start(
        client: kube::Client,
        node: &str,
        tasks: &TaskTracker,
        closing: CancellationToken,
    ) -> Self {
        let (queue, mut queued) = mpsc::unbounded_channel();
        let reporter = Reporter {
            controller: "kubelet".to_owned(),
            instance: Some(node.to_owned()),
        };
        let recorder = Recorder::new(client, reporter);
        let publish = async move {
            while let Some((event, about)) = queued.recv().await {
                if let Err(error) = recorder.publish(&event, &about).await {
                    tracing::debug!(%error, reason = event.reason, "an event was not recorded");
                }
            }
        };
        tasks.spawn(async move { closing.run_until_cancelled(publish).await });
        Self { queue }
    }

    /// `container` is named in the event's field path, as `kubectl describe` expects.
    pub(crate) fn normal(&self, pod: &Pod, container: Option<&str>, reason: &str, note: String) {
        self.tell(EventType::Normal, pod, container, reason, note);
    }

    /// As [`Events::normal`], of type Warning.
    pub(crate) fn warning(&self, pod: &Pod, container: Option<&str>, reason: &str, note: String) {
        self.tell(EventType::Warning, pod, container, reason, note);
    }

    fn tell(&self, type_: EventType, pod: &Pod, container: Option<&str>, reason: &str, mut note: String) {
        // The API allows one kilobyte.
        note.truncate(note.floor_char_boundary(1000));
        let mut about = pod.object_ref(&());
        about.field_path = container.map(|name| format!("spec.containers{{{name}}}"));
        let reason = reason.to_owned();
        let event = Event {
            type_,
            action: reason.clone(),
            reason,
            note: Some(note),
            secondary: None,
        };
        // A closed queue means that the node is going down.
        let _ = self.queue.send((event, about));
    }
}
