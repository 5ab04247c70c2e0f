//! One process of a step, with its descendants: started in a process group of its own, its output read by line, and ended
//! by degrees: SIGINT, SIGTERM, SIGKILL, with the pauses that GitHub documents for cancellation.

use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By itself; 128 + n after signal n.
    Exited(i32),
    Cancelled,
    TimedOut,
}

/// Output that a background process holds open is waited for this long after the process itself is gone.
const DRAIN: Duration = Duration::from_secs(5);
const LADDER: [(Signal, Duration); 3] = [
    (Signal::SIGINT, Duration::from_millis(7500)),
    (Signal::SIGTERM, Duration::from_millis(2500)),
    (Signal::SIGKILL, Duration::from_secs(5)),
];

/// Runs a command to its end, or until `cancel` or `limit`; every line of its output goes to `on_line`.
pub(crate) async fn run(
    mut command: Command,
    mut on_line: impl FnMut(&str),
    cancel: &CancellationToken,
    limit: Option<Duration>,
) -> std::io::Result<Ended> {
    command.process_group(0).kill_on_drop(true);
    command.stdin(std::process::Stdio::null());
    command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let mut child = command.spawn()?;
    let mut group = Group::of(&child);
    let (sender, mut lines) = mpsc::channel(64);
    if let Some(stdout) = child.stdout.take() {
        tokio::spawn(read_lines(stdout, sender.clone()));
    }
    if let Some(stderr) = child.stderr.take() {
        tokio::spawn(read_lines(stderr, sender.clone()));
    }
    drop(sender);

    let limit = limit.unwrap_or(Duration::MAX);
    let ended = tokio::select! {
        status = timeout(limit, pump(&mut child, &mut lines, &mut on_line)) => match status {
            Ok(status) => Ended::Exited(exit_code(status?)),
            Err(_) => Ended::TimedOut,
        },
        () = cancel.cancelled() => Ended::Cancelled,
    };
    if !matches!(ended, Ended::Exited(_)) {
        for (signal, grace) in LADDER {
            group.signal(signal);
            if timeout(grace, pump(&mut child, &mut lines, &mut on_line))
                .await
                .is_ok()
            {
                break;
            }
        }
        // Members that ignored the milder signals, and outlived the leader.
        group.signal(Signal::SIGKILL);
    }
    group.release();
    let drain = async {
        while let Some(line) = lines.recv().await {
            on_line(&line);
        }
    };
    if timeout(DRAIN, drain).await.is_err() {
        tracing::debug!("a background process keeps the output of a step open");
    }
    Ok(ended)
}

/// Hands lines on until the process ends. May be dropped and called again.
async fn pump(
    child: &mut Child,
    lines: &mut mpsc::Receiver<String>,
    on_line: &mut impl FnMut(&str),
) -> std::io::Result<std::process::ExitStatus> {
    loop {
        tokio::select! {
            biased;
            Some(line) = lines.recv() => on_line(&line),
            status = child.wait() => return status,
        }
    }
}

async fn read_lines(stream: impl AsyncRead + Unpin, lines: mpsc::Sender<String>) {
    let mut reader = BufReader::new(stream);
    let mut bytes = Vec::new();
    // An error of a pipe is its end.
    while let Ok(1..) = reader.read_until(b'\n', &mut bytes).await {
        let line = String::from_utf8_lossy(&bytes);
        if lines
            .send(line.trim_end_matches(['\n', '\r']).to_owned())
            .await
            .is_err()
        {
            return;
        }
        bytes.clear();
    }
}

fn exit_code(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

/// A process group that does not outlive an interrupted step.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(
            child
                .id()
                .and_then(|id| i32::try_from(id).ok())
                .map(Pid::from_raw),
        )
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // The group may be gone.
            let _ = killpg(group, signal);
        }
    }

    /// The step is over: what it left in the background may go on until the end of the job.
    fn release(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}

/// The variable that marks every process of a job, so that those which left their group are found too.
pub(crate) const TRACKING_VARIABLE: &str = "RUNNER_TRACKING_ID";

/// Ends every process that still carries the mark of a job; yields a line for each.
pub(crate) fn end_orphans(tracking_id: &str) -> Vec<String> {
    let mark = format!("{TRACKING_VARIABLE}={tracking_id}");
    let Ok(entries) = fs_err::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| {
            let pid: i32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
            environment
                .split(|byte| *byte == 0)
                .any(|variable| variable == mark.as_bytes())
                .then_some(())?;
            let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            kill(Pid::from_raw(pid), Signal::SIGKILL).ok()?;
            Some(format!("Terminate orphan process: pid ({pid}) ({})", name.trim()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bash(script: &str) -> Command {
        let mut command = Command::new("bash");
        command.args(["-c", script]);
        command
    }

    async fn collect(
        script: &str,
        cancel: &CancellationToken,
        limit: Option<Duration>,
    ) -> (Ended, Vec<String>) {
        let mut lines = Vec::new();
        let ended = run(bash(script), |line| lines.push(line.to_owned()), cancel, limit)
            .await
            .expect("the process starts");
        (ended, lines)
    }

    #[tokio::test]
    async fn output_and_exit_code_arrive() {
        let (ended, mut lines) = collect(
            "echo a; echo b >&2; printf c; exit 3",
            &CancellationToken::new(),
            None,
        )
        .await;

        lines.sort();
        assert_eq!(ended, Ended::Exited(3));
        assert_eq!(lines, ["a", "b", "c"]);
    }

    #[tokio::test]
    async fn a_cancelled_process_takes_its_descendants_along() {
        let cancel = CancellationToken::new();
        let trigger = cancel.clone();
        let mut grandchild = None;
        let script = "bash -c 'sleep 1000 & echo $!; wait' & wait";

        let ended = run(
            bash(script),
            |line| {
                grandchild = line.parse().ok();
                trigger.cancel();
            },
            &cancel,
            None,
        )
        .await
        .expect("the process starts");

        let grandchild: i32 = grandchild.expect("the grandchild tells its id");
        let gone = timeout(Duration::from_secs(10), async {
            let alive = || {
                std::fs::read_to_string(format!("/proc/{grandchild}/stat"))
                    .is_ok_and(|stat| !stat.contains(") Z "))
            };
            while alive() {
                tokio::task::yield_now().await;
            }
        });
        assert_eq!(ended, Ended::Cancelled);
        assert!(gone.await.is_ok(), "the grandchild is gone");
    }

    #[tokio::test]
    async fn a_process_that_takes_too_long_is_ended() {
        let (ended, lines) = collect(
            "echo start; sleep 1000",
            &CancellationToken::new(),
            Some(Duration::from_millis(300)),
        )
        .await;

        assert_eq!(ended, Ended::TimedOut);
        assert_eq!(lines, ["start"]);
    }

    #[tokio::test]
    async fn processes_that_left_the_group_are_found_by_their_mark() {
        let id = format!("github_{}", uuid::Uuid::new_v4());
        let mut command = bash("setsid sleep 1000 > /dev/null 2>&1 & echo done");
        command.env(TRACKING_VARIABLE, &id);
        run(command, |_| (), &CancellationToken::new(), None)
            .await
            .expect("the process starts");

        let ended = end_orphans(&id);

        assert_eq!(ended.len(), 1, "one process was left: {ended:?}");
        assert!(ended[0].contains("Terminate orphan process"));
    }
}
