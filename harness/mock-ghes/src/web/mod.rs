//! Everything that speaks HTTP: one router for REST, runner service, git and administration, behind one gate.

mod admin;
mod credentials;
mod delivery;
mod gate;
mod git;
mod rest;
mod service;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum_server::tls_rustls::RustlsConfig;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use crate::fault::Faults;
use crate::git::Repositories;
use crate::ledger::Ledger;
use crate::staged::Staged;
use crate::state::{Identity, StateHandle};
use crate::wire::TokenSecret;
use crate::{Clock, World};

pub(crate) use delivery::deliver_all;
pub(crate) use gate::UnknownRoute;

/// What every handler may use.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) state: StateHandle,
    pub(crate) world: Arc<World>,
    pub(crate) repositories: Repositories,
    pub(crate) ledger: Ledger,
    pub(crate) faults: Faults,
    pub(crate) staged: Staged,
    pub(crate) clock: Clock,
    pub(crate) secret: TokenSecret,
    /// `http` or `https`.
    pub(crate) scheme: &'static str,
    /// What it shows over HTTPS.
    pub(crate) tls: Option<RustlsConfig>,
    /// Seconds in the `Cache-Control` of REST answers.
    pub(crate) list_max_age: AtomicU64,
    pub(crate) admin_token: SecretString,
    /// Signs log addresses.
    pub(crate) log_key: aws_lc_rs::hmac::Key,
    /// A fresh one for each server, so that no client trusts its cache of another's service locations.
    pub(crate) instance: uuid::Uuid,
    /// Set when the server is going down: long polls end at once.
    pub(crate) closing: CancellationToken,
    /// What handlers panicked with.
    pub(crate) panics: Mutex<Vec<String>>,
}

impl std::ops::Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.inner
    }
}

/// The whole server as one service.
pub(crate) fn router(app: App) -> Router {
    let router = Router::new();
    #[cfg(test)]
    let router = router.route(SEEDED_PANIC, axum::routing::get(seeded_panic));
    router
        .merge(rest::router(&app))
        .merge(service::router())
        .merge(git::router())
        .merge(admin::router(&app))
        .fallback(unknown_route)
        .method_not_allowed_fallback(unknown_route)
        .layer(axum::middleware::from_fn_with_state(app.clone(), gate::gate))
        .with_state(app)
}

/// A route whose handler panics.
#[cfg(test)]
pub(crate) const SEEDED_PANIC: &str = "/_panic";

#[cfg(test)]
async fn seeded_panic() -> StatusCode {
    panic!("seeded")
}

async fn unknown_route() -> Response {
    let body = axum::Json(serde_json::json!({
        "message": "Not Found",
        "documentation_url": rest::DOCUMENTATION,
    }));
    let mut response = (StatusCode::NOT_FOUND, body).into_response();
    response.extensions_mut().insert(UnknownRoute);
    response
}

/// Scheme and authority as the client sees them, for example `https://ghes.test`. The gate puts it into each request.
#[derive(Debug, Clone)]
pub(crate) struct BaseUrl(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for BaseUrl {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, StatusCode> {
        parts.extensions.get().cloned().ok_or(StatusCode::BAD_REQUEST)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Identity {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, StatusCode> {
        parts.extensions.get().cloned().ok_or(StatusCode::UNAUTHORIZED)
    }
}
