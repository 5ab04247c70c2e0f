//! A server that is not well, and one that nobody vouches for.

use reqwest::Method;
use serde_json::{Value, json};

use super::support::{Mock, TOKEN, finish};

const META: &str = "/api/v3/meta";
const RUNNERS: &str = "/api/v3/orgs/{org}/actions/runners";
const STAGING: [&str; 2] = ["--organization", "staging"];

#[tokio::test]
async fn what_passes_is_outlasted() {
    for kind in [json!({"status": 502}), json!({"status": 503}), json!("reset")] {
        let mock = Mock::start().await;
        mock.fault(META, kind.clone(), Some(1)).await;
        mock.fault(RUNNERS, kind.clone(), Some(2)).await;

        let ended = mock.ghes("check", &STAGING).await;

        assert_eq!(ended.code, Some(0), "{kind}: {}", ended.stderr);
        assert_eq!(ended.json()["api_calls"], mock.requests().await.len());
        assert_eq!(mock.writes().await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn what_does_not_pass_is_the_servers_fault() {
    for (kind, words) in [
        (json!({"status": 500}), "GHES answered 500"),
        (json!({"status": 502}), "GHES answered 502"),
        (json!("reset"), "(5 attempts)"),
    ] {
        let mock = Mock::start().await;
        mock.fault(RUNNERS, kind, None).await;

        let ended = mock.ghes("check", &STAGING).await;

        ended.assert_refused(3, &["list the runners of orgs/staging", words]);
        assert_eq!(ended.json()["can_run"], false);
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_not_waited_for_without_end_and_nobody_reads_the_token_meanwhile() {
    let mock = Mock::start().await;
    mock.fault(META, json!("hang"), None).await;
    let ca = mock.ca();
    let token = mock.folder.path().join("token");
    let mut command = mock.command("check");
    command
        .args(["--ca", &ca, "--token-file", token.as_str(), "--timeout", "1"])
        .args(STAGING)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());

    let child = command.spawn().expect("the program starts");
    let id = child.id().expect("it runs");
    let seen: Vec<Vec<u8>> = ["cmdline", "environ"]
        .iter()
        .map(|file| fs_err::read(format!("/proc/{id}/{file}")).expect("it runs still"))
        .collect();
    let output = child.wait_with_output().await.expect("it ends");

    for bytes in seen {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(!text.contains(TOKEN), "{text}");
    }
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("no answer in time"), "{stderr}");
}

#[tokio::test]
async fn a_rate_limit_is_told_and_kept() {
    let mock = Mock::start().await;
    let limit = |limit: Value| mock.admin(Method::PUT, "rate-limit", Some(json!({"limit": limit})));

    limit(json!(100)).await;
    let enough = mock.ghes("check", &STAGING).await;
    limit(json!(3)).await;
    let spent = mock.ghes("check", &STAGING).await;

    let survey = enough.json();
    let rows = survey["rows"].as_array().expect("there are rows");
    assert!(
        rows.iter()
            .any(|row| row["found"] == "enabled: 98 of 100 requests an hour are left"),
        "{survey:#}"
    );
    // The mock tells a time an hour ahead, in x-ratelimit-reset.
    spent.assert_refused(3, &["API rate limit exceeded", "GHES asks to wait 3"]);
    assert_eq!(mock.writes().await, Vec::<String>::new());
}

#[tokio::test]
async fn an_unknown_ca_is_told_with_the_flag_that_takes_it() {
    let mock = Mock::start().await;
    let mut command = mock.command("check");
    command.args(STAGING).env("GHES_TOKEN", TOKEN);

    let ended = finish(&mut command).await;

    ended.assert_refused(3, &["certificate", "--ca FILE"]);
    assert_eq!(mock.requests().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told() {
    let mock = Mock::start().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = taken.local_addr().expect("it has an address").to_string();
    drop(taken);
    let mut command = super::support::program();
    command
        .args([
            "ghes",
            "check",
            "--ghes",
            &format!("https://{address}"),
            "--ca",
            &mock.ca(),
        ])
        .args(STAGING)
        .env("GHES_HOSTS", &address)
        .env("GHES_TOKEN", TOKEN);

    let ended = finish(&mut command).await;

    ended.assert_refused(3, &["Connection refused", "check the address"]);
}
