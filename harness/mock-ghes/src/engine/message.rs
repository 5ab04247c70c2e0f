//! The job message: what a runner gets to run one job (runner protocol, job request).

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use harness_expressions::Value;
use indexmap::IndexMap;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::inputs::inputs_context;
use super::plan::strategy;
use super::readiness::JobOutcome;
use super::{EngineError, JobPlan, RunContext, Workflow, context, tokens};

/// What belongs to one delivery of a job: identities, addresses and secrets.
#[derive(Clone)]
pub struct Delivery {
    /// One for each job.
    pub plan_id: Uuid,
    /// Holds the job's records.
    pub timeline_id: Uuid,
    /// Also the id of the job's own record.
    pub job_id: Uuid,
    /// Under which the runner renews its lock.
    pub request_id: u64,
    /// Base of the job's calls; the job message wants a slash at its end and gets one.
    pub tenant_url: String,
    /// A JWT that outlives the job.
    pub job_token: String,
    /// `github.token` and `secrets.GITHUB_TOKEN`.
    pub github_token: String,
    /// The `secrets` context.
    pub secrets: IndexMap<String, String>,
    /// Of the runner that gets the job.
    pub runner_group: String,
}

/// Without tokens and secrets.
impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("plan_id", &self.plan_id)
            .field("timeline_id", &self.timeline_id)
            .field("job_id", &self.job_id)
            .field("request_id", &self.request_id)
            .field("tenant_url", &self.tenant_url)
            .field("secrets", &self.secrets.keys().collect::<Vec<_>>())
            .field("runner_group", &self.runner_group)
            .finish_non_exhaustive()
    }
}

/// The body of a `PipelineAgentJobRequest` for the job `key` of the plan. The same delivery yields the same message,
/// step ids included.
///
/// # Errors
/// [`EngineError::UnknownJob`]: the plan is not this workflow's.
pub fn job_message(
    workflow: &Workflow,
    run: &RunContext,
    plan: &[JobPlan],
    key: &str,
    finished: &IndexMap<String, JobOutcome>,
    delivery: &Delivery,
) -> Result<Json, EngineError> {
    let unknown = || EngineError::UnknownJob { key: key.to_owned() };
    let planned = plan.iter().find(|job| job.key == key).ok_or_else(unknown)?;
    let job = workflow.job(&planned.job).ok_or_else(unknown)?;
    let body = job.body.as_ref().ok_or_else(unknown)?;

    let steps: Vec<Json> = body
        .steps
        .iter()
        .enumerate()
        .map(|(index, step)| {
            let mut message = step.message.clone();
            message.insert(
                "id".to_owned(),
                step_id(delivery.job_id, index).to_string().into(),
            );
            Json::Object(message)
        })
        .collect();
    let mut message = json!({
        "messageType": "PipelineAgentJobRequest",
        "plan": {
            "scopeIdentifier": Uuid::nil(),
            "planType": "actions",
            // From 8 on the runner reports by a JobCompleted event, with outputs.
            "version": 9,
            "planId": delivery.plan_id,
            "planGroup": "actions",
            "artifactUri": null,
            "definition": null,
            "owner": null,
        },
        "timeline": {"id": delivery.timeline_id, "changeId": 1, "location": null},
        "jobId": delivery.job_id,
        "jobDisplayName": planned.name,
        "jobName": "__default",
        "requestId": delivery.request_id,
        "lockedUntil": "0001-01-01T00:00:00",
        "resources": {"endpoints": [endpoint(delivery)]},
        "contextData": contexts(workflow, run, planned, context::needs(job, plan, finished)),
        "workspace": {},
        // Secret variables are masked without being listed.
        "mask": [],
        "defaults": present([&workflow.defaults, &body.defaults]),
        "fileTable": [workflow.path()],
        "environmentVariables": present([&workflow.environment, &body.environment]),
        "variables": variables(planned, delivery),
        "jobOutputs": body.outputs.clone().unwrap_or_else(|| tokens::mapping([])),
        "steps": steps,
    });
    for (field, value) in [
        ("jobContainer", &body.container),
        ("jobServiceContainers", &body.services),
    ] {
        if let Some(value) = value {
            message[field] = value.clone();
        }
    }
    Ok(message)
}

/// The workflow's before the job's: the runner lets later ones win.
fn present(levels: [&Option<Json>; 2]) -> Vec<&Json> {
    levels.into_iter().flatten().collect()
}

fn endpoint(delivery: &Delivery) -> Json {
    json!({
        "name": "SystemVssConnection",
        "url": format!("{}/", delivery.tenant_url.trim_end_matches('/')),
        "authorization": {"scheme": "OAuth", "parameters": {"AccessToken": delivery.job_token}},
        "data": {"CacheServerUrl": "", "FeedStreamUrl": ""},
        "isShared": false,
        "isReady": true,
    })
}

fn contexts(workflow: &Workflow, run: &RunContext, job: &JobPlan, needs: Json) -> Json {
    let mut github = context::github(run);
    github.insert("job".to_owned(), job.job.clone().into());
    let contexts = [
        ("github", Json::Object(github)),
        ("needs", needs),
        (
            "strategy",
            strategy(job.fail_fast, job.index, job.total, job.max_parallel),
        ),
        ("vars", context::vars(run)),
        ("matrix", job.matrix.clone().map_or(Json::Null, Json::Object)),
        ("inputs", inputs_context(workflow, &run.inputs)),
    ];
    // Through the expression's values, so that 1.0 is 1 for every client.
    contexts
        .into_iter()
        .map(|(name, value)| (name.to_owned(), tokens::context_data(&Value::from(value).into())))
        .collect::<Map<_, _>>()
        .into()
}

fn variables(job: &JobPlan, delivery: &Delivery) -> Json {
    let plain = [
        ("system.github.job", job.job.clone()),
        ("system.phaseDisplayName", job.name.clone()),
        ("system.runnerGroupName", delivery.runner_group.clone()),
        (
            "system.orchestrationId",
            format!("{}.{}.__default", delivery.plan_id, job.job),
        ),
        ("system.runner.lowdiskspacethreshold", "100".to_owned()),
        ("DistributedTask.NewActionMetadata", "true".to_owned()),
        ("DistributedTask.EnableCompositeActions", "true".to_owned()),
    ];
    let mut variables: Map<String, Json> = plain
        .into_iter()
        .map(|(name, value)| (name.to_owned(), json!({"value": value})))
        .collect();
    let tokens = ["system.github.token", "github_token"].map(|name| (name, delivery.github_token.as_str()));
    let secrets = delivery
        .secrets
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    // An empty secret would mask everything.
    for (name, value) in secrets.filter(|(_, value)| !value.is_empty()).chain(tokens) {
        variables.insert(name.to_owned(), json!({"value": value, "isSecret": true}));
    }
    Json::Object(variables)
}

/// A GUID that only the job and the step's place decide.
fn step_id(job_id: Uuid, index: usize) -> Uuid {
    let seed = format!("{job_id}/{index}");
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest(&SHA256, seed.as_bytes()).as_ref()[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}
