//! Errors of the runner service, in the form that .NET runners map to exception classes.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::git::GitError;
use crate::state::{Identity, Stopped};

/// An error of the runner service.
#[derive(Debug)]
pub(super) enum ServiceError {
    /// 401 with a bearer challenge: what makes a runner ask for its access token.
    Challenge,
    /// A typed error.
    Typed {
        status: StatusCode,
        /// The exception class, without its namespace.
        class: &'static str,
        message: String,
    },
}

impl ServiceError {
    pub(super) fn typed(status: StatusCode, class: &'static str, message: impl Into<String>) -> Self {
        ServiceError::Typed {
            status,
            class,
            message: message.into(),
        }
    }

    pub(super) fn access_denied(identity: &Identity) -> Self {
        let message = format!("{} may not do this", identity.label());
        ServiceError::typed(StatusCode::FORBIDDEN, "AccessDeniedException", message)
    }

    pub(super) fn agent_not_found() -> Self {
        let message = "The agent does not exist: its registration was removed.";
        ServiceError::typed(StatusCode::NOT_FOUND, "TaskAgentNotFoundException", message)
    }

    pub(super) fn plan_not_found() -> Self {
        let message = "No orchestration plan with this identifier belongs to the job.";
        ServiceError::typed(
            StatusCode::NOT_FOUND,
            "TaskOrchestrationPlanNotFoundException",
            message,
        )
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        ServiceError::typed(StatusCode::BAD_REQUEST, "VssServiceException", message)
    }
}

impl IntoResponse for ServiceError {
    fn into_response(self) -> Response {
        match self {
            ServiceError::Challenge => {
                let body = Json(json!({"message": "The requested resource requires user authentication."}));
                let mut response = (StatusCode::UNAUTHORIZED, body).into_response();
                response
                    .headers_mut()
                    .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
                response
            }
            ServiceError::Typed {
                status,
                class,
                message,
            } => {
                let namespace = match class {
                    "AccessDeniedException" | "VssServiceException" => "GitHub.Services.Common",
                    _ => "GitHub.DistributedTask.WebApi",
                };
                let body = json!({
                    "$id": "1",
                    "innerException": null,
                    "message": message,
                    "typeName": format!("{namespace}.{class}, Sdk"),
                    "typeKey": class,
                    "errorCode": 0,
                    "eventId": 3000,
                });
                (status, Json(body)).into_response()
            }
        }
    }
}

impl From<Stopped> for ServiceError {
    fn from(stopped: Stopped) -> Self {
        ServiceError::typed(
            StatusCode::SERVICE_UNAVAILABLE,
            "VssServiceException",
            stopped.to_string(),
        )
    }
}

impl From<GitError> for ServiceError {
    fn from(error: GitError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "git");
        ServiceError::typed(
            StatusCode::INTERNAL_SERVER_ERROR,
            "VssServiceException",
            format!("Server Error: {error}"),
        )
    }
}
