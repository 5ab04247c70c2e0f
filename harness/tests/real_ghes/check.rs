//! What `check` finds, what it refuses, and that it never writes.

use reqwest::Method;
use serde_json::{Value, json};

use super::support::{CORE, Mock, TARGETS, TOKEN, WEAK, finish, program};

fn row<'a>(survey: &'a Value, what: &str) -> &'a Value {
    let mut rows = survey["rows"].as_array().expect("there are rows").iter();
    rows.find(|row| row["what"] == what)
        .unwrap_or_else(|| panic!("no row {what}: {survey:#}"))
}

#[tokio::test]
async fn a_marked_target_can_run_on_every_known_version() {
    for version in ["3.9.0", "3.10.4", "3.14.2"] {
        let mock = Mock::start_with(version, "").await;

        let ended = mock.ghes("check", &TARGETS).await;

        assert_eq!(
            (ended.code, ended.stderr.as_str()),
            (Some(0), ""),
            "{}",
            ended.stdout
        );
        let survey = ended.json();
        assert_eq!(
            (&survey["can_run"], &survey["profiles"]),
            (&json!(true), &json!(["core", "extended"]))
        );
        assert_eq!(row(&survey, "version")["found"], format!("GHES {version}"));
        assert_eq!(row(&survey, "rate limit")["found"], "not enabled");
        assert!(
            survey["would_create"][1]["objects"][0]
                .as_str()
                .is_some_and(|text| text.starts_with("repositories ghes-e2e-2"))
        );
        let requests = mock.requests().await;
        assert_eq!(survey["api_calls"], requests.len(), "{requests:?}");
        assert_eq!(mock.writes().await, Vec::<String>::new());
        mock.assert_clean();
    }
}

#[tokio::test]
async fn an_older_version_is_told() {
    let mock = Mock::start_with("3.8.9", "").await;

    let ended = mock.ghes("check", &TARGETS).await;

    ended.assert_refused(2, &["GHES 3.8.9 is too old"]);
}

#[tokio::test]
async fn a_host_off_the_list_is_sent_nothing() {
    let mock = Mock::start().await;

    let unset = mock.ghes("check", &TARGETS).await.code;
    let before = mock.requests().await.len();
    let ca = mock.ca();
    let mut command = program();
    command
        .args([
            "ghes",
            "check",
            "--ghes",
            &mock.url,
            "--ca",
            &ca,
            "--organization",
            "staging",
        ])
        .env("GHES_TOKEN", TOKEN)
        .env("GHES_HOSTS", "ghes.example.com");
    let ended = finish(&mut command).await;

    assert_eq!(unset, Some(0));
    ended.assert_refused(
        2,
        &["is not on the list of hosts (ghes.example.com), so nothing was sent"],
    );
    assert_eq!((ended.stdout.as_str(), mock.requests().await.len()), ("", before));
}

#[tokio::test]
async fn a_target_without_the_mark_is_refused_and_not_written_to() {
    let mock = Mock::start().await;

    let organization = mock.ghes("check", &["--organization", "production"]).await;
    let repository = mock.ghes("check", &["--repository", "production/hello"]).await;
    let enterprise = mock.ghes("check", &["--enterprise", "acme"]).await;
    let none = mock.ghes("check", &[]).await;

    organization.assert_refused(
        2,
        &[
            "orgs/production carries no mark",
            "gh variable set GHES_E2E_TARGET --org production --body orgs/production",
        ],
    );
    assert_eq!(
        row(&organization.json(), "mark of orgs/production")["found"],
        "GHES_E2E_TARGET=orgs/staging on orgs/production does not name it"
    );
    repository.assert_refused(
        2,
        &[
            "repos/production/hello carries no mark",
            "/production/hello --body",
        ],
    );
    enterprise.assert_refused(2, &["enterprises/acme carries no mark", "--organization"]);
    none.assert_refused(2, &["no target is named"]);
    assert_eq!(mock.writes().await, Vec::<String>::new());
}

