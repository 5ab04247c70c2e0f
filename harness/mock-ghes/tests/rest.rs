//! The REST API against plain HTTP: statuses, error bodies, headers, paging, conditional requests, workflows.

mod support;

use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use support::{ENTERPRISE, Registration, Runner, json_of, start, start_with, world};

const RUNNERS: &str = "enterprises/dogecompany/actions/runners";

#[tokio::test]
async fn meta_answers_without_credentials_and_with_github_headers() {
    let ghes = start().await;

    let response = ghes
        .request(Method::GET, "/api/v3/meta")
        .send()
        .await
        .expect("the server answers");

    assert_eq!(response.status(), StatusCode::OK);
    for name in [
        "x-github-enterprise-version",
        "x-github-request-id",
        "x-github-media-type",
        "date",
        "etag",
    ] {
        assert!(response.headers().contains_key(name), "{name} must be there");
    }
    assert_eq!(response.headers()["x-github-api-version-selected"], "2022-11-28");
    assert_eq!(json_of(response).await["installed_version"], "3.9.0");
    ghes.shutdown().await;
}

#[tokio::test]
async fn errors_have_githubs_bodies() {
    let ghes = start().await;
    let call = async |path: &str, token: Option<&str>, version: &str| {
        let mut request = ghes
            .request(Method::GET, &format!("/api/v3/{path}"))
            .header("X-GitHub-Api-Version", version);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.expect("the server answers");
        let status = response.status().as_u16();
        (
            status,
            json_of(response).await["message"]
                .as_str()
                .expect("a message")
                .to_owned(),
        )
    };
    let known = Some(ghes.pat.as_str());

    let version = "2022-11-28";
    assert_eq!(
        call(RUNNERS, None, version).await,
        (401, "Requires authentication".to_owned())
    );
    assert_eq!(
        call(RUNNERS, Some("ghp_wrong"), version).await,
        (401, "Bad credentials".to_owned())
    );
    assert_eq!(
        call("meta", Some("ghp_wrong"), version).await,
        (401, "Bad credentials".to_owned())
    );
    assert_eq!(
        call("orgs/nobody/actions/runners", known, version).await,
        (404, "Not Found".to_owned())
    );
    assert_eq!(
        call("rate_limit", known, version).await,
        (404, "Rate limiting is not enabled.".to_owned())
    );
    assert_eq!(call(RUNNERS, known, "2021-01-01").await.0, 400);
    ghes.shutdown().await;
}

#[tokio::test]
async fn a_token_without_the_scope_is_refused_at_each_level() {
    let mut narrow = mock_ghes::World::default();
    narrow.tokens[0].scopes = vec!["workflow".into()];
    narrow.repositories[0].public = true;
    let ghes = start_with(narrow).await;
    let token = async |scope: &str| {
        let response = ghes
            .rest(
                Method::POST,
                &format!("{scope}/actions/runners/registration-token"),
            )
            .await;
        (
            response.status().as_u16(),
            response.headers()["x-accepted-oauth-scopes"]
                .to_str()
                .map(str::to_owned)
                .ok(),
        )
    };

    let accepted = |text: &str| Some(text.to_owned());
    assert_eq!(
        token("enterprises/dogecompany").await,
        (403, accepted("admin:enterprise, manage_runners:enterprise"))
    );
    assert_eq!(token("orgs/dogecompany").await, (403, accepted("admin:org")));
    assert_eq!(
        token("repos/dogecompany/quickstart").await,
        (403, accepted("repo"))
    );
    ghes.shutdown().await;
}

#[tokio::test]
async fn a_private_repository_is_hidden_from_who_may_not_see_it() {
    let mut narrow = mock_ghes::World::default();
    narrow.tokens[0].scopes = vec!["admin:org".into()];
    let ghes = start_with(narrow).await;

    for path in [
        "",
        "/actions/runs",
        "/actions/workflows",
        "/branches/main",
        "/actions/runners",
    ] {
        let response = ghes
            .rest(Method::GET, &format!("repos/dogecompany/quickstart{path}"))
            .await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
    }
    ghes.shutdown().await;
}

