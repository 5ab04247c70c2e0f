//! The versions that `kind/versions.toml` pins, as far as the command line speaks of them.
//!
//! What it is not: the resolver of parts; here nothing is looked at but names and versions.

use std::collections::BTreeMap;

use anyhow::Context;
use camino::Utf8Path;
use serde::Deserialize;

use crate::refusal::Refusal;

/// The part that `--arc` chooses.
const ARC: &str = "arc-manager";
/// The same program with a clock that can be moved: there only for versions that are built here.
const ARC_CLOCK: &str = "arc-manager-clock";
/// The chart that goes with it.
const CHART: &str = "arc-chart";

/// One pinned part.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Pin {
    name: String,
    version: String,
    #[serde(default)]
    default: bool,
    /// The Go module that it can be built from.
    module: Option<String>,
    release: Option<Release>,
}

/// Of a release, what vouches for it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Release {
    #[serde(default)]
    sha256: BTreeMap<String, String>,
}

impl Pin {
    /// Whether it can be had without recording a digest first.
    fn can_be_had(&self) -> bool {
        let locked = self
            .release
            .as_ref()
            .is_some_and(|release| !release.sha256.is_empty());
        self.module.is_some() || locked
    }
}

#[derive(Deserialize)]
pub(crate) struct Pins {
    part: Vec<Pin>,
}

/// The pins of the repository.
///
/// # Errors
/// A missing or malformed file is a defect of the harness.
pub(crate) fn read(root: &Utf8Path) -> anyhow::Result<Vec<Pin>> {
    let path = root.join("kind/versions.toml");
    let text = fs_err::read_to_string(&path)?;
    let pins: Pins = toml::from_str(&text).with_context(|| format!("parsing {path}"))?;
    Ok(pins.part)
}

/// The pinned version that was asked for, as `v0.27.6`; without a wish, the one marked as default.
pub(crate) fn arc_version(pins: &[Pin], wanted: Option<&str>) -> anyhow::Result<String> {
    let mut arcs = pins.iter().filter(|pin| pin.name == ARC);
    let Some(wanted) = wanted else {
        let default = arcs.find(|pin| pin.default);
        return Ok(default
            .with_context(|| format!("kind/versions.toml marks no {ARC} as default"))?
            .version
            .clone());
    };
    let version = format!("v{}", wanted.trim_start_matches('v'));
    let (there, unlocked): (Vec<&Pin>, Vec<&Pin>) = arcs.partition(|pin| pin.can_be_had());
    if there.iter().any(|pin| pin.version == version) {
        return Ok(version);
    }
    let there: Vec<&str> = there.iter().map(|pin| pin.version.as_str()).collect();
    let there = there.join(", ");
    let refusal = if unlocked.iter().any(|pin| pin.version == version) {
        format!(
            "--arc {wanted}: no Go module that the checksum database vouches for, only an image, whose digest is not recorded; where its \
             registry answers, record it with `cargo xtask artifacts lock {ARC}@{version} {CHART}@{version}`; what can be had: {there}"
        )
    } else {
        format!(
            "--arc {wanted}: no such version; there is {there}; `--arc-manager PATH` takes a build of one's own"
        )
    };
    Err(Refusal::usage(refusal).into())
}

/// Whether a check may move the clock of this version.
pub(crate) fn has_controlled_clock(pins: &[Pin], version: &str) -> bool {
    pins.iter()
        .any(|pin| pin.name == ARC_CLOCK && pin.version == version)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pins() -> Vec<Pin> {
        let image = |sha256: &[&str]| Release {
            sha256: sha256
                .iter()
                .map(|platform| (platform.to_string(), "0".repeat(64)))
                .collect(),
        };
        [
            ("etcd", "v3.6.13", true, None),
            (ARC, "v0.27.3", false, None),
            (ARC, "v0.27.4", false, Some(image(&["linux-amd64"]))),
            (ARC, "v0.27.5", false, Some(image(&[]))),
            (ARC, "v0.27.6", true, None),
            (ARC_CLOCK, "v0.27.6", true, None),
        ]
        .map(|(name, version, default, release)| Pin {
            name: name.to_owned(),
            version: version.to_owned(),
            default,
            module: release.is_none().then(|| "arc".to_owned()),
            release,
        })
        .to_vec()
    }

    #[test]
    fn takes_a_version_with_and_without_v() {
        assert_eq!(
            arc_version(&pins(), Some("0.27.3")).expect("it is pinned"),
            "v0.27.3"
        );
        assert_eq!(
            arc_version(&pins(), Some("v0.27.3")).expect("it is pinned"),
            "v0.27.3"
        );
        assert_eq!(arc_version(&pins(), None).expect("one is the default"), "v0.27.6");
    }

    #[test]
    fn only_a_version_that_is_built_here_has_a_controlled_clock() {
        assert!(has_controlled_clock(&pins(), "v0.27.6"));
        assert!(!has_controlled_clock(&pins(), "v0.27.4"));
    }

    #[test]
    fn an_unknown_version_names_those_that_exist() {
        let error = arc_version(&pins(), Some("9.9.9")).expect_err("it is not pinned");

        assert_eq!(
            error.to_string(),
            "--arc 9.9.9: no such version; there is v0.27.3, v0.27.4, v0.27.6; `--arc-manager PATH` takes a build of one's own"
        );
    }
    #[test]
    fn an_image_without_a_digest_is_refused_with_what_can_be_had() {
        assert_eq!(
            arc_version(&pins(), Some("0.27.4")).expect("its image has a digest"),
            "v0.27.4"
        );
        let error = arc_version(&pins(), Some("0.27.5")).expect_err("its image has none");

        assert_eq!(
            error.to_string(),
            "--arc 0.27.5: no Go module that the checksum database vouches for, only an image, whose digest is not recorded; where its \
             registry answers, record it with `cargo xtask artifacts lock arc-manager@v0.27.5 arc-chart@v0.27.5`; what can be had: v0.27.3, \
             v0.27.4, v0.27.6"
        );
    }
}
