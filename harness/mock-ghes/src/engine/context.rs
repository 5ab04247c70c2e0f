//! What is known about a run, and the contexts that expressions see on the server side.

use harness_expressions::Context;
use indexmap::IndexMap;
use serde_json::{Map, Value as Json, json};

use super::inputs::inputs_context;
use super::plan::JobPlan;
use super::readiness::{JobOutcome, result_of};
use super::{JobTemplate, Workflow};

/// The facts of one run (attempt), from which `github`, `inputs` and `vars` are made.
#[derive(Clone, Debug, Default)]
pub struct RunContext {
    /// `owner/name`.
    pub repository: String,
    /// Who owns the repository.
    pub owner: String,
    /// Who set the run off.
    pub actor: String,
    /// Such as `workflow_dispatch`.
    pub event_name: String,
    /// The event's payload, as a webhook would carry it.
    pub event: Json,
    /// Full, such as `refs/heads/main`.
    pub ref_: String,
    /// 40 hexadecimal digits.
    pub sha: String,
    /// Unique on the server.
    pub run_id: u64,
    /// Counts the workflow's runs, from 1.
    pub run_number: u64,
    /// From 1.
    pub run_attempt: u32,
    /// Such as `https://ghes.test`, without a slash at the end.
    pub server_url: String,
    /// Such as `https://ghes.test/api/v3`.
    pub api_url: String,
    /// The workflow's name.
    pub workflow: String,
    /// As [`super::check_inputs`] returned them; empty for other events.
    pub inputs: IndexMap<String, String>,
    /// Configuration variables: the `vars` context.
    pub vars: IndexMap<String, String>,
}

/// The `github` context, as far as the server fills it. Numbers are strings there.
pub(super) fn github(context: &RunContext) -> Map<String, Json> {
    let (ref_type, ref_name) = match context.ref_.strip_prefix("refs/tags/") {
        Some(tag) => ("tag", tag),
        None => (
            "branch",
            context.ref_.strip_prefix("refs/heads/").unwrap_or(&context.ref_),
        ),
    };
    let entries = json!({
        "server_url": context.server_url,
        "api_url": context.api_url,
        "graphql_url": format!("{}/api/graphql", context.server_url),
        "repository": context.repository,
        "repository_owner": context.owner,
        "repositoryUrl": format!("{}/{}.git", context.server_url, context.repository),
        "workflow": context.workflow,
        "event_name": context.event_name,
        "event": if context.event.is_null() { json!({}) } else { context.event.clone() },
        "sha": context.sha,
        "ref": context.ref_,
        "ref_name": ref_name,
        "ref_type": ref_type,
        "ref_protected": false,
        "head_ref": "",
        "base_ref": "",
        "run_id": context.run_id.to_string(),
        "run_number": context.run_number.to_string(),
        "run_attempt": context.run_attempt.to_string(),
        "actor": context.actor,
        "triggering_actor": context.actor,
        "secret_source": "Actions",
    });
    match entries {
        Json::Object(entries) => entries,
        _ => Map::new(),
    }
}

pub(super) fn vars(context: &RunContext) -> Json {
    json!(context.vars)
}

/// `github`, `inputs` and `vars`: what every expression on the server may see.
pub(super) fn server(workflow: &Workflow, context: &RunContext) -> Context {
    Context::new()
        .with("github", Json::Object(github(context)))
        .with("inputs", inputs_context(workflow, &context.inputs))
        .with("vars", vars(context))
}

/// The `needs` context of a job: result and outputs of each job that it needs directly. Of a matrix, the leg that
/// finished last and set an output gives it.
pub(super) fn needs(job: &JobTemplate, plan: &[JobPlan], finished: &IndexMap<String, JobOutcome>) -> Json {
    let entries = job.needs.iter().map(|need| {
        let legs: Vec<&JobPlan> = plan.iter().filter(|leg| leg.job == *need).collect();
        let result =
            result_of(&legs, finished).map_or(Json::from(""), |conclusion| conclusion.as_str().into());
        let outputs: Map<String, Json> = finished
            .iter()
            .filter(|(key, _)| legs.iter().any(|leg| leg.key == **key))
            .flat_map(|(_, outcome)| &outcome.outputs)
            .map(|(name, value)| (name.clone(), value.as_str().into()))
            .collect();
        (need.clone(), json!({"result": result, "outputs": outputs}))
    });
    Json::Object(entries.collect())
}
