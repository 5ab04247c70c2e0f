//! What is pinned, and what of it is in the cache.

use camino::Utf8PathBuf;
use harness_model::Origin;

use crate::cache::Lookup;
use crate::{Pin, Resolver, digest};

/// One pinned version of one part.
#[derive(Debug, Clone)]
pub struct Row {
    /// The part's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Whether it is there.
    pub state: State,
    /// Where it came from, or would come from.
    pub source: String,
}

/// Whether a part is there.
#[derive(Debug, Clone)]
pub enum State {
    /// In the cache.
    Cached {
        /// Where it came from.
        origin: Origin,
        /// The file or folder.
        path: Utf8PathBuf,
        /// In bytes.
        size: u64,
        /// The Go that built it.
        toolchain: Option<String>,
    },
    /// In the cache, but not as recorded; the next use makes it again.
    Damaged {
        /// What is wrong.
        reason: String,
    },
    /// Not in the cache; the next use makes it.
    Absent,
    /// Not in the cache, and its only source is a release without a digest.
    Unlocked,
}

/// All pinned parts, in the order of the file. `verify` hashes what is in the cache against its record. Blocks.
#[must_use]
pub fn list(resolver: &Resolver, verify: bool) -> Vec<Row> {
    resolver
        .pins
        .parts
        .iter()
        .map(|pin| Row {
            name: pin.name.clone(),
            version: pin.version.clone(),
            state: state(resolver, pin, verify),
            source: source(resolver, pin),
        })
        .collect()
}

fn state(resolver: &Resolver, pin: &Pin, verify: bool) -> State {
    let mut damage = None;
    for key in resolver.keys(pin) {
        let found = match resolver.cache.lookup(&key) {
            Lookup::Hit(found) => found,
            Lookup::Miss => continue,
            Lookup::Damaged { reason } => {
                damage = Some(reason);
                continue;
            }
        };
        if verify {
            match digest::of_path(&found.path) {
                Ok((_, sha256)) if sha256 == found.entry.sha256 => {}
                Ok((_, sha256)) => {
                    let recorded = found.entry.sha256;
                    return State::Damaged {
                        reason: format!("its SHA-256 is {sha256}, recorded was {recorded}"),
                    };
                }
                Err(e) => {
                    return State::Damaged {
                        reason: e.to_string(),
                    };
                }
            }
        }
        let crate::cache::Found { entry, path } = found;
        return State::Cached {
            origin: entry.origin,
            path,
            size: entry.size,
            toolchain: entry.toolchain,
        };
    }
    match damage {
        Some(reason) => State::Damaged { reason },
        None if pin.source.is_none() && pin.release_digest(resolver.platform).is_none() => State::Unlocked,
        None => State::Absent,
    }
}

fn source(resolver: &Resolver, pin: &Pin) -> String {
    let release = pin
        .release_url(resolver.platform)
        .map(|url| match pin.release_digest(resolver.platform) {
            Some(_) => format!("release {url}"),
            None => format!("unlocked release {url}"),
        });
    let module = resolver
        .pins
        .module_of(pin)
        .map(|module| format!("Go module {}@{}", module.path, module.version));
    // An unlocked release is never used, so where there is a module it is not the source.
    match (release, module) {
        (Some(release), Some(module)) if release.starts_with("unlocked") => module,
        (Some(release), Some(module)) => format!("{release}, else {module}"),
        (Some(only), None) | (None, Some(only)) => only,
        (None, None) => String::new(),
    }
}
