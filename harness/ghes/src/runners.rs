//! Self-hosted runners of an enterprise, an organization or a repository, and the groups of an organization.

use harness_model::Scope;
use octocrab::models::RunnerId;
use serde::Deserialize;
use serde_json::json;

use crate::retry::Repeat;
use crate::{Ghes, GhesError, Operation, Repo, Runner};

/// Anything with a number.
#[derive(Deserialize)]
struct Numbered {
    id: u64,
}

impl Ghes {
    /// Every runner of the scope, from all pages.
    ///
    /// # Errors
    /// [`GhesError`]; reading is tried again while GHES is briefly away.
    pub async fn runners(&self, scope: &Scope) -> Result<Vec<Runner>, GhesError> {
        let operation = Operation::ListRunners(scope.clone());
        self.list(operation, &format!("/{scope}/actions/runners?per_page=100"))
            .await
    }

    /// Makes a runner group of an organization that these repositories may use; gives its number.
    ///
    /// # Errors
    /// [`GhesError`]: 404 for a scope without runner groups, or a repository that is not there.
    pub async fn create_runner_group(
        &self,
        scope: &Scope,
        name: &str,
        repositories: &[Repo],
    ) -> Result<u64, GhesError> {
        let mut ids = Vec::new();
        for repository in repositories {
            let operation = Operation::ReadRepository(repository.clone());
            let known: Numbered = self.get(operation, &format!("/repos/{repository}")).await?;
            ids.push(known.id);
        }
        let operation = Operation::CreateRunnerGroup {
            scope: scope.clone(),
            name: name.to_owned(),
        };
        let route = format!("/{scope}/actions/runner-groups");
        let body = json!({ "name": name, "visibility": "selected", "selected_repository_ids": ids });
        let (route, body) = (route.as_str(), &body);
        let made: Numbered = self
            .call(operation, Repeat::Harmful, |_| async move {
                self.crab.post(route, Some(body)).await
            })
            .await?;
        Ok(made.id)
    }

    /// Removes a runner. That it is gone at a second try counts as removed.
    ///
    /// # Errors
    /// [`GhesError`]: 422 for a runner with a job, 404 for one that never was.
    pub async fn delete_runner(&self, scope: &Scope, runner: RunnerId) -> Result<(), GhesError> {
        let operation = Operation::DeleteRunner {
            scope: scope.clone(),
            runner,
        };
        let route = format!("/{scope}/actions/runners/{runner}");
        self.delete(operation, &route).await
    }
}
