//! `actiondownloadinfo`: where a runner gets the actions that a job uses.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::post;
use axum::{Json, Router};
use bytes::Bytes;
use indexmap::IndexMap;
use serde_json::{Map, json};

use super::Reply;
use super::error::ServiceError;
use super::plans::{body_of, job, plan_path};
use crate::json::{field, items, text};
use crate::state::{Defects, Identity};
use crate::web::{App, BaseUrl};
use crate::{Defect, action};

pub(super) fn router() -> Router<App> {
    Router::new().route(&format!("{}/actiondownloadinfo", plan_path()), post(info))
}

async fn info(
    State(app): State<App>,
    BaseUrl(base): BaseUrl,
    identity: Identity,
    Path(params): Path<IndexMap<String, String>>,
    body: Bytes,
) -> Reply {
    job(identity, &params)?;
    let body = body_of(&body)?;
    let mut actions = Map::new();
    for wanted in items(field(&body, "actions")) {
        let (name, reference) = (text(wanted, "nameWithOwner"), text(wanted, "ref"));
        let sha = resolve(&app, name, reference).await?.ok_or_else(|| {
            let message = format!("Unable to resolve action `{name}@{reference}`, repository not found");
            ServiceError::typed(
                StatusCode::UNPROCESSABLE_ENTITY,
                "UnresolvableActionDownloadInfoException",
                message,
            )
        })?;
        let api = format!("{base}/api/v3/repos/{name}");
        let info = json!({
            "nameWithOwner": name,
            "resolvedNameWithOwner": name,
            "resolvedSha": sha,
            "ref": reference,
            "tarballUrl": format!("{api}/tarball/{sha}"),
            "zipballUrl": format!("{api}/zipball/{sha}"),
            "authentication": null,
        });
        actions.insert(format!("{name}@{reference}"), info);
    }
    Ok(Json(json!({"actions": actions})).into_response())
}

/// The commit of an action: one that the server offers, or one in a repository of the world.
async fn resolve(app: &App, name: &str, reference: &str) -> Result<Option<String>, ServiceError> {
    let stale = app.state.ask(Defects).await?.contains(&Defect::StaleCheckout);
    if let Some(action) = action::built_in(name, stale) {
        return Ok(Some(action.sha()));
    }
    let Some((owner, repository)) = name.split_once('/') else {
        return Ok(None);
    };
    let Some(spec) = app.world.repository(owner, repository) else {
        return Ok(None);
    };
    let resolved = app.repositories.resolve(&spec.full_name(), reference).await?;
    Ok(resolved.map(|resolved| resolved.sha))
}
