//! Ledger, faults and defects, in process and over HTTP; and that nothing that breaks is kept silent.

mod support;

use mock_ghes::{Defect, FaultKind, FaultRule};
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use support::{ENTERPRISE, Ghes, Registration, Runner, json_of, start};

const RUNNERS: &str = "/api/v3/enterprises/{enterprise}/actions/runners";
const LIST: &str = "enterprises/dogecompany/actions/runners";

fn rule(target: &str, kind: FaultKind) -> FaultRule {
    FaultRule {
        target: target.into(),
        method: None,
        kind,
        count: None,
        until: None,
    }
}

fn ephemeral(name: &str) -> Registration<'_> {
    Registration {
        name,
        labels: &["one", "two"],
        ephemeral: true,
    }
}

#[tokio::test]
async fn the_ledger_knows_every_request_and_no_token() {
    let ghes = start().await;
    let mut runner = Runner::register(&ghes, ENTERPRISE, ephemeral("r1")).await;
    runner.open_session().await;
    ghes.dispatch("dogecompany/quickstart", "quickstart.yml", json!({"ref": "main"}))
        .await;
    let job = runner.take_job().await;
    job.finish("succeeded", json!({})).await;
    let unknown = ghes
        .rest(Method::GET, "repos/dogecompany/quickstart/unheard-of")
        .await;
    let wrong_method = ghes.rest(Method::PATCH, "meta").await;

    let ledger = ghes.hand.ledger();
    let text = fs_err::read_to_string(ledger.file()).expect("the ledger's file exists");

    assert_eq!(
        ledger.requests_to(&format!("{RUNNERS}/registration-token")).len(),
        1
    );
    let identities: Vec<String> = ledger
        .recent()
        .into_iter()
        .map(|record| record.identity)
        .collect();
    for identity in [
        "user octocat",
        "runner r1",
        "job 1",
        "registration token of enterprises/dogecompany",
    ] {
        assert!(
            identities.iter().any(|one| one == identity),
            "{identity} must be among {identities:?}"
        );
    }
    assert_eq!(
        (unknown.status(), wrong_method.status()),
        (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND)
    );
    assert_eq!(json_of(unknown).await["message"], "Not Found");
    let unknown: Vec<String> = ledger
        .unknown_routes()
        .into_iter()
        .map(|record| record.path)
        .collect();
    assert_eq!(
        unknown,
        ["/api/v3/repos/dogecompany/quickstart/unheard-of", "/api/v3/meta"]
    );
    for token in [
        ghes.pat.as_str(),
        job.github_token(),
        &runner.management_token,
        "eyJ",
    ] {
        assert!(!text.contains(token), "the ledger's file must hold no token");
    }
    ghes.shutdown().await;
}

#[tokio::test]
async fn a_request_whose_client_left_is_in_the_ledger_too() {
    let ghes = start().await;
    let mut runner = Runner::register(&ghes, ENTERPRISE, ephemeral("r1")).await;
    runner.open_session().await;

    let left = runner
        .poll()
        .timeout(std::time::Duration::from_millis(300))
        .send()
        .await;

    assert!(
        left.is_err(),
        "the client must give up before the poll is answered"
    );
    let wait = async {
        let mut tick = tokio::time::interval(std::time::Duration::from_millis(20));
        while !ghes
            .hand
            .ledger()
            .recent()
            .iter()
            .any(|r| r.path.ends_with("/messages") && r.status.is_none())
        {
            tick.tick().await;
        }
    };
    tokio::time::timeout(support::DEADLINE, wait)
        .await
        .expect("the left poll is recorded without a status");
    ghes.shutdown().await;
}

