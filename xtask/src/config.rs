//! `cargo xtask config check [FILE]`: whether the file of `e2e --config` can be run, without running it.

use camino::{Utf8Path, Utf8PathBuf};
use harness_model::CONFIG_FILE;

use crate::e2e;

/// What is done with the file.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    /// Read it, and say of each target what would run; exit 2 with line and column if something is wrong
    Check {
        /// The file
        #[arg(default_value = CONFIG_FILE)]
        file: Utf8PathBuf,
    },
}

/// Checks it.
///
/// # Errors
/// Exit 2 with the place and the cure.
#[expect(clippy::print_stdout, reason = "the answer of the verb")]
pub(crate) fn run(verb: &Verb, root: &Utf8Path) -> anyhow::Result<()> {
    let Verb::Check { file } = verb;
    print!("{}", check(file, root)?);
    Ok(())
}

/// A line for each target and for what stays.
fn check(file: &Utf8Path, root: &Utf8Path) -> anyhow::Result<String> {
    let config = e2e::read_config(file)?;
    let mut lines = Vec::new();
    for name in config.targets.keys() {
        let plan = e2e::plan_of_target(file, name, root)?;
        let gate = plan.gate.as_ref();
        let held = gate.map_or_else(String::new, |gate| format!(", held against {}", gate.path));
        lines.push(format!(
            "target {name}: profile {}, ARC {}, cluster {}{held}",
            plan.profile, plan.arc, plan.cluster_reason
        ));
    }
    if let Some(retention) = config.retention {
        let runs = retention.runs.map(|runs| format!("the newest {runs} runs"));
        let days = retention
            .days
            .map(|days| format!("those of the last {days} days"));
        let kept: Vec<String> = runs.into_iter().chain(days).collect();
        lines.push(format!("retention: {} stay", kept.join(", of them ")));
    }
    lines.push(format!("{file} can be run\n"));
    Ok(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use camino_tempfile::Utf8TempDir;
    use harness_model::Exit;

    use super::*;
    use crate::refusal::exit_of;
    use crate::repository;

    #[test]
    fn the_example_can_be_run_and_a_mistake_has_its_place() {
        let root = repository::root().expect("this is the repository");
        let told = check(&root.join("docs/nightly/e2e.toml"), &root).expect("the example is good");
        assert!(told.contains("target nightly: profile extended"), "{told}");

        let folder = Utf8TempDir::new().expect("a temporary folder");
        let file = folder.path().join("e2e.toml");
        for (text, told) in [
            (
                "[targets.a]\nprofil = \"core\"\n",
                ", line 2, column 1: unknown field `profil`",
            ),
            ("[targets.a]\narc = \"9.9.9\"\n", ", target a"),
        ] {
            fs_err::write(&file, text).expect("the folder is ours");

            let error = check(&file, &root).expect_err("it cannot be run");

            assert_eq!(exit_of(&error), Exit::Usage, "{error:#}");
            assert!(
                error.to_string().starts_with(&format!("{file}{told}")),
                "{error:#}"
            );
        }
    }
}
