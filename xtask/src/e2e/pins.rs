//! The versions that `kind/versions.toml` pins, as far as the command line speaks of them.
//!
//! What it is not: the resolver of parts; here nothing is looked at but names and versions.

use anyhow::Context;
use camino::Utf8Path;
use serde::Deserialize;

use crate::refusal::Refusal;

/// The part that `--arc` chooses.
const ARC: &str = "arc-manager";

/// One pinned part.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Pin {
    name: String,
    version: String,
    #[serde(default)]
    default: bool,
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
    let pinned: Vec<&str> = arcs.map(|pin| pin.version.as_str()).collect();
    if pinned.contains(&version.as_str()) {
        return Ok(version);
    }
    Err(Refusal::usage(format!(
        "--arc {wanted}: no such version; there is {}; `--arc-manager PATH` takes a build of one's own",
        pinned.join(", ")
    ))
    .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pins() -> Vec<Pin> {
        [
            ("etcd", "v3.6.13", true),
            (ARC, "v0.27.3", false),
            (ARC, "v0.27.6", true),
        ]
        .map(|(name, version, default)| Pin {
            name: name.to_owned(),
            version: version.to_owned(),
            default,
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
    fn an_unknown_version_names_those_that_exist() {
        let error = arc_version(&pins(), Some("9.9.9")).expect_err("it is not pinned");

        assert_eq!(
            error.to_string(),
            "--arc 9.9.9: no such version; there is v0.27.3, v0.27.6; `--arc-manager PATH` takes a build of one's own"
        );
    }
}
