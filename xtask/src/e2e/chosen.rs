//! What a config file says for one run: its target, what the run may be, what stays of older ones.
//!
//! What it is not: a plan. Flags win over it, in `e2e.rs`.

use camino::Utf8Path;
use harness_model::{Config, GateFile, Profile, Retention, Target};

use super::E2e;
use crate::refusal::Refusal;

/// The chosen target, or one that says nothing where no file was named.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    pub(super) target: Target,
    pub(super) retention: Option<Retention>,
    file: Option<File>,
}

#[derive(Debug)]
struct File {
    path: String,
    name: String,
    config: Config,
}

impl Chosen {
    pub(super) fn read(e2e: &E2e) -> anyhow::Result<Chosen> {
        let Some(path) = e2e.config.as_deref() else {
            return Ok(Chosen::default());
        };
        let config = read(path)?;
        let (name, target) = config
            .target(e2e.target.as_deref())
            .map_err(|why| Refusal::usage(format!("--config {path}: {why}")))?;
        Ok(Chosen {
            target: target.clone(),
            retention: config.retention,
            file: Some(File {
                path: path.to_string(),
                name: name.to_owned(),
                config: config.clone(),
            }),
        })
    }

    /// What the file says that a run of this profile may be.
    pub(super) fn gate(&self, profile: Profile) -> Option<GateFile> {
        let file = self.file.as_ref()?;
        let gate = file.config.profiles.get(&profile)?.clone();
        let path = format!("{} [profiles.{profile}]", file.path);
        Some(GateFile { path, gate })
    }

    /// A refusal with the place of its cause, unless a flag is the cause.
    pub(super) fn blamed(&self, by_flag: bool, error: anyhow::Error) -> anyhow::Error {
        match &self.file {
            Some(file) if !by_flag => error.context(format!("{}, target {}", file.path, file.name)),
            _ => error,
        }
    }
}

/// Reads a config file.
pub(crate) fn read(path: &Utf8Path) -> Result<Config, Refusal> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Refusal::usage(format!("{path}: cannot be read: {error}")))?;
    Config::parse(&text).map_err(|error| Refusal::usage(format!("{path}, {error}")))
}

#[cfg(test)]
mod tests {
    use camino_tempfile::Utf8TempDir;
    use clap::Parser;
    use harness_model::{ClusterChoice, Exit, Plan};

    use super::*;
    use crate::refusal::exit_of;

    const TEXT: &str = r#"
[targets.nightly]
cluster = "local"
profile = "extended"
retries = 2

[targets.staging]
cluster = "local"
ghes = "https://ghes.example.com"

[profiles.extended]
max_skips = 3

[retention]
runs = 30
"#;

    fn plan_of(flags: &[&str]) -> anyhow::Result<Plan> {
        let root = super::super::tests::repository();
        let folder = Utf8TempDir::new()?;
        let file = folder.path().join("e2e.toml");
        fs_err::write(&file, TEXT)?;
        let given = ["e2e", "--config", file.as_str()];
        let e2e = E2e::try_parse_from(given.iter().chain(flags))?;
        super::super::plan(&e2e, root.path(), "cargo xtask e2e".to_owned())
    }

    #[test]
    fn the_file_fills_in_what_no_flag_says() {
        let plan = plan_of(&["--target", "nightly"]).expect("the target is good");
        let flags = ["--target", "nightly", "--profile", "core", "--retries", "0"];
        let flagged = plan_of(&flags).expect("the flags are good");

        assert_eq!(
            (plan.cluster, plan.profile, plan.retries),
            (ClusterChoice::Local, Profile::Extended, 2)
        );
        let gate = plan.gate.expect("the profile has a gate");
        assert!(
            gate.path.ends_with("e2e.toml [profiles.extended]"),
            "{}",
            gate.path
        );
        assert_eq!(gate.gate.max_skips, Some(3));
        assert_eq!(plan.retention.and_then(|retention| retention.runs), Some(30));
        assert_eq!((flagged.profile, flagged.retries), (Profile::Core, 0));
        assert_eq!(flagged.gate, None);
    }

    #[test]
    fn what_cannot_be_run_is_usage_with_its_place() {
        for (flags, told) in [
            (&[][..], "name one with --target NAME"),
            (&["--target", "weekly"], "no target `weekly`"),
            (
                &["--target", "staging"],
                "target staging: --ghes https://ghes.example.com",
            ),
        ] {
            let error = plan_of(flags).expect_err("it must be refused");

            assert_eq!(exit_of(&error), Exit::Usage, "{flags:?}: {error:#}");
            assert!(format!("{error:#}").contains(told), "{flags:?}: {error:#}");
        }
        plan_of(&["--target", "staging", "--ghes", "mock"]).expect("the flag wins");
    }
}
