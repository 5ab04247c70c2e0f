//! The Docker engine, through its own client: which engine answers, which images it has, a new image.
//!
//! What it is not: nothing here starts a container or asks a registry. The user's `DOCKER_HOST` and context stand.

use std::io::Seek as _;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde::Deserialize;
use tokio::process::Command;

use crate::layer::OURS;
use crate::{Content, ImageError};

/// An engine at an address that drops packets would take half a minute to say no.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// A Docker engine that runs as root.
#[derive(Debug, Clone)]
pub struct Engine {
    client: String,
    version: String,
}

/// What `docker version --format '{{json .Server}}'` gives, as far as it matters.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Server {
    version: String,
    #[serde(default)]
    components: Vec<Component>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Component {
    name: String,
}

impl Engine {
    /// Asks the engine that the client `docker` on `PATH` speaks to.
    ///
    /// # Errors
    /// [`ImageError::NoEngine`]; [`ImageError::OtherEngine`] for podman, and for an engine in rootless mode.
    pub async fn find() -> Result<Self, ImageError> {
        Self::find_by("docker").await
    }

    /// As [`Engine::find`], with another client.
    ///
    /// # Errors
    /// Those of [`Engine::find`].
    pub async fn find_by(client: &str) -> Result<Self, ImageError> {
        let none = |cause: String| ImageError::NoEngine { cause };
        let ask = async |args: &[&str]| {
            let asked = tokio::time::timeout(ANSWERS_WITHIN, output(client, args)).await;
            match asked {
                Err(_) => Err(format!("silence for {} s", ANSWERS_WITHIN.as_secs())),
                Ok(Err(cause)) => Err(format!("{client} cannot be run: {cause}")),
                Ok(Ok(output)) if output.status.success() => Ok(text(&output.stdout)),
                Ok(Ok(output)) => Err(last_line(&output.stderr)),
            }
        };

        // Podman's client calls itself docker, and answers what follows in its own way or not at all.
        let name = ask(&["--version"]).await.map_err(none)?;
        if name.to_lowercase().contains("podman") {
            return Err(ImageError::OtherEngine { engine: name });
        }
        let server = ask(&["version", "--format", "{{json .Server}}"])
            .await
            .map_err(none)?;
        let server: Server = serde_json::from_str(&server)
            .map_err(|e| none(format!("`docker version` gave no server: {e}")))?;
        let podman = |component: &Component| component.name.to_lowercase().contains("podman");
        if server.components.iter().any(podman) {
            return Err(ImageError::OtherEngine {
                engine: format!("podman {}", server.version),
            });
        }
        let options = ask(&["info", "--format", "{{json .SecurityOptions}}"])
            .await
            .map_err(none)?;
        if options.contains("name=rootless") {
            return Err(ImageError::OtherEngine {
                engine: format!("Docker {} in rootless mode", server.version),
            });
        }
        Ok(Engine {
            client: client.to_owned(),
            version: server.version,
        })
    }

    /// The engine's version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Whether the engine has this image, made from these inputs.
    ///
    /// # Errors
    /// [`ImageError::NoEngine`] if the engine has gone.
    pub async fn has(&self, content: &Content) -> Result<bool, ImageError> {
        let format = format!("{{{{index .Config.Labels \"{OURS}.inputs\"}}}}");
        let reference = content.reference();
        let args = ["image", "inspect", "--format", &format, &reference];
        let output = output(&self.client, &args)
            .await
            .map_err(|e| ImageError::NoEngine { cause: e.to_string() })?;
        if output.status.success() {
            return Ok(text(&output.stdout) == content.digest());
        }
        let cause = last_line(&output.stderr);
        if cause.to_lowercase().contains("no such image") {
            return Ok(false);
        }
        Err(ImageError::NoEngine { cause })
    }

    /// Makes the image; the engine shows it only when it is whole.
    ///
    /// # Errors
    /// [`ImageError::Refused`], and [`ImageError::Read`] if a program is not there any more or the disk is full.
    pub async fn make(&self, content: &Content) -> Result<(), ImageError> {
        let layer = layer(content).await?;
        let reference = content.reference();
        let refused = |cause: String| ImageError::Refused {
            image: reference.clone(),
            cause,
        };
        let mut command = Command::new(&self.client);
        command.arg("import");
        for change in content.changes() {
            command.args(["--change", &change]);
        }
        command.args(["-", &reference]).kill_on_drop(true);
        let output = command.stdin(Stdio::from(layer)).output().await;
        let output = output.map_err(|e| refused(e.to_string()))?;
        if output.status.success() {
            return Ok(());
        }
        Err(refused(last_line(&output.stderr)))
    }
}

/// The layer as a nameless file. Through a pipe, an engine could take the half that a killed harness leaves for the whole.
async fn layer(content: &Content) -> Result<std::fs::File, ImageError> {
    let (image, content) = (content.image().name.to_owned(), content.clone());
    let write = move || {
        let mut file = camino_tempfile::tempfile()?;
        content.write(&mut file)?;
        file.rewind()?;
        Ok(file)
    };
    tokio::task::spawn_blocking(write)
        .await
        .expect("writing does not panic")
        .map_err(|cause| ImageError::Read { image, cause })
}

async fn output(client: &str, args: &[&str]) -> std::io::Result<Output> {
    Command::new(client)
        .args(args)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

/// The last words of a client; it may have warned before.
fn last_line(bytes: &[u8]) -> String {
    let text = text(bytes);
    let last = text.lines().rev().find(|line| !line.trim().is_empty());
    last.map_or_else(|| "it said nothing".to_owned(), |line| line.trim().to_owned())
}
