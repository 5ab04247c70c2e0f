//! Pools and agents: what `config.sh` calls to register, replace and remove a runner.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use indexmap::IndexMap;
use serde_json::{Value, json};

use super::error::ServiceError;
use super::{Reply, TENANT, registrar};
use crate::json::{choice, field, flag, items, text};
use crate::state::{
    AddRunner, AddRunnerReply, DEFAULT_GROUP, Identity, Registration, RemoveReply, RemoveRunner,
    RunnerAnswer, RunnersOfScope,
};
use crate::web::{App, BaseUrl};
use crate::wire::AgentKey;
use crate::{Scope, clock};

/// The number of the only pool; 0 stands for all pools.
const POOLS: [&str; 2] = ["1", "0"];

pub(super) fn router() -> Router<App> {
    let pools = format!("{TENANT}/_apis/distributedtask/pools");
    Router::new()
        .route(&pools, get(list_pools))
        .route(&format!("{pools}/{{pool}}/agents"), get(list).post(add))
        .route(
            &format!("{pools}/{{pool}}/agents/{{agent}}"),
            get(one).put(replace).delete(remove),
        )
}

type Params = Path<IndexMap<String, String>>;

fn check_pool(params: &IndexMap<String, String>) -> Result<(), ServiceError> {
    match params.get("pool") {
        Some(pool) if POOLS.contains(&pool.as_str()) => Ok(()),
        _ => {
            let message = "There is no pool with this number.";
            Err(ServiceError::typed(
                StatusCode::NOT_FOUND,
                "TaskAgentPoolNotFoundException",
                message,
            ))
        }
    }
}

fn agent_id(params: &IndexMap<String, String>) -> Result<u64, ServiceError> {
    params
        .get("agent")
        .and_then(|id| id.parse().ok())
        .ok_or_else(ServiceError::agent_not_found)
}

/// A registering client asks with the registrar's token, a configured runner with its own.
async fn list_pools(identity: Identity) -> Reply {
    match identity {
        Identity::Registrar { .. } | Identity::Runner { .. } | Identity::Departed { .. } => {}
        Identity::Anonymous | Identity::Unknown => return Err(ServiceError::Challenge),
        other => return Err(ServiceError::access_denied(&other)),
    }
    let pool = json!({
        "id": 1,
        "name": DEFAULT_GROUP,
        "isHosted": false,
        "isInternal": true,
        "poolType": "automation",
        "size": 0,
    });
    Ok(Json(json!({"count": 1, "value": [pool]})).into_response())
}

async fn list(
    State(app): State<App>,
    identity: Identity,
    Path(params): Params,
    Query(query): Query<IndexMap<String, String>>,
) -> Reply {
    let scope = registrar(identity)?;
    check_pool(&params)?;
    let name = query
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case("agentName"))
        .map(|(_, name)| name);
    let runners = app.state.ask(RunnersOfScope(scope)).await?;
    let agents: Vec<Value> = runners
        .iter()
        .filter(|r| name.is_none_or(|name| r.view.name.to_lowercase() == name.to_lowercase()))
        .map(agent)
        .collect();
    Ok(Json(json!({"count": agents.len(), "value": agents})).into_response())
}

async fn one(State(app): State<App>, identity: Identity, Path(params): Params) -> Reply {
    let scope = registrar(identity)?;
    check_pool(&params)?;
    let id = agent_id(&params)?;
    let runners = app.state.ask(RunnersOfScope(scope)).await?;
    let found = runners
        .iter()
        .find(|r| r.view.id == id)
        .ok_or_else(ServiceError::agent_not_found)?;
    Ok(Json(agent(found)).into_response())
}

async fn add(
    State(app): State<App>,
    BaseUrl(base): BaseUrl,
    identity: Identity,
    Path(params): Params,
    body: Bytes,
) -> Reply {
    let scope = registrar(identity)?;
    check_pool(&params)?;
    register(&app, base, scope, None, &body).await
}

async fn replace(
    State(app): State<App>,
    BaseUrl(base): BaseUrl,
    identity: Identity,
    Path(params): Params,
    body: Bytes,
) -> Reply {
    let scope = registrar(identity)?;
    check_pool(&params)?;
    register(&app, base, scope, Some(agent_id(&params)?), &body).await
}

