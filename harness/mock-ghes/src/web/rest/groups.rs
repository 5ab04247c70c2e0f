//! Runner groups of enterprises and organizations: so far only the group `Default`, which nobody can remove.

use axum::extract::{Path, State};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use indexmap::IndexMap;
use serde_json::{Value, json};

use super::access::RunnerAdmin;
use super::paging::Paging;
use super::{ApiError, Reply, render};
use crate::Scope;
use crate::state::{DEFAULT_GROUP, RunnersOfScope};
use crate::web::{App, BaseUrl};

pub(super) fn router() -> Router<App> {
    ["/api/v3/enterprises/{enterprise}", "/api/v3/orgs/{org}"]
        .into_iter()
        .fold(Router::new(), |router, scope| {
            let groups = format!("{scope}/actions/runner-groups");
            router
                .route(&groups, get(list))
                .route(&format!("{groups}/{{group_id}}"), get(one))
                .route(&format!("{groups}/{{group_id}}/runners"), get(runners))
        })
}

/// The group `Default` is visible to every repository, so the filters leave it in.
async fn list(RunnerAdmin(scope): RunnerAdmin, BaseUrl(base): BaseUrl, paging: Paging) -> Reply {
    Ok(paging.list("runner_groups", vec![default_group(&base, &scope)]))
}

fn is_default(params: &IndexMap<String, String>) -> Result<(), ApiError> {
    if params.get("group_id").is_some_and(|id| id == "1") {
        Ok(())
    } else {
        Err(ApiError::not_found())
    }
}

async fn one(
    RunnerAdmin(scope): RunnerAdmin,
    BaseUrl(base): BaseUrl,
    Path(params): Path<IndexMap<String, String>>,
) -> Reply {
    is_default(&params)?;
    Ok(Json(default_group(&base, &scope)).into_response())
}

async fn runners(
    State(app): State<App>,
    RunnerAdmin(scope): RunnerAdmin,
    Path(params): Path<IndexMap<String, String>>,
    paging: Paging,
) -> Reply {
    is_default(&params)?;
    let runners = app.state.ask(RunnersOfScope(scope)).await?;
    Ok(paging.list(
        "runners",
        runners
            .iter()
            .map(|runner| render::runner(&runner.view))
            .collect(),
    ))
}

fn default_group(base: &str, scope: &Scope) -> Value {
    let mut group = json!({
        "id": 1,
        "name": DEFAULT_GROUP,
        "visibility": "all",
        "default": true,
        "runners_url": format!("{base}/api/v3/{}/actions/runner-groups/1/runners", scope.api_path()),
        "allows_public_repositories": false,
        "restricted_to_workflows": false,
        "selected_workflows": [],
        "workflow_restrictions_read_only": false,
    });
    if matches!(scope, Scope::Organization(_)) {
        group["inherited"] = json!(false);
    }
    group
}
