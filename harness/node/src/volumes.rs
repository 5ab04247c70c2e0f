//! A pod's volumes as folders of the host: made before its containers start, kept up to date while they run.

use std::collections::{BTreeMap, HashMap};
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;

use camino::{Utf8Path, Utf8PathBuf};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{
    Pod, ProjectedVolumeSource, ServiceAccount, ServiceAccountTokenProjection, Volume,
};
use kube::Api;
use kube::api::PostParams;

use crate::objects::Objects;
use crate::payload::{self, File};
use crate::{Shared, objects};

/// Age at which a kubelet replaces a token whatever its lifetime.
const OLDEST_TOKEN: SignedDuration = SignedDuration::from_hours(24);
/// The API's default lifetime of a token.
const TOKEN_SECONDS: i64 = 3600;

/// Why volumes are not there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VolumeError {
    /// The node has no such volumes: waiting will not help.
    #[error("volume {volume:?}: {kind} cannot be had on the local cluster: take `--cluster kind`")]
    Refused { volume: String, kind: &'static str },
    /// Something it refers to is missing: it may yet come.
    #[error("MountVolume.SetUp failed for volume {volume:?} : {why}")]
    SetUp { volume: String, why: String },
    /// The API server did not answer as hoped.
    #[error("fetch what the volumes refer to: {0}")]
    Fetch(#[source] Box<kube::Error>),
    /// The file system refused.
    #[error("write volume {volume:?}: {source}")]
    Write {
        volume: String,
        #[source]
        source: io::Error,
    },
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

struct Token {
    value: String,
    replace_at: Timestamp,
}

/// The volumes of one pod.
pub(crate) struct Volumes {
    dir: Utf8PathBuf,
    /// By volume and path in it.
    tokens: HashMap<(String, String), Token>,
    written: HashMap<String, Vec<File>>,
}

/// Where a volume of a pod is.
pub(crate) fn folder(pod_dir: &Utf8Path, volume: &str) -> Utf8PathBuf {
    pod_dir.join("volumes").join(volume)
}

impl Volumes {
    pub(crate) fn new(pod_dir: &Utf8Path) -> Self {
        Self {
            dir: pod_dir.to_owned(),
            tokens: HashMap::new(),
            written: HashMap::new(),
        }
    }

    /// Whether anything of the pod's can change under it.
    pub(crate) fn any_changing(pod: &Pod) -> bool {
        volumes(pod).any(|volume| payload::as_projected(volume).is_some())
    }

    /// Makes every volume, or brings it up to date. A volume whose content is unchanged is not touched.
    pub(crate) async fn sync(&mut self, node: &Shared, pod: &Pod) -> Result<(), VolumeError> {
        for volume in volumes(pod) {
            if let Some(kind) = refused(volume) {
                return Err(VolumeError::Refused {
                    volume: volume.name.clone(),
                    kind,
                });
            }
        }
        let projected: Vec<(&str, ProjectedVolumeSource)> = volumes(pod)
            .filter_map(|volume| Some((volume.name.as_str(), payload::as_projected(volume)?)))
            .collect();
        let wanted: objects::Wanted = projected
            .iter()
            .flat_map(|(_, source)| payload::wanted(source))
            .collect();
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        let objects = Objects::fetch(&node.client, namespace, wanted)
            .await
            .map_err(|error| VolumeError::Fetch(Box::new(error)))?;
        for (name, source) in projected {
            let tokens = self.tokens(node, pod, name, &source).await?;
            let files =
                payload::files(pod, &source, &objects, &tokens, node.config.address).map_err(|why| {
                    VolumeError::SetUp {
                        volume: name.to_owned(),
                        why,
                    }
                })?;
            self.write(name, files).await?;
        }
        for volume in volumes(pod).filter(|volume| volume.empty_dir.is_some()) {
            let dir = folder(&self.dir, &volume.name);
            let made = fs_err::tokio::create_dir_all(&dir).await;
            let opened = match made {
                Ok(()) => fs_err::tokio::set_permissions(&dir, Permissions::from_mode(0o777)).await,
                failed => failed,
            };
            opened.map_err(|source| VolumeError::Write {
                volume: volume.name.clone(),
                source,
            })?;
        }
        Ok(())
    }

    async fn write(&mut self, name: &str, files: Vec<File>) -> Result<(), VolumeError> {
        if self.written.get(name).is_some_and(|written| *written == files) {
            return Ok(());
        }
        let dir = folder(&self.dir, name);
        let swapped = tokio::task::spawn_blocking(move || payload::swap(&dir, &files).map(|()| files)).await;
        let files = swapped
            .unwrap_or_else(|stopped| Err(io::Error::other(stopped)))
            .map_err(|source| VolumeError::Write {
                volume: name.to_owned(),
                source,
            })?;
        self.written.insert(name.to_owned(), files);
        Ok(())
    }

    /// Tokens of a volume by path, each requested anew when four fifths of its life are over.
    async fn tokens(
        &mut self,
        node: &Shared,
        pod: &Pod,
        volume: &str,
        source: &ProjectedVolumeSource,
    ) -> Result<BTreeMap<String, String>, VolumeError> {
        let mut tokens = BTreeMap::new();
        let sources = source
            .sources
            .iter()
            .flatten()
            .filter_map(|source| source.service_account_token.as_ref());
        for source in sources {
            let key = (volume.to_owned(), source.path.clone());
            let fresh = self
                .tokens
                .get(&key)
                .is_some_and(|token| Timestamp::now() < token.replace_at);
            if !fresh {
                let token = request(node, pod, source)
                    .await
                    .map_err(|error| VolumeError::SetUp {
                        volume: volume.to_owned(),
                        why: error.to_string(),
                    })?;
                self.tokens.insert(key.clone(), token);
            }
            if let Some(token) = self.tokens.get(&key) {
                tokens.insert(source.path.clone(), token.value.clone());
            }
        }
        Ok(tokens)
    }
}

/// A token that dies with its pod.
async fn request(
    node: &Shared,
    pod: &Pod,
    source: &ServiceAccountTokenProjection,
) -> Result<Token, BoxError> {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let account = pod
        .spec
        .as_ref()
        .and_then(|spec| spec.service_account_name.as_deref())
        .unwrap_or("default");
    let request = TokenRequest {
        spec: TokenRequestSpec {
            audiences: source.audience.iter().cloned().collect(),
            expiration_seconds: Some(source.expiration_seconds.unwrap_or(TOKEN_SECONDS)),
            bound_object_ref: Some(BoundObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Pod".to_owned()),
                name: pod.metadata.name.clone(),
                uid: pod.metadata.uid.clone(),
            }),
        },
        ..TokenRequest::default()
    };
    let asked_at = Timestamp::now();
    let accounts = Api::<ServiceAccount>::namespaced(node.client.clone(), namespace);
    let answer = accounts
        .create_token_request(account, &PostParams::default(), &request)
        .await?;
    let status = answer.status.ok_or("the API server answered without a token")?;
    let life = status.expiration_timestamp.0.duration_since(asked_at);
    let replace_at = asked_at + (life * 4 / 5).clamp(SignedDuration::ZERO, OLDEST_TOKEN);
    Ok(Token {
        value: status.token,
        replace_at,
    })
}

fn volumes(pod: &Pod) -> impl Iterator<Item = &Volume> {
    pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten())
}

/// What kind of volume this is, where the node has none of that kind.
fn refused(volume: &Volume) -> Option<&'static str> {
    if volume.empty_dir.is_some() || payload::as_projected(volume).is_some() {
        None
    } else if volume.host_path.is_some() {
        Some("a hostPath")
    } else if volume.persistent_volume_claim.is_some() {
        Some("a persistent volume claim")
    } else if volume.ephemeral.is_some() {
        Some("an ephemeral volume claim")
    } else {
        Some("a volume of this kind")
    }
}
