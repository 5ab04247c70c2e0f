//! Webhooks: who wants to be told of what, and what is told to whom.
//!
//! Events follow from how far jobs are (`announce` looks after every change), so no way in which a job moves can be forgotten. What it is not:
//! nothing goes over the wire here; `web/delivery.rs` sends what lies in the outbox, and reports each answer back.

use std::sync::Arc;

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::job::{Job, Stage};
use super::{Message, State, next};
use crate::view::{DeliveryView, JobView, Status};
use crate::wire::random_guid;
use crate::{Defect, RepositoryName, Scope};

/// A webhook of a repository or an organization.
#[derive(Debug, Clone)]
pub(crate) struct Hook {
    pub(crate) id: u64,
    pub(crate) scope: Scope,
    pub(crate) settings: HookSettings,
    pub(crate) created: Timestamp,
}

/// What its owner says of a webhook.
#[derive(Debug, Clone)]
pub(crate) struct HookSettings {
    /// Where it is told.
    pub(crate) url: String,
    /// `json` or `form`.
    pub(crate) content_type: String,
    /// Signs deliveries; without it they are not signed.
    pub(crate) secret: Option<SecretString>,
    /// Whether the receiver's certificate is not verified.
    pub(crate) insecure: bool,
    /// Names of events, or `*`.
    pub(crate) events: Vec<String>,
    pub(crate) active: bool,
    /// The server as its owner called it; addresses in payloads begin so.
    pub(crate) base_url: String,
    /// Who made it.
    pub(crate) creator: String,
}

impl Hook {
    fn wants(&self, event: &str, repository: &RepositoryName) -> bool {
        let of_it = match &self.scope {
            Scope::Repository(name) => name == repository,
            Scope::Organization(login) => *login == repository.owner,
            Scope::Enterprise(_) => false,
        };
        let named = |wanted: &String| wanted == event || wanted == "*";
        of_it && self.settings.active && self.settings.events.iter().any(named)
    }
}

/// What happened, as one webhook is told.
#[derive(Debug, Clone)]
pub(crate) enum HookEvent {
    /// The webhook is new, or somebody asked for a sign of life.
    Ping,
    /// A job came further.
    WorkflowJob {
        action: &'static str,
        job: Box<JobView>,
        /// Who set off the run.
        sender: String,
    },
    /// Whatever a test wants to have told.
    Foreign { event: String, payload: String },
}

impl HookEvent {
    pub(crate) fn name(&self) -> &str {
        match self {
            HookEvent::Ping => "ping",
            HookEvent::WorkflowJob { .. } => "workflow_job",
            HookEvent::Foreign { event, .. } => event,
        }
    }
}

/// How a delivery is signed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signature {
    /// With the webhook's secret.
    #[default]
    Good,
    /// With another secret.
    Bad,
    /// Not at all.
    Missing,
}

/// What is to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    pub(crate) delivery: u64,
    pub(crate) guid: Uuid,
    pub(crate) hook: Hook,
    pub(crate) event: Arc<HookEvent>,
    pub(crate) signature: Signature,
}

/// Webhooks and everything that was told to them.
#[derive(Debug, Default)]
pub(super) struct Hooks {
    hooks: Vec<Hook>,
    deliveries: Vec<Delivery>,
    /// Whether new deliveries wait until a test has them sent.
    holding: bool,
    /// What is to be sent, in order.
    outbox: Vec<Post>,
    last_hook: u64,
    last_delivery: u64,
}

#[derive(Debug)]
struct Delivery {
    view: DeliveryView,
    hook: Hook,
    event: Arc<HookEvent>,
}

impl Delivery {
    fn post(&self, signature: Signature) -> Post {
        Post {
            delivery: self.view.id,
            guid: self.view.guid,
            hook: self.hook.clone(),
            event: self.event.clone(),
            signature,
        }
    }
}

impl Hooks {
    pub(super) fn take_outbox(&mut self) -> Vec<Post> {
        std::mem::take(&mut self.outbox)
    }

    /// Takes the webhooks of a scope away.
    pub(super) fn remove_of(&mut self, scope: &Scope) {
        self.hooks.retain(|hook| hook.scope != *scope);
    }

