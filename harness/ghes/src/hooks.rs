//! Webhooks of an organization or a repository.

use harness_model::Scope;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;

use crate::retry::Repeat;
use crate::{Ghes, GhesError, Operation};

/// A webhook to be made. It is told in JSON.
#[derive(Debug, Clone)]
pub struct NewHook {
    /// Who is told.
    pub url: String,
    /// Signs what is told.
    pub secret: SecretString,
    /// Names of events, for example `workflow_job`.
    pub events: Vec<String>,
}

#[derive(Deserialize)]
struct Made {
    id: u64,
}

impl Ghes {
    /// Makes a webhook; gives its number.
    ///
    /// # Errors
    /// [`GhesError`]: 404 for a scope without webhooks in the REST API (an enterprise), or without the right to make one.
    pub async fn create_hook(&self, scope: &Scope, hook: &NewHook) -> Result<u64, GhesError> {
        let route = format!("/{scope}/hooks");
        let body = json!({
            "name": "web",
            "active": true,
            "events": hook.events,
            "config": {
                "url": hook.url,
                "content_type": "json",
                "insecure_ssl": "0",
                "secret": hook.secret.expose_secret(),
            },
        });
        let (route, body) = (route.as_str(), &body);
        let made: Made = self
            .call(
                Operation::CreateHook(scope.clone()),
                Repeat::Harmful,
                |_| async move { self.crab.post(route, Some(body)).await },
            )
            .await?;
        Ok(made.id)
    }
}
