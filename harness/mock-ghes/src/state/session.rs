//! Sessions of runners and the messages that wait in them.

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::{Message, State, next};
use crate::clock;
use crate::wire::{AesKey, AgentKey, random_aes_key, random_guid};

/// A session without a poll or a renewal for so long is lost, and its runner offline.
const LOST_AFTER: i64 = 60;
/// A runner between two polls still counts as listening for so long.
const BETWEEN_POLLS: i64 = 10;

/// A runner's open session.
pub(super) struct Session {
    pub(super) runner: u64,
    pub(super) key: AesKey,
    /// Polls that are waiting right now.
    open_polls: u32,
    last_contact: Timestamp,
    /// When the last poll ended with an answer; none if the client left it.
    answered: Option<Timestamp>,
    messages: Vec<Pending>,
}

/// A message that was not acknowledged yet.
struct Pending {
    id: u64,
    kind: &'static str,
    body: Value,
    /// Not to be delivered before.
    not_before: Timestamp,
    /// The job it belongs to.
    job: u64,
}

/// How sure it is that the runner is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contact {
    /// It waits for messages, or has just got an answer and will ask again.
    Listening,
    /// It was heard of lately.
    Quiet,
    /// It was not heard of for too long.
    Lost,
}

impl Session {
    pub(super) fn contact(&self, now: Timestamp) -> Contact {
        if self.open_polls > 0
            || self
                .answered
                .is_some_and(|at| now < clock::later(at, BETWEEN_POLLS))
        {
            Contact::Listening
        } else if now < clock::later(self.last_contact, LOST_AFTER) {
            Contact::Quiet
        } else {
            Contact::Lost
        }
    }

    pub(super) fn heard(&mut self, now: Timestamp) {
        self.last_contact = now;
    }

    /// Takes a job's messages back.
    pub(super) fn withdraw(&mut self, job: u64) {
        self.messages.retain(|message| message.job != job);
    }

    /// The kinds of the messages that wait.
    #[cfg(test)]
    pub(super) fn kinds(&self) -> Vec<&'static str> {
        self.messages.iter().map(|message| message.kind).collect()
    }

    fn is_due(&self, now: Timestamp) -> bool {
        self.messages.iter().any(|message| message.not_before <= now)
    }
}

impl State {
    /// Puts a message into a runner's session, if it has one.
    pub(super) fn send(
        &mut self,
        runner: u64,
        job: u64,
        kind: &'static str,
        body: Value,
        not_before: Timestamp,
    ) {
        let id = next(&mut self.ids.message);
        let session = self.runners.get(&runner).and_then(|r| r.session);
        if let Some(session) = session.and_then(|id| self.sessions.get_mut(&id)) {
            session.messages.push(Pending {
                id,
                kind,
                body,
                not_before,
                job,
            });
            self.mail = true;
        }
    }

    /// Whether a message whose time had to come waits somewhere.
    pub(super) fn mail_is_due(&self, now: Timestamp) -> bool {
        self.sessions.values().any(|session| session.is_due(now))
    }

    /// Ends a session. A job that its runner has not begun goes back to the queue.
    pub(super) fn end_session(&mut self, id: Uuid, now: Timestamp) {
        let Some(session) = self.sessions.remove(&id) else {
            return;
        };
        self.changed = true;
        self.mail = true;
        let Some(runner) = self.runners.get_mut(&session.runner) else {
            return;
        };
        runner.last_seen = now;
        if runner.session == Some(id) {
            runner.session = None;
        }
        if let Some(job) = runner.job {
            self.take_back(job, now);
        }
    }

    /// Whether a session's runner must be given up: not heard of for too long, and without a lock on a job, which
    /// counts as a sign of life for as long as it holds.
    pub(super) fn is_lost(&self, session: &Session, now: Timestamp) -> bool {
        let job = self
            .runners
            .get(&session.runner)
            .and_then(|runner| self.jobs.get(&runner.job?));
        let holds_lock = job
            .and_then(|job| job.locked_until)
            .is_some_and(|until| now < until);
        session.contact(now) == Contact::Lost && !holds_lock
    }

    /// The sessions whose runners must be given up.
    pub(super) fn lost_sessions(&self, now: Timestamp) -> Vec<Uuid> {
        let lost = self
            .sessions
            .iter()
            .filter(|(_, session)| self.is_lost(session, now));
        lost.map(|(id, _)| *id).collect()
    }
}

/// Opens a session of a runner.
pub(crate) struct OpenSession {
    pub(crate) runner: u64,
    /// Where the runner reaches the server now.
    pub(crate) base_url: String,
}

