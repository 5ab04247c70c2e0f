//! Git over HTTP, with the real git as client.

mod support;

use std::process::{Command, Output};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use mock_ghes::TlsIdentity;
use serde_json::json;
use support::{ENTERPRISE, Ghes, Registration, Runner, start, start_as, start_with};

/// Runs git with a token in its environment, as the checkout action does.
async fn git(ghes: &Ghes, token: Option<&str>, args: &[&str]) -> Output {
    let mut git = Command::new("git");
    git.args(args)
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_CONFIG_GLOBAL", "/dev/null");
    if let Some(token) = token {
        let credentials = BASE64_STANDARD.encode(format!("x-access-token:{token}"));
        git.env("GIT_CONFIG_COUNT", "1")
            .env("GIT_CONFIG_KEY_0", format!("http.{}/.extraHeader", ghes.url))
            .env(
                "GIT_CONFIG_VALUE_0",
                format!("Authorization: Basic {credentials}"),
            );
    }
    tokio::task::spawn_blocking(move || git.output().expect("git is installed"))
        .await
        .expect("running git does not panic")
}

#[tokio::test]
async fn a_clone_has_the_commit_that_rest_tells() {
    let ghes = start().await;
    let dir = camino_tempfile::tempdir().expect("a temporary folder can be made");
    let folder = dir.path().join("clone");
    let branch = ghes.get("repos/dogecompany/quickstart/branches/main").await;

    let url = format!("{}/dogecompany/quickstart", ghes.url);
    let cloned = git(
        &ghes,
        Some(&ghes.pat),
        &["clone", "--quiet", &url, folder.as_str()],
    )
    .await;
    let head = git(&ghes, None, &["-C", folder.as_str(), "rev-parse", "HEAD"]).await;

    assert!(
        cloned.status.success(),
        "{}",
        String::from_utf8_lossy(&cloned.stderr)
    );
    assert_eq!(
        String::from_utf8_lossy(&head.stdout).trim(),
        branch["commit"]["sha"]
    );
    assert!(folder.join(".github/workflows/quickstart.yml").exists());
    ghes.shutdown().await;
}

