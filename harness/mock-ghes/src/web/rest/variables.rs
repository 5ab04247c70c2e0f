//! Actions variables of organizations and repositories, to read.
//!
//! Source: GitHub's REST documentation, <https://docs.github.com/enterprise-server@3.9/rest/actions/variables>. Not covered: making, changing and removing
//! one (the world file has them), variables of an environment, which repositories a variable of an organization is for.

use axum::extract::{Path, State};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use indexmap::IndexMap;
use serde_json::{Value, json};

use super::access::VariableReader;
use super::paging::Paging;
use super::{ApiError, Reply};
use crate::Scope;
use crate::web::App;

/// The world's, so as old as its first commits.
const MADE: &str = "2023-07-01T00:00:00Z";

pub(super) fn router() -> Router<App> {
    ["/api/v3/repos/{owner}/{repo}", "/api/v3/orgs/{org}"]
        .into_iter()
        .fold(Router::new(), |router, scope| {
            let variables = format!("{scope}/actions/variables");
            router
                .route(&variables, get(list))
                .route(&format!("{variables}/{{name}}"), get(one))
        })
}

fn of<'a>(app: &'a App, scope: &Scope) -> Option<&'a IndexMap<String, String>> {
    match scope {
        Scope::Organization(login) => app.world.organization(login).map(|one| &one.variables),
        Scope::Repository(name) => app
            .world
            .repository(&name.owner, &name.name)
            .map(|one| &one.variables),
        Scope::Enterprise(_) => None,
    }
}

async fn list(State(app): State<App>, VariableReader(scope): VariableReader, paging: Paging) -> Reply {
    let variables = of(&app, &scope).into_iter().flatten();
    let items = variables.map(|(name, value)| shown(&scope, name, value));
    Ok(paging.list("variables", items.collect()))
}

async fn one(
    State(app): State<App>,
    VariableReader(scope): VariableReader,
    Path(params): Path<IndexMap<String, String>>,
) -> Reply {
    let wanted = params.get("name").map(String::as_str).unwrap_or_default();
    let mut variables = of(&app, &scope).into_iter().flatten();
    let found = variables.find(|(name, _)| name.eq_ignore_ascii_case(wanted));
    let (name, value) = found.ok_or_else(ApiError::not_found)?;
    Ok(Json(shown(&scope, name, value)).into_response())
}

fn shown(scope: &Scope, name: &str, value: &str) -> Value {
    let mut shown =
        json!({"name": name.to_uppercase(), "value": value, "created_at": MADE, "updated_at": MADE});
    if matches!(scope, Scope::Organization(_)) {
        shown["visibility"] = json!("private");
    }
    shown
}
