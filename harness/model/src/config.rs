//! The config file of a run, `e2e.toml`: what a team runs every night, in words that can be reviewed.
//!
//! ```toml
//! [targets.nightly]       # `--target nightly`; the only one needs no naming
//! cluster = "local"       # as the flags of `cargo xtask e2e`, which win over the file
//! ghes = "mock"
//! profile = "extended"
//! arc = "0.27.6"
//! retries = 1
//!
//! [profiles.extended]     # the lines of a gate, for runs of this profile
//! max_skips = 0
//!
//! [retention]             # older runs in target/e2e that go when one ends
//! runs = 30
//! days = 14
//! ```
//!
//! What it is not: a place for a secret. One that stands in it is refused, and not shown.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::toml_text::{self, TomlError};
use crate::{Gate, Profile};

/// The file's usual name.
pub const CONFIG_FILE: &str = "e2e.toml";

/// A whole file. Published as `docs/schema/config.schema.json`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// By name.
    pub targets: BTreeMap<String, Target>,
    /// What a run of each profile may be.
    #[serde(default)]
    pub profiles: BTreeMap<Profile, Gate>,
    /// What stays of older runs; absent: all.
    #[serde(default)]
    pub retention: Option<Retention>,
}

/// What is run. A line that is absent is as the flag's default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// As `--cluster`.
    pub cluster: Option<TargetCluster>,
    /// As `--ghes`.
    pub ghes: Option<String>,
    /// As `--profile`.
    pub profile: Option<Profile>,
    /// As `--arc`.
    pub arc: Option<String>,
    /// As `--retries`.
    pub retries: Option<u32>,
}

/// As `--cluster`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TargetCluster {
    /// What this machine can do.
    Auto,
    /// Processes in namespaces of the run's own.
    Local,
    /// A kind cluster.
    Kind,
}

/// Which of the runs in `target/e2e` stay when one ends. A run goes if either line says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// So many of the newest stay, the one that ends included.
    pub runs: Option<u32>,
    /// Those that began within so many days stay.
    pub days: Option<u32>,
}

impl Config {
    /// Reads a config from TOML.
    ///
    /// # Errors
    /// [`TomlError`] with the position: a secret, not TOML, an unknown key with the nearest known one, a wrong type, a section that says nothing.
    pub fn parse(text: &str) -> Result<Config, TomlError> {
        toml_text::refuse_secrets(text)?;
        let config: Config = toml_text::parse(text)?;
        let empty = |header: &str, message: &str| Err(toml_text::at(text, header, message));
        if config.targets.is_empty() {
            return empty(
                "targets",
                "no target: a table such as [targets.nightly] names one",
            );
        }
        for (profile, gate) in &config.profiles {
            if *gate == Gate::default() {
                let header = format!("profiles.{profile}");
                return empty(&header, "no line of a gate: it would allow every run");
            }
        }
        match config.retention {
            Some(Retention {
                runs: None,
                days: None,
            }) => empty("retention", "neither `runs` nor `days`: every run would stay"),
            Some(Retention { runs: Some(0), .. }) => empty(
                "retention",
                "`runs = 0`: the run that ends is one of them, so at least 1",
            ),
            _ => Ok(config),
        }
    }

