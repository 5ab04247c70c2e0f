//! Reporting a pod's status to the API server, and its end.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, PodStatus};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use serde_json::json;
use tokio::sync::{Mutex, watch};
use tokio::time::timeout;

use crate::status::{Model, fold};
use crate::worker::PodRun;

/// How soon a report that failed is repeated.
const RETRY: Duration = Duration::from_secs(1);

/// Reports one pod.
pub(crate) struct Publisher {
    run: Arc<PodRun>,
    pods: Api<Pod>,
    /// What was reported last.
    reported: Mutex<Option<PodStatus>>,
}

/// The API server's answer to a report.
enum Answer {
    Done,
    /// The pod does not exist any more, or another has its name.
    Gone,
    Failed,
}

impl Publisher {
    pub(crate) fn new(run: Arc<PodRun>) -> Self {
        let pods = Api::namespaced(run.node.client.clone(), &run.namespace);
        Self {
            run,
            pods,
            reported: Mutex::new(None),
        }
    }

    /// Reports every change, for ever. Changes during a report are reported together.
    pub(crate) async fn follow(&self, mut model: watch::Receiver<Model>) {
        loop {
            model.mark_unchanged();
            self.report().await;
            if model.changed().await.is_err() {
                return;
            }
        }
    }

    /// Reports what is so now, until the API server has taken it or the pod is gone.
    pub(crate) async fn report(&self) {
        let mut reported = self.reported.lock().await;
        loop {
            let pod = self.run.pod();
            let seen = pod.status.clone().unwrap_or_default();
            let model = self.run.model.borrow().clone();
            let address = self.run.node.config.address;
            let status = fold(
                &model,
                &self.run.restart_policy,
                reported.as_ref(),
                &seen,
                address,
                Timestamp::now(),
            );
            if reported.as_ref() == Some(&status) {
                return;
            }
            match self.patch(&pod, &status).await {
                Answer::Done => {
                    *reported = Some(status);
                    return;
                }
                Answer::Gone => return,
                Answer::Failed => self.run.pause(RETRY).await,
            }
        }
    }

    async fn patch(&self, pod: &Pod, status: &PodStatus) -> Answer {
        // The UID is a precondition: a new pod of the same name is not this one.
        let patch = json!({"metadata": {"uid": pod.metadata.uid}, "status": status});
        let sent = self
            .pods
            .patch_status(&self.run.name, &PatchParams::default(), &Patch::Merge(&patch))
            .await;
        answer(sent.map(drop), "report a pod's status")
    }

    /// Takes the pod out of the API: nothing of it runs any more. Finalizers may hold it there.
    pub(crate) async fn delete(&self) {
        let params = DeleteParams {
            grace_period_seconds: Some(0),
            preconditions: Some(Preconditions {
                uid: Some(self.run.uid.clone()),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        loop {
            match answer(
                self.pods.delete(&self.run.name, &params).await.map(drop),
                "delete a finished pod",
            ) {
                Answer::Done | Answer::Gone => return,
                Answer::Failed => self.run.pause(RETRY).await,
            }
        }
    }
}

fn answer(result: Result<(), kube::Error>, what: &str) -> Answer {
    match result {
        Ok(()) => Answer::Done,
        // 409 and 422: the UID is another's.
        Err(kube::Error::Api(refusal)) if [404, 409, 422].contains(&refusal.code) => {
            tracing::debug!(%refusal, "{what}");
            Answer::Gone
        }
        Err(error) => {
            tracing::warn!(%error, "{what}");
            Answer::Failed
        }
    }
}

impl PodRun {
    /// Waits before a repetition; shorter when the pod is gone.
    async fn pause(&self, span: Duration) {
        // Either way the caller looks again.
        let _ = timeout(span, self.gone.cancelled()).await;
    }
}
