//! The primary rate limit in REST: its headers, and the answer to who asks too much.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::{ApiError, render, set};
use crate::Defect;
use crate::state::{Charge, Defects, Identity, Quota, QuotaOf};
use crate::web::App;

/// Asking for the limit is free.
pub(super) const PATH: &str = "/api/v3/rate_limit";

const DOCUMENTATION: &str =
    "https://docs.github.com/enterprise-server@3.9/rest/overview/resources-in-the-rest-api#rate-limiting";

/// Whose requests are counted, if this one is.
pub(super) fn limited(request: &Request) -> Option<Identity> {
    let identity = request.extensions().get::<Identity>()?;
    let counted = matches!(
        identity,
        Identity::User { .. } | Identity::Installation { .. } | Identity::JobToken { .. }
    );
    (counted && request.uri().path() != PATH).then(|| identity.clone())
}

/// The answer to somebody who has nothing left.
pub(super) async fn refusal(app: &App, identity: &Identity) -> Option<Response> {
    let quota = app.state.ask(QuotaOf(identity.clone())).await.ok()??;
    if quota.remaining() > 0 {
        return None;
    }
    let who = match identity {
        Identity::Installation { id, .. } => format!("installation ID {id}"),
        Identity::User { login, .. } => format!("user ID {}", render::account_id(login)),
        other => other.label(),
    };
    let error = ApiError::forbidden(&format!("API rate limit exceeded for {who}."));
    let mut response = error.documented_at(DOCUMENTATION).into_response();
    tell(app, quota, &mut response).await;
    Some(response)
}

/// Counts an answered request and tells its sender what is left. What the client had already costs nothing.
pub(super) async fn charge(app: &App, identity: Identity, response: &mut Response) {
    let quota = match response.status() {
        StatusCode::NOT_MODIFIED => app.state.ask(QuotaOf(identity)).await,
        _ => app.state.ask(Charge(identity)).await,
    };
    if let Ok(Some(quota)) = quota {
        tell(app, quota, response).await;
    }
}

async fn tell(app: &App, quota: Quota, response: &mut Response) {
    // A state that is gone has no defects.
    if app
        .state
        .ask(Defects)
        .await
        .unwrap_or_default()
        .contains(&Defect::SilentLimit)
    {
        return;
    }
    for (name, value) in [
        ("x-ratelimit-limit", quota.limit),
        ("x-ratelimit-remaining", quota.remaining()),
        ("x-ratelimit-used", quota.used),
        (
            "x-ratelimit-reset",
            quota.reset.as_second().try_into().unwrap_or_default(),
        ),
    ] {
        set(
            response.headers_mut(),
            HeaderName::from_static(name),
            &value.to_string(),
        );
    }
    let resource = HeaderName::from_static("x-ratelimit-resource");
    response
        .headers_mut()
        .insert(resource, HeaderValue::from_static("core"));
}

/// As the route of the limit shows it.
pub(super) fn shown(quota: &Quota) -> Value {
    let core = json!({
        "limit": quota.limit,
        "used": quota.used,
        "remaining": quota.remaining(),
        "reset": quota.reset.as_second(),
    });
    json!({"resources": {"core": core}, "rate": core})
}
