//! The runner service against a client of its own: jobs, and the ephemeral runner's end.

mod support;

use mock_ghes::Scope;
use mock_ghes::view::{Conclusion, Status};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use support::{ENTERPRISE, REPOSITORY, Registration, Runner, json_of, start, start_with, world};

fn ephemeral<'a>(name: &'a str, labels: &'a [&'a str]) -> Registration<'a> {
    Registration {
        name,
        labels,
        ephemeral: true,
    }
}

fn lasting<'a>(name: &'a str, labels: &'a [&'a str]) -> Registration<'a> {
    Registration {
        name,
        labels,
        ephemeral: false,
    }
}

#[tokio::test]
async fn an_ephemeral_runner_does_its_job_and_is_gone() {
    let ghes = start().await;
    let mut runner = Runner::register(&ghes, ENTERPRISE, ephemeral("r1", &["gpu"])).await;
    runner.open_session().await;
    let dispatched = ghes
        .dispatch("dogecompany/quickstart", "quickstart.yml", json!({"ref": "main"}))
        .await;
    assert_eq!(dispatched.status(), StatusCode::NO_CONTENT);

    let job = runner.take_job().await;
    let listed = ghes.get("enterprises/dogecompany/actions/runners").await;
    job.finish(
        "succeeded",
        json!({"tag_date": {"value": "2026-01-01"}, "tag_git_hash": {"value": "abc"}}),
    )
    .await;
    let afterwards = ghes.get("enterprises/dogecompany/actions/runners").await;

    assert_eq!(listed["runners"][0]["status"], "online");
    assert_eq!(listed["runners"][0]["busy"], true);
    let labels: Vec<&str> = listed["runners"][0]["labels"]
        .as_array()
        .expect("labels are a list")
        .iter()
        .filter_map(|label| label["name"].as_str())
        .collect();
    assert_eq!(labels, ["self-hosted", "Linux", "X64", "gpu"]);
    assert_eq!(
        afterwards["total_count"], 0,
        "the runner must be gone with its job"
    );
    let refused = runner.authorize().await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    assert_eq!(json_of(refused).await["error"], "invalid_client");
    ghes.shutdown().await;
}

#[tokio::test]
async fn the_open_poll_of_a_departed_runner_gets_a_farewell() {
    let ghes = start().await;
    let mut runner = Runner::register(&ghes, ENTERPRISE, ephemeral("r1", &[])).await;
    runner.open_session().await;
    ghes.dispatch("dogecompany/quickstart", "quickstart.yml", json!({"ref": "main"}))
        .await;
    let job = runner.take_job().await;

    let (poll, ()) = tokio::join!(runner.poll().send(), async {
        job.finish("succeeded", json!({})).await;
        ghes.eventually("the runner to go", async |hand| {
            hand.runners().await.ok()?.is_empty().then_some(())
        })
        .await;
    });

    let status = poll.expect("the server answers").status();
    assert_eq!(
        status,
        StatusCode::NOT_FOUND,
        "after the farewell the runner is told that it is gone"
    );
    ghes.shutdown().await;
}

#[tokio::test]
async fn outputs_reach_the_job_that_needs_them_and_the_log_is_served() {
    let ghes = start().await;
    ghes.dispatch("dogecompany/quickstart", "quickstart.yml", json!({"ref": "main"}))
        .await;
    for outputs in [
        json!({"tag_date": {"value": "d1"}, "tag_git_hash": {"value": "h1"}}),
        Value::Null,
    ] {
        let name = if outputs.is_null() { "second" } else { "first" };
        let mut runner = Runner::register(&ghes, ENTERPRISE, ephemeral(name, &[])).await;
        runner.open_session().await;
        let job = runner.take_job().await;
        if outputs.is_null() {
            let needs = job.body["contextData"]["needs"].to_string();
            assert!(
                needs.contains("d1") && needs.contains("h1"),
                "needs must hold the outputs: {needs}"
            );
        }
        job.finish("Succeeded", outputs).await;
    }

    let run = ghes.get("repos/dogecompany/quickstart/actions/runs/1").await;
    let jobs = ghes.get("repos/dogecompany/quickstart/actions/runs/1/jobs").await;
    let redirect = ghes
        .rest(Method::GET, "repos/dogecompany/quickstart/actions/jobs/2/logs")
        .await;
    assert_eq!(redirect.status(), StatusCode::FOUND);
    let location = redirect.headers()["location"]
        .to_str()
        .expect("a URL is ASCII")
        .to_owned();
    let log = ghes
        .http
        .get(&location)
        .send()
        .await
        .expect("the server answers")
        .text()
        .await
        .expect("a text");
    let forged = ghes
        .http
        .get(location.replace("/signedlogcontent/2", "/signedlogcontent/1"))
        .send()
        .await;

    assert_eq!(
        (&run["status"], &run["conclusion"]),
        (&json!("completed"), &json!("success"))
    );
    assert_eq!(jobs["total_count"], 2);
    assert_eq!(jobs["jobs"][1]["runner_name"], "second");
    assert_eq!(jobs["jobs"][1]["steps"][0]["name"], "Set up job");
    assert!(
        log.contains("Job is about to start running on the runner: second"),
        "{log}"
    );
    assert!(log.contains("hello from the step"), "{log}");
    assert_eq!(
        forged.expect("the server answers").status(),
        StatusCode::FORBIDDEN
    );
    ghes.shutdown().await;
}

