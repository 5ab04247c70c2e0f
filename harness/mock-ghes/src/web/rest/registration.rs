//! `runner-registration`: a runner trades its registration token for the address of the runner service.

use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::post;
use axum::{Json, Router};
use bytes::Bytes;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{ApiError, Reply};
use crate::Scope;
use crate::json::text;
use crate::state::{Identity, Purpose};
use crate::web::{App, BaseUrl};
use crate::wire::Grant;

pub(super) const PATH: &str = "/api/v3/actions/runner-registration";

pub(super) fn router() -> Router<App> {
    Router::new().route(PATH, post(register))
}

/// Whatever is wrong with token or URL, the answer is 404: that is what stops the clients at once.
async fn register(State(app): State<App>, BaseUrl(base): BaseUrl, identity: Identity, body: Bytes) -> Reply {
    let Identity::RegistrationToken { scope, purpose } = identity else {
        return Err(ApiError::not_found());
    };
    let body: Value = serde_json::from_slice(&body).map_err(|_| ApiError::problems_parsing_json())?;
    // A registration token may also remove; a removal token may not register.
    let is_removal = text(&body, "runner_event").eq_ignore_ascii_case("remove");
    if purpose == Purpose::Remove && !is_removal {
        return Err(ApiError::not_found());
    }
    let asked = scope_of_url(&app, text(&body, "url")).ok_or_else(ApiError::not_found)?;
    if asked != scope {
        return Err(ApiError::not_found());
    }
    let grant = Grant::Registration {
        scope: scope.to_string(),
    };
    let token = app
        .secret
        .mint(&grant, app.clock.now(), SignedDuration::from_hours(1));
    app.ledger.redactor().learn(&token);
    Ok(Json(json!({
        "url": format!("{base}/_services/pipelines/{}/", scope.tenant()),
        "token_schema": "OAuthAccessToken",
        "token": token,
        "use_v2_flow": false,
    }))
    .into_response())
}

/// The scope that a user's URL names, whatever host it was reached by.
fn scope_of_url(app: &App, url: &str) -> Option<Scope> {
    let url = url::Url::parse(url).ok()?;
    app.world.scope_of_path(url.path())
}
