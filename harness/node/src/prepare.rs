//! From a container's specification to what the launcher is told.

use camino::{Utf8Path, Utf8PathBuf};
use k8s_openapi::api::core::v1::{Container, Pod};

use crate::Shared;
use crate::env::{self, Surroundings};
use crate::expand::expand;
use crate::images::Program;
use crate::launch::{Launch, Mount};
use crate::objects::Objects;
use crate::volumes;

const TERMINATION_LOG: &str = "/dev/termination-log";

/// Why a container cannot be started as it is specified; it may be later.
pub(crate) struct ConfigError(pub(crate) String);

impl<E: std::fmt::Display> From<E> for ConfigError {
    fn from(why: E) -> Self {
        Self(why.to_string())
    }
}

/// Where a container's own files are on the host.
pub(crate) struct Place {
    /// Belongs to the pod.
    pub(crate) pod_dir: Utf8PathBuf,
    /// Belongs to the container.
    pub(crate) dir: Utf8PathBuf,
}

impl Place {
    pub(crate) fn new(pod_dir: &Utf8Path, container: &str) -> Self {
        Self {
            pod_dir: pod_dir.to_owned(),
            dir: pod_dir.join("containers").join(container),
        }
    }

    /// What the container writes to its termination log.
    pub(crate) fn termination_log(&self) -> Utf8PathBuf {
        self.dir.join("termination-log")
    }
}

/// Everything resolved, and the container's files made.
pub(crate) async fn prepare(
    node: &Shared,
    pod: &Pod,
    container: &Container,
    program: &Program,
    place: &Place,
) -> Result<Launch, ConfigError> {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let objects = Objects::fetch(&node.client, namespace, env::wanted(container)).await?;
    let around = Surroundings {
        address: node.config.address,
        service_host: &node.config.service_host,
    };
    let env = env::resolve(pod, container, &objects, &around)?;
    let lookup = |name: &str| env.get(name).cloned();
    let expand_all = |words: Option<&Vec<String>>| -> Vec<String> {
        words
            .into_iter()
            .flatten()
            .map(|word| expand(word, lookup))
            .collect()
    };
    let argv = program.argv(
        &expand_all(container.command.as_ref()),
        &expand_all(container.args.as_ref()),
    );

    let root = place.dir.join("root");
    fs_err::tokio::create_dir_all(&root).await?;
    fs_err::tokio::write(place.termination_log(), b"").await?;
    let termination_log = container
        .termination_message_path
        .as_deref()
        .unwrap_or(TERMINATION_LOG);
    let mut mounts = vec![Mount {
        source: place.termination_log(),
        target: termination_log.into(),
        read_only: false,
    }];
    for (index, file) in node.config.host_files.iter().enumerate() {
        let source = place.dir.join(format!("host-file-{index}"));
        fs_err::tokio::write(&source, &file.content).await?;
        mounts.push(Mount {
            source,
            target: file.path.clone(),
            read_only: false,
        });
    }
    if let (Program::Run { program: source, .. }, Some(target)) = (program, program.mounted_at()) {
        mounts.push(Mount {
            source: source.clone(),
            target,
            read_only: true,
        });
    }
    for wanted in container.volume_mounts.iter().flatten() {
        let volume = volumes::folder(&place.pod_dir, &wanted.name);
        let sub_path = match &wanted.sub_path_expr {
            Some(expression) => Some(expand(expression, lookup)),
            None => wanted.sub_path.clone(),
        };
        let source = match sub_path.filter(|path| !path.is_empty()) {
            Some(path) => sub_folder(&volume, &path).await?,
            None => volume,
        };
        let target = Utf8Path::new("/").join(&wanted.mount_path);
        mounts.push(Mount {
            source,
            target,
            read_only: wanted.read_only == Some(true) || is_payload(pod, &wanted.name),
        });
    }
    // Outer mounts first, lest they hide inner ones.
    mounts.sort_by_key(|mount| mount.target.components().count());
    Ok(Launch {
        hostname: hostname(pod),
        root,
        argv,
        env: env.into_iter().collect(),
        workdir: container.working_dir.clone().filter(|dir| !dir.is_empty()),
        mounts,
    })
}

fn hostname(pod: &Pod) -> String {
    let spec = pod.spec.as_ref().and_then(|spec| spec.hostname.clone());
    let mut name = spec.or_else(|| pod.metadata.name.clone()).unwrap_or_default();
    // The kernel allows 64, Kubernetes 63.
    name.truncate(name.floor_char_boundary(63));
    name
}

async fn sub_folder(volume: &Utf8Path, path: &str) -> Result<Utf8PathBuf, ConfigError> {
    let path = Utf8Path::new(path);
    if !path
        .components()
        .all(|part| matches!(part, camino::Utf8Component::Normal(_)))
    {
        return Err(ConfigError(format!("subPath {path} must not leave its volume")));
    }
    let folder = volume.join(path);
    if !fs_err::tokio::try_exists(&folder).await? {
        fs_err::tokio::create_dir_all(&folder).await?;
    }
    // A link that a container made in its volume must not lead to the host's files.
    let (real, within) = (
        fs_err::tokio::canonicalize(&folder).await?,
        fs_err::tokio::canonicalize(volume).await?,
    );
    if !real.starts_with(&within) {
        return Err(ConfigError(format!("subPath {path} must not leave its volume")));
    }
    Utf8PathBuf::try_from(real).map_err(ConfigError::from)
}

/// Volumes that the node writes are never writable for a container.
fn is_payload(pod: &Pod, volume: &str) -> bool {
    let volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    volumes
        .into_iter()
        .any(|candidate| candidate.name == volume && candidate.empty_dir.is_none())
}
