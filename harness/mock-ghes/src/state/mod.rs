//! The server's state, owned by one task. Only this module and those below it change it.
//!
//! Handlers send a typed [`Message`] and get its typed reply; no lock is held anywhere. Nothing here does input or
//! output: what must be read from git is read before, what goes over the wire is written after.

mod group;
mod hook;
mod housekeeping;
mod job;
mod query;
mod queue;
mod rate;
mod repository;
mod run;
mod runner;
mod session;
#[cfg(test)]
mod tests;
mod timeline;
mod token;

pub(crate) use group::{AddGroup, DEFAULT_GROUP_ID, Group, GroupsOf, RemoveGroup, Visibility};
pub use hook::Signature;
pub(crate) use hook::{
    AddHook, Delivered, Deliveries, HoldDeliveries, Hook, HookEvent, HookSettings, HooksOf, PingHook, Post,
    RemoveHook, SendDelivery, TellHook,
};
pub(crate) use job::{CompleteJob, JobRequest, Renew, Renewal};
pub(crate) use query::{JobLog, Jobs, Runners, Runs};
pub(crate) use queue::DEFAULT_GROUP;
pub(crate) use rate::{Charge, LimitRate, Quota, QuotaOf};
pub(crate) use repository::{RemoveRepository, RemovedRepositories};
pub(crate) use run::{CancelReply, CancelRun, DeleteRun, Rerun, StartRun};
pub(crate) use runner::{
    AddLostRunners, AddRunner, AddRunnerReply, ClientKey, Registration, RemoveReply, RemoveRunner,
    RunnerAnswer, RunnersOfScope,
};
pub(crate) use session::{
    Acknowledge, CloseSession, OpenSession, Opened, Outgoing, Poll, PollClosed, PollReply,
};
pub(crate) use timeline::{AppendLog, CreateLog, Feed, PatchRecords, RESULTS, Records, conclusion_of};
pub(crate) use token::{
    Identify, Identity, IssueInstallationToken, IssueToken, IssueUserToken, Purpose, RevokeToken,
};

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use harness_model::Redactor;
use indexmap::IndexMap;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::wire::TokenSecret;
use crate::{Clock, Defect, RepositoryName, World};

/// How often the state looks at its clocks.
const TICK: Duration = Duration::from_secs(1);

/// A question or an order to the state.
pub(crate) trait Message: Send + 'static {
    /// What comes back.
    type Reply: Send + 'static;
    /// Whether it may change what others see; then the queue is looked at and watchers are woken.
    const CHANGES: bool = true;
    /// Carries it out.
    fn apply(self, state: &mut State) -> Self::Reply;
}

/// The state's task has ended: the server is going down, or the state panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server's state is gone: the server was shut down or its state panicked")]
pub struct Stopped;

type Envelope = Box<dyn FnOnce(&mut State) + Send>;

/// The way to the state. Clones lead to the same one.
#[derive(Debug, Clone)]
pub(crate) struct StateHandle {
    envelopes: mpsc::UnboundedSender<Envelope>,
    revision: watch::Receiver<u64>,
    mailbox: watch::Receiver<u64>,
}

impl StateHandle {
    /// Sends a message and waits for its reply.
    pub(crate) async fn ask<M: Message>(&self, message: M) -> Result<M::Reply, Stopped> {
        let (reply, answer) = oneshot::channel();
        let envelope: Envelope = Box::new(move |state| {
            // The asker may have gone meanwhile; the message counts all the same.
            let _gone = reply.send(state.carry_out(message));
        });
        self.envelopes.send(envelope).map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }

    /// Sends a message without waiting.
    pub(crate) fn tell<M: Message>(&self, message: M) {
        let envelope: Envelope = Box::new(move |state| drop(state.carry_out(message)));
        // A state that is gone needs no telling.
        let _gone = self.envelopes.send(envelope);
    }

    /// Counts changes of anything that a snapshot shows.
    pub(crate) fn revision(&self) -> watch::Receiver<u64> {
        self.revision.clone()
    }

    /// Counts changes that a waiting poll should look at.
    pub(crate) fn mailbox(&self) -> watch::Receiver<u64> {
        self.mailbox.clone()
    }
}

