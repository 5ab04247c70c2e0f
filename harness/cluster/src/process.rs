//! Programs that run beside the cluster: started with a log file, watched, ended with their owner.
//!
//! Inside the run's own PID namespace the kernel ends them all when the run dies; `kill_on_drop` covers the rest.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use harness_model::Redactor;
use harness_model::journal::RUN_VARIABLE;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::Command;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A program could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The log file could not be made.
    #[error("make the log file {path} of {name}")]
    Log {
        /// The program's name.
        name: String,
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The program could not be run.
    #[error("run {name} ({path})")]
    Spawn {
        /// The program's name.
        name: String,
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// What to run.
#[derive(Debug, Clone)]
pub struct Program {
    name: String,
    path: Utf8PathBuf,
    args: Vec<String>,
    env: BTreeMap<String, String>,
    redactor: Option<Redactor>,
}

impl Program {
    /// The program at `path`, called `name` in logs. Of our environment it inherits `PATH`, and the mark by which a run's programs are found.
    #[must_use]
    pub fn new(name: impl Into<String>, path: impl Into<Utf8PathBuf>) -> Program {
        Program {
            name: name.into(),
            path: path.into(),
            args: Vec::new(),
            env: BTreeMap::new(),
            redactor: None,
        }
    }

    /// Adds arguments. Never a secret: arguments are visible to everybody.
    #[must_use]
    pub fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Program {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Program {
        self.env.insert(name.into(), value.into());
        self
    }

    /// Has its output cleaned of secrets on the way to the log: ARC's debug log prints whole pods, tokens included.
    #[must_use]
    pub fn redacted(mut self, redactor: Redactor) -> Program {
        self.redactor = Some(redactor);
        self
    }

    /// Starts it; standard output and error go to `{logs}/{name}.log`.
    ///
    /// # Errors
    /// [`ProcessError`].
    pub fn start(self, logs: &Utf8Path) -> Result<Process, ProcessError> {
        let log = logs.join(format!("{}.log", self.name));
        let log_error = |source| ProcessError::Log {
            name: self.name.clone(),
            path: log.clone(),
            source,
        };
        let out = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .map_err(log_error)?;
        let err = out.try_clone().map_err(log_error)?;
        let mut command = Command::new(&self.path);
        command
            .args(&self.args)
            .env_clear()
            .envs(
                ["PATH", RUN_VARIABLE]
                    .into_iter()
                    .filter_map(|name| Some((name, std::env::var_os(name)?))),
            )
            .envs(&self.env)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        match self.redactor {
            Some(_) => command.stdout(Stdio::piped()).stderr(Stdio::piped()),
            None => command.stdout(out.try_clone().map_err(log_error)?).stderr(err),
        };
        let mut child = command.spawn().map_err(|source| ProcessError::Spawn {
            name: self.name.clone(),
            path: self.path.clone(),
            source,
        })?;
        let pid = child.id();
        let mut copies = JoinSet::new();
        if let Some(redactor) = self.redactor {
            let out = Arc::new(Mutex::new(out));
            if let Some(pipe) = child.stdout.take() {
                copies.spawn(copy_cleaned(pipe, out.clone(), redactor.clone()));
            }
            if let Some(pipe) = child.stderr.take() {
                copies.spawn(copy_cleaned(pipe, out, redactor));
            }
        }
        let (exited_tx, exited) = watch::channel(None);
        let (kill, mut killed) = watch::channel(false);
        tokio::spawn(async move {
            // Told to, or the `Process` is dropped: either way the program must end.
            let killed = async move { killed.wait_for(|killed| *killed).await.map(drop) };
            let status = tokio::select! {
                status = child.wait() => status,
                _ = killed => { let _ = child.start_kill(); child.wait().await }
            };
            // Its last words are in the log before its end is told; a child of its own may hold the pipe for longer.
            let _ = tokio::time::timeout(Duration::from_secs(1), copies.join_all()).await;
            exited_tx.send_replace(Some(Exited { status: status.ok() }));
        });
        Ok(Process {
            name: self.name,
            log,
            pid,
            exited,
            kill,
        })
    }
}

async fn copy_cleaned(pipe: impl AsyncRead + Unpin, log: Arc<Mutex<File>>, redactor: Redactor) {
    let mut lines = BufReader::new(pipe).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        let mut text = redactor.clean(&String::from_utf8_lossy(&line));
        text.push('\n');
        let written = log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .write_all(text.as_bytes());
        if let Err(error) = written {
            tracing::warn!(%error, "a program's output is lost");
        }
    }
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exited {
    /// Its status; absent if it could not be had.
    pub status: Option<ExitStatus>,
}

impl std::fmt::Display for Exited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.status {
            Some(status) => write!(f, "{status}"),
            None => f.write_str("unknown status"),
        }
    }
}

/// A running program. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    name: String,
    log: Utf8PathBuf,
    pid: Option<u32>,
    exited: watch::Receiver<Option<Exited>>,
    kill: watch::Sender<bool>,
}

