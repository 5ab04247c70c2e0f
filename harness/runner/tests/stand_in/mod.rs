//! A stand-in for the server, as small as one runner and one job at a time allow. It is written from the protocol alone,
//! shares no code with the runner, and puts its resources where no runner would guess.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// What the server has seen, and what it will say.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) calls: Vec<String>,
    pub(crate) agents: Vec<Value>,
    pub(crate) records: HashMap<String, Value>,
    pub(crate) logs: HashMap<i64, String>,
    pub(crate) feed: Vec<String>,
    pub(crate) completed: Option<Value>,
    pub(crate) renewed: usize,
    pub(crate) queue: Vec<Value>,
    pub(crate) acknowledged: Vec<i64>,
    pub(crate) refuse_registrations: usize,
    pub(crate) refuse_removal: bool,
    pub(crate) archives: HashMap<String, Vec<u8>>,
    tokens: usize,
    valid_token: String,
}

/// A running stand-in.
#[derive(Clone)]
pub(crate) struct StandIn {
    pub(crate) url: String,
    seen: Arc<Mutex<Seen>>,
    changed: Arc<Notify>,
}

/// Resource, GUID, and a template that is deliberately not the usual one.
const RESOURCES: [(&str, &str, &str); 11] = [
    (
        "pools",
        "a8c47e17-4d56-4a56-92bb-de7ea7dc65be",
        "_apis/x/{resource}/{poolId}",
    ),
    (
        "agents",
        "e298ef32-5878-4cab-993c-043836571f42",
        "_apis/x/in/{poolId}/{resource}/{agentId}",
    ),
    (
        "sessions",
        "134e239e-2df3-4794-a6f6-24f1f19ec8dc",
        "_apis/x/in/{poolId}/{resource}/{sessionId}",
    ),
    (
        "messages",
        "c3a054f6-7a8a-49c0-944e-3a8e5d7adfd7",
        "_apis/x/in/{poolId}/{resource}/{messageId}",
    ),
    (
        "jobrequests",
        "fc825784-c92a-4299-9221-998a02d1b54f",
        "_apis/x/in/{poolId}/{resource}/{requestId}",
    ),
    (
        "records",
        "8893bc5b-35b2-4be7-83cb-99e683551db4",
        "_apis/x/{planId}/{timelineId}/{resource}/{recordId}",
    ),
    (
        "feed",
        "858983e4-19bd-4c5e-864c-507b59b58b12",
        "_apis/x/{planId}/{timelineId}/{recordId}/{resource}",
    ),
    (
        "logs",
        "46f5667d-263a-4684-91b1-dff7fdcf64e2",
        "_apis/x/{planId}/{resource}/{logId}",
    ),
    (
        "events",
        "557624af-b29e-4c20-8ab0-0399d2204f3f",
        "_apis/x/{planId}/{resource}",
    ),
    (
        "actiondownloadinfo",
        "27d7f831-88c1-4719-8ca1-6a061dad90eb",
        "_apis/x/{planId}/{resource}",
    ),
    (
        "attachments",
        "7898f959-9cdf-4096-b29e-7f293031629e",
        "_apis/x/{planId}/{recordId}/{resource}/{type}/{name}",
    ),
];

const JOB_TOKEN: &str = "eyJhbGciOiJub25lIn0.e30.job";