/// What came of it.
pub(crate) enum Opened {
    Session {
        id: Uuid,
        key: AesKey,
        agent_key: Box<AgentKey>,
    },
    /// The runner has a live session.
    Conflict,
    /// The registration is gone.
    NotFound,
}

impl Message for OpenSession {
    type Reply = Opened;

    fn apply(self, state: &mut State) -> Opened {
        let now = state.clock.now();
        let Some(runner) = state.runners.get(&self.runner) else {
            return Opened::NotFound;
        };
        if let Some(old) = runner.session {
            if state
                .sessions
                .get(&old)
                .is_some_and(|session| !state.is_lost(session, now))
            {
                return Opened::Conflict;
            }
            state.end_session(old, now);
        }
        let Some(runner) = state.runners.get_mut(&self.runner) else {
            return Opened::NotFound;
        };
        let id = random_guid();
        let session = Session {
            runner: self.runner,
            key: random_aes_key(),
            open_polls: 0,
            last_contact: now,
            // It will ask in a moment.
            answered: Some(now),
            messages: Vec::new(),
        };
        runner.session = Some(id);
        runner.base_url = self.base_url;
        let opened = Opened::Session {
            id,
            key: session.key,
            agent_key: Box::new(runner.key.clone()),
        };
        state.sessions.insert(id, session);
        opened
    }
}

/// Closes a runner's session. Replies whether there was one.
pub(crate) struct CloseSession {
    pub(crate) runner: u64,
    pub(crate) session: Uuid,
}

impl Message for CloseSession {
    type Reply = bool;

    fn apply(self, state: &mut State) -> bool {
        let is_own = state
            .sessions
            .get(&self.session)
            .is_some_and(|s| s.runner == self.runner);
        if is_own {
            state.end_session(self.session, state.clock.now());
        }
        is_own
    }
}

/// Looks for a message. A waiting poll sends this again whenever the mailbox changed.
pub(crate) struct Poll {
    pub(crate) runner: u64,
    pub(crate) session: Uuid,
    /// Only messages after this one.
    pub(crate) after: u64,
    /// Set the first time: from now on the poll is open, until [`PollClosed`].
    pub(crate) opens: bool,
}

/// What a poll found.
pub(crate) enum PollReply {
    Message(Outgoing),
    Nothing,
    /// The session is no more; the runner may open another.
    SessionExpired,
    /// The registration is no more.
    RunnerGone,
}

/// A message on its way out, not encrypted yet.
pub(crate) struct Outgoing {
    pub(crate) id: u64,
    pub(crate) kind: &'static str,
    pub(crate) body: Value,
    pub(crate) key: AesKey,
}

impl Message for Poll {
    type Reply = PollReply;

    fn apply(self, state: &mut State) -> PollReply {
        let now = state.clock.now();
        if state
            .departed
            .get(&self.runner)
            .is_some_and(|departed| now < departed.until)
        {
            return PollReply::Nothing;
        }
        if !state.runners.contains_key(&self.runner) {
            return PollReply::RunnerGone;
        }
        let Some(session) = state
            .sessions
            .get_mut(&self.session)
            .filter(|s| s.runner == self.runner)
        else {
            return PollReply::SessionExpired;
        };
        session.heard(now);
        if self.opens {
            session.open_polls += 1;
        }
        let found = session
            .messages
            .iter()
            .find(|m| m.id > self.after && m.not_before <= now);
        found.map_or(PollReply::Nothing, |message| {
            PollReply::Message(Outgoing {
                id: message.id,
                kind: message.kind,
                body: message.body.clone(),
                key: session.key,
            })
        })
    }
}

/// A poll ended: with an answer, or because the client left.
pub(crate) struct PollClosed {
    pub(crate) session: Uuid,
    pub(crate) answered: bool,
}

impl Message for PollClosed {
    type Reply = ();

    fn apply(self, state: &mut State) {
        let now = state.clock.now();
        if let Some(session) = state.sessions.get_mut(&self.session) {
            session.open_polls = session.open_polls.saturating_sub(1);
            session.answered = self.answered.then_some(now);
            session.heard(now);
        }
    }
}

/// Acknowledges a message: it is not delivered again.
pub(crate) struct Acknowledge {
    pub(crate) runner: u64,
    pub(crate) session: Uuid,
    pub(crate) message: u64,
}

impl Message for Acknowledge {
    type Reply = ();

    fn apply(self, state: &mut State) {
        if let Some(session) = state
            .sessions
            .get_mut(&self.session)
            .filter(|s| s.runner == self.runner)
        {
            session.messages.retain(|message| message.id != self.message);
            session.heard(state.clock.now());
        }
    }
}
