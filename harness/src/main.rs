//! The `harness` program: verbs that need more than xtask may link. `cargo xtask VERB` builds it and becomes it.

mod flags;
mod real_ghes;
mod reap_verb;
mod shell;
mod simulate;

use std::io::Write as _;
use std::num::NonZeroUsize;
use std::process::ExitCode;

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};
use clap::{Parser, Subcommand};
use harness_artifacts::{ArtifactError, Options, cli};
use harness_model::{Exit, PLAN_VARIABLE, PROGRAM_VARIABLE};
use harness_report::{
    LOG_FILE, Recorded, ReportError, Style, Summary, ask_gate, find_run, read_gate, read_log, replay,
};

/// GHES integration test harness.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_version_flag = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// The real parts: where they come from, which digests are locked.
    Artifacts(cli::Args),
    /// Container images of the real parts, built with the Docker engine from what is pinned; no registry is asked.
    Images(harness_images::cli::Args),
    /// Render a run again from its log: what it printed, and its report.html, report.yaml and junit.xml.
    Report {
        /// The run's id, its folder, or the beginning of its id; the newest if absent.
        run: Option<String>,
        /// A gate to ask of the run; the exit code is 1 if the run is red or the gate is broken.
        #[arg(long, value_name = "FILE")]
        gate: Option<Utf8PathBuf>,
    },
    /// What differs between two runs, on one screen; exit 0: nothing that matters, 1: something.
    Diff {
        /// As for `report`.
        first: String,
        /// As for `report`.
        second: String,
        /// Every difference that matters, in full.
        #[arg(long)]
        all: bool,
        /// Also write them all into this file: one page that loads nothing, with what moved within the noise.
        #[arg(long, value_name = "FILE")]
        html: Option<Utf8PathBuf>,
    },
    /// How each check fared over the runs that are kept: trend, flake rate, durations.
    History {
        /// The newest so many runs.
        #[arg(long, value_name = "N", default_value = "20")]
        last: NonZeroUsize,
    },
    /// A shell, or a command, inside a kept environment, with KUBECONFIG set.
    Shell(shell::Args),
    /// Finish what killed runs left: end it, remove it, close their records. Does nothing twice.
    Reap(reap_verb::Args),
    /// What an autoscaler will do under an assumed load: a table of every change, and a chart.
    Simulate(Box<simulate::Args>),
    /// The suite against ARCs that have one defect each. Exit 0: it noticed every named one and 95 % of the others.
    Mutants(harness_mutants::Args),
    /// A real GHES: what a run would find and make there, and what was left.
    Ghes(Box<real_ghes::Args>),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match carry_out(cli.verb) {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(error) => {
            complain(&error);
            ExitCode::from(exit_of(&error).code())
        }
    }
}

/// A missing part is the environment's fault; a run that is not there, or a file or a value that cannot be read, is the user's to mend.
fn exit_of(error: &anyhow::Error) -> Exit {
    if let Some(error) = error.downcast_ref::<ArtifactError>() {
        return error.exit();
    }
    if let Some(error) = error.downcast_ref::<harness_images::ImageError>() {
        return error.exit();
    }
    if let Some(error) = error.downcast_ref::<harness_mutants::Unusable>() {
        return error.exit();
    }
    let usage = error.is::<ReportError>()
        || error.is::<shell::NothingKept>()
        || error.is::<fixtures::FixtureError>()
        || error.is::<flags::Unusable>();
    if usage { Exit::Usage } else { Exit::Harness }
}

fn carry_out(verb: Verb) -> anyhow::Result<Exit> {
    match verb {
        Verb::Artifacts(args) => artifacts(args),
        Verb::Images(args) => images(args),
        Verb::Report { run, gate } => report(run.as_deref(), gate.as_deref()),
        Verb::Diff {
            first,
            second,
            all,
            html,
        } => diff(&first, &second, all, html.as_deref()),
        Verb::History { last } => {
            print(&harness_report::read_history(&runs(), last.get())?.text(style()))?;
            Ok(Exit::Green)
        }
        Verb::Reap(args) => {
            let (text, exit) = reap_verb::carry_out(&runs(), args)?;
            print(&text)?;
            Ok(exit)
        }
        Verb::Shell(args) => shell::enter(&repository(), &args),
        Verb::Simulate(args) => simulate::run(&args),
        Verb::Mutants(args) => mutants(args),
        Verb::Ghes(args) => real_ghes::run(&args),
    }
}

