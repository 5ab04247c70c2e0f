//! From a workflow and the facts of a run to the run's jobs: matrices expanded, names, labels and limits evaluated.

use harness_expressions::{Context, ExpressionError, Value, evaluate, interpolate, to_expression};
use serde_json::{Map, Value as Json, json};

use super::job::Body;
use super::matrix::{Leg, expand};
use super::{EngineError, JobTemplate, RunContext, Workflow, context};

/// GitHub's default, in minutes.
const DEFAULT_TIMEOUT: u32 = 360;
/// GitHub cuts longer job names.
const MAX_NAME: usize = 100;

/// One job of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct JobPlan {
    /// Unique in the run: the job's id in the file, and `/N` behind it for the Nth job of a matrix, from 0.
    pub key: String,
    /// The job's id in the file, which is what `needs` names.
    pub job: String,
    /// As people see it.
    pub name: String,
    /// Ids in the file, not keys of the plan.
    pub needs: Vec<String>,
    /// Labels that a runner must have, all of them.
    pub runs_on: Vec<String>,
    /// The runner group it is restricted to.
    pub group: Option<String>,
    /// The server cancels the job after this.
    pub timeout_minutes: u32,
    /// Whether a failure leaves the run green.
    pub continue_on_error: bool,
    /// The `matrix` context.
    pub matrix: Option<Map<String, Json>>,
    /// Its place in the matrix, from 0.
    pub index: usize,
    /// How many jobs the matrix has; 1 without one.
    pub total: usize,
    /// Whether a failure cancels the matrix's other jobs.
    pub fail_fast: bool,
    /// How many of the matrix's jobs may run at once.
    pub max_parallel: usize,
}

/// The run's title: `run-name` with its expressions, else the workflow's name.
#[must_use]
pub fn run_name(workflow: &Workflow, run: &RunContext) -> String {
    let written = workflow.run_name.as_deref().unwrap_or_default();
    // An expression that fails only at run time leaves GitHub with the default, too.
    match interpolate(written, &context::server(workflow, run)) {
        Ok(name) if !name.trim().is_empty() => name,
        _ => workflow.name().to_owned(),
    }
}

/// The jobs of a run, in the file's order, each matrix in place.
///
/// # Errors
/// [`EngineError`]: an expression fails, a field has the wrong kind, or the workflow needs what this server does not
/// serve (reusable workflows; `needs` in a matrix, name, label or limit).
pub fn plan(workflow: &Workflow, run: &RunContext) -> Result<Vec<JobPlan>, EngineError> {
    let server = context::server(workflow, run);
    let mut plan = Vec::new();
    for job in workflow.jobs() {
        let body = job.body.as_ref().ok_or_else(|| EngineError::NotServed {
            job: job.key.clone(),
            what: "a reusable workflow".to_owned(),
        })?;
        plan.extend(
            Planner {
                job,
                body,
                server: &server,
            }
            .jobs()?,
        );
    }
    Ok(plan)
}

struct Planner<'a> {
    job: &'a JobTemplate,
    body: &'a Body,
    server: &'a Context,
}

