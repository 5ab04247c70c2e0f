//! `cargo xtask reap`: finishes runs that were killed, by their journals: ends what of them still runs, removes what they left, and closes their record.
//!
//! What it is not: it looks for nothing that no journal names, and it leaves alone whatever runs and was not asked for.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use camino::{Utf8Path, Utf8PathBuf};
use harness_cluster::{Seen, error_chain, eventually};
use harness_model::journal::{Entry, JOURNAL_FILE, Remains, Thing};
use harness_report::{HTML_FILE, find_run, finish_killed, remove_unfinished};
use jiff::Timestamp;
use nix::sys::signal::Signal;

use crate::environment::{STATE_FOLDER, kept};
use crate::host;
use crate::run::journal::{self, ELSEWHERE, Journal};

/// How long processes may take to end after SIGKILL.
const END: Duration = Duration::from_secs(10);

/// How long a kept environment may take to tear itself down.
const TEAR_DOWN: Duration = Duration::from_secs(30);

/// Which runs to finish.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// Those that were killed.
    Killed,
    /// Those, and kept environments with them.
    All,
    /// This one, even if it keeps its environment: its id, the beginning of one, its folder, or `latest`.
    Run(String),
}

/// A run that was looked at.
#[derive(Debug)]
pub struct Reaped {
    /// Its id.
    pub run_id: String,
    /// Its folder.
    pub folder: Utf8PathBuf,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a run.
#[derive(Debug)]
pub enum Fate {
    /// It had ended in order.
    Ended,
    /// It goes on, and was left alone.
    GoesOn,
    /// It keeps its environment, and was left alone.
    Kept,
    /// Its processes, if any live, are in another PID namespace, such as another container. It was left alone.
    Elsewhere,
    /// It kept its environment and has torn it down.
    TornDown,
    /// It was killed, and is finished now.
    Finished(Finished),
    /// It could not be finished: why.
    Unfinished(String),
}

/// How a killed run was finished.
#[derive(Debug)]
pub struct Finished {
    /// What went on when it was killed; absent if it was killed before its first event, or after its last.
    pub during: Option<String>,
    /// What was ended and removed, a sentence each.
    pub did: Vec<String>,
    /// Its report; absent if it had nothing to report.
    pub report: Option<Utf8PathBuf>,
}

/// Finishes runs of this folder of runs, oldest first.
///
/// # Errors
/// If the runs cannot be listed, or there is none of that name. That one run cannot be finished is told in its [`Fate`].
pub async fn reap(runs: &Utf8Path, wanted: &Wanted) -> anyhow::Result<Vec<Reaped>> {
    let folders = match wanted {
        Wanted::Run(run) => BTreeSet::from([named(runs, run)?]),
        Wanted::Killed | Wanted::All => candidates(runs).context("list the runs")?,
    };
    let mut reaped = Vec::new();
    for folder in folders {
        let Some(remains) = journal::read(&folder) else {
            continue;
        };
        let fate = match look_after(&folder, &remains, wanted).await {
            Ok(fate) => fate,
            Err(error) => Fate::Unfinished(error_chain(error.as_ref())),
        };
        let is_news = !matches!(fate, Fate::Ended) || matches!(wanted, Wanted::Run(_));
        if is_news {
            reaped.push(Reaped {
                run_id: remains.run_id,
                folder,
                fate,
            });
        }
    }
    forget_links(runs).context("remove links to runs that are over")?;
    Ok(reaped)
}

/// The folders with a journal: of the runs here, and of those that lie elsewhere.
fn candidates(runs: &Utf8Path) -> std::io::Result<BTreeSet<Utf8PathBuf>> {
    let mut folders = BTreeSet::new();
    for entry in entries(runs)?.into_iter().chain(entries(&runs.join(ELSEWHERE))?) {
        // `latest` is a link to another of them.
        if let Ok(folder) = entry.canonicalize_utf8()
            && folder.join(JOURNAL_FILE).is_file()
        {
            folders.insert(folder);
        }
    }
    Ok(folders)
}

fn entries(folder: &Utf8Path) -> std::io::Result<Vec<Utf8PathBuf>> {
    match folder.read_dir_utf8() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries?.map(|entry| Ok(entry?.path().to_owned())).collect(),
    }
}

/// The folder of one run. A run that was killed before its first event has a journal and no log.
fn named(runs: &Utf8Path, wanted: &str) -> anyhow::Result<Utf8PathBuf> {
    let error = match find_run(runs, Some(wanted)) {
        Ok(folder) => return Ok(folder),
        Err(error) => error,
    };
    let folders = candidates(runs).context("list the runs")?;
    let is_it = |folder: &&Utf8PathBuf| {
        journal::read(folder).is_some_and(|remains| remains.run_id.starts_with(wanted))
    };
    let mut fitting = folders.iter().filter(is_it);
    match (fitting.next(), fitting.next()) {
        (Some(only), None) => Ok(only.clone()),
        _ => Err(error.into()),
    }
}

/// A link whose run is over leads nowhere that matters.
fn forget_links(runs: &Utf8Path) -> std::io::Result<()> {
    for link in entries(&runs.join(ELSEWHERE))? {
        if !link.join(JOURNAL_FILE).is_file() {
            std::fs::remove_file(link)?;
            continue;
        }
        // Whoever holds the journal may be about to begin it.
        let Some((_journal, records)) = Journal::take(&link)? else {
            continue;
        };
        let is_open = Remains::fold(&records)
            .is_some_and(|remains| !remains.finished && Some(remains.run_id.as_str()) == link.file_name());
        if !is_open {
            std::fs::remove_file(link)?;
        }
    }
    Ok(())
}

