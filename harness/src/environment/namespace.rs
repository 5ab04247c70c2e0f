//! A scenario's namespace, ready for runner pods: with GHES's CA in it, and pods admitted.

use std::time::Duration;

use harness_cluster::{Applier, Seen, watch_object};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::{Api, Client};
use serde_json::json;

use super::GHES_CA;
use super::error::UpError;

/// Makes it.
pub(crate) async fn make(client: &Client, name: &str, ghes_ca: &str) -> Result<(), UpError> {
    let mut applier = Applier::new(client.clone());
    let object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
    applier.apply(&object, "").await?;
    let ca = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": GHES_CA },
        "data": { "ca.crt": ghes_ca },
    });
    applier.apply(&ca, name).await?;
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), name);
    watch_object(
        accounts,
        "default",
        "the namespace's default service account",
        Duration::from_secs(30),
        |account| account.map_or_else(|| Seen::NotYet("none".to_owned()), |_| Seen::Yes(())),
    )
    .await?;
    Ok(())
}
