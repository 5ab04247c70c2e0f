//! Workflows: the files of the default branch, and manual runs (`workflow_dispatch`).

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use indexmap::IndexMap;
use serde_json::{Value, json};

use super::access::{ReadRepository, Repository, WriteRepository};
use super::paging::Paging;
use super::{ApiError, Reply, render, runs};
use crate::clock;
use crate::digest::stable_id;
use crate::engine::{RunContext, Workflow, check_inputs};
use crate::state::StartRun;
use crate::web::{App, BaseUrl};

pub(super) fn router() -> Router<App> {
    const WORKFLOWS: &str = "/api/v3/repos/{owner}/{repo}/actions/workflows";
    Router::new()
        .route(WORKFLOWS, get(list))
        .route(&format!("{WORKFLOWS}/{{workflow}}"), get(one))
        .route(&format!("{WORKFLOWS}/{{workflow}}/runs"), get(runs_of_workflow))
        .route(&format!("{WORKFLOWS}/{{workflow}}/dispatches"), post(dispatch))
}

/// A workflow file of the default branch.
struct Entry {
    id: u64,
    path: String,
    name: String,
}

/// A workflow's number follows from repository and path, so it is the same in every run.
fn workflow_id(repository: &Repository, path: &str) -> u64 {
    stable_id(&format!(
        "workflow/{}/{path}",
        repository.name.to_string().to_lowercase()
    ))
}

async fn entries(app: &App, repository: &Repository) -> Result<Vec<Entry>, ApiError> {
    let head = app
        .repositories
        .resolve(&repository.name, &repository.default_branch)
        .await?;
    let Some(head) = head else { return Ok(Vec::new()) };
    let mut entries = Vec::new();
    for path in app
        .repositories
        .workflow_paths(&repository.name, &head.sha)
        .await?
    {
        // A broken workflow is listed by its path, as GitHub does.
        let name = match read(app, repository, &head.sha, &path).await {
            Ok(workflow) => workflow.name().to_owned(),
            Err(_) => path.clone(),
        };
        entries.push(Entry {
            id: workflow_id(repository, &path),
            path,
            name,
        });
    }
    Ok(entries)
}

async fn read(app: &App, repository: &Repository, sha: &str, path: &str) -> Result<Workflow, ApiError> {
    let bytes = app
        .repositories
        .file(&repository.name, sha, path)
        .await?
        .ok_or_else(ApiError::not_found)?;
    Workflow::parse(path, &String::from_utf8_lossy(&bytes))
        .map_err(|error| ApiError::unprocessable(format!("failed to parse workflow: {error}")))
}

/// By number, by file name, or by path.
fn find<'a>(entries: &'a [Entry], wanted: &str) -> Result<&'a Entry, ApiError> {
    entries
        .iter()
        .find(|entry| {
            entry.id.to_string() == wanted
                || entry.path == wanted
                || entry.path.rsplit('/').next() == Some(wanted)
        })
        .ok_or_else(ApiError::not_found)
}

fn wanted(params: &IndexMap<String, String>) -> &str {
    params.get("workflow").map(String::as_str).unwrap_or_default()
}

fn object(base: &str, repository: &Repository, entry: &Entry) -> Value {
    let file = entry.path.rsplit('/').next().unwrap_or(&entry.path);
    let born = "2023-07-01T00:01:00Z";
    json!({
        "id": entry.id,
        "node_id": format!("W_{}", entry.id),
        "name": entry.name,
        "path": entry.path,
        "state": "active",
        "created_at": born,
        "updated_at": born,
        "url": format!("{base}/api/v3/repos/{}/actions/workflows/{}", repository.name, entry.id),
        "html_url": format!("{base}/{}/blob/{}/{}", repository.name, repository.default_branch, entry.path),
        "badge_url": format!("{base}/{}/actions/workflows/{file}/badge.svg", repository.name),
    })
}

async fn list(
    State(app): State<App>,
    ReadRepository(repository): ReadRepository,
    BaseUrl(base): BaseUrl,
    paging: Paging,
) -> Reply {
    let entries = entries(&app, &repository).await?;
    Ok(paging.list(
        "workflows",
        entries
            .iter()
            .map(|entry| object(&base, &repository, entry))
            .collect(),
    ))
}

