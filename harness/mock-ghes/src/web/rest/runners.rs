//! Self-hosted runners at the three scopes: tokens, list, one, delete.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use indexmap::IndexMap;
use serde_json::{Value, json};

use super::access::RunnerAdmin;
use super::paging::Paging;
use super::{ApiError, Reply, render};
use crate::clock;
use crate::state::{IssueToken, Purpose, RemoveReply, RemoveRunner, RunnersOfScope};
use crate::web::App;

/// The three scopes' paths.
pub(super) const SCOPES: [&str; 3] = [
    "/api/v3/enterprises/{enterprise}",
    "/api/v3/orgs/{org}",
    "/api/v3/repos/{owner}/{repo}",
];

pub(super) fn router() -> Router<App> {
    SCOPES.into_iter().fold(Router::new(), |router, scope| {
        let runners = format!("{scope}/actions/runners");
        router
            .route(&format!("{runners}/registration-token"), post(registration_token))
            .route(&format!("{runners}/remove-token"), post(remove_token))
            .route(&format!("{runners}/{{runner_id}}"), get(one).delete(remove))
            .route(&runners, get(list))
    })
}

async fn registration_token(State(app): State<App>, RunnerAdmin(scope): RunnerAdmin) -> Reply {
    token(
        &app,
        IssueToken {
            scope,
            purpose: Purpose::Register,
        },
    )
    .await
}

async fn remove_token(State(app): State<App>, RunnerAdmin(scope): RunnerAdmin) -> Reply {
    token(
        &app,
        IssueToken {
            scope,
            purpose: Purpose::Remove,
        },
    )
    .await
}

async fn token(app: &App, order: IssueToken) -> Reply {
    let (token, expires) = app.state.ask(order).await?;
    let body = json!({"token": token, "expires_at": clock::rest(expires)});
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

async fn list(
    State(app): State<App>,
    RunnerAdmin(scope): RunnerAdmin,
    paging: Paging,
    Query(query): Query<IndexMap<String, String>>,
) -> Reply {
    let runners = app.state.ask(RunnersOfScope(scope)).await?;
    let name = query.get("name");
    let runners: Vec<Value> = runners
        .iter()
        .filter(|runner| name.is_none_or(|name| runner.view.name == *name))
        .map(|runner| render::runner(&runner.view))
        .collect();
    Ok(paging.list("runners", runners))
}

/// The runner's number, wherever the scope's own parameters stand.
fn runner_id(params: &IndexMap<String, String>) -> Result<u64, ApiError> {
    params
        .get("runner_id")
        .and_then(|id| id.parse().ok())
        .ok_or_else(ApiError::not_found)
}

async fn one(
    State(app): State<App>,
    RunnerAdmin(scope): RunnerAdmin,
    Path(params): Path<IndexMap<String, String>>,
) -> Reply {
    let id = runner_id(&params)?;
    let runners = app.state.ask(RunnersOfScope(scope)).await?;
    let runner = runners
        .iter()
        .find(|runner| runner.view.id == id)
        .ok_or_else(ApiError::not_found)?;
    Ok(Json(render::runner(&runner.view)).into_response())
}

async fn remove(
    State(app): State<App>,
    RunnerAdmin(scope): RunnerAdmin,
    Path(params): Path<IndexMap<String, String>>,
) -> Reply {
    let id = runner_id(&params)?;
    match app.state.ask(RemoveRunner { scope, id }).await? {
        RemoveReply::Removed => Ok(StatusCode::NO_CONTENT.into_response()),
        RemoveReply::NotFound => Err(ApiError::not_found()),
        // The odd quote is GitHub's.
        RemoveReply::Busy(name) => Err(ApiError::unprocessable(format!(
            "Bad request - Runner \"{name}\" is still running a job\""
        ))),
    }
}