#[tokio::test]
async fn faults_break_what_they_name_and_nothing_else() {
    let ghes = start().await;
    ghes.hand.fault(FaultRule {
        count: Some(1),
        ..rule(RUNNERS, FaultKind::Status(503))
    });

    let first = ghes.rest(Method::GET, LIST).await.status();
    let second = ghes.rest(Method::GET, LIST).await.status();
    ghes.hand.fault(rule("/api/v3/enterprises/*", FaultKind::Reset));
    let reset = ghes
        .request(Method::GET, &format!("/api/v3/{LIST}"))
        .bearer_auth(&ghes.pat)
        .send()
        .await;
    let other = ghes
        .rest(Method::GET, "orgs/dogecompany/actions/runners")
        .await
        .status();
    ghes.hand.clear_faults();
    let cleared = ghes.rest(Method::GET, LIST).await.status();

    assert_eq!((first, second), (StatusCode::SERVICE_UNAVAILABLE, StatusCode::OK));
    assert!(reset.is_err(), "the connection must be closed without an answer");
    assert_eq!((other, cleared), (StatusCode::OK, StatusCode::OK));
    assert_eq!(
        ghes.hand
            .ledger()
            .recent()
            .iter()
            .filter(|record| record.fault)
            .count(),
        2
    );
    ghes.shutdown().await;
}

#[tokio::test]
async fn a_hanging_request_goes_on_when_the_rule_is_removed() {
    let ghes = start().await;
    ghes.hand.fault(rule("/api/v3/meta", FaultKind::Hang));
    let request = ghes.request(Method::GET, "/api/v3/meta");
    let hanging = tokio::spawn(request.send());
    let short = ghes
        .request(Method::GET, "/api/v3/meta")
        .timeout(std::time::Duration::from_millis(300))
        .send()
        .await;

    ghes.hand.clear_faults();
    let answer = hanging
        .await
        .expect("the request does not panic")
        .expect("the server answers");

    assert!(short.expect_err("a hanging request is not answered").is_timeout());
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    ghes.shutdown().await;
}

async fn listed(ghes: &Ghes) -> Value {
    ghes.get(LIST).await
}

#[tokio::test]
async fn each_defect_breaks_its_promise() {
    let ghes = start().await;
    let mut runner = Runner::register(&ghes, ENTERPRISE, ephemeral("r1")).await;
    runner.open_session().await;

    ghes.hand.seed_defect(Defect::DropLabel).await;
    let labels = listed(&ghes).await["runners"][0]["labels"]
        .as_array()
        .map(Vec::len);
    ghes.hand.seed_defect(Defect::OfflineRunners).await;
    let status = listed(&ghes).await["runners"][0]["status"].clone();
    ghes.hand.seed_defect(Defect::NoDispatch).await;
    ghes.dispatch("dogecompany/quickstart", "quickstart.yml", json!({"ref": "main"}))
        .await;
    let short = runner
        .poll()
        .timeout(std::time::Duration::from_millis(300))
        .send()
        .await;
    ghes.hand.clear_defects().await;
    ghes.hand.seed_defect(Defect::KeepEphemeral).await;
    ghes.hand.seed_defect(Defect::DropOutputs).await;
    let job = runner.take_job().await;
    job.finish("succeeded", json!({"tag_date": {"value": "a-date"}}))
        .await;
    let kept = listed(&ghes).await["total_count"].clone();
    ghes.hand.seed_defect(Defect::StaleCheckout).await;
    let mut second = Runner::register(&ghes, ENTERPRISE, ephemeral("r2")).await;
    second.open_session().await;
    let second_job = second.take_job().await;
    let actions = json!({"actions": [{"nameWithOwner": "actions/checkout", "ref": "v3"}]});
    let info = second_job
        .call(Method::POST, "actiondownloadinfo")
        .json(&actions)
        .send()
        .await;
    let info = json_of(info.expect("the server answers")).await;
    let url = info["actions"]["actions/checkout@v3"]["tarballUrl"]
        .as_str()
        .expect("a URL")
        .to_owned();
    let archive = ghes
        .http
        .get(url)
        .send()
        .await
        .expect("the server answers")
        .bytes()
        .await
        .expect("an archive");
    let mut definition = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&archive[..]), &mut definition)
        .expect("a tar of text is text");

    assert_eq!(labels, Some(4), "three system labels and one of two custom ones");
    assert_eq!(status, "offline");
    assert!(short.expect_err("no job may come").is_timeout());
    assert_eq!(kept, 1, "the ephemeral runner must still be registered");
    assert!(
        !second_job.body["contextData"]["needs"]
            .to_string()
            .contains("a-date")
    );
    assert!(definition.contains("CHECKOUT_BACK: '1'"));
    ghes.shutdown().await;
}