#[tokio::test]
async fn tokens_are_created_at_the_three_scopes() {
    let ghes = start().await;

    for scope in [
        "enterprises/dogecompany",
        "orgs/dogecompany",
        "repos/dogecompany/quickstart",
    ] {
        for kind in ["registration-token", "remove-token"] {
            let response = ghes
                .rest(Method::POST, &format!("{scope}/actions/runners/{kind}"))
                .await;
            assert_eq!(response.status(), StatusCode::CREATED, "{scope} {kind}");
            let body = json_of(response).await;
            let expires: jiff::Timestamp = body["expires_at"]
                .as_str()
                .expect("a text")
                .parse()
                .expect("RFC 3339");
            // ARC keeps a token only if it lives for more than half an hour.
            assert!(expires > jiff::Timestamp::now() + jiff::SignedDuration::from_mins(50));
        }
    }
    ghes.shutdown().await;
}

#[tokio::test]
async fn runner_lists_have_pages_with_absolute_links() {
    let ghes = start().await;
    for n in 1..=3 {
        let name = format!("r{n}");
        Runner::register(
            &ghes,
            ENTERPRISE,
            Registration {
                name: &name,
                labels: &[],
                ephemeral: true,
            },
        )
        .await;
    }
    let mut names = Vec::new();
    let mut next = Some(format!("{}/api/v3/{RUNNERS}?per_page=2", ghes.url));

    while let Some(url) = next {
        let response = ghes
            .http
            .get(&url)
            .bearer_auth(&ghes.pat)
            .send()
            .await
            .expect("the server answers");
        let link = response
            .headers()
            .get("link")
            .map(|link| link.to_str().expect("ASCII").to_owned());
        let body = json_of(response).await;
        assert_eq!(body["total_count"], 3);
        names.extend(
            body["runners"]
                .as_array()
                .expect("a list")
                .iter()
                .map(|r| r["name"].as_str().expect("a name").to_owned()),
        );
        next = link.and_then(|link| {
            let next = link.split(", ").find(|one| one.ends_with("rel=\"next\""))?;
            Some(next.trim_start_matches('<').split('>').next()?.to_owned())
        });
    }

    assert_eq!(names, ["r1", "r2", "r3"]);
    ghes.shutdown().await;
}

