//! The folder of finished parts, shared by every checkout and every run of this machine.
//!
//! ```text
//! parts/<name>/<version>/<platform>-<recipe>/   the part and entry.json; appears by one rename, whole, and never changes
//! locks/<key>                                   one file lock per thing to make
//! tmp/<key>/…                                   what the lock's holder works in; whatever a next holder finds there is stale
//! ```
//!
//! A use checks that the recorded size is still there and does not hash: an entry is published only after its bytes are
//! on disk, so it is never half there, and hashing some 600 MB would cost a start its first second. `artifacts list
//! --verify` hashes.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use camino_tempfile::Utf8TempDir;
use fs_err as fs;
use harness_model::Origin;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::{ArtifactError, digest};

const ENTRY: &str = "entry.json";
/// The version of `entry.json`.
const FORMAT: u32 = 1;

/// The cache's folder.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    root: Utf8PathBuf,
}

/// Names one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) platform: String,
    pub(crate) recipe: String,
}

/// What is recorded beside a part.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Entry {
    format: u32,
    /// Where the bytes came from.
    pub(crate) origin: Origin,
    /// The Go that built it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) toolchain: Option<String>,
    /// Name of the file or folder beside `entry.json`.
    file: String,
    /// In bytes.
    pub(crate) size: u64,
    /// Of the file, or over the folder's files.
    pub(crate) sha256: String,
}

/// What the cache knows of a key.
#[derive(Debug)]
pub(crate) enum Lookup {
    /// There, with the recorded size.
    Hit(Found),
    /// Not there.
    Miss,
    /// There, but not as recorded: to be made again.
    Damaged {
        /// What is wrong.
        reason: String,
    },
}

/// An entry and where its part is.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) entry: Entry,
    pub(crate) path: Utf8PathBuf,
}

/// A made part that is to be published.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) key: Key,
    pub(crate) origin: Origin,
    pub(crate) toolchain: Option<String>,
    /// The file or folder, somewhere in the workspace.
    pub(crate) made: Utf8PathBuf,
}

/// The right to make what a lock stands for, and a folder to do it in. Both end with this value, or with the process.
#[derive(Debug)]
pub(crate) struct Workspace {
    // Declared first, dropped first: the folder goes while the lock still holds.
    dir: Utf8TempDir,
    _lock: std::fs::File,
}

impl Workspace {
    pub(crate) fn path(&self) -> &Utf8Path {
        self.dir.path()
    }
}

impl Cache {
    pub(crate) fn new(root: Utf8PathBuf) -> Self {
        Cache { root }
    }

