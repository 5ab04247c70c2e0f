//! What is asked again, and what is not.

use wiremock::matchers::{method, path};
use wiremock::{Mock, ResponseTemplate};

use super::*;

/// Answers the first requests so, then gives one runner.
async fn first(server: &MockServer, count: u64, answer: ResponseTemplate) {
    let runners = || Mock::given(method("GET")).and(path(ENTERPRISE_RUNNERS));
    runners()
        .respond_with(answer)
        .up_to_n_times(count)
        .expect(count)
        .mount(server)
        .await;
    let body = ResponseTemplate::new(200).set_body_json(runner_list(1..2));
    runners().respond_with(body).expect(1).mount(server).await;
}

#[tokio::test]
async fn reading_survives_a_gateway_that_is_briefly_away() {
    for status in [502, 503, 504] {
        let (server, ghes) = connected().await;
        first(
            &server,
            2,
            ResponseTemplate::new(status).set_body_string("<html>away</html>"),
        )
        .await;

        let runners = ghes
            .runners(&enterprise())
            .await
            .expect("the third try is answered");

        assert_eq!(runners.len(), 1);
    }
}

#[tokio::test]
async fn reading_waits_as_long_as_a_rate_limit_asks() {
    for status in [429, 403] {
        let (server, ghes) = connected().await;
        let limit =
            refusal(status, "You have exceeded a secondary rate limit.").insert_header("Retry-After", "0");
        first(&server, 1, limit).await;

        let runners = ghes
            .runners(&enterprise())
            .await
            .expect("the second try is answered");

        assert_eq!(runners.len(), 1);
    }
}

#[tokio::test]
async fn a_wait_beyond_all_patience_is_an_error_that_says_so() {
    let (server, ghes) = connected().await;
    let limit = refusal(429, "API rate limit exceeded").insert_header("Retry-After", "3600");
    Mock::given(path(ENTERPRISE_RUNNERS))
        .respond_with(limit)
        .expect(1)
        .mount(&server)
        .await;

    let error = ghes
        .runners(&enterprise())
        .await
        .expect_err("an hour is too long");

    assert_eq!(
        error.to_string(),
        "list the runners of enterprises/dogecompany: GHES answered 429 Too Many Requests: API rate limit exceeded; \
         GHES asks to wait 3600 s: try again then, or raise its rate limit"
    );
}

#[tokio::test]
async fn connecting_survives_a_server_that_is_briefly_away() {
    let server = MockServer::start().await;
    Mock::given(path("/api/v3/meta"))
        .respond_with(ResponseTemplate::new(503))
        .up_to_n_times(1)
        .expect(1)
        .mount(&server)
        .await;
    meta(&server).await;

    let ghes = Ghes::connect(target(&server))
        .await
        .expect("the second try is answered");

    assert_eq!(ghes.version(), "3.9.0");
}

#[tokio::test]
async fn a_runner_that_is_gone_at_the_second_try_counts_as_deleted() {
    let (server, ghes) = connected().await;
    let delete = || Mock::given(method("DELETE")).and(path(format!("{ENTERPRISE_RUNNERS}/7")));
    delete()
        .respond_with(ResponseTemplate::new(502))
        .up_to_n_times(1)
        .expect(1)
        .mount(&server)
        .await;
    delete()
        .respond_with(refusal(404, "Not Found"))
        .expect(1)
        .mount(&server)
        .await;

    let deleted = ghes.delete_runner(&enterprise(), 7.into()).await;

    assert!(deleted.is_ok(), "{deleted:?}");
}

#[tokio::test]
async fn a_cancellation_that_may_have_been_done_is_not_sent_again() {
    let (server, ghes) = connected().await;
    Mock::given(method("POST"))
        .and(path("/api/v3/repos/dogecompany/quickstart/actions/runs/5/cancel"))
        .respond_with(ResponseTemplate::new(502))
        .expect(1)
        .mount(&server)
        .await;

    let error = ghes
        .cancel(&repo(), 5.into())
        .await
        .expect_err("the gateway is away");

    assert_eq!(
        (error.status().map(|s| s.as_u16()), error.attempts()),
        (Some(502), 1)
    );
}