impl Planner<'_> {
    fn jobs(&self) -> Result<Vec<JobPlan>, EngineError> {
        let strategy = &self.body.strategy;
        let matrix = self.resolve("strategy.matrix", &strategy["matrix"], self.server)?;
        let legs: Vec<Option<Leg>> = if matrix.is_null() {
            vec![None]
        } else {
            let legs = expand(&matrix).map_err(|expected| self.shape("strategy.matrix", expected))?;
            legs.into_iter().map(Some).collect()
        };
        let total = legs.len();
        let fail_fast = self
            .flag("strategy.fail-fast", &strategy["fail-fast"], self.server)?
            .unwrap_or(true);
        let max_parallel = self
            .count("strategy.max-parallel", &strategy["max-parallel"], self.server)?
            .map_or(total, |count| usize::try_from(count).unwrap_or(total));
        legs.into_iter()
            .enumerate()
            .map(|(index, leg)| self.one(index, total, fail_fast, max_parallel, leg))
            .collect()
    }

    fn one(
        &self,
        index: usize,
        total: usize,
        fail_fast: bool,
        max_parallel: usize,
        leg: Option<Leg>,
    ) -> Result<JobPlan, EngineError> {
        let (matrix, segments) = leg.map_or((None, Vec::new()), |leg| (Some(leg.values), leg.segments));
        let context = self
            .server
            .clone()
            .with("matrix", matrix.clone().map_or(Json::Null, Json::Object))
            .with("strategy", strategy(fail_fast, index, total, max_parallel));
        let (runs_on, group) = self.runs_on(&context)?;
        let key = &self.job.key;
        Ok(JobPlan {
            key: if matrix.is_some() {
                format!("{key}/{index}")
            } else {
                key.clone()
            },
            job: key.clone(),
            name: self.name(&segments, &context)?,
            needs: self.job.needs.clone(),
            runs_on,
            group,
            timeout_minutes: self
                .count("timeout-minutes", &self.body.timeout_minutes, &context)?
                .unwrap_or(DEFAULT_TIMEOUT),
            continue_on_error: self
                .flag("continue-on-error", &self.body.continue_on_error, &context)?
                .unwrap_or(false),
            matrix,
            index,
            total,
            fail_fast,
            max_parallel,
        })
    }

    /// A name without expressions gets the matrix's values behind it, as does the id when there is no name.
    fn name(&self, segments: &[String], context: &Context) -> Result<String, EngineError> {
        let written = self
            .job
            .name
            .as_deref()
            .filter(|name| !name.is_empty())
            .unwrap_or(&self.job.key);
        let is_plain = to_expression(written)
            .map_err(|source| self.expression("name", source))?
            .is_none();
        let name = match (is_plain, segments) {
            (true, []) => written.to_owned(),
            (true, segments) => format!("{written} ({})", segments.join(", ")),
            (false, _) => interpolate(written, context).map_err(|source| self.expression("name", source))?,
        };
        let name = if name.is_empty() {
            self.job.key.clone()
        } else {
            name
        };
        Ok(if name.chars().count() > MAX_NAME {
            name.chars().take(MAX_NAME - 3).chain("...".chars()).collect()
        } else {
            name
        })
    }

    fn runs_on(&self, context: &Context) -> Result<(Vec<String>, Option<String>), EngineError> {
        let wrong = || {
            self.shape(
                "runs-on",
                "a label, a list of labels, or a mapping with `group` or `labels`",
            )
        };
        let (labels, group) = match self.resolve("runs-on", &self.body.runs_on, context)? {
            Json::Object(mut runs_on) => {
                let group = runs_on.remove("group").unwrap_or_default();
                let group = match group {
                    Json::Null => None,
                    Json::String(group) => Some(group),
                    _ => return Err(wrong()),
                };
                (runs_on.remove("labels").unwrap_or_default(), group)
            }
            labels => (labels, None),
        };
        let labels = match labels {
            Json::Null => Vec::new(),
            Json::Array(labels) => labels,
            label => vec![label],
        };
        let labels = labels
            .into_iter()
            .map(|label| match label {
                Json::Array(_) | Json::Object(_) => Err(wrong()),
                scalar => Ok(Value::from(scalar).to_string().trim().to_owned()),
            })
            .filter(|label| !matches!(label, Ok(label) if label.is_empty()))
            .collect::<Result<Vec<_>, _>>()?;
        if labels.is_empty() && group.is_none() {
            Err(wrong())
        } else {
            Ok((labels, group))
        }
    }

    fn flag(
        &self,
        field: &'static str,
        value: &Json,
        context: &Context,
    ) -> Result<Option<bool>, EngineError> {
        match self.resolve(field, value, context)? {
            Json::Null => Ok(None),
            Json::Bool(flag) => Ok(Some(flag)),
            _ => Err(self.shape(field, "true or false")),
        }
    }

    /// Numbers are cut to whole ones, as GitHub does.
    fn count(
        &self,
        field: &'static str,
        value: &Json,
        context: &Context,
    ) -> Result<Option<u32>, EngineError> {
        let value = self.resolve(field, value, context)?;
        if value.is_null() {
            return Ok(None);
        }
        let number = Value::from(value).to_number().floor();
        if !(1.0..=f64::from(u32::MAX)).contains(&number) {
            return Err(self.shape(field, "a number from 1 on"));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole, and within the range"
        )]
        Ok(Some(number as u32))
    }

    fn resolve(&self, field: &'static str, value: &Json, context: &Context) -> Result<Json, EngineError> {
        resolve(value, context).map_err(|source| self.expression(field, source))
    }

    fn expression(&self, field: &'static str, source: ExpressionError) -> EngineError {
        let job = self.job.key.clone();
        match source {
            ExpressionError::UnknownContext { name, .. } if name.eq_ignore_ascii_case("needs") => {
                EngineError::NotServed {
                    job,
                    what: format!("`needs` in `{field}`"),
                }
            }
            source => EngineError::Expression { job, field, source },
        }
    }

    fn shape(&self, field: &'static str, expected: &'static str) -> EngineError {
        EngineError::Shape {
            job: self.job.key.clone(),
            field,
            expected,
        }
    }
}

/// The `strategy` context.
pub(super) fn strategy(fail_fast: bool, index: usize, total: usize, max_parallel: usize) -> Json {
    json!({"fail-fast": fail_fast, "job-index": index, "job-total": total, "max-parallel": max_parallel})
}

/// Evaluates every `${{ }}` in a tree; a text that is one expression becomes its value, whatever its kind.
fn resolve(value: &Json, context: &Context) -> Result<Json, ExpressionError> {
    Ok(match value {
        Json::String(text) => match to_expression(text)? {
            None => value.clone(),
            Some(expression) => evaluate(&expression, context)?.into(),
        },
        Json::Array(items) => Json::Array(
            items
                .iter()
                .map(|item| resolve(item, context))
                .collect::<Result<_, _>>()?,
        ),
        Json::Object(object) => Json::Object(
            object
                .iter()
                .map(|(key, value)| Ok((key.clone(), resolve(value, context)?)))
                .collect::<Result<_, ExpressionError>>()?,
        ),
        scalar => scalar.clone(),
    })
}
