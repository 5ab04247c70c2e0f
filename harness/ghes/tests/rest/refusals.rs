//! Each refusal says what failed, in whose words, and what to do.

use wiremock::matchers::{header, method, path};
use wiremock::{Mock, ResponseTemplate};

use super::*;

/// The error of listing the scope's runners when GHES answers so.
async fn listing(scope: Scope, answer: ResponseTemplate) -> GhesError {
    let (server, ghes) = connected().await;
    Mock::given(path(format!("/api/v3/{scope}/actions/runners")))
        .respond_with(answer)
        .expect(1)
        .mount(&server)
        .await;

    let error = ghes.runners(&scope).await.expect_err("GHES refuses");

    assert_tokenless(&error);
    error
}

#[tokio::test]
async fn a_refused_token_is_named_as_the_cause() {
    let error = listing(enterprise(), refusal(401, "Bad credentials")).await;

    assert_eq!(
        error.to_string(),
        "list the runners of enterprises/dogecompany: GHES answered 401 Unauthorized: Bad credentials; \
         the token is not accepted: give a valid personal access token"
    );
}

#[tokio::test]
async fn missing_rights_name_the_scope_that_the_token_needs() {
    let organization = Scope::Organization("dogecompany".into());
    for (scope, needed) in [
        (enterprise(), "manage_runners:enterprise"),
        (organization, "admin:org"),
        (Scope::from(&repo()), "scope repo"),
    ] {
        let error = listing(scope, refusal(403, "Must have admin rights.")).await;

        let text = error.to_string();
        assert!(
            text.contains("403 Forbidden: Must have admin rights.") && text.contains(needed),
            "{text}"
        );
    }
}

#[tokio::test]
async fn not_found_is_told_as_what_it_may_hide() {
    let error = listing(Scope::Organization("nobody".into()), refusal(404, "Not Found")).await;

    let text = error.to_string();
    assert!(
        text.contains("list the runners of orgs/nobody") && text.contains("admin:org"),
        "{text}"
    );
}

#[tokio::test]
async fn a_refusal_that_is_a_page_is_told_in_one_line() {
    let page = ResponseTemplate::new(500).set_body_string("<html>\n<body>Unicorn!</body>\n</html>");

    let error = listing(enterprise(), page).await;

    let text = error.to_string();
    assert!(
        text.contains("500 Internal Server Error: <html>; GHES is not well"),
        "{text}"
    );
}

#[tokio::test]
async fn validation_errors_are_told_in_full() {
    let (server, ghes) = connected().await;
    let body = json!({
        "message": "Validation Failed",
        "errors": [{ "resource": "Runner", "code": "custom", "message": "it is still running a job" }],
    });
    Mock::given(method("DELETE"))
        .and(path(format!("{ENTERPRISE_RUNNERS}/7")))
        .respond_with(ResponseTemplate::new(422).set_body_json(body))
        .mount(&server)
        .await;

    let error = ghes
        .delete_runner(&enterprise(), 7.into())
        .await
        .expect_err("the runner is busy");

    let text = error.to_string();
    assert!(
        text.contains("Validation Failed") && text.contains("it is still running a job"),
        "{text}"
    );
    assert!(text.contains("only when it has no job"), "{text}");
}

#[tokio::test]
async fn an_ended_run_cannot_be_cancelled() {
    let (server, ghes) = connected().await;
    Mock::given(path("/api/v3/repos/dogecompany/quickstart/actions/runs/5/cancel"))
        .respond_with(refusal(409, "Cannot cancel a workflow run that is completed."))
        .mount(&server)
        .await;

    let error = ghes
        .cancel(&repo(), 5.into())
        .await
        .expect_err("the run has ended");

    assert!(
        error.to_string().ends_with("the run has ended already"),
        "{error}"
    );
}

