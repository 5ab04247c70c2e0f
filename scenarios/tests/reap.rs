//! Runs that are killed at every step of their journal, and in the middle of their work: nothing of them is left, at once or after one
//! `cargo xtask reap`, and their record says so.
//!
//! Each is done in namespaces of the run's own, and on plain loopback, where nothing but the journal leads to what is left. What it is not: a test of
//! what `reap` does with other people's processes; that is a unit test.

#[path = "lifecycle/runs.rs"]
#[expect(dead_code, reason = "the tests of a run's life take the rest")]
mod runs;

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, bail, ensure};
use camino::{Utf8Path, Utf8PathBuf};
use harness::model::journal::{HALT_VARIABLE, JOURNAL_FILE, RUN_VARIABLE, Record, Remains};
use harness::model::{Event, Exit, LIVE_VARIABLE, Plan};
use harness::report::{HTML_FILE, JUNIT_FILE, LOG_FILE, Outcome, REPORT_FILE, read_log};
use libtest_mimic::{Arguments, Failed, Trial};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::runs::{Process, alive, await_gone, command, descendants, read_until, record};

/// Where the plane is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In namespaces of its own.
    Enclosed,
    /// On the host's loopback, as where namespaces are refused.
    Loopback,
}

/// A check that is soon done and needs no pod.
const CHECK: &str = "verify-install::programs";

/// When the plane and ARC are up.
const AT_WORK: &str = r#""event":"check-started""#;

/// In the middle of the bring-up.
const COMING_UP: &str = r#""phase":"node and cert-manager""#;

