//! `cargo xtask shell`: enters a kept environment's namespaces with util-linux's `nsenter`.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use harness::environment::kept::{Kept, supervised};
use harness_model::Exit;
use harness_report::find_run;

/// Which environment, and what to run in it.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The run that keeps it; the newest if absent.
    #[arg(long)]
    run: Option<String>,
    /// A command in place of a shell.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

/// There is nothing to enter.
#[derive(Debug, thiserror::Error)]
#[error("no environment is kept ({why}); `cargo xtask e2e --keep` in another terminal keeps one")]
pub(crate) struct NothingKept {
    why: String,
}

/// Becomes the shell. Returns only if that fails.
pub(crate) fn enter(repository: &Utf8Path, args: &Args) -> anyhow::Result<Exit> {
    let nothing = |why: String| NothingKept { why };
    let folder =
        find_run(&repository.join("target/e2e"), args.run.as_deref()).map_err(|e| nothing(e.to_string()))?;
    let kept = Kept::read(&folder).map_err(|e| nothing(e.to_string()))?;
    let inner = supervised(&folder).ok_or_else(|| nothing(format!("the run of {folder} has ended")))?;

    let mut command = if kept.enclosed {
        let mut command = Command::new("nsenter");
        command.args([
            "--target",
            &inner.to_string(),
            "--user",
            "--preserve-credentials",
            "--mount",
            "--net",
            "--pid",
        ]);
        command.arg("--wd=/").arg("--");
        command
    } else {
        Command::new("env")
    };
    if kept.enclosed {
        command.arg("env");
    }
    let path = std::env::var("PATH").unwrap_or_default();
    command.arg(format!("KUBECONFIG={}", kept.kubeconfig));
    command.arg(format!("PATH={}:{}:{path}", kept.kubectl, kept.helm));
    if args.command.is_empty() {
        command.arg(std::env::var("SHELL").map_or_else(|_| Utf8PathBuf::from("/bin/sh"), Utf8PathBuf::from));
    } else {
        command.args(&args.command);
    }
    let error = command.exec();
    Err(anyhow::Error::new(error).context("become nsenter (package util-linux)"))
}
