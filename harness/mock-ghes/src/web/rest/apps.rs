//! GitHub Apps: an App trades its JWT for an access token of one of its installations.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::json;

use super::{ApiError, Reply};
use crate::clock;
use crate::state::{Identity, IssueInstallationToken};
use crate::web::App;
use crate::wire::app::Refusal;

pub(super) fn router() -> Router<App> {
    Router::new().route(
        "/api/v3/app/installations/{installation}/access_tokens",
        post(access_token),
    )
}

/// The answer to a JWT that is no App's, or not now.
pub(super) fn refused(refusal: Refusal) -> ApiError {
    let status = match refusal {
        Refusal::UnknownApp => StatusCode::NOT_FOUND,
        _ => StatusCode::UNAUTHORIZED,
    };
    ApiError::new(status, refusal.to_string())
}

async fn access_token(State(app): State<App>, identity: Identity, Path(installation): Path<u64>) -> Reply {
    let Identity::App { id } = identity else {
        return Err(refused(Refusal::Signature));
    };
    let order = IssueInstallationToken {
        app: id,
        installation,
    };
    let (token, expires) = app.state.ask(order).await?.ok_or_else(ApiError::not_found)?;
    let permissions = app
        .world
        .installation(installation)
        .map(|(_, installation)| &installation.permissions);
    let body = json!({
        "token": token,
        "expires_at": clock::rest(expires),
        "permissions": permissions,
        "repository_selection": "all",
    });
    Ok((StatusCode::CREATED, Json(body)).into_response())
}
