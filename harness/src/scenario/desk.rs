//! A desk at which jobs report and stay until they are let go: so runners are busy for real, and what ran where is known apart from GHES.
//!
//! A job of the workflow `desk.yml` connects, writes `TICKET RUNNER` and waits for a line. What it is not: no busy flag is set here, and
//! nothing is asked of GHES. On the local cluster pods share the plane's loopback.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use harness_cluster::WaitError;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

/// So many visitors are named in a message.
const SHOWN: usize = 8;

/// What became of a visitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stay {
    /// It is still there.
    Waiting,
    /// It was let go.
    LetGo,
    /// It went without having been let go: its job was ended from outside.
    Lost,
}

/// A job that reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// The job's ticket.
    pub ticket: String,
    /// The runner, as the job knows it.
    pub runner: String,
    /// What became of it.
    pub stay: Stay,
}

/// Who may go.
#[derive(Debug, Clone, Default)]
struct Gate {
    open: bool,
    tickets: BTreeSet<String>,
}

/// An open desk; it closes when it is dropped, and those who wait then are lost.
pub struct Desk {
    address: SocketAddr,
    book: watch::Receiver<Vec<Visit>>,
    gate: watch::Sender<Gate>,
    _task: AbortOnDropHandle<()>,
}

impl Desk {
    /// Opens a desk on the loopback.
    pub(crate) async fn open() -> std::io::Result<Desk> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (writer, book) = watch::channel(Vec::new());
        let gate = watch::Sender::new(Gate::default());
        let entry = gate.clone();
        let task = tokio::spawn(async move {
            let mut visitors = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (writer, gate) = (writer.clone(), entry.subscribe());
                visitors.spawn(async move {
                    if let Err(error) = receive(stream, &writer, gate).await {
                        tracing::debug!(%error, "a visitor of the desk did not say who it is");
                    }
                });
                while visitors.try_join_next().is_some() {}
            }
        });
        Ok(Desk {
            address,
            book,
            gate,
            _task: AbortOnDropHandle::new(task),
        })
    }

    /// Where it is, as the workflow's input `desk` takes it: `HOST/PORT`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}/{}", self.address.ip(), self.address.port())
    }

    /// Everybody who reported so far, in order.
    #[must_use]
    pub fn visits(&self) -> Vec<Visit> {
        self.book.borrow().clone()
    }

    /// Waits until so many visitors wait at once; gives them.
    ///
    /// # Errors
    /// [`WaitError::TimedOut`] with who was there.
    pub async fn waiting(&self, count: usize, deadline: Duration) -> Result<Vec<Visit>, WaitError> {
        let there = |visits: &Vec<Visit>| -> Vec<Visit> {
            visits
                .iter()
                .filter(|visit| visit.stay == Stay::Waiting)
                .cloned()
                .collect()
        };
        let mut book = self.book.clone();
        let met = tokio::time::timeout(deadline, book.wait_for(|visits| there(visits).len() >= count)).await;
        if let Ok(Ok(visits)) = met {
            return Ok(there(&visits));
        }
        let visits = self.visits();
        let shown = visits
            .iter()
            .take(SHOWN)
            .map(|v| format!("{} on {} {:?}", v.ticket, v.runner, v.stay));
        let more = if visits.len() > SHOWN { ", …" } else { "" };
        Err(WaitError::TimedOut {
            awaited: format!("{count} jobs in progress at once"),
            last_seen: format!(
                "{} of {} that came: [{}{more}]",
                there(&visits).len(),
                visits.len(),
                shown.collect::<Vec<_>>().join(", ")
            ),
            seconds: deadline.as_secs_f64(),
        })
    }

    /// Watches for so long, and gives the first visitor that is lost meanwhile.
    pub async fn lost_within(&self, period: Duration) -> Option<Visit> {
        let lost = |visits: &Vec<Visit>| visits.iter().find(|visit| visit.stay == Stay::Lost).cloned();
        let mut book = self.book.clone();
        let seen = tokio::time::timeout(period, book.wait_for(|visits| lost(visits).is_some())).await;
        seen.ok().and_then(Result::ok).and_then(|visits| lost(&visits))
    }

    /// Lets the visitor with this ticket go, whether it is there yet or not.
    pub fn let_go(&self, ticket: &str) {
        self.gate.send_modify(|gate| {
            gate.tickets.insert(ticket.to_owned());
        });
    }

    /// Lets everybody go, from now on at once.
    pub fn let_all_go(&self) {
        self.gate.send_modify(|gate| gate.open = true);
    }
}

async fn receive(
    mut stream: TcpStream,
    book: &watch::Sender<Vec<Visit>>,
    mut gate: watch::Receiver<Gate>,
) -> std::io::Result<()> {
    let (reader, mut writer) = stream.split();
    let mut reader = BufReader::new(reader);
    let mut line = String::new();
    reader.read_line(&mut line).await?;
    let (ticket, runner) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
    let mut place = 0;
    book.send_modify(|visits| {
        place = visits.len();
        visits.push(Visit {
            ticket: ticket.to_owned(),
            runner: runner.to_owned(),
            stay: Stay::Waiting,
        });
    });
    let mut rest = [0; 16];
    let stay = tokio::select! {
        // The end of the stream: a job has nothing more to say.
        _ = reader.read(&mut rest) => Stay::Lost,
        met = gate.wait_for(|gate| gate.open || gate.tickets.contains(ticket)) => {
            if met.is_ok() { Stay::LetGo } else { Stay::Lost }
        }
    };
    book.send_modify(|visits| visits[place].stay = stay);
    writer.write_all(b"go\n").await
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    async fn visitor(desk: &Desk, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(desk.address).await.expect("the desk is open");
        stream.write_all(text.as_bytes()).await.expect("the desk listens");
        stream
    }

    #[tokio::test]
    async fn a_visitor_stays_until_it_is_let_go() {
        let desk = Desk::open().await.expect("a port is free");
        let mut first = visitor(&desk, "1 r1\n").await;
        let _second = visitor(&desk, "2 r2\n").await;
        let both = desk.waiting(2, LONG).await.expect("both report");

        desk.let_go("1");

        let mut word = String::new();
        first.read_to_string(&mut word).await.expect("the desk answers");
        assert_eq!((both.len(), word.as_str()), (2, "go\n"));
        assert_eq!(desk.waiting(1, LONG).await.expect("one stays")[0].ticket, "2");
    }

    #[tokio::test]
    async fn a_visitor_that_stays_is_not_missed() {
        let desk = Desk::open().await.expect("a port is free");
        let _stream = visitor(&desk, "1 r1\n").await;
        desk.waiting(1, LONG).await.expect("it reports");

        let lost = desk.lost_within(Duration::from_millis(50)).await;

        assert_eq!(lost, None);
    }

    #[tokio::test]
    async fn a_visitor_that_breaks_off_is_lost() {
        let desk = Desk::open().await.expect("a port is free");
        let stream = visitor(&desk, "1 r1\n").await;
        desk.waiting(1, LONG).await.expect("it reports");

        drop(stream);

        let lost = desk.lost_within(LONG).await.expect("it is missed");
        assert_eq!((lost.ticket.as_str(), lost.stay), ("1", Stay::Lost));
    }
}