#[tokio::test]
async fn missing_scopes_are_named_with_the_way_to_grant_them() {
    let mock = Mock::start().await;
    let ca = mock.ca();
    let with = async |token: &str| {
        let mut command = mock.command("check");
        command
            .args(["--ca", &ca, "--organization", "staging"])
            .env("GHES_TOKEN", token);
        finish(&mut command).await
    };

    let weak = with(WEAK).await;
    let core = with(CORE).await;

    weak.assert_refused(2, &["orgs/staging carries no mark"]);
    for words in [
        "missing  rights on orgs/staging   may not remove these repositories (profile core)",
        "add the scope delete_repo at https://127.0.0.1:",
        "/settings/tokens (a token of gh: gh auth refresh --hostname 127.0.0.1:",
        "may not be listed: GHES answered 403 Forbidden: Must have admin rights to Organization.",
    ] {
        assert!(weak.stdout.contains(words), "{words:?} is not in {}", weak.stdout);
    }
    assert_eq!((core.code, core.stderr.as_str()), (Some(0), ""));
    assert!(
        core.stdout.contains("Profiles that can run: core;"),
        "{}",
        core.stdout
    );
    assert!(
        core.stdout
            .contains("note  rights on orgs/staging   may not make webhooks (profile extended)"),
        "{}",
        core.stdout
    );
    assert_eq!(mock.writes().await, Vec::<String>::new());
    mock.assert_clean();
}

#[tokio::test]
async fn a_revoked_token_is_told_before_and_in_the_middle() {
    let mock = Mock::start().await;
    mock.fault(
        "/api/v3/orgs/{org}/actions/runners",
        json!({"status": 401}),
        Some(1),
    )
    .await;

    let middle = mock.ghes("check", &TARGETS).await;
    mock.admin(Method::POST, "revocations", Some(json!({"token": TOKEN})))
        .await;
    let before = mock.ghes("check", &TARGETS).await;

    middle.assert_refused(
        2,
        &[
            "list the runners of orgs/staging",
            "401",
            "the token is not accepted",
        ],
    );
    assert_eq!(row(&middle.json(), "mark of orgs/staging")["state"], "ok");
    before.assert_refused(
        2,
        &["connect to GHES", "Bad credentials", "the token is not accepted"],
    );
    assert_eq!(mock.writes().await, Vec::<String>::new());
}

#[tokio::test]
async fn wrong_flags_are_told_before_anything_is_sent() {
    let mock = Mock::start().await;
    let ca = mock.ca();
    let run = async |address: &str, token: &str, more: &[&str]| {
        let mut command = program();
        command.args(["ghes", "check", "--ghes", address, "--organization", "staging"]);
        command
            .args(more)
            .env("GHES_HOSTS", format!("{} ghes.example.com", mock.host()));
        finish(command.env("GHES_TOKEN", token)).await
    };

    run("http://ghes.example.com", TOKEN, &[])
        .await
        .assert_refused(2, &["write https://ghes.example.com"]);
    let with_token = format!("https://{TOKEN}@{}", mock.host());
    run(&with_token, TOKEN, &[])
        .await
        .assert_refused(2, &["holds credentials"]);
    run(TOKEN, TOKEN, &[])
        .await
        .assert_refused(2, &["no address of a GHES"]);
    run(&mock.url, "", &["--ca", &ca])
        .await
        .assert_refused(2, &["no token in the variable GHES_TOKEN", "--token-file"]);
    run(&mock.url, "abc", &["--ca", &ca])
        .await
        .assert_refused(2, &["fewer than 6 bytes"]);
    run(&mock.url, TOKEN, &["--ca", "/nonexistent/ca.pem"])
        .await
        .assert_refused(2, &["--ca /nonexistent/ca.pem: cannot be read"]);
    let world = mock.folder.path().join("world.yaml");
    run(&mock.url, TOKEN, &["--ca", world.as_str()])
        .await
        .assert_refused(2, &["BEGIN CERTIFICATE"]);

    assert_eq!(mock.requests().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_budget_ends_it_clearly_and_is_never_exceeded() {
    let mock = Mock::start().await;

    let ended = mock
        .ghes("check", &[&TARGETS[..], &["--api-budget", "5"]].concat())
        .await;

    ended.assert_refused(3, &["the API budget of 5 requests is spent"]);
    assert_eq!(
        (&ended.json()["api_calls"], mock.requests().await.len()),
        (&json!(5), 5)
    );
}
