//! Repositories: their description, branches, refs, commits, files, archives; those of an organization, and the end of one.
//!
//! Source: GitHub's REST documentation on repositories, <https://docs.github.com/enterprise-server@3.9/rest/repos/repos>. Not covered: making and changing
//! one (the world file has them).

use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use indexmap::IndexMap;
use serde_json::json;

use super::access::{DeleteRepository, ReadRepository, Repository};
use super::paging::Paging;
use super::{ApiError, Reply, render};
use crate::Defect;
use crate::action;
use crate::git::ResolvedRef;
use crate::state::{Defects, Identity, RemoveRepository, RemovedRepositories};
use crate::web::{App, BaseUrl};

pub(super) fn router() -> Router<App> {
    const REPOSITORY: &str = "/api/v3/repos/{owner}/{repo}";
    Router::new()
        .route("/api/v3/orgs/{org}/repos", get(of_organization))
        .route(REPOSITORY, get(repository).delete(remove))
        .route(&format!("{REPOSITORY}/branches"), get(branches))
        .route(&format!("{REPOSITORY}/branches/{{*branch}}"), get(branch))
        .route(&format!("{REPOSITORY}/git/ref/{{*reference}}"), get(reference))
        .route(&format!("{REPOSITORY}/commits/{{*reference}}"), get(commit))
        .route(&format!("{REPOSITORY}/contents/{{*path}}"), get(contents))
        .route(&format!("{REPOSITORY}/tarball/{{*reference}}"), get(tarball))
}

type Params = Path<IndexMap<String, String>>;

fn param<'a>(params: &'a IndexMap<String, String>, name: &str) -> &'a str {
    params.get(name).map(String::as_str).unwrap_or_default()
}

async fn repository(ReadRepository(repository): ReadRepository, BaseUrl(base): BaseUrl) -> Reply {
    Ok(Json(render::repository(&base, &repository)).into_response())
}

async fn of_organization(
    State(app): State<App>,
    BaseUrl(base): BaseUrl,
    Path(params): Params,
    identity: Identity,
    paging: Paging,
) -> Reply {
    let organization = app.world.organization(param(&params, "org"));
    let organization = organization.ok_or_else(ApiError::not_found)?;
    let sees_all =
        matches!(&identity, Identity::User { scopes, .. } if scopes.iter().any(|scope| scope == "repo"));
    let removed = app.state.ask(RemovedRepositories).await?;
    let repositories = app.world.repositories.iter().filter(|spec| {
        spec.owner.eq_ignore_ascii_case(&organization.login)
            && (spec.public || sees_all)
            && !removed.contains(&spec.full_name())
    });
    let shown = repositories.map(|spec| render::repository(&base, &Repository::of(&app, spec)));
    Ok(paging.array(shown.collect()))
}

async fn remove(State(app): State<App>, DeleteRepository(repository): DeleteRepository) -> Reply {
    app.state.ask(RemoveRepository(repository.name)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn branches(
    State(app): State<App>,
    ReadRepository(repository): ReadRepository,
    paging: Paging,
) -> Reply {
    let branches = app.repositories.branches(&repository.name).await?;
    let item = |branch: &crate::git::Branch| json!({"name": branch.name, "commit": {"sha": branch.sha}, "protected": false});
    Ok(paging.array(branches.iter().map(item).collect()))
}

async fn branch(
    State(app): State<App>,
    ReadRepository(repository): ReadRepository,
    BaseUrl(base): BaseUrl,
    Path(params): Params,
) -> Reply {
    let name = param(&params, "branch");
    let resolved = app
        .repositories
        .resolve(&repository.name, &format!("refs/heads/{name}"))
        .await?;
    let sha = resolved
        .ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND, "Branch not found"))?
        .sha;
    let commit = app.repositories.commit(&repository.name, &sha).await?;
    Ok(Json(json!({
        "name": name,
        "commit": render::commit(&base, &repository.name, &commit),
        "protected": false,
    }))
    .into_response())
}

