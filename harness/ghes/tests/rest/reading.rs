//! Reading: all pages, and logs that lie elsewhere.

use wiremock::matchers::{header_exists, method, path, query_param, query_param_is_missing};
use wiremock::{Mock, ResponseTemplate};

use super::*;

fn page(server: &MockServer, ids: std::ops::Range<u64>, next: Option<u64>) -> ResponseTemplate {
    let uri = format!("{}{ENTERPRISE_RUNNERS}?per_page=100", server.uri());
    let mut links = vec![format!("<{uri}&page=1>; rel=\"first\"")];
    links.extend(next.map(|next| format!("<{uri}&page={next}>; rel=\"next\", <{uri}&page=3>; rel=\"last\"")));
    ResponseTemplate::new(200)
        .insert_header("Link", links.join(", ").as_str())
        .set_body_json(runner_list(ids))
}

#[tokio::test]
async fn runners_of_all_pages_are_listed_in_order() {
    let (server, ghes) = connected().await;
    let get = || {
        Mock::given(method("GET"))
            .and(path(ENTERPRISE_RUNNERS))
            .and(query_param("per_page", "100"))
    };
    let first = page(&server, 1..101, Some(2));
    get()
        .and(query_param_is_missing("page"))
        .respond_with(first)
        .expect(1)
        .mount(&server)
        .await;
    for (number, ids, next) in [("2", 101..201, Some(3)), ("3", 201..251, None)] {
        let answer = page(&server, ids, next);
        let token_is_sent = header_exists("authorization");
        get()
            .and(query_param("page", number))
            .and(token_is_sent)
            .respond_with(answer)
            .expect(1)
            .mount(&server)
            .await;
    }

    let runners = ghes.runners(&enterprise()).await.expect("all pages are answered");

    assert!(runners.iter().map(|runner| runner.id.0).eq(1..251));
    assert_eq!(runners[249].labels[1].name, "t3a.large");
}

#[tokio::test]
async fn pages_that_lead_in_a_circle_are_an_error() {
    let (server, ghes) = connected().await;
    Mock::given(path(ENTERPRISE_RUNNERS))
        .respond_with(page(&server, 1..2, Some(2)))
        .mount(&server)
        .await;

    let error = ghes
        .runners(&enterprise())
        .await
        .expect_err("the second page names itself as the next");

    assert!(error.to_string().contains("read already"), "{error}");
}

#[tokio::test]
async fn the_token_does_not_follow_a_page_to_another_host() {
    let (server, ghes) = connected().await;
    let other = MockServer::start().await;
    Mock::given(path(ENTERPRISE_RUNNERS))
        .respond_with(page(&other, 1..2, Some(2)))
        .mount(&server)
        .await;
    Mock::given(path(ENTERPRISE_RUNNERS))
        .respond_with(page(&other, 2..3, None))
        .mount(&other)
        .await;

    let runners = ghes
        .runners(&enterprise())
        .await
        .expect("the other host answers without a token");

    let requests = other.received_requests().await.expect("requests are recorded");
    assert_eq!((runners.len(), requests.len()), (2, 1));
    assert!(requests[0].headers.get("authorization").is_none());
}

#[tokio::test]
async fn a_log_is_fetched_from_its_blob_without_the_token() {
    let (server, ghes) = connected().await;
    let blobs = MockServer::start().await;
    let location = format!("{}/blob?sig=abc", blobs.uri());
    Mock::given(method("GET"))
        .and(path("/api/v3/repos/dogecompany/quickstart/actions/jobs/9/logs"))
        .and(header_exists("authorization"))
        .respond_with(ResponseTemplate::new(302).insert_header("Location", location.as_str()))
        .mount(&server)
        .await;
    let text = b"\xEF\xBB\xBF2023-07-15T00:00:00.0000000Z caf\xE9\n".to_vec();
    Mock::given(path("/blob"))
        .and(query_param("sig", "abc"))
        .respond_with(ResponseTemplate::new(200).set_body_raw(text, "text/plain"))
        .mount(&blobs)
        .await;

    let log = ghes.job_log(&repo(), 9.into()).await.expect("the blob is there");

    assert_eq!(log, "2023-07-15T00:00:00.0000000Z caf\u{fffd}\n");
    let requests = blobs.received_requests().await.expect("requests are recorded");
    assert!(requests[0].headers.get("authorization").is_none());
}

#[tokio::test]
async fn a_lost_blob_is_told_without_its_signature() {
    let (server, ghes) = connected().await;
    let location = format!("{}/blob?sig=abc", server.uri());
    Mock::given(path("/api/v3/repos/dogecompany/quickstart/actions/jobs/9/logs"))
        .respond_with(ResponseTemplate::new(302).insert_header("Location", location.as_str()))
        .mount(&server)
        .await;
    Mock::given(path("/blob"))
        .respond_with(refusal(404, "BlobNotFound"))
        .mount(&server)
        .await;

    let error = ghes
        .job_log(&repo(), 9.into())
        .await
        .expect_err("the blob is gone");

    let text = format!("{error} {error:?}");
    assert!(text.contains("BlobNotFound") && !text.contains("sig="), "{text}");
}

#[tokio::test]
async fn a_branch_with_slashes_has_a_head() {
    let (server, ghes) = connected().await;
    let sha = "0123456789abcdef0123456789abcdef01234567";
    let body = json!({
        "name": "feature/x", "protected": false,
        "commit": { "sha": sha, "url": format!("{}/commits/{sha}", server.uri()) },
    });
    Mock::given(path("/api/v3/repos/dogecompany/quickstart/branches/feature/x"))
        .respond_with(ResponseTemplate::new(200).set_body_json(body))
        .mount(&server)
        .await;

    let head = ghes
        .branch_head(&repo(), "feature/x")
        .await
        .expect("the branch exists");

    assert_eq!(head, sha);
}
