//! A dispatch, and the run that came of it.

use std::time::Duration;

use wiremock::matchers::{body_json, method, path, query_param};
use wiremock::{Mock, ResponseTemplate};

use super::*;

const WORKFLOW: &str = "/api/v3/repos/dogecompany/quickstart/actions/workflows/quickstart.yml";

fn run(id: u64) -> Value {
    let at = "2023-07-15T00:00:00Z";
    let url = "http://ghes.test/x";
    json!({
        "id": id, "workflow_id": 1, "node_id": "n", "name": "GitHub Actions Demo", "head_branch": "main", "head_sha": "0",
        "run_number": id, "event": "workflow_dispatch", "status": "queued", "conclusion": null, "created_at": at,
        "updated_at": at, "url": url, "html_url": url, "jobs_url": url, "logs_url": url, "check_suite_url": url,
        "artifacts_url": url, "cancel_url": url, "rerun_url": url, "workflow_url": url,
        "head_commit": {
            "id": "0", "tree_id": "0", "message": "m", "timestamp": at,
            "author": { "name": "octocat", "email": "o@ghes.test" },
            "committer": { "name": "octocat", "email": "o@ghes.test" },
        },
        "repository": { "id": 1, "name": "quickstart", "url": url },
    })
}

fn listing() -> wiremock::MockBuilder {
    Mock::given(method("GET"))
        .and(path(format!("{WORKFLOW}/runs")))
        .and(query_param("event", "workflow_dispatch"))
        .and(query_param("branch", "main"))
}

fn runs(ids: &[u64]) -> ResponseTemplate {
    let runs: Vec<Value> = ids.iter().map(|id| run(*id)).collect();
    ResponseTemplate::new(200).set_body_json(json!({ "total_count": runs.len(), "workflow_runs": runs }))
}

fn dispatching() -> wiremock::MockBuilder {
    Mock::given(method("POST")).and(path(format!("{WORKFLOW}/dispatches")))
}

/// The list shows `before` once, then `after`.
async fn shown(server: &MockServer, before: &[u64], after: &[u64]) {
    listing()
        .respond_with(runs(before))
        .up_to_n_times(1)
        .mount(server)
        .await;
    listing().respond_with(runs(after)).mount(server).await;
}

#[tokio::test]
async fn the_run_is_the_one_that_was_not_there_before() {
    let (server, ghes) = connected().await;
    shown(&server, &[4, 3], &[5, 4, 3]).await;
    let body = json!({ "ref": "refs/heads/main", "inputs": { "colour": "blue" } });
    dispatching()
        .and(body_json(body))
        .respond_with(ResponseTemplate::new(204))
        .expect(1)
        .mount(&server)
        .await;

    let run = ghes
        .dispatch(
            &repo(),
            ".github/workflows/quickstart.yml",
            "refs/heads/main",
            &[("colour", "blue")],
        )
        .await
        .expect("the run shows");

    assert_eq!(run.0, 5);
}

#[tokio::test]
async fn a_run_that_shows_late_is_awaited() {
    let (server, ghes) = connected().await;
    listing()
        .respond_with(runs(&[4]))
        .up_to_n_times(3)
        .mount(&server)
        .await;
    listing().respond_with(runs(&[5, 4])).mount(&server).await;
    dispatching()
        .and(body_json(json!({ "ref": "main" })))
        .respond_with(ResponseTemplate::new(204))
        .mount(&server)
        .await;

    let run = ghes
        .dispatch(&repo(), "quickstart.yml", "main", &[])
        .await
        .expect("the run shows at last");

    assert_eq!(run.0, 5);
}

#[tokio::test]
async fn a_run_that_never_shows_is_told_with_what_was_seen() {
    let (server, ghes) = connected().await;
    listing().respond_with(runs(&[4])).mount(&server).await;
    dispatching()
        .respond_with(ResponseTemplate::new(204))
        .expect(1)
        .mount(&server)
        .await;
    let ghes = ghes.with_run_deadline(Duration::from_millis(400));

    let error = ghes
        .dispatch(&repo(), "quickstart.yml", "main", &[])
        .await
        .expect_err("no run shows");

    let text = error.to_string();
    assert!(
        text.contains("no new run showed within 0.4 s; last seen: run 4, of before"),
        "{text}"
    );
}

