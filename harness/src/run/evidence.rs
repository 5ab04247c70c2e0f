//! What a failed check leaves: its namespace's objects, the ledger's recent requests, the end of ARC's log. And the last look over all that a
//! run leaves: no token may stand in it.

use camino::{Utf8Path, Utf8PathBuf};
use harness_model::Redactor;
use serde_json::json;

use crate::Environment;
use crate::arc::resources;
use crate::environment::World;

/// Writes the evidence; what cannot be had is written down as such, for a failure must not hide another.
pub(crate) async fn keep(environment: &Environment, world: &World, namespace: &str, folder: &Utf8Path) {
    if let Err(error) = std::fs::create_dir_all(folder) {
        tracing::warn!(%folder, %error, "evidence is lost");
        return;
    }
    let client = environment.client();
    let events = kube::api::ApiResource::erase::<k8s_openapi::api::core::v1::Event>(&());
    let pods = kube::api::ApiResource::erase::<k8s_openapi::api::core::v1::Pod>(&());
    let kinds = [
        resources::runner_deployment(),
        resources::runner_replica_set(),
        resources::runner(),
        resources::horizontal_runner_autoscaler(),
        pods,
        events,
    ];
    for kind in kinds {
        let listed = resources::api(client, namespace, &kind)
            .list(&kube::api::ListParams::default())
            .await;
        let mut value = match listed {
            Ok(list) => json!(list.items),
            Err(error) => json!({ "cannot be listed": error.to_string() }),
        };
        crate::cluster::blank_tokens(&mut value);
        save(
            environment,
            &folder.join(format!("{}.yaml", kind.plural)),
            &yaml(&value),
        );
    }
    save(environment, &folder.join("arc-manager.log"), &world.arc_log(400));
    save(
        environment,
        &folder.join("requests.jsonl"),
        &world.recent_requests(300),
    );
}

fn yaml(value: &serde_json::Value) -> String {
    harness_yaml::to_string(value).unwrap_or_else(|error| error.to_string())
}

fn save(environment: &Environment, path: &Utf8Path, text: &str) {
    if let Err(error) = std::fs::write(path, environment.emitter.redactor().clean(text)) {
        tracing::warn!(%path, %error, "evidence is lost");
    }
}

/// The files below the folder in which a secret stands.
pub(crate) fn leaks(folder: &Utf8Path, redactor: &Redactor) -> std::io::Result<Vec<Utf8PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir_utf8()? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.into_path());
                continue;
            }
            let bytes = std::fs::read(entry.path())?;
            let text = String::from_utf8_lossy(&bytes);
            if redactor.finds_secret(&text) {
                found.push(entry.into_path());
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use camino_tempfile::tempdir;

    use super::*;

    #[test]
    fn a_file_with_a_secret_is_found_wherever_it_lies() {
        let folder = tempdir().expect("a temporary folder");
        std::fs::create_dir(folder.path().join("evidence")).expect("a folder");
        let leak = folder.path().join("evidence/arc.log");
        std::fs::write(&leak, "token=registration-token").expect("a file");
        std::fs::write(folder.path().join("run.jsonl"), "token=***").expect("a file");
        let redactor = Redactor::default();
        redactor.learn("registration-token");

        let found = leaks(folder.path(), &redactor).expect("the folder can be read");

        assert_eq!(found, [leak]);
    }
}
