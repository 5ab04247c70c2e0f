//! Signed addresses of job logs: whoever has one may read the log for a minute, without credentials.

use aws_lc_rs::hmac;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use indexmap::IndexMap;
use jiff::Timestamp;

use crate::clock;
use crate::digest::hex;
use crate::state::JobLog;
use crate::web::App;

/// Below the runner service, as on GHES, and below `/api/v3` for clients that rewrite redirects to their base.
const PATHS: [&str; 2] = [
    "/_services/pipelines/logs/_apis/pipelines/1/runs/{run}/signedlogcontent/{job}",
    "/api/v3/_services/pipelines/logs/_apis/pipelines/1/runs/{run}/signedlogcontent/{job}",
];
/// Seconds that an address is good for.
const LIFETIME: i64 = 60;

pub(super) fn router() -> Router<App> {
    PATHS
        .into_iter()
        .fold(Router::new(), |router, path| router.route(path, get(log)))
}

fn signed_text(run: u64, job: u64, expires: i64) -> String {
    format!("{run}/{job}/{expires}")
}

/// Path and query of a job's log.
pub(in crate::web) fn signed_log_path(app: &App, run: u64, job: u64) -> String {
    let expires = clock::later(app.clock.now(), LIFETIME).as_second();
    let tag = hmac::sign(&app.log_key, signed_text(run, job, expires).as_bytes());
    let signature = hex(tag.as_ref());
    app.ledger.redactor().learn(&signature);
    format!(
        "/_services/pipelines/logs/_apis/pipelines/1/runs/{run}/signedlogcontent/{job}?urlExpires={expires}\
         &urlSigningMethod=HMACV1&urlSignature={signature}"
    )
}

async fn log(
    State(app): State<App>,
    Path((run, job)): Path<(u64, u64)>,
    Query(query): Query<IndexMap<String, String>>,
) -> Response {
    let expires = query
        .get("urlExpires")
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    let signature = query.get("urlSignature").map(String::as_str).unwrap_or_default();
    let tag = hmac::sign(&app.log_key, signed_text(run, job, expires).as_bytes());
    let is_genuine = hex(tag.as_ref()) == signature;
    let is_fresh = Timestamp::from_second(expires).is_ok_and(|end| app.clock.now() < end);
    if !is_genuine || !is_fresh {
        return (StatusCode::FORBIDDEN, "the signature is wrong or has expired").into_response();
    }
    match app.state.ask(JobLog(job)).await {
        Ok(Some(log)) => ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], log).into_response(),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(stopped) => (StatusCode::SERVICE_UNAVAILABLE, stopped.to_string()).into_response(),
    }
}
