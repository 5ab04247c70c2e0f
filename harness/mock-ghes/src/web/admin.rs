//! The remote control over HTTP, for tests in other processes and languages. Same listener, below `/_admin/`; every
//! call needs `Authorization: Bearer ADMIN_TOKEN` (the token of the line that the program prints).
//!
//! | call | does |
//! |---|---|
//! | `GET /_admin/ledger[?route=TEMPLATE_OR_PATH][&unknown=true]` | the recent records, oldest first |
//! | `GET /_admin/state` | `{"revision", "runners", "runs", "jobs", "defects", "faults"}` |
//! | `GET /_admin/jobs/{id}/log` | a job's log as plain text |
//! | `POST /_admin/faults` | adds a [`crate::FaultRule`], for example `{"target": "/api/v3/meta", "kind": {"status": 503}, "count": 1}`; kinds: `{"status": N}`, `"hang"`, `"reset"`, `{"delay": MILLISECONDS}` |
//! | `DELETE /_admin/faults` | removes all rules and lets hanging requests go |
//! | `POST /_admin/defects` | seeds a [`crate::Defect`]: `{"defect": "drop-label"}` |
//! | `DELETE /_admin/defects` | takes all defects back |
//! | `GET /_admin/deliveries` | everything that was told to webhooks or is held back, oldest first |
//! | `POST /_admin/deliveries` | tells a webhook what did not happen: `{"hook": 1, "event": "push", "payload": {}}`, with `"signature": "bad"` or `"missing"` if wanted |
//! | `POST /_admin/deliveries/{id}/attempts` | sends one, held or not: `{"signature": "good"}` |
//! | `PUT /_admin/hold`, `DELETE /_admin/hold` | holds new deliveries back; sends them and holds no more |
//! | `POST /_admin/tokens` | issues a personal access token: `{"user": "octocat", "scopes": ["repo"]}`; answers `{"token": "…"}` |
//! | `POST /_admin/revocations` | ends a token at once: `{"token": "…"}` |
//! | `GET /_admin/apps/{id}/key` | the private key of a GitHub App, PEM |
//! | `POST /_admin/runners` | adds runners that never come back: `{"scope": "enterprises/dogecompany", "names": ["lost-1"]}`; a scope is `enterprises/SLUG`, `LOGIN` or `OWNER/NAME` |
//! | `PUT /_admin/max-age` | `{"seconds": 60}` in `Cache-Control` of REST answers |
//! | `PUT /_admin/rate-limit` | `{"limit": 5000}` REST requests an hour for each user and installation, `null` for no limit |
//!
//! Faults do not touch these calls.

use std::sync::atomic::Ordering;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::extract::{Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use indexmap::IndexMap;
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{App, credentials};
use crate::state::{
    AddLostRunners, ClearDefects, Defects, Deliveries, HoldDeliveries, IssueUserToken, JobLog, Jobs,
    LimitRate, RevokeToken, Runners, Runs, SeedDefect, SendDelivery, Signature, Stopped, TellHook,
};
use crate::wire::AgentKey;
use crate::{Defect, FaultRule};

pub(super) fn router(app: &App) -> Router<App> {
    Router::new()
        .route("/_admin/ledger", get(ledger))
        .route("/_admin/state", get(state))
        .route("/_admin/jobs/{job}/log", get(job_log))
        .route("/_admin/faults", post(add_fault).delete(clear_faults))
        .route("/_admin/defects", post(seed_defect).delete(clear_defects))
        .route("/_admin/deliveries", get(deliveries).post(tell))
        .route("/_admin/deliveries/{delivery}/attempts", post(send))
        .route("/_admin/hold", put(hold).delete(release))
        .route("/_admin/tokens", post(issue))
        .route("/_admin/revocations", post(revoke))
        .route("/_admin/apps/{app}/key", get(app_key))
        .route("/_admin/runners", post(add_runners))
        .route("/_admin/max-age", put(max_age))
        .route("/_admin/rate-limit", put(rate_limit))
        .layer(axum::middleware::from_fn_with_state(app.clone(), authorize))
}

async fn authorize(State(app): State<App>, request: Request, next: Next) -> Response {
    let token = credentials::token(request.headers()).unwrap_or_default();
    let wanted = app.admin_token.expose_secret();
    if verify_slices_are_equal(token.as_bytes(), wanted.as_bytes()).is_err() {
        let body = json!({"message": "this call needs `Authorization: Bearer ADMIN_TOKEN`"});
        return (StatusCode::UNAUTHORIZED, Json(body)).into_response();
    }
    next.run(request).await
}

type Reply = Result<Response, Gone>;

struct Gone(Stopped);

impl From<Stopped> for Gone {
    fn from(stopped: Stopped) -> Self {
        Gone(stopped)
    }
}

impl IntoResponse for Gone {
    fn into_response(self) -> Response {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            Json(json!({"message": self.0.to_string()})),
        )
            .into_response()
    }
}

async fn ledger(State(app): State<App>, Query(query): Query<IndexMap<String, String>>) -> Reply {
    let mut records = match query.get("route") {
        Some(route) => app.ledger.requests_to(route),
        None => app.ledger.recent(),
    };
    if query.get("unknown").is_some_and(|text| text == "true") {
        records.retain(|record| record.unknown);
    }
    Ok(Json(records).into_response())
}

