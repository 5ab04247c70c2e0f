//! Workflow runs: lists with filters, one, cancel, run again, delete.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use indexmap::IndexMap;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::json;

use super::access::{ReadRepository, Repository, WriteRepository};
use super::paging::Paging;
use super::{ApiError, Reply, render};
use crate::engine::Conclusion;
use crate::state::{CancelReply, CancelRun, DeleteRun, Rerun, Runs};
use crate::view::RunView;
use crate::web::{App, BaseUrl};

pub(super) fn router() -> Router<App> {
    const RUNS: &str = "/api/v3/repos/{owner}/{repo}/actions/runs";
    Router::new()
        .route(RUNS, get(list))
        .route(&format!("{RUNS}/{{run_id}}"), get(one).delete(delete))
        .route(&format!("{RUNS}/{{run_id}}/cancel"), post(cancel))
        .route(&format!("{RUNS}/{{run_id}}/rerun"), post(rerun))
}

/// The filters of a list of runs.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Filter {
    actor: Option<String>,
    branch: Option<String>,
    event: Option<String>,
    /// A status or a conclusion.
    status: Option<String>,
    /// A moment, a day, or a range of them.
    created: Option<String>,
    head_sha: Option<String>,
}

impl Filter {
    fn takes(&self, run: &RunView) -> bool {
        let is = |wanted: &Option<String>, value: &str| wanted.as_ref().is_none_or(|wanted| wanted == value);
        let status = |wanted: &String| {
            wanted == run.status.as_str() || run.conclusion.map(Conclusion::as_str) == Some(wanted.as_str())
        };
        is(&self.actor, &run.actor)
            && is(&self.branch, &run.head_branch)
            && is(&self.event, &run.event)
            && is(&self.head_sha, &run.commit.sha)
            && self.status.as_ref().is_none_or(status)
            && self
                .created
                .as_ref()
                .is_none_or(|range| in_range(range, run.created_at))
    }
}

/// GitHub's search syntax for dates: `>=X`, `>X`, `<=X`, `<X`, `X..Y`, `X`; `*` is an open end. What cannot be read
/// takes nothing.
fn in_range(range: &str, at: Timestamp) -> bool {
    // REST shows whole seconds, so that is what clients compare with.
    let at = Timestamp::from_second(at.as_second()).unwrap_or(at);
    let compare = |text: &str, keeps: fn(Timestamp, (Timestamp, Timestamp)) -> bool| {
        span(text).is_some_and(|span| keeps(at, span))
    };
    if let Some((from, to)) = range.split_once("..") {
        return (from == "*" || compare(from, |at, (first, _)| at >= first))
            && (to == "*" || compare(to, |at, (_, last)| at <= last));
    }
    if let Some(text) = range.strip_prefix(">=") {
        compare(text, |at, (first, _)| at >= first)
    } else if let Some(text) = range.strip_prefix("<=") {
        compare(text, |at, (_, last)| at <= last)
    } else if let Some(text) = range.strip_prefix('>') {
        compare(text, |at, (_, last)| at > last)
    } else if let Some(text) = range.strip_prefix('<') {
        compare(text, |at, (first, _)| at < first)
    } else {
        compare(range, |at, (first, last)| first <= at && at <= last)
    }
}

/// First and last second of a moment or a day.
fn span(text: &str) -> Option<(Timestamp, Timestamp)> {
    // A `+` in a query that was not escaped arrives as a space.
    let text = text.trim().replace(' ', "+");
    if let Ok(moment) = text.parse::<Timestamp>() {
        let second = Timestamp::from_second(moment.as_second()).ok()?;
        return Some((second, second));
    }
    let day: Date = text.parse().ok()?;
    let first = day.to_zoned(TimeZone::UTC).ok()?.timestamp();
    let last = day.at(23, 59, 59, 0).to_zoned(TimeZone::UTC).ok()?.timestamp();
    Some((first, last))
}

