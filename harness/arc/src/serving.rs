//! The manager's serving certificate: issued by the real cert-manager, written where the manager reads it, vouched for in the webhook
//! configurations.

use std::time::Duration;

use camino::Utf8PathBuf;
use harness_cluster::{Seen, WaitError, watch_object};
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::watcher;
use kube::{Api, Client};
use serde_json::Value;
use tokio::sync::watch;

use crate::cert_manager::api;
use crate::manager::{NAMESPACE, webhook_configurations};
use crate::{InstallError, reach};

/// Writes the serving certificate where each replica reads it, at first and, unless only `once`, at each renewal.
pub(crate) async fn keep_certificate(
    secrets: Api<Secret>,
    name: String,
    folders: Vec<Utf8PathBuf>,
    once: bool,
    written: watch::Sender<bool>,
) {
    use futures::StreamExt as _;

    let stream = watcher::watch_object(secrets, &name);
    futures::pin_mut!(stream);
    while let Some(item) = stream.next().await {
        let Ok(Some(secret)) = item else { continue };
        let data = secret.data.unwrap_or_default();
        let (Some(certificate), Some(key)) = (data.get("tls.crt"), data.get("tls.key")) else {
            continue;
        };
        let result = folders.iter().try_for_each(|folder| {
            std::fs::create_dir_all(folder)?;
            std::fs::write(folder.join("tls.key"), &key.0)?;
            std::fs::write(folder.join("tls.crt"), &certificate.0)
        });
        match result {
            Ok(()) => {
                written.send_replace(true);
                if once {
                    return;
                }
            }
            Err(error) => tracing::error!(?folders, %error, "ARC's certificate cannot be written"),
        }
    }
}

pub(crate) async fn await_certificate(
    client: &Client,
    name: &str,
    mut written: watch::Receiver<bool>,
) -> Result<(), InstallError> {
    let certificates = api(client, NAMESPACE, "Certificate", "certificates");
    let issued = tokio::time::timeout(Duration::from_secs(60), written.wait_for(|done| *done))
        .await
        .is_ok_and(|issued| issued.is_ok());
    if issued {
        return Ok(());
    }
    let seen = certificates.list(&kube::api::ListParams::default()).await;
    let last_seen = seen.map_or_else(
        |error| error.to_string(),
        |list| {
            list.items
                .iter()
                .map(|c| c.data["status"].to_string())
                .collect::<Vec<_>>()
                .join("; ")
        },
    );
    Err(InstallError::NotReady(WaitError::TimedOut {
        awaited: format!("the Secret {NAMESPACE}/{name} issued by cert-manager"),
        last_seen,
        seconds: 60.0,
    }))
}

pub(crate) async fn await_ca_bundles(client: &Client, configurations: &[Value]) -> Result<(), InstallError> {
    for configuration in configurations {
        let kind = configuration["kind"].as_str().unwrap_or_default();
        let name = configuration
            .pointer("/metadata/name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let api = webhook_configurations(client, kind);
        let awaited = format!("cainjector's CA bundle in {kind} {name}");
        watch_object(
            api,
            name,
            &awaited,
            Duration::from_secs(60),
            |object| match object {
                Some(object) if reach::has_ca(&object.data) => Seen::Yes(()),
                Some(_) => Seen::NotYet("no bundle in at least one webhook".into()),
                None => Seen::NotYet("no such configuration".into()),
            },
        )
        .await?;
    }
    Ok(())
}