#[tokio::test]
async fn a_job_goes_to_the_nearest_level_with_all_labels() {
    let ghes = start().await;
    let mut enterprise = Runner::register(&ghes, ENTERPRISE, lasting("enterprise", &[])).await;
    let mut repository = Runner::register(&ghes, REPOSITORY, lasting("repository", &[])).await;
    enterprise.open_session().await;
    repository.open_session().await;
    let both_listen = async {
        let enterprise_poll = enterprise.poll().send();
        tokio::pin!(enterprise_poll);
        let taken = async {
            ghes.eventually("both runners online", async |hand| {
                (hand
                    .runners()
                    .await
                    .ok()?
                    .iter()
                    .filter(|runner| runner.online)
                    .count()
                    == 2)
                    .then_some(())
            })
            .await;
            ghes.dispatch("dogecompany/quickstart", "quickstart.yml", json!({"ref": "main"}))
                .await;
            repository.take_job().await
        };
        tokio::select! {
            job = taken => job,
            _ = &mut enterprise_poll => panic!("the enterprise's runner must not get the job"),
        }
    };

    let job = both_listen.await;

    assert_eq!(job.text("/jobDisplayName"), "Explore-GitHub-Actions");
    let runners = ghes.hand.runners().await.expect("the server runs");
    let busy: Vec<&Scope> = runners.iter().filter(|r| r.busy).map(|r| &r.scope).collect();
    assert!(matches!(busy[..], [Scope::Repository(_)]), "{busy:?}");
    ghes.shutdown().await;
}

#[tokio::test]
async fn scopes_and_labels_keep_jobs_from_runners() {
    let workflow =
        "on: workflow_dispatch\njobs:\n  a:\n    runs-on: [Self-Hosted, GPU]\n    steps: [{run: \"true\"}]\n";
    let files = format!(
        "files: {{\".github/workflows/w.yml\": {}}}",
        serde_json::json!(workflow)
    );
    let ghes = start_with(world(&format!(
        "enterprises: [{{slug: e}}]\norganizations: [{{login: in, enterprise: e}}, {{login: out}}]\n\
         repositories: [{{owner: in, name: r, {files}}}, {{owner: out, name: r, {files}}}]\n"
    )))
    .await;
    let scope = ("enterprises/e", "enterprises/e");
    let mut plain = Runner::register(&ghes, scope, lasting("plain", &[])).await;
    let mut gpu = Runner::register(&ghes, scope, lasting("gpu", &["gpu"])).await;
    plain.open_session().await;
    gpu.open_session().await;
    for repository in ["out/r", "in/r"] {
        assert_eq!(
            ghes.dispatch(repository, "w.yml", json!({"ref": "main"}))
                .await
                .status(),
            StatusCode::NO_CONTENT
        );
    }

    let plain_poll = plain.poll().send();
    let job = tokio::select! {
        job = gpu.take_job() => job,
        _ = plain_poll => panic!("a runner without the label must not get the job"),
    };

    assert!(
        job.body["contextData"]["github"].to_string().contains("in/r"),
        "only the enterprise's own job"
    );
    let jobs = ghes.hand.jobs().await.expect("the server runs");
    assert_eq!(
        jobs[0].status,
        Status::Queued,
        "the other organization's job must wait"
    );
    ghes.shutdown().await;
}

#[tokio::test]
async fn a_cancelled_run_tells_its_runner_and_ends() {
    let ghes = start().await;
    let mut runner = Runner::register(&ghes, ENTERPRISE, lasting("r1", &[])).await;
    runner.open_session().await;
    ghes.dispatch("dogecompany/quickstart", "quickstart.yml", json!({"ref": "main"}))
        .await;
    let job = runner.take_job().await;

    let cancelled = ghes
        .rest(Method::POST, "repos/dogecompany/quickstart/actions/runs/1/cancel")
        .await;
    let (kind, body) = runner.message().await;
    job.finish("canceled", json!({})).await;
    let again = ghes
        .rest(Method::POST, "repos/dogecompany/quickstart/actions/runs/1/cancel")
        .await;

    assert_eq!(cancelled.status(), StatusCode::ACCEPTED);
    assert_eq!(kind, "JobCancellation");
    assert_eq!(body["jobId"], job.text("/jobId"));
    let run = &ghes.hand.runs().await.expect("the server runs")[0];
    assert_eq!(run.conclusion, Some(Conclusion::Cancelled));
    assert_eq!(again.status(), StatusCode::CONFLICT);
    let renewal = runner
        .renew(job.body["requestId"].as_u64().expect("a number"))
        .await;
    assert_eq!(renewal.status(), StatusCode::NOT_FOUND);
    assert_eq!(json_of(renewal).await["typeKey"], "TaskAgentJobNotFoundException");
    ghes.shutdown().await;
}