async fn state(State(app): State<App>) -> Reply {
    let revision = *app.state.revision().borrow();
    Ok(Json(json!({
        "revision": revision,
        "runners": app.state.ask(Runners).await?,
        "runs": app.state.ask(Runs(None)).await?,
        "jobs": app.state.ask(Jobs(None)).await?,
        "defects": app.state.ask(Defects).await?,
        "faults": app.faults.list(),
    }))
    .into_response())
}

async fn job_log(State(app): State<App>, Path(job): Path<u64>) -> Reply {
    Ok(match app.state.ask(JobLog(job)).await? {
        Some(log) => ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], log).into_response(),
        None => (
            StatusCode::NOT_FOUND,
            Json(json!({"message": "no such job, or no log yet"})),
        )
            .into_response(),
    })
}

async fn add_fault(State(app): State<App>, Json(rule): Json<FaultRule>) -> Reply {
    app.faults.add(rule);
    Ok((StatusCode::CREATED, Json(app.faults.list())).into_response())
}

async fn clear_faults(State(app): State<App>) -> Reply {
    app.faults.clear();
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Deserialize)]
struct DefectOrder {
    defect: Defect,
}

async fn seed_defect(State(app): State<App>, Json(order): Json<DefectOrder>) -> Reply {
    app.state.ask(SeedDefect(order.defect)).await?;
    Ok((StatusCode::CREATED, Json(app.state.ask(Defects).await?)).into_response())
}

async fn clear_defects(State(app): State<App>) -> Reply {
    app.state.ask(ClearDefects).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn deliveries(State(app): State<App>) -> Reply {
    Ok(Json(app.state.ask(Deliveries).await?).into_response())
}

#[derive(Deserialize)]
struct Told {
    hook: u64,
    event: String,
    payload: Value,
    #[serde(default)]
    signature: Signature,
}

async fn tell(State(app): State<App>, Json(order): Json<Told>) -> Reply {
    let told = TellHook {
        hook: order.hook,
        event: order.event,
        payload: order.payload.to_string(),
        signature: order.signature,
    };
    Ok(sent(app.state.ask(told).await?))
}

#[derive(Deserialize)]
struct Attempt {
    #[serde(default)]
    signature: Signature,
}

async fn send(State(app): State<App>, Path(delivery): Path<u64>, Json(order): Json<Attempt>) -> Reply {
    let signature = order.signature;
    Ok(sent(app.state.ask(SendDelivery { delivery, signature }).await?))
}

fn sent(delivery: Option<u64>) -> Response {
    match delivery {
        Some(id) => (StatusCode::ACCEPTED, Json(json!({"delivery": id}))).into_response(),
        None => (
            StatusCode::NOT_FOUND,
            Json(json!({"message": "no such webhook or delivery"})),
        )
            .into_response(),
    }
}

async fn hold(State(app): State<App>) -> Reply {
    app.state.ask(HoldDeliveries(true)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn release(State(app): State<App>) -> Reply {
    app.state.ask(HoldDeliveries(false)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Deserialize)]
struct Issue {
    user: String,
    #[serde(default)]
    scopes: Vec<String>,
}

async fn issue(State(app): State<App>, Json(order): Json<Issue>) -> Reply {
    let order = IssueUserToken {
        login: order.user,
        scopes: order.scopes,
    };
    Ok(match app.state.ask(order).await? {
        Some(token) => (StatusCode::CREATED, Json(json!({"token": token}))).into_response(),
        None => nothing("no such user"),
    })
}

async fn app_key(State(app): State<App>, Path(id): Path<u64>) -> Response {
    let found = app.world.apps.iter().find(|one| one.id == id);
    match found.and_then(|one| one.key.as_ref()) {
        Some(key) => key.pem().expose_secret().to_owned().into_response(),
        None => nothing("no such app"),
    }
}

#[derive(Deserialize)]
struct NewRunners {
    scope: String,
    names: Vec<String>,
}

async fn add_runners(State(app): State<App>, Json(order): Json<NewRunners>) -> Reply {
    let Some(scope) = app.world.scope_of_path(&order.scope) else {
        return Ok(nothing("no such scope"));
    };
    let order = AddLostRunners {
        scope,
        names: order.names,
        key: AgentKey::draw(),
    };
    let added = app.state.ask(order).await?;
    Ok((StatusCode::CREATED, Json(json!({"added": added}))).into_response())
}

#[derive(Deserialize)]
struct MaxAge {
    seconds: u64,
}

async fn max_age(State(app): State<App>, Json(order): Json<MaxAge>) -> StatusCode {
    app.list_max_age.store(order.seconds, Ordering::Relaxed);
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
struct RateLimit {
    limit: Option<u64>,
}

async fn rate_limit(State(app): State<App>, Json(order): Json<RateLimit>) -> Reply {
    app.state.ask(LimitRate(order.limit)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn nothing(message: &str) -> Response {
    (StatusCode::NOT_FOUND, Json(json!({"message": message}))).into_response()
}

#[derive(Deserialize)]
struct Revocation {
    token: String,
}

async fn revoke(State(app): State<App>, Json(order): Json<Revocation>) -> Reply {
    let was_in_force = app.state.ask(RevokeToken(order.token)).await?;
    Ok(if was_in_force {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::NOT_FOUND
    }
    .into_response())
}