fn mutants(args: harness_mutants::Args) -> anyhow::Result<Exit> {
    let given = |name: &str| {
        std::env::var(name).with_context(|| format!("{name} is not set: start it with `cargo xtask mutants`"))
    };
    let plan = serde_json::from_str(&given(PLAN_VARIABLE)?).context("read the plan")?;
    let program = Utf8PathBuf::from(given(PROGRAM_VARIABLE)?);
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    runtime.block_on(harness_mutants::run(args, plan, &program, &mut std::io::stdout()))
}

fn artifacts(args: cli::Args) -> anyhow::Result<Exit> {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("another TLS provider is installed already"))?;
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    let progress = harness_artifacts::for_stderr();
    Ok(runtime.block_on(cli::run(args, parts(), &mut std::io::stdout(), progress.as_ref()))?)
}

fn images(args: harness_images::cli::Args) -> anyhow::Result<Exit> {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("another TLS provider is installed already"))?;
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    let progress = harness_artifacts::for_stderr();
    let mut out = std::io::stdout();
    let run = harness_images::cli::run(args, parts(), &mut out, progress.as_ref());
    Ok(runtime.block_on(run)?)
}

/// How the parts are resolved, before the verb's own flags.
fn parts() -> Options {
    Options {
        kind_dir: repository().join("kind"),
        cache_dir: None,
        offline: false,
        path: None,
    }
}

fn report(run: Option<&str>, gate: Option<&Utf8Path>) -> anyhow::Result<Exit> {
    let gate = gate
        .map(|path| Ok::<_, ReportError>((path, read_gate(path)?)))
        .transpose()?;
    let folder = find_run(&runs(), run)?;
    let mut lines = read_log(&folder.join(LOG_FILE))?;
    if let Some((path, gate)) = &gate {
        ask_gate(&mut lines, path.as_str(), gate);
    }
    let summary = Summary::fold(&lines);
    harness_report::write_all(&folder, &summary)?;
    print(&replay(&lines, style(), &folder))?;
    // Rendering a red run is no failure; asking whether it may pass is.
    Ok(match (gate, summary.exit) {
        (None, _) | (Some(_), 0) => Exit::Green,
        (Some(_), _) => Exit::CheckFailed,
    })
}

fn diff(first: &str, second: &str, all: bool, html: Option<&Utf8Path>) -> anyhow::Result<Exit> {
    let read = |run| Recorded::read(&find_run(&runs(), Some(run))?);
    let diff = harness_report::diff(&read(first)?, &read(second)?);
    print(&diff.text(style(), all))?;
    if let Some(file) = html {
        flags::write_file("html", file, &harness_report::diff_html(&diff))?;
        print(&format!("{:>12} {file}\n", "Page"))?;
    }
    Ok(if diff.differences() == 0 {
        Exit::Green
    } else {
        Exit::CheckFailed
    })
}

fn style() -> Style {
    if std::io::IsTerminal::is_terminal(&std::io::stdout()) {
        Style::Colour
    } else {
        Style::Plain
    }
}

fn print(text: &str) -> anyhow::Result<()> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("print the report")
}

/// Where runs are kept.
fn runs() -> Utf8PathBuf {
    repository().join("target/e2e")
}

/// The folder of the repository that this program was built in.
fn repository() -> Utf8PathBuf {
    let here = Utf8Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

#[expect(clippy::print_stderr, reason = "the last word of the program")]
fn complain(error: &anyhow::Error) {
    // Errors of the parts tell their causes themselves.
    eprintln!("error: {error:#}");
}
