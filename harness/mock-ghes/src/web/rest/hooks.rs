//! Webhooks of repositories and organizations, and what they are told.
//!
//! Sources: GitHub's REST documentation on repository and organization webhooks, and "Webhook events and payloads". Not covered: changing a
//! webhook, webhooks of an enterprise.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use indexmap::IndexMap;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{HookAdmin, Repository};
use super::paging::Paging;
use super::{ApiError, Reply, render};
use crate::digest::stable_id;
use crate::engine::Conclusion;
use crate::state::{
    AddHook, Deliveries, Hook, HookEvent, HookSettings, HooksOf, Identity, PingHook, Post, RemoveHook,
    SendDelivery, Signature,
};
use crate::view::{DeliveryView, JobView};
use crate::web::{App, BaseUrl};
use crate::{Scope, clock};

pub(super) fn router() -> Router<App> {
    ["/api/v3/repos/{owner}/{repo}", "/api/v3/orgs/{org}"]
        .into_iter()
        .fold(Router::new(), |router, scope| {
            let hooks = format!("{scope}/hooks");
            let one_hook = format!("{hooks}/{{hook_id}}");
            router
                .route(&hooks, get(list).post(create))
                .route(&one_hook, get(one).delete(remove))
                .route(&format!("{one_hook}/pings"), post(ping))
                .route(&format!("{one_hook}/deliveries"), get(deliveries))
                .route(
                    &format!("{one_hook}/deliveries/{{delivery_id}}/attempts"),
                    post(redeliver),
                )
        })
}

type Params = Path<IndexMap<String, String>>;

async fn find(app: &App, scope: Scope, params: &IndexMap<String, String>) -> Result<Hook, ApiError> {
    let id: Option<u64> = params.get("hook_id").and_then(|id| id.parse().ok());
    let hooks = app.state.ask(HooksOf(scope)).await?;
    let mut hooks = hooks.into_iter();
    hooks
        .find(|hook| Some(hook.id) == id)
        .ok_or_else(ApiError::not_found)
}

async fn list(
    State(app): State<App>,
    HookAdmin(scope): HookAdmin,
    BaseUrl(base): BaseUrl,
    paging: Paging,
) -> Reply {
    let hooks = app.state.ask(HooksOf(scope)).await?;
    Ok(paging.array(hooks.iter().map(|hook| shown(&base, hook)).collect()))
}

#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    config: Config,
    events: Option<Vec<String>>,
    active: Option<bool>,
}

#[derive(Default, Deserialize)]
struct Config {
    url: Option<String>,
    content_type: Option<String>,
    secret: Option<String>,
    insecure_ssl: Option<Value>,
}

async fn create(
    State(app): State<App>,
    HookAdmin(scope): HookAdmin,
    BaseUrl(base): BaseUrl,
    identity: Identity,
    body: Bytes,
) -> Reply {
    let wanted: Wanted = serde_json::from_slice(&body).map_err(|_| ApiError::problems_parsing_json())?;
    let is_web = |url: &String| url.starts_with("http://") || url.starts_with("https://");
    let url = wanted.config.url.filter(is_web);
    let url = url.ok_or_else(|| ApiError::validation_failed("Hook", "url", "invalid"))?;
    let content_type = wanted.config.content_type.unwrap_or_else(|| "form".to_owned());
    if !matches!(content_type.as_str(), "json" | "form") {
        return Err(ApiError::validation_failed("Hook", "content_type", "invalid"));
    }
    let creator = match identity {
        Identity::User { login, .. } => login,
        _ => String::new(),
    };
    let settings = HookSettings {
        url,
        content_type,
        secret: wanted.config.secret.map(SecretString::from),
        insecure: wanted
            .config
            .insecure_ssl
            .is_some_and(|flag| flag == "1" || flag == 1),
        events: wanted.events.unwrap_or_else(|| vec!["push".to_owned()]),
        active: wanted.active.unwrap_or(true),
        base_url: base.clone(),
        creator,
    };
    let hook = app.state.ask(AddHook { scope, settings }).await?;
    Ok((StatusCode::CREATED, Json(shown(&base, &hook))).into_response())
}

async fn one(
    State(app): State<App>,
    HookAdmin(scope): HookAdmin,
    BaseUrl(base): BaseUrl,
    Path(params): Params,
) -> Reply {
    Ok(Json(shown(&base, &find(&app, scope, &params).await?)).into_response())
}

