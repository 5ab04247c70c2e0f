//! The REST API, version 3, below `/api/v3`, as far as runners, workflows and their clients need it.

mod access;
mod apps;
mod error;
mod groups;
mod hooks;
mod jobs;
mod paging;
mod rate;
mod registration;
mod render;
mod repositories;
mod runners;
mod runs;
mod server;
mod variables;
mod workflows;

use std::sync::atomic::Ordering;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::App;
use crate::Defect;
use crate::digest::sha256_hex;
use crate::state::{Defects, Identity};
pub(crate) use error::{ApiError, DOCUMENTATION};
pub(super) use hooks::payload;

/// The only version of the REST API's calendar that GHES 3.9 knows.
const API_VERSION: &str = "2022-11-28";

type Reply = Result<Response, ApiError>;

pub(super) fn router(app: &App) -> Router<App> {
    Router::new()
        .merge(server::router())
        .merge(apps::router())
        .merge(runners::router())
        .merge(groups::router())
        .merge(hooks::router())
        .merge(registration::router())
        .merge(repositories::router())
        .merge(workflows::router())
        .merge(runs::router())
        .merge(jobs::router())
        .merge(variables::router())
        .layer(axum::middleware::from_fn_with_state(app.clone(), conventions))
}

/// What holds for every REST call: the API version, bad credentials, conditional requests.
async fn conventions(State(app): State<App>, request: Request, next: Next) -> Response {
    let wanted = request.headers().get("x-github-api-version");
    if let Some(version) = wanted.filter(|version| *version != API_VERSION) {
        let version = String::from_utf8_lossy(version.as_bytes()).into_owned();
        let message = format!(
            "The version '{version}' of the API is not supported. Supported versions: {API_VERSION}."
        );
        return ApiError::new(StatusCode::BAD_REQUEST, message).into_response();
    }
    if let Some(Identity::RefusedApp(refusal)) = request.extensions().get() {
        return apps::refused(*refusal).into_response();
    }
    // runner-registration hides bad credentials behind its own answer.
    let is_registration = request.uri().path() == registration::PATH;
    if !is_registration && request.extensions().get::<Identity>() == Some(&Identity::Unknown) {
        return ApiError::bad_credentials().into_response();
    }
    let if_none_match = request.headers().get(header::IF_NONE_MATCH).cloned();
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let limited = rate::limited(&request);
    if let Some(identity) = &limited
        && let Some(refusal) = rate::refusal(&app, identity).await
    {
        return refusal;
    }
    let response = next.run(request).await;
    let mut response = if is_read && response.status() == StatusCode::OK {
        conditional(&app, if_none_match.as_ref(), response).await
    } else {
        response
    };
    if let Some(identity) = limited {
        rate::charge(&app, identity, &mut response).await;
    }
    response
}

/// Adds entity tag and cache headers; answers 304 if the client has this representation.
async fn conditional(app: &App, if_none_match: Option<&HeaderValue>, response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    // A state that is gone has none.
    let defects = app.state.ask(Defects).await.unwrap_or_default();
    if defects.contains(&Defect::NoLinks) {
        parts.headers.remove(header::LINK);
    }
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let mut hashed = body.to_vec();
    if let Some(link) = parts.headers.get(header::LINK) {
        hashed.extend_from_slice(link.as_bytes());
    }
    let tag = sha256_hex(&hashed);
    let max_age = match defects.contains(&Defect::NoCaching) {
        true => 0,
        false => app.list_max_age.load(Ordering::Relaxed),
    };
    let cache = format!("private, max-age={max_age}, s-maxage={max_age}");
    let vary = "Accept, Authorization, Cookie, X-GitHub-OTP, Accept-Encoding";
    for (name, value) in [
        (header::ETAG, format!("W/\"{tag}\"")),
        (header::CACHE_CONTROL, cache),
        (header::VARY, vary.to_owned()),
    ] {
        set(&mut parts.headers, name, &value);
    }
    let is_known = if_none_match
        .and_then(|tags| tags.to_str().ok())
        .is_some_and(|tags| {
            tags.split(',')
                .any(|one| one.trim() == "*" || one.trim().trim_start_matches("W/").trim_matches('"') == tag)
        });
    if is_known {
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(header::CONTENT_TYPE);
        parts.headers.remove(header::CONTENT_LENGTH);
        return Response::from_parts(parts, Body::empty());
    }
    Response::from_parts(parts, Body::from(body))
}

/// The headers of every REST answer.
pub(super) fn add_headers(app: &App, identity: &Identity, response: &mut Response) {
    let id = uuid::Uuid::new_v4();
    let headers = response.headers_mut();
    set(
        headers,
        HeaderName::from_static("x-github-enterprise-version"),
        &app.world.version,
    );
    set(
        headers,
        HeaderName::from_static("x-github-request-id"),
        &id.to_string(),
    );
    set(
        headers,
        HeaderName::from_static("x-github-media-type"),
        "github.v3; format=json",
    );
    set(
        headers,
        HeaderName::from_static("x-github-api-version-selected"),
        API_VERSION,
    );
    if let Identity::User { scopes, .. } = identity {
        set(
            headers,
            HeaderName::from_static("x-oauth-scopes"),
            &scopes.join(", "),
        );
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    // Values are ours, or from the world file: what no header can carry is left out.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
