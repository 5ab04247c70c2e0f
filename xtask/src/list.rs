//! `cargo xtask list`: the catalogue, printed by the scenario runner, which alone knows it.

use std::process::Command;

use camino::Utf8Path;

use crate::foreground::{Foreground, become_program};
use crate::programs::{self, Program};

/// Every check: id, profile and tags; with `--explain` also its claim, grounds and pains
#[derive(Debug, Default, clap::Args)]
pub(crate) struct List {
    /// Words, of which an id must contain one; none takes all
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
    /// Only checks with this tag: a group, what it needs, what it claims; of several tags, with all
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// Only checks of this profile
    #[arg(long, value_name = "PROFILE")]
    profile: Option<String>,
    /// Only checks that guard against this pain, by its number in docs/catalogue.md
    #[arg(long, value_name = "NUMBER")]
    pain: Option<u8>,
    /// Say what each check claims, who promises it, what it does not show
    #[arg(long)]
    explain: bool,
    /// The catalogue as a page, which docs/catalogue.md is
    #[arg(long, conflicts_with_all = ["filters", "tag", "profile", "pain", "explain"])]
    page: bool,
    /// The seeded defects instead, by which the suite proves that its checks can fail
    #[arg(long, conflicts_with_all = ["filters", "tag", "profile", "pain", "explain", "page"])]
    defects: bool,
}

/// Becomes `e2e --list-checks …` or `e2e --list-defects`. Without a plan nothing is brought up.
pub(crate) fn run(list: &List, root: &Utf8Path, foreground: &Foreground) -> anyhow::Result<()> {
    let built = programs::build(&[Program::ScenarioRunner], false, root, foreground)?;
    let mut command = Command::new(built.path(Program::ScenarioRunner)?);
    command
        .args(arguments(list))
        .env_remove(harness_model::PLAN_VARIABLE);
    Err(become_program(&mut command))
}

fn arguments(list: &List) -> Vec<String> {
    if list.defects {
        return vec!["--list-defects".to_owned()];
    }
    let mut arguments = vec!["--list-checks".to_owned()];
    arguments.extend(list.tag.iter().map(|tag| format!("--tag={tag}")));
    arguments.extend(list.profile.iter().map(|profile| format!("--profile={profile}")));
    arguments.extend(list.pain.iter().map(|pain| format!("--pain={pain}")));
    for (given, flag) in [(list.explain, "--explain"), (list.page, "--page")] {
        arguments.extend(given.then(|| flag.to_owned()));
    }
    arguments.push("--".to_owned());
    arguments.extend(list.filters.iter().cloned());
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_the_scenario_runner_for_what_the_user_asked() {
        let all = List::default();
        let some = List {
            filters: vec!["webhook".to_owned()],
            tag: vec!["own-arc".to_owned(), "ledger".to_owned()],
            pain: Some(4),
            explain: true,
            ..List::default()
        };
        let defects = List {
            defects: true,
            ..List::default()
        };

        assert_eq!(arguments(&all), ["--list-checks", "--"]);
        assert_eq!(
            arguments(&some),
            [
                "--list-checks",
                "--tag=own-arc",
                "--tag=ledger",
                "--pain=4",
                "--explain",
                "--",
                "webhook"
            ]
        );
        assert_eq!(arguments(&defects), ["--list-defects"]);
    }
}
