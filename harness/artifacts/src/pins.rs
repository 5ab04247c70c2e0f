//! `kind/versions.toml`: every part, its versions and its sources.
//!
//! Checked while it is read, so that whoever holds [`Pins`] need not ask again. No network, no build.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;

use crate::digest::is_sha256;
use crate::{ArtifactError, Platform, image};

/// The name of the table of pins within `kind/`.
pub(crate) const FILE: &str = "versions.toml";

/// All pins.
#[derive(Debug, Clone)]
pub struct Pins {
    /// Go modules by the name that parts use for them.
    pub modules: BTreeMap<String, ModulePin>,
    /// Every version of every part, in the order of the file.
    pub parts: Vec<Pin>,
}

/// A Go module that parts are built from.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModulePin {
    /// Folder of our `go.mod` and `go.sum`, relative to `kind/`.
    pub dir: Utf8PathBuf,
    /// Path of the upstream module.
    pub path: String,
    /// Its version, the same as in `go.mod`.
    pub version: String,
    /// Passed to `go build -ldflags`; stamps the version.
    pub ldflags: String,
    /// What a first build took on two cores, in seconds; for the progress display only.
    pub first_build_seconds: u64,
}

/// One version of one part.
#[derive(Debug, Clone)]
pub struct Pin {
    /// For example `etcd`.
    pub name: String,
    /// For example `v3.6.13`; for a chart, the version of the module that carries it.
    pub version: String,
    /// Whether this version is meant when none is named.
    pub default: bool,
    /// Set for charts: which one of what carries it, and how it is assembled.
    pub chart: Option<ChartPin>,
    /// How it is made from a Go module, if it can be.
    pub source: Option<Source>,
    /// Its release, if there is one.
    pub release: Option<ReleasePin>,
}

/// How a part is made from a Go module.
#[derive(Debug, Clone)]
pub enum Source {
    /// By `go build`.
    Program {
        /// Key of [`Pins::modules`].
        module: String,
        /// The main package.
        package: String,
        /// With a wall clock that another process can move.
        clock: bool,
    },
    /// By copying a chart out of the module.
    Chart {
        /// Key of [`Pins::modules`].
        module: String,
    },
}

impl Source {
    /// Key of [`Pins::modules`].
    #[must_use]
    pub fn module(&self) -> &str {
        match self {
            Source::Program { module, .. } | Source::Chart { module } => module,
        }
    }
}

/// A Helm chart within a Go module or a release archive.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChartPin {
    /// Folder within the module or the archive.
    pub folder: Utf8PathBuf,
    /// The chart's own version.
    pub version: String,
    /// The version of the program that the chart installs by default.
    pub app_version: String,
    /// File in `folder` that `Chart.yaml` is made from, with both versions set and without its annotations.
    pub template: Option<String>,
    /// Folder within the module whose `*.yaml` go into the chart's `templates/`.
    pub crds: Option<Utf8PathBuf>,
}

/// A released file, or a released image.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleasePin {
    /// Address, with `{version}`, `{os}` and `{arch}` to fill in; `oci://` and the image's name for one in a registry.
    url: String,
    /// Path of the program within the `.tar.gz` or the image; absent if the file is the program.
    member: Option<String>,
    /// Hex SHA-256 of the file, or of the image's manifest, by platform.
    #[serde(default)]
    sha256: BTreeMap<String, String>,
}

impl Pin {
    /// `etcd v3.6.13`, as messages name it.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{} {}", self.name, self.version)
    }

    /// The version that reports name: for a chart its own, else the part's.
    #[must_use]
    pub fn reported_version(&self) -> &str {
        self.chart.as_ref().map_or(&self.version, |chart| &chart.version)
    }

    /// Whether its release is an image of a registry.
    #[must_use]
    pub fn is_image(&self) -> bool {
        self.release
            .as_ref()
            .is_some_and(|release| release.url.starts_with(image::SCHEME))
    }

    /// The release's address for a platform.
    #[must_use]
    pub fn release_url(&self, platform: Platform) -> Option<String> {
        Some(self.fill(&self.release.as_ref()?.url, platform))
    }

    /// The path within the released archive, if it is one.
    #[must_use]
    pub fn release_member(&self, platform: Platform) -> Option<String> {
        Some(self.fill(self.release.as_ref()?.member.as_ref()?, platform))
    }

    /// Whether another process can move its wall clock.
    #[must_use]
    pub fn has_controlled_clock(&self) -> bool {
        matches!(&self.source, Some(Source::Program { clock: true, .. }))
    }

    /// The recorded digest of the release for a platform; `None` is "unlocked".
    #[must_use]
    pub fn release_digest(&self, platform: Platform) -> Option<&str> {
        self.release
            .as_ref()?
            .sha256
            .get(&platform.to_string())
            .map(String::as_str)
    }

    fn fill(&self, template: &str, platform: Platform) -> String {
        template
            .replace("{version}", &self.version)
            .replace("{os}", platform.os)
            .replace("{arch}", platform.arch)
    }
}

