//! A job as the workflow file has it, before a run: what the server evaluates stays as YAML, what the runner evaluates
//! is tokens.

use std::collections::BTreeSet;

use github_actions_models::common::If;
use github_actions_models::workflow::Job;
use github_actions_models::workflow::job::NormalJob;
use harness_expressions::{ExpressionError, to_condition};
use serde_json::Value as Json;

use super::steps::{StepTemplate, templates};
use super::tokens;
use super::workflow::Mistake;

/// One entry of `jobs:`.
#[derive(Debug)]
pub struct JobTemplate {
    /// Its id in the file.
    pub key: String,
    /// As written, with its expressions.
    pub name: Option<String>,
    /// Ids of the jobs that come first.
    pub needs: Vec<String>,
    /// `None`: it calls a reusable workflow.
    pub(super) body: Option<Body>,
}

/// What a job of steps has.
#[derive(Debug)]
pub(super) struct Body {
    /// With the implied `success() &&`.
    pub(super) condition: String,
    pub(super) runs_on: Json,
    pub(super) strategy: Json,
    pub(super) timeout_minutes: Json,
    pub(super) continue_on_error: Json,
    pub(super) environment: Option<Json>,
    pub(super) defaults: Option<Json>,
    pub(super) outputs: Option<Json>,
    pub(super) container: Option<Json>,
    pub(super) services: Option<Json>,
    pub(super) steps: Vec<StepTemplate>,
}

impl JobTemplate {
    /// Whether the file gives it a matrix.
    #[must_use]
    pub fn has_matrix(&self) -> bool {
        self.body
            .as_ref()
            .is_some_and(|body| !body.strategy["matrix"].is_null())
    }

    pub(super) fn build(key: String, job: Job, tree: &Json) -> Result<Self, Mistake> {
        let is_legal = key.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && key
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
        if !is_legal {
            let message =
                format!("the job id '{key}' must start with a letter or _ and hold letters, digits, - and _");
            return Err(Mistake::new(&["jobs", &key], message));
        }
        Ok(match job {
            Job::NormalJob(job) => {
                let body = Body::build(&key, &job, tree)?;
                Self {
                    key,
                    name: job.name,
                    needs: unique(job.needs),
                    body: Some(body),
                }
            }
            Job::ReusableWorkflowCallJob(call) => Self {
                key,
                name: call.name,
                needs: unique(call.needs),
                body: None,
            },
        })
    }
}

impl Body {
    fn build(key: &str, job: &NormalJob, tree: &Json) -> Result<Self, Mistake> {
        let at = |field: &'static str| {
            move |error: ExpressionError| Mistake::new(&["jobs", key, field], error.to_string())
        };
        // Evaluated at planning time; only that they parse is checked now.
        for field in [
            "name",
            "runs-on",
            "strategy",
            "timeout-minutes",
            "continue-on-error",
        ] {
            tokens::tree(&tree[field]).map_err(at(field))?;
        }
        Ok(Self {
            condition: condition(job.r#if.as_ref()).map_err(at("if"))?,
            runs_on: tree["runs-on"].clone(),
            strategy: tree["strategy"].clone(),
            timeout_minutes: tree["timeout-minutes"].clone(),
            continue_on_error: tree["continue-on-error"].clone(),
            environment: tokens::environment(&job.env).map_err(at("env"))?,
            defaults: tokens::tree(&tree["defaults"]).map_err(at("defaults"))?,
            outputs: tokens::strings(&job.outputs).map_err(at("outputs"))?,
            container: tokens::tree(&tree["container"]).map_err(at("container"))?,
            services: tokens::tree(&tree["services"]).map_err(at("services"))?,
            steps: templates(key, &job.steps)?,
        })
    }
}

/// An `if:` with the implied `success() &&`.
pub(super) fn condition(text: Option<&If>) -> Result<String, ExpressionError> {
    match text {
        None => to_condition(""),
        Some(If::Bool(bool)) => to_condition(&bool.to_string()),
        Some(If::Expr(text)) => to_condition(text),
    }
}

fn unique(needs: Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    needs
        .into_iter()
        .filter(|need| seen.insert(need.clone()))
        .collect()
}
