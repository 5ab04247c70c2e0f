//! The scenarios as trials of `cargo test`.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::process::{Command, ExitCode, Stdio};

use anyhow::Context as _;
use harness_model::{
    Claim, Event, Exit, LIVE_VARIABLE, Line, OutputFormat, PLAN_VARIABLE, PROGRAM_VARIABLE, Plan, Profile,
    Verdict,
};
use harness_report::Summary;
use libtest_mimic::{Arguments, Failed, Trial};

use super::exit_code;
use super::sinks::complain;
use crate::{Defect, Scenario};

/// Without a plan: every scenario is there, ignored, since it needs an environment.
pub(crate) fn ignored(scenarios: &[Scenario]) -> ExitCode {
    let trials = scenarios.iter().map(|scenario| {
        Trial::test((scenario.check)().id, || {
            Err(Failed::from(
                "needs an environment: run it with `cargo xtask e2e`",
            ))
        })
        .with_ignored_flag(true)
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

/// A defect shows in the first of random cases; the others are another stage's.
const CASES_IN_A_PROOF: usize = 30;

/// With a plan under `cargo test`: one real run, then each check's verdict as a trial.
pub(crate) fn live(scenarios: &[Scenario], plan: &str) -> ExitCode {
    let arguments = Arguments::from_args();
    let run = serde_json::from_str(plan)
        .context("the plan is not one")
        .and_then(run_and_fold);
    let summary = match run {
        Ok(summary) => summary,
        Err(error) => {
            complain(&format!("{error:#}"));
            return exit_code(Exit::Harness);
        }
    };
    let mut trials: Vec<Trial> = scenarios
        .iter()
        .map(|scenario| {
            let id = (scenario.check)().id;
            // A check of a wider profile is none of this run's.
            let planned = summary.checks.iter().any(|result| result.check.id == id);
            let outcome = outcome(&summary, &id);
            Trial::test(id, move || outcome.map_err(Failed::from)).with_ignored_flag(!planned)
        })
        .collect();
    let exit = summary.exit;
    trials.push(Trial::test("the run as a whole", move || {
        if exit == 0 {
            Ok(())
        } else {
            Err(Failed::from(format!("it ended with exit code {exit}")))
        }
    }));
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// How many runs share the seeded defects. Defects that lie next to each other in the list resemble each other, so each goes to another
/// run, and no run has two for one check.
const RUNS: usize = 5;

/// Runs with seeded defects, as trials: exactly the defects' checks must be red, each by its own awaited value, and every other check green.
pub(crate) fn self_proof(scenarios: &'static [Scenario]) -> ExitCode {
    let plan = std::env::var(PLAN_VARIABLE)
        .ok()
        .filter(|_| std::env::var_os(LIVE_VARIABLE).is_some());
    let mut trials: Vec<Trial> = (0..RUNS)
        .map(|run| {
            let defects: Vec<Defect> = Defect::ALL.into_iter().skip(run).step_by(RUNS).collect();
            let names = defects
                .iter()
                .map(|defect| defect.name())
                .collect::<Vec<_>>()
                .join(",");
            let given = plan.clone();
            let trial = Trial::test(format!("{names} turn red exactly their checks"), move || {
                let plan = given.ok_or("needs an environment: `cargo xtask test` gives one")?;
                prove(&defects, &names, scenarios, &plan).map_err(|error| Failed::from(format!("{error:#}")))
            });
            trial.with_ignored_flag(plan.is_none())
        })
        .collect();
    trials.push(Trial::test("every check has a seeded defect", || {
        let unproven: Vec<String> = scenarios
            .iter()
            .map(|scenario| (scenario.check)().id)
            .filter(|id| !Defect::ALL.iter().any(|defect| defect.turns_red() == id))
            .collect();
        if unproven.is_empty() {
            Ok(())
        } else {
            Err(Failed::from(format!("never seen red: {unproven:?}")))
        }
    }));
    let mut arguments = Arguments::from_args();
    // A run takes the whole machine; two at once would tell of the machine.
    arguments.test_threads.get_or_insert(1);
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn prove(defects: &[Defect], names: &str, scenarios: &[Scenario], plan: &str) -> anyhow::Result<()> {
    let red: BTreeSet<&str> = defects.iter().map(|defect| defect.turns_red()).collect();
    anyhow::ensure!(
        red.len() == defects.len(),
        "two of {names} are for one check: give each a run of its own"
    );
    let mut plan: Plan = serde_json::from_str(plan).context("the plan is not one")?;
    // A check of a wider profile takes part only in the proof of its own defects.
    let proven = scenarios
        .iter()
        .map(|scenario| (scenario.check)())
        .filter(|check| red.contains(check.id.as_str()));
    plan.profile = proven.map(|check| check.profile).fold(plan.profile, Profile::max);
    if defects.iter().any(|defect| defect.prevents_installs()) {
        let others = scenarios.iter().map(|scenario| (scenario.check)());
        plan.filters = others
            .filter(|check| !matches!(check.claims, Claim::OwnArc(_)))
            .map(|check| check.id)
            .collect();
    }
    plan.defect = Some(names.to_owned());
    plan.cases = Some(CASES_IN_A_PROOF);
    plan.out = Some(format!("{}/target/e2e/self-proof/{names}", plan.repository));
    let summary = run_and_fold(plan)?;
    for result in &summary.checks {
        let expected = if red.contains(result.check.id.as_str()) {
            Verdict::Fail
        } else {
            Verdict::Pass
        };
        anyhow::ensure!(
            result.verdict == expected,
            "{} must {expected}, but its verdict is {}: {:?}",
            result.check.id,
            result.verdict,
            result.failure()
        );
    }
    let ran: BTreeSet<&str> = summary
        .checks
        .iter()
        .map(|result| result.check.id.as_str())
        .collect();
    anyhow::ensure!(red.is_subset(&ran), "of {red:?} only {ran:?} took part");
    anyhow::ensure!(
        summary.exit == Exit::CheckFailed.code(),
        "the run ended with {}, not with 1",
        summary.exit
    );
    Ok(())
}

/// Runs the plan in a process of its own and folds the lines that it prints.
fn run_and_fold(mut plan: Plan) -> anyhow::Result<Summary> {
    plan.format = OutputFormat::Json;
    let program = match std::env::var_os(PROGRAM_VARIABLE) {
        Some(program) => program.into(),
        None => std::env::current_exe().context("find this program")?,
    };
    let mut child = Command::new(program)
        .env(PLAN_VARIABLE, serde_json::to_string(&plan)?)
        .env_remove(LIVE_VARIABLE)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("start the run")?;
    let mut text = String::new();
    child
        .stdout
        .take()
        .context("the run has an output")?
        .read_to_string(&mut text)?;
    child.wait().context("wait for the run")?;
    let lines: Vec<Line> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    anyhow::ensure!(
        matches!(
            lines.first(),
            Some(Line {
                event: Event::RunStarted { .. },
                ..
            })
        ),
        "the run ended before it began: see its message above"
    );
    Ok(Summary::fold(&lines))
}

fn outcome(summary: &Summary, id: &str) -> Result<(), String> {
    let Some(result) = summary.checks.iter().find(|result| result.check.id == id) else {
        return Err("it was not part of the run".to_owned());
    };
    if result.verdict == Verdict::Pass {
        return Ok(());
    }
    let failure = result.failure();
    Err(format!(
        "verdict {}: awaited {}; last seen: {}",
        result.verdict,
        failure.map_or("nothing", |f| f.awaited.as_str()),
        failure.map_or("nothing", |f| f.last_seen.as_str()),
    ))
}
