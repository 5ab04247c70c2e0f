//! Jobs of runs, and their logs: a redirect to a signed address that needs no credentials.

use axum::Json;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use indexmap::IndexMap;
use serde_json::Value;

use super::access::{ReadRepository, Repository};
use super::paging::Paging;
use super::{ApiError, Reply, render, runs};
use crate::state::{JobLog, Jobs};
use crate::view::{JobView, Status};
use crate::web::service::signed_log_path;
use crate::web::{App, BaseUrl};

pub(super) fn router() -> Router<App> {
    const ACTIONS: &str = "/api/v3/repos/{owner}/{repo}/actions";
    Router::new()
        .route(&format!("{ACTIONS}/runs/{{run_id}}/jobs"), get(of_run))
        .route(
            &format!("{ACTIONS}/runs/{{run_id}}/attempts/{{attempt}}/jobs"),
            get(of_run),
        )
        .route(&format!("{ACTIONS}/jobs/{{job_id}}"), get(one))
        .route(&format!("{ACTIONS}/jobs/{{job_id}}/logs"), get(logs))
}

/// The repository's jobs that REST shows: those that wait for others are not there yet.
async fn visible(app: &App, repository: &Repository) -> Result<Vec<JobView>, ApiError> {
    let mut jobs = app.state.ask(Jobs(Some(repository.name.clone()))).await?;
    jobs.retain(|job| job.status != Status::Waiting);
    Ok(jobs)
}

async fn of_run(
    State(app): State<App>,
    ReadRepository(repository): ReadRepository,
    BaseUrl(base): BaseUrl,
    Path(params): Path<IndexMap<String, String>>,
    paging: Paging,
    Query(query): Query<IndexMap<String, String>>,
) -> Reply {
    let run = runs::run_id(&params)?;
    let everything = app.state.ask(Jobs(Some(repository.name.clone()))).await?;
    let latest = everything
        .iter()
        .filter(|job| job.run_id == run)
        .map(|job| job.attempt)
        .max();
    let latest = latest.ok_or_else(ApiError::not_found)?;
    let wants_all = query.get("filter").is_some_and(|filter| filter == "all");
    let attempt = match params.get("attempt") {
        Some(text) => Some(text.parse().map_err(|_| ApiError::not_found())?),
        None if wants_all => None,
        None => Some(latest),
    };
    let jobs: Vec<Value> = visible(&app, &repository)
        .await?
        .iter()
        .filter(|job| job.run_id == run && attempt.is_none_or(|n| job.attempt == n))
        .map(|job| render::job(&base, job))
        .collect();
    Ok(paging.list("jobs", jobs))
}

async fn find(
    app: &App,
    repository: &Repository,
    params: &IndexMap<String, String>,
) -> Result<JobView, ApiError> {
    let id: Option<u64> = params.get("job_id").and_then(|id| id.parse().ok());
    let jobs = visible(app, repository).await?;
    jobs.into_iter()
        .find(|job| Some(job.id) == id)
        .ok_or_else(ApiError::not_found)
}

async fn one(
    State(app): State<App>,
    ReadRepository(repository): ReadRepository,
    BaseUrl(base): BaseUrl,
    Path(params): Path<IndexMap<String, String>>,
) -> Reply {
    Ok(Json(render::job(&base, &find(&app, &repository, &params).await?)).into_response())
}

async fn logs(
    State(app): State<App>,
    ReadRepository(repository): ReadRepository,
    BaseUrl(base): BaseUrl,
    Path(params): Path<IndexMap<String, String>>,
) -> Reply {
    let job = find(&app, &repository, &params).await?;
    if app.state.ask(JobLog(job.id)).await?.is_none() {
        return Err(ApiError::not_found());
    }
    let location = format!("{base}{}", signed_log_path(&app, job.run_id, job.id));
    Ok((StatusCode::FOUND, [(header::LOCATION, location)]).into_response())
}