impl StandIn {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!(
            "http://{}",
            listener.local_addr().expect("the listener has an address")
        );
        let server = Self {
            url,
            seen: Arc::default(),
            changed: Arc::default(),
        };
        let router = Router::new()
            .route("/api/v3/actions/runner-registration", any(register))
            .route("/tarball/{name}", any(tarball))
            .route("/token", any(token))
            .route("/tenant/{*path}", any(service))
            .with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.expect("the stand-in serves") });
        server
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until what the server has seen satisfies `probe`.
    pub(crate) async fn until<T>(&self, what: &str, mut probe: impl FnMut(&Seen) -> Option<T>) -> T {
        let wait = async {
            loop {
                let changed = self.changed.notified();
                if let Some(found) = probe(&self.seen()) {
                    return found;
                }
                changed.await;
            }
        };
        let last = || self.seen().calls.clone();
        tokio::time::timeout(Duration::from_secs(60), wait)
            .await
            .unwrap_or_else(|_| panic!("{what} did not happen; calls so far: {:#?}", last()))
    }

    pub(crate) fn send(&self, kind: &str, body: &Value) {
        let mut seen = self.seen();
        let id = seen.queue.len() as i64 + seen.acknowledged.len() as i64 + 1;
        seen.queue
            .push(json!({"messageId": id, "messageType": kind, "body": body.to_string()}));
        drop(seen);
        self.changed.notify_waiters();
    }

    /// A job with these steps; `extra` is merged into the message.
    pub(crate) fn send_job(&self, steps: Value, extra: &Value) {
        let mut message = json!({
            "messageType": "PipelineAgentJobRequest",
            "plan": {"scopeIdentifier": "s", "planType": "actions", "version": 9, "planId": "plan"},
            "timeline": {"id": "timeline", "changeId": 1, "location": null},
            "jobId": "job-id", "jobDisplayName": "build", "jobName": "__default", "requestId": 7,
            "resources": {"endpoints": [{"name": "SystemVssConnection", "url": format!("{}/tenant/", self.url),
                "authorization": {"scheme": "OAuth", "parameters": {"AccessToken": JOB_TOKEN}}, "data": {}}]},
            "contextData": {
                "github": {"t": 2, "d": [
                    {"k": "repository", "v": "doge/one"}, {"k": "ref", "v": "refs/heads/main"},
                    {"k": "event_name", "v": "workflow_dispatch"}, {"k": "server_url", "v": self.url},
                    {"k": "event", "v": {"t": 2, "d": [{"k": "inputs", "v": {"t": 2, "d": [{"k": "x", "v": "y"}]}}]}}]},
                "needs": {"t": 2}, "strategy": {"t": 2}, "vars": {"t": 2}, "matrix": null, "inputs": null},
            "mask": [{"type": "regex", "value": "m4sk3d"}],
            "variables": {"system.github.token": {"value": "ghs_token", "isSecret": true},
                "PASSWORD": {"value": "hunter22", "isSecret": true}},
        });
        message["steps"] = steps;
        for (key, value) in extra.as_object().into_iter().flatten() {
            message[key] = value.clone();
        }
        self.send("PipelineAgentJobRequest", &message);
    }
}

/// A `run:` step of a message; `extra` is merged into it.
pub(crate) fn run_step(id: &str, script: &str, extra: &Value) -> Value {
    let mut step = json!({
        "type": "action", "id": format!("record-{id}"), "name": id, "contextName": id, "condition": "success()",
        "reference": {"type": "script"},
        "inputs": {"type": 2, "map": [{"Key": {"type": 0, "lit": "script"}, "Value": {"type": 0, "lit": script}}]},
    });
    for (key, value) in extra.as_object().into_iter().flatten() {
        step[key] = value.clone();
    }
    step
}

fn refused(status: StatusCode, class: &str) -> Response {
    let body = json!({"$id": "1", "message": class, "typeName": format!("GitHub.DistributedTask.WebApi.{class}, Sdk"),
        "typeKey": class, "errorCode": 0});
    (status, axum::Json(body)).into_response()
}

fn ok(body: Value) -> Response {
    axum::Json(body).into_response()
}

async fn register(
    State(server): State<StandIn>,
    headers: HeaderMap,
    axum::Json(body): axum::Json<Value>,
) -> Response {
    let mut seen = server.seen();
    let event = body["runner_event"].as_str().unwrap_or_default().to_owned();
    seen.calls.push(format!(
        "register {event} {}",
        body["url"].as_str().unwrap_or_default().replace(&server.url, "")
    ));
    let authorized = headers
        .get("Authorization")
        .is_some_and(|value| value == "RemoteAuth registration-token");
    if seen.refuse_registrations > 0 || !authorized {
        seen.refuse_registrations = seen.refuse_registrations.saturating_sub(1);
        return (StatusCode::NOT_FOUND, axum::Json(json!({"message": "Not Found"}))).into_response();
    }
    ok(
        json!({"url": format!("{}/tenant/", server.url), "token_schema": "OAuthAccessToken", "token": "manage"}),
    )
}