    /// Writes a delivery down. It is held, or goes to the outbox.
    fn deliver(
        &mut self,
        hook: Hook,
        event: Arc<HookEvent>,
        signature: Signature,
        redelivers: Option<Uuid>,
        now: Timestamp,
    ) -> u64 {
        let (action, job) = match event.as_ref() {
            HookEvent::WorkflowJob { action, job, .. } => (Some((*action).to_owned()), Some(job.id)),
            HookEvent::Ping | HookEvent::Foreign { .. } => (None, None),
        };
        let is_asked_for = redelivers.is_some() || matches!(event.as_ref(), HookEvent::Foreign { .. });
        let held = self.holding && !is_asked_for;
        let view = DeliveryView {
            id: next(&mut self.last_delivery),
            guid: redelivers.unwrap_or_else(random_guid),
            hook: hook.id,
            event: event.name().to_owned(),
            action,
            job,
            redelivery: redelivers.is_some(),
            held,
            at: now,
            answered: false,
            status: None,
            answer: String::new(),
            duration_ms: 0,
        };
        let delivery = Delivery { view, hook, event };
        if !held {
            self.outbox.push(delivery.post(signature));
        }
        let id = delivery.view.id;
        self.deliveries.push(delivery);
        id
    }

    fn delivery(&mut self, id: u64) -> Option<&mut Delivery> {
        self.deliveries.iter_mut().find(|delivery| delivery.view.id == id)
    }
}

/// How far a job is, as webhooks were told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Told {
    #[default]
    Nothing,
    Queued,
    InProgress,
    Completed,
}

impl Told {
    fn reached(job: &Job) -> Told {
        match job.stage {
            Stage::Waiting => Told::Nothing,
            Stage::Queued | Stage::Assigned { .. } => Told::Queued,
            Stage::Running => Told::InProgress,
            Stage::Finished(_) => Told::Completed,
        }
    }

    /// What is to be told of a job. One that was skipped was never queued, and one that was cancelled in the queue never ran.
    fn due(job: &Job) -> Vec<&'static str> {
        let (told, reached) = (job.told, Told::reached(job));
        let ran = job.started.is_some();
        let steps = [
            (Told::Queued, "queued", reached != Told::Completed || ran),
            (Told::InProgress, "in_progress", ran),
            (Told::Completed, "completed", true),
        ];
        let due = steps
            .into_iter()
            .filter(|(step, _, was)| told < *step && *step <= reached && *was);
        due.map(|(_, action, _)| action).collect()
    }
}

