//! Runs in processes of their own, and what of them still runs. What it is not: a test; those that kill runs share it.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use harness::model::{LIVE_VARIABLE, OutputFormat, PLAN_VARIABLE, PROGRAM_VARIABLE, Plan};
use harness::report::{LOG_FILE, Summary, read_log};

/// The requirement: nothing is left this long after the run was killed.
const GONE: Duration = Duration::from_secs(10);

pub(crate) fn start(name: &str) -> anyhow::Result<(Child, Plan)> {
    let plan = plan(name)?;
    Ok((run(&plan)?, plan))
}

pub(crate) fn plan(name: &str) -> anyhow::Result<Plan> {
    let plan = std::env::var(PLAN_VARIABLE).context("`cargo xtask test` gives a plan")?;
    let mut plan: Plan = serde_json::from_str(&plan)?;
    plan.format = OutputFormat::Json;
    plan.out = Some(format!("{}/target/e2e/lifecycle/{name}", plan.repository));
    Ok(plan)
}

pub(crate) fn run(plan: &Plan) -> anyhow::Result<Child> {
    command(plan)?.spawn().context("start the run")
}

/// What starts a run whose lines are read.
pub(crate) fn command(plan: &Plan) -> anyhow::Result<Command> {
    let program =
        std::env::var_os(PROGRAM_VARIABLE).context("`cargo xtask test` names the scenario runner")?;
    let mut command = Command::new(program);
    command
        .env(PLAN_VARIABLE, serde_json::to_string(plan)?)
        .env_remove(LIVE_VARIABLE)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    Ok(command)
}

/// Reads the run's lines until one holds `moment`; a thread reads the rest. Gives the processes that the run has by then.
pub(crate) fn read_until(run: &mut Child, moment: &str) -> anyhow::Result<BTreeSet<Process>> {
    let mut lines = BufReader::new(run.stdout.take().context("the run prints lines")?).lines();
    let found = lines
        .by_ref()
        .map_while(Result::ok)
        .any(|line| line.contains(moment));
    ensure!(found, "the run ended before {moment}");
    std::thread::spawn(move || lines.for_each(drop));
    let family = descendants(run.id());
    ensure!(family.len() > 2, "the run has started nothing yet: {family:?}");
    Ok(family)
}

pub(crate) fn record(plan: &Plan) -> anyhow::Result<Summary> {
    let folder = camino::Utf8PathBuf::from(plan.out.clone().context("the run has a folder")?);
    Ok(Summary::fold(&read_log(&folder.join(LOG_FILE))?))
}

/// A process, told apart from a later one of the same number by its start.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Process {
    pub(crate) id: u32,
    name: String,
    started: String,
}

/// Process and parent of every process. A zombie is gone: it only waits to be counted.
pub(crate) fn processes() -> Vec<(Process, u32)> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let ids = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let read = |id: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // The name stands in parentheses and may hold anything (proc_pid_stat(5)).
        let (head, tail) = stat.rsplit_once(')')?;
        let name = head.split_once('(')?.1.to_owned();
        let fields: Vec<&str> = tail.split_whitespace().collect();
        let parent = fields.get(1)?.parse().ok()?;
        let started = (*fields.get(19)?).to_owned();
        (fields.first() != Some(&"Z")).then_some((Process { id, name, started }, parent))
    };
    ids.filter_map(read).collect()
}

pub(crate) fn descendants(root: u32) -> BTreeSet<Process> {
    let all = processes();
    let mut family = BTreeSet::new();
    let mut parents = vec![root];
    while let Some(parent) = parents.pop() {
        for (process, _) in all.iter().filter(|(_, of)| *of == parent) {
            parents.push(process.id);
            family.insert(process.clone());
        }
    }
    family
}

pub(crate) fn await_gone(family: &BTreeSet<Process>) -> anyhow::Result<()> {
    let deadline = Instant::now() + GONE;
    loop {
        let left = alive(family);
        if left.is_empty() {
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "after {} s there still run {left:?}",
            GONE.as_secs()
        );
        std::thread::yield_now();
    }
}

/// Those of them that still run.
pub(crate) fn alive(family: &BTreeSet<Process>) -> Vec<Process> {
    let alive: BTreeSet<Process> = processes().into_iter().map(|(process, _)| process).collect();
    family.intersection(&alive).cloned().collect()
}
