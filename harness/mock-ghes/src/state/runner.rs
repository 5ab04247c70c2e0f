//! Registered runners ("agents" in the runner service): adding, replacing, removing, showing.

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::{Message, State, next};
use crate::view::{LabelView, RunnerView};
use crate::wire::AgentKey;
use crate::{Defect, Scope, clock};

/// How long the last poll of a removed ephemeral runner is still answered.
const FAREWELL: i64 = 5;

/// One runner.
pub(super) struct Runner {
    pub(super) id: u64,
    pub(super) scope: Scope,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) os_description: String,
    pub(super) labels: Vec<LabelView>,
    pub(super) key: AgentKey,
    /// As the runner sent it, for the echo.
    pub(super) public_key: Value,
    pub(super) ephemeral: bool,
    pub(super) disable_update: bool,
    pub(super) client_id: Uuid,
    /// Where it asks for its access token; also the audience of its assertions.
    pub(super) authorization_url: String,
    /// Where this runner reaches the server: scheme and authority.
    pub(super) base_url: String,
    pub(super) created: Timestamp,
    pub(super) session: Option<Uuid>,
    /// The end of its last session, or its registration.
    pub(super) last_seen: Timestamp,
    /// The job it has, from assignment on.
    pub(super) job: Option<u64>,
    /// An ephemeral runner gets one job in its life.
    pub(super) served: bool,
}

/// A runner that was removed after its job.
pub(super) struct Departed {
    pub(super) name: String,
    pub(super) client_id: Uuid,
    pub(super) until: Timestamp,
}

impl State {
    pub(super) fn is_online(&self, runner: &Runner, now: Timestamp) -> bool {
        let session = runner.session.and_then(|id| self.sessions.get(&id));
        session.is_some_and(|session| !self.is_lost(session, now))
    }

    pub(super) fn view_runner(&self, runner: &Runner, now: Timestamp) -> RunnerView {
        let mut labels = runner.labels.clone();
        if self.defects.contains(&Defect::DropLabel)
            && matches!(runner.scope, Scope::Enterprise(_))
            && let Some(at) = labels.iter().rposition(|label| !label.system)
        {
            labels.remove(at);
        }
        RunnerView {
            id: runner.id,
            name: runner.name.clone(),
            scope: runner.scope.clone(),
            os: operating_system(&runner.os_description).to_owned(),
            version: runner.version.clone(),
            online: self.is_online(runner, now) && !self.defects.contains(&Defect::OfflineRunners),
            busy: runner.job.is_some() && !self.hides_busy(runner),
            ephemeral: runner.ephemeral,
            labels,
            created_at: runner.created,
        }
    }

    /// Whether a seeded defect shows this busy runner as idle.
    fn hides_busy(&self, runner: &Runner) -> bool {
        let before = self
            .runners
            .values()
            .filter(|r| r.scope == runner.scope && r.id < runner.id && r.job.is_some());
        let before = before.count();
        self.defects.contains(&Defect::FewBusy) && before >= 5
            || self.defects.contains(&Defect::ThirdIdle) && before == 2
    }

    fn answer(&self, runner: &Runner) -> RunnerAnswer {
        RunnerAnswer {
            view: self.view_runner(runner, self.clock.now()),
            os_description: runner.os_description.clone(),
            public_key: runner.public_key.clone(),
            client_id: runner.client_id,
            authorization_url: runner.authorization_url.clone(),
            disable_update: runner.disable_update,
        }
    }

    /// Removes a runner and its session. A job it has not begun goes back to the queue.
    pub(super) fn remove_runner(&mut self, id: u64, now: Timestamp) {
        let Some(runner) = self.runners.remove(&id) else {
            return;
        };
        if let Some(session) = runner.session {
            self.sessions.remove(&session);
        }
        if let Some(job) = runner.job {
            self.take_back(job, now);
        }
        self.changed = true;
        self.mail = true;
    }

    /// Removes an ephemeral runner after its job, with a grace for its open poll.
    pub(super) fn depart(&mut self, id: u64, now: Timestamp) {
        if let Some(runner) = self.runners.get(&id) {
            let departed = Departed {
                name: runner.name.clone(),
                client_id: runner.client_id,
                until: clock::later(now, FAREWELL),
            };
            self.departed.insert(id, departed);
        }
        self.remove_runner(id, now);
    }

    fn label_id(&mut self, name: &str) -> u64 {
        let next = self.labels.len() as u64 + 1;
        *self.labels.entry(name.to_lowercase()).or_insert(next)
    }
}

/// REST's word for a runner's operating system.
fn operating_system(description: &str) -> &'static str {
    let description = description.to_lowercase();
    match () {
        () if description.contains("linux") => "linux",
        () if description.contains("darwin") || description.contains("macos") => "macos",
        () if description.contains("windows") => "windows",
        () => "unknown",
    }
}

/// What a runner says of itself when it registers.
pub(crate) struct Registration {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) os_description: String,
    /// Name, and whether it is a system label.
    pub(crate) labels: Vec<(String, bool)>,
    pub(crate) key: AgentKey,
    pub(crate) public_key: Value,
    pub(crate) ephemeral: bool,
    pub(crate) disable_update: bool,
    pub(crate) base_url: String,
}

/// Adds a runner, or replaces the one with this number.
pub(crate) struct AddRunner {
    pub(crate) scope: Scope,
    pub(crate) replaces: Option<u64>,
    pub(crate) registration: Registration,
}