fn main() -> ExitCode {
    let live = std::env::var_os(LIVE_VARIABLE).is_some();
    let mut trials = Vec::new();
    let mut trial = |name: String, test: Box<dyn Fn() -> anyhow::Result<()> + Send>| {
        let test = move || test().map_err(|error| Failed::from(format!("{error:#}")));
        trials.push(Trial::test(name, test).with_ignored_flag(!live));
    };
    for place in [Place::Enclosed, Place::Loopback] {
        trial(
            format!("{place:?}: kill -9 at every step of the journal"),
            Box::new(move || sweep(place)),
        );
        trial(
            format!("{place:?}: kill -9 of the inner process alone"),
            Box::new(move || inner_process(place)),
        );
        for (index, moment) in [COMING_UP, AT_WORK].into_iter().enumerate() {
            trial(
                format!("{place:?}: kill -9 of supervisor and inner process at {moment}"),
                Box::new(move || both(place, moment, index)),
            );
        }
    }
    trial(
        "a kept environment is left alone until it is asked for".to_owned(),
        Box::new(kept),
    );
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(1);
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// At each step the supervisor has just written a line and has done nothing since.
fn sweep(place: Place) -> anyhow::Result<()> {
    for step in 1.. {
        let plan = plan(&format!("step-{step}"), place)?;
        let mut command = started(&plan, place)?;
        let run = command
            .env(HALT_VARIABLE, step.to_string())
            .stdout(Stdio::null())
            .spawn()?;
        let number = pid(run.id())?;
        let halted = match waitpid(number, Some(WaitPidFlag::WUNTRACED))? {
            WaitStatus::Stopped(..) => true,
            WaitStatus::Exited(_, 0) => false,
            other => bail!("step {step}: the run ended with {other:?}"),
        };
        if !halted {
            ensure!(step > journal(&plan)?.1, "the sweep left steps out");
            return Ok(());
        }
        let written = journal(&plan)?.1;
        ensure!(
            written == step,
            "the run halted after {written} lines, not {step}"
        );
        let family = descendants(run.id());

        kill(number, Signal::SIGKILL)?;
        waitpid(number, None)?;

        let said = reap(&[])?;
        nothing_is_left(&plan, &family).with_context(|| format!("after step {step}"))?;
        closed(&plan, &said).with_context(|| format!("after step {step}"))?;
    }
    Ok(())
}

/// The supervisor lives, and cleans up itself.
fn inner_process(place: Place) -> anyhow::Result<()> {
    let plan = plan("inner", place)?;
    let mut run = started(&plan, place)?.spawn()?;
    let family = read_until(&mut run, AT_WORK)?;

    kill(pid(inside(&plan, place)?)?, Signal::SIGKILL)?;

    let status = run.wait()?;
    ensure!(
        status.code() == Some(i32::from(Exit::Harness.code())),
        "it ended with {status}, not with 4"
    );
    nothing_is_left(&plan, &family)?;
    let summary = record(&plan)?;
    ensure!(
        summary.outcome == Outcome::Broken,
        "the record says {:?}",
        summary.outcome
    );
    Ok(())
}

/// Nobody is there to clean up. On loopback the plane's programs then live on, until `reap` ends them.
fn both(place: Place, moment: &str, index: usize) -> anyhow::Result<()> {
    let plan = plan(&format!("both-{index}"), place)?;
    let mut run = started(&plan, place)?.spawn()?;
    let family = read_until(&mut run, moment)?;
    let supervisor = pid(run.id())?;

    // One that is stopped cannot notice the other's end.
    kill(supervisor, Signal::SIGSTOP)?;
    kill(pid(inside(&plan, place)?)?, Signal::SIGKILL)?;
    kill(supervisor, Signal::SIGKILL)?;

    run.wait()?;
    if place == Place::Loopback {
        let left = alive(&family);
        ensure!(
            !left.is_empty(),
            "nothing was left, so this shows nothing of reap"
        );
    } else {
        await_gone(&family)?;
    }
    let said = reap(&[])?;
    nothing_is_left(&plan, &family)?;
    closed(&plan, &said)?;
    let summary = record(&plan)?;
    ensure!(
        summary.killed && summary.killed_during.is_some(),
        "the record does not say when it was killed"
    );
    ensure!(
        reap(&[plan_folder(&plan)?.as_str()])?.contains("ended in order"),
        "the second reap has something to do"
    );
    Ok(())
}

fn kept() -> anyhow::Result<()> {
    let plan = Plan {
        keep: true,
        ..plan("kept", Place::Enclosed)?
    };
    let mut run = started(&plan, Place::Enclosed)?.spawn()?;
    let family = read_until(&mut run, "the environment is kept")?;
    let run_id = journal(&plan)?.0.run_id;

    let left_alone = reap(&[])?;
    ensure!(
        left_alone.contains(&format!("{run_id} keeps its environment")) && !alive(&family).is_empty(),
        "it said: {left_alone}"
    );
    let ended = reap(&[&run_id])?;

    ensure!(ended.contains("has torn it down"), "it said: {ended}");
    run.wait()?;
    nothing_is_left(&plan, &family)
}

fn plan(name: &str, place: Place) -> anyhow::Result<Plan> {
    Ok(Plan {
        filters: vec![CHECK.to_owned()],
        ..runs::plan(&format!("reap-{place:?}-{name}"))?
    })
}

/// The run, where it finds the namespaces of this machine, or an `unshare` that refuses them.
fn started(plan: &Plan, place: Place) -> anyhow::Result<Command> {
    let mut command = command(plan)?;
    if place == Place::Loopback {
        let folder = Utf8Path::new(&plan.repository).join("target/e2e/lifecycle/no-namespaces");
        std::fs::create_dir_all(&folder)?;
        let refusing = folder.join("unshare");
        std::fs::write(
            &refusing,
            "#!/bin/sh\necho 'unshare: no namespaces in this test' >&2\nexit 1\n",
        )?;
        std::fs::set_permissions(&refusing, std::fs::Permissions::from_mode(0o755))?;
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{folder}:{path}"));
    }
    Ok(command)
}

/// `cargo xtask reap`, without cargo.
fn reap(arguments: &[&str]) -> anyhow::Result<String> {
    let plan = runs::plan("reap")?;
    let program = Utf8Path::new(&plan.programs).join("harness");
    let output = Command::new(program).arg("reap").args(arguments).output()?;
    let said = String::from_utf8(output.stdout)?;
    ensure!(
        output.status.success(),
        "reap ended with {}: {said}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(said)
}

/// Neither what was there when the run was killed, nor anything that has its mark, nor state, nor a link.
fn nothing_is_left(plan: &Plan, family: &BTreeSet<Process>) -> anyhow::Result<()> {
    await_gone(family)?;
    let (remains, _) = journal(plan)?;
    let mark = format!("{RUN_VARIABLE}={}", remains.run_id);
    for (process, _) in runs::processes() {
        let environment = std::fs::read(format!("/proc/{}/environ", process.id)).unwrap_or_default();
        let environment = String::from_utf8_lossy(&environment);
        ensure!(
            !environment.split('\0').any(|variable| variable == mark),
            "{process:?} has the run's mark"
        );
    }
    let folder = plan_folder(plan)?;
    for file in ["state", "kept.json"] {
        ensure!(!folder.join(file).exists(), "{file} is left in {folder}");
    }
    let link = Utf8Path::new(&plan.repository)
        .join("target/e2e/.elsewhere")
        .join(&remains.run_id);
    ensure!(!link.is_symlink(), "{link} is left");
    ensure!(remains.finished, "its journal is open");
    Ok(())
}

/// The record ends, and was rendered, if the run had anything to report.
fn closed(plan: &Plan, said: &str) -> anyhow::Result<()> {
    let (remains, _) = journal(plan)?;
    let folder = plan_folder(plan)?;
    let told = format!("run {} was killed", remains.run_id);
    let log = folder.join(LOG_FILE);
    let lines = if log.is_file() { read_log(&log).ok() } else { None };
    let Some(last) = lines.as_ref().and_then(|lines| lines.last()) else {
        ensure!(said.contains("nothing to report"), "it said: {said}");
        return Ok(());
    };
    match &last.event {
        Event::Reaped { during, .. } => {
            ensure!(said.contains(&format!("{told} {during}")), "it said: {said}");
        }
        // Killed after its last event; if only the link was left, there is nothing to tell.
        Event::RunFinished { .. } => {}
        other => bail!("its last event is {other:?}"),
    }
    for file in [REPORT_FILE, JUNIT_FILE, HTML_FILE] {
        ensure!(folder.join(file).is_file(), "{file} was not written");
    }
    Ok(())
}

/// The process inside, as the host counts: the plane's first. In namespaces it is the child of `unshare`.
fn inside(plan: &Plan, place: Place) -> anyhow::Result<u32> {
    let (remains, _) = journal(plan)?;
    let started = remains.inside.context("the inner process was started")?.number;
    if place == Place::Loopback {
        return Ok(started);
    }
    let children = std::fs::read_to_string(format!("/proc/{started}/task/{started}/children"))?;
    let child = children
        .split_whitespace()
        .next()
        .context("unshare has a child")?;
    Ok(child.parse()?)
}

/// What the journal says, and how many lines it has.
fn journal(plan: &Plan) -> anyhow::Result<(Remains, usize)> {
    let text = std::fs::read_to_string(plan_folder(plan)?.join(JOURNAL_FILE))?;
    let records: Vec<Record> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let remains = Remains::fold(&records).context("it is no journal")?;
    Ok((remains, records.len()))
}

fn plan_folder(plan: &Plan) -> anyhow::Result<Utf8PathBuf> {
    Ok(Utf8PathBuf::from(
        plan.out.clone().context("the run has a folder")?,
    ))
}

fn pid(number: u32) -> anyhow::Result<Pid> {
    Ok(Pid::from_raw(i32::try_from(number)?))
}
