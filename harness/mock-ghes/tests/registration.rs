//! Registration, discovery, authorization and sessions of runners, against a client of its own.

mod support;

use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use mock_ghes::{Clock, MockGhes};
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use support::{ENTERPRISE, ORGANIZATION, Registration, Runner, json_of, start};

fn lasting<'a>(name: &'a str, labels: &'a [&'a str]) -> Registration<'a> {
    Registration {
        name,
        labels,
        ephemeral: false,
    }
}

#[tokio::test]
async fn a_moved_clock_stands_in_every_date_and_lets_tokens_expire() {
    let clock = Clock::default();
    let (server, hand) = MockGhes::builder()
        .clock(clock.clone())
        .start()
        .await
        .expect("the server starts");
    let http = reqwest::Client::new();
    let token_of = async || {
        let path = format!(
            "{}/api/v3/orgs/dogecompany/actions/runners/registration-token",
            hand.url()
        );
        let answer = http
            .post(path)
            .bearer_auth(hand.pat().expose_secret())
            .send()
            .await;
        let answer = answer.expect("the server answers");
        let date = answer.headers()["date"].to_str().expect("a text").to_owned();
        (date, json_of(answer).await)
    };
    let register = async |token: &Value| {
        let token = token["token"].as_str().expect("a token").to_owned();
        http.post(format!("{}/api/v3/actions/runner-registration", hand.url()))
            .header("authorization", format!("RemoteAuth {token}"))
            .json(&json!({"url": format!("{}/dogecompany", hand.url()), "runner_event": "register"}))
            .send()
            .await
            .expect("the server answers")
            .status()
    };
    let (_, early) = token_of().await;
    let accepted = register(&early).await;

    clock.set_offset(
        SignedDuration::from_hours(24 * 365)
            .as_nanos()
            .try_into()
            .expect("a year"),
    );

    let (date, late) = token_of().await;
    let refused = register(&early).await;
    let year_on = Timestamp::now() + SignedDuration::from_hours(24 * 365);
    let near = |at: Timestamp| at.duration_since(year_on).abs() < SignedDuration::from_hours(24);
    let date = rfc2822::parse(&date.replace("GMT", "+0000")).expect("a date as HTTP has it");
    let expires: Timestamp = late["expires_at"]
        .as_str()
        .and_then(|text| text.parse().ok())
        .expect("a time");
    assert_eq!((accepted, refused), (StatusCode::OK, StatusCode::NOT_FOUND));
    assert!(near(date.timestamp()), "{date} is not near {year_on}");
    assert!(near(expires), "{expires} is not near {year_on}");
    server.shutdown().await.expect("no handler panicked");
}

#[tokio::test]
async fn a_name_is_taken_once_and_can_be_replaced() {
    let ghes = start().await;
    let first = Runner::register(&ghes, ORGANIZATION, lasting("r1", &[])).await;
    let agents = format!("{}_apis/distributedtask/pools/1/agents", first.tenant);
    let key =
        aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).expect("a key can be generated");
    let body = Runner::agent_body(&key, &lasting("R1", &["new"]));
    let call = |method: Method, url: String| {
        ghes.http
            .request(method, url)
            .bearer_auth(&first.management_token)
    };

    let duplicate = call(Method::POST, agents.clone())
        .json(&body)
        .send()
        .await
        .expect("the server answers");
    let found = call(
        Method::GET,
        format!("{agents}?agentName=r1&includeCapabilities=False"),
    )
    .send()
    .await;
    let found = json_of(found.expect("the server answers")).await;
    let replaced = call(Method::PUT, format!("{agents}/{}", first.id()))
        .json(&body)
        .send()
        .await
        .expect("the server answers");
    let old_key = first.authorize().await;

    assert_eq!(duplicate.status(), StatusCode::CONFLICT);
    let duplicate = json_of(duplicate).await;
    assert_eq!(duplicate["typeKey"], "TaskAgentExistsException");
    assert_eq!(
        duplicate["typeName"],
        "GitHub.DistributedTask.WebApi.TaskAgentExistsException, Sdk"
    );
    assert_eq!(found["count"], 1);
    assert_eq!(replaced.status(), StatusCode::OK);
    assert_eq!(json_of(replaced).await["id"], first.id());
    assert_eq!(
        old_key.status(),
        StatusCode::BAD_REQUEST,
        "the old key must no longer do"
    );
    ghes.shutdown().await;
}