impl Pins {
    /// Reads `versions.toml` in the folder `kind_dir`.
    ///
    /// # Errors
    /// [`ArtifactError::Pins`] if the file cannot be read, or contradicts itself.
    pub fn read(kind_dir: &Utf8Path) -> Result<Self, ArtifactError> {
        let path = kind_dir.join(FILE);
        let text = fs_err::read_to_string(&path).map_err(|e| ArtifactError::Pins {
            path: path.to_string(),
            reason: e.to_string(),
        })?;
        Self::parse(&text).map_err(|reason| ArtifactError::Pins {
            path: path.to_string(),
            reason,
        })
    }

    /// The version asked for, or the default one.
    ///
    /// # Errors
    /// [`ArtifactError::UnknownPart`] and [`ArtifactError::UnknownVersion`], which name what exists.
    pub fn select(&self, name: &str, version: Option<&str>) -> Result<&Pin, ArtifactError> {
        let named: Vec<&Pin> = self.parts.iter().filter(|pin| pin.name == name).collect();
        if named.is_empty() {
            let names: BTreeSet<&str> = self.parts.iter().map(|pin| pin.name.as_str()).collect();
            return Err(ArtifactError::UnknownPart {
                name: name.to_owned(),
                known: join(names),
            });
        }
        let found = named
            .iter()
            .find(|pin| version.map_or(pin.default, |version| pin.version == version));
        found.copied().ok_or_else(|| ArtifactError::UnknownVersion {
            name: name.to_owned(),
            version: version.unwrap_or("(default)").to_owned(),
            known: join(named.iter().map(|pin| pin.version.as_str())),
        })
    }

    /// The Go module that a part is made from.
    #[must_use]
    pub fn module_of(&self, pin: &Pin) -> Option<&ModulePin> {
        self.modules.get(pin.source.as_ref()?.module())
    }

    fn parse(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|e| {
            let line = e
                .span()
                .map_or(1, |span| text[..span.start].matches('\n').count() + 1);
            format!("line {line}: {}", e.message())
        })?;
        let parts = file
            .part
            .into_iter()
            .map(Pin::try_from)
            .collect::<Result<Vec<_>, _>>()?;
        let pins = Pins {
            modules: file.module,
            parts,
        };
        pins.check()?;
        Ok(pins)
    }

    fn check(&self) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        let mut defaults: BTreeMap<&str, usize> = BTreeMap::new();
        for pin in &self.parts {
            let label = pin.label();
            if !seen.insert((&pin.name, &pin.version)) {
                return Err(format!("{label} is there twice"));
            }
            *defaults.entry(&pin.name).or_default() += usize::from(pin.default);
            for word in [&pin.name, &pin.version] {
                // Both become folder names in the cache.
                if word.is_empty() || word.starts_with('.') || word.contains('/') {
                    return Err(format!("`{word}` in {label} cannot be a folder's name"));
                }
            }
            if let Some(source) = &pin.source {
                let module = source.module();
                if !self.modules.contains_key(module) {
                    return Err(format!("{label} names a module `{module}` that is not there"));
                }
            }
            for digest in pin.release.iter().flat_map(|release| release.sha256.values()) {
                if !is_sha256(digest) {
                    return Err(format!("`{digest}` of {label} is not a SHA-256 in lowercase hex"));
                }
            }
        }
        match defaults.iter().find(|(_, count)| **count != 1) {
            Some((name, count)) => Err(format!("{name} has {count} default versions, not one")),
            None => Ok(()),
        }
    }
}

fn join<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().collect::<Vec<_>>().join(", ")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    module: BTreeMap<String, ModulePin>,
    part: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    version: String,
    #[serde(default)]
    default: bool,
    kind: Kind,
    module: Option<String>,
    package: Option<String>,
    #[serde(default)]
    clock: bool,
    chart: Option<ChartPin>,
    release: Option<ReleasePin>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Program,
    Chart,
}

impl TryFrom<Entry> for Pin {
    type Error = String;