#[tokio::test]
async fn two_new_runs_are_never_guessed_at() {
    let (server, ghes) = connected().await;
    shown(&server, &[], &[2, 1]).await;
    dispatching()
        .respond_with(ResponseTemplate::new(204))
        .mount(&server)
        .await;

    let error = ghes
        .dispatch(&repo(), "quickstart.yml", "main", &[])
        .await
        .expect_err("either could be it");

    assert!(error.to_string().contains("runs 2, 1 showed at once"), "{error}");
}

#[tokio::test]
async fn dispatches_at_once_get_runs_of_their_own() {
    let (server, ghes) = connected().await;
    listing()
        .respond_with(runs(&[]))
        .up_to_n_times(1)
        .mount(&server)
        .await;
    listing()
        .respond_with(runs(&[1]))
        .up_to_n_times(2)
        .mount(&server)
        .await;
    listing().respond_with(runs(&[2, 1])).mount(&server).await;
    dispatching()
        .respond_with(ResponseTemplate::new(204))
        .expect(2)
        .mount(&server)
        .await;

    let repo = repo();
    let (one, two) = tokio::join!(
        ghes.dispatch(&repo, "quickstart.yml", "main", &[]),
        ghes.dispatch(&repo, "quickstart.yml", "main", &[]),
    );

    let runs = [one, two].map(|run| run.expect("each run shows").0);
    assert_eq!(runs, [1, 2]);
}

#[tokio::test]
async fn a_dispatch_that_was_carried_out_in_spite_of_the_gateway_is_found() {
    let (server, ghes) = connected().await;
    shown(&server, &[4], &[5, 4]).await;
    dispatching()
        .respond_with(ResponseTemplate::new(502))
        .expect(1)
        .mount(&server)
        .await;

    let run = ghes
        .dispatch(&repo(), "quickstart.yml", "main", &[])
        .await
        .expect("the run shows all the same");

    assert_eq!(run.0, 5);
}

#[tokio::test]
async fn a_dispatch_that_was_lost_is_not_sent_again() {
    let (server, ghes) = connected().await;
    listing().respond_with(runs(&[4])).mount(&server).await;
    dispatching()
        .respond_with(ResponseTemplate::new(502))
        .expect(1)
        .mount(&server)
        .await;
    let ghes = ghes.with_run_deadline(Duration::from_millis(400));

    let error = ghes
        .dispatch(&repo(), "quickstart.yml", "main", &[])
        .await
        .expect_err("the dispatch is lost");

    assert_eq!(error.status().map(|status| status.as_u16()), Some(502));
}

#[tokio::test]
async fn a_dispatch_that_a_rate_limit_refused_is_sent_again() {
    let (server, ghes) = connected().await;
    shown(&server, &[], &[1]).await;
    let limit = refusal(403, "You have exceeded a secondary rate limit.").insert_header("Retry-After", "0");
    dispatching()
        .respond_with(limit)
        .up_to_n_times(1)
        .expect(1)
        .mount(&server)
        .await;
    dispatching()
        .respond_with(ResponseTemplate::new(204))
        .expect(1)
        .mount(&server)
        .await;

    let run = ghes
        .dispatch(&repo(), "quickstart.yml", "main", &[])
        .await
        .expect("the second try is accepted");

    assert_eq!(run.0, 1);
}

#[tokio::test]
async fn a_workflow_without_the_trigger_says_what_to_check() {
    let (server, ghes) = connected().await;
    listing().respond_with(runs(&[])).mount(&server).await;
    let refusal = refusal(422, "Workflow does not have 'workflow_dispatch' trigger");
    dispatching().respond_with(refusal).expect(1).mount(&server).await;

    let error = ghes
        .dispatch(&repo(), "quickstart.yml", "main", &[])
        .await
        .expect_err("there is no trigger");

    assert_eq!(
        error.to_string(),
        "dispatch workflow quickstart.yml of dogecompany/quickstart at main: GHES answered 422 Unprocessable Entity: \
         Workflow does not have 'workflow_dispatch' trigger; check the ref, the workflow's workflow_dispatch trigger and its inputs"
    );
}