#[tokio::test]
async fn an_unchanged_list_is_304_and_max_age_is_the_setting() {
    let (server, hand) = mock_ghes::MockGhes::builder()
        .list_max_age(60)
        .start()
        .await
        .expect("the server starts");
    let http = reqwest::Client::new();
    let pat = secrecy::ExposeSecret::expose_secret(&hand.pat()).to_owned();
    let url = format!("{}/api/v3/{RUNNERS}", hand.url());
    let first = http
        .get(&url)
        .bearer_auth(&pat)
        .send()
        .await
        .expect("the server answers");
    let tag = first.headers()["etag"].clone();

    let second = http
        .get(&url)
        .bearer_auth(&pat)
        .header("If-None-Match", &tag)
        .send()
        .await
        .expect("the server answers");

    assert_eq!(
        first.headers()["cache-control"],
        "private, max-age=60, s-maxage=60"
    );
    assert!(first.headers().contains_key("vary"));
    assert_eq!(second.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(second.headers()["etag"], tag);
    assert!(second.bytes().await.expect("an empty body").is_empty());
    server
        .shutdown()
        .await
        .expect("nothing broke while the server ran");
}

#[tokio::test]
async fn a_dispatch_says_exactly_what_is_wrong() {
    let workflow = "on:\n  workflow_dispatch:\n    inputs:\n      who: {required: true}\njobs:\n  a:\n    runs-on: x\n    steps: [{run: \"true\"}]\n";
    let push = "on: push\njobs:\n  a:\n    runs-on: x\n    steps: [{run: \"true\"}]\n";
    let files = json!({".github/workflows/w.yml": workflow, ".github/workflows/push.yml": push});
    let ghes = start_with(world(&format!(
        "organizations: [{{login: o}}]\nrepositories: [{{owner: o, name: r, files: {files}}}]\n"
    )))
    .await;
    let dispatch = async |file: &str, body: Value| {
        let response = ghes.dispatch("o/r", file, body).await;
        let status = response.status().as_u16();
        let message = if status == 204 {
            String::new()
        } else {
            json_of(response).await["message"].to_string()
        };
        (status, message)
    };

    let said = |status: u16, text: &str| (status, json!(text).to_string());
    let good = json!({"ref": "main", "inputs": {"who": "me"}});
    assert_eq!(dispatch("w.yml", good.clone()).await, (204, String::new()));
    assert_eq!(
        dispatch("nothing.yml", good.clone()).await,
        said(404, "Not Found")
    );
    assert_eq!(
        dispatch("push.yml", good).await,
        said(422, "Workflow does not have 'workflow_dispatch' trigger")
    );
    assert_eq!(
        dispatch("w.yml", json!({"ref": "nowhere"})).await,
        said(422, "No ref found for: nowhere")
    );
    assert_eq!(
        dispatch(
            "w.yml",
            json!({"ref": "main", "inputs": {"who": "me", "what": "x"}})
        )
        .await,
        said(422, "Unexpected inputs provided: [\"what\"]")
    );
    assert_eq!(
        dispatch("w.yml", json!({"ref": "main"})).await,
        said(422, "Required input 'who' not provided")
    );
    let broken = ghes.request(
        Method::POST,
        "/api/v3/repos/o/r/actions/workflows/w.yml/dispatches",
    );
    let broken = broken
        .bearer_auth(&ghes.pat)
        .body("{")
        .send()
        .await
        .expect("the server answers");
    assert_eq!(broken.status(), StatusCode::BAD_REQUEST);
    assert_eq!(json_of(broken).await["message"], "Problems parsing JSON");
    ghes.shutdown().await;
}

#[tokio::test]
async fn a_run_is_listed_filtered_and_waits_in_the_queue() {
    let ghes = start().await;
    let branch = ghes.get("repos/dogecompany/quickstart/branches/main").await;
    let workflows = ghes.get("repos/dogecompany/quickstart/actions/workflows").await;
    let id = &workflows["workflows"][0]["id"];
    ghes.dispatch(
        "dogecompany/quickstart",
        &id.to_string(),
        json!({"ref": "refs/heads/main"}),
    )
    .await;

    let sha = branch["commit"]["sha"].as_str().expect("a commit");
    let count = async |query: &str| {
        ghes.get(&format!("repos/dogecompany/quickstart/actions/runs?{query}"))
            .await["total_count"]
            .clone()
    };
    let run = ghes.get("repos/dogecompany/quickstart/actions/runs/1").await;
    let jobs = ghes.get("repos/dogecompany/quickstart/actions/runs/1/jobs").await;

    for query in [
        "status=queued",
        "event=workflow_dispatch",
        "branch=main",
        &format!("head_sha={sha}"),
    ] {
        assert_eq!(count(query).await, 1, "{query}");
    }
    for query in [
        "status=in_progress",
        "status=success",
        "branch=other",
        "created=<2020-01-01",
    ] {
        assert_eq!(count(query).await, 0, "{query}");
    }
    assert_eq!(run["head_commit"]["id"], sha);
    assert_eq!(run["path"], ".github/workflows/quickstart.yml");
    assert_eq!(run["display_title"], "octocat is testing out GitHub Actions 🚀");
    assert_eq!(
        jobs["total_count"], 1,
        "a job that waits for another is not there yet"
    );
    assert_eq!(jobs["jobs"][0]["status"], "queued");
    assert_eq!(jobs["jobs"][0]["labels"], json!(["self-hosted", "linux"]));
    let logs = ghes
        .rest(Method::GET, "repos/dogecompany/quickstart/actions/jobs/1/logs")
        .await;
    assert_eq!(
        logs.status(),
        StatusCode::NOT_FOUND,
        "there is no log before the job ran"
    );
    ghes.shutdown().await;
}

#[tokio::test]
async fn a_cancelled_run_can_run_again_as_its_next_attempt() {
    let ghes = start().await;
    ghes.dispatch("dogecompany/quickstart", "quickstart.yml", json!({"ref": "main"}))
        .await;
    let run = "repos/dogecompany/quickstart/actions/runs/1";

    let early = ghes.rest(Method::POST, &format!("{run}/rerun")).await;
    let cancelled = ghes.rest(Method::POST, &format!("{run}/cancel")).await;
    let after_cancel = ghes.get(run).await;
    let again = ghes.rest(Method::POST, &format!("{run}/rerun")).await;
    let after_rerun = ghes.get(run).await;
    let jobs = ghes.get(&format!("{run}/jobs?filter=all")).await;

    assert_eq!(early.status(), StatusCode::FORBIDDEN);
    assert_eq!(cancelled.status(), StatusCode::ACCEPTED);
    assert_eq!(after_cancel["conclusion"], "cancelled");
    assert_eq!(again.status(), StatusCode::CREATED);
    assert_eq!(
        (&after_rerun["status"], &after_rerun["run_attempt"]),
        (&json!("queued"), &json!(2))
    );
    assert_eq!(
        jobs["total_count"], 3,
        "both jobs of the first attempt, the first of the second"
    );
    ghes.shutdown().await;
}

#[tokio::test]
async fn the_group_default_is_there_at_both_levels() {
    let ghes = start().await;

    for scope in ["enterprises/dogecompany", "orgs/dogecompany"] {
        let groups = ghes
            .get(&format!(
                "{scope}/actions/runner-groups?per_page=100&visible_to_repository=quickstart"
            ))
            .await;
        assert_eq!(groups["total_count"], 1, "{scope}");
        assert_eq!(groups["runner_groups"][0]["name"], "Default");
        assert_eq!(groups["runner_groups"][0]["default"], true);
    }
    ghes.shutdown().await;
}

#[tokio::test]
async fn a_group_of_selected_repositories_shows_to_them_alone() {
    let ghes = start().await;
    let repository = ghes.get("repos/dogecompany/quickstart").await;
    let groups = "orgs/dogecompany/actions/runner-groups";
    let (chosen, nobodys) = (
        json!({"name": "chosen", "visibility": "selected", "selected_repository_ids": [repository["id"]]}),
        json!({"name": "nobodys", "visibility": "selected"}),
    );

    let make = |group: &Value| {
        let request = ghes.request(Method::POST, &format!("/api/v3/{groups}"));
        request.bearer_auth(&ghes.pat).json(group).send()
    };

    let made = json_of(make(&chosen).await.expect("the server answers")).await;
    let second = make(&nobodys).await;
    let visible = ghes
        .get(&format!("{groups}?visible_to_repository=quickstart"))
        .await;
    let all = ghes.get(groups).await;

    assert_eq!(
        (&made["id"], &made["visibility"]),
        (&json!(2), &json!("selected"))
    );
    assert_eq!(second.expect("the server answers").status(), StatusCode::CREATED);
    let names = |list: &Value| -> Vec<String> {
        let groups = list["runner_groups"].as_array().expect("a list of groups").iter();
        groups
            .map(|group| group["name"].as_str().expect("a name").to_owned())
            .collect()
    };
    assert_eq!(names(&visible), ["Default", "chosen"]);
    assert_eq!(names(&all), ["Default", "chosen", "nobodys"]);
    ghes.shutdown().await;
}

#[tokio::test]
async fn https_is_served_with_the_given_identity() {
    let identity =
        mock_ghes::TlsIdentity::generate(&["127.0.0.1".into()]).expect("an address is a fine name");
    let ca = reqwest::Certificate::from_pem(identity.ca_pem.as_bytes()).expect("the authority is PEM");
    let (server, hand) = mock_ghes::MockGhes::builder()
        .tls(Some(identity))
        .start()
        .await
        .expect("the server starts");
    let trusting = reqwest::Client::builder()
        .tls_certs_only([ca])
        .build()
        .expect("a client can be built");
    let strange = reqwest::Client::new();

    let answered = trusting
        .get(format!("{}/api/v3/", hand.url()))
        .send()
        .await
        .expect("the server is trusted");
    let refused = strange.get(format!("{}/api/v3/", hand.url())).send().await;

    let root = json_of(answered).await;
    assert_eq!(root["current_user_url"], format!("{}/api/v3/user", hand.url()));
    assert!(
        refused.is_err(),
        "a client that does not know the authority must refuse"
    );
    server
        .shutdown()
        .await
        .expect("nothing broke while the server ran");
}

#[tokio::test]
async fn variables_are_told_to_whom_they_are_for() {
    let ghes = start_with(world(
        "organizations: [{login: o, variables: {region: seoul}}, {login: p}]\n\
         repositories: [{owner: o, name: r, variables: {TIER: staging}}]\n",
    ))
    .await;
    let weak = ghes
        .hand
        .issue_token("u", &["read:org"])
        .await
        .expect("the server runs");
    let weak = weak.expect("there is such a user");

    let of_organization = ghes.get("orgs/o/actions/variables/REGION").await;
    let of_repository = ghes.get("repos/o/r/actions/variables").await;
    let absent = ghes.rest(Method::GET, "orgs/p/actions/variables/REGION").await;
    let refused = async |path: &str| {
        let request = ghes.request(Method::GET, path).bearer_auth(weak.expose_secret());
        request.send().await.expect("the server answers").status()
    };

    assert_eq!(
        (
            &of_organization["name"],
            &of_organization["value"],
            &of_organization["visibility"]
        ),
        (&json!("REGION"), &json!("seoul"), &json!("private"))
    );
    assert_eq!(of_repository["variables"][0]["value"], "staging");
    assert_eq!(absent.status(), StatusCode::NOT_FOUND);
    assert_eq!(
        refused("/api/v3/orgs/o/actions/variables/REGION").await,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        refused("/api/v3/repos/o/r/actions/variables/TIER").await,
        StatusCode::NOT_FOUND
    );
    ghes.shutdown().await;
}

#[tokio::test]
async fn a_repository_is_removed_by_who_may_and_is_then_nowhere() {
    let ghes = start().await;
    let path = "repos/dogecompany/quickstart";
    let owner = ghes
        .hand
        .issue_token("octocat", &["delete_repo"])
        .await
        .expect("the server runs");
    let owner = owner.expect("there is such a user");
    let by_owner = async || {
        let request = ghes.request(Method::DELETE, &format!("/api/v3/{path}"));
        let answer = request.bearer_auth(owner.expose_secret()).send().await;
        answer.expect("the server answers").status()
    };

    let before = ghes.get("orgs/dogecompany/repos").await;
    let without_right = ghes.rest(Method::DELETE, path).await.status();
    let removed = by_owner().await;
    let again = by_owner().await;
    let after = ghes.get("orgs/dogecompany/repos").await;

    assert_eq!(before[0]["name"], "quickstart");
    assert_eq!(
        (without_right, removed, again),
        (
            StatusCode::FORBIDDEN,
            StatusCode::NO_CONTENT,
            StatusCode::NOT_FOUND
        )
    );
    assert_eq!(after, json!([]));
    for gone in [
        path,
        &format!("{path}/actions/runners"),
        &format!("{path}/branches"),
    ] {
        assert_eq!(
            ghes.rest(Method::GET, gone).await.status(),
            StatusCode::NOT_FOUND,
            "{gone}"
        );
    }
    ghes.shutdown().await;
}
