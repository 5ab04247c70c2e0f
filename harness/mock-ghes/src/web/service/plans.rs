//! What a running job reports: timeline records, console lines, logs, attachments, its end.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{patch, post, put};
use axum::{Json, Router};
use bytes::Bytes;
use indexmap::IndexMap;
use serde_json::{Value, json};

use super::error::ServiceError;
use super::{Reply, TENANT};
use crate::clock;
use crate::json::{choice, field, items, text};
use crate::state::{
    AppendLog, CompleteJob, CreateLog, Feed, Identity, PatchRecords, RESULTS, Records, conclusion_of,
};
use crate::web::App;

/// Base of a job's calls.
pub(super) fn plan_path() -> String {
    format!("{TENANT}/{{scope}}/_apis/distributedtask/hubs/{{hub}}/plans/{{plan}}")
}

pub(super) fn router() -> Router<App> {
    let plan = plan_path();
    let record = format!("{plan}/timelines/{{timeline}}/records/{{record}}");
    Router::new()
        .route(&format!("{plan}/timelines"), post(create_timeline))
        .route(
            &format!("{plan}/timelines/{{timeline}}"),
            axum::routing::get(timeline),
        )
        .route(&format!("{plan}/timelines/{{timeline}}/records"), patch(records))
        .route(&format!("{record}/feed"), post(feed))
        .route(
            &format!("{record}/attachments/{{kind}}/{{name}}"),
            put(attachment),
        )
        .route(&format!("{plan}/logs"), post(create_log))
        .route(&format!("{plan}/logs/{{log}}"), post(append_log))
        .route(&format!("{plan}/events"), post(event))
}

type Params = Path<IndexMap<String, String>>;

fn param<'a>(params: &'a IndexMap<String, String>, name: &str) -> &'a str {
    params.get(name).map(String::as_str).unwrap_or_default()
}

/// The job whose token calls, which must be the plan's.
pub(super) fn job(identity: Identity, params: &IndexMap<String, String>) -> Result<u64, ServiceError> {
    match identity {
        Identity::Job { id, plan } if param(params, "plan").parse() == Ok(plan) => Ok(id),
        Identity::Job { .. } => Err(ServiceError::plan_not_found()),
        Identity::Anonymous | Identity::Unknown => Err(ServiceError::Challenge),
        other => Err(ServiceError::access_denied(&other)),
    }
}

pub(super) fn body_of(body: &[u8]) -> Result<Value, ServiceError> {
    serde_json::from_slice(body).map_err(|_| ServiceError::bad_request("The body is not JSON."))
}

async fn create_timeline(identity: Identity, Path(params): Params, body: Bytes) -> Reply {
    job(identity, &params)?;
    let body = body_of(&body)?;
    Ok(Json(json!({"id": field(&body, "id"), "changeId": 1})).into_response())
}

async fn timeline(State(app): State<App>, identity: Identity, Path(params): Params) -> Reply {
    let job = job(identity, &params)?;
    let records = app.state.ask(Records { job }).await?;
    let body = json!({"id": param(&params, "timeline"), "changeId": 1, "records": records});
    Ok(Json(body).into_response())
}

async fn records(State(app): State<App>, identity: Identity, Path(params): Params, body: Bytes) -> Reply {
    let job = job(identity, &params)?;
    let body = body_of(&body)?;
    let echo = json!({"count": items(&body).len(), "value": items(&body)});
    app.state.ask(PatchRecords { job, body }).await?;
    Ok(Json(echo).into_response())
}

async fn feed(State(app): State<App>, identity: Identity, Path(params): Params, body: Bytes) -> Reply {
    let job = job(identity, &params)?;
    app.state
        .ask(Feed {
            job,
            body: body_of(&body)?,
        })
        .await?;
    Ok(StatusCode::OK.into_response())
}

/// Acknowledged and left: REST of this version shows none.
async fn attachment(identity: Identity, Path(params): Params) -> Reply {
    job(identity, &params)?;
    Ok(Json(json!({
        "type": param(&params, "kind"),
        "name": param(&params, "name"),
        "recordId": param(&params, "record"),
        "timelineId": param(&params, "timeline"),
    }))
    .into_response())
}

fn log_object(app: &App, id: usize, path: &str) -> Value {
    let now = clock::service(app.clock.now());
    json!({"id": id, "path": path, "createdOn": now, "lastChangedOn": now, "location": null})
}

async fn create_log(State(app): State<App>, identity: Identity, Path(params): Params, body: Bytes) -> Reply {
    let job = job(identity, &params)?;
    let body = body_of(&body)?;
    let id = app
        .state
        .ask(CreateLog { job })
        .await?
        .ok_or_else(ServiceError::plan_not_found)?;
    Ok(Json(log_object(&app, id, text(&body, "path"))).into_response())
}

async fn append_log(State(app): State<App>, identity: Identity, Path(params): Params, body: Bytes) -> Reply {
    let job = job(identity, &params)?;
    let log = param(&params, "log").parse().unwrap_or(0);
    if !app
        .state
        .ask(AppendLog {
            job,
            log,
            bytes: body,
        })
        .await?
    {
        let message = "The plan has no log with this number.";
        return Err(ServiceError::typed(
            StatusCode::NOT_FOUND,
            "TaskLogNotFoundException",
            message,
        ));
    }
    Ok(Json(log_object(&app, log, "")).into_response())
}

/// `JobCompleted` is the authoritative end of a job; other events are acknowledged.
async fn event(State(app): State<App>, identity: Identity, Path(params): Params, body: Bytes) -> Reply {
    let job = job(identity, &params)?;
    let body = body_of(&body)?;
    if text(&body, "name").eq_ignore_ascii_case("JobCompleted") {
        let result = choice(&body, "result", &RESULTS)
            .ok_or_else(|| ServiceError::bad_request("The event has no known result."))?;
        let outputs = outputs(field(&body, "outputs"));
        app.state
            .ask(CompleteJob {
                job,
                conclusion: conclusion_of(result),
                outputs,
            })
            .await?;
    }
    Ok(StatusCode::OK.into_response())
}

/// `{"name": {"value": "…"}}`; secret ones do not leave the runner, and if one does it stops here.
fn outputs(given: &Value) -> IndexMap<String, String> {
    let Some(given) = given.as_object() else {
        return IndexMap::new();
    };
    given
        .iter()
        .filter(|(_, output)| !crate::json::flag(output, "isSecret"))
        .filter_map(|(name, output)| {
            let value = output.as_str().or_else(|| field(output, "value").as_str())?;
            Some((name.clone(), value.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_come_in_both_clients_forms_and_secrets_stop() {
        let go = json!({"Val": {"Value": "42", "IsSecret": false}, "s": {"Value": "x", "IsSecret": true}});
        let net = json!({"Val": {"value": "42"}});

        let expected: IndexMap<String, String> = [("Val".to_owned(), "42".to_owned())].into_iter().collect();
        assert_eq!(outputs(&go), expected);
        assert_eq!(outputs(&net), expected);
        assert!(outputs(&Value::Null).is_empty());
    }
}
