//! Bearer tokens: which ones are in force, and whom each one stands for.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret as _;
use uuid::Uuid;

use super::{Message, State};
use crate::wire::{Grant, random_token};
use crate::{RepositoryName, Scope, World, clock};

/// Registration and removal tokens live for an hour.
const REGISTRATION: SignedDuration = SignedDuration::from_hours(1);

/// Whom a request comes from, by its credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Identity {
    /// No credentials.
    Anonymous,
    /// Credentials that nobody has: expired, revoked, made up.
    Unknown,
    /// A user's personal access token.
    User { login: String, scopes: Vec<String> },
    /// A token to register or remove runners of a scope.
    RegistrationToken { scope: Scope, purpose: Purpose },
    /// The answer of runner-registration: manages the agents of a scope.
    Registrar { scope: Scope },
    /// A registered runner.
    Runner { id: u64, name: String },
    /// An ephemeral runner that was removed a moment ago, after its job.
    Departed { id: u64, name: String },
    /// A job's token for the runner service.
    Job { id: u64, plan: Uuid },
    /// A job's token for REST and git (`github.token`).
    JobToken { id: u64, repository: RepositoryName },
}

impl Identity {
    /// What the ledger calls it.
    pub(crate) fn label(&self) -> String {
        match self {
            Identity::Anonymous => "anonymous".into(),
            Identity::Unknown => "unknown credentials".into(),
            Identity::User { login, .. } => format!("user {login}"),
            Identity::RegistrationToken {
                scope,
                purpose: Purpose::Register,
            } => {
                format!("registration token of {scope}")
            }
            Identity::RegistrationToken {
                scope,
                purpose: Purpose::Remove,
            } => format!("remove token of {scope}"),
            Identity::Registrar { scope } => format!("registrar of {scope}"),
            Identity::Runner { name, .. } => format!("runner {name}"),
            Identity::Departed { name, .. } => format!("departed runner {name}"),
            Identity::Job { id, .. } => format!("job {id}"),
            Identity::JobToken { id, .. } => format!("github.token of job {id}"),
        }
    }
}

/// What a token from the REST API is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Register,
    Remove,
}

#[derive(Debug)]
enum Holder {
    User { login: String, scopes: Vec<String> },
    Registration { scope: Scope, purpose: Purpose },
    Job(u64),
}

#[derive(Debug)]
struct Token {
    holder: Holder,
    expires: Option<Timestamp>,
}

/// The opaque tokens in force. Those that are JWTs need no table.
#[derive(Default)]
pub(super) struct Tokens {
    by_value: HashMap<String, Token>,
}

impl Tokens {
    pub(super) fn of(world: &World) -> Self {
        let tokens = world.tokens.iter().filter_map(|pat| {
            let holder = Holder::User {
                login: pat.user.clone(),
                scopes: pat.scopes.clone(),
            };
            Some((
                pat.token.as_ref()?.expose_secret().to_owned(),
                Token {
                    holder,
                    expires: None,
                },
            ))
        });
        Tokens {
            by_value: tokens.collect(),
        }
    }

    pub(super) fn forget_expired(&mut self, now: Timestamp) {
        self.by_value
            .retain(|_, token| token.expires.is_none_or(|expires| now < expires));
    }

    /// Issues `github.token` of a job.
    pub(super) fn issue_for_job(&mut self, job: u64) -> String {
        let value = random_token("ghs_");
        self.by_value.insert(
            value.clone(),
            Token {
                holder: Holder::Job(job),
                expires: None,
            },
        );
        value
    }

    /// `github.token` ends a little after its job, for what is still under way.
    pub(super) fn end_job(&mut self, job: u64, now: Timestamp) {
        for token in self.by_value.values_mut() {
            if matches!(token.holder, Holder::Job(id) if id == job) {
                token.expires = Some(clock::later(now, 60));
            }
        }
    }
}

/// Whom a token stands for.
pub(crate) struct Identify(pub(crate) String);

impl Message for Identify {
    type Reply = Identity;
    const CHANGES: bool = false;

    fn apply(self, state: &mut State) -> Identity {
        let now = state.clock.now();
        if let Some(token) = state.tokens.by_value.get(&self.0) {
            if token.expires.is_some_and(|expires| expires <= now) {
                return Identity::Unknown;
            }
            return match &token.holder {
                Holder::User { login, scopes } => Identity::User {
                    login: login.clone(),
                    scopes: scopes.clone(),
                },
                Holder::Registration { scope, purpose } => Identity::RegistrationToken {
                    scope: scope.clone(),
                    purpose: *purpose,
                },
                Holder::Job(id) => state
                    .jobs
                    .get(id)
                    .map_or(Identity::Unknown, |job| Identity::JobToken {
                        id: *id,
                        repository: job.repository.clone(),
                    }),
            };
        }
        match state.secret.verify(&self.0, now) {
            Err(_) => Identity::Unknown,
            Ok(Grant::Registration { scope }) => state
                .world
                .scope_of_path(&scope)
                .map_or(Identity::Unknown, |scope| Identity::Registrar { scope }),
            Ok(Grant::Agent { agent_id, client_id }) => {
                if let Some(runner) = state.runners.get(&agent_id).filter(|r| r.client_id == client_id) {
                    return Identity::Runner {
                        id: agent_id,
                        name: runner.name.clone(),
                    };
                }
                state
                    .departed
                    .get(&agent_id)
                    .filter(|d| d.client_id == client_id)
                    .map_or(Identity::Unknown, |departed| Identity::Departed {
                        id: agent_id,
                        name: departed.name.clone(),
                    })
            }
            Ok(Grant::Job { plan_id, .. }) => {
                state
                    .jobs
                    .values()
                    .find(|job| job.plan_id == plan_id)
                    .map_or(Identity::Unknown, |job| Identity::Job {
                        id: job.id,
                        plan: plan_id,
                    })
            }
        }
    }
}

/// Issues a registration or removal token of a scope.
pub(crate) struct IssueToken {
    pub(crate) scope: Scope,
    pub(crate) purpose: Purpose,
}

impl Message for IssueToken {
    type Reply = (String, Timestamp);
    const CHANGES: bool = false;

    fn apply(self, state: &mut State) -> (String, Timestamp) {
        let value = random_token("");
        let expires = state
            .clock
            .now()
            .saturating_add(REGISTRATION)
            .unwrap_or(Timestamp::MAX);
        let holder = Holder::Registration {
            scope: self.scope,
            purpose: self.purpose,
        };
        state.redactor.learn(&value);
        state.tokens.by_value.insert(
            value.clone(),
            Token {
                holder,
                expires: Some(expires),
            },
        );
        (value, expires)
    }
}

/// Ends a token at once. Replies whether it was in force.
pub(crate) struct RevokeToken(pub(crate) String);

impl Message for RevokeToken {
    type Reply = bool;

    fn apply(self, state: &mut State) -> bool {
        state.tokens.by_value.remove(&self.0).is_some()
    }
}