async fn remove(State(app): State<App>, HookAdmin(scope): HookAdmin, Path(params): Params) -> Reply {
    let hook = find(&app, scope, &params).await?;
    app.state.ask(RemoveHook(hook.id)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn ping(State(app): State<App>, HookAdmin(scope): HookAdmin, Path(params): Params) -> Reply {
    let hook = find(&app, scope, &params).await?;
    app.state.ask(PingHook(hook.id)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Newest first.
async fn deliveries(
    State(app): State<App>,
    HookAdmin(scope): HookAdmin,
    Path(params): Params,
    paging: Paging,
) -> Reply {
    let hook = find(&app, scope, &params).await?;
    let deliveries = app.state.ask(Deliveries).await?;
    let of_it = deliveries
        .iter()
        .rev()
        .filter(|view| view.hook == hook.id && !view.held);
    Ok(paging.array(of_it.map(delivery).collect()))
}

async fn redeliver(State(app): State<App>, HookAdmin(scope): HookAdmin, Path(params): Params) -> Reply {
    let hook = find(&app, scope, &params).await?;
    let id: Option<u64> = params.get("delivery_id").and_then(|id| id.parse().ok());
    let known = app.state.ask(Deliveries).await?;
    let known = known
        .iter()
        .find(|view| view.hook == hook.id && Some(view.id) == id);
    let delivery = known.ok_or_else(ApiError::not_found)?.id;
    let signature = Signature::Good;
    app.state.ask(SendDelivery { delivery, signature }).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({}))).into_response())
}

/// A webhook, as its owner sees it: without its secret.
fn shown(base: &str, hook: &Hook) -> Value {
    let settings = &hook.settings;
    let url = format!("{base}/api/v3/{}/hooks/{}", hook.scope.api_path(), hook.id);
    let kind = match hook.scope {
        Scope::Organization(_) => "Organization",
        Scope::Enterprise(_) | Scope::Repository(_) => "Repository",
    };
    let mut config = json!({
        "url": settings.url,
        "content_type": settings.content_type,
        "insecure_ssl": if settings.insecure { "1" } else { "0" },
    });
    if settings.secret.is_some() {
        config["secret"] = json!("********");
    }
    json!({
        "type": kind,
        "id": hook.id,
        "name": "web",
        "active": settings.active,
        "events": settings.events,
        "config": config,
        "created_at": clock::rest(hook.created),
        "updated_at": clock::rest(hook.created),
        "url": url,
        "ping_url": format!("{url}/pings"),
        "deliveries_url": format!("{url}/deliveries"),
    })
}

fn delivery(view: &DeliveryView) -> Value {
    let reason = view.status.and_then(|code| StatusCode::from_u16(code).ok());
    let status = match (reason, view.answered) {
        (Some(code), _) => code.canonical_reason().unwrap_or_default(),
        (None, true) => "failed to connect to host",
        (None, false) => "pending",
    };
    let seconds = std::time::Duration::from_millis(view.duration_ms).as_secs_f64();
    json!({
        "id": view.id,
        "guid": view.guid,
        "delivered_at": clock::rest(view.at),
        "redelivery": view.redelivery,
        "duration": seconds,
        "status": status,
        "status_code": view.status.unwrap_or(0),
        "event": view.event,
        "action": view.action,
        "installation_id": null,
        "repository_id": null,
    })
}

/// What a webhook is told.
pub(in crate::web) fn payload(app: &App, post: &Post) -> String {
    let settings = &post.hook.settings;
    let (base, scope) = (settings.base_url.as_str(), &post.hook.scope);
    let (mut told, sender, owner, repository) = match post.event.as_ref() {
        HookEvent::Foreign { payload, .. } => return payload.clone(),
        HookEvent::Ping => {
            let told = json!({
                "zen": "Keep it logically awesome.",
                "hook_id": post.hook.id,
                "hook": shown(base, &post.hook),
            });
            match scope {
                Scope::Repository(name) => (told, &settings.creator, name.owner.as_str(), Some(name)),
                Scope::Organization(owner) | Scope::Enterprise(owner) => {
                    (told, &settings.creator, owner.as_str(), None)
                }
            }
        }
        HookEvent::WorkflowJob { action, job, sender } => {
            let told = json!({ "action": action, "workflow_job": workflow_job(base, job) });
            (told, sender, job.repository.owner.as_str(), Some(&job.repository))
        }
    };
    let known = repository.and_then(|name| app.world.repository(&name.owner, &name.name));
    if let Some(spec) = known {
        told["repository"] = render::repository(base, &Repository::of(app, spec));
    }
    if let Some(organization) = app.world.organization(owner) {
        told["organization"] = organization_of(base, &organization.login);
        if let Some(slug) = &organization.enterprise {
            told["enterprise"] = enterprise(base, slug);
        }
    }
    told["sender"] = render::account(base, sender, "User");
    told.to_string()
}

/// A job as REST shows it, except that one which was cancelled before it had a runner names the runner 0.
fn workflow_job(base: &str, job: &JobView) -> Value {
    let mut shown = render::job(base, job);
    if job.conclusion == Some(Conclusion::Cancelled) && job.runner.is_none() {
        shown["runner_id"] = json!(0);
        shown["runner_group_id"] = json!(0);
        shown["runner_group_name"] = json!("");
    }
    shown
}

fn organization_of(base: &str, login: &str) -> Value {
    let api = format!("{base}/api/v3/orgs/{login}");
    let account = render::account(base, login, "Organization");
    json!({
        "login": login,
        "id": account["id"],
        "node_id": account["node_id"],
        "url": api,
        "repos_url": format!("{api}/repos"),
        "events_url": format!("{api}/events"),
        "hooks_url": format!("{api}/hooks"),
        "issues_url": format!("{api}/issues"),
        "members_url": format!("{api}/members{{/member}}"),
        "public_members_url": format!("{api}/public_members{{/member}}"),
        "avatar_url": account["avatar_url"],
        "description": null,
    })
}

fn enterprise(base: &str, slug: &str) -> Value {
    json!({
        "id": stable_id(&format!("enterprise/{}", slug.to_lowercase())),
        "slug": slug,
        "name": slug,
        "description": null,
        "html_url": format!("{base}/enterprises/{slug}"),
    })
}