async fn register(app: &App, base: String, scope: Scope, replaces: Option<u64>, body: &[u8]) -> Reply {
    let tenant = format!("{base}/_services/pipelines/{}/", scope.tenant());
    let registration = registration(base, body)?;
    let name = registration.name.clone();
    match app
        .state
        .ask(AddRunner {
            scope,
            replaces,
            registration,
        })
        .await?
    {
        AddRunnerReply::Added(answer) => {
            let mut body = agent(&answer);
            // Absent, newer runners would take FIPS cryptography for granted.
            body["properties"] = json!({
                "RequireFipsCryptography": {"$type": "System.Boolean", "$value": false},
                "ServerUrl": {"$type": "System.String", "$value": tenant},
            });
            Ok(Json(body).into_response())
        }
        AddRunnerReply::NameTaken => {
            let message = format!("Pool 1 already contains an agent with name {name}.");
            Err(ServiceError::typed(
                StatusCode::CONFLICT,
                "TaskAgentExistsException",
                message,
            ))
        }
        AddRunnerReply::NotFound => Err(ServiceError::agent_not_found()),
        AddRunnerReply::Busy => Err(still_running(&name)),
    }
}

fn still_running(name: &str) -> ServiceError {
    let message = format!("Runner \"{name}\" is still running a job");
    ServiceError::typed(StatusCode::CONFLICT, "TaskAgentJobStillRunningException", message)
}

fn registration(base_url: String, body: &[u8]) -> Result<Registration, ServiceError> {
    let body: Value =
        serde_json::from_slice(body).map_err(|_| ServiceError::bad_request("The agent is not JSON."))?;
    let name = text(&body, "name").trim().to_owned();
    if name.is_empty() {
        return Err(ServiceError::bad_request("The agent has no name."));
    }
    let public_key = field(field(&body, "authorization"), "publicKey");
    let key = AgentKey::from_modulus_exponent(text(public_key, "modulus"), text(public_key, "exponent"))
        .map_err(|error| ServiceError::bad_request(error.to_string()))?;
    let labels = items(field(&body, "labels"))
        .iter()
        .filter(|label| !text(label, "name").is_empty())
        .map(|label| {
            (
                text(label, "name").to_owned(),
                choice(label, "type", &["system", "user"]) == Some(0),
            )
        })
        .collect();
    Ok(Registration {
        name,
        version: text(&body, "version").to_owned(),
        os_description: text(&body, "osDescription").to_owned(),
        labels,
        key,
        public_key: json!({"exponent": text(public_key, "exponent"), "modulus": text(public_key, "modulus")}),
        ephemeral: flag(&body, "ephemeral"),
        disable_update: flag(&body, "disableUpdate"),
        base_url,
    })
}

fn agent(answer: &RunnerAnswer) -> Value {
    let runner = &answer.view;
    let labels: Vec<Value> = runner
        .labels
        .iter()
        .map(|label| {
            let kind = if label.system { "system" } else { "user" };
            json!({"id": label.id, "name": label.name, "type": kind})
        })
        .collect();
    json!({
        "id": runner.id,
        "name": runner.name,
        "version": runner.version,
        "osDescription": answer.os_description,
        "enabled": true,
        "status": if runner.online { "online" } else { "offline" },
        "provisioningState": "Provisioned",
        "maxParallelism": 1,
        "createdOn": clock::service(runner.created_at),
        "ephemeral": runner.ephemeral,
        "disableUpdate": answer.disable_update,
        "labels": labels,
        "authorization": {
            "authorizationUrl": answer.authorization_url,
            "clientId": answer.client_id,
            "publicKey": answer.public_key,
        },
    })
}

async fn remove(State(app): State<App>, identity: Identity, Path(params): Params) -> Reply {
    let scope = registrar(identity)?;
    check_pool(&params)?;
    match app
        .state
        .ask(RemoveRunner {
            scope,
            id: agent_id(&params)?,
        })
        .await?
    {
        RemoveReply::Removed => Ok(StatusCode::NO_CONTENT.into_response()),
        RemoveReply::NotFound => Err(ServiceError::agent_not_found()),
        RemoveReply::Busy(name) => Err(still_running(&name)),
    }
}
