//! The oracle against the real ARC on a few hundred random cases, in UTC and where clocks change: a run of its own of the checks `oracle::…`.
//!
//! What it is not: the comparison, which is those checks'. Thousands of cases: `cargo xtask e2e oracle:: --profile extended --cases 1000`.

use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, ensure};
use camino::Utf8PathBuf;
use harness::model::{LIVE_VARIABLE, OutputFormat, PLAN_VARIABLE, PROGRAM_VARIABLE, Plan, Profile, Verdict};
use harness::report::{LOG_FILE, Summary, read_log};
use libtest_mimic::{Arguments, Failed, Trial};

/// Both zones together.
const AT_LEAST: f64 = 200.0;

fn main() -> ExitCode {
    let live = std::env::var_os(LIVE_VARIABLE).is_some();
    let trial = Trial::test("random cases in two zones agree with the oracle", || {
        agree().map_err(|error| Failed::from(format!("{error:#}")))
    });
    libtest_mimic::run(&Arguments::from_args(), vec![trial.with_ignored_flag(!live)]).exit_code()
}

fn agree() -> anyhow::Result<()> {
    let given = std::env::var(PLAN_VARIABLE).context("`cargo xtask test` gives a plan")?;
    let given: Plan = serde_json::from_str(&given)?;
    let folder = Utf8PathBuf::from(&given.repository).join("target/e2e/differential");
    let plan = Plan {
        filters: vec!["oracle::".to_owned()],
        profile: Profile::Extended,
        format: OutputFormat::Human,
        out: Some(folder.clone().into_string()),
        ..given
    };
    let program = std::env::var(PROGRAM_VARIABLE).context("`cargo xtask test` names the scenario runner")?;

    let status = Command::new(program)
        .env(PLAN_VARIABLE, serde_json::to_string(&plan)?)
        .env_remove(LIVE_VARIABLE)
        .stdin(Stdio::null())
        .status()?;

    let summary = Summary::fold(&read_log(&folder.join(LOG_FILE))?);
    ensure!(
        status.success() && summary.count(Verdict::Pass) == 2,
        "it ended with {status}; again: cargo xtask e2e oracle:: --profile extended --seed {}",
        plan.seed
    );
    let figures = summary.checks.iter().flat_map(|result| &result.measurements);
    let cases: f64 = figures
        .filter(|figure| figure.name == "random cases")
        .map(|figure| figure.value)
        .sum();
    ensure!(cases >= AT_LEAST, "only {cases} cases were played");
    Ok(())
}
