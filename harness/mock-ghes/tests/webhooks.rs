//! Webhooks as a receiver sees them, and the remote control over deliveries. The receiver and its HMAC share no code with the server.

mod support;

use std::net::SocketAddr;

use aws_lc_rs::hmac;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use mock_ghes::{DELIVERY_ROUTE, Signature};
use reqwest::Method;
use serde_json::{Value, json};
use support::{ENTERPRISE, Ghes, Registration, Runner, json_of, start, start_with, world};
use tokio::sync::mpsc;

const HOOKS: &str = "/api/v3/repos/dogecompany/quickstart/hooks";
const SECRET: &str = "the-secret-of-this-webhook";

/// What the receiver got.
struct Told {
    headers: HeaderMap,
    body: String,
}

impl Told {
    fn header(&self, name: &str) -> &str {
        let value = self
            .headers
            .get(name)
            .map(|value| value.to_str().expect("headers are text"));
        value.unwrap_or_default()
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("the payload is JSON")
    }

    /// Whether the signature is that of this secret.
    fn is_signed_with(&self, secret: &str) -> bool {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let hex: String = hmac::sign(&key, self.body.as_bytes())
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        self.header("X-Hub-Signature-256") == format!("sha256={hex}")
    }
}

/// Listens, and answers 202 to everything.
async fn receiver() -> (SocketAddr, mpsc::UnboundedReceiver<Told>) {
    type Desk = mpsc::UnboundedSender<Told>;
    let (desk, told) = mpsc::unbounded_channel();
    let take = async |State(desk): State<Desk>, headers: HeaderMap, body: String| {
        desk.send(Told { headers, body }).expect("the test listens");
        (StatusCode::ACCEPTED, "taken")
    };
    let router = Router::new().fallback(take).with_state(desk);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, told)
}

async fn next(told: &mut mpsc::UnboundedReceiver<Told>) -> Told {
    tokio::time::timeout(support::DEADLINE, told.recv())
        .await
        .expect("something is told in time")
        .expect("the receiver lives")
}

async fn hook(ghes: &Ghes, address: SocketAddr, content_type: &str) -> Value {
    let body = json!({
        "name": "web",
        "events": ["workflow_job"],
        "config": { "url": format!("http://{address}/hook"), "content_type": content_type, "secret": SECRET },
    });
    let made = ghes
        .request(Method::POST, HOOKS)
        .bearer_auth(&ghes.pat)
        .json(&body);
    let made = made.send().await.expect("the server answers");
    assert_eq!(made.status(), 201);
    json_of(made).await
}

async fn queue_a_job(ghes: &Ghes) {
    let dispatched = ghes
        .dispatch("dogecompany/quickstart", "quickstart.yml", json!({"ref": "main"}))
        .await;
    assert_eq!(dispatched.status(), 204);
}

#[tokio::test]
async fn a_webhook_is_pinged_and_then_told_of_each_step_of_a_job() {
    let ghes = start().await;
    let (address, mut told) = receiver().await;
    let made = hook(&ghes, address, "json").await;
    let mut runner = Runner::register(
        &ghes,
        ENTERPRISE,
        Registration {
            name: "r1",
            labels: &["linux"],
            ephemeral: true,
        },
    )
    .await;
    runner.open_session().await;

    queue_a_job(&ghes).await;
    let job = runner.take_job().await;
    job.finish("succeeded", json!({})).await;

    let ping = next(&mut told).await;
    assert_eq!(
        (ping.header("X-GitHub-Event"), &ping.json()["hook_id"]),
        ("ping", &made["id"])
    );
    let mut guids = Vec::new();
    for (action, status, runner, conclusion) in [
        ("queued", "queued", Value::Null, Value::Null),
        ("in_progress", "in_progress", json!("r1"), Value::Null),
        ("completed", "completed", json!("r1"), json!("success")),
    ] {
        let event = next(&mut told).await;
        let payload = event.json();
        let job = &payload["workflow_job"];
        assert!(event.is_signed_with(SECRET), "{action} must be signed");
        assert_eq!(event.header("X-GitHub-Event"), "workflow_job");
        assert_eq!(
            event.header("X-GitHub-Hook-Installation-Target-Type"),
            "repository"
        );
        assert_eq!(
            (
                &payload["action"],
                &job["status"],
                &job["runner_name"],
                &job["conclusion"]
            ),
            (&json!(action), &json!(status), &runner, &conclusion)
        );
        assert_eq!(payload["repository"]["full_name"], "dogecompany/quickstart");
        assert_eq!(payload["organization"]["login"], "dogecompany");
        assert_eq!(payload["enterprise"]["slug"], "dogecompany");
        assert_eq!(payload["sender"]["login"], "octocat");
        guids.push(event.header("X-GitHub-Delivery").to_owned());
    }
    guids.dedup();
    assert_eq!(guids.len(), 3);
    ghes.shutdown().await;
}