async fn look_after(folder: &Utf8Path, remains: &Remains, wanted: &Wanted) -> anyhow::Result<Fate> {
    if let Some((journal, records)) = Journal::take(folder).context("take the journal")? {
        // It may have gone on until just now.
        let remains = Remains::fold(&records).unwrap_or_else(|| remains.clone());
        return settle(journal, &remains).await;
    }
    if !host::is_alive(&remains.supervisor) && !host::is_elsewhere(&remains.supervisor) {
        // Between fork and exec a child of the dead one has its lock; or another `reap` is at work.
        let (journal, remains) = await_end(folder, remains, END).await?;
        return settle(journal, &remains).await;
    }
    if !kept::is_kept(folder) {
        return Ok(Fate::GoesOn);
    }
    if matches!(wanted, Wanted::Killed) {
        return Ok(Fate::Kept);
    }
    if host::is_elsewhere(&remains.supervisor) {
        return Ok(Fate::Elsewhere);
    }
    host::send(&remains.supervisor, Signal::SIGTERM);
    let (journal, remains) = match await_end(folder, remains, TEAR_DOWN).await {
        Ok(ended) => ended,
        Err(_) => {
            host::send(&remains.supervisor, Signal::SIGKILL);
            await_end(folder, remains, END).await?
        }
    };
    match settle(journal, &remains).await? {
        Fate::Ended => Ok(Fate::TornDown),
        fate => Ok(fate),
    }
}

/// Takes a journal once its supervisor lets it go, and what it says then.
async fn await_end(
    folder: &Utf8Path,
    remains: &Remains,
    deadline: Duration,
) -> anyhow::Result<(Journal, Remains)> {
    let awaited = format!("the end of the supervisor ({})", remains.supervisor.number);
    let taken = eventually(&awaited, deadline, || async {
        match Journal::take(folder) {
            Ok(Some(taken)) => Seen::Yes(Ok(taken)),
            Ok(None) => Seen::NotYet("its journal is held".to_owned()),
            Err(error) => Seen::Yes(Err(error)),
        }
    });
    let (journal, records) = taken.await??;
    let remains = Remains::fold(&records).unwrap_or_else(|| remains.clone());
    Ok((journal, remains))
}

async fn settle(mut journal: Journal, remains: &Remains) -> anyhow::Result<Fate> {
    if remains.finished {
        return Ok(Fate::Ended);
    }
    if host::is_elsewhere(&remains.supervisor) {
        return Ok(Fate::Elsewhere);
    }
    Ok(Fate::Finished(finish(&mut journal, remains).await?))
}

/// Finishes a killed run whose journal is taken. Whatever it does can be done again, if it is killed itself.
pub(crate) async fn finish(journal: &mut Journal, remains: &Remains) -> anyhow::Result<Finished> {
    let folder = journal.folder().to_owned();
    let mut did = Vec::new();
    for thing in remains.things.iter().rev() {
        match thing {
            Thing::Inside { .. } => did.extend(end_processes(remains).await?),
            Thing::State => {
                let state = folder.join(STATE_FOLDER);
                if state.exists() {
                    std::fs::remove_dir_all(&state).with_context(|| format!("remove {state}"))?;
                    did.push("removed the plane's state".to_owned());
                }
            }
            Thing::Parts { cache } => {
                let cleared = harness_artifacts::clear_abandoned(Utf8Path::new(cache))?;
                did.extend(
                    cleared
                        .iter()
                        .map(|part| format!("removed the half-made {part} from the cache")),
                );
            }
        }
    }
    if kept::forget(&folder).context("forget the kept environment")? {
        did.push("forgot the environment that it kept".to_owned());
    }
    remove_unfinished(&folder)?;
    let summary = finish_killed(&folder, &remains.run_id, Timestamp::now(), &did)?;
    journal.write(Entry::Reaped { did: did.clone() })?;
    Ok(Finished {
        during: summary.as_ref().and_then(|summary| summary.killed_during.clone()),
        did,
        report: summary.map(|_| folder.join(HTML_FILE)),
    })
}

/// Ends every process that was started for the run. Says what there was.
async fn end_processes(remains: &Remains) -> anyhow::Result<Vec<String>> {
    let run_id = &remains.run_id;
    let mut ended = BTreeSet::new();
    eventually(&format!("the end of every process of run {run_id}"), END, || {
        let of_inside = remains.inside.iter().filter(|inside| host::is_alive(inside));
        let inside = of_inside.filter_map(|inside| host::running(inside.number));
        let left: Vec<host::Running> = inside.chain(host::of_run(run_id)).collect();
        for running in &left {
            host::send(&running.process, Signal::SIGKILL);
            ended.insert(running.to_string());
        }
        let seen = if left.is_empty() {
            Seen::Yes(())
        } else {
            let names: Vec<String> = left.iter().map(ToString::to_string).collect();
            Seen::NotYet(names.join(", "))
        };
        std::future::ready(seen)
    })
    .await?;
    Ok(match ended.len() {
        0 => vec!["nothing of it ran any more".to_owned()],
        _ => vec![format!(
            "ended {}",
            ended.into_iter().collect::<Vec<_>>().join(", ")
        )],
    })
}

/// Ends what the inner process of a run left behind, and names it: without namespaces, nobody else does.
pub(crate) async fn end_left_behind(run_id: &str) -> anyhow::Result<Option<String>> {
    if host::of_run(run_id).is_empty() {
        return Ok(None);
    }
    let supervisor = host::this().ok_or_else(|| anyhow!("/proc does not show this process"))?;
    let remains = Remains {
        run_id: run_id.to_owned(),
        supervisor,
        inside: None,
        things: Vec::new(),
        finished: false,
    };
    Ok(Some(end_processes(&remains).await?.concat()))
}

#[cfg(test)]
mod tests;