/// What came of it.
pub(crate) enum AddRunnerReply {
    Added(Box<RunnerAnswer>),
    /// Another runner of the scope has this name.
    NameTaken,
    /// There is no runner with the number to replace.
    NotFound,
    /// The runner to replace is running a job.
    Busy,
}

/// A runner, as the runner service shows it.
#[derive(Clone)]
pub(crate) struct RunnerAnswer {
    pub(crate) view: RunnerView,
    pub(crate) os_description: String,
    pub(crate) public_key: Value,
    pub(crate) client_id: Uuid,
    pub(crate) authorization_url: String,
    pub(crate) disable_update: bool,
}

impl Message for AddRunner {
    type Reply = AddRunnerReply;

    fn apply(self, state: &mut State) -> AddRunnerReply {
        let now = state.clock.now();
        let given = self.registration;
        if let Some(id) = self.replaces {
            match state.runners.get(&id) {
                Some(old) if old.scope == self.scope && old.job.is_some() => return AddRunnerReply::Busy,
                Some(old) if old.scope == self.scope => state.remove_runner(id, now),
                _ => return AddRunnerReply::NotFound,
            }
        }
        let is_taken =
            |r: &Runner| r.scope == self.scope && r.name.to_lowercase() == given.name.to_lowercase();
        if state.runners.values().any(is_taken) {
            return AddRunnerReply::NameTaken;
        }
        let mut labels: Vec<LabelView> = Vec::new();
        for (name, system) in given.labels {
            if labels
                .iter()
                .all(|label| label.name.to_lowercase() != name.to_lowercase())
            {
                labels.push(LabelView {
                    id: state.label_id(&name),
                    name,
                    system,
                });
            }
        }
        let client_id = crate::wire::random_guid();
        let runner = Runner {
            id: self.replaces.unwrap_or_else(|| next(&mut state.ids.runner)),
            scope: self.scope,
            name: given.name,
            version: given.version,
            os_description: given.os_description,
            labels,
            key: given.key,
            public_key: given.public_key,
            ephemeral: given.ephemeral,
            disable_update: given.disable_update,
            client_id,
            authorization_url: format!(
                "{}/_services/vstoken/_apis/oauth2/token/{client_id}",
                given.base_url
            ),
            base_url: given.base_url,
            created: now,
            session: None,
            last_seen: now,
            job: None,
            served: false,
        };
        let answer = state.answer(&runner);
        state.runners.insert(runner.id, runner);
        AddRunnerReply::Added(Box::new(answer))
    }
}

/// Adds runners of a scope that registered once and never came back, all with this key.
pub(crate) struct AddLostRunners {
    pub(crate) scope: Scope,
    pub(crate) names: Vec<String>,
    pub(crate) key: AgentKey,
}

impl Message for AddLostRunners {
    /// How many have got a place: a name that is taken gets none.
    type Reply = usize;

    fn apply(self, state: &mut State) -> usize {
        let mut added = 0;
        for name in self.names {
            let registration = Registration {
                name,
                version: "2.306.0".to_owned(),
                os_description: "Linux".to_owned(),
                labels: ["self-hosted", "Linux", "X64"]
                    .map(|label| (label.to_owned(), true))
                    .to_vec(),
                key: self.key.clone(),
                public_key: Value::Null,
                ephemeral: true,
                disable_update: true,
                base_url: String::new(),
            };
            let order = AddRunner {
                scope: self.scope.clone(),
                replaces: None,
                registration,
            };
            added += usize::from(matches!(order.apply(state), AddRunnerReply::Added(_)));
        }
        added
    }
}

/// The runners of a scope, oldest first.
pub(crate) struct RunnersOfScope(pub(crate) Scope);

impl Message for RunnersOfScope {
    type Reply = Vec<RunnerAnswer>;
    const CHANGES: bool = false;

    fn apply(self, state: &mut State) -> Vec<RunnerAnswer> {
        state
            .runners
            .values()
            .filter(|r| r.scope == self.0)
            .map(|r| state.answer(r))
            .collect()
    }
}

/// Removes a runner of a scope that has no job.
pub(crate) struct RemoveRunner {
    pub(crate) scope: Scope,
    pub(crate) id: u64,
}

/// What came of it.
pub(crate) enum RemoveReply {
    Removed,
    NotFound,
    /// Its name.
    Busy(String),
}

impl Message for RemoveRunner {
    type Reply = RemoveReply;

    fn apply(self, state: &mut State) -> RemoveReply {
        match state.runners.get(&self.id).filter(|r| r.scope == self.scope) {
            None => RemoveReply::NotFound,
            Some(runner) if runner.job.is_some() => RemoveReply::Busy(runner.name.clone()),
            Some(_) => {
                state.remove_runner(self.id, state.clock.now());
                RemoveReply::Removed
            }
        }
    }
}

/// What checks a client's assertion: the runner's number, key and authorization URL.
pub(crate) struct ClientKey(pub(crate) Uuid);

impl Message for ClientKey {
    type Reply = Option<(u64, AgentKey, String)>;
    const CHANGES: bool = false;

    fn apply(self, state: &mut State) -> Option<(u64, AgentKey, String)> {
        let runner = state.runners.values().find(|r| r.client_id == self.0)?;
        Some((runner.id, runner.key.clone(), runner.authorization_url.clone()))
    }
}