    fn try_from(entry: Entry) -> Result<Self, String> {
        let Entry {
            name,
            version,
            default,
            kind,
            module,
            package,
            clock,
            chart,
            release,
        } = entry;
        if clock && (package.is_none() || release.is_some()) {
            return Err(format!(
                "{name} {version} cannot have a controlled clock: only a program that is always built can"
            ));
        }
        let source = match (kind, module, package, &chart) {
            (Kind::Program, Some(module), Some(package), None) => Some(Source::Program {
                module,
                package,
                clock,
            }),
            (Kind::Program, None, None, None) if release.is_some() => None,
            (Kind::Chart, Some(module), None, Some(_)) if release.is_none() => Some(Source::Chart { module }),
            (Kind::Chart, None, None, Some(_)) if release.is_some() => None,
            (Kind::Program, ..) => {
                return Err(format!(
                    "program {name} {version} needs `module` with `package`, or `release`, or both"
                ));
            }
            (Kind::Chart, ..) => {
                return Err(format!(
                    "chart {name} {version} needs `chart` and either `module` or `release`, and nothing else"
                ));
            }
        };
        let pin = Pin {
            name,
            version,
            default,
            chart,
            source,
            release,
        };
        let has_member = pin
            .release
            .as_ref()
            .is_some_and(|release| release.member.is_some());
        if pin.is_image() && (pin.chart.is_some() || !has_member) {
            return Err(format!(
                "{}: only a program can be taken from an image, and `member` must name it there",
                pin.label()
            ));
        }
        Ok(pin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_dir() -> Utf8PathBuf {
        Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../../kind")
    }

    #[test]
    fn every_committed_module_pin_equals_its_go_mod() {
        let pins = Pins::read(&kind_dir()).expect("the committed pins are readable");

        for module in pins.modules.values() {
            let go_mod =
                fs_err::read_to_string(kind_dir().join(&module.dir).join("go.mod")).expect("a go.mod");
            let required = format!("{} {}", module.path, module.version);

            assert!(
                go_mod.contains(&required),
                "{}/go.mod must require {required}",
                module.dir
            );
            assert!(
                kind_dir().join(&module.dir).join("go.sum").exists(),
                "{} must have a go.sum",
                module.dir
            );
        }
    }

    #[test]
    fn the_committed_pins_have_every_part_of_the_spine() {
        let pins = Pins::read(&kind_dir()).expect("the committed pins are readable");

        let names: Vec<&str> = pins.parts.iter().map(|pin| pin.name.as_str()).collect();

        for name in [
            "etcd",
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
            "kubectl",
            "helm",
            "cert-manager-controller",
            "cert-manager-cainjector",
            "cert-manager-webhook",
            "cert-manager-chart",
            "arc-manager",
            "arc-manager-clock",
            "arc-github-webhook-server",
            "arc-actions-metrics-server",
            "arc-chart",
        ] {
            assert!(names.contains(&name), "{name} must be pinned");
        }
        let chart = pins
            .select("arc-chart", Some("v0.27.6"))
            .expect("the chart goes by ARC's version");
        assert_eq!(chart.reported_version(), "0.23.5");
    }

    #[test]
    fn an_unknown_version_names_what_exists() {
        let pins = Pins::read(&kind_dir()).expect("the committed pins are readable");

        let error = pins
            .select("arc-manager", Some("v9.9.9"))
            .expect_err("there is no such ARC");

        assert_eq!(
            error.to_string(),
            "arc-manager v9.9.9 is not pinned in kind/versions.toml; there is: v0.27.6, v0.27.3, v0.27.1, v0.27.5, v0.27.4"
        );
        assert_eq!(error.exit(), harness_model::Exit::Usage);
    }

    #[test]
    fn an_unknown_part_names_what_exists() {
        let pins = Pins::read(&kind_dir()).expect("the committed pins are readable");

        let error = pins.select("kubelet", None).expect_err("no kubelet is pinned");

        assert!(
            error
                .to_string()
                .starts_with("there is no part `kubelet`; there is: arc-actions-metrics-server, arc-chart, ")
        );
        assert_eq!(error.exit(), harness_model::Exit::Usage);
    }

    #[test]
    fn contradictions_are_refused_with_their_reason() {
        let program = "[[part]]\nname = \"a\"\nversion = \"1\"\nkind = \"program\"\n";
        let release = "[part.release]\nurl = \"http://127.0.0.1/a\"\n";
        let cases = [
            (
                program.to_owned(),
                "program a 1 needs `module` with `package`, or `release`, or both",
            ),
            (format!("{program}{release}"), "a has 0 default versions, not one"),
            (
                format!("{program}[part.release]\nurl = \"oci://127.0.0.1/a\"\n"),
                "a 1: only a program can be taken from an image, and `member` must name it there",
            ),
            (
                format!("{program}module = \"m\"\npackage = \".\"\n"),
                "a 1 names a module `m` that is not there",
            ),
            (
                format!("{program}clock = true\n{release}"),
                "a 1 cannot have a controlled clock: only a program that is always built can",
            ),
            (
                format!("{program}{release}{program}{release}"),
                "a 1 is there twice",
            ),
            (
                format!("{program}{release}sha256 = {{ linux-amd64 = \"ABC\" }}\n"),
                "`ABC` of a 1 is not a SHA-256 in lowercase hex",
            ),
        ];

        for (text, reason) in cases {
            assert_eq!(Pins::parse(&text).expect_err("a contradiction"), reason);
        }
    }
}