/// A page of a repository's runs, perhaps of one workflow only.
pub(super) async fn list_of(
    app: &App,
    repository: &Repository,
    base: &str,
    paging: &Paging,
    filter: &Filter,
    workflow: Option<u64>,
) -> Reply {
    let runs = app.state.ask(Runs(Some(repository.name.clone()))).await?;
    let runs = runs
        .iter()
        .filter(|run| filter.takes(run) && workflow.is_none_or(|id| run.workflow_id == id))
        .map(|run| render::run(base, run, repository));
    Ok(paging.list("workflow_runs", runs.collect()))
}

async fn list(
    State(app): State<App>,
    ReadRepository(repository): ReadRepository,
    BaseUrl(base): BaseUrl,
    paging: Paging,
    Query(filter): Query<Filter>,
) -> Reply {
    list_of(&app, &repository, &base, &paging, &filter, None).await
}

/// The run of the path.
pub(super) fn run_id(params: &IndexMap<String, String>) -> Result<u64, ApiError> {
    params
        .get("run_id")
        .and_then(|id| id.parse().ok())
        .ok_or_else(ApiError::not_found)
}

async fn one(
    State(app): State<App>,
    ReadRepository(repository): ReadRepository,
    BaseUrl(base): BaseUrl,
    Path(params): Path<IndexMap<String, String>>,
) -> Reply {
    let id = run_id(&params)?;
    let runs = app.state.ask(Runs(Some(repository.name.clone()))).await?;
    let run = runs
        .iter()
        .find(|run| run.id == id)
        .ok_or_else(ApiError::not_found)?;
    Ok(Json(render::run(&base, run, &repository)).into_response())
}

async fn cancel(
    State(app): State<App>,
    WriteRepository { repository, .. }: WriteRepository,
    Path(params): Path<IndexMap<String, String>>,
) -> Reply {
    match app
        .state
        .ask(CancelRun {
            repository: repository.name,
            run: run_id(&params)?,
        })
        .await?
    {
        CancelReply::Cancelled => Ok((StatusCode::ACCEPTED, Json(json!({}))).into_response()),
        CancelReply::NotFound => Err(ApiError::not_found()),
        CancelReply::AlreadyCompleted => Err(ApiError::conflict(
            "Cannot cancel a workflow run that is completed.",
        )),
    }
}

async fn rerun(
    State(app): State<App>,
    WriteRepository { repository, .. }: WriteRepository,
    Path(params): Path<IndexMap<String, String>>,
) -> Reply {
    match app
        .state
        .ask(Rerun {
            repository: repository.name,
            run: run_id(&params)?,
        })
        .await?
    {
        None => Err(ApiError::not_found()),
        Some(false) => Err(ApiError::forbidden("This workflow is already running")),
        Some(true) => Ok((StatusCode::CREATED, Json(json!({}))).into_response()),
    }
}

async fn delete(
    State(app): State<App>,
    WriteRepository { repository, .. }: WriteRepository,
    Path(params): Path<IndexMap<String, String>>,
) -> Reply {
    match app
        .state
        .ask(DeleteRun {
            repository: repository.name,
            run: run_id(&params)?,
        })
        .await?
    {
        None => Err(ApiError::not_found()),
        Some(false) => Err(ApiError::forbidden("Could not delete the workflow run")),
        Some(true) => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn created_takes_moments_days_and_ranges() {
        let at: Timestamp = "2023-07-01T12:00:00.5Z".parse().expect("the literal is RFC 3339");

        for range in [
            "2023-07-01",
            "2023-07-01T12:00:00Z",
            "2023-07-01T14:00:00+02:00",
            "2023-07-01T14:00:00 02:00",
            ">=2023-07-01T12:00:00Z",
            "<=2023-07-01T12:00:00Z",
            ">2023-06-30",
            "<2023-07-02",
            "2023-06-01..2023-07-01",
            "*..2023-07-01",
            "2023-07-01T11:00:00Z..*",
        ] {
            assert!(in_range(range, at), "{range} must take {at}");
        }
        for range in [
            ">2023-07-01",
            "<2023-07-01",
            "2023-06-30",
            "*..2023-06-30",
            ">=2023-07-02",
            "yesterday",
        ] {
            assert!(!in_range(range, at), "{range} must not take {at}");
        }
    }
}
