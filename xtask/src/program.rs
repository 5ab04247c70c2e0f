//! Verbs that another program of this workspace carries out: build it, then become it.

use std::ffi::OsString;
use std::process::Command;

use camino::Utf8Path;

use crate::foreground::{Foreground, become_program};
use crate::programs::{self, Program};

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
    become_bin("harness", Some(verb), forwarded, root, foreground)
}

/// Becomes `mock-ghes ARGS…`.
pub(crate) fn mock_ghes(
    forwarded: &Forwarded,
    root: &Utf8Path,
    foreground: &Foreground,
) -> anyhow::Result<()> {
    become_bin("mock-ghes", None, forwarded, root, foreground)
}

fn become_bin(
    name: &'static str,
    verb: Option<&str>,
    forwarded: &Forwarded,
    root: &Utf8Path,
    foreground: &Foreground,
) -> anyhow::Result<()> {
    let program = Program::Bin(name);
    let built = programs::build(&[program], false, root, foreground)?;
    let mut command = Command::new(built.path(program)?);
    command.args(verb).args(&forwarded.args);
    Err(become_program(&mut command))
}
