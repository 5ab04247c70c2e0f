//! What `sweep` removes, and that it touches nothing else.

use reqwest::Method;
use serde_json::{Value, json};

use super::support::{CORE, Mock, TARGETS, TOKEN, finish};

const DAY: [&str; 2] = ["--older-than", "24h"];
/// Long ago, and in a time to come: neither depends on when the test runs.
const OLD: &str = "ghes-e2e-20200229t235959z-0badcafe";
const NEW: &str = "ghes-e2e-29991231t235959z-0badcafe";
/// What looks like ours.
const LOOKALIKES: [&str; 3] = [
    "ghes-e2e-runner",
    "x-ghes-e2e-20200229t235959z-0badcafe",
    "ghes-e2e-20200230t235959z-0badcafe",
];

/// A server with things of old and new runs, and of others, of every kind and in every scope, also in one that nobody marked.
async fn littered() -> Mock {
    let names = [&format!("{OLD}-hello"), &format!("{NEW}-hello"), LOOKALIKES[0]];
    let repositories = ["staging", "production"].iter().flat_map(|owner| {
        let line = |name: &str| format!("\x20 - {{owner: {owner}, name: {name}}}\n");
        names.map(line)
    });
    let repositories: String = repositories.collect();
    let mock = Mock::start_with("3.9.0", &repositories).await;
    for scope in [
        "enterprises/acme",
        "staging",
        "production",
        "staging/hello",
        "production/hello",
    ] {
        let mut names = vec![
            "build-01".to_owned(),
            format!("{OLD}-a"),
            format!("{OLD}-b"),
            format!("{NEW}-a"),
        ];
        names.extend(LOOKALIKES.map(str::to_owned));
        let order = json!({"scope": scope, "names": names});
        let added = mock.admin(Method::POST, "runners", Some(order)).await;
        assert_eq!(added["added"], names.len(), "{scope}");
    }
    for scope in [
        "orgs/staging",
        "orgs/production",
        "repos/staging/hello",
        "repos/production/hello",
    ] {
        for path in [
            format!("{OLD}/arc"),
            format!("{NEW}/arc"),
            format!("ci?run={OLD}"),
            LOOKALIKES[1].to_owned(),
        ] {
            let hook = json!({"name": "web", "config": {"url": format!("https://hooks.example.com/{path}")}});
            mock.rest(Method::POST, &format!("{scope}/hooks"), Some(hook))
                .await;
        }
    }
    for scope in ["orgs/staging", "orgs/production"] {
        for name in [OLD, NEW, LOOKALIKES[0]] {
            let group = json!({"name": name, "visibility": "all"});
            mock.rest(
                Method::POST,
                &format!("{scope}/actions/runner-groups"),
                Some(group),
            )
            .await;
        }
    }
    mock
}

/// The names of everything that there is.
async fn everything(mock: &Mock) -> Vec<String> {
    let mut all = Vec::new();
    for (scope, kinds) in [
        ("enterprises/acme", &["runners"][..]),
        ("orgs/staging", &["runners", "runner_groups", "hooks", "repos"]),
        ("orgs/production", &["runners", "runner_groups", "hooks", "repos"]),
        ("repos/staging/hello", &["runners", "hooks"]),
        ("repos/production/hello", &["runners", "hooks"]),
    ] {
        for &kind in kinds {
            let path = match kind {
                "runners" => format!("{scope}/actions/runners?per_page=100"),
                "runner_groups" => format!("{scope}/actions/runner-groups?per_page=100"),
                other => format!("{scope}/{other}?per_page=100"),
            };
            let answer = mock.rest(Method::GET, &path, None).await;
            let list = answer.get(kind).unwrap_or(&answer).as_array().expect("a list");
            let name = |one: &Value| match kind {
                "hooks" => one["config"]["url"].to_string(),
                _ => one["name"].to_string(),
            };
            all.extend(list.iter().map(|one| format!("{scope} {kind} {}", name(one))));
        }
    }
    all
}

/// Of an old run, in a marked scope.
fn is_to_go(thing: &str) -> bool {
    let is_ours = thing.contains(&format!(" \"{OLD}")) || thing.contains(&format!("example.com/{OLD}/"));
    is_ours && !thing.contains("production")
}

