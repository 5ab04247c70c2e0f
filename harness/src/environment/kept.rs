//! A kept environment: how `cargo xtask shell` finds it and what a user is told.

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};
use harness_model::Event;
use serde::{Deserialize, Serialize};

use super::Environment;
use crate::host;
use crate::run::journal;

/// The file in the run's folder that describes a kept environment. It goes with the environment.
pub const KEPT_FILE: &str = "kept.json";

/// What enters a kept environment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Kept {
    /// An administrator's kubeconfig, as a path inside the environment.
    pub kubeconfig: Utf8PathBuf,
    /// The folder with kubectl.
    pub kubectl: Utf8PathBuf,
    /// The folder with helm.
    pub helm: Utf8PathBuf,
    /// Whether the environment has namespaces of its own to enter.
    pub enclosed: bool,
}

impl Kept {
    /// Reads the description from a run's folder.
    ///
    /// # Errors
    /// If the run keeps no environment.
    pub fn read(folder: &Utf8Path) -> anyhow::Result<Kept> {
        let path = folder.join(KEPT_FILE);
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("{folder} keeps no environment"))?;
        serde_json::from_str(&text).with_context(|| format!("{path} describes no environment"))
    }
}

impl Environment {
    /// Writes the description and tells the user.
    pub(crate) fn announce_kept(&self) -> anyhow::Result<()> {
        let parts = &self.order.parts;
        let folder_of = |path: &Utf8Path| path.parent().map(Utf8Path::to_owned).unwrap_or_default();
        let kept = Kept {
            kubeconfig: self.plane.admin_kubeconfig.clone(),
            kubectl: folder_of(&parts.kubectl),
            helm: folder_of(&parts.helm),
            enclosed: self.order.enclosed,
        };
        let path = self.order.folder.join(KEPT_FILE);
        std::fs::write(&path, serde_json::to_string(&kept)?).with_context(|| format!("write {path}"))?;
        self.emitter.emit(Event::Note {
            text: "the environment is kept: `cargo xtask shell` in another terminal enters it; Ctrl-C here ends it"
                .to_owned(),
        });
        Ok(())
    }
}

/// Whether the run of this folder says that it keeps its environment.
pub(crate) fn is_kept(folder: &Utf8Path) -> bool {
    folder.join(KEPT_FILE).is_file()
}

/// Forgets what was kept: the run has ended. Says whether there was anything.
pub(crate) fn forget(folder: &Utf8Path) -> std::io::Result<bool> {
    match std::fs::remove_file(folder.join(KEPT_FILE)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        removed => removed.map(|()| true),
    }
}

/// The inner process of a run that is alive, as the host counts processes.
#[must_use]
pub fn supervised(folder: &Utf8Path) -> Option<u32> {
    let started = journal::read(folder)?.inside.filter(host::is_alive)?.number;
    let children = std::fs::read_to_string(format!("/proc/{started}/task/{started}/children")).ok()?;
    let inner = children
        .split_whitespace()
        .next()
        .and_then(|child| child.parse().ok());
    // Without namespaces, what the supervisor started is the inner process itself.
    let candidates = inner.into_iter().chain([started]);
    // Between fork and exec it is `unshare` still.
    candidates.into_iter().find(|process| {
        let command = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = command.split(|byte| *byte == 0).collect();
        words
            .get(1)
            .is_some_and(|word| *word == crate::run::INSIDE.as_bytes())
    })
}
