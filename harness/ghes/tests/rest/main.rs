//! The client against a scripted HTTP server: retries, refusals, paging, logs, dispatches.

mod dispatch;
mod guest;
mod reading;
mod refusals;
mod retries;

use harness_ghes::{Ghes, GhesError, Repo, Scope, Target};
use serde_json::{Value, json};
use url::Url;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

const TOKEN: &str = "ghp_0123456789abcdef";

fn target(server: &MockServer) -> Target {
    let url = Url::parse(&server.uri()).expect("the server's address is valid");
    Target {
        url,
        token: TOKEN.to_owned().into(),
        ca_pem: None,
    }
}

async fn meta(server: &MockServer) {
    let answer = json!({ "verifiable_password_authentication": true, "installed_version": "3.9.0" });
    Mock::given(method("GET"))
        .and(path("/api/v3/meta"))
        .respond_with(ResponseTemplate::new(200).set_body_json(answer))
        .mount(server)
        .await;
}

/// A server that tells its version, and a client of it.
async fn connected() -> (MockServer, Ghes) {
    let server = MockServer::start().await;
    meta(&server).await;
    let ghes = Ghes::connect(target(&server))
        .await
        .expect("the server tells its version");
    (server, ghes)
}

fn repo() -> Repo {
    Repo {
        owner: "dogecompany".into(),
        name: "quickstart".into(),
    }
}

fn enterprise() -> Scope {
    Scope::Enterprise("dogecompany".into())
}

const ENTERPRISE_RUNNERS: &str = "/api/v3/enterprises/dogecompany/actions/runners";

fn runner(id: u64) -> Value {
    json!({
        "id": id, "name": format!("runner-{id}"), "os": "linux", "status": "online", "busy": false,
        "labels": [
            { "id": 1, "name": "self-hosted", "type": "read-only" },
            { "id": 2, "name": "t3a.large", "type": "custom" },
        ],
    })
}

fn runner_list(ids: std::ops::Range<u64>) -> Value {
    json!({ "total_count": 250, "runners": ids.map(runner).collect::<Vec<_>>() })
}

/// A refusal in GitHub's form.
fn refusal(status: u16, message: &str) -> ResponseTemplate {
    let body = json!({ "message": message, "documentation_url": "https://docs.github.com/rest" });
    ResponseTemplate::new(status).set_body_json(body)
}

/// No error may repeat the token, however it is printed.
fn assert_tokenless(error: &GhesError) {
    let printed = format!("{error} {error:?}");

    assert!(!printed.contains(TOKEN), "{printed}");
}