    /// Looks a key up; reads one small file and asks for sizes.
    pub(crate) fn lookup(&self, key: &Key) -> Lookup {
        let dir = self.entry_dir(key);
        let text = match fs::read_to_string(dir.join(ENTRY)) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Lookup::Miss,
            Err(e) => {
                return Lookup::Damaged {
                    reason: e.to_string(),
                };
            }
        };
        let entry: Entry = match serde_json::from_str(&text) {
            Ok(entry) => entry,
            Err(e) => {
                return Lookup::Damaged {
                    reason: format!("its {ENTRY} is not readable: {e}"),
                };
            }
        };
        if entry.format != FORMAT {
            return Lookup::Damaged {
                reason: format!("its {ENTRY} has format {}, not {FORMAT}", entry.format),
            };
        }
        let path = dir.join(&entry.file);
        match digest::size_of(&path) {
            Ok(size) if size == entry.size => Lookup::Hit(Found { entry, path }),
            Ok(size) => Lookup::Damaged {
                reason: format!("it has {size} bytes where {} were recorded", entry.size),
            },
            Err(e) => Lookup::Damaged {
                reason: e.to_string(),
            },
        }
    }

    /// Takes the lock `name` and a fresh folder under it. `contended` is called once if somebody else holds the lock.
    pub(crate) async fn workspace(
        &self,
        name: &str,
        part: &str,
        contended: impl FnOnce(),
    ) -> Result<Workspace, ArtifactError> {
        let locks = self.root.join("locks");
        fs::create_dir_all(&locks).map_err(|e| ArtifactError::file(part, "create", &locks, &e))?;
        let path = locks.join(name);
        let failed = |e: &io::Error| ArtifactError::file(part, "lock", &path, e);
        let opened = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(|e| failed(&e))?;
        let (file, _) = opened.into_parts();
        let lock = match file.try_lock() {
            Ok(()) => file,
            Err(std::fs::TryLockError::WouldBlock) => {
                contended();
                wait_for(file).await.map_err(|e| failed(&e))?
            }
            Err(std::fs::TryLockError::Error(e)) => return Err(failed(&e)),
        };

        let tmp = self.root.join("tmp").join(name);
        match fs::remove_dir_all(&tmp) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(ArtifactError::file(part, "clear", &tmp, &e));
            }
            _ => fs::create_dir_all(&tmp).map_err(|e| ArtifactError::file(part, "create", &tmp, &e))?,
        }
        let dir = camino_tempfile::tempdir_in(&tmp)
            .map_err(|e| ArtifactError::file(part, "create in", &tmp, &e))?;
        Ok(Workspace { dir, _lock: lock })
    }

    /// Makes a draft an entry: hashes it, flushes it to the disk and renames it into place, over a damaged one if need be.
    ///
    /// The caller holds the lock under which `workspace` was taken. Blocks.
    pub(crate) fn publish(&self, workspace: &Utf8Path, draft: Draft) -> Result<Found, ArtifactError> {
        let Draft {
            key,
            origin,
            toolchain,
            made,
        } = draft;
        let label = format!("{} {}", key.name, key.version);
        let failed =
            |operation: &str, path: &Utf8Path, e: &io::Error| ArtifactError::file(&label, operation, path, e);

        let file = made.file_name().unwrap_or(&key.name).to_owned();
        let staged = workspace.join(format!("entry-{}", key.name));
        fs::create_dir(&staged).map_err(|e| failed("create", &staged, &e))?;
        let part = staged.join(&file);
        fs::rename(&made, &part).map_err(|e| failed("move", &made, &e))?;
        let (size, sha256) = digest::of_path(&part).map_err(|e| failed("hash", &part, &e))?;
        let entry = Entry {
            format: FORMAT,
            origin,
            toolchain,
            file,
            size,
            sha256,
        };
        write_entry(&staged, &entry).map_err(|e| failed("write", &staged, &e))?;
        flush(&staged).map_err(|e| failed("flush", &staged, &e))?;

        let dir = self.entry_dir(&key);
        let parent = dir.parent().unwrap_or(&self.root).to_owned();
        fs::create_dir_all(&parent).map_err(|e| failed("create", &parent, &e))?;
        if dir.exists() {
            let aside = workspace.join(format!("damaged-{}", key.name));
            fs::rename(&dir, &aside).map_err(|e| failed("move away", &dir, &e))?;
        }
        fs::rename(&staged, &dir).map_err(|e| failed("publish", &dir, &e))?;
        flush_folder(&parent).map_err(|e| failed("flush", &parent, &e))?;
        Ok(Found {
            path: dir.join(&entry.file),
            entry,
        })
    }

    fn entry_dir(&self, key: &Key) -> Utf8PathBuf {
        let Key {
            name,
            version,
            platform,
            recipe,
        } = key;
        self.root
            .join("parts")
            .join(name)
            .join(version)
            .join(format!("{platform}-{recipe}"))
    }
}

/// Removes what a maker that is dead left half-made in the cache of this folder, and names it. Whatever somebody works on is left alone: its lock is held.
///
/// # Errors
/// [`ArtifactError::File`] if a folder cannot be read or removed.
pub fn clear_abandoned(cache: &Utf8Path) -> Result<Vec<String>, ArtifactError> {
    let (drafts, locks) = (cache.join("tmp"), cache.join("locks"));
    let failed = |operation: &str, path: &Utf8Path, e: &io::Error| {
        ArtifactError::file("what a killed run left", operation, path, e)
    };
    let entries = match drafts.read_dir_utf8() {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|e| failed("read", &drafts, &e))?,
    };
    let mut cleared = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|e| failed("read", &drafts, &e))?;
        let (name, draft) = (entry.file_name(), entry.path());
        let lock = match std::fs::File::open(locks.join(name)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            lock => lock.map_err(|e| failed("lock", draft, &e))?,
        };
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => continue,
            Err(std::fs::TryLockError::Error(e)) => return Err(failed("lock", draft, &e)),
        }
        let is_empty = draft
            .read_dir_utf8()
            .map_err(|e| failed("read", draft, &e))?
            .next()
            .is_none();
        if !is_empty {
            fs::remove_dir_all(draft).map_err(|e| failed("clear", draft, &e))?;
            cleared.push(name.to_owned());
        }
    }
    Ok(cleared)
}

/// Waits on a thread of its own: it cannot hold up the runtime's end, and a lock that nobody waits for any more is let go
/// with the undelivered file.
async fn wait_for(file: std::fs::File) -> io::Result<std::fs::File> {
    let (sender, receiver) = oneshot::channel();
    std::thread::spawn(move || drop(sender.send(file.lock().map(|()| file))));
    receiver.await.map_err(io::Error::other)?
}