#[tokio::test]
async fn a_revoked_token_is_bad_at_once() {
    let ghes = start().await;

    let was_in_force = ghes
        .hand
        .revoke(&support::secret(&ghes.pat))
        .await
        .expect("the server runs");

    assert!(was_in_force);
    assert_eq!(
        ghes.rest(Method::GET, LIST).await.status(),
        StatusCode::UNAUTHORIZED
    );
    ghes.shutdown().await;
}

#[tokio::test]
async fn the_same_over_http_with_its_own_token() {
    let ghes = start().await;
    let token = ghes.hand.admin_token().expose_secret().to_owned();
    let call = |method: Method, path: &str| {
        ghes.http
            .request(method, format!("{}/{path}", ghes.hand.admin_url()))
            .bearer_auth(&token)
    };
    let stranger = ghes
        .http
        .get(format!("{}/state", ghes.hand.admin_url()))
        .bearer_auth(&ghes.pat)
        .send()
        .await;

    let fault = json!({"target": "/api/v3/meta", "kind": {"status": 502}, "count": 1});
    let added = call(Method::POST, "faults")
        .json(&fault)
        .send()
        .await
        .expect("the server answers");
    let broken = ghes.rest(Method::GET, "meta").await.status();
    let defect = call(Method::POST, "defects")
        .json(&json!({"defect": "no-dispatch"}))
        .send()
        .await;
    let unheard = call(Method::POST, "defects")
        .json(&json!({"defect": "no-such"}))
        .send()
        .await;
    let state = json_of(
        call(Method::GET, "state")
            .send()
            .await
            .expect("the server answers"),
    )
    .await;
    let records = call(Method::GET, "ledger?route=/api/v3/meta")
        .send()
        .await
        .expect("the server answers");
    let cleared = call(Method::DELETE, "defects")
        .send()
        .await
        .expect("the server answers");

    assert_eq!(
        stranger.expect("the server answers").status(),
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        (added.status(), broken),
        (StatusCode::CREATED, StatusCode::BAD_GATEWAY)
    );
    assert_eq!(defect.expect("the server answers").status(), StatusCode::CREATED);
    assert_eq!(
        unheard.expect("the server answers").status(),
        StatusCode::UNPROCESSABLE_ENTITY
    );
    assert_eq!(state["defects"], json!(["no-dispatch"]));
    assert_eq!(json_of(records).await[0]["status"], 502);
    assert_eq!(cleared.status(), StatusCode::NO_CONTENT);
    ghes.shutdown().await;
}

#[tokio::test]
async fn a_staged_answer_is_given_until_it_is_taken_back_and_the_ledger_marks_it() {
    let ghes = start().await;
    let list = json!({"total_count": 1, "runners": [{"id": 1, "name": "nobody-s", "busy": true}]});
    ghes.hand.stage(&format!("/api/v3/{LIST}"), "", list.clone());

    let staged = json_of(ghes.rest(Method::GET, &format!("{LIST}?per_page=100")).await).await;
    ghes.hand.clear_stage();
    let own = json_of(ghes.rest(Method::GET, LIST).await).await;

    assert_eq!(staged, list);
    assert_eq!(own["total_count"], 0);
    let marked: Vec<bool> = ghes
        .hand
        .ledger()
        .recent()
        .iter()
        .map(|record| record.staged)
        .collect();
    assert_eq!(marked, [true, false]);
}