impl Process {
    /// The name given at start.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where its output goes.
    #[must_use]
    pub fn log(&self) -> &Utf8Path {
        &self.log
    }

    /// How it ended, if it has.
    #[must_use]
    pub fn exited(&self) -> Option<Exited> {
        *self.exited.borrow()
    }

    /// A watch on its end, for whoever must notice.
    #[must_use]
    pub fn exit_watch(&self) -> watch::Receiver<Option<Exited>> {
        self.exited.clone()
    }

    /// The last lines of its output, for error messages.
    #[must_use]
    pub fn tail(&self, lines: usize) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let all: Vec<&str> = text.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    /// SIGTERM, then SIGKILL after `grace`.
    pub async fn stop(&self, grace: Duration) {
        if self.exited().is_none()
            && let Some(pid) = self.pid.and_then(|pid| i32::try_from(pid).ok())
        {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let mut exited = self.exited.clone();
        let ended = tokio::time::timeout(grace, exited.wait_for(Option::is_some))
            .await
            .is_ok();
        if !ended {
            self.kill_now().await;
        }
    }

    /// SIGKILL at once; the log stays readable. For checks and defects in which a program dies.
    pub async fn kill_now(&self) {
        self.kill.send_replace(true);
        // The sender goes only after it has told.
        let _ = self.exited.clone().wait_for(Option::is_some).await;
    }
}

#[cfg(test)]
mod tests {
    use camino_tempfile::tempdir;

    use super::*;

    #[tokio::test]
    async fn output_goes_to_the_log_and_the_status_is_seen() {
        let logs = tempdir().expect("a temporary folder");
        let process = Program::new("talker", "/bin/sh")
            .args(["-c", "echo $WORD; exit 3"])
            .env("WORD", "heard")
            .start(logs.path())
            .expect("a shell is there");

        let exited = process
            .exit_watch()
            .wait_for(Option::is_some)
            .await
            .map(|e| *e)
            .expect("the keeper reports");

        assert_eq!(exited.and_then(|e| e.status).and_then(|s| s.code()), Some(3));
        assert_eq!(process.tail(5), "heard");
    }

    #[tokio::test]
    async fn a_secret_does_not_reach_the_log() {
        let logs = tempdir().expect("a temporary folder");
        let redactor = Redactor::default();
        redactor.learn("registration-token");
        let process = Program::new("talker", "/bin/sh")
            .args([
                "-c",
                "echo out registration-token; echo err registration-token >&2",
            ])
            .redacted(redactor)
            .start(logs.path())
            .expect("a shell is there");

        process
            .exit_watch()
            .wait_for(Option::is_some)
            .await
            .map(drop)
            .expect("the keeper reports");

        let mut lines: Vec<String> = process.tail(5).lines().map(str::to_owned).collect();
        lines.sort();
        assert_eq!(lines, ["err ***", "out ***"]);
    }

    #[tokio::test]
    async fn a_program_that_ignores_sigterm_is_killed_after_the_grace_period() {
        let logs = tempdir().expect("a temporary folder");
        let process = Program::new("stubborn", "/bin/sh")
            .args([
                "-c",
                "trap '' TERM; echo up; while :; do read x < /dev/zero; done",
            ])
            .start(logs.path())
            .expect("a shell is there");
        let watch = process.exit_watch();

        process.stop(Duration::from_millis(50)).await;

        let exited = *watch.borrow();
        assert!(
            exited.is_some_and(|e| e.status.is_some_and(|s| !s.success())),
            "{exited:?}"
        );
    }
}
