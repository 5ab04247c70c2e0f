//! `cargo xtask reap`: its flags, and what it tells.

use std::fmt::Write as _;

use camino::Utf8Path;
use harness::reap::{Fate, Reaped, Wanted, reap};
use harness_model::Exit;

/// Which runs.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// One run, as `report` takes it; its environment is ended even if it is kept.
    #[arg(conflicts_with = "all")]
    run: Option<String>,
    /// Also end kept environments (`cargo xtask e2e --keep`).
    #[arg(long)]
    all: bool,
}

/// Finishes them; gives the text to print and the exit code.
pub(crate) fn carry_out(runs: &Utf8Path, args: Args) -> anyhow::Result<(String, Exit)> {
    let wanted = match args.run {
        Some(run) => Wanted::Run(run),
        None if args.all => Wanted::All,
        None => Wanted::Killed,
    };
    let runtime = tokio::runtime::Runtime::new()?;
    let reaped = runtime.block_on(reap(runs, &wanted))?;
    let is_unfinished = |run: &Reaped| matches!(run.fate, Fate::Unfinished(_));
    let exit = if reaped.iter().any(is_unfinished) {
        Exit::Environment
    } else {
        Exit::Green
    };
    Ok((text(&reaped), exit))
}

fn text(reaped: &[Reaped]) -> String {
    if reaped.is_empty() {
        return "nothing to reap: every run ended in order\n".to_owned();
    }
    reaped.iter().map(of_run).collect()
}

fn of_run(run: &Reaped) -> String {
    let Reaped { run_id, fate, .. } = run;
    match fate {
        Fate::Ended => format!("run {run_id} ended in order: nothing to do\n"),
        Fate::GoesOn => format!("run {run_id} goes on: left alone\n"),
        Fate::Kept => format!(
            "run {run_id} keeps its environment: left alone; `cargo xtask reap {run_id}` ends it, or `--all`\n"
        ),
        Fate::Elsewhere => format!(
            "run {run_id} was started in another PID namespace, such as another container: left alone; reap it there\n"
        ),
        Fate::TornDown => format!("run {run_id} kept its environment: it has torn it down\n"),
        Fate::Unfinished(why) => format!("run {run_id} was killed and could not be finished: {why}\n"),
        Fate::Finished(finished) => {
            let mut text = match &finished.during {
                Some(during) => format!("run {run_id} was killed {during}\n"),
                None => format!("run {run_id} was killed before its first event, or after its last\n"),
            };
            for sentence in &finished.did {
                // Writing to a String cannot fail.
                let _ = writeln!(text, "  {sentence}");
            }
            let _ = match &finished.report {
                Some(report) => writeln!(text, "  its report was written: {report}"),
                None => writeln!(text, "  it had nothing to report"),
            };
            text
        }
    }
}