async fn tarball(State(server): State<StandIn>, Path(name): Path<String>) -> Response {
    match server.seen().archives.get(&name) {
        Some(archive) => archive.clone().into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn token(State(server): State<StandIn>, body: String) -> Response {
    let mut seen = server.seen();
    let assertion = body.split("client_assertion=").nth(1).unwrap_or_default();
    let claims = assertion
        .split('.')
        .nth(1)
        .and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let claims: Value = serde_json::from_slice(&claims.unwrap_or_default()).unwrap_or_default();
    seen.calls.push("token".to_owned());
    if claims["iss"] != "client-1" || seen.agents.is_empty() {
        return (
            StatusCode::BAD_REQUEST,
            axum::Json(json!({"error": "invalid_client"})),
        )
            .into_response();
    }
    seen.tokens += 1;
    seen.valid_token = format!("agent-{}", seen.tokens);
    ok(json!({"access_token": seen.valid_token, "token_type": "JWT", "expires_in": 3000}))
}

async fn service(
    State(server): State<StandIn>,
    method: Method,
    uri: Uri,
    Path(path): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let parts: Vec<&str> = path.split('/').collect();
    if parts[1] == "connectionData" {
        return connection_data();
    }
    let bearer = headers
        .get("Authorization")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let bearer = bearer.strip_prefix("Bearer ").unwrap_or_default().to_owned();
    let resource = RESOURCES
        .iter()
        .map(|(name, ..)| *name)
        .find(|name| parts.contains(name))
        .expect("a known resource");
    let id = parts
        .last()
        .filter(|last| **last != resource)
        .map(|last| (*last).to_owned());
    let body: Value = if resource == "logs" && id.is_some() {
        String::from_utf8_lossy(&body).into_owned().into()
    } else {
        serde_json::from_slice(&body).unwrap_or_default()
    };
    let expected = match resource {
        "agents" => "manage".to_owned(),
        "pools" if bearer == "manage" => "manage".to_owned(),
        "pools" | "sessions" | "messages" | "jobrequests" => server.seen().valid_token.clone(),
        _ => JOB_TOKEN.to_owned(),
    };
    if bearer.is_empty() || bearer != expected {
        return (StatusCode::UNAUTHORIZED, [("WWW-Authenticate", "Bearer")]).into_response();
    }
    if !(resource == "messages" && method == Method::GET) {
        server.seen().calls.push(format!("{method} {resource}"));
    }
    let response = match (resource, method) {
        ("messages", Method::GET) => return next_message(&server, &query).await,
        ("logs", _) => logs(&server, id, &body),
        (resource, method) => answer(&server, resource, &method, id, &query, &body),
    };
    drop(uri);
    server.changed.notify_waiters();
    response
}

fn connection_data() -> Response {
    let definitions: Vec<Value> = RESOURCES
        .iter()
        .map(|(name, id, path)| {
            json!({"serviceType": "distributedtask", "identifier": id, "displayName": name, "relativePath": path,
                "relativeToSetting": "context", "resourceVersion": 1, "minVersion": "1.0", "maxVersion": "6.0"})
        })
        .collect();
    ok(json!({"instanceId": "i", "locationServiceData": {"serviceDefinitions": definitions}}))
}

async fn next_message(server: &StandIn, query: &HashMap<String, String>) -> Response {
    let last: i64 = query
        .get("lastMessageId")
        .and_then(|id| id.parse().ok())
        .unwrap_or(0);
    let wait = async {
        loop {
            let changed = server.changed.notified();
            {
                let seen = server.seen();
                if seen.agents.is_empty() {
                    return refused(StatusCode::NOT_FOUND, "TaskAgentNotFoundException");
                }
                let message = seen
                    .queue
                    .iter()
                    .find(|message| message["messageId"].as_i64() > Some(last))
                    .cloned();
                if let Some(message) = message {
                    return ok(message);
                }
            }
            changed.await;
        }
    };
    tokio::time::timeout(Duration::from_secs(2), wait)
        .await
        .unwrap_or_else(|_| StatusCode::ACCEPTED.into_response())
}

fn logs(server: &StandIn, id: Option<String>, body: &Value) -> Response {
    let mut seen = server.seen();
    let id = match id {
        Some(id) => id.parse().expect("a log's id is a number"),
        None => seen.logs.len() as i64 + 1,
    };
    let text = body.as_str().unwrap_or_default().to_owned();
    seen.logs.entry(id).or_default().push_str(&text);
    ok(json!({"id": id, "path": "p"}))
}

fn answer(
    server: &StandIn,
    resource: &str,
    method: &Method,
    id: Option<String>,
    query: &HashMap<String, String>,
    body: &Value,
) -> Response {
    let mut seen = server.seen();
    let agent = |id: i64| {
        let mut agent = body.clone();
        agent["id"] = json!(id);
        agent["authorization"]["clientId"] = "client-1".into();
        agent["authorization"]["authorizationUrl"] = format!("{}/token", server.url).into();
        agent
    };
    match (resource, method.as_str()) {
        ("pools", _) => ok(json!({"count": 2, "value": [
            {"id": 1, "name": "Default", "isHosted": false, "isInternal": true},
            {"id": 2, "name": "gpu", "isHosted": false, "isInternal": false}]})),
        ("agents", "GET") => {
            let named: Vec<&Value> = seen
                .agents
                .iter()
                .filter(|agent| agent["name"].as_str() == query.get("agentName").map(String::as_str))
                .collect();
            ok(json!({"count": named.len(), "value": named}))
        }
        ("agents", "DELETE") if seen.refuse_removal => {
            refused(StatusCode::BAD_REQUEST, "TaskAgentJobStillRunningException")
        }
        ("agents", "DELETE") => {
            seen.agents.clear();
            StatusCode::NO_CONTENT.into_response()
        }
        ("agents", _) => {
            let agent = agent(5);
            seen.agents = vec![agent.clone()];
            ok(agent)
        }
        ("sessions", "POST") => ok(json!({"sessionId": "session-1", "ownerName": "o"})),
        ("messages", "DELETE") => {
            let id: i64 = id
                .and_then(|id| id.parse().ok())
                .expect("a message's id is a number");
            seen.queue
                .retain(|message| message["messageId"].as_i64() != Some(id));
            seen.acknowledged.push(id);
            StatusCode::OK.into_response()
        }
        ("jobrequests", _) => {
            seen.renewed += 1;
            ok(json!({"requestId": 7, "lockedUntil": "2099-01-01T00:00:00Z"}))
        }
        ("records", _) => {
            for record in body["value"].as_array().into_iter().flatten() {
                let id = record["id"].as_str().unwrap_or_default().to_owned();
                let known = seen.records.entry(id).or_insert_with(|| json!({}));
                for (key, value) in record
                    .as_object()
                    .into_iter()
                    .flatten()
                    .filter(|(_, value)| !value.is_null())
                {
                    known[key] = value.clone();
                }
            }
            ok(json!({"count": 0, "value": []}))
        }
        ("feed", _) => {
            let lines = body["value"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(str::to_owned);
            seen.feed.extend(lines);
            StatusCode::OK.into_response()
        }
        ("events", _) => {
            seen.completed = Some(body.clone());
            StatusCode::OK.into_response()
        }
        ("actiondownloadinfo", _) => {
            let wanted = &body["actions"][0];
            let (name, git_ref) = (
                wanted["nameWithOwner"].as_str().unwrap_or_default(),
                wanted["ref"].as_str().unwrap_or_default(),
            );
            let file = name.replace('/', "-");
            if !seen.archives.contains_key(&file) {
                return refused(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "UnresolvableActionDownloadInfoException",
                );
            }
            ok(
                json!({"actions": {format!("{name}@{git_ref}"): {"nameWithOwner": name, "ref": git_ref, "resolvedSha": "0".repeat(40),
                "tarballUrl": format!("{}/tarball/{file}", server.url), "authentication": null}}}),
            )
        }
        _ => StatusCode::OK.into_response(),
    }
}
