//! Errors of the REST API: GitHub's bodies and texts.

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::git::GitError;
use crate::state::Stopped;

/// Where error bodies point.
pub(crate) const DOCUMENTATION: &str = "https://docs.github.com/enterprise-server@3.9/rest";

/// An answer that is not what the client wanted.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    message: String,
    documentation: &'static str,
    errors: Option<Box<Value>>,
    /// Scopes of which one would have done.
    accepted_scopes: Option<&'static str>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        ApiError {
            status,
            message: message.into(),
            documentation: DOCUMENTATION,
            errors: None,
            accepted_scopes: None,
        }
    }

    /// Also for what the client may not see.
    pub(crate) fn not_found() -> Self {
        ApiError::new(StatusCode::NOT_FOUND, "Not Found")
    }

    pub(crate) fn bad_credentials() -> Self {
        ApiError::new(StatusCode::UNAUTHORIZED, "Bad credentials")
    }

    pub(crate) fn requires_authentication() -> Self {
        ApiError::new(StatusCode::UNAUTHORIZED, "Requires authentication")
    }

    pub(crate) fn forbidden(message: &str) -> Self {
        ApiError::new(StatusCode::FORBIDDEN, message)
    }

    pub(crate) fn unprocessable(message: impl Into<String>) -> Self {
        ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, message)
    }

    pub(crate) fn conflict(message: &str) -> Self {
        ApiError::new(StatusCode::CONFLICT, message)
    }

    pub(crate) fn problems_parsing_json() -> Self {
        ApiError::new(StatusCode::BAD_REQUEST, "Problems parsing JSON")
    }

    /// `Validation Failed`, with the field that failed.
    pub(crate) fn validation_failed(resource: &str, field: &str, code: &str) -> Self {
        ApiError {
            errors: Some(Box::new(
                json!([{"resource": resource, "field": field, "code": code}]),
            )),
            ..ApiError::unprocessable("Validation Failed")
        }
    }

    pub(crate) fn documented_at(self, documentation: &'static str) -> Self {
        ApiError {
            documentation,
            ..self
        }
    }

    pub(crate) fn accepting(self, scopes: &'static str) -> Self {
        ApiError {
            accepted_scopes: Some(scopes),
            ..self
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut body = json!({"message": self.message, "documentation_url": self.documentation});
        if let Some(errors) = self.errors {
            body["errors"] = *errors;
        }
        let mut response = (self.status, Json(body)).into_response();
        if let Some(scopes) = self.accepted_scopes {
            let name = HeaderName::from_static("x-accepted-oauth-scopes");
            response
                .headers_mut()
                .insert(name, HeaderValue::from_static(scopes));
        }
        response
    }
}

impl From<Stopped> for ApiError {
    fn from(stopped: Stopped) -> Self {
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, stopped.to_string())
    }
}

impl From<GitError> for ApiError {
    fn from(error: GitError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "git");
        ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("Server Error: {error}"),
        )
    }
}
