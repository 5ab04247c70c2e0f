//! A connection to a GHES that is not ours: it reads, and has no operation that writes.
//!
//! It is got with an [`Admitted`] address only. What may be written, and where, takes a [`Permit`](crate::Permit).

use harness_model::Scope;
use reqwest::redirect::Policy;
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use crate::mark::{MARK, Mark};
use crate::{Admitted, Failure, Ghes, GhesError, Operation, Pace, Target};

/// A GHES that is read.
#[derive(Debug, Clone)]
pub struct Guest {
    pub(crate) ghes: Ghes,
}

/// Whose token it is, and what it may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The user.
    pub login: String,
    /// The scopes of a classic token; absent: GHES named none, as for a fine-grained token.
    pub scopes: Option<Vec<String>>,
}

/// The primary rate limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct RateLimit {
    /// Requests an hour.
    pub limit: u64,
    /// Those that are left.
    pub remaining: u64,
    /// When there are all of them again, in seconds since 1970.
    pub reset: i64,
}

#[derive(Deserialize)]
struct User {
    login: String,
}

#[derive(Deserialize)]
struct Limits {
    resources: Resources,
}

#[derive(Deserialize)]
struct Resources {
    core: RateLimit,
}

#[derive(Deserialize)]
struct Counted {
    total_count: u64,
}

#[derive(Deserialize)]
struct Variable {
    value: String,
}

impl Guest {
    /// Connects, and reads the server's version from `/meta`.
    ///
    /// # Errors
    /// The CA or the token cannot be used, GHES is not there, or it is something else.
    pub async fn enter(
        admitted: &Admitted,
        token: SecretString,
        ca_pem: Option<String>,
        pace: Pace,
    ) -> Result<Guest, GhesError> {
        let url = admitted.url().clone();
        // A redirect leads where nobody allowed anything: to another host, or to what a repository is called by now.
        let ghes = Ghes::open(Target { url, token, ca_pem }, pace, Policy::none()).await?;
        Ok(Guest { ghes })
    }

    /// The server's version.
    #[must_use]
    pub fn version(&self) -> &str {
        self.ghes.version()
    }

    /// The address below which all calls go.
    #[must_use]
    pub fn api(&self) -> &Url {
        self.ghes.api()
    }

    /// The token's user and scopes.
    ///
    /// # Errors
    /// [`GhesError`]: 401 for a token that is not in force.
    pub async fn holder(&self) -> Result<Holder, GhesError> {
        let (headers, user): (_, User) = self.ghes.get_with_headers(Operation::ReadUser, "/user").await?;
        let scopes = headers
            .get("x-oauth-scopes")
            .and_then(|text| text.to_str().ok())
            .map(|text| {
                let scopes = text.split(',').map(str::trim);
                scopes
                    .filter(|scope| !scope.is_empty())
                    .map(str::to_owned)
                    .collect()
            });
        Ok(Holder {
            login: user.login,
            scopes,
        })
    }

    /// The primary rate limit; none: it is not enabled, as a GHES comes.
    ///
    /// # Errors
    /// [`GhesError`]
    pub async fn rate_limit(&self) -> Result<Option<RateLimit>, GhesError> {
        let limits: Result<Limits, GhesError> = self.ghes.read(Operation::ReadRateLimit, "/rate_limit").await;
        found(limits.map(|limits| limits.resources.core))
    }

    /// How many runners a scope has. That they may be listed does not say that runners may be registered.
    ///
    /// # Errors
    /// [`GhesError`]: 403 or 404 without the right.
    pub async fn count_runners(&self, scope: &Scope) -> Result<u64, GhesError> {
        let operation = Operation::ListRunners(scope.clone());
        let route = format!("/{scope}/actions/runners?per_page=1");
        let counted: Counted = self.ghes.read(operation, &route).await?;
        Ok(counted.total_count)
    }

    /// The mark that stands on an organization or a repository; none: there is none, or the token may not see it.
    ///
    /// # Errors
    /// [`GhesError`], other than 403 and 404.
    pub async fn mark(&self, place: &Scope) -> Result<Option<Mark>, GhesError> {
        let operation = Operation::ReadMark(place.clone());
        let route = format!("/{place}/actions/variables/{MARK}");
        let variable: Result<Variable, GhesError> = self.ghes.read(operation, &route).await;
        found(variable.map(|variable| Mark::new(place.clone(), variable.value)))
    }

    /// How many requests went out.
    #[must_use]
    pub fn spent(&self) -> u32 {
        self.ghes.spent()
    }
}

/// What is not there, or not for this token, is none. A rate limit is neither.
fn found<T>(result: Result<T, GhesError>) -> Result<Option<T>, GhesError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if is_hidden(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// GHES does not show it to this token: 403 or 404, and no rate limit.
pub(crate) fn is_hidden(error: &GhesError) -> bool {
    matches!(
        error.failure(),
        Failure::Refused { status, rate_limited: false, .. } if matches!(status.as_u16(), 403 | 404)
    )
}
