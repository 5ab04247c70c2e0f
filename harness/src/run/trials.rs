//! The scenarios as trials of `cargo test`.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::process::{Command, ExitCode, Stdio};

use anyhow::Context as _;
use camino::Utf8Path;
use harness_model::{
    Check, Claim, Event, Exit, LIVE_VARIABLE, Line, OutputFormat, PLAN_VARIABLE, PROGRAM_VARIABLE, Plan,
    Profile, Verdict,
};
use harness_report::{HTML_FILE, Summary};
use libtest_mimic::{Arguments, Failed, Trial};

use super::sinks::complain;
use super::{FirstScreen, exit_code};
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

/// So many defects have their first screen judged, at least.
const FIRST_SCREENS: usize = 10;

/// Runs with seeded defects, as trials: exactly the defects' checks must be red, each by its own awaited value, and every other check green;
/// and the page's first screen must lead from red to cause.
pub(crate) fn self_proof(scenarios: &'static [Scenario], first_screens: &'static [FirstScreen]) -> ExitCode {
    let plan = std::env::var(PLAN_VARIABLE)
        .ok()
        .filter(|_| std::env::var_os(LIVE_VARIABLE).is_some());
    let checks: Vec<Check> = scenarios.iter().map(|scenario| (scenario.check)()).collect();
    let mut trials: Vec<Trial> = batches(&checks)
        .into_iter()
        .enumerate()
        .map(|(run, defects)| {
            let names = defects
                .iter()
                .map(|defect| defect.name())
                .collect::<Vec<_>>()
                .join(",");
            let given = plan.clone();
            let trial = Trial::test(format!("{names} turn red exactly their checks"), move || {
                let plan = given.ok_or("needs an environment: `cargo xtask test` gives one")?;
                prove(run, &defects, scenarios, first_screens, &plan)
                    .map_err(|error| Failed::from(format!("{error:#}")))
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
    trials.push(Trial::test("every defect has a run", || {
        let checks: Vec<Check> = scenarios.iter().map(|scenario| (scenario.check)()).collect();
        let placed = batches(&checks).concat();
        match Defect::ALL.iter().find(|defect| !placed.contains(defect)) {
            None => Ok(()),
            Some(lost) => Err(Failed::from(format!(
                "no run has room for {}: add one",
                lost.name()
            ))),
        }
    }));
    trials.push(Trial::test("ten defects say what the first screen shows", || {
        let known: BTreeSet<&str> = first_screens
            .iter()
            .filter(|screen| Defect::named(screen.defect).is_some())
            .map(|screen| screen.defect)
            .collect();
        if known.len() == first_screens.len() && known.len() >= FIRST_SCREENS {
            Ok(())
        } else {
            Err(Failed::from(format!("each once, and no others: {known:?}")))
        }
    }));
    let mut arguments = Arguments::from_args();
    // A run takes the whole machine; two at once would tell of the machine.
    arguments.test_threads.get_or_insert(1);
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Every defect in one of [`RUNS`] runs of much the same size: none beside another for the same check, and none for a check that another
/// leaves out of its run.
fn batches(checks: &[Check]) -> Vec<Vec<Defect>> {
    let has_own_arc = |defect: &Defect| {
        let check = checks.iter().find(|check| check.id == defect.turns_red());
        check.is_some_and(|check| matches!(check.claims, Claim::OwnArc(_)))
    };
    let apart = |one: &Defect, other: &Defect| {
        one.turns_red() == other.turns_red()
            || (one.prevents_installs() && has_own_arc(other))
            || (other.prevents_installs() && has_own_arc(one))
    };
    let mut batches = vec![Vec::<Defect>::new(); RUNS];
    for defect in Defect::ALL {
        let free = batches
            .iter_mut()
            .filter(|batch| !batch.iter().any(|other| apart(&defect, other)));
        if let Some(batch) = free.min_by_key(|batch| batch.len()) {
            batch.push(defect);
        }
    }
    batches
}

fn prove(
    run: usize,
    defects: &[Defect],
    scenarios: &[Scenario],
    first_screens: &[FirstScreen],
    plan: &str,
) -> anyhow::Result<()> {
    let red: BTreeSet<&str> = defects.iter().map(|defect| defect.turns_red()).collect();
    let mut plan: Plan = serde_json::from_str(plan).context("the plan is not one")?;
    // A check of a wider profile takes part only in the proof of its own defects.
    let installs = !defects.iter().any(|defect| defect.prevents_installs());
    plan.filters = scenarios
        .iter()
        .map(|scenario| (scenario.check)())
        .filter(|check| check.profile <= plan.profile || red.contains(check.id.as_str()))
        .filter(|check| installs || !matches!(check.claims, Claim::OwnArc(_)))
        .map(|check| check.id)
        .collect();
    plan.profile = Profile::All;
    let names: Vec<&str> = defects.iter().map(|defect| defect.name()).collect();
    plan.defect = Some(names.join(","));
    plan.cases = Some(CASES_IN_A_PROOF);
    let folder = format!("{}/target/e2e/self-proof/{}", plan.repository, run + 1);
    plan.out = Some(folder.clone());
    let summary = run_and_fold(plan)?;
    for result in &summary.checks {
        let (must, is_so) = if red.contains(result.check.id.as_str()) {
            ("fail", result.verdict == Verdict::Fail)
        } else {
            ("pass, or fail as expected", is_as_it_should_be(result.verdict))
        };
        anyhow::ensure!(
            is_so,
            "{} must {must}, but its verdict is {}: {:?}",
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
    let page = Utf8Path::new(&folder).join(HTML_FILE);
    let page = std::fs::read_to_string(&page).with_context(|| format!("read {page}"))?;
    for defect in defects {
        let of_defect = first_screens.iter().find(|screen| screen.defect == defect.name());
        of_defect.map_or(Ok(()), |screen| screen.is_on(&page, defect.turns_red()))?;
    }
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

/// A flaky check is not.
fn is_as_it_should_be(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Pass | Verdict::ExpectedFailure)
}

fn outcome(summary: &Summary, id: &str) -> Result<(), String> {
    let Some(result) = summary.checks.iter().find(|result| result.check.id == id) else {
        return Err("it was not part of the run".to_owned());
    };
    if is_as_it_should_be(result.verdict) {
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
