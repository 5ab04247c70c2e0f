//! Evidence, kept while it happens: every version of every watched object, one file per namespace. Runner pods vanish in seconds.
//!
//! What it is not: it judges nothing. Secrets are not watched, and token fields are blanked.

use std::collections::HashMap;
use std::io::Write as _;

use camino::{Utf8Path, Utf8PathBuf};
use futures::StreamExt;
use jiff::Timestamp;
use kube::api::{ApiResource, DynamicObject};
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use harness_model::REDACTED;

/// Evidence could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// The folder could not be made.
    #[error("make the evidence folder {path}")]
    Folder {
        /// Which.
        path: Utf8PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Watches objects and writes each change as a JSON line.
pub struct Recorder {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Recorder {
    /// Starts a watch for each kind over all namespaces; `{folder}/{namespace}.jsonl` grows as objects change.
    ///
    /// # Errors
    /// [`EvidenceError::Folder`].
    pub fn start(
        client: &Client,
        kinds: Vec<ApiResource>,
        folder: &Utf8Path,
    ) -> Result<Recorder, EvidenceError> {
        std::fs::create_dir_all(folder).map_err(|source| EvidenceError::Folder {
            path: folder.to_owned(),
            source,
        })?;
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let (lines, received) = mpsc::unbounded_channel();
        for kind in kinds {
            let api: Api<DynamicObject> = Api::all_with(client.clone(), &kind);
            tasks.spawn(
                stop.clone()
                    .run_until_cancelled_owned(watch(api, kind.kind.clone(), lines.clone())),
            );
        }
        tasks.spawn(write(received, folder.to_owned()));
        tasks.close();
        Ok(Recorder { stop, tasks })
    }

    /// Stops watching and waits until all is written.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

struct Change {
    namespace: String,
    line: Value,
}

async fn watch(api: Api<DynamicObject>, kind: String, lines: mpsc::UnboundedSender<Change>) {
    let stream = watcher::watcher(api, watcher::Config::default());
    futures::pin_mut!(stream);
    while let Some(event) = stream.next().await {
        let (change, object) = match event {
            Ok(Event::Apply(object) | Event::InitApply(object)) => ("seen", object),
            Ok(Event::Delete(object)) => ("deleted", object),
            // The watcher reconnects by itself; a gap shows in the resource versions.
            Ok(Event::Init | Event::InitDone) | Err(_) => continue,
        };
        let namespace = object
            .metadata
            .namespace
            .clone()
            .unwrap_or_else(|| "cluster".to_owned());
        let mut value = serde_json::to_value(&object).unwrap_or_default();
        blank_tokens(&mut value);
        if let Some(metadata) = value.pointer_mut("/metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
        let line = json!({ "at": Timestamp::now(), "kind": kind, "change": change, "object": value });
        if lines.send(Change { namespace, line }).is_err() {
            return;
        }
    }
}

async fn write(mut received: mpsc::UnboundedReceiver<Change>, folder: Utf8PathBuf) {
    let mut files: HashMap<String, std::fs::File> = HashMap::new();
    while let Some(change) = received.recv().await {
        let path = folder.join(format!("{}.jsonl", change.namespace));
        let file = match files.entry(change.namespace) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                match std::fs::OpenOptions::new().create(true).append(true).open(&path) {
                    Ok(file) => entry.insert(file),
                    Err(error) => {
                        tracing::warn!(%path, %error, "evidence is lost");
                        continue;
                    }
                }
            }
        };
        if let Err(error) = writeln!(file, "{}", change.line) {
            tracing::warn!(%path, %error, "evidence is lost");
        }
    }
}

/// Blanks every field called `token` and the value of every environment variable whose name speaks of a secret.
pub fn blank_tokens(value: &mut Value) {
    match value {
        Value::Object(map) => {
            let secret_variable = map.get("name").and_then(Value::as_str).is_some_and(|name| {
                ["TOKEN", "SECRET", "PASSWORD"]
                    .iter()
                    .any(|word| name.to_uppercase().contains(word))
            });
            for (key, inner) in map.iter_mut() {
                let secret = key == "token" || (secret_variable && key == "value");
                if secret && inner.is_string() {
                    *inner = Value::String(REDACTED.to_owned());
                } else {
                    blank_tokens(inner);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(blank_tokens),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_blanked_wherever_they_stand() {
        let mut value = json!({
            "status": { "registration": { "token": "AAA", "labels": ["token"] } },
            "spec": { "containers": [{ "env": [
                { "name": "RUNNER_TOKEN", "value": "BBB" },
                { "name": "RUNNER_NAME", "value": "r1" },
            ]}]},
        });

        blank_tokens(&mut value);

        assert_eq!(
            value,
            json!({
                "status": { "registration": { "token": "***", "labels": ["token"] } },
                "spec": { "containers": [{ "env": [
                    { "name": "RUNNER_TOKEN", "value": "***" },
                    { "name": "RUNNER_NAME", "value": "r1" },
                ]}]},
            })
        );
    }
}
