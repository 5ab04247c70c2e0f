//! Workflow runs and their jobs, and the branch they ran on.

use octocrab::models::RunId;
use octocrab::models::repos::Branch;

use crate::retry::Repeat;
use crate::{Ghes, GhesError, Job, Operation, Repo, Run};

impl Ghes {
    /// A run, as it stands now.
    ///
    /// # Errors
    /// [`GhesError`].
    pub async fn run(&self, repo: &Repo, run: RunId) -> Result<Run, GhesError> {
        let operation = Operation::ReadRun {
            repo: repo.clone(),
            run,
        };
        self.get(operation, &format!("/repos/{repo}/actions/runs/{run}"))
            .await
    }

    /// The jobs of a run's newest attempt, from all pages.
    ///
    /// # Errors
    /// [`GhesError`].
    pub async fn jobs(&self, repo: &Repo, run: RunId) -> Result<Vec<Job>, GhesError> {
        let operation = Operation::ListJobs {
            repo: repo.clone(),
            run,
        };
        self.list(
            operation,
            &format!("/repos/{repo}/actions/runs/{run}/jobs?per_page=100"),
        )
        .await
    }

    /// Asks GHES to cancel a run.
    ///
    /// # Errors
    /// [`GhesError`]: 409 for a run that has ended.
    pub async fn cancel(&self, repo: &Repo, run: RunId) -> Result<(), GhesError> {
        let operation = Operation::CancelRun {
            repo: repo.clone(),
            run,
        };
        self.call(operation, Repeat::Harmful, |_| async {
            self.crab
                .actions()
                .cancel_workflow_run(&repo.owner, &repo.name, run)
                .await
        })
        .await
    }

    /// Runs all jobs of a run that has ended again, as its next attempt.
    ///
    /// # Errors
    /// [`GhesError`]: 403 for a run that has not ended.
    pub async fn rerun(&self, repo: &Repo, run: RunId) -> Result<(), GhesError> {
        let operation = Operation::Rerun {
            repo: repo.clone(),
            run,
        };
        let route = format!("/repos/{repo}/actions/runs/{run}/rerun");
        self.call(operation, Repeat::Harmful, |_| {
            let route = route.as_str();
            async move {
                let answer = self.crab._post(route, None::<&()>).await?;
                octocrab::map_github_error(answer).await.map(drop)
            }
        })
        .await
    }

    /// The newest commit of a branch, as 40 hexadecimal digits.
    ///
    /// # Errors
    /// [`GhesError`].
    pub async fn branch_head(&self, repo: &Repo, branch: &str) -> Result<String, GhesError> {
        let operation = Operation::ReadBranch {
            repo: repo.clone(),
            branch: branch.to_owned(),
        };
        let branch: Branch = self
            .get(operation, &format!("/repos/{repo}/branches/{branch}"))
            .await?;
        Ok(branch.commit.sha)
    }
}
