//! The outer process: provisions, starts the inner process in its namespaces, writes down what it tells, renders the reports.
//!
//! Whatever happens inside, even SIGKILL, the record is written here.

use std::process::Stdio;
use std::time::Instant;

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};
use harness_artifacts::ArtifactError;
use harness_cluster::error_chain;
use harness_cluster::local::{NODE_GRACE, enclosure};
use harness_model::journal::{Entry, RUN_VARIABLE, Remains, Thing};
use harness_model::{
    Check, Claim, Event, Exit, FORMAT, GateFile, INTERRUPT, Line, OutputFormat, Plan, Profile, WallClock,
};
use harness_report::{Evidence, LOG_FILE, Style, Summary, broken_lines, earned_exit, usage};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::journal::Journal;
use super::order::{INSIDE, Order};
use super::sinks::{Sinks, complain};
use super::{capabilities, provision, retention};
use crate::environment::{STATE_FOLDER, kept};
use crate::host::{self, Running};
use crate::{Defect, Scenario, reap};

/// Carries out a plan.
pub(crate) fn main(plan: Plan, scenarios: &'static [Scenario]) -> Exit {
    let selected = match select(&plan, scenarios) {
        Ok(selected) => selected,
        Err(message) => {
            complain(&message);
            return Exit::Usage;
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("the runtime cannot start: {error}"));
            return Exit::Harness;
        }
    };
    match runtime.block_on(supervise(plan, selected)) {
        Ok(exit) => exit,
        Err(error) => {
            complain(&format!("{error:#}"));
            exit_of(&error)
        }
    }
}

/// The checks that the plan's profile and filters take; a mistake in the plan is told in one sentence.
fn select(plan: &Plan, scenarios: &[Scenario]) -> Result<Vec<Check>, String> {
    for name in plan.defect.iter().flat_map(|names| names.split(',')) {
        if Defect::named(name).is_none() {
            let names = Defect::ALL.map(Defect::name).join(", ");
            return Err(format!(
                "--defect {name}: there is no such seeded defect; there are {names}"
            ));
        }
    }
    if let Some(path) = &plan.manifest {
        fixtures::read_manifests(Utf8Path::new(path)).map_err(|error| error.to_string())?;
    }
    let in_profile = |check: &Check| plan.profile == Profile::All || check.profile <= plan.profile;
    let named =
        |check: &Check| plan.filters.is_empty() || plan.filters.iter().any(|f| check.id.contains(f.as_str()));
    let checks: Vec<Check> = scenarios
        .iter()
        .map(|s| (s.check)())
        .filter(|check| in_profile(check) && named(check))
        .collect();
    if checks.is_empty() {
        let filters = plan.filters.join(" ");
        return Err(format!(
            "no check of profile {} matches `{filters}`; `cargo xtask list` shows them all",
            plan.profile
        ));
    }
    Ok(checks)
}