#[tokio::test]
async fn an_answer_that_is_no_json_is_no_refusal() {
    let (server, ghes) = connected().await;
    Mock::given(path("/api/v3/repos/dogecompany/quickstart/actions/runs/5"))
        .respond_with(ResponseTemplate::new(200).set_body_string("<html>log in</html>"))
        .expect(1)
        .mount(&server)
        .await;

    let error = ghes.run(&repo(), 5.into()).await.expect_err("a page is no run");

    let text = error.to_string();
    assert!(
        text.contains("read run 5 of dogecompany/quickstart: GHES's answer cannot be understood"),
        "{text}"
    );
}

#[tokio::test]
async fn an_answer_without_a_promised_field_names_the_field() {
    let error = {
        let (server, ghes) = connected().await;
        let nameless =
            json!({ "total_count": 1, "runners": [{ "id": 1, "os": "linux", "status": "online" }] });
        Mock::given(path(ENTERPRISE_RUNNERS))
            .respond_with(ResponseTemplate::new(200).set_body_json(nameless))
            .mount(&server)
            .await;
        ghes.runners(&enterprise())
            .await
            .expect_err("a runner has a name")
    };

    assert!(error.to_string().contains("missing field `name`"), "{error}");
}

#[tokio::test]
async fn something_else_than_a_ghes_is_told_apart() {
    let server = MockServer::start().await;
    Mock::given(path("/api/v3/meta"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({ "hooks": [] })))
        .mount(&server)
        .await;

    let error = Ghes::connect(target(&server))
        .await
        .expect_err("github.com tells no version");

    assert!(
        error.to_string().contains("no GitHub Enterprise Server"),
        "{error}"
    );
}

#[tokio::test]
async fn nobody_listening_is_told_with_the_address() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
    let address = listener.local_addr().expect("a bound listener has an address");
    drop(listener);
    let url = Url::parse(&format!("http://{address}")).expect("the address is valid");

    let error = Ghes::connect(Target {
        url,
        token: TOKEN.to_owned().into(),
        ca_pem: None,
    })
    .await
    .expect_err("nobody listens there");

    assert_tokenless(&error);
    let text = error.to_string();
    assert!(
        text.contains(&address.to_string()) && text.contains("refused"),
        "{text}"
    );
    assert!(error.attempts() > 1, "{text}");
}

#[tokio::test]
async fn a_token_that_fits_no_header_is_refused_before_any_call() {
    let server = MockServer::start().await;
    for (token, complaint) in [
        ("  ", "the token is empty"),
        ("ghp_a\nghp_b", "characters that no token has"),
    ] {
        let error = Ghes::connect(Target {
            token: token.to_owned().into(),
            ..target(&server)
        })
        .await
        .expect_err("this is no token");

        assert!(
            error.to_string().contains(complaint) && !format!("{error:?}").contains("ghp_b"),
            "{error}"
        );
    }
    assert!(
        server
            .received_requests()
            .await
            .expect("requests are recorded")
            .is_empty()
    );
}

#[tokio::test]
async fn a_token_file_s_last_line_break_is_no_part_of_the_token() {
    let server = MockServer::start().await;
    Mock::given(path("/api/v3/meta"))
        .and(header("authorization", format!("Bearer {TOKEN}").as_str()))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({ "installed_version": "3.9.0" })))
        .expect(1)
        .mount(&server)
        .await;

    let ghes = Ghes::connect(Target {
        token: format!("{TOKEN}\n").into(),
        ..target(&server)
    })
    .await;

    let ghes = ghes.expect("the token is sent without the line break");
    assert!(!format!("{ghes:?}").contains(TOKEN));
}

#[tokio::test]
async fn a_ca_that_is_none_is_refused() {
    let server = MockServer::start().await;

    let error = Ghes::connect(Target {
        ca_pem: Some("no certificate".into()),
        ..target(&server)
    })
    .await
    .expect_err("the text holds no certificate");

    assert!(error.to_string().contains("no certificate in PEM"), "{error}");
}
