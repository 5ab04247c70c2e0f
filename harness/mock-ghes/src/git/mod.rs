//! The repositories: real bare git repositories in a folder, read and served with the `git` program.
//!
//! No authorization here: the callers in `web` decide who may read or write.

mod backend;
mod store;

pub(crate) use backend::{GitRequest, serve};
pub(crate) use store::{Branch, Repositories, ResolvedRef};

use camino::Utf8PathBuf;
use tokio::process::Command;

/// A git operation failed.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The program could not be started.
    #[error("start `git`: is it installed and on the PATH?")]
    Start(#[source] std::io::Error),
    /// The program said no.
    #[error("`git {operation}` failed in {repository}: {message}")]
    Failed {
        /// The subcommand.
        operation: String,
        /// The repository's folder.
        repository: Utf8PathBuf,
        /// What it wrote to stderr.
        message: String,
    },
    /// The program's answer was not of the expected form.
    #[error("`git {operation}` answered in an unexpected form")]
    Form {
        /// The subcommand.
        operation: String,
    },
}

/// `git` with none of the user's or the machine's configuration, so that every machine behaves alike.
fn command() -> Command {
    let mut command = Command::new("git");
    command
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| name == "PATH" || name == "HOME" || name == "TMPDIR"))
        .env("LC_ALL", "C.UTF-8")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "safe.directory")
        .env("GIT_CONFIG_VALUE_0", "*")
        .kill_on_drop(true);
    command
}