fn write_entry(dir: &Utf8Path, entry: &Entry) -> io::Result<()> {
    let text = serde_json::to_string_pretty(entry).map_err(io::Error::other)?;
    fs::write(dir.join(ENTRY), text)
}

fn flush(dir: &Utf8Path) -> io::Result<()> {
    for relative in digest::files_below(dir)? {
        let path = dir.join(relative);
        fs::File::open(&path)?.sync_all()?;
        if let Some(parent) = path.parent() {
            flush_folder(parent)?;
        }
    }
    Ok(())
}

fn flush_folder(dir: &Utf8Path) -> io::Result<()> {
    fs::File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn key() -> Key {
        Key {
            name: "tool".to_owned(),
            version: "v1".to_owned(),
            platform: "linux-amd64".to_owned(),
            recipe: "0123".to_owned(),
        }
    }

    async fn publish(cache: &Cache, content: &str) -> Found {
        let workspace = cache
            .workspace("tool-v1", "tool v1", || ())
            .await
            .expect("nobody holds the lock");
        let made = workspace.path().join("tool");
        fs::write(&made, content).expect("a small file");
        let origin = Origin::GoModule {
            module: "example.org/tool@v1".to_owned(),
        };
        let draft = Draft {
            key: key(),
            origin,
            toolchain: None,
            made,
        };

        cache
            .publish(workspace.path(), draft)
            .expect("a draft becomes an entry")
    }

    #[tokio::test]
    async fn a_published_part_is_found_again() {
        let dir = camino_tempfile::tempdir().expect("a temporary folder");
        let cache = Cache::new(dir.path().to_owned());
        assert!(matches!(cache.lookup(&key()), Lookup::Miss));

        let published = publish(&cache, "content").await;

        let Lookup::Hit(found) = cache.lookup(&key()) else {
            panic!("a published part must be found")
        };
        assert_eq!(found.path, published.path);
        assert_eq!(
            fs::read_to_string(&found.path).expect("the part is there"),
            "content"
        );
    }

    #[tokio::test]
    async fn a_shortened_part_is_damaged_and_gives_way_to_a_new_one() {
        let dir = camino_tempfile::tempdir().expect("a temporary folder");
        let cache = Cache::new(dir.path().to_owned());
        let published = publish(&cache, "content").await;
        fs::write(&published.path, "con").expect("the part can be written");

        let before = cache.lookup(&key());
        publish(&cache, "content again").await;

        let Lookup::Damaged { reason } = before else {
            panic!("a shortened part must not be used")
        };
        assert_eq!(reason, "it has 3 bytes where 7 were recorded");
        assert!(matches!(cache.lookup(&key()), Lookup::Hit(found) if found.entry.size == 13));
    }

    #[tokio::test]
    async fn what_a_dead_maker_left_is_cleared_and_what_somebody_makes_is_not() {
        let dir = camino_tempfile::tempdir().expect("a temporary folder");
        let cache = Cache::new(dir.path().to_owned());
        let workspace = cache
            .workspace("held", "held", || ())
            .await
            .expect("nobody holds the lock");
        let left = dir.path().join("tmp/dead/left-behind");
        fs::create_dir_all(&left).expect("the folder is ours");
        fs::write(dir.path().join("locks/dead"), "").expect("the folder is ours");

        let first = clear_abandoned(dir.path()).expect("the folder is ours");
        let second = clear_abandoned(dir.path()).expect("the folder is ours");

        assert_eq!((first, second), (vec!["dead".to_owned()], Vec::new()));
        assert!(workspace.path().exists() && !left.exists());
    }

    #[tokio::test]
    async fn a_second_holder_waits_for_the_first_and_clears_what_a_dead_one_left() {
        let dir = camino_tempfile::tempdir().expect("a temporary folder");
        let cache = Cache::new(dir.path().to_owned());
        let stale = dir.path().join("tmp/tool-v1/left-behind");
        let first = cache
            .workspace("tool-v1", "tool v1", || ())
            .await
            .expect("nobody holds the lock");
        fs::create_dir_all(&stale).expect("a folder");

        let waited = Arc::new(AtomicBool::new(false));
        let second = {
            let (cache, waited) = (cache.clone(), Arc::clone(&waited));
            tokio::spawn(async move {
                cache
                    .workspace("tool-v1", "tool v1", || waited.store(true, Ordering::SeqCst))
                    .await
            })
        };
        while !waited.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
        assert!(!second.is_finished(), "the lock must not be held twice");
        drop(first);

        let second = second
            .await
            .expect("the task ends")
            .expect("the lock is free now");
        assert!(second.path().exists());
        assert!(!stale.exists(), "what a dead holder left must be cleared");
    }
}