#[tokio::test]
async fn without_a_token_the_service_challenges_and_discovery_answers() {
    let ghes = start().await;
    let (tenant, _) = Runner::connect(&ghes, ENTERPRISE).await;

    let challenged = ghes
        .http
        .get(format!("{tenant}_apis/distributedtask/pools?poolType=Automation"))
        .send()
        .await;
    let discovery = ghes
        .http
        .get(format!("{tenant}_apis/connectionData?connectOptions=1"))
        .send()
        .await;

    let challenged = challenged.expect("the server answers");
    assert_eq!(challenged.status(), StatusCode::UNAUTHORIZED);
    assert!(
        challenged.headers()["www-authenticate"]
            .to_str()
            .expect("ASCII")
            .contains("Bearer")
    );
    let discovery = json_of(discovery.expect("the server answers")).await;
    assert_eq!(
        discovery["locationServiceData"]["serviceOwner"],
        uuid::Uuid::nil().to_string()
    );
    assert!(
        tenant.starts_with(&ghes.url),
        "the tenant's authority must be the one that the client used"
    );
    ghes.shutdown().await;
}

#[tokio::test]
async fn a_second_session_conflicts_until_the_first_is_closed() {
    let ghes = start().await;
    let mut runner = Runner::register(&ghes, ENTERPRISE, lasting("r1", &[])).await;
    runner.open_session().await;

    let conflict = runner.try_open_session().await;
    let closed = runner.close_session().await;
    let reopened = runner.try_open_session().await;

    assert_eq!(conflict.status(), StatusCode::CONFLICT);
    assert_eq!(
        json_of(conflict).await["typeKey"],
        "TaskAgentSessionConflictException"
    );
    assert_eq!(closed, StatusCode::OK);
    assert_eq!(reopened.status(), StatusCode::OK);
    ghes.shutdown().await;
}

#[tokio::test]
async fn a_registration_token_is_good_for_its_own_scope_only() {
    let ghes = start().await;
    let token = json_of(
        ghes.rest(
            Method::POST,
            "orgs/dogecompany/actions/runners/registration-token",
        )
        .await,
    )
    .await;
    let remove = json_of(
        ghes.rest(Method::POST, "orgs/dogecompany/actions/runners/remove-token")
            .await,
    )
    .await;
    let register = async |token: &Value, url: &str, event: &str| {
        let response = ghes
            .request(Method::POST, "/api/v3/actions/runner-registration")
            .header(
                "Authorization",
                format!("RemoteAuth {}", token["token"].as_str().expect("a token")),
            )
            .json(&json!({"url": url, "runner_event": event}))
            .send()
            .await;
        response.expect("the server answers").status()
    };
    let organization = format!("{}/dogecompany/", ghes.url);

    assert_eq!(register(&token, &organization, "register").await, StatusCode::OK);
    assert_eq!(register(&token, &organization, "remove").await, StatusCode::OK);
    assert_eq!(register(&remove, &organization, "remove").await, StatusCode::OK);
    assert_eq!(
        register(&remove, &organization, "register").await,
        StatusCode::NOT_FOUND
    );
    let enterprise = format!("{}/enterprises/dogecompany", ghes.url);
    assert_eq!(
        register(&token, &enterprise, "register").await,
        StatusCode::NOT_FOUND
    );
    let made_up = json!({"token": "AAAAAAAAAAAAAAAAAAAA"});
    assert_eq!(
        register(&made_up, &organization, "register").await,
        StatusCode::NOT_FOUND
    );
    ghes.shutdown().await;
}