#[tokio::test]
async fn old_things_of_ours_go_and_nothing_else_is_touched() {
    let mock = littered().await;
    let before = everything(&mock).await;
    let earlier = mock.writes().await.len();
    let args = [&TARGETS[..], &DAY].concat();

    let dry = mock.ghes("sweep", &[&args[..], &["--dry-run"]].concat()).await;
    let untouched = everything(&mock).await;
    let written_dry = mock.writes().await.len() - earlier;
    let swept = mock.ghes("sweep", &args).await;
    let writes = mock.writes().await.split_off(earlier);
    let after = everything(&mock).await;
    let again = mock.ghes("sweep", &args).await;

    // 6 runners, 2 webhooks, a group, a repository.
    let to_go = before.iter().filter(|thing| is_to_go(thing)).count();
    assert_eq!(
        (dry.code, swept.code, again.code),
        (Some(0), Some(0), Some(0)),
        "{}",
        swept.stderr
    );
    assert_eq!((to_go, written_dry), (10, 0));
    assert_eq!(untouched, before);
    assert_eq!(dry.json()["counts"]["would_remove"], to_go);
    let counts = &swept.json()["counts"];
    assert_eq!(
        (
            &counts["removed"],
            &counts["kept"],
            &counts["gone"],
            &counts["younger"]
        ),
        (&json!(to_go), &json!(0), &json!(0), &json!(7))
    );
    assert_eq!(writes.len(), to_go, "{writes:#?}");
    assert!(
        writes
            .iter()
            .all(|one| one.starts_with("DELETE ") && !one.contains("production")),
        "{writes:#?}"
    );
    let stays: Vec<String> = before.into_iter().filter(|thing| !is_to_go(thing)).collect();
    assert_eq!(after, stays);
    assert_eq!(again.json()["counts"]["removed"], 0);
    mock.assert_clean();
}

#[tokio::test]
async fn an_unmarked_target_among_marked_ones_keeps_all_of_them_as_they_are() {
    let mock = littered().await;
    let earlier = mock.writes().await.len();

    for targets in [
        &["--organization", "production"][..],
        &["--organization", "staging", "--repository", "production/hello"],
        &["--enterprise", "acme", "--organization", "production"],
        &["--enterprise", "acme"],
    ] {
        let ended = mock.ghes("sweep", &[targets, &DAY].concat()).await;

        ended.assert_refused(2, &["carries no mark, so nothing is written to it"]);
    }

    assert_eq!(mock.writes().await.len(), earlier);
}

#[tokio::test]
async fn a_sweep_that_could_hit_a_run_under_way_is_refused() {
    let mock = Mock::start().await;
    for older_than in ["0s", "59m", "-24h"] {
        let flag = format!("--older-than={older_than}");
        let ended = mock.ghes("sweep", &["--organization", "staging", &flag]).await;

        ended.assert_refused(2, &["give at least 1h"]);
    }
    let ended = mock.ghes("sweep", &DAY).await;

    ended.assert_refused(2, &["no target is named"]);
    assert_eq!(mock.requests().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_sweep_that_was_cut_short_is_finished_by_the_next() {
    let mock = littered().await;
    let earlier = mock.writes().await.len();
    let args = [&TARGETS[..], &DAY].concat();
    let revoked = json!({"status": 401});
    let rule = json!({"target": "/api/v3/repos/{owner}/{repo}/actions/runners/{runner_id}", "method": "DELETE", "kind": revoked, "count": 1});

    let spent = mock
        .ghes("sweep", &[&args[..], &["--api-budget", "9"]].concat())
        .await;
    mock.admin(Method::POST, "faults", Some(rule)).await;
    let refused = mock.ghes("sweep", &args).await;
    let finished = mock.ghes("sweep", &args).await;

    spent.assert_refused(3, &["the API budget of 9 requests is spent"]);
    assert_eq!(spent.json()["api_calls"], 9);
    refused.assert_refused(
        2,
        &[
            "remove the runner ghes-e2e-20200229t235959z-0badcafe-",
            "the token is not accepted",
        ],
    );
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let left: Vec<String> = everything(&mock)
        .await
        .into_iter()
        .filter(|thing| is_to_go(thing))
        .collect();
    assert_eq!(left, Vec::<String>::new());
    let removed: u64 = [&spent, &refused, &finished]
        .iter()
        .filter_map(|ended| ended.json()["counts"]["removed"].as_u64())
        .sum();
    assert_eq!(removed, 10);
    assert!(mock.writes().await.len() - earlier <= 11);
}

#[tokio::test]
async fn a_server_that_is_not_well_loses_nothing_but_time() {
    let mock = littered().await;
    mock.fault(
        "/api/v3/orgs/{org}/actions/runners/{runner_id}",
        json!({"status": 503}),
        Some(2),
    )
    .await;
    mock.fault("/api/v3/orgs/{org}/repos", json!("reset"), Some(1))
        .await;

    let ended = mock.ghes("sweep", &[&TARGETS[..], &DAY].concat()).await;

    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(ended.json()["counts"]["removed"], 10);
}

#[tokio::test]
async fn what_the_token_may_not_see_is_told() {
    let mock = littered().await;
    let ca = mock.ca();
    let mut command = mock.command("sweep");
    command
        .args(["--ca", &ca, "--organization", "staging"])
        .args(DAY)
        .env("GHES_TOKEN", CORE);

    let ended = finish(&mut command).await;

    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    for words in [
        "      not seen  every webhook of orgs/staging: the token may not list them",
        &format!("       removed  repository {OLD}-hello of orgs/staging"),
        &format!("       younger  runner group {NEW} of orgs/staging"),
        "4 removed, 0 gone already, 0 kept, 3 younger; ",
    ] {
        assert!(
            ended.stdout.contains(words),
            "{words:?} is not in {}",
            ended.stdout
        );
    }
    assert!(!ended.stdout.contains(TOKEN));
}