async fn reference(
    State(app): State<App>,
    ReadRepository(repository): ReadRepository,
    BaseUrl(base): BaseUrl,
    Path(params): Params,
) -> Reply {
    let full = format!("refs/{}", param(&params, "reference"));
    let resolved = app.repositories.resolve(&repository.name, &full).await?;
    let ResolvedRef { full, sha } = resolved.ok_or_else(ApiError::not_found)?;
    let api = format!("{base}/api/v3/repos/{}/git", repository.name);
    Ok(Json(json!({
        "ref": full,
        "url": format!("{api}/{full}"),
        "object": {"type": "commit", "sha": sha, "url": format!("{api}/commits/{sha}")},
    }))
    .into_response())
}

async fn commit(
    State(app): State<App>,
    ReadRepository(repository): ReadRepository,
    BaseUrl(base): BaseUrl,
    Path(params): Params,
) -> Reply {
    let wanted = param(&params, "reference");
    let sha = resolve(&app, &repository, wanted)
        .await?
        .ok_or_else(|| ApiError::unprocessable(format!("No commit found for SHA: {wanted}")))?;
    let commit = app.repositories.commit(&repository.name, &sha).await?;
    Ok(Json(render::commit(&base, &repository.name, &commit)).into_response())
}

/// A branch, a tag, a commit, `heads/…`, `tags/…`, or `HEAD`.
async fn resolve(app: &App, repository: &Repository, wanted: &str) -> Result<Option<String>, ApiError> {
    let wanted = match wanted {
        "" | "HEAD" => repository.default_branch.as_str(),
        other => other,
    };
    let mut resolved = app.repositories.resolve(&repository.name, wanted).await?;
    if resolved.is_none() && (wanted.starts_with("heads/") || wanted.starts_with("tags/")) {
        resolved = app
            .repositories
            .resolve(&repository.name, &format!("refs/{wanted}"))
            .await?;
    }
    Ok(resolved.map(|resolved| resolved.sha))
}

async fn contents(
    State(app): State<App>,
    ReadRepository(repository): ReadRepository,
    Path(params): Params,
    Query(query): Query<IndexMap<String, String>>,
) -> Reply {
    let path = param(&params, "path");
    let sha = resolve(&app, &repository, param(&query, "ref"))
        .await?
        .ok_or_else(ApiError::not_found)?;
    let bytes = app
        .repositories
        .file(&repository.name, &sha, path)
        .await?
        .ok_or_else(ApiError::not_found)?;
    let name = path.rsplit('/').next().unwrap_or(path);
    Ok(Json(json!({
        "type": "file",
        "encoding": "base64",
        "size": bytes.len(),
        "name": name,
        "path": path,
        "content": BASE64_STANDARD.encode(&bytes),
    }))
    .into_response())
}

/// Also of the actions that the server itself offers, which are no repositories.
async fn tarball(
    State(app): State<App>,
    Path(params): Params,
    repository: Result<ReadRepository, ApiError>,
) -> Reply {
    let wanted = param(&params, "reference");
    let name = format!("{}/{}", param(&params, "owner"), param(&params, "repo"));
    let stale = app.state.ask(Defects).await?.contains(&Defect::StaleCheckout);
    let archive = match action::built_in(&name, stale) {
        Some(action) => action.archive().map_err(|error| {
            ApiError::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                format!("Server Error: {error}"),
            )
        })?,
        None => {
            let ReadRepository(repository) = repository?;
            let sha = resolve(&app, &repository, wanted)
                .await?
                .ok_or_else(ApiError::not_found)?;
            let top = format!("{}-{}-{}", repository.name.owner, repository.name.name, &sha[..7]);
            app.repositories.archive(&repository.name, &sha, &top).await?
        }
    };
    Ok(gzip(archive))
}

fn gzip(archive: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "application/x-gzip")], archive).into_response()
}
