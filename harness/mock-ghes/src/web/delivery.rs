//! Delivers to webhooks what the state's outbox holds, as GHES does: signed, one after the other for each webhook, each attempt in the ledger.
//!
//! Headers and time limit: GitHub's documentation, "Webhook events and payloads". What it is not: nothing is tried again by itself; GHES does
//! not do that either.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{App, rest};
use crate::Scope;
use crate::digest::{hex, stable_id};
use crate::ledger::{DELIVERY_ROUTE, Record};
use crate::state::{Delivered, Post, Signature};

/// What a receiver gets to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What GitHub calls itself.
const USER_AGENT: &str = "GitHub-Hookshot/mock-ghes";

/// Delivers until the state is gone.
pub(crate) async fn deliver_all(app: App, mut posts: mpsc::UnboundedReceiver<Post>) {
    let mut lanes: HashMap<u64, mpsc::UnboundedSender<Post>> = HashMap::new();
    let mut workers = JoinSet::new();
    while let Some(post) = posts.recv().await {
        let lane = lanes.entry(post.hook.id).or_insert_with(|| {
            let (lane, posts) = mpsc::unbounded_channel();
            workers.spawn(deliver_in_order(app.clone(), posts));
            lane
        });
        // A lane ends only with its sender.
        let _ended = lane.send(post);
    }
}

/// Everything for one webhook.
async fn deliver_in_order(app: App, mut posts: mpsc::UnboundedReceiver<Post>) {
    let mut client = None;
    while let Some(post) = posts.recv().await {
        let made = match client.take() {
            Some(client) => Ok(client),
            None => reqwest::Client::builder()
                .no_proxy()
                .timeout(PATIENCE)
                .redirect(reqwest::redirect::Policy::none())
                .tls_danger_accept_invalid_certs(post.hook.settings.insecure)
                .build(),
        };
        let delivered = match made {
            Ok(made) => deliver(&app, client.insert(made), &post).await,
            Err(error) => Delivered {
                delivery: post.delivery,
                status: None,
                answer: error.to_string(),
                duration_ms: 0,
            },
        };
        app.state.tell(delivered);
    }
}

async fn deliver(app: &App, client: &reqwest::Client, post: &Post) -> Delivered {
    let settings = &post.hook.settings;
    let payload = rest::payload(app, post);
    let (content_type, body) = if settings.content_type == "form" {
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("payload", &payload)
            .finish();
        ("application/x-www-form-urlencoded", form)
    } else {
        ("application/json", payload)
    };
    let (target, target_id) = match &post.hook.scope {
        Scope::Organization(login) => ("organization", format!("account/{}", login.to_lowercase())),
        scope => (
            "repository",
            format!("repository/{}", scope.to_string().to_lowercase()),
        ),
    };
    let host = settings.base_url.split("://").last().unwrap_or_default();
    let mut request = client
        .post(&settings.url)
        .header("Content-Type", content_type)
        .header("Accept", "*/*")
        .header("User-Agent", USER_AGENT)
        .header("X-GitHub-Hook-ID", post.hook.id)
        .header("X-GitHub-Event", post.event.name())
        .header("X-GitHub-Delivery", post.guid.to_string())
        .header("X-GitHub-Hook-Installation-Target-Type", target)
        .header("X-GitHub-Hook-Installation-Target-ID", stable_id(&target_id))
        .header("X-GitHub-Enterprise-Host", host)
        .header("X-GitHub-Enterprise-Version", &app.world.version);
    if let Some(secret) = signing_secret(settings.secret.as_ref(), post.signature) {
        let sign = |algorithm, name: &str| {
            let key = hmac::Key::new(algorithm, secret.expose_secret().as_bytes());
            format!("{name}={}", hex(hmac::sign(&key, body.as_bytes()).as_ref()))
        };
        request = request
            .header(
                "X-Hub-Signature",
                sign(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, "sha1"),
            )
            .header("X-Hub-Signature-256", sign(hmac::HMAC_SHA256, "sha256"));
    }

    let (at, began) = (app.clock.now(), Instant::now());
    let ledger = &app.ledger;
    let (request_excerpt, request_bytes) = (ledger.excerpt(body.as_bytes()), body.len() as u64);
    let answered = async {
        let answer = request.body(body).send().await?;
        let status = answer.status().as_u16();
        Ok::<_, reqwest::Error>((status, answer.bytes().await?))
    };
    let (status, answer) = match answered.await {
        Ok((status, bytes)) => (Some(status), bytes),
        Err(error) => (None, reason(&error).into()),
    };
    let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let response_excerpt = ledger.excerpt(&answer);
    ledger.write(Record {
        sequence: ledger.next_sequence(),
        at,
        method: "POST".to_owned(),
        path: ledger.redactor().clean(&settings.url),
        query: None,
        route: Some(DELIVERY_ROUTE.to_owned()),
        status,
        duration_ms,
        identity: format!("webhook {}", post.hook.id),
        user_agent: Some(USER_AGENT.to_owned()),
        request_bytes,
        response_bytes: answer.len() as u64,
        request_excerpt,
        response_excerpt: response_excerpt.clone(),
        unknown: false,
        fault: post.signature != Signature::Good,
        staged: false,
    });
    Delivered {
        delivery: post.delivery,
        status,
        answer: response_excerpt,
        duration_ms,
    }
}

/// The secret that a delivery is signed with, if it is signed.
fn signing_secret(secret: Option<&SecretString>, signature: Signature) -> Option<SecretString> {
    let secret = secret?;
    match signature {
        Signature::Good => Some(secret.clone()),
        Signature::Bad => Some(SecretString::from(format!("not {}", secret.expose_secret()))),
        Signature::Missing => None,
    }
}

/// The deepest cause.
fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
