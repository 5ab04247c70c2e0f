//! The operations on a GHES, as errors name them, and the rights that each needs.

use harness_model::Scope;
use octocrab::models::{JobId, RunId, RunnerId};

use crate::Repo;
use crate::mark::MARK;
use crate::permit::Kind;

/// What was being done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Operation {
    /// Reading `/meta`, the first call.
    #[error("connect to GHES at {0}")]
    Connect(
        /// Its address.
        String,
    ),
    /// Reading whose token it is.
    #[error("read the token's user")]
    ReadUser,
    /// Reading the rate limit.
    #[error("read the rate limit")]
    ReadRateLimit,
    /// Reading the mark of a target.
    #[error("read the Actions variable {MARK} of {0}")]
    ReadMark(
        /// Where it stands.
        Scope,
    ),
    /// Listing what else a scope has.
    #[error("list every {kind} of {scope}")]
    ListObjects {
        /// Of which kind.
        kind: Kind,
        /// Whose.
        scope: Scope,
    },
    /// Removing what a run made.
    #[error("remove the {kind} {name} of {scope}")]
    RemoveObject {
        /// Of which kind.
        kind: Kind,
        /// Its name.
        name: String,
        /// Whose.
        scope: Scope,
    },
    /// Listing runners.
    #[error("list the runners of {0}")]
    ListRunners(
        /// Whose.
        Scope,
    ),
    /// Removing a runner.
    #[error("delete runner {runner} of {scope}")]
    DeleteRunner {
        /// Whose.
        scope: Scope,
        /// Which.
        runner: RunnerId,
    },
    /// Dispatching a workflow and finding its run.
    #[error("dispatch workflow {workflow} of {repo} at {git_ref}")]
    Dispatch {
        /// The repository.
        repo: Repo,
        /// File name or id.
        workflow: String,
        /// Branch or tag.
        git_ref: String,
    },
    /// Reading a run.
    #[error("read run {run} of {repo}")]
    ReadRun {
        /// The repository.
        repo: Repo,
        /// The run.
        run: RunId,
    },
    /// Listing the jobs of a run.
    #[error("list the jobs of run {run} of {repo}")]
    ListJobs {
        /// The repository.
        repo: Repo,
        /// The run.
        run: RunId,
    },
    /// Cancelling a run.
    #[error("cancel run {run} of {repo}")]
    CancelRun {
        /// The repository.
        repo: Repo,
        /// The run.
        run: RunId,
    },
    /// Running a run again.
    #[error("run {run} of {repo} again")]
    Rerun {
        /// The repository.
        repo: Repo,
        /// The run.
        run: RunId,
    },
    /// Making a runner group.
    #[error("make the runner group {name} of {scope}")]
    CreateRunnerGroup {
        /// Whose.
        scope: Scope,
        /// How it is to be called.
        name: String,
    },
    /// Reading a repository.
    #[error("read the repository {0}")]
    ReadRepository(
        /// Which.
        Repo,
    ),
    /// Reading a job's log.
    #[error("read the log of job {job} of {repo}")]
    ReadJobLog {
        /// The repository.
        repo: Repo,
        /// The job.
        job: JobId,
    },
    /// Making a webhook.
    #[error("make a webhook of {0}")]
    CreateHook(
        /// Whose.
        Scope,
    ),
    /// Reading the newest commit of a branch.
    #[error("read branch {branch} of {repo}")]
    ReadBranch {
        /// The repository.
        repo: Repo,
        /// Without `refs/heads/`.
        branch: String,
    },
}

impl Operation {
    /// The rights that the documentation asks of a classic personal access token for this.
    pub(crate) fn rights(&self) -> &'static str {
        match self {
            Operation::Connect(_) | Operation::ReadUser | Operation::ReadRateLimit => "no scope",
            Operation::ReadMark(Scope::Organization(_)) => "the scope admin:org, of an organization owner",
            Operation::ListObjects {
                kind: Kind::Repository,
                ..
            } => "the scope repo",
            Operation::RemoveObject {
                kind: Kind::Repository,
                ..
            } => "the scope delete_repo, of an administrator of the repository",
            Operation::ListObjects {
                kind: Kind::Webhook,
                scope: Scope::Organization(_),
            }
            | Operation::RemoveObject {
                kind: Kind::Webhook,
                scope: Scope::Organization(_),
                ..
            } => "the scope admin:org_hook, of an organization owner",
            Operation::ListObjects { scope, .. }
            | Operation::RemoveObject { scope, .. }
            | Operation::ListRunners(scope)
            | Operation::DeleteRunner { scope, .. } => match scope {
                Scope::Enterprise(_) => "the scope manage_runners:enterprise, of an enterprise owner",
                Scope::Organization(_) => "the scope admin:org, of an organization owner",
                Scope::Repository { .. } => "the scope repo, of an administrator of the repository",
            },
            Operation::CreateRunnerGroup { .. } => "the scope admin:org, of an organization owner",
            Operation::CreateHook(Scope::Organization(_)) => {
                "the scope admin:org_hook, of an organization owner"
            }
            Operation::CreateHook(_) => "the scope admin:repo_hook, of an administrator of the repository",
            _ => "the scope repo, of somebody who may write to the repository",
        }
    }
}
