//! The `harness` program: verbs that need more than xtask may link. `cargo xtask VERB` builds it and becomes it.

mod shell;
mod simulate;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};
use clap::{Parser, Subcommand};
use harness_artifacts::{ArtifactError, Options, cli};
use harness_model::Exit;
use harness_report::{LOG_FILE, ReportError, Style, find_run, read_log, replay};

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
    /// Render a run again from its log: what it printed, and its junit.xml and report.yaml.
    Report {
        /// The run's id, its folder, or the beginning of its id; the newest if absent.
        run: Option<String>,
    },
    /// A shell, or a command, inside a kept environment, with KUBECONFIG set.
    Shell(shell::Args),
    /// What an autoscaler will do under an assumed load: a table of every change, and a chart.
    Simulate(Box<simulate::Args>),
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
    let usage = error.is::<ReportError>()
        || error.is::<shell::NothingKept>()
        || error.is::<fixtures::FixtureError>()
        || error.is::<simulate::Unusable>();
    if usage { Exit::Usage } else { Exit::Harness }
}

fn carry_out(verb: Verb) -> anyhow::Result<Exit> {
    match verb {
        Verb::Artifacts(args) => artifacts(args),
        Verb::Report { run } => report(run.as_deref()),
        Verb::Shell(args) => shell::enter(&repository(), &args),
        Verb::Simulate(args) => simulate::run(&args),
    }
}

fn artifacts(args: cli::Args) -> anyhow::Result<Exit> {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("another TLS provider is installed already"))?;
    let options = Options {
        kind_dir: repository().join("kind"),
        cache_dir: None,
        offline: false,
        path: None,
    };
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    let progress = harness_artifacts::for_stderr();
    Ok(runtime.block_on(cli::run(args, options, &mut std::io::stdout(), progress.as_ref()))?)
}

fn report(run: Option<&str>) -> anyhow::Result<Exit> {
    let folder = find_run(&repository().join("target/e2e"), run)?;
    let lines = read_log(&folder.join(LOG_FILE))?;
    let summary = harness_report::Summary::fold(&lines);
    harness_report::write_all(&folder, &summary)?;
    let style = if std::io::IsTerminal::is_terminal(&std::io::stdout()) {
        Style::Colour
    } else {
        Style::Plain
    };
    let text = replay(&lines, style, &folder);
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("print the report")?;
    Ok(Exit::Green)
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