async fn supervise(plan: Plan, checks: Vec<Check>) -> anyhow::Result<Exit> {
    let mut interrupts = Interrupts::listen()?;
    let run_id = run_id();
    let runs = Utf8Path::new(&plan.repository).join("target/e2e");
    let folder = plan
        .out
        .as_ref()
        .map_or_else(|| runs.join(&run_id), Utf8PathBuf::from);
    let (mut journal, earlier) = match Journal::take(&folder) {
        Ok(Some(taken)) => taken,
        Ok(None) => {
            complain(&format!(
                "{folder} is the folder of a run that goes on; name another with --out DIR, or wait for its end"
            ));
            return Ok(Exit::Usage);
        }
        Err(error) => {
            complain(&cannot_be_made(&folder, &error));
            return Ok(Exit::Environment);
        }
    };
    if let Some(remains) = Remains::fold(&earlier).filter(|remains| !remains.finished) {
        reap::finish(&mut journal, &remains)
            .await
            .with_context(|| format!("finish the killed run {} in {folder}", remains.run_id))?;
    }
    journal.begin(&runs, &run_id).context("begin the journal")?;
    if let Err(error) = prepare(&folder) {
        complain(&cannot_be_made(&folder, &error));
        return Ok(Exit::Environment);
    }
    let colour = plan.format == OutputFormat::Human && std::io::IsTerminal::is_terminal(&std::io::stdout());
    let style = if colour { Style::Colour } else { Style::Plain };
    let mut sinks = Sinks::open(&folder, plan.format, style).context("begin the run log")?;
    if plan.out.is_none() {
        harness_report::mark_latest(&runs, &folder).context("point `latest` to this run")?;
    }

    let start = Instant::now();
    let (gate, retention) = (plan.gate.clone(), plan.retention);
    let result = carry_out(plan, checks, &run_id, &mut journal, &mut sinks, &mut interrupts).await;
    if let Err(error) = result {
        let message = format!("{error:#}");
        sinks.event(Event::Broken {
            message,
            exit: exit_of(&error).code(),
        })?;
    }
    tell_usage(&folder, &mut sinks)?;
    if let Some(gate) = gate {
        ask_gate(gate, &mut sinks)?;
    }
    if let Some(retention) = retention {
        let removed = retention::remove_older(&runs, retention, &run_id, jiff::Timestamp::now());
        let text = match removed {
            Ok(removed) if removed.is_empty() => None,
            Ok(removed) => Some(format!(
                "older runs that need not stay are gone: {}",
                removed.join(", ")
            )),
            Err(error) => Some(format!("older runs stay: {error}")),
        };
        if let Some(text) = text {
            sinks.event(Event::Note { text })?;
        }
    }
    let exit = earned_exit(sinks.lines());
    sinks.event(Event::RunFinished {
        exit,
        duration_ms: milliseconds(start),
    })?;
    sinks.finish().context("write the reports")?;
    journal.end().context("end the journal")?;
    Ok(match exit {
        0 => Exit::Green,
        1 => Exit::CheckFailed,
        2 => Exit::Usage,
        3 => Exit::Environment,
        130 => Exit::Interrupted,
        _ => Exit::Harness,
    })
}

/// Tells what the run took of GHES and of runners, from its evidence. A run without any has no such figures.
fn tell_usage(folder: &Utf8Path, sinks: &mut Sinks) -> anyhow::Result<()> {
    let figures = match Evidence::read(folder) {
        Ok(evidence) => usage(&evidence),
        Err(error) => {
            let text = format!("the run's evidence cannot be counted: {}", error_chain(&error));
            return Ok(sinks.event(Event::Note { text })?);
        }
    };
    for measurement in figures {
        let id = String::new();
        sinks.event(Event::Measured { id, measurement })?;
    }
    Ok(())
}

/// Asks the gate, unless the run did not get as far as its end: what it lacks then is told by why it ended.
fn ask_gate(gate: GateFile, sinks: &mut Sinks) -> anyhow::Result<()> {
    let summary = Summary::fold(sinks.lines());
    if summary.interrupted || !summary.broken.is_empty() {
        return Ok(());
    }
    let broken = broken_lines(&gate.gate, &summary);
    let file = gate.path;
    Ok(sinks.event(Event::GateChecked { file, broken })?)
}

fn cannot_be_made(folder: &Utf8Path, error: &std::io::Error) -> String {
    format!("the run's folder {folder} cannot be made: {error}; name another with --out DIR")
}

/// Makes the run's folder. An earlier run's evidence goes with its log, which is begun anew: two runs' evidence is no evidence.
fn prepare(folder: &Utf8Path) -> std::io::Result<()> {
    let evidence = folder.join("evidence");
    if folder.join(LOG_FILE).exists() && evidence.exists() {
        std::fs::remove_dir_all(&evidence)?;
    }
    std::fs::create_dir_all(evidence)
}

/// A missing part or a disk that takes no more is the environment's fault; anything else that ends here is ours.
fn exit_of(error: &anyhow::Error) -> Exit {
    if let Some(error) = error.downcast_ref::<ArtifactError>() {
        return error.exit();
    }
    let disk = [std::io::ErrorKind::StorageFull, std::io::ErrorKind::QuotaExceeded];
    let full = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|e| disk.contains(&e.kind()));
    if full { Exit::Environment } else { Exit::Harness }
}