    /// The target of this name, or the only one.
    ///
    /// # Errors
    /// A sentence that names those that there are.
    pub fn target(&self, name: Option<&str>) -> Result<(&str, &Target), String> {
        let names: Vec<&str> = self.targets.keys().map(String::as_str).collect();
        let listed = names.join(", ");
        match (name, names.as_slice()) {
            (None, [only]) => Ok((only, &self.targets[*only])),
            (None, _) => Err(format!("several targets ({listed}): name one with --target NAME")),
            (Some(name), _) => match self.targets.get_key_value(name) {
                Some((name, target)) => Ok((name, target)),
                None => Err(format!("no target `{name}`: there are {listed}")),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
[targets.nightly]
cluster = "local"
ghes = "mock"
profile = "extended"
arc = "0.27.6"
retries = 1

[profiles.extended]
max_skips = 0

[retention]
runs = 30
days = 14
"#;

    #[test]
    fn every_line_is_read() {
        let config = Config::parse(TEXT).expect("this is a config");

        let nightly = Target {
            cluster: Some(TargetCluster::Local),
            ghes: Some("mock".to_owned()),
            profile: Some(Profile::Extended),
            arc: Some("0.27.6".to_owned()),
            retries: Some(1),
        };
        assert_eq!(config.target(None), Ok(("nightly", &nightly)));
        assert_eq!(config.profiles[&Profile::Extended].max_skips, Some(0));
        let retention = Retention {
            runs: Some(30),
            days: Some(14),
        };
        assert_eq!(config.retention, Some(retention));
    }

    #[test]
    fn a_target_is_named_where_there_are_several() {
        let config = Config::parse("[targets.a]\n[targets.b]\n").expect("this is a config");

        let told = |name| config.target(name).expect_err("it must be refused");
        assert_eq!(told(None), "several targets (a, b): name one with --target NAME");
        assert_eq!(told(Some("c")), "no target `c`: there are a, b");
        assert_eq!(config.target(Some("b")), Ok(("b", &Target::default())));
    }

    #[test]
    fn a_mistake_is_told_with_line_column_and_cure() {
        for (text, told) in [
            ("", "line 1, column 1: missing field `targets`"),
            ("[targets]\n", "line 1, column 2: no target"),
            (
                "[targets.a]\nclustr = \"local\"\n",
                "line 2, column 1: unknown field `clustr`",
            ),
            (
                "[targets.a]\ncluster = \"lokal\"\n",
                "line 2, column 11: unknown variant `lokal`",
            ),
            (
                "[targets.a]\nretries = \"1\"\n",
                "line 2, column 11: invalid type",
            ),
            (
                "[targets.a]\n[profiles.core]\n",
                "line 2, column 2: no line of a gate",
            ),
            ("[targets.a]\n[retention]\n", "line 2, column 2: neither"),
            (
                "[targets.a]\n[retention]\nruns = 0\n",
                "line 2, column 2: `runs = 0`",
            ),
        ] {
            let error = Config::parse(text).expect_err("this is no config");

            assert!(error.to_string().starts_with(told), "{text:?}: {error}");
        }
        for (text, cure) in [
            ("[targets.a]\nclustr = \"local\"\n", "did you mean `cluster`?"),
            ("[targets.a]\n[retension]\n", "did you mean `retention`?"),
            (
                "[targets.a]\n[profiles.ekstended]\nmax_skips = 0\n",
                "did you mean `extended`?",
            ),
            (
                "[targets.a]\n[profiles.core]\nmax_skip = 0\n",
                "did you mean `max_skips`?",
            ),
        ] {
            let error = Config::parse(text).expect_err("this is no config");

            assert!(error.to_string().ends_with(cure), "{text:?}: {error}");
        }
        let far = Config::parse("[targets.a]\nxyzzy = 1\n").expect_err("this is no config");
        assert!(!far.to_string().contains("did you mean"), "{far}");
    }

    #[test]
    fn a_secret_is_refused_and_not_shown() {
        let secret = format!("ghp_{}", "a1".repeat(18));
        for (line, column) in [
            (format!("ghes = \"{secret}\""), 9),
            (format!("retries = \"{secret}\""), 12),
            ("token = \"hunter2\"".to_owned(), 1),
            ("ghes = \"https://me:hunter2@ghes.example.com\"".to_owned(), 9),
            (format!("# {secret}"), 3),
        ] {
            let error = Config::parse(&format!("[targets.a]\n{line}\n")).expect_err("it has a secret");

            assert_eq!((error.line, error.column), (2, column), "{line}: {error}");
            let told = format!("{error} {error:?}");
            assert!(
                told.contains("secret") && !told.contains("hunter2") && !told.contains(&secret),
                "{told}"
            );
        }
    }
}
