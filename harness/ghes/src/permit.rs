//! The second of two proofs: the target carries the mark. Only who holds it can write, and only to what bears a run's prefix.
//!
//! So far that is removing what earlier runs left. What a run makes belongs here too: under names of [`RunPrefix`](harness_model::RunPrefix), and of this scope.

use std::fmt;

use harness_model::{OwnName, Scope};
use jiff::Timestamp;
use serde::Deserialize;

use crate::guest::is_hidden;
use crate::{Failure, Ghes, GhesError, Guest, Operation};

/// A marked scope of a GHES whose host is on the allow-list. There is no other way to get one than [`Guest::permit`].
#[derive(Debug)]
pub struct Permit {
    ghes: Ghes,
    scope: Scope,
}

/// Things on a page.
const PAGE: usize = 100;

/// A kind of thing that a run makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A self-hosted runner.
    Runner,
    /// A webhook.
    Webhook,
    /// A group of runners.
    RunnerGroup,
    /// A repository.
    Repository,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Runner => "runner",
            Kind::Webhook => "webhook",
            Kind::RunnerGroup => "runner group",
            Kind::Repository => "repository",
        })
    }
}

/// Something that a run made. Its name bears a run's prefix: there is no other way to get one than [`Permit::leftovers`].
#[derive(Debug)]
pub struct Leftover<'a> {
    permit: &'a Permit,
    kind: Kind,
    name: OwnName,
    route: String,
}

/// What a scope has.
#[derive(Debug, Default)]
pub struct Leftovers<'a> {
    /// What bears a run's prefix.
    pub ours: Vec<Leftover<'a>>,
    /// How many things do not, and are nobody's business here.
    pub others: usize,
    /// What the token may not see.
    pub unseen: Vec<Kind>,
}

/// What became of a leftover that was to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removal {
    /// It is gone, and was there before.
    Removed,
    /// Somebody else was faster.
    Gone,
    /// GHES keeps it, for this reason: a runner with a job, a right that is missing.
    Kept(String),
}

#[derive(Deserialize)]
struct Named {
    id: u64,
    name: String,
}

#[derive(Deserialize)]
struct Hook {
    id: u64,
    config: Config,
}

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    url: String,
}

#[derive(Deserialize)]
struct Groups {
    runner_groups: Vec<Named>,
}

impl Guest {
    /// The permit for a scope; none: the place that would carry its mark has none that opens it.
    ///
    /// # Errors
    /// [`GhesError`]
    pub async fn permit(&self, scope: &Scope, place: Option<&Scope>) -> Result<Option<Permit>, GhesError> {
        let Some(place) = place else { return Ok(None) };
        let mark = self.mark(place).await?;
        Ok(mark.filter(|mark| mark.opens(scope)).map(|_| Permit {
            ghes: self.ghes.clone(),
            scope: scope.clone(),
        }))
    }
}

impl Permit {
    /// What it is for.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// What runs made in this scope, of every kind that there is in such a scope.
    ///
    /// # Errors
    /// [`GhesError`]; what the token may not list is told instead.
    pub async fn leftovers(&self) -> Result<Leftovers<'_>, GhesError> {
        let kinds: &[Kind] = match &self.scope {
            Scope::Enterprise(_) => &[Kind::Runner],
            // Repositories first: what is in them goes with them.
            Scope::Organization(_) => &[Kind::Repository, Kind::Runner, Kind::RunnerGroup, Kind::Webhook],
            Scope::Repository { .. } => &[Kind::Runner, Kind::Webhook],
        };
        let mut found = Leftovers::default();
        for &kind in kinds {
            match self.list_of(kind).await {
                Ok(all) => {
                    for (name, route) in all {
                        match name {
                            Some(name) => found.ours.push(Leftover {
                                permit: self,
                                kind,
                                name,
                                route,
                            }),
                            None => found.others += 1,
                        }
                    }
                }
                Err(error) if is_hidden(&error) => found.unseen.push(kind),
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// Everything of a kind: the name if it is ours, and the route of it.
    async fn list_of(&self, kind: Kind) -> Result<Vec<(Option<OwnName>, String)>, GhesError> {
        let (ghes, scope) = (&self.ghes, &self.scope);
        let operation = match kind {
            Kind::Runner => Operation::ListRunners(scope.clone()),
            other => Operation::ListObjects {
                kind: other,
                scope: scope.clone(),
            },
        };
        let all = match kind {
            Kind::Runner => {
                let runners = ghes.runners(scope).await?;
                let route = |id| format!("/{scope}/actions/runners/{id}");
                let shown = runners
                    .into_iter()
                    .map(|one| (one.name.parse().ok(), route(one.id)));
                shown.collect()
            }
            Kind::Webhook => {
                let hooks: Vec<Hook> = ghes
                    .list(operation, &format!("/{scope}/hooks?per_page=100"))
                    .await?;
                let route = |id| format!("/{scope}/hooks/{id}");
                let shown = hooks
                    .into_iter()
                    .map(|one| (OwnName::in_address(&one.config.url), route(one.id)));
                shown.collect()
            }
            Kind::RunnerGroup => {
                let base = format!("/{scope}/actions/runner-groups");
                let mut all = Vec::new();
                for page in 1.. {
                    let route = format!("{base}?per_page={PAGE}&page={page}");
                    let groups: Groups = ghes.read(operation.clone(), &route).await?;
                    let is_last = groups.runner_groups.len() < PAGE;
                    all.extend(groups.runner_groups);
                    if is_last {
                        break;
                    }
                }
                all.into_iter()
                    .map(|one| (one.name.parse().ok(), format!("{base}/{}", one.id)))
                    .collect()
            }
            Kind::Repository => {
                let Scope::Organization(owner) = scope else {
                    return Ok(Vec::new());
                };
                let all: Vec<Named> = ghes
                    .list(operation, &format!("/{scope}/repos?per_page=100"))
                    .await?;
                let shown = all.into_iter();
                shown
                    .map(|one| (one.name.parse().ok(), format!("/repos/{owner}/{}", one.name)))
                    .collect()
            }
        };
        Ok(all)
    }
}

impl Leftover<'_> {
    /// Of which kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// How it is called; a webhook, by its address.
    #[must_use]
    pub fn name(&self) -> &OwnName {
        &self.name
    }

    /// When the run began that made it.
    #[must_use]
    pub fn began(&self) -> Timestamp {
        self.name.began()
    }

    /// Removes it.
    ///
    /// # Errors
    /// [`GhesError`]: GHES did not answer, or the token, a rate limit or the budget is spent.
    pub async fn remove(&self) -> Result<Removal, GhesError> {
        let operation = Operation::RemoveObject {
            kind: self.kind,
            name: self.name.to_string(),
            scope: self.permit.scope.clone(),
        };
        match self.permit.ghes.delete(operation, &self.route).await {
            Ok(()) => Ok(Removal::Removed),
            Err(error) => match error.failure() {
                Failure::Refused {
                    status,
                    message,
                    rate_limited: false,
                    ..
                } => match status.as_u16() {
                    404 => Ok(Removal::Gone),
                    403 | 409 | 422 => Ok(Removal::Kept(message.clone())),
                    _ => Err(error),
                },
                _ => Err(error),
            },
        }
    }
}