async fn one(
    State(app): State<App>,
    ReadRepository(repository): ReadRepository,
    BaseUrl(base): BaseUrl,
    Path(params): Path<IndexMap<String, String>>,
) -> Reply {
    let entries = entries(&app, &repository).await?;
    Ok(Json(object(&base, &repository, find(&entries, wanted(&params))?)).into_response())
}

async fn runs_of_workflow(
    State(app): State<App>,
    ReadRepository(repository): ReadRepository,
    BaseUrl(base): BaseUrl,
    Path(params): Path<IndexMap<String, String>>,
    paging: Paging,
    axum::extract::Query(filter): axum::extract::Query<runs::Filter>,
) -> Reply {
    let entries = entries(&app, &repository).await?;
    let id = find(&entries, wanted(&params))?.id;
    runs::list_of(&app, &repository, &base, &paging, &filter, Some(id)).await
}

async fn dispatch(
    State(app): State<App>,
    WriteRepository { repository, actor }: WriteRepository,
    BaseUrl(base): BaseUrl,
    Path(params): Path<IndexMap<String, String>>,
    body: Bytes,
) -> Reply {
    let entries = entries(&app, &repository).await?;
    let entry = find(&entries, wanted(&params))?;
    let body: Value = serde_json::from_slice(&body).map_err(|_| ApiError::problems_parsing_json())?;
    let reference = body["ref"]
        .as_str()
        .ok_or_else(|| ApiError::unprocessable("Invalid request.\n\n\"ref\" wasn't supplied."))?;
    let head = app.repositories.resolve(&repository.name, reference).await?;
    // A bare commit is no ref.
    let head = head
        .filter(|head| head.full.starts_with("refs/"))
        .ok_or_else(|| ApiError::unprocessable(format!("No ref found for: {reference}")))?;
    let given = inputs(&body["inputs"])?;

    let workflow = read(&app, &repository, &head.sha, &entry.path).await?;
    let inputs =
        check_inputs(&workflow, &given).map_err(|error| ApiError::unprocessable(error.to_string()))?;
    let commit = app.repositories.commit(&repository.name, &head.sha).await?;
    let event = event(&app, &base, &repository, &actor, &entry.path, &head.full, &inputs);
    let context = RunContext {
        repository: repository.name.to_string(),
        owner: repository.name.owner.clone(),
        actor,
        event_name: "workflow_dispatch".to_owned(),
        event,
        ref_: head.full,
        sha: head.sha,
        server_url: base.clone(),
        api_url: format!("{base}/api/v3"),
        workflow: workflow.name().to_owned(),
        inputs,
        ..RunContext::default()
    };
    let start = StartRun {
        repository: repository.name,
        workflow_id: entry.id,
        workflow: Arc::new(workflow),
        context,
        commit,
    };
    let run = app
        .state
        .ask(start)
        .await?
        .map_err(|error| ApiError::unprocessable(error.to_string()))?;
    tracing::info!(run = run.id, title = run.display_title, at = %clock::rest(run.created_at), "dispatched");
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The inputs as texts; booleans and numbers are taken, too.
fn inputs(given: &Value) -> Result<IndexMap<String, String>, ApiError> {
    let object = match given {
        Value::Null => return Ok(IndexMap::new()),
        Value::Object(object) => object,
        _ => {
            return Err(ApiError::validation_failed(
                "WorkflowDispatch",
                "inputs",
                "invalid",
            ));
        }
    };
    object
        .iter()
        .map(|(name, value)| {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Bool(_) | Value::Number(_) => value.to_string(),
                _ => {
                    return Err(ApiError::validation_failed(
                        "WorkflowDispatch",
                        "inputs",
                        "invalid",
                    ));
                }
            };
            Ok((name.clone(), text))
        })
        .collect()
}

/// The payload, as the `workflow_dispatch` webhook carries it.
fn event(
    app: &App,
    base: &str,
    repository: &Repository,
    actor: &str,
    path: &str,
    reference: &str,
    inputs: &IndexMap<String, String>,
) -> Value {
    let mut event = json!({
        "inputs": if inputs.is_empty() { Value::Null } else { json!(inputs) },
        "ref": reference,
        "repository": render::repository(base, repository),
        "sender": render::account(base, actor, "User"),
        "workflow": path,
    });
    if let Some(organization) = app.world.organization(&repository.name.owner) {
        event["organization"] = render::account(base, &organization.login, "Organization");
        if let Some(slug) = &organization.enterprise {
            event["enterprise"] = json!({"id": stable_id(slug), "slug": slug, "name": slug});
        }
    }
    event
}
