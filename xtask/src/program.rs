//! Verbs that another program of this workspace carries out: build it, then become it.

use std::ffi::OsString;
use std::process::Command;

use camino::Utf8Path;
use harness_model::{PLAN_VARIABLE, PROGRAM_VARIABLE};

use crate::e2e;
use crate::foreground::{Foreground, become_program};
use crate::programs::{self, Built, FOR_A_RUN, Program};

/// Arguments that are the other program's to understand, `--help` included.
#[derive(Debug, clap::Args)]
pub(crate) struct Forwarded {
    /// What the program takes; `--help` tells
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    pub(crate) args: Vec<OsString>,
}

/// Becomes `harness VERB ARGS…`.
pub(crate) fn harness(
    verb: &str,
    forwarded: &Forwarded,
    root: &Utf8Path,
    foreground: &Foreground,
) -> anyhow::Result<()> {
    // All programs of a run, not this one alone: without the test target cargo resolves other features, and what a run
    // has just compiled would be compiled once more.
    let built = programs::build(&FOR_A_RUN, false, root, foreground)?;
    let mut command = Command::new(built.path(Program::Bin("harness"))?);
    Err(become_program(command.arg(verb).args(&forwarded.args)))
}

/// Becomes `harness mutants ARGS…`, which starts the scenario runner for each.
pub(crate) fn mutants(forwarded: &Forwarded, root: &Utf8Path, foreground: &Foreground) -> anyhow::Result<()> {
    let built = programs::build(&FOR_A_RUN, false, root, foreground)?;
    Err(become_program(
        mutants_command(root, &built)?.args(&forwarded.args),
    ))
}

/// `harness mutants` with a run's plan and the scenario runner.
pub(crate) fn mutants_command(root: &Utf8Path, built: &Built) -> anyhow::Result<Command> {
    let mut command = Command::new(built.path(Program::Bin("harness"))?);
    command
        .arg("mutants")
        .env(PLAN_VARIABLE, e2e::to_json(&e2e::default_plan(root, built)?)?)
        .env(PROGRAM_VARIABLE, built.path(Program::ScenarioRunner)?);
    Ok(command)
}

/// Becomes `mock-ghes ARGS…`. Builds it alone: who wants the mock need not wait for the rest.
pub(crate) fn mock_ghes(
    forwarded: &Forwarded,
    root: &Utf8Path,
    foreground: &Foreground,
) -> anyhow::Result<()> {
    let program = Program::Bin("mock-ghes");
    let built = programs::build(&[program], false, root, foreground)?;
    let mut command = Command::new(built.path(program)?);
    Err(become_program(command.args(&forwarded.args)))
}
