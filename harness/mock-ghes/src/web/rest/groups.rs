//! Runner groups of enterprises and organizations: the group `Default`, which nobody can remove, and those that an organization makes.
//!
//! Source: GitHub's REST documentation on self-hosted runner groups. Not covered: changing a group, runners in a group other than
//! `Default`, an enterprise's own groups, and which of them an organization inherits.

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::RunnerAdmin;
use super::paging::Paging;
use super::{ApiError, Reply, render};
use crate::state::{
    AddGroup, DEFAULT_GROUP, DEFAULT_GROUP_ID, Defects, Group, GroupsOf, RemoveGroup, RunnersOfScope,
    Visibility,
};
use crate::web::{App, BaseUrl};
use crate::{Defect, RepositorySpec, Scope};

pub(super) fn router() -> Router<App> {
    ["/api/v3/enterprises/{enterprise}", "/api/v3/orgs/{org}"]
        .into_iter()
        .fold(Router::new(), |router, scope| {
            let groups = format!("{scope}/actions/runner-groups");
            router
                .route(&groups, get(list).post(create))
                .route(&format!("{groups}/{{group_id}}"), get(one).delete(remove))
                .route(&format!("{groups}/{{group_id}}/runners"), get(runners))
        })
}

#[derive(Deserialize)]
struct Filter {
    /// A repository's name without its owner.
    visible_to_repository: Option<String>,
}

/// The group `Default` is visible to every repository, so the filter leaves it in.
async fn list(
    State(app): State<App>,
    RunnerAdmin(scope): RunnerAdmin,
    BaseUrl(base): BaseUrl,
    Query(filter): Query<Filter>,
    paging: Paging,
) -> Reply {
    let asker = filter.visible_to_repository.map(|name| {
        let Scope::Organization(owner) = &scope else {
            return None;
        };
        app.world.repository(owner, &name)
    });
    let wide = app.state.ask(Defects).await?.contains(&Defect::WideGroups);
    let shows = |group: &Group| match asker {
        None => true,
        _ if wide => true,
        Some(None) => group.visibility == Visibility::All,
        Some(Some(asker)) => group.is_visible_to(&asker.full_name(), asker.public),
    };
    let groups = app.state.ask(GroupsOf(scope.clone())).await?;
    let groups = groups.iter().filter(|group| shows(group));
    let groups = groups.map(|group| shown(&base, group));
    let default = std::iter::once(default_group(&base, &scope));
    Ok(paging.list("runner_groups", default.chain(groups).collect()))
}

#[derive(Deserialize)]
struct Wanted {
    name: Option<String>,
    visibility: Option<String>,
    #[serde(default)]
    selected_repository_ids: Vec<u64>,
}

async fn create(
    State(app): State<App>,
    RunnerAdmin(scope): RunnerAdmin,
    BaseUrl(base): BaseUrl,
    body: Bytes,
) -> Reply {
    let wanted: Wanted = serde_json::from_slice(&body).map_err(|_| ApiError::problems_parsing_json())?;
    let Scope::Organization(owner) = &scope else {
        return Err(ApiError::not_found());
    };
    let invalid = |field: &str| ApiError::validation_failed("RunnerGroup", field, "invalid");
    let name = wanted.name.filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| ApiError::validation_failed("RunnerGroup", "name", "missing_field"))?;
    let visibility = match wanted.visibility.as_deref() {
        None | Some("all") => Visibility::All,
        Some("private") => Visibility::Private,
        Some("selected") => {
            let of_owner = |spec: &&RepositorySpec| spec.owner.eq_ignore_ascii_case(owner);
            let repositories: Vec<_> = app
                .world
                .repositories
                .iter()
                .filter(of_owner)
                .map(RepositorySpec::full_name)
                .filter(|name| {
                    wanted
                        .selected_repository_ids
                        .contains(&render::repository_id(name))
                })
                .collect();
            if repositories.len() != wanted.selected_repository_ids.len() {
                return Err(ApiError::not_found());
            }
            Visibility::Selected(repositories)
        }
        Some(_) => return Err(invalid("visibility")),
    };
    let add = AddGroup {
        scope,
        name,
        visibility,
    };
    let made = app.state.ask(add).await?;
    let made = made.ok_or_else(|| ApiError::conflict("A group with this name already exists"))?;
    Ok((StatusCode::CREATED, Json(shown(&base, &made))).into_response())
}

fn number(params: &IndexMap<String, String>) -> Option<u64> {
    params.get("group_id")?.parse().ok()
}

async fn one(
    State(app): State<App>,
    RunnerAdmin(scope): RunnerAdmin,
    BaseUrl(base): BaseUrl,
    Path(params): Path<IndexMap<String, String>>,
) -> Reply {
    let wanted = number(&params);
    if wanted == Some(DEFAULT_GROUP_ID) {
        return Ok(Json(default_group(&base, &scope)).into_response());
    }
    let groups = app.state.ask(GroupsOf(scope)).await?;
    let found = groups.iter().find(|group| Some(group.id) == wanted);
    let found = found.ok_or_else(ApiError::not_found)?;
    Ok(Json(shown(&base, found)).into_response())
}

/// Nobody can remove the group `Default`.
async fn remove(
    State(app): State<App>,
    RunnerAdmin(scope): RunnerAdmin,
    Path(params): Path<IndexMap<String, String>>,
) -> Reply {
    let wanted = number(&params);
    if wanted == Some(DEFAULT_GROUP_ID) {
        return Err(ApiError::unprocessable("Cannot delete the default runner group"));
    }
    let groups = app.state.ask(GroupsOf(scope)).await?;
    let found = groups.iter().find(|group| Some(group.id) == wanted);
    let found = found.ok_or_else(ApiError::not_found)?;
    app.state.ask(RemoveGroup(found.id)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Every runner is in the group `Default`.
async fn runners(
    State(app): State<App>,
    RunnerAdmin(scope): RunnerAdmin,
    Path(params): Path<IndexMap<String, String>>,
    paging: Paging,
) -> Reply {
    let wanted = number(&params);
    if wanted != Some(DEFAULT_GROUP_ID) {
        let groups = app.state.ask(GroupsOf(scope)).await?;
        let known = groups.iter().any(|group| Some(group.id) == wanted);
        return if known {
            Ok(paging.list("runners", Vec::new()))
        } else {
            Err(ApiError::not_found())
        };
    }
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
    group(base, scope, DEFAULT_GROUP_ID, DEFAULT_GROUP, "all")
}

fn shown(base: &str, one: &Group) -> Value {
    let visibility = match one.visibility {
        Visibility::All => "all",
        Visibility::Private => "private",
        Visibility::Selected(_) => "selected",
    };
    let mut shown = group(base, &one.scope, one.id, &one.name, visibility);
    if visibility == "selected" {
        let repositories = format!(
            "{base}/api/v3/{}/actions/runner-groups/{}/repositories",
            one.scope.api_path(),
            one.id
        );
        shown["selected_repositories_url"] = json!(repositories);
    }
    shown
}

fn group(base: &str, scope: &Scope, id: u64, name: &str, visibility: &str) -> Value {
    let mut group = json!({
        "id": id,
        "name": name,
        "visibility": visibility,
        "default": id == DEFAULT_GROUP_ID,
        "runners_url": format!("{base}/api/v3/{}/actions/runner-groups/{id}/runners", scope.api_path()),
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