#[tokio::test]
async fn what_is_held_goes_when_how_and_as_often_as_a_test_wants() {
    let ghes = start().await;
    let (address, mut told) = receiver().await;
    hook(&ghes, address, "json").await;
    next(&mut told).await;
    ghes.hand.hold_deliveries().await.expect("the server runs");
    queue_a_job(&ghes).await;
    let held = ghes
        .eventually("a delivery that is held", async |hand| {
            let deliveries = hand.deliveries().await.ok()?;
            deliveries.into_iter().find(|delivery| delivery.held)
        })
        .await;

    for (signature, redelivery) in [
        (Signature::Bad, false),
        (Signature::Missing, true),
        (Signature::Good, true),
    ] {
        let sent = ghes.hand.send(held.id, signature).await.expect("the server runs");
        let sent = sent.expect("it is there");
        let event = next(&mut told).await;

        assert_eq!((sent.status, sent.answer.as_str()), (Some(202), "taken"));
        assert_eq!((sent.guid, sent.redelivery), (held.guid, redelivery));
        assert_eq!(event.header("X-GitHub-Delivery"), held.guid.to_string());
        assert_eq!(event.is_signed_with(SECRET), signature == Signature::Good);
        assert_eq!(
            event.header("X-Hub-Signature-256").is_empty(),
            signature == Signature::Missing
        );
    }
    let unknown = ghes
        .hand
        .send(999, Signature::Good)
        .await
        .expect("the server runs");
    assert!(unknown.is_none() && told.try_recv().is_err());
    ghes.shutdown().await;
}

#[tokio::test]
async fn a_webhook_is_told_anything_a_test_wants_as_a_form_too() {
    let ghes = start().await;
    let (address, mut told) = receiver().await;
    let made = hook(&ghes, address, "form").await;
    next(&mut told).await;
    let id = made["id"].as_u64().expect("a number");

    ghes.hand
        .tell(id, "push", "{\"a\":", Signature::Good)
        .await
        .expect("the server runs")
        .expect("the webhook is there");

    let event = next(&mut told).await;
    assert_eq!(event.header("Content-Type"), "application/x-www-form-urlencoded");
    assert_eq!(
        (event.header("X-GitHub-Event"), event.body.as_str()),
        ("push", "payload=%7B%22a%22%3A")
    );
    assert!(event.is_signed_with(SECRET));
    ghes.shutdown().await;
}

#[tokio::test]
async fn rest_shows_webhooks_without_their_secret_and_what_they_were_told() {
    let ghes = start().await;
    let (address, mut told) = receiver().await;
    let made = hook(&ghes, address, "json").await;
    next(&mut told).await;
    let path = format!("repos/dogecompany/quickstart/hooks/{}", made["id"]);

    let ping = ghes.rest(Method::POST, &format!("{path}/pings")).await;
    next(&mut told).await;
    let deliveries = ghes
        .eventually("two answered pings", async |_| {
            let listed = ghes.get(&format!("{path}/deliveries")).await;
            let all = listed.as_array().cloned().unwrap_or_default();
            (all.len() == 2 && all.iter().all(|one| one["status_code"] == 202)).then_some(all)
        })
        .await;
    let again = format!("{path}/deliveries/{}/attempts", deliveries[1]["id"]);
    let again = ghes.rest(Method::POST, &again).await;
    let repeated = next(&mut told).await;
    let gone = ghes.rest(Method::DELETE, &path).await;
    queue_a_job(&ghes).await;

    assert_eq!(made["config"]["secret"], "********");
    let statuses = [ping, again, gone].map(|answer| answer.status().as_u16());
    assert_eq!(statuses, [204, 202, 204]);
    assert_eq!(repeated.header("X-GitHub-Delivery"), deliveries[1]["guid"]);
    assert_eq!(ghes.get("repos/dogecompany/quickstart/hooks").await, json!([]));
    assert!(told.try_recv().is_err(), "a webhook that is gone is told nothing");
    let ledger = fs_err::read_to_string(ghes.hand.ledger().file()).expect("the ledger's file exists");
    assert!(!ledger.contains(SECRET));
    assert_eq!(ghes.hand.ledger().requests_to(DELIVERY_ROUTE).len(), 3);
    ghes.shutdown().await;
}

#[tokio::test]
async fn a_receiver_that_is_not_there_is_told_of_in_the_delivery() {
    let ghes = start().await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = closed.local_addr().expect("it is bound");
    drop(closed);

    hook(&ghes, address, "json").await;

    let ping = ghes
        .eventually("the ping's end", async |hand| {
            let deliveries = hand.deliveries().await.ok()?;
            deliveries.into_iter().find(|delivery| delivery.answered)
        })
        .await;
    assert_eq!((ping.status, ping.event.as_str()), (None, "ping"));
    assert!(ping.answer.contains("refused"), "{}", ping.answer);
    ghes.shutdown().await;
}

#[tokio::test]
async fn an_organization_s_webhooks_need_a_right_of_their_own() {
    let ghes = start_with(world("organizations: [{login: o}]\n")).await;

    let refused = ghes.rest(Method::GET, "orgs/o/hooks").await;

    assert_eq!(refused.status(), 404);
    assert_eq!(
        refused.headers()["x-accepted-oauth-scopes"]
            .to_str()
            .expect("it is text"),
        "admin:org_hook"
    );
    ghes.shutdown().await;
}
