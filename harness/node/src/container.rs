//! One running container: its launcher process, its output, its end.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::Duration;

use camino::Utf8Path;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::launch::{Launch, Order, Report, line};
use crate::logs::Writer;

/// How long output may lag behind the container's end: nothing is left that could write.
const OUTPUT_LAG: Duration = Duration::from_secs(2);
/// How long the launcher may take from a container's kill to its own end.
const LAUNCHER_LAG: Duration = Duration::from_secs(5);
const SIGTERM: i32 = 15;
const SIGKILL: i32 = 9;

/// Why a container did not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LaunchError {
    /// The launcher itself did not run, or died.
    #[error("run the launcher: {0}")]
    Launcher(#[source] io::Error),
    /// The launcher says why.
    #[error("{0}")]
    Refused(String),
}

/// A handle on a running container. Dropping it kills the container.
pub(crate) struct Running {
    orders: mpsc::UnboundedSender<Request>,
    exit: watch::Receiver<Option<i32>>,
}

enum Request {
    Signal(i32),
    Exec {
        argv: Vec<String>,
        done: oneshot::Sender<i32>,
    },
}

impl Running {
    /// Starts a container, and returns once its main process executes.
    pub(crate) async fn launch(program: &Utf8Path, launch: Launch, log: Writer) -> Result<Self, LaunchError> {
        let (mut child, socket) = spawn(program).map_err(LaunchError::Launcher)?;
        let (read, mut write) = socket.into_split();
        let order = line(&Order::Launch(launch)).map_err(|e| LaunchError::Launcher(e.into()))?;
        write.write_all(&order).await.map_err(LaunchError::Launcher)?;
        let mut reports = BufReader::new(read).lines();
        match next(&mut reports).await.map_err(LaunchError::Launcher)? {
            Some(Report::Started) => {}
            Some(Report::Refused(why)) => return Err(LaunchError::Refused(why)),
            _ => return Err(LaunchError::Launcher(io::ErrorKind::UnexpectedEof.into())),
        }
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(LaunchError::Launcher(io::ErrorKind::BrokenPipe.into()));
        };
        let output = tokio::spawn(log.copy(stdout, stderr));
        let (orders, requests) = mpsc::unbounded_channel();
        let (ended, exit) = watch::channel(None);
        let link = Link {
            child,
            reports,
            write,
            requests,
            commands: HashMap::new(),
            output,
        };
        tokio::spawn(async move {
            let code = link.attend().await;
            ended.send_replace(Some(code));
        });
        Ok(Self { orders, exit })
    }

    /// The exit code, once everything of the container is gone and its output is read.
    pub(crate) async fn wait(&self) -> i32 {
        let mut exit = self.exit.clone();
        let code = exit.wait_for(Option::is_some).await.ok().and_then(|code| *code);
        code.unwrap_or(128 + SIGKILL)
    }

    /// Asks the main process to end.
    pub(crate) fn terminate(&self) {
        self.request(Request::Signal(SIGTERM));
    }

    /// Ends the whole process tree.
    pub(crate) fn kill(&self) {
        self.request(Request::Signal(SIGKILL));
    }

    /// Runs a command in the container; `None` when the container ended before the command did.
    pub(crate) async fn exec(&self, argv: Vec<String>) -> Option<i32> {
        let (done, code) = oneshot::channel();
        self.request(Request::Exec { argv, done });
        code.await.ok()
    }

    fn request(&self, request: Request) {
        // A container that is gone needs no order.
        let _ = self.orders.send(request);
    }
}

fn spawn(program: &Utf8Path) -> io::Result<(Child, UnixStream)> {
    let (ours, theirs) = UnixStream::pair()?;
    let theirs = theirs.into_std()?;
    theirs.set_nonblocking(false)?;
    let child = Command::new(program)
        .env_clear()
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A Ctrl-C at the terminal is for the harness, which ends containers in its own way.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    Ok((child, ours))
}

async fn next(reports: &mut Lines<BufReader<OwnedReadHalf>>) -> io::Result<Option<Report>> {
    match reports.next_line().await? {
        Some(line) => Ok(Some(serde_json::from_str(&line)?)),
        None => Ok(None),
    }
}

/// The task that speaks with the launcher.
struct Link {
    child: Child,
    reports: Lines<BufReader<OwnedReadHalf>>,
    write: OwnedWriteHalf,
    requests: mpsc::UnboundedReceiver<Request>,
    commands: HashMap<u64, oneshot::Sender<i32>>,
    output: JoinHandle<io::Result<()>>,
}

impl Link {
    async fn attend(mut self) -> i32 {
        let code = self.converse().await;
        // A closed socket tells the launcher to kill what is left.
        drop(self.write);
        if timeout(LAUNCHER_LAG, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
        match timeout(OUTPUT_LAG, &mut self.output).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::warn!(%error, "a container's output was not kept to its end"),
            Ok(Err(_)) | Err(_) => self.output.abort(),
        }
        code
    }

    /// The exit code as reported, or that of a kill when the launcher died or nobody wants the container any more.
    async fn converse(&mut self) -> i32 {
        let mut next_id = 0;
        loop {
            tokio::select! {
                report = next(&mut self.reports) => match report {
                    Ok(Some(Report::Exited(code))) => return code,
                    Ok(Some(Report::ExecDone { id, code })) => {
                        if let Some(done) = self.commands.remove(&id) {
                            let _ = done.send(code);
                        }
                    }
                    Ok(Some(Report::Started | Report::Refused(_))) => {}
                    Ok(None) | Err(_) => return 128 + SIGKILL,
                },
                request = self.requests.recv() => {
                    let order = match request {
                        Some(Request::Signal(number)) => Order::Signal(number),
                        Some(Request::Exec { argv, done }) => {
                            next_id += 1;
                            self.commands.insert(next_id, done);
                            Order::Exec { id: next_id, argv }
                        }
                        None => return 128 + SIGKILL,
                    };
                    if let Ok(line) = line(&order) {
                        // A launcher that is gone shows in its reports.
                        let _ = self.write.write_all(&line).await;
                    }
                }
            }
        }
    }
}