async fn carry_out(
    plan: Plan,
    checks: Vec<Check>,
    run_id: &str,
    journal: &mut Journal,
    sinks: &mut Sinks,
    interrupts: &mut Interrupts,
) -> anyhow::Result<()> {
    let folder = journal.folder().to_owned();
    let refusal = enclosure::refusal();
    let clock = capabilities::clock(&checks, &plan, refusal.as_deref());
    sinks.event(Event::RunStarted {
        format: FORMAT,
        run_id: run_id.to_owned(),
        command: plan.command.clone(),
        profile: plan.profile.to_string(),
        cluster: "local".to_owned(),
        cluster_reason: plan.cluster_reason.clone(),
        ghes: "mock".to_owned(),
        clock: clock.to_string(),
        seed: plan.seed,
    })?;
    announce(&plan, sinks)?;
    let checks = planned(checks, &plan, refusal.as_deref(), sinks)?;
    if clock == WallClock::Controlled {
        let moved = checks.iter().filter(|check| check.moves_its_clock());
        let moved: Vec<&str> = moved.map(|check| check.id.as_str()).collect();
        sinks.event(Event::Setting {
            name: "controlled clock".to_owned(),
            value: format!(
                "{}: their own ARC and GHES; everything else is on the real clock",
                moved.join(", ")
            ),
        })?;
    }

    sinks.event(Event::PhaseStarted {
        phase: "real parts".to_owned(),
    })?;
    let start = Instant::now();
    let versions = provision::other_arcs(&plan, &checks);
    let (servers, controlled) = (provision::servers(&plan, &checks), clock == WallClock::Controlled);
    let parts = Thing::Parts {
        cache: harness_artifacts::cache_dir().into_string(),
    };
    journal.creating(parts.clone())?;
    let provisioned = tokio::select! {
        provisioned = provision::provision(&plan, &versions, &servers, controlled) => provisioned?,
        () = interrupts.next() => { sinks.event(Event::Interrupted)?; return Ok(()) }
    };
    journal.gone(parts)?;
    for part in provisioned.parts() {
        sinks.event(Event::Part { part })?;
    }
    sinks.event(Event::PhaseFinished {
        phase: "real parts".to_owned(),
        duration_ms: milliseconds(start),
    })?;
    for version in provisioned.guide_versions() {
        sinks.event(version)?;
    }
    let order = Order {
        run_id: run_id.to_owned(),
        folder,
        enclosed: refusal.is_none(),
        own_arcs: checks
            .iter()
            .filter(|check| matches!(check.claims, Claim::OwnArc(_)))
            .map(|check| check.id.clone())
            .collect(),
        checks: checks.into_iter().map(|check| check.id).collect(),
        parts: provisioned.paths()?,
        plan,
    };
    inside(&order, journal, sinks, interrupts).await
}

/// What stands in the report before anything runs: settings and departures from the guide.
fn announce(plan: &Plan, sinks: &mut Sinks) -> anyhow::Result<()> {
    let mut setting = |name: &str, value: String| {
        sinks
            .event(Event::Setting {
                name: name.to_owned(),
                value,
            })
            .map_err(anyhow::Error::from)
    };
    setting("sync period", plan.sync_period.clone())?;
    setting("runner list max-age", format!("{} s", plan.list_max_age))?;
    setting(
        "node monitor grace period",
        format!("{} s (Kubernetes: 50 s)", NODE_GRACE.as_secs()),
    )?;
    if let Some(defect) = &plan.defect {
        setting("seeded defects", defect.clone())?;
    }
    if let Some(path) = &plan.arc_webhook_server {
        setting("ARC webhook server", path.clone())?;
    }
    if let Some(manifest) = &plan.manifest {
        setting("manifest", manifest.clone())?;
    }
    for deviation in fixtures::deviations() {
        sinks.event(Event::Deviation {
            what: deviation.what(),
            guide: deviation.guide_text(),
            ours: deviation.ours_text(),
            reason: deviation.reason.clone(),
        })?;
    }
    Ok(())
}

/// Plans every check, decides the skips, and gives the checks that will run.
fn planned(
    checks: Vec<Check>,
    plan: &Plan,
    refusal: Option<&str>,
    sinks: &mut Sinks,
) -> anyhow::Result<Vec<Check>> {
    let mut run = Vec::new();
    for check in checks {
        let skip = capabilities::skip(&check, plan, refusal);
        sinks.event(Event::CheckPlanned {
            check: check.clone(),
            skip: skip.clone(),
        })?;
        if skip.is_none() {
            run.push(check);
        }
    }
    Ok(run)
}