#[tokio::test]
async fn a_busy_runner_cannot_be_removed_and_an_idle_one_learns_of_it() {
    let ghes = start().await;
    let mut runner = Runner::register(&ghes, ENTERPRISE, lasting("r1", &[])).await;
    runner.open_session().await;
    ghes.dispatch("dogecompany/quickstart", "quickstart.yml", json!({"ref": "main"}))
        .await;
    let job = runner.take_job().await;
    let path = format!("enterprises/dogecompany/actions/runners/{}", runner.id());

    let refused = ghes.rest(Method::DELETE, &path).await;
    // The second job of the run must not reach the runner before it is removed.
    ghes.hand.seed_defect(mock_ghes::Defect::NoDispatch).await;
    job.finish("succeeded", json!({})).await;
    let (poll, removed) = tokio::join!(runner.poll().send(), async {
        ghes.eventually("the runner to be idle", async |hand| {
            hand.runners()
                .await
                .ok()?
                .iter()
                .all(|runner| !runner.busy)
                .then_some(())
        })
        .await;
        ghes.rest(Method::DELETE, &path).await
    });

    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        json_of(refused).await["message"],
        "Bad request - Runner \"r1\" is still running a job\""
    );
    assert_eq!(removed.status(), StatusCode::NO_CONTENT);
    let poll = poll.expect("the server answers");
    assert!(
        matches!(poll.status(), StatusCode::NOT_FOUND | StatusCode::UNAUTHORIZED),
        "the removed runner must be told: {}",
        poll.status()
    );
    assert_eq!(
        ghes.rest(Method::DELETE, &path).await.status(),
        StatusCode::NOT_FOUND
    );
    ghes.shutdown().await;
}

#[tokio::test]
async fn a_poll_ends_empty_with_a_length_when_the_server_stops() {
    let ghes = start().await;
    let mut runner = Runner::register(&ghes, ENTERPRISE, lasting("r1", &[])).await;
    runner.open_session().await;
    let request = runner.poll();
    let hand = ghes.hand.clone();
    let poll = tokio::spawn(request.send());
    let mut revision = hand.watch();
    tokio::time::timeout(support::DEADLINE, async {
        // The poll opens: then the runner is online by it.
        while !hand
            .runners()
            .await
            .expect("the server runs")
            .iter()
            .any(|runner| runner.online)
        {
            revision.changed().await.expect("the server runs");
        }
    })
    .await
    .expect("the runner comes online");

    drop(runner);
    ghes.shutdown().await;

    if let Ok(answer) = poll.await.expect("the poll does not panic") {
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        assert_eq!(answer.headers()["content-length"], "0");
    }
}

#[tokio::test]
async fn actions_come_from_the_server() {
    let ghes = start().await;
    let mut runner = Runner::register(&ghes, ENTERPRISE, ephemeral("r1", &[])).await;
    runner.open_session().await;
    ghes.dispatch("dogecompany/quickstart", "quickstart.yml", json!({"ref": "main"}))
        .await;
    let job = runner.take_job().await;
    let ask = async |name: &str| {
        let body = json!({"actions": [{"nameWithOwner": name, "ref": "v3", "path": ""}]});
        job.call(Method::POST, "actiondownloadinfo")
            .json(&body)
            .send()
            .await
            .expect("the server answers")
    };

    let known = json_of(ask("actions/checkout").await).await;
    let unknown = ask("nobody/nothing").await;

    let info = &known["actions"]["actions/checkout@v3"];
    assert_eq!(info["resolvedSha"].as_str().map(str::len), Some(40));
    let url = info["tarballUrl"].as_str().expect("a URL");
    let tarball = ghes
        .http
        .get(url)
        .basic_auth("x-access-token", Some(job.github_token()))
        .send()
        .await;
    let tarball = tarball
        .expect("the server answers")
        .bytes()
        .await
        .expect("an archive");
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(&tarball[..]));
    assert_eq!(tar.entries().expect("the archive is a tar").count(), 2);
    assert_eq!(unknown.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        json_of(unknown).await["typeKey"],
        "UnresolvableActionDownloadInfoException"
    );
    ghes.shutdown().await;
}
