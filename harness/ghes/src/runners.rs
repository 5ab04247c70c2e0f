//! Self-hosted runners of an enterprise, an organization or a repository.

use harness_model::Scope;
use octocrab::models::RunnerId;

use crate::retry::{self, Repeat};
use crate::{Ghes, GhesError, Operation, Runner};

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
        retry::call(operation, Repeat::Harmless, |attempt| {
            let route = route.as_str();
            async move {
                let answer = self.crab._delete(route, None::<&()>).await?;
                if attempt > 1 && answer.status() == http::StatusCode::NOT_FOUND {
                    return Ok(());
                }
                octocrab::map_github_error(answer).await.map(drop)
            }
        })
        .await
    }
}
