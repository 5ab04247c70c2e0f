//! Eyes of the differential test: the log of ARC's manager, and each version of autoscalers and targets as a watch shows it.
//!
//! What it is not: it understands nothing of what it sees.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use futures::StreamExt as _;
use kube::api::DynamicObject;
use kube::runtime::watcher;
use kube::{Api, ResourceExt as _};
use tokio_util::task::AbortOnDropHandle;

use super::arc_log::{ArcLog, Reconcile};

/// Versions that watches showed and nobody has looked at yet.
pub(super) type Inbox = Arc<Mutex<Vec<DynamicObject>>>;

/// An object's version, by which the test's own changes are told from ARC's.
pub(super) fn version(object: &DynamicObject) -> anyhow::Result<u64> {
    let version = object
        .resource_version()
        .context("a stored object has a version")?;
    version
        .parse()
        .with_context(|| format!("read the version {version}"))
}

/// Puts every version of these objects into the inbox.
pub(super) fn watch(api: Api<DynamicObject>, inbox: Inbox) -> AbortOnDropHandle<()> {
    let task = tokio::spawn(async move {
        let stream = watcher(api, watcher::Config::default());
        futures::pin_mut!(stream);
        while let Some(item) = stream.next().await {
            if let Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) = item {
                inbox.lock().unwrap_or_else(PoisonError::into_inner).push(object);
            }
        }
    });
    AbortOnDropHandle::new(task)
}

/// The log of the manager, from its present end on.
pub(super) struct Log {
    file: File,
    rest: Vec<u8>,
    lines: ArcLog,
}

impl Log {
    /// At the end of the file at this path.
    pub(super) fn of(path: &std::path::Path) -> anyhow::Result<Log> {
        let mut file = File::open(path).context("open ARC's log")?;
        file.seek(SeekFrom::End(0)).context("find the end of ARC's log")?;
        Ok(Log {
            file,
            rest: Vec::new(),
            lines: ArcLog::default(),
        })
    }

    /// The reconciles that have ended since.
    pub(super) fn read(&mut self) -> Vec<Reconcile> {
        // What cannot be read now is read the next time.
        let _read = self.file.read_to_end(&mut self.rest);
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else {
            return Vec::new();
        };
        let rest = self.rest.split_off(end + 1);
        let whole = std::mem::replace(&mut self.rest, rest);
        let text = String::from_utf8_lossy(&whole);
        text.lines().filter_map(|line| self.lines.read(line)).collect()
    }
}
