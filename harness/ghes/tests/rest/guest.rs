//! A server that is not ours: how it is entered, what its headers tell, how its limits are kept.

use std::time::Duration;

use harness_ghes::{Admitted, Guest, Pace, Repo, State, Survey, Targets, survey};
use harness_model::{Hosts, RunPrefix};

use super::*;

const PREFIX: &str = "ghes-e2e-20261129t021000z-1f2e3d4c";

fn admitted(server: &MockServer) -> Admitted {
    let host = server.address().to_string();
    let hosts: Hosts = host.parse().expect("an address may be listed");
    Admitted::of(&server.uri(), &hosts).expect("it is listed")
}

async fn guest(server: &MockServer, pace: Pace) -> Guest {
    meta(server).await;
    Guest::enter(&admitted(server), TOKEN.to_owned().into(), None, pace)
        .await
        .expect("the server tells its version")
}

async fn answers(server: &MockServer, at: &str, answer: ResponseTemplate) {
    Mock::given(method("GET"))
        .and(path(at))
        .respond_with(answer)
        .mount(server)
        .await;
}

#[tokio::test]
async fn a_server_that_may_be_somebodys_cannot_be_connected_to_as_our_own() {
    let error = Ghes::connect(Target {
        url: Url::parse("https://ghes.example.com").expect("an address"),
        token: TOKEN.to_owned().into(),
        ca_pem: None,
    })
    .await
    .expect_err("it is not of this machine");

    assert!(error.to_string().contains("entered as a guest"), "{error}");
    assert_eq!(error.attempts(), 0);
}

#[tokio::test]
async fn a_token_without_scopes_in_the_answer_is_told_as_fine_grained() {
    let server = MockServer::start().await;
    let guest = guest(&server, Pace::default()).await;
    answers(
        &server,
        "/api/v3/user",
        ResponseTemplate::new(200).set_body_json(json!({"login": "octocat"})),
    )
    .await;
    answers(
        &server,
        "/api/v3/rate_limit",
        refusal(404, "Rate limiting is not enabled."),
    )
    .await;
    let variable = json!({"name": "GHES_E2E_TARGET", "value": "repos/dogecompany/quickstart"});
    let at = "/api/v3/repos/dogecompany/quickstart/actions/variables/GHES_E2E_TARGET";
    answers(&server, at, ResponseTemplate::new(200).set_body_json(variable)).await;
    let at = "/api/v3/repos/dogecompany/quickstart/actions/runners";
    answers(
        &server,
        at,
        ResponseTemplate::new(200).set_body_json(runner_list(1..2)),
    )
    .await;
    let targets = Targets {
        repository: Some(Repo {
            owner: "dogecompany".into(),
            name: "quickstart".into(),
        }),
        ..Targets::default()
    };
    let url = Url::parse(&server.uri()).expect("the server's address is valid");
    let prefix: RunPrefix = PREFIX.parse().expect("a prefix");
    let mut found = Survey::new(&url, &targets, prefix);

    survey(&guest, &url, &targets, &mut found)
        .await
        .expect("the server answers");

    assert!(found.can_run, "{found:#?}");
    let token = found
        .rows
        .iter()
        .find(|row| row.what == "token")
        .expect("there is one");
    assert_eq!(token.state, State::Note);
    assert!(token.found.contains("fine-grained"), "{token:?}");
    assert!(
        token.mend.as_ref().is_some_and(|mend| mend.contains("Variables")),
        "{token:?}"
    );
}

#[tokio::test]
async fn a_primary_limit_is_waited_for_by_the_servers_clock() {
    let server = MockServer::start().await;
    let guest = guest(&server, Pace::default()).await;
    // A server of another time: by this machine's clock its limit would have ended long ago.
    let spent = |seconds: u64| {
        refusal(403, "API rate limit exceeded for user ID 1.")
            .insert_header("date", "Tue, 29 Nov 2016 02:10:00 GMT")
            .insert_header("x-ratelimit-remaining", "0")
            .insert_header("x-ratelimit-reset", (1_480_385_400 + seconds).to_string())
    };
    let user = || Mock::given(path("/api/v3/user"));
    user()
        .respond_with(spent(0))
        .up_to_n_times(1)
        .mount(&server)
        .await;
    user()
        .respond_with(spent(1800))
        .up_to_n_times(1)
        .mount(&server)
        .await;

    let error = guest.holder().await.expect_err("half an hour is too long");

    assert!(error.to_string().contains("asks to wait 1800 s"), "{error}");
    assert_eq!(error.attempts(), 2, "what has ended already is asked again");
}

#[tokio::test]
async fn a_budget_counts_tries_and_pages() {
    let server = MockServer::start().await;
    let pace = Pace::default()
        .with_budget(3)
        .with_timeout(Duration::from_secs(30));
    let guest = guest(&server, pace).await;
    answers(&server, "/api/v3/user", ResponseTemplate::new(503)).await;

    let error = guest.holder().await.expect_err("the server is away");

    assert!(
        error.to_string().contains("budget of 3 requests is spent"),
        "{error}"
    );
    assert_eq!(guest.spent(), 3);
    let received = server.received_requests().await.expect("the server remembers");
    assert_eq!(received.len(), 3);
    assert_tokenless(&error);
}

#[tokio::test]
async fn a_redirect_is_told_and_not_followed() {
    let (server, elsewhere) = (MockServer::start().await, MockServer::start().await);
    let guest = guest(&server, Pace::default()).await;
    let away = ResponseTemplate::new(302).insert_header("location", format!("{}/user", elsewhere.uri()));
    answers(&server, "/api/v3/user", away).await;

    let error = guest.holder().await.expect_err("it leads to another host");

    assert!(error.to_string().contains("GHES points elsewhere"), "{error}");
    assert_eq!(elsewhere.received_requests().await.map(|all| all.len()), Some(0));
}
