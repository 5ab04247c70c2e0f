//! `cargo xtask upgrade`: may ARC be bumped? Flags in, a checked plan out; then build, then become the scenario runner.

use std::process::Command;

use anyhow::Context;
use camino::{Utf8Path, Utf8PathBuf};
use harness_model::upgrade::UpgradePlan;
use harness_model::{PLAN_VARIABLE, Plan};

use crate::e2e::{self, E2e, pins, words};
use crate::foreground::{Foreground, become_program};
use crate::programs::{self, FOR_A_RUN, Program};
use crate::refusal::Refusal;

/// May ARC be bumped? The suite on one version, the upgrade under load, the suite on the other, and an answer
#[derive(Debug, clap::Parser)]
pub(crate) struct Upgrade {
    /// Substrings of check ids for both suites; none takes all of the profile
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
    /// ARC's version before, as pinned in kind/versions.toml
    #[arg(long, value_name = "VERSION")]
    from: String,
    /// ARC's version after
    #[arg(long, value_name = "VERSION")]
    to: String,
    /// A manager program that stands for the version after
    #[arg(long, value_name = "PATH")]
    to_manager: Option<Utf8PathBuf>,
    /// A chart's folder that stands for the chart of the version after
    #[arg(long, value_name = "DIR")]
    to_chart: Option<Utf8PathBuf>,
    /// Use the cache only; no network
    #[arg(long)]
    offline: bool,
    /// The folder of the three runs and the answer, in place of target/e2e/<run id>
    #[arg(long, value_name = "DIR")]
    out: Option<Utf8PathBuf>,
    /// How the runs print: human or json
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: String,
}

/// Checks, builds, and becomes the scenario runner.
pub(crate) fn run(upgrade: &Upgrade, root: &Utf8Path, foreground: &Foreground) -> anyhow::Result<()> {
    let mut plan = plan(upgrade, root, words::command_line(std::env::args().skip(1)))?;
    let built = programs::build(&FOR_A_RUN, upgrade.offline, root, foreground)?;
    e2e::place_programs(&mut plan, &built)?;
    let mut command = Command::new(built.path(Program::ScenarioRunner)?);
    command.env(PLAN_VARIABLE, e2e::to_json(&plan)?);
    Err(become_program(&mut command))
}

fn plan(upgrade: &Upgrade, root: &Utf8Path, command: String) -> anyhow::Result<Plan> {
    let mut words = vec!["e2e", "--cluster", "local", "--arc", &upgrade.from];
    words.extend(["--format", &upgrade.format]);
    if upgrade.offline {
        words.push("--offline");
    }
    if let Some(out) = &upgrade.out {
        words.extend(["--out", out.as_str()]);
    }
    words.extend(upgrade.filters.iter().map(String::as_str));
    let e2e = <E2e as clap::Parser>::try_parse_from(words)
        .map_err(|error| Refusal::usage(error.to_string().trim().to_owned()))?;
    let mut plan = e2e::plan(&e2e, root, command)?;
    let to_manager = upgrade
        .to_manager
        .as_deref()
        .map(|path| e2e::executable("--to-manager", path))
        .transpose()?;
    let to_chart = upgrade.to_chart.as_deref().map(chart).transpose()?;
    plan.upgrade = Some(UpgradePlan {
        to: pins::arc_version(&pins::read(root)?, Some(&upgrade.to))?,
        to_manager,
        to_chart,
    });
    Ok(plan)
}

fn chart(path: &Utf8Path) -> anyhow::Result<String> {
    if !path.join("Chart.yaml").is_file() {
        return Err(
            Refusal::usage(format!("--to-chart {path}: no chart, since it has no Chart.yaml")).into(),
        );
    }
    e2e::absolute(path).with_context(|| format!("find {path}"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use harness_model::Exit;

    use super::*;
    use crate::refusal::exit_of;

    fn plan_of(words: &[&str]) -> anyhow::Result<Plan> {
        let upgrade = Upgrade::try_parse_from([&["upgrade"], words].concat()).expect("the flags are known");
        plan(
            &upgrade,
            &crate::repository::root()?,
            "cargo xtask upgrade".to_owned(),
        )
    }

    #[test]
    fn both_versions_are_pinned_ones() {
        let plan = plan_of(&["--from", "0.27.3", "--to", "v0.27.6"]).expect("both are pinned");

        assert_eq!(plan.arc, "v0.27.3");
        assert_eq!(plan.upgrade.map(|upgrade| upgrade.to).as_deref(), Some("v0.27.6"));
    }

    #[test]
    fn what_cannot_be_had_is_a_mistake_of_usage() {
        for words in [
            ["--from", "0.27.4", "--to", "0.27.6"].as_slice(),
            &["--from", "0.27.3", "--to", "9.9.9"],
            &["--from", "0.27.3", "--to", "0.27.6", "--to-chart", "/nonexistent"],
            &[
                "--from",
                "0.27.3",
                "--to",
                "0.27.6",
                "--to-manager",
                "/nonexistent",
            ],
        ] {
            let error = plan_of(words).expect_err("it cannot be had");

            assert_eq!(exit_of(&error), Exit::Usage, "{error:#}");
        }
    }
}
