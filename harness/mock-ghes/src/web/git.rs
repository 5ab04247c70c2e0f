//! Git over smart HTTP at `/{owner}/{repo}[.git]`: who may read or write; the rest is git's own program.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use indexmap::IndexMap;

use super::App;
use crate::git::{GitRequest, serve};
use crate::state::{Identity, RemovedRepositories};

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/{owner}/{repo}/info/refs", get(handle))
        .route("/{owner}/{repo}/git-upload-pack", post(handle))
        .route("/{owner}/{repo}/git-receive-pack", post(handle))
}

/// What a caller may do.
enum Access {
    Read,
    Write(String),
    /// Has not said who it is, or wrongly.
    Challenge,
    None,
}

async fn handle(
    State(app): State<App>,
    identity: Identity,
    Path(params): Path<IndexMap<String, String>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let param = |name: &str| params.get(name).map(String::as_str).unwrap_or_default();
    let (owner, repo) = (param("owner"), param("repo"));
    let repo = repo.strip_suffix(".git").unwrap_or(repo);
    let spec = app.world.repository(owner, repo);
    let spec = match app.state.ask(RemovedRepositories).await {
        Ok(removed) => spec.filter(|spec| !removed.contains(&spec.full_name())),
        Err(stopped) => return (StatusCode::SERVICE_UNAVAILABLE, stopped.to_string()).into_response(),
    };
    let access = match (spec, identity) {
        (_, Identity::Unknown) | (None, Identity::Anonymous) => Access::Challenge,
        (None, _) => Access::None,
        (Some(_), Identity::User { login, scopes }) if scopes.iter().any(|scope| scope == "repo") => {
            Access::Write(login)
        }
        (Some(spec), Identity::JobToken { repository, .. }) if repository == spec.full_name() => {
            Access::Write("github-actions[bot]".to_owned())
        }
        (Some(spec), _) if spec.public => Access::Read,
        (Some(_), Identity::Anonymous) => Access::Challenge,
        (Some(_), _) => Access::None,
    };
    let query = uri.query().unwrap_or_default();
    let path = uri.path().splitn(4, '/').nth(3).unwrap_or_default();
    let writes = path == "git-receive-pack" || query.contains("service=git-receive-pack");
    let user = match (access, spec) {
        (Access::Write(login), Some(_)) => Some(login),
        (Access::Read, Some(_)) if !writes => None,
        (Access::Challenge | Access::Read, _) => return challenge(),
        (Access::None | Access::Write(_), _) => {
            return (StatusCode::NOT_FOUND, "Repository not found.\n").into_response();
        }
    };
    let Some(spec) = spec else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let header = |name: &str| {
        headers
            .get(name)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    };
    let request = GitRequest {
        repository: spec.full_name(),
        path: path.to_owned(),
        method: method.to_string(),
        query: query.to_owned(),
        content_type: header("content-type"),
        content_encoding: header("content-encoding"),
        protocol: header("git-protocol"),
        user,
        body,
    };
    match serve(&app.repositories, request).await {
        Ok(answer) => {
            let mut response = (answer.status, answer.body).into_response();
            response.headers_mut().remove(header::CONTENT_TYPE);
            response.headers_mut().extend(answer.headers);
            response
        }
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "git over HTTP");
            (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response()
        }
    }
}

fn challenge() -> Response {
    let mut response = (StatusCode::UNAUTHORIZED, "Authentication required.\n").into_response();
    response.headers_mut().insert(
        header::WWW_AUTHENTICATE,
        HeaderValue::from_static("Basic realm=\"GitHub\""),
    );
    response
}