/// Everything that requests change.
pub(crate) struct State {
    world: Arc<World>,
    secret: TokenSecret,
    redactor: Redactor,
    clock: Clock,
    tokens: token::Tokens,
    rate: rate::Rate,
    runners: BTreeMap<u64, runner::Runner>,
    /// Ephemeral runners that were removed after their job, while their last poll may still be open.
    departed: HashMap<u64, runner::Departed>,
    sessions: HashMap<Uuid, session::Session>,
    runs: BTreeMap<u64, run::Run>,
    jobs: BTreeMap<u64, job::Job>,
    hooks: hook::Hooks,
    groups: Vec<Group>,
    removed: BTreeSet<RepositoryName>,
    defects: BTreeSet<Defect>,
    labels: IndexMap<String, u64>,
    ids: Ids,
    changed: bool,
    mail: bool,
}

/// The last number given out, per kind.
#[derive(Debug, Default)]
struct Ids {
    runner: u64,
    run: u64,
    job: u64,
    request: u64,
    message: u64,
    /// How many groups there are besides `Default`.
    group: u64,
}

fn next(id: &mut u64) -> u64 {
    *id += 1;
    *id
}

impl State {
    fn new(world: Arc<World>, secret: TokenSecret, redactor: Redactor, clock: Clock) -> Self {
        State {
            tokens: token::Tokens::of(&world),
            rate: rate::Rate::default(),
            world,
            secret,
            redactor,
            clock,
            runners: BTreeMap::new(),
            departed: HashMap::new(),
            sessions: HashMap::new(),
            runs: BTreeMap::new(),
            jobs: BTreeMap::new(),
            hooks: hook::Hooks::default(),
            groups: Vec::new(),
            removed: BTreeSet::new(),
            defects: BTreeSet::new(),
            labels: IndexMap::new(),
            ids: Ids::default(),
            changed: false,
            mail: false,
        }
    }

    fn carry_out<M: Message>(&mut self, message: M) -> M::Reply {
        self.changed |= M::CHANGES;
        message.apply(self)
    }
}

/// Starts the state's task. It ends when `stop` is cancelled or every handle is gone. What webhooks are to be told goes to `posts`.
pub(crate) fn start(
    world: Arc<World>,
    secret: TokenSecret,
    redactor: Redactor,
    clock: Clock,
    posts: mpsc::UnboundedSender<Post>,
    stop: CancellationToken,
) -> (StateHandle, JoinHandle<()>) {
    let (envelopes, mut inbox) = mpsc::unbounded_channel::<Envelope>();
    let (revision, revision_seen) = watch::channel(0);
    let (mailbox, mailbox_seen) = watch::channel(0);
    let mut state = State::new(world, secret, redactor, clock);
    let task = tokio::spawn(async move {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                envelope = inbox.recv() => match envelope {
                    Some(envelope) => envelope(&mut state),
                    None => return,
                },
                _ = tick.tick() => {
                    let now = state.clock.now();
                    housekeeping::tick(&mut state, now);
                }
            }
            if std::mem::take(&mut state.changed) {
                let now = state.clock.now();
                queue::assign(&mut state, now);
                state.changed = false;
                hook::announce(&mut state, now);
                for mut post in state.hooks.take_outbox() {
                    if state.defects.contains(&Defect::ForgedDeliveries) {
                        post.signature = Signature::Bad;
                    }
                    // Nobody delivers any more only when the server goes down.
                    let _gone = posts.send(post);
                }
                revision.send_modify(|n| *n += 1);
            }
            if std::mem::take(&mut state.mail) {
                mailbox.send_modify(|n| *n += 1);
            }
        }
    });
    (
        StateHandle {
            envelopes,
            revision: revision_seen,
            mailbox: mailbox_seen,
        },
        task,
    )
}

/// Seeds a defect.
pub(crate) struct SeedDefect(pub(crate) Defect);

impl Message for SeedDefect {
    type Reply = ();

    fn apply(self, state: &mut State) {
        state.defects.insert(self.0);
    }
}

/// Takes all defects back.
pub(crate) struct ClearDefects;

impl Message for ClearDefects {
    type Reply = ();

    fn apply(self, state: &mut State) {
        state.defects.clear();
    }
}

/// Which defects are seeded.
pub(crate) struct Defects;

impl Message for Defects {
    type Reply = BTreeSet<Defect>;
    const CHANGES: bool = false;

    fn apply(self, state: &mut State) -> BTreeSet<Defect> {
        state.defects.clone()
    }
}