#[tokio::test]
async fn a_push_is_seen_by_rest() {
    let ghes = start().await;
    let dir = camino_tempfile::tempdir().expect("a temporary folder can be made");
    let folder = dir.path().join("clone");
    let url = format!("{}/dogecompany/quickstart.git", ghes.url);
    let at = [
        "-C",
        folder.as_str(),
        "-c",
        "user.name=u",
        "-c",
        "user.email=u@example.com",
    ];

    let cloned = git(
        &ghes,
        Some(&ghes.pat),
        &["clone", "--quiet", &url, folder.as_str()],
    )
    .await;
    let committed = git(
        &ghes,
        None,
        &[&at[..], &["commit", "--quiet", "--allow-empty", "-m", "third"]].concat(),
    )
    .await;
    let pushed = git(
        &ghes,
        Some(&ghes.pat),
        &[&at[..], &["push", "--quiet", "origin", "HEAD"]].concat(),
    )
    .await;
    let commit = ghes.get("repos/dogecompany/quickstart/commits/main").await;

    for output in [cloned, committed, pushed] {
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    assert_eq!(commit["commit"]["message"], "third");
    ghes.shutdown().await;
}

#[tokio::test]
async fn a_private_repository_needs_a_token_and_a_public_one_does_not() {
    let ghes = start().await;
    let mut open_world = mock_ghes::World::default();
    open_world.repositories[0].public = true;
    let open = start_with(open_world).await;
    let list = async |ghes: &Ghes, token: Option<&str>| {
        let url = format!("{}/dogecompany/quickstart", ghes.url);
        git(ghes, token, &["ls-remote", &url, "refs/heads/main"])
            .await
            .status
            .success()
    };

    assert!(
        !list(&ghes, None).await,
        "a private repository must not be read without a token"
    );
    assert!(!list(&ghes, Some("ghp_wrong")).await, "a wrong token must not do");
    assert!(list(&ghes, Some(&ghes.pat)).await);
    assert!(list(&open, None).await);
    ghes.shutdown().await;
    open.shutdown().await;
}

/// Runs the checkout action's script as a runner would, and returns the commit that the workspace then is at.
async fn checkout(ghes: &Ghes, token: &str, sha: &str, back: &str, authority: Option<&str>) -> String {
    let definition = include_str!("../action/checkout/action.yml");
    let (_, script) = definition
        .split_once("      run: |\n")
        .expect("the action has a script");
    let script: String = script
        .lines()
        .map(|line| line.trim_start_matches("        ").to_owned() + "\n")
        .collect();
    let workspace = camino_tempfile::tempdir().expect("a temporary folder can be made");
    let mut bash = Command::new("bash");
    bash.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", &script])
        .env_clear()
        .env("PATH", std::env::var("PATH").expect("there is a PATH"))
        .env("HOME", workspace.path())
        .env("GITHUB_WORKSPACE", workspace.path())
        .envs([
            ("CHECKOUT_SERVER", ghes.url.as_str()),
            ("CHECKOUT_REPOSITORY", "dogecompany/quickstart"),
            ("CHECKOUT_OWN_REPOSITORY", "dogecompany/quickstart"),
            ("CHECKOUT_REF", ""),
            ("CHECKOUT_OWN_SHA", sha),
            ("CHECKOUT_TOKEN", token),
            ("CHECKOUT_PATH", ""),
            ("CHECKOUT_DEPTH", "1"),
            ("CHECKOUT_BACK", back),
        ]);
    if let Some(authority) = authority {
        let file = workspace.path().join("authority.pem");
        fs_err::write(&file, authority).expect("the folder is writable");
        bash.env("SSL_CERT_FILE", file);
    }
    let output = tokio::task::spawn_blocking(move || bash.output().expect("bash is installed"))
        .await
        .expect("running bash does not panic");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let config = fs_err::read_to_string(workspace.path().join(".git/config")).expect("the metadata is kept");
    assert!(
        !config.contains("Authorization"),
        "the token must not be written down"
    );
    let head = git(
        ghes,
        None,
        &["-C", workspace.path().as_str(), "rev-parse", "HEAD"],
    )
    .await;
    String::from_utf8_lossy(&head.stdout).trim().to_owned()
}

/// The commit of `main`, and the one before it.
async fn commits(ghes: &Ghes) -> (String, String) {
    let commit = ghes.get("repos/dogecompany/quickstart/commits/main").await;
    let text = |value: &serde_json::Value| value.as_str().expect("a commit").to_owned();
    (text(&commit["sha"]), text(&commit["parents"][0]["sha"]))
}

#[tokio::test]
async fn the_checkout_action_leaves_a_repository_at_the_runs_commit() {
    let ghes = start().await;
    let registration = Registration {
        name: "r1",
        labels: &[],
        ephemeral: true,
    };
    let mut runner = Runner::register(&ghes, ENTERPRISE, registration).await;
    runner.open_session().await;
    ghes.dispatch("dogecompany/quickstart", "quickstart.yml", json!({"ref": "main"}))
        .await;
    let job = runner.take_job().await;
    let (head, before) = commits(&ghes).await;

    let fresh = checkout(&ghes, job.github_token(), &head, "0", None).await;
    let stale = checkout(&ghes, job.github_token(), &head, "1", None).await;

    assert_eq!((fresh, stale), (head, before));
    ghes.shutdown().await;
}

#[tokio::test]
async fn the_checkout_action_trusts_the_authority_that_the_runner_trusts() {
    let identity = TlsIdentity::generate(&["127.0.0.1".into()]).expect("an address is a fine name");
    let authority = identity.ca_pem.clone();
    let ghes = start_as(mock_ghes::World::default(), Some(identity)).await;
    let (head, _) = commits(&ghes).await;

    let checked_out = checkout(&ghes, &ghes.pat, &head, "0", Some(&authority)).await;

    assert_eq!(checked_out, head);
    ghes.shutdown().await;
}
