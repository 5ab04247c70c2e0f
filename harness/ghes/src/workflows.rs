//! Starting a workflow, and finding the run that came of it.
//!
//! The REST call answers 204 without a run. So: note the newest run of that workflow, event and branch, dispatch, and take the one
//! newer run that shows. Ids grow, so a run that was there before is never taken. Dispatches of one workflow on one branch wait for
//! each other; others do not.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use octocrab::models::RunId;
use serde_json::{Map, Value};
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::retry::Repeat;
use crate::{Failure, Ghes, GhesError, Operation, Repo};

const POLL: Duration = Duration::from_millis(250);

/// How long to look for the run of a dispatch that GHES may or may not have carried out.
const DOUBT: Duration = Duration::from_secs(5);

/// Repository, workflow and branch.
type Lane = (Repo, String, String);

/// The newest run that this process knows of in each lane; locked while a dispatch is under way.
#[derive(Default)]
pub(crate) struct Lanes(Mutex<HashMap<Lane, Arc<AsyncMutex<Option<RunId>>>>>);

impl Lanes {
    fn of(&self, lane: Lane) -> Arc<AsyncMutex<Option<RunId>>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(lane)
            .or_default()
            .clone()
    }
}

/// What identifies the runs of one dispatch.
struct Dispatch<'a> {
    repo: &'a Repo,
    workflow: &'a str,
    branch: &'a str,
    operation: Operation,
}

impl Ghes {
    /// Runs a workflow by `workflow_dispatch`, and gives its run once GHES shows it.
    ///
    /// `workflow` is its id, its file name or its path; `git_ref` a branch or tag, with or without `refs/heads/`; GHES takes at most
    /// ten inputs.
    ///
    /// # Errors
    /// [`GhesError`]: 422 for an unknown ref, missing or unknown inputs or a workflow without the trigger. A dispatch that may have
    /// been carried out is never sent twice.
    pub async fn dispatch(
        &self,
        repo: &Repo,
        workflow: &str,
        git_ref: &str,
        inputs: &[(&str, &str)],
    ) -> Result<RunId, GhesError> {
        let workflow = workflow.rsplit('/').next().unwrap_or(workflow);
        let branch = git_ref
            .strip_prefix("refs/heads/")
            .or(git_ref.strip_prefix("refs/tags/"))
            .unwrap_or(git_ref);
        let operation = Operation::Dispatch {
            repo: repo.clone(),
            workflow: workflow.to_owned(),
            git_ref: git_ref.to_owned(),
        };
        let dispatch = Dispatch {
            repo,
            workflow,
            branch,
            operation,
        };
        let lane = self
            .lanes
            .of((repo.clone(), workflow.to_owned(), branch.to_owned()));
        let mut newest = lane.lock().await;
        *newest = (*newest).max(self.dispatched(&dispatch).await?.into_iter().max());

        let run = match self.post(&dispatch, git_ref, inputs).await {
            Ok(()) => self.new_run(&dispatch, *newest, self.run_deadline).await?,
            Err(error) if error.failure().may_have_been_done() => {
                let found = self
                    .new_run(&dispatch, *newest, DOUBT.min(self.run_deadline))
                    .await;
                found.map_err(|_| error)?
            }
            Err(error) => return Err(error),
        };
        *newest = Some(run);
        Ok(run)
    }

    async fn post(
        &self,
        dispatch: &Dispatch<'_>,
        git_ref: &str,
        inputs: &[(&str, &str)],
    ) -> Result<(), GhesError> {
        let inputs: Map<String, Value> = inputs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Value::from(*value)))
            .collect();
        let Repo { owner, name } = dispatch.repo;
        self.call(dispatch.operation.clone(), Repeat::Harmful, |_| async {
            let actions = self.crab.actions();
            let request = actions.create_workflow_dispatch(owner, name, dispatch.workflow, git_ref);
            let request = if inputs.is_empty() {
                request
            } else {
                request.inputs(inputs.clone().into())
            };
            request.send().await
        })
        .await
    }

    /// The newest hundred runs that `workflow_dispatch` started of this workflow on this branch.
    async fn dispatched(&self, dispatch: &Dispatch<'_>) -> Result<Vec<RunId>, GhesError> {
        let Repo { owner, name } = dispatch.repo;
        let page = self
            .call(dispatch.operation.clone(), Repeat::Harmless, |_| async {
                let workflows = self.crab.workflows(owner, name);
                let runs = workflows
                    .list_runs(dispatch.workflow)
                    .event("workflow_dispatch")
                    .branch(dispatch.branch);
                runs.per_page(100).send().await
            })
            .await?;
        Ok(page.items.into_iter().map(|run| run.id).collect())
    }

    async fn new_run(
        &self,
        dispatch: &Dispatch<'_>,
        newest: Option<RunId>,
        deadline: Duration,
    ) -> Result<RunId, GhesError> {
        let fail = |failure| Err(GhesError::new(dispatch.operation.clone(), failure, 1));
        let begun = Instant::now();
        let mut ticks = interval(POLL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let mut runs = self.dispatched(dispatch).await?;
            runs.retain(|run| Some(*run) > newest);
            match runs[..] {
                [run] => return Ok(run),
                [] if begun.elapsed() < deadline => {}
                [] => {
                    let last_seen =
                        newest.map_or("no run at all".to_owned(), |run| format!("run {run}, of before"));
                    return fail(Failure::NoRun {
                        waited: deadline,
                        last_seen,
                    });
                }
                _ => return fail(Failure::ManyRuns { runs }),
            }
        }
    }
}
