//! Whether a job may start: its needs, and its `if`.

use std::collections::BTreeSet;

use harness_expressions::{Status, condition, evaluate};
use indexmap::IndexMap;

use super::{EngineError, JobPlan, RunContext, Workflow, context};

/// What to do with a job now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Something that it needs has not finished.
    Waiting,
    /// It may be queued.
    Ready,
    /// Its condition is false: it finishes as skipped.
    Skipped,
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conclusion {
    /// All went well.
    Success,
    /// A step failed, or the job did.
    Failure,
    /// Someone, a timeout or fail-fast stopped it.
    Cancelled,
    /// Its condition was false.
    Skipped,
}

impl Conclusion {
    /// As REST and expressions spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
        }
    }
}

/// A finished job, as the jobs that need it see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobOutcome {
    /// Before `continue-on-error`, which is applied here.
    pub conclusion: Conclusion,
    /// Those that the job set.
    pub outputs: IndexMap<String, String>,
}

/// Decides about the job `key` of the plan. `finished` has the outcomes by plan key, in the order of finishing.
///
/// The default condition is `success()`, which looks at all jobs up the chain of needs, not only at the direct ones.
///
/// # Errors
/// [`EngineError`]: no such job, or its `if` fails.
pub fn readiness(
    workflow: &Workflow,
    plan: &[JobPlan],
    key: &str,
    finished: &IndexMap<String, JobOutcome>,
    run: &RunContext,
) -> Result<Readiness, EngineError> {
    let unknown = || EngineError::UnknownJob { key: key.to_owned() };
    let planned = plan.iter().find(|job| job.key == key).ok_or_else(unknown)?;
    let job = workflow.job(&planned.job).ok_or_else(unknown)?;
    let body = job.body.as_ref().ok_or_else(unknown)?;

    let ancestors = ancestors(workflow, &job.key);
    let mut results = Vec::with_capacity(ancestors.len());
    for ancestor in ancestors {
        let legs: Vec<&JobPlan> = plan.iter().filter(|leg| leg.job == ancestor).collect();
        match result_of(&legs, finished) {
            Some(result) => results.push(result),
            None => return Ok(Readiness::Waiting),
        }
    }

    let context = context::server(workflow, run).with("needs", context::needs(job, plan, finished));
    let is_true = match status(&results) {
        Some(status) => condition(&body.condition, &context.status(status)),
        None => evaluate(&after_a_skip(&body.condition), &context.status(Status::Success))
            .map(|value| value.is_truthy()),
    };
    match is_true {
        Ok(true) => Ok(Readiness::Ready),
        Ok(false) => Ok(Readiness::Skipped),
        Err(source) => Err(EngineError::Expression {
            job: job.key.clone(),
            field: "if",
            source,
        }),
    }
}

/// The result of a job of the file over its matrix; `None` while one of its legs has not finished.
pub(super) fn result_of(legs: &[&JobPlan], finished: &IndexMap<String, JobOutcome>) -> Option<Conclusion> {
    let results = legs
        .iter()
        .map(|leg| match finished.get(&leg.key)?.conclusion {
            Conclusion::Failure if leg.continue_on_error => Some(Conclusion::Success),
            conclusion => Some(conclusion),
        })
        .collect::<Option<Vec<_>>>()?;
    let any = |wanted| results.contains(&wanted);
    Some(match () {
        () if any(Conclusion::Failure) => Conclusion::Failure,
        () if any(Conclusion::Cancelled) => Conclusion::Cancelled,
        () if !any(Conclusion::Success) && any(Conclusion::Skipped) => Conclusion::Skipped,
        () => Conclusion::Success,
    })
}

/// All jobs up the chain of needs.
fn ancestors<'w>(workflow: &'w Workflow, key: &str) -> BTreeSet<&'w str> {
    let mut found = BTreeSet::new();
    let mut open = vec![key];
    while let Some(job) = open.pop().and_then(|key| workflow.job(key)) {
        for need in &job.needs {
            if found.insert(need.as_str()) {
                open.push(need);
            }
        }
    }
    found
}

/// What the status functions answer; `None` when something was skipped and nothing else went wrong, for then
/// `success()`, `failure()` and `cancelled()` are all false.
fn status(results: &[Conclusion]) -> Option<Status> {
    let any = |wanted| results.contains(&wanted);
    match () {
        () if any(Conclusion::Failure) => Some(Status::Failure),
        () if any(Conclusion::Cancelled) => Some(Status::Cancelled),
        () if any(Conclusion::Skipped) => None,
        () => Some(Status::Success),
    }
}

/// The condition with `false` for the three functions, since [`Status`] has no value under which all are. Text in
/// quotes stays as it is.
fn after_a_skip(condition: &str) -> String {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let mut rewritten = String::with_capacity(condition.len());
    let mut quoted = false;
    let mut rest = condition;
    while let Some(first) = rest.chars().next() {
        let name = rest.split(|c| !is_name(c)).next().unwrap_or_default();
        let call = rest[name.len()..].trim_start();
        let is_call = ["success", "failure", "cancelled"]
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known))
            && call.starts_with('(');
        if !quoted && is_call {
            rewritten.push_str("false");
            rest = call.split_once(')').map_or("", |(_, after)| after);
        } else if !name.is_empty() {
            rewritten.push_str(name);
            rest = &rest[name.len()..];
        } else {
            quoted ^= first == '\'';
            rewritten.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    rewritten
}
