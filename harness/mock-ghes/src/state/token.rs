//! Bearer tokens: which ones are in force, and whom each one stands for.

use std::collections::HashMap;

use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret as _;
use uuid::Uuid;

use super::{Message, State};
use crate::wire::app::{self, Refusal};
use crate::wire::{Grant, random_token};
use crate::{Defect, RepositoryName, Scope, World, clock};

/// Registration and removal tokens live for an hour.
const REGISTRATION: SignedDuration = SignedDuration::from_hours(1);
/// As long as the seeded defect `short-tokens` lets them live.
const SHORT: SignedDuration = SignedDuration::from_mins(25);
/// As long as the seeded defect `long-tokens` lets them live.
const LONG: SignedDuration = SignedDuration::from_hours(24);
/// Installation access tokens live for an hour.
const INSTALLATION: SignedDuration = SignedDuration::from_hours(1);

/// Whom a request comes from, by its credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Identity {
    /// No credentials.
    Anonymous,
    /// Credentials that nobody has: expired, revoked, made up.
    Unknown,
    /// A user's personal access token.
    User { login: String, scopes: Vec<String> },
    /// A GitHub App, by a JWT that its key signed.
    App { id: u64 },
    /// A JWT that is no App's, or not now.
    RefusedApp(Refusal),
    /// A GitHub App in the account that it is installed on, by an installation access token.
    Installation {
        id: u64,
        app: u64,
        account: String,
        permissions: IndexMap<String, String>,
    },
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
            Identity::App { id } => format!("app {id}"),
            Identity::RefusedApp(_) => "refused JWT of an app".into(),
            Identity::Installation { app, account, .. } => format!("app {app} on {account}"),
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
    User {
        login: String,
        scopes: Vec<String>,
    },
    /// By its number.
    Installation(u64),
    Registration {
        scope: Scope,
        purpose: Purpose,
    },
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
                Holder::Installation(id) => state.installation(*id),
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
        if app::is_app_jwt(&self.0) {
            return match app::verify(&self.0, &state.world.apps, now) {
                Ok(id) => Identity::App { id },
                Err(refusal) => Identity::RefusedApp(refusal),
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
        let lifetime = match &state.defects {
            defects if defects.contains(&Defect::ShortTokens) => SHORT,
            defects if defects.contains(&Defect::LongTokens) => LONG,
            _ => REGISTRATION,
        };
        let expires = state.after(lifetime);
        let holder = Holder::Registration {
            scope: self.scope,
            purpose: self.purpose,
        };
        state.keep_token(&value, holder, Some(expires));
        (value, expires)
    }
}

/// Issues a personal access token with these scopes. None: there is no such user.
pub(crate) struct IssueUserToken {
    pub(crate) login: String,
    pub(crate) scopes: Vec<String>,
}

impl Message for IssueUserToken {
    type Reply = Option<String>;
    const CHANGES: bool = false;

    fn apply(self, state: &mut State) -> Option<String> {
        let login = state.world.user(&self.login)?.login.clone();
        let value = random_token("ghp_");
        let holder = Holder::User {
            login,
            scopes: self.scopes,
        };
        state.keep_token(&value, holder, None);
        Some(value)
    }
}

/// Issues an access token of an App's installation. None: the App has no such installation.
pub(crate) struct IssueInstallationToken {
    pub(crate) app: u64,
    pub(crate) installation: u64,
}

impl Message for IssueInstallationToken {
    type Reply = Option<(String, Timestamp)>;
    const CHANGES: bool = false;

    fn apply(self, state: &mut State) -> Option<(String, Timestamp)> {
        let (app, _) = state.world.installation(self.installation)?;
        if app.id != self.app {
            return None;
        }
        let value = random_token("ghs_");
        let expires = state.after(INSTALLATION);
        state.keep_token(&value, Holder::Installation(self.installation), Some(expires));
        Some((value, expires))
    }
}

impl State {
    fn after(&self, lifetime: SignedDuration) -> Timestamp {
        let now = self.clock.now();
        now.saturating_add(lifetime).unwrap_or(Timestamp::MAX)
    }

    /// From now on this token is its holder's, and no log or report shows it.
    fn keep_token(&mut self, value: &str, holder: Holder, expires: Option<Timestamp>) {
        self.redactor.learn(value);
        let token = Token { holder, expires };
        self.tokens.by_value.insert(value.to_owned(), token);
    }

    /// Whom a token of this installation stands for.
    fn installation(&self, id: u64) -> Identity {
        self.world
            .installation(id)
            .map_or(Identity::Unknown, |(app, installation)| Identity::Installation {
                id,
                app: app.id,
                account: installation.account.clone(),
                permissions: installation.permissions.clone(),
            })
    }
}

/// Ends a token at once. Replies whether it was in force.
pub(crate) struct RevokeToken(pub(crate) String);

impl Message for RevokeToken {
    type Reply = bool;

    fn apply(self, state: &mut State) -> bool {
        if state.defects.contains(&Defect::UnrevokedTokens) {
            return state.tokens.by_value.contains_key(&self.0);
        }
        state.tokens.by_value.remove(&self.0).is_some()
    }
}
