//! A run that does not end as it should: by Ctrl-C it tears down and says 130; by `kill -9` it leaves nothing running and a record that
//! still renders; a subject that dies is exit 1; a full disk is exit 3, in one sentence. And runs that do not know of each other, or have no
//! privileges: both green.

#[path = "lifecycle/runs.rs"]
mod runs;

use std::process::{Command, ExitCode, ExitStatus, Stdio};

use anyhow::{Context as _, ensure};
use harness::model::{Exit, LIVE_VARIABLE, PLAN_VARIABLE, PROGRAM_VARIABLE, Plan, Verdict};
use harness::report::Outcome;
use libtest_mimic::{Arguments, Failed, Trial};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::runs::{await_gone, plan, read_until, record, run, start};

/// Moments at which a run is cut short: in the middle of bring-up, and while checks run.
const MOMENTS: [&str; 2] = [r#""phase":"node and cert-manager""#, r#""event":"check-started""#];

fn main() -> ExitCode {
    let live = std::env::var_os(LIVE_VARIABLE).is_some();
    let mut trials = Vec::new();
    for (index, moment) in MOMENTS.into_iter().enumerate() {
        let interrupted =
            move || interrupted(moment, index).map_err(|error| Failed::from(format!("{error:#}")));
        let killed = move || killed(moment, index).map_err(|error| Failed::from(format!("{error:#}")));
        trials.push(
            Trial::test(format!("Ctrl-C at {moment} tears down"), interrupted).with_ignored_flag(!live),
        );
        trials.push(
            Trial::test(format!("kill -9 at {moment} leaves nothing"), killed).with_ignored_flag(!live),
        );
    }
    let failed = |result: anyhow::Result<()>| result.map_err(|error| Failed::from(format!("{error:#}")));
    trials.push(
        Trial::test("a manager that ends at once is a failed subject", move || {
            failed(dead_subject())
        })
        .with_ignored_flag(!live),
    );
    trials.push(
        Trial::test("a full disk is told in one sentence", move || failed(full_disk()))
            .with_ignored_flag(!live),
    );
    trials.push(
        Trial::test("two runs side by side are green", move || failed(side_by_side()))
            .with_ignored_flag(!live),
    );
    trials.push(
        Trial::test(
            "a run without privileges is green",
            move || failed(unprivileged()),
        )
        .with_ignored_flag(!live),
    );
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(1);
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn dead_subject() -> anyhow::Result<()> {
    let mut plan = plan("dead-subject")?;
    plan.arc_manager = Some("/bin/false".to_owned());

    let output = run(&plan)?.wait_with_output()?;

    let status = output.status;
    ensure!(
        status.code() == Some(i32::from(Exit::CheckFailed.code())),
        "it ended with {status}, not with 1"
    );
    let summary = record(&plan)?;
    let message = summary
        .broken
        .first()
        .map(|broken| broken.message.clone())
        .unwrap_or_default();
    ensure!(
        message.contains("the ARC manager ended with exit status: 1"),
        "it said: {message}"
    );
    Ok(())
}

fn full_disk() -> anyhow::Result<()> {
    let plan = plan("full-disk")?;
    let folder = plan.out.clone().context("the run has a folder")?;
    std::fs::create_dir_all(&folder)?;
    let program = std::env::var(PROGRAM_VARIABLE).context("`cargo xtask test` names the scenario runner")?;

    // A disk of four pages, seen by this run alone.
    let output = Command::new("unshare")
        .args([
            "-Urm",
            "sh",
            "-c",
            r#"mount -t tmpfs -o size=16k tmpfs "$1" && exec "$2""#,
            "sh",
            &folder,
            &program,
        ])
        .env(PLAN_VARIABLE, serde_json::to_string(&plan)?)
        .env_remove(LIVE_VARIABLE)
        .stdin(Stdio::null())
        .output()?;

    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        output.status.code() == Some(i32::from(Exit::Environment.code())),
        "it ended with {}: {said}",
        output.status
    );
    let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("error:")).collect();
    ensure!(
        errors.len() == 1 && errors[0].contains("No space left on device"),
        "it said: {said}"
    );
    Ok(())
}

/// Enough to show that runners register and do jobs.
const FEW: [&str; 2] = ["registration::enterprise", "quickstart::workflow"];

fn side_by_side() -> anyhow::Result<()> {
    let mut runs = Vec::new();
    for name in ["side-a", "side-b"] {
        let plan = Plan {
            filters: FEW.map(str::to_owned).to_vec(),
            ..plan(name)?
        };
        let run = run(&plan)?;
        // Whoever does not read lets the other wait.
        runs.push((plan, std::thread::spawn(move || run.wait_with_output())));
    }

    for (plan, output) in runs {
        let output = output
            .join()
            .map_err(|_| anyhow::anyhow!("a run was not read"))??;

        green(&plan, output.status)?;
    }
    Ok(())
}

/// In a user namespace without a mapping to root a process has no capability, as an ordinary user's has none; what files it may read is
/// another matter, which this does not show.
fn unprivileged() -> anyhow::Result<()> {
    let plan = Plan {
        filters: FEW.map(str::to_owned).to_vec(),
        ..plan("unprivileged")?
    };
    let program = std::env::var(PROGRAM_VARIABLE).context("`cargo xtask test` names the scenario runner")?;

    let output = Command::new("unshare")
        .args(["--user", "--map-user=65534", "--map-group=65534", &program])
        .env(PLAN_VARIABLE, serde_json::to_string(&plan)?)
        .env_remove(LIVE_VARIABLE)
        .stdin(Stdio::null())
        .output()?;

    green(&plan, output.status)
}

/// The run ended with 0, and every check that it had passed.
fn green(plan: &Plan, status: ExitStatus) -> anyhow::Result<()> {
    let summary = record(plan)?;
    let verdicts: Vec<(&str, Verdict)> = summary
        .checks
        .iter()
        .map(|result| (result.check.id.as_str(), result.verdict))
        .collect();
    let expected = FEW.map(|check| (check, Verdict::Pass));
    ensure!(
        status.success() && verdicts == expected,
        "it ended with {status}: {verdicts:?}, {:?}",
        summary.broken
    );
    Ok(())
}

fn interrupted(moment: &str, index: usize) -> anyhow::Result<()> {
    let (mut run, plan) = start(&format!("interrupted-{index}"))?;
    let family = read_until(&mut run, moment)?;

    kill(Pid::from_raw(i32::try_from(run.id())?), Signal::SIGINT)?;

    let status = run.wait()?;
    ensure!(
        status.code() == Some(i32::from(Exit::Interrupted.code())),
        "it ended with {status}, not with 130"
    );
    await_gone(&family)?;
    let summary = record(&plan)?;
    ensure!(
        summary.outcome == Outcome::Interrupted,
        "the record says {:?}",
        summary.outcome
    );
    Ok(())
}

fn killed(moment: &str, index: usize) -> anyhow::Result<()> {
    let (mut run, plan) = start(&format!("killed-{index}"))?;
    let family = read_until(&mut run, moment)?;

    run.kill()?;

    run.wait()?;
    await_gone(&family)?;
    let summary = record(&plan)?;
    ensure!(summary.killed, "the record does not tell that the run was killed");
    ensure!(!summary.checks.is_empty(), "the record has no check");
    Ok(())
}
