//! Sessions: opening one seals an AES key to the runner's RSA key.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{delete, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use indexmap::IndexMap;
use serde_json::{Value, json};

use super::error::ServiceError;
use super::{Reply, TENANT, runner};
use crate::json::{field, flag, number, text};
use crate::state::{CloseSession, Identity, OpenSession, Opened};
use crate::web::{App, BaseUrl};
use crate::wire::seal_session_key;

pub(super) fn router() -> Router<App> {
    let sessions = format!("{TENANT}/_apis/distributedtask/pools/{{pool}}/sessions");
    Router::new()
        .route(&sessions, post(open))
        .route(&format!("{sessions}/{{session}}"), delete(close))
}

async fn open(State(app): State<App>, BaseUrl(base_url): BaseUrl, identity: Identity, body: Bytes) -> Reply {
    let runner = runner(identity)?;
    let body: Value =
        serde_json::from_slice(&body).map_err(|_| ServiceError::bad_request("The session is not JSON."))?;
    let agent = field(&body, "agent");
    if number(agent, "id").is_some_and(|id| id != runner) {
        return Err(ServiceError::agent_not_found());
    }
    match app.state.ask(OpenSession { runner, base_url }).await? {
        Opened::NotFound => Err(ServiceError::agent_not_found()),
        Opened::Conflict => {
            let message = format!("The agent {} already has an active session.", text(agent, "name"));
            Err(ServiceError::typed(
                StatusCode::CONFLICT,
                "TaskAgentSessionConflictException",
                message,
            ))
        }
        Opened::Session { id, key, agent_key } => {
            let fips = flag(&body, "useFipsEncryption");
            let sealed = seal_session_key(&agent_key, fips, &key);
            Ok(Json(json!({
                "sessionId": id,
                "ownerName": text(&body, "ownerName"),
                "agent": {"id": runner, "name": text(agent, "name"), "version": text(agent, "version")},
                "encryptionKey": {"encrypted": true, "value": BASE64_STANDARD.encode(sealed)},
                "useFipsEncryption": fips,
            }))
            .into_response())
        }
    }
}

async fn close(
    State(app): State<App>,
    identity: Identity,
    Path(params): Path<IndexMap<String, String>>,
) -> Reply {
    let runner = runner(identity)?;
    if let Some(session) = params.get("session").and_then(|id| id.parse().ok()) {
        // One that is gone is as good as closed.
        let _was_open = app.state.ask(CloseSession { runner, session }).await?;
    }
    Ok(StatusCode::OK.into_response())
}
