//! The process that stands between the node and one container. It outlives the container's main process by one report,
//! and the container never outlives it.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};

use harness_node::launch::{Launch, Order, Report, line};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{Pid, sethostname};

use crate::doing::{Doing, Failed};
use crate::enter::Enter;

/// Obeys the node until the container is gone. Returns the container's exit code.
pub(crate) fn run() -> i32 {
    let Ok(mut node) = Node::connect() else { return 2 };
    let launch = match node.next_order() {
        Ok(Some(Order::Launch(launch))) => launch,
        _ => return 2,
    };
    match Container::start(launch) {
        Ok(mut container) => {
            node.report(&Report::Started);
            container.attend(&mut node)
        }
        Err(failed) => {
            node.report(&Report::Refused(failed.to_string()));
            128
        }
    }
}

/// The node's end of standard input.
struct Node {
    socket: UnixStream,
    unread: Vec<u8>,
}

impl Node {
    fn connect() -> io::Result<Self> {
        let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        Ok(Self {
            socket,
            unread: Vec::new(),
        })
    }

    /// Best effort: if the node is gone, its closed socket is the next thing read.
    fn report(&mut self, report: &Report) {
        if let Ok(line) = line(report) {
            let _ = self.socket.write_all(&line);
        }
    }

    /// The next order; waits for it. `None` when the node has closed the socket.
    fn next_order(&mut self) -> io::Result<Option<Order>> {
        loop {
            if let Some(order) = self.buffered_order()? {
                return Ok(Some(order));
            }
            if !self.read_more()? {
                return Ok(None);
            }
        }
    }

    fn buffered_order(&mut self) -> io::Result<Option<Order>> {
        let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') else {
            return Ok(None);
        };
        let line: Vec<u8> = self.unread.drain(..=end).collect();
        Ok(Some(serde_json::from_slice(&line)?))
    }

    fn read_more(&mut self) -> io::Result<bool> {
        let mut chunk = [0; 16 * 1024];
        let count = self.socket.read(&mut chunk)?;
        self.unread.extend_from_slice(&chunk[..count]);
        Ok(count > 0)
    }
}

struct Container {
    main: Child,
    launch: Launch,
    signals: SignalFd,
    commands: Vec<(u64, Child)>,
}

impl Container {
    fn start(launch: Launch) -> Result<Self, Failed> {
        let mut waited = SigSet::empty();
        for signal in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT] {
            waited.add(signal);
        }
        waited.thread_block().doing("block signals")?;
        let signals = SignalFd::with_flags(&waited, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
            .doing("wait for signals")?;

        // From here on this process must not start a thread: its children live in another PID namespace.
        unshare(CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWUTS).doing("make PID and UTS namespaces")?;
        sethostname(&launch.hostname).doing("set the host name")?;
        let (mut ours, theirs) = UnixStream::pair().doing("make a socket")?;
        let mut main = myself("container")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .spawn()
            .doing("start the container's first process")?;
        let json = serde_json::to_vec(&launch)
            .map_err(io::Error::from)
            .doing("write the launch")?;
        let mut refusal = String::new();
        ours.write_all(&json)
            .and_then(|()| ours.shutdown(Shutdown::Write))
            .and_then(|()| ours.read_to_string(&mut refusal))
            .doing("hand over the launch")?;
        if refusal.is_empty() {
            Ok(Self {
                main,
                launch,
                signals,
                commands: Vec::new(),
            })
        } else {
            let _ = main.wait();
            Err(io::Error::other(refusal)).doing("start container")
        }
    }

    /// Forwards orders and signals until the main process has ended.
    fn attend(&mut self, node: &mut Node) -> i32 {
        let mut connected = true;
        loop {
            if let Some(status) = self.reap(node) {
                let code = exit_code(status);
                node.report(&Report::Exited(code));
                return code;
            }
            let (order_came, signal_came) = self.wait_for_news(node, connected);
            if signal_came {
                self.forward_signals();
            }
            if order_came && !self.obey(node) {
                connected = false;
                self.send(Signal::SIGKILL);
            }
        }
    }

    fn wait_for_news(&self, node: &Node, connected: bool) -> (bool, bool) {
        let orders = if connected {
            PollFlags::POLLIN
        } else {
            PollFlags::empty()
        };
        let mut fds = [
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(node.socket.as_fd(), orders),
        ];
        // A gone node is heard once; its hang-up would wake every poll after that.
        let watched = if connected { &mut fds[..] } else { &mut fds[..1] };
        // Interrupted or not, the caller looks again at everything.
        let _ = poll(watched, PollTimeout::NONE);
        (
            connected && fds[1].any().unwrap_or(false),
            fds[0].any().unwrap_or(false),
        )
    }

    /// False when the node is gone, or speaks nonsense.
    fn obey(&mut self, node: &mut Node) -> bool {
        if !matches!(node.read_more(), Ok(true)) {
            return false;
        }
        loop {
            match node.buffered_order() {
                Ok(Some(Order::Signal(number))) => {
                    if let Ok(signal) = Signal::try_from(number) {
                        self.send(signal);
                    }
                }
                Ok(Some(Order::Exec { id, argv })) => match self.exec(argv) {
                    Ok(child) => self.commands.push((id, child)),
                    Err(_) => node.report(&Report::ExecDone { id, code: 126 }),
                },
                Ok(None) => return true,
                Ok(Some(Order::Launch(_))) | Err(_) => return false,
            }
        }
    }

    fn exec(&self, argv: Vec<String>) -> io::Result<Child> {
        let enter = Enter {
            pid: self.main.id(),
            argv,
            env: self.launch.env.clone(),
            workdir: self.launch.workdir.clone(),
        };
        let mut child = myself("enter")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        if let Some(stdin) = child.stdin.take() {
            serde_json::to_writer(stdin, &enter)?;
        }
        Ok(child)
    }

    fn forward_signals(&mut self) {
        while let Ok(Some(info)) = self.signals.read_signal() {
            match i32::try_from(info.ssi_signo).map(Signal::try_from) {
                Ok(Ok(signal)) if signal != Signal::SIGCHLD => self.send(signal),
                _ => {}
            }
        }
    }

    fn send(&self, signal: Signal) {
        // Not yet reaped, so the number is still the main process's.
        if let Ok(pid) = i32::try_from(self.main.id()) {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    fn reap(&mut self, node: &mut Node) -> Option<ExitStatus> {
        self.commands.retain_mut(|(id, child)| match child.try_wait() {
            Ok(None) => true,
            Ok(Some(status)) => {
                node.report(&Report::ExecDone {
                    id: *id,
                    code: exit_code(status),
                });
                false
            }
            Err(_) => {
                node.report(&Report::ExecDone { id: *id, code: 126 });
                false
            }
        });
        self.main.try_wait().ok().flatten()
    }
}

/// This program again, in another role.
fn myself(role: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg0("pod-init").arg(role);
    command
}

fn exit_code(status: ExitStatus) -> i32 {
    status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(128)
}
