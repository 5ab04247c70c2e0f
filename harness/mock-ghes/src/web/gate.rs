//! The gate that every request passes: who asks, injected faults, the ledger, panics of handlers.

use std::io::Write as _;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum_server::ConnectionShutdown;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::FutureExt as _;

use super::{App, BaseUrl, credentials, rest};
use crate::clock::{self, Clock};
use crate::fault::{FaultKind, Taken};
use crate::ledger::{Ledger, Record};
use crate::state::{Identify, Identity, Stopped};

/// Largest request body: a push or a log page.
const BODY_LIMIT: usize = 256 << 20;
/// Below this lies the remote control, which faults leave alone.
const ADMIN: &str = "/_admin/";

/// Marks an answer of a route that does not exist.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UnknownRoute;

pub(super) async fn gate(State(app): State<App>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let route = parts
        .extensions
        .get::<MatchedPath>()
        .map(|path| path.as_str().to_owned());
    let mut entry = Entry::new(&app, &parts, route.clone());
    let path = parts.uri.path().to_owned();

    let identity = match identify(&app, &parts).await {
        Ok(identity) => identity,
        Err(stopped) => {
            return entry
                .finish((StatusCode::SERVICE_UNAVAILABLE, stopped.to_string()).into_response())
                .await;
        }
    };
    entry.record.identity = if path.starts_with(ADMIN) {
        "administration".into()
    } else {
        identity.label()
    };

    if !path.starts_with(ADMIN)
        && let Some(fault) = app
            .faults
            .take(parts.method.as_str(), route.as_deref(), &path, app.clock.now())
    {
        entry.record.fault = true;
        if let Some(response) = apply(&app, fault, &parts).await {
            return entry.finish(decorated(&app, &path, &identity, response)).await;
        }
    }

    let query = parts.uri.query().unwrap_or_default();
    if let Some(body) = app.staged.get(parts.method.as_str(), &path, query) {
        entry.record.staged = true;
        let response = decorated(&app, &path, &identity, Json(body).into_response());
        return entry.finish(response).await;
    }

    let Some(base_url) = base_url(&app, &parts) else {
        return entry
            .finish((StatusCode::BAD_REQUEST, "a Host header is required").into_response())
            .await;
    };
    let Ok(body) = to_bytes(body, BODY_LIMIT).await else {
        return entry.finish(StatusCode::PAYLOAD_TOO_LARGE.into_response()).await;
    };
    entry.request_body(&body);
    parts.extensions.insert(identity.clone());
    parts.extensions.insert(base_url);
    let request = Request::from_parts(parts, Body::from(body));

    let answer = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let response = answer.unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("a panic without text");
        let text = format!("{}: {text}", entry.record.path);
        app.panics
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .push(text);
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    });
    entry.finish(decorated(&app, &path, &identity, response)).await
}

async fn identify(app: &App, parts: &Parts) -> Result<Identity, Stopped> {
    match credentials::token(&parts.headers) {
        None => Ok(Identity::Anonymous),
        Some(token) => app.state.ask(Identify(token)).await,
    }
}

fn base_url(app: &App, parts: &Parts) -> Option<BaseUrl> {
    let from_header = || {
        parts
            .headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok())
    };
    let authority = parts
        .uri
        .authority()
        .map(axum::http::uri::Authority::as_str)
        .or_else(from_header)?;
    Some(BaseUrl(format!("{}://{authority}", app.scheme)))
}

