//! Server-side apply of untyped manifests, in the order given.

use std::collections::HashMap;
use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::discovery::{ApiCapabilities, ApiResource, Scope, pinned_kind};
use kube::{Api, Client};
use serde_json::Value;

use crate::wait::{Seen, WaitError, watch_object};

/// A manifest could not be applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// It lacks what every object has.
    #[error("a manifest lacks {what}: {head}")]
    Incomplete {
        /// `apiVersion`, `kind` or `metadata.name`.
        what: &'static str,
        /// The first 120 characters.
        head: String,
    },
    /// The API server does not know the kind.
    #[error("the API server does not serve {kind} of {api_version}")]
    UnknownKind {
        /// For example `RunnerDeployment`.
        kind: String,
        /// For example `actions.summerwind.dev/v1alpha1`.
        api_version: String,
        /// Its answer.
        #[source]
        source: Box<kube::Error>,
    },
    /// The API server refused it.
    #[error("apply {kind} {name}: {reason}")]
    Refused {
        /// Kind.
        kind: String,
        /// `namespace/name` or `name`.
        name: String,
        /// What it said.
        reason: String,
    },
    /// The API server gave no answer.
    #[error("apply {kind} {name}")]
    Unanswered {
        /// Kind.
        kind: String,
        /// `namespace/name` or `name`.
        name: String,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
    /// A definition was applied but never served.
    #[error(transparent)]
    NotEstablished(#[from] WaitError),
}

/// Applies manifests as one field manager; remembers what it learnt of kinds.
#[derive(Clone)]
pub struct Applier {
    client: Client,
    kinds: HashMap<GroupVersionKind, (ApiResource, ApiCapabilities)>,
}

impl Applier {
    /// An applier over this client.
    #[must_use]
    pub fn new(client: Client) -> Applier {
        Applier {
            client,
            kinds: HashMap::new(),
        }
    }

    /// Applies one manifest; an object without a namespace that needs one goes to `namespace`.
    ///
    /// # Errors
    /// [`ApplyError`].
    pub async fn apply(&mut self, manifest: &Value, namespace: &str) -> Result<DynamicObject, ApplyError> {
        self.patch(manifest, namespace, false).await
    }

    /// As [`Applier::apply`], through admission, but nothing is stored.
    ///
    /// # Errors
    /// [`ApplyError`].
    pub async fn dry_run(&mut self, manifest: &Value, namespace: &str) -> Result<DynamicObject, ApplyError> {
        self.patch(manifest, namespace, true).await
    }

    async fn patch(
        &mut self,
        manifest: &Value,
        namespace: &str,
        dry_run: bool,
    ) -> Result<DynamicObject, ApplyError> {
        let head = || manifest.to_string().chars().take(120).collect::<String>();
        let text = |path: &str, what| {
            manifest
                .pointer(path)
                .and_then(Value::as_str)
                .ok_or_else(|| ApplyError::Incomplete { what, head: head() })
        };
        let (api_version, kind) = (text("/apiVersion", "apiVersion")?, text("/kind", "kind")?);
        let name = text("/metadata/name", "metadata.name")?;
        let (resource, capabilities) = self.kind(api_version, kind).await?;
        let own_namespace = manifest.pointer("/metadata/namespace").and_then(Value::as_str);
        let (api, shown) = match capabilities.scope {
            Scope::Cluster => (Api::all_with(self.client.clone(), &resource), name.to_owned()),
            Scope::Namespaced => {
                let namespace = own_namespace.unwrap_or(namespace);
                (
                    Api::namespaced_with(self.client.clone(), namespace, &resource),
                    format!("{namespace}/{name}"),
                )
            }
        };
        let api: Api<DynamicObject> = api;
        let mut params = PatchParams::apply("ghes-harness").force();
        params.dry_run = dry_run;
        let patch = Patch::Apply(manifest);
        let mut answer = api.patch(name, &params, &patch).await;
        if matches!(answer, Err(kube::Error::Service(_) | kube::Error::HyperError(_))) {
            // The API server closes a connection after 90 s without a request, and may do so just as it is taken for the next one.
            // To apply twice is to apply once.
            answer = api.patch(name, &params, &patch).await;
        }
        answer.map_err(|error| match error {
            // Its Display repeats the whole Status; people need the sentence in it.
            kube::Error::Api(status) => ApplyError::Refused {
                kind: kind.to_owned(),
                name: shown,
                reason: status.message,
            },
            other => ApplyError::Unanswered {
                kind: kind.to_owned(),
                name: shown,
                source: Box::new(other),
            },
        })
    }

    /// Applies custom resource definitions all at once and waits until each is served.
    ///
    /// # Errors
    /// [`ApplyError`]; [`ApplyError::NotEstablished`] after `deadline`.
    pub async fn definitions(&self, manifests: &[Value], deadline: Duration) -> Result<(), ApplyError> {
        let one = async |manifest: &Value| -> Result<(), ApplyError> {
            let applied = self.clone().apply(manifest, "").await?;
            let name = applied.metadata.name.unwrap_or_default();
            let api: Api<CustomResourceDefinition> = Api::all(self.client.clone());
            watch_object(
                api,
                &name,
                &format!("definition {name} established"),
                deadline,
                |crd| {
                    let conditions = crd
                        .and_then(|c| c.status.as_ref())
                        .and_then(|s| s.conditions.as_ref());
                    let established = conditions.is_some_and(|all| {
                        all.iter().any(|c| c.type_ == "Established" && c.status == "True")
                    });
                    if established {
                        Seen::Yes(())
                    } else {
                        Seen::NotYet(format!("conditions {conditions:?}"))
                    }
                },
            )
            .await?;
            Ok(())
        };
        futures::future::try_join_all(manifests.iter().map(one)).await?;
        Ok(())
    }

    async fn kind(
        &mut self,
        api_version: &str,
        kind: &str,
    ) -> Result<(ApiResource, ApiCapabilities), ApplyError> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let gvk = GroupVersionKind::gvk(group, version, kind);
        if let Some(known) = self.kinds.get(&gvk) {
            return Ok(known.clone());
        }
        let found = pinned_kind(&self.client, &gvk)
            .await
            .map_err(|source| ApplyError::UnknownKind {
                kind: kind.to_owned(),
                api_version: api_version.to_owned(),
                source: Box::new(source),
            })?;
        self.kinds.insert(gvk, found.clone());
        Ok(found)
    }
}
