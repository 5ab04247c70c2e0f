//! `cargo xtask list`: the catalogue, printed by the scenario runner, which alone knows it.

use std::process::Command;

use camino::Utf8Path;

use crate::foreground::{Foreground, become_program};
use crate::programs::{self, Program};

/// Every check: id and profile; with `--explain` also its claim, grounds, needs and pains
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Say what each check claims, who promises it, what it does not show, what it needs
    #[arg(long)]
    explain: bool,
    /// The seeded defects instead, by which the suite proves that its checks can fail
    #[arg(long, conflicts_with = "explain")]
    defects: bool,
}

/// Becomes `e2e --list-checks [--explain]` or `e2e --list-defects`. Without a plan nothing is brought up.
pub(crate) fn run(list: &List, root: &Utf8Path, foreground: &Foreground) -> anyhow::Result<()> {
    let built = programs::build(&[Program::ScenarioRunner], false, root, foreground)?;
    let mut command = Command::new(built.path(Program::ScenarioRunner)?);
    command
        .args(arguments(list))
        .env_remove(harness_model::PLAN_VARIABLE);
    Err(become_program(&mut command))
}

fn arguments(list: &List) -> Vec<&'static str> {
    if list.defects {
        return vec!["--list-defects"];
    }
    let mut arguments = vec!["--list-checks"];
    if list.explain {
        arguments.push("--explain");
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_the_scenario_runner_for_what_the_user_asked() {
        assert_eq!(
            arguments(&List {
                explain: false,
                defects: false
            }),
            ["--list-checks"]
        );
        assert_eq!(
            arguments(&List {
                explain: true,
                defects: false
            }),
            ["--list-checks", "--explain"]
        );
        assert_eq!(
            arguments(&List {
                explain: false,
                defects: true
            }),
            ["--list-defects"]
        );
    }
}
