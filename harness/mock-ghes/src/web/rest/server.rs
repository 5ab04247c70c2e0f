//! What REST tells of the server itself, of organizations and users.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use super::{ApiError, Reply, rate, render};
use crate::state::{Identity, QuotaOf};
use crate::web::{App, BaseUrl};

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/api/v3", get(async || Redirect::permanent("/api/v3/")))
        .route("/api/v3/", get(root))
        .route("/api/v3/meta", get(meta))
        .route(rate::PATH, get(rate_limit))
        .route("/api/v3/user", get(user))
        .route("/api/v3/orgs/{org}", get(organization))
}

async fn root(BaseUrl(base): BaseUrl) -> Reply {
    Ok(Json(json!({
        "current_user_url": format!("{base}/api/v3/user"),
        "organization_url": format!("{base}/api/v3/orgs/{{org}}"),
        "repository_url": format!("{base}/api/v3/repos/{{owner}}/{{repo}}"),
    }))
    .into_response())
}

async fn meta(State(app): State<App>) -> Reply {
    Ok(Json(json!({
        "verifiable_password_authentication": true,
        "packages": [],
        "dependabot": [],
        "installed_version": app.world.version,
    }))
    .into_response())
}

/// GHES limits no rates unless its administrator wants it.
async fn rate_limit(State(app): State<App>, identity: Identity) -> Reply {
    if let Some(quota) = app.state.ask(QuotaOf(identity)).await? {
        return Ok(Json(rate::shown(&quota)).into_response());
    }
    Err(ApiError::new(axum::http::StatusCode::NOT_FOUND, "Rate limiting is not enabled.").documented_at(
        "https://docs.github.com/enterprise-server@3.9/rest/reference/rate-limit#get-rate-limit-status-for-the-authenticated-user",
    ))
}

async fn user(BaseUrl(base): BaseUrl, identity: Identity) -> Reply {
    match identity {
        Identity::User { login, .. } => Ok(Json(render::account(&base, &login, "User")).into_response()),
        Identity::Anonymous => Err(ApiError::requires_authentication()),
        _ => Err(ApiError::forbidden("Resource not accessible by integration")),
    }
}

async fn organization(
    State(app): State<App>,
    BaseUrl(base): BaseUrl,
    Path(login): Path<String>,
    identity: Identity,
) -> Reply {
    if identity == Identity::Anonymous {
        return Err(ApiError::requires_authentication());
    }
    let organization = app.world.organization(&login).ok_or_else(ApiError::not_found)?;
    Ok(Json(render::account(&base, &organization.login, "Organization")).into_response())
}
