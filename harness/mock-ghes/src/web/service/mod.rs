//! The runner service: what registered runners speak, below `/_services/pipelines` and `/_services/vstoken`.
//!
//! The wire is the one of actions/runner (VSS, with its typed errors and its bearer challenge) and of the clients that
//! follow it. Only the classic flow: no broker, no run service.

mod actions;
mod agents;
mod connection;
mod error;
mod logs;
mod messages;
mod oauth;
mod plans;
mod sessions;

use axum::Router;
use axum::response::Response;

use super::App;
use crate::Scope;
use crate::state::Identity;
use error::ServiceError;
pub(super) use logs::signed_log_path;

type Reply = Result<Response, ServiceError>;

/// Base of every call of the runner service.
const TENANT: &str = "/_services/pipelines/{tenant}";

pub(super) fn router() -> Router<App> {
    Router::new()
        .merge(connection::router())
        .merge(agents::router())
        .merge(oauth::router())
        .merge(sessions::router())
        .merge(messages::router())
        .merge(plans::router())
        .merge(actions::router())
        .merge(logs::router())
}

/// The scope whose agents the caller manages.
fn registrar(identity: Identity) -> Result<Scope, ServiceError> {
    match identity {
        Identity::Registrar { scope } => Ok(scope),
        Identity::Anonymous | Identity::Unknown => Err(ServiceError::Challenge),
        other => Err(ServiceError::access_denied(&other)),
    }
}

/// The runner that calls. One that has departed after its job still counts: its last calls are under way.
fn runner(identity: Identity) -> Result<u64, ServiceError> {
    match identity {
        Identity::Runner { id, .. } | Identity::Departed { id, .. } => Ok(id),
        Identity::Anonymous | Identity::Unknown => Err(ServiceError::Challenge),
        other => Err(ServiceError::access_denied(&other)),
    }
}
