//! Why a file that is YAML is no workflow. The model says of a job or a step only that it is of no known kind; this
//! asks again, kind by kind, for the reason and the place.

use github_actions_models::workflow::job::{NormalJob, ReusableWorkflowCallJob, RunStep, UsesStep};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::workflow::Mistake;

/// The first mistake in a job or a step; `None` if it is elsewhere.
pub(super) fn explain(workflow: &Json) -> Option<Mistake> {
    let jobs = workflow.get("jobs")?.as_object()?;
    jobs.iter().find_map(|(key, job)| {
        let steps = job.get("steps").and_then(Json::as_array).into_iter().flatten();
        steps
            .enumerate()
            .find_map(|(index, step)| {
                Some(Mistake::new(
                    &["jobs", key, "steps", &index.to_string()],
                    step_reason(step)?,
                ))
            })
            .or_else(|| Some(Mistake::new(&["jobs", key], job_reason(job)?)))
    })
}

fn job_reason(job: &Json) -> Option<String> {
    if job.get("uses").is_some() {
        reason::<ReusableWorkflowCallJob>(job)
    } else {
        reason::<NormalJob>(job)
    }
}

/// Steps of newer kinds (`wait`, `parallel`, …) are left to the checks behind the model.
fn step_reason(step: &Json) -> Option<String> {
    let has = |key| step.get(key).is_some();
    if has("run") {
        reason::<RunStep>(step)
    } else if has("uses") {
        reason::<UsesStep>(step)
    } else if ["wait", "wait-all", "cancel", "parallel"].into_iter().any(has) {
        None
    } else {
        Some("a step must have either `run` or `uses`".to_owned())
    }
}

fn reason<T: DeserializeOwned>(value: &Json) -> Option<String> {
    serde_json::from_value::<T>(value.clone())
        .err()
        .map(|error| error.to_string())
}