fn decorated(app: &App, path: &str, identity: &Identity, mut response: Response) -> Response {
    if path.starts_with("/api/v3") {
        rest::add_headers(app, identity, &mut response);
    }
    if app.staged.used() {
        // Nobody is to keep any answer: the next one may differ, and whoever stages may set the clock back. What comes between two staged
        // answers would be kept too.
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// Carries out a fault. None: the request goes on as usual.
async fn apply(app: &App, fault: Taken, parts: &Parts) -> Option<Response> {
    match fault.kind {
        FaultKind::Status(status) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let message = match status {
                StatusCode::UNAUTHORIZED => "Bad credentials",
                other => other.canonical_reason().unwrap_or("Server Error"),
            };
            Some(rest::ApiError::new(status, message).into_response())
        }
        FaultKind::Delay(milliseconds) => {
            let pause = Duration::from_millis(milliseconds);
            // Only the server's end cuts the pause short.
            let _over = tokio::time::timeout(pause, app.closing.cancelled()).await;
            None
        }
        FaultKind::Hang => {
            tokio::select! {
                () = app.closing.cancelled() => {}
                () = fault.taken_back.cancelled() => {}
            }
            Some(StatusCode::SERVICE_UNAVAILABLE.into_response())
        }
        FaultKind::Reset => {
            if let Some(connection) = parts.extensions.get::<ConnectionShutdown>() {
                connection.shutdown();
                // The connection ends and drops this request with it.
                std::future::pending::<()>().await;
            }
            Some(StatusCode::BAD_GATEWAY.into_response())
        }
    }
}

fn takes_gzip(parts: &Parts) -> bool {
    let accepted = parts.headers.get(header::ACCEPT_ENCODING);
    let accepted = accepted.and_then(|accepted| accepted.to_str().ok());
    accepted.is_some_and(|all| {
        all.split(',')
            .any(|one| one.trim() == "gzip" || one.trim().starts_with("gzip;"))
    })
}

fn gzip(body: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).ok()?;
    encoder.finish().ok()
}

/// A record in the making. It is written when it is finished, or when the client leaves before.
struct Entry {
    ledger: Ledger,
    clock: Clock,
    began: Instant,
    record: Record,
    request: Bytes,
    /// Its client takes gzip, and asked REST, which then gives nothing else.
    gzip: bool,
    written: bool,
}

impl Entry {
    fn new(app: &App, parts: &Parts, route: Option<String>) -> Self {
        let ledger = &app.ledger;
        let record = Record {
            sequence: ledger.next_sequence(),
            at: app.clock.now(),
            method: parts.method.to_string(),
            path: ledger.redactor().clean(parts.uri.path()),
            query: parts.uri.query().map(|query| ledger.excerpt(query.as_bytes())),
            route,
            status: None,
            duration_ms: 0,
            identity: String::new(),
            user_agent: parts
                .headers
                .get(axum::http::header::USER_AGENT)
                .map(|agent| ledger.excerpt(agent.as_bytes())),
            request_bytes: 0,
            response_bytes: 0,
            request_excerpt: String::new(),
            response_excerpt: String::new(),
            unknown: false,
            fault: false,
            staged: false,
        };
        Entry {
            ledger: ledger.clone(),
            clock: app.clock.clone(),
            began: Instant::now(),
            record,
            request: Bytes::new(),
            gzip: parts.uri.path().starts_with("/api/v3") && takes_gzip(parts),
            written: false,
        }
    }

    fn request_body(&mut self, body: &Bytes) {
        self.record.request_bytes = body.len() as u64;
        self.request = body.clone();
    }

    /// Writes the record and gives the response on. Bodies are whole, so that every answer has a Content-Length.
    async fn finish(mut self, response: Response) -> Response {
        let (mut parts, body) = response.into_parts();
        // The HTTP server would say its own machine's time.
        if let Ok(date) = HeaderValue::from_str(&clock::http(self.clock.now())) {
            parts.headers.insert(header::DATE, date);
        }
        // Bodies come from handlers, out of memory: reading one cannot fail.
        let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
        self.record.status = Some(parts.status.as_u16());
        self.record.response_bytes = body.len() as u64;
        self.record.response_excerpt = self.ledger.excerpt(&body);
        self.record.unknown = parts.extensions.get::<UnknownRoute>().is_some();
        self.write();
        let compressed = (self.gzip && !body.is_empty()).then(|| gzip(&body)).flatten();
        let body = match compressed {
            Some(compressed) => {
                parts.headers.remove(header::CONTENT_LENGTH);
                let encoding = HeaderValue::from_static("gzip");
                parts.headers.insert(header::CONTENT_ENCODING, encoding);
                Bytes::from(compressed)
            }
            None => body,
        };
        Response::from_parts(parts, Body::from(body))
    }

    fn write(&mut self) {
        self.written = true;
        // Only now: the request itself may have told the server a secret.
        self.record.request_excerpt = self.ledger.excerpt(&self.request);
        self.record.duration_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.ledger.write(self.record.clone());
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if !self.written {
            self.write();
        }
    }
}
