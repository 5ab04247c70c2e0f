//! Names what a part is made from, so that a changed pin never finds an old file in the cache.
//!
//! The Go toolchain is not in the recipe: it is recorded with each file. A cached part stays usable on a machine without
//! Go and after Go was updated, and a lookup needs no child process.

use std::collections::BTreeMap;

use camino::Utf8Path;

use crate::clock;
use crate::digest::Hasher;
use crate::{ArtifactError, ChartPin, Pin, Pins, Platform, Source};

/// Changes when the way of building changes in a manner that the pins do not show.
const GENERATION: &str = "1";

/// The recipes of all Go modules, read once.
#[derive(Debug, Clone)]
pub(crate) struct Recipes {
    /// By key of [`Pins::modules`].
    modules: BTreeMap<String, String>,
}

impl Recipes {
    /// Hashes `go.mod`, `go.sum` and the Go files of each module folder.
    pub(crate) fn read(pins: &Pins, kind_dir: &Utf8Path) -> Result<Self, ArtifactError> {
        let mut modules = BTreeMap::new();
        for (key, module) in &pins.modules {
            let dir = kind_dir.join(&module.dir);
            let digest = hash_folder(&dir).map_err(|e| ArtifactError::Pins {
                path: kind_dir.join(crate::pins::FILE).to_string(),
                reason: format!("its module {key} cannot be read: {e}"),
            })?;
            let mut hasher = Hasher::new();
            for field in [
                GENERATION,
                &module.path,
                &module.version,
                &module.ldflags,
                &digest,
            ] {
                hasher.field(field.as_bytes());
            }
            modules.insert(key.clone(), hasher.hex());
        }
        Ok(Recipes { modules })
    }

    /// The recipe of a part that is made from a Go module.
    pub(crate) fn of_source(&self, pin: &Pin) -> Option<String> {
        let source = pin.source.as_ref()?;
        let mut hasher = Hasher::new();
        hasher.field(self.modules.get(source.module())?.as_bytes());
        match source {
            Source::Program { package, clock, .. } => {
                hasher.field(package.as_bytes());
                for field in clock::recipe().into_iter().filter(|_| *clock) {
                    hasher.field(field.as_bytes());
                }
            }
            Source::Chart { .. } => hash_chart(&mut hasher, pin.chart.as_ref()?),
        }
        Some(short(hasher))
    }
}

/// The recipe of a part that is downloaded; `None` without a recorded digest.
pub(crate) fn of_release(pin: &Pin, platform: Platform) -> Option<String> {
    let mut hasher = Hasher::new();
    for field in [
        GENERATION,
        &pin.release_url(platform)?,
        &pin.release_member(platform).unwrap_or_default(),
        pin.release_digest(platform)?,
    ] {
        hasher.field(field.as_bytes());
    }
    if let Some(chart) = &pin.chart {
        hash_chart(&mut hasher, chart);
    }
    Some(short(hasher))
}

fn hash_chart(hasher: &mut Hasher, chart: &ChartPin) {
    let crds = chart.crds.as_deref().map_or("", Utf8Path::as_str);
    let template = chart.template.as_deref().unwrap_or_default();
    for field in [
        chart.folder.as_str(),
        &chart.version,
        &chart.app_version,
        template,
        crds,
    ] {
        hasher.field(field.as_bytes());
    }
}

/// 16 hex digits keep folder names readable; two recipes of one version do not meet by chance.
fn short(hasher: Hasher) -> String {
    let mut hex = hasher.hex();
    hex.truncate(16);
    hex
}

fn hash_folder(dir: &Utf8Path) -> std::io::Result<String> {
    let mut names: Vec<String> = Vec::new();
    for entry in fs_err::read_dir(dir)? {
        let name = entry?.file_name();
        if let Some(name) = name.to_str()
            && (name == "go.mod" || name == "go.sum" || Utf8Path::new(name).extension() == Some("go"))
        {
            names.push(name.to_owned());
        }
    }
    names.sort();
    let mut hasher = Hasher::new();
    for name in names {
        hasher.field(name.as_bytes());
        hasher.field(&fs_err::read(dir.join(&name))?);
    }
    Ok(hasher.hex())
}