/// Tells every webhook that wants it how far jobs have come since the last look.
pub(super) fn announce(state: &mut State, now: Timestamp) {
    let due: Vec<(u64, Vec<&'static str>)> = state
        .jobs
        .values()
        .filter(|job| job.told < Told::reached(job))
        .map(|job| (job.id, Told::due(job)))
        .collect();
    for (id, actions) in due {
        for action in actions {
            if action == "completed" && state.defects.contains(&Defect::LostCompleted) {
                continue;
            }
            if action == "queued" && is_lost(state, id) {
                continue;
            }
            tell(state, id, action, now);
            if state.defects.contains(&Defect::DoubleDeliveries) {
                tell(state, id, action, now);
            }
        }
        if let Some(job) = state.jobs.get_mut(&id) {
            job.told = Told::reached(job);
        }
    }
}

/// Whether a seeded defect keeps it quiet that this job is queued.
fn is_lost(state: &State, job: u64) -> bool {
    let again = state.jobs.get(&job).is_some_and(|job| job.attempt > 1);
    let seventh = state.jobs.keys().nth(6) == Some(&job);
    again && state.defects.contains(&Defect::SilentRerun)
        || seventh && state.defects.contains(&Defect::LostQueued)
}

fn tell(state: &mut State, job: u64, action: &'static str, now: Timestamp) {
    let Some(job) = state.jobs.get(&job) else { return };
    let hooks: Vec<Hook> = state
        .hooks
        .hooks
        .iter()
        .filter(|hook| hook.wants("workflow_job", &job.repository))
        .cloned()
        .collect();
    let (Some(mut view), Some(run)) = (state.view_job(job), state.runs.get(&job.run)) else {
        return;
    };
    if action == "in_progress" {
        // It may have ended since.
        view.status = Status::InProgress;
        view.conclusion = None;
        view.completed_at = None;
    }
    let sender = run.context.actor.clone();
    let event = Arc::new(HookEvent::WorkflowJob {
        action,
        job: Box::new(view),
        sender,
    });
    for hook in hooks {
        state
            .hooks
            .deliver(hook, event.clone(), Signature::Good, None, now);
    }
}

/// Makes a webhook and pings it.
pub(crate) struct AddHook {
    pub(crate) scope: Scope,
    pub(crate) settings: HookSettings,
}

impl Message for AddHook {
    type Reply = Hook;

    fn apply(self, state: &mut State) -> Hook {
        let now = state.clock.now();
        if let Some(secret) = &self.settings.secret {
            state.redactor.learn(secret.expose_secret());
        }
        let hook = Hook {
            id: next(&mut state.hooks.last_hook),
            scope: self.scope,
            settings: self.settings,
            created: now,
        };
        state.hooks.hooks.push(hook.clone());
        let ping = Arc::new(HookEvent::Ping);
        state
            .hooks
            .deliver(hook.clone(), ping, Signature::Good, None, now);
        hook
    }
}

/// The webhooks of a scope.
pub(crate) struct HooksOf(pub(crate) Scope);

impl Message for HooksOf {
    type Reply = Vec<Hook>;
    const CHANGES: bool = false;

    fn apply(self, state: &mut State) -> Vec<Hook> {
        let hooks = state.hooks.hooks.iter();
        hooks.filter(|hook| hook.scope == self.0).cloned().collect()
    }
}

/// Removes a webhook.
pub(crate) struct RemoveHook(pub(crate) u64);

impl Message for RemoveHook {
    type Reply = ();

    fn apply(self, state: &mut State) {
        state.hooks.hooks.retain(|hook| hook.id != self.0);
    }
}

/// Pings a webhook.
pub(crate) struct PingHook(pub(crate) u64);

impl Message for PingHook {
    type Reply = ();

    fn apply(self, state: &mut State) {
        let now = state.clock.now();
        let hook = state.hooks.hooks.iter().find(|hook| hook.id == self.0).cloned();
        if let Some(hook) = hook {
            let ping = Arc::new(HookEvent::Ping);
            state.hooks.deliver(hook, ping, Signature::Good, None, now);
        }
    }
}

/// Everything that was told to webhooks, or is held back, oldest first.
pub(crate) struct Deliveries;

impl Message for Deliveries {
    type Reply = Vec<DeliveryView>;
    const CHANGES: bool = false;

    fn apply(self, state: &mut State) -> Vec<DeliveryView> {
        let deliveries = state.hooks.deliveries.iter();
        deliveries.map(|delivery| delivery.view.clone()).collect()
    }
}

/// Holds new deliveries back from now on, or sends all that are held and holds no more.
pub(crate) struct HoldDeliveries(pub(crate) bool);

impl Message for HoldDeliveries {
    type Reply = ();

    fn apply(self, state: &mut State) {
        let hooks = &mut state.hooks;
        hooks.holding = self.0;
        if !self.0 {
            for delivery in hooks.deliveries.iter_mut().filter(|delivery| delivery.view.held) {
                delivery.view.held = false;
                hooks.outbox.push(delivery.post(Signature::Good));
            }
        }
    }
}

/// Sends a delivery: one that is held goes now, any other again, as a redelivery with the same GUID.
pub(crate) struct SendDelivery {
    pub(crate) delivery: u64,
    pub(crate) signature: Signature,
}

impl Message for SendDelivery {
    /// The delivery's number; none: there is no such delivery.
    type Reply = Option<u64>;

    fn apply(self, state: &mut State) -> Option<u64> {
        let now = state.clock.now();
        let found = state.hooks.delivery(self.delivery)?;
        if found.view.held {
            found.view.held = false;
            found.view.at = now;
            let post = found.post(self.signature);
            state.hooks.outbox.push(post);
            return Some(self.delivery);
        }
        let (hook, event, guid) = (found.hook.clone(), found.event.clone(), found.view.guid);
        Some(state.hooks.deliver(hook, event, self.signature, Some(guid), now))
    }
}

/// Tells a webhook something that did not happen.
pub(crate) struct TellHook {
    pub(crate) hook: u64,
    pub(crate) event: String,
    pub(crate) payload: String,
    pub(crate) signature: Signature,
}

impl Message for TellHook {
    /// The delivery's number; none: there is no such webhook.
    type Reply = Option<u64>;

    fn apply(self, state: &mut State) -> Option<u64> {
        let now = state.clock.now();
        let hook = state
            .hooks
            .hooks
            .iter()
            .find(|hook| hook.id == self.hook)
            .cloned()?;
        let event = Arc::new(HookEvent::Foreign {
            event: self.event,
            payload: self.payload,
        });
        Some(state.hooks.deliver(hook, event, self.signature, None, now))
    }
}

/// A delivery was answered, or was not.
pub(crate) struct Delivered {
    pub(crate) delivery: u64,
    /// None: no answer came.
    pub(crate) status: Option<u16>,
    /// The answer's beginning, or why none came.
    pub(crate) answer: String,
    pub(crate) duration_ms: u64,
}

impl Message for Delivered {
    type Reply = ();

    fn apply(self, state: &mut State) {
        if let Some(delivery) = state.hooks.delivery(self.delivery) {
            let view = &mut delivery.view;
            view.answered = true;
            view.status = self.status;
            view.answer = self.answer;
            view.duration_ms = self.duration_ms;
        }
    }
}
