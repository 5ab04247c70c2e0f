//! The token service: a runner proves itself by a JWT signed with its key and gets its access token (RFC 7523).

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use bytes::Bytes;
use jiff::SignedDuration;
use serde_json::json;
use uuid::Uuid;

use super::Reply;
use crate::state::ClientKey;
use crate::web::App;
use crate::wire::{Grant, verify_assertion};

/// Seconds that an access token lives.
const LIFETIME: i64 = 3000;

pub(super) fn router() -> Router<App> {
    Router::new().route("/_services/vstoken/_apis/oauth2/token/{client}", post(token))
}

async fn token(State(app): State<App>, Path(client): Path<String>, body: Bytes) -> Reply {
    let form: Vec<(String, String)> = url::form_urlencoded::parse(&body).into_owned().collect();
    let value = |name: &str| {
        form.iter()
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value.as_str())
    };
    if value("grant_type") != "client_credentials" {
        return Ok(refused(
            "unsupported_grant_type",
            "only client_credentials is supported",
        ));
    }
    let Ok(client_id) = client.parse::<Uuid>() else {
        return Ok(refused("invalid_client", "the client id is not a GUID"));
    };
    let Some((agent_id, key, authorization_url)) = app.state.ask(ClientKey(client_id)).await? else {
        return Ok(refused(
            "invalid_client",
            "the registration of this client was deleted",
        ));
    };
    let now = app.clock.now();
    if let Err(error) = verify_assertion(
        &key,
        value("client_assertion"),
        client_id,
        &authorization_url,
        now,
    ) {
        return Ok(refused("invalid_client", &error.to_string()));
    }
    let lifetime = SignedDuration::from_secs(LIFETIME);
    let token = app
        .secret
        .mint(&Grant::Agent { agent_id, client_id }, now, lifetime);
    app.ledger.redactor().learn(&token);
    let body = json!({"access_token": token, "token_type": "JWT", "expires_in": LIFETIME});
    Ok(Json(body).into_response())
}

fn refused(error: &str, description: &str) -> Response {
    let body = json!({"error": error, "error_description": description});
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}