/// Runs the inner process and takes its lines until it ends.
async fn inside(
    order: &Order,
    journal: &mut Journal,
    sinks: &mut Sinks,
    interrupts: &mut Interrupts,
) -> anyhow::Result<()> {
    let inside = Thing::Inside {
        enclosed: order.enclosed,
    };
    if !order.enclosed {
        journal.creating(Thing::State)?;
    }
    journal.creating(inside.clone())?;
    let mut child = start_inside(order)?;
    if let Some(Running { process, .. }) = child.id().and_then(host::running) {
        journal.write(Entry::Started { process })?;
    }
    let result = listen(order, &mut child, sinks, interrupts).await;
    if let Some(ended) = reap::end_left_behind(&order.run_id).await? {
        sinks.event(Event::Note {
            text: format!("the inner process left programs behind: {ended}"),
        })?;
    }
    journal.gone(inside)?;
    kept::forget(&order.folder).context("forget the kept environment")?;
    if !order.enclosed {
        // Keys and data of the plane; inside namespaces they lay on a tmpfs that went with it.
        let state = order.folder.join(STATE_FOLDER);
        match std::fs::remove_dir_all(&state) {
            Ok(()) => journal.gone(Thing::State)?,
            Err(error) => sinks.event(Event::Note {
                text: format!("{state} could not be removed: {error}"),
            })?,
        }
    }
    result
}

async fn listen(
    order: &Order,
    child: &mut Child,
    sinks: &mut Sinks,
    interrupts: &mut Interrupts,
) -> anyhow::Result<()> {
    let mut lifeline = child.stdin.take().context("the inner process has an input")?;
    let mut text = serde_json::to_string(order)?;
    text.push('\n');
    // An inner process that died at once is told below, by its status.
    let _ = lifeline.write_all(text.as_bytes()).await;
    let mut lines = BufReader::new(child.stdout.take().context("the inner process has an output")?).lines();
    let mut interrupted = false;
    loop {
        tokio::select! {
            line = lines.next_line() => match line.context("read the inner process's events")? {
                Some(text) => {
                    let line: Line = serde_json::from_str(&text)
                        .with_context(|| format!("the inner process printed no event: {text}"))?;
                    sinks.line(&line)?;
                }
                None => break,
            },
            () = interrupts.next() => {
                if !interrupted {
                    sinks.event(Event::Interrupted)?;
                }
                interrupted = true;
                let _ = lifeline.write_all(&[INTERRUPT]).await;
            }
        }
    }
    let status = child.wait().await.context("wait for the inner process")?;
    if !interrupted && !status.success() {
        let message = format!(
            "the run's inner process ended with {status} before it had finished; its log is evidence/harness.log"
        );
        sinks.event(Event::Broken {
            message,
            exit: Exit::Harness.code(),
        })?;
    }
    Ok(())
}

fn start_inside(order: &Order) -> anyhow::Result<Child> {
    let program = Utf8PathBuf::try_from(std::env::current_exe()?)?;
    let log = std::fs::File::create(order.folder.join("evidence/harness.log"))
        .context("make evidence/harness.log")?;
    let mut command = if order.enclosed {
        enclosure::enter(&program)
    } else {
        std::process::Command::new(&program)
    };
    command
        .arg(INSIDE)
        .env(RUN_VARIABLE, &order.run_id)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log);
    // Its own group: a terminal's Ctrl-C reaches the supervisor alone, which passes it on through the lifeline.
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut command = Command::from(command);
    command
        .kill_on_drop(true)
        .spawn()
        .context("start the inner process")
}

/// SIGINT and SIGTERM.
struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupts {
    fn listen() -> anyhow::Result<Interrupts> {
        Ok(Interrupts {
            interrupt: signal(SignalKind::interrupt()).context("listen to SIGINT")?,
            terminate: signal(SignalKind::terminate()).context("listen to SIGTERM")?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

pub(crate) fn run_id() -> String {
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    // Version 7 sorts by time; its tail tells two runs of one second apart.
    let unique = uuid::Uuid::now_v7().simple().to_string();
    format!(
        "{}-{}",
        now.strftime("%Y%m%dT%H%M%SZ"),
        &unique[unique.len() - 6..]
    )
}

fn milliseconds(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)
}
