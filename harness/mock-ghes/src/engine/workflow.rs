//! A workflow file: read through the typed model, checked as GitHub checks it, and with everything that the runner
//! evaluates already rewritten into template tokens, so that a broken expression is found here and not in a job.

use std::collections::BTreeSet;

use github_actions_models::common::Permissions;
use github_actions_models::workflow::{self as model, Job};
use harness_expressions::ExpressionError;
use harness_yaml::YamlError;
use serde_json::Value as Json;

use super::explain::explain;
use super::inputs::MAX_INPUTS;
use super::locate::locate;
use super::{DispatchInputs, JobTemplate, WorkflowError, tokens};

/// A parsed and checked workflow.
#[derive(Debug)]
pub struct Workflow {
    path: String,
    name: Option<String>,
    dispatch: Option<DispatchInputs>,
    jobs: Vec<JobTemplate>,
    notes: Vec<String>,
    pub(super) run_name: Option<String>,
    pub(super) environment: Option<Json>,
    pub(super) defaults: Option<Json>,
}

/// What is wrong with a part of the file that was read; its key path becomes line and column.
#[derive(Debug)]
pub(super) struct Mistake {
    pub(super) at: Vec<String>,
    pub(super) message: String,
}

impl Mistake {
    pub(super) fn new(at: &[&str], message: impl Into<String>) -> Self {
        Self {
            at: at.iter().map(|step| (*step).to_owned()).collect(),
            message: message.into(),
        }
    }
}

impl Workflow {
    /// Reads `.github/workflows/*.yml`.
    ///
    /// # Errors
    /// [`WorkflowError`] with path, line and column: not YAML, not a workflow, or a mistake that GitHub refuses (an
    /// unknown `needs`, a cycle, a broken expression, …).
    pub fn parse(path: &str, yaml: &str) -> Result<Self, WorkflowError> {
        let at = |(line, column), message| WorkflowError {
            path: path.to_owned(),
            line,
            column,
            message,
        };
        let found = |mistake: Mistake| at(locate(yaml, &mistake.at), mistake.message);
        let tree: Json = harness_yaml::workflow(yaml).map_err(|error| unreadable(path, &error))?;
        let typed: model::Workflow = harness_yaml::workflow(yaml)
            .map_err(|error| explain(&tree).map_or_else(|| unreadable(path, &error), found))?;
        Self::build(path, typed, &tree).map_err(found)
    }

    fn build(path: &str, typed: model::Workflow, tree: &Json) -> Result<Self, Mistake> {
        let dispatch = DispatchInputs::read(&typed.on.events.workflow_dispatch, tree);
        if dispatch
            .as_ref()
            .is_some_and(|dispatch| dispatch.inputs.len() > MAX_INPUTS)
        {
            let at = ["on", "workflow_dispatch", "inputs"];
            return Err(Mistake::new(
                &at,
                format!("you may only define up to {MAX_INPUTS} `inputs` for a `workflow_dispatch` event"),
            ));
        }
        let notes = ignored(&typed);
        let at = |key: &'static str| move |error: ExpressionError| Mistake::new(&[key], error.to_string());
        let jobs = typed
            .jobs
            .into_iter()
            .map(|(key, job)| {
                let tree = &tree["jobs"][&key];
                JobTemplate::build(key, job, tree)
            })
            .collect::<Result<Vec<_>, _>>()?;
        check_needs(&jobs)?;
        if let Some(run_name) = &typed.run_name {
            tokens::text(run_name).map_err(at("run-name"))?;
        }
        Ok(Self {
            path: path.to_owned(),
            name: typed.name.filter(|name| !name.is_empty()),
            dispatch,
            jobs,
            notes,
            run_name: typed.run_name,
            environment: tokens::environment(&typed.env).map_err(at("env"))?,
            defaults: tokens::tree(&tree["defaults"]).map_err(at("defaults"))?,
        })
    }

    /// Where the file is in the repository.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// As written, or the path as GitHub does.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.path)
    }

    /// What a manual run may be given. `None`: the workflow has no `workflow_dispatch` trigger.
    #[must_use]
    pub fn dispatch(&self) -> Option<&DispatchInputs> {
        self.dispatch.as_ref()
    }

    /// In the file's order, before any matrix is expanded.
    #[must_use]
    pub fn jobs(&self) -> &[JobTemplate] {
        &self.jobs
    }

    /// What the file asks for and this server passes over, one sentence each.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    pub(super) fn job(&self, key: &str) -> Option<&JobTemplate> {
        self.jobs.iter().find(|job| job.key == key)
    }
}

/// The reader's words without the place, which it repeats, and the source, which it adds below.
fn unreadable(path: &str, error: &YamlError) -> WorkflowError {
    let (line, column, message) = match error {
        YamlError::Read {
            line,
            column,
            message,
        } => (*line, *column, message.lines().next().unwrap_or_default()),
        YamlError::Write(message) => (1, 1, message.as_str()),
    };
    let place = format!("error: line {line} column {column}: ");
    WorkflowError {
        path: path.to_owned(),
        line: line.max(1),
        column: column.max(1),
        message: message.strip_prefix(&place).unwrap_or(message).to_owned(),
    }
}

fn ignored(workflow: &model::Workflow) -> Vec<String> {
    let mut notes = Vec::new();
    let mut note =
        |place: &str, what: &str| notes.push(format!("{place}: `{what}` has no effect on this server"));
    if workflow.concurrency.is_some() {
        note("workflow", "concurrency");
    }
    if workflow.permissions != Permissions::default() {
        note("workflow", "permissions");
    }
    for (key, job) in &workflow.jobs {
        let Job::NormalJob(job) = job else { continue };
        let place = format!("job {key}");
        if job.concurrency.is_some() {
            note(&place, "concurrency");
        }
        if job.environment.is_some() {
            note(&place, "environment");
        }
        if job.permissions != Permissions::default() {
            note(&place, "permissions");
        }
    }
    notes
}

/// Every need exists, and the needs have an order.
fn check_needs(jobs: &[JobTemplate]) -> Result<(), Mistake> {
    let keys: BTreeSet<&str> = jobs.iter().map(|job| job.key.as_str()).collect();
    for job in jobs {
        if let Some(need) = job.needs.iter().find(|need| !keys.contains(need.as_str())) {
            let at = ["jobs", &job.key, "needs"];
            return Err(Mistake::new(
                &at,
                format!("job '{}' depends on unknown job '{need}'", job.key),
            ));
        }
    }
    let mut ordered: BTreeSet<&str> = BTreeSet::new();
    loop {
        let (free, bound): (Vec<_>, Vec<_>) = jobs
            .iter()
            .filter(|job| !ordered.contains(job.key.as_str()))
            .partition(|job| job.needs.iter().all(|need| ordered.contains(need.as_str())));
        match (free.is_empty(), bound.first()) {
            (_, None) => return Ok(()),
            (true, Some(job)) => {
                let at = ["jobs", &job.key, "needs"];
                return Err(Mistake::new(
                    &at,
                    format!("job '{}' waits for itself through its needs", job.key),
                ));
            }
            (false, Some(_)) => ordered.extend(free.iter().map(|job| job.key.as_str())),
        }
    }
}
