//! The client against our own server, over TLS with a CA of its own: both sides' idea of GHES's REST objects must agree.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use harness_ghes::{Ghes, NewHook, Repo, Scope, Status, Target};
use mock_ghes::{FaultKind, FaultRule, Hand, MockGhes, Server, TlsIdentity};
use url::Url;

async fn start() -> (Server, Hand, String) {
    let identity =
        TlsIdentity::for_local_server(IpAddr::V4(Ipv4Addr::LOCALHOST), &[]).expect("the names are valid");
    let ca = identity.ca_pem.clone();
    let (server, hand) = MockGhes::builder()
        .tls(Some(identity))
        .start()
        .await
        .expect("the server starts");
    (server, hand, ca)
}

fn target(hand: &Hand, ca_pem: Option<String>) -> Target {
    Target {
        url: Url::parse(&hand.url()).expect("the address is valid"),
        token: hand.pat(),
        ca_pem,
    }
}

/// The repository that every mock has.
fn quickstart() -> Repo {
    Repo {
        owner: "dogecompany".into(),
        name: "quickstart".into(),
    }
}

#[tokio::test]
async fn a_dispatched_run_and_its_jobs_are_read() {
    let (server, hand, ca) = start().await;
    let repo = quickstart();

    let ghes = Ghes::connect(target(&hand, Some(ca)))
        .await
        .expect("the CA is trusted");
    let id = ghes
        .dispatch(&repo, "quickstart.yml", "main", &[])
        .await
        .expect("the run shows");
    let run = ghes.run(&repo, id).await.expect("the run is there");
    let jobs = ghes.jobs(&repo, id).await.expect("its jobs are there");
    let head = ghes
        .branch_head(&repo, "main")
        .await
        .expect("the branch is there");
    let log = ghes.job_log(&repo, jobs[0].id).await.expect_err("no job has run");
    ghes.cancel(&repo, id)
        .await
        .expect("a queued run can be cancelled");

    assert_eq!(
        (ghes.version(), run.event.as_str(), run.status.as_str()),
        ("3.9.0", "workflow_dispatch", "queued")
    );
    assert_eq!(
        (jobs[0].name.as_str(), &jobs[0].status),
        ("Explore-GitHub-Actions", &Status::Queued)
    );
    assert_eq!(run.head_sha, head);
    assert_eq!(log.status().map(|status| status.as_u16()), Some(404));
    assert_eq!(hand.ledger().unknown_routes(), []);
    server.shutdown().await.expect("nothing broke");
}

#[tokio::test]
async fn two_dispatches_are_two_runs() {
    let (server, hand, ca) = start().await;
    let repo = quickstart();
    let ghes = Ghes::connect(target(&hand, Some(ca)))
        .await
        .expect("the CA is trusted");

    let (one, two) = tokio::join!(
        ghes.dispatch(&repo, "quickstart.yml", "main", &[]),
        ghes.dispatch(&repo, "quickstart.yml", "main", &[]),
    );

    assert_ne!(
        one.expect("the first run shows"),
        two.expect("the second run shows")
    );
    server.shutdown().await.expect("nothing broke");
}

#[tokio::test]
async fn runners_of_every_scope_can_be_listed() {
    let (server, hand, ca) = start().await;
    let ghes = Ghes::connect(target(&hand, Some(ca)))
        .await
        .expect("the CA is trusted");
    let repo = quickstart();
    let name = "dogecompany".to_owned();

    for scope in [
        Scope::Enterprise(name.clone()),
        Scope::Organization(name),
        Scope::from(&repo),
    ] {
        let runners = ghes.runners(&scope).await.expect("the scope exists");

        assert_eq!(runners, []);
    }
    server.shutdown().await.expect("nothing broke");
}

fn resets(target: &str, count: Option<u32>) -> FaultRule {
    FaultRule {
        target: target.to_owned(),
        method: None,
        kind: FaultKind::Reset,
        count,
        until: None,
    }
}

#[tokio::test]
async fn reading_survives_lost_connections() {
    let (server, hand, ca) = start().await;
    let ghes = Ghes::connect(target(&hand, Some(ca)))
        .await
        .expect("the CA is trusted");
    hand.fault(resets(
        "/api/v3/enterprises/{enterprise}/actions/runners",
        Some(2),
    ));

    let runners = ghes.runners(&Scope::Enterprise("dogecompany".into())).await;

    assert_eq!(runners.expect("the third try is answered"), []);
    let asked = hand
        .ledger()
        .recent()
        .iter()
        .filter(|record| record.path.ends_with("/actions/runners"))
        .count();
    assert_eq!(asked, 3);
    server.shutdown().await.expect("nothing broke");
}

#[tokio::test]
async fn a_dispatch_whose_connection_is_lost_is_sent_once() {
    let (server, hand, ca) = start().await;
    let ghes = Ghes::connect(target(&hand, Some(ca)))
        .await
        .expect("the CA is trusted");
    let ghes = ghes.with_run_deadline(Duration::from_millis(300));
    let repo = quickstart();
    hand.fault(resets("*/dispatches", None));

    let error = ghes
        .dispatch(&repo, "quickstart.yml", "main", &[])
        .await
        .expect_err("the connection is lost");

    assert_eq!((error.status(), error.attempts()), (None, 1));
    let sent = hand
        .ledger()
        .recent()
        .iter()
        .filter(|record| record.path.ends_with("/dispatches"))
        .count();
    assert_eq!(sent, 1, "{error}");
    server.shutdown().await.expect("nothing broke");
}

#[tokio::test]
async fn a_certificate_of_an_unknown_ca_is_refused_with_the_cure() {
    let (server, hand, _) = start().await;

    let error = Ghes::connect(target(&hand, None))
        .await
        .expect_err("the CA is not the system's");

    let text = error.to_string();
    assert!(
        text.contains("certificate") && text.contains("give the CA that signed"),
        "{text}"
    );
    assert_eq!((error.attempts(), hand.ledger().recent().len()), (1, 0));
    server.shutdown().await.expect("nothing broke");
}

#[tokio::test]
async fn a_webhook_is_made_for_an_organization_and_refused_for_an_enterprise() {
    let (server, hand, ca) = start().await;
    let ghes = Ghes::connect(target(&hand, Some(ca)))
        .await
        .expect("the CA is trusted");
    let hook = NewHook {
        url: "http://127.0.0.1:9/".into(),
        secret: "a-secret-for-webhooks".to_owned().into(),
        events: vec!["workflow_job".into()],
    };

    let made = ghes
        .create_hook(&Scope::Organization("dogecompany".into()), &hook)
        .await
        .expect("the token has the right");
    let refused = ghes
        .create_hook(&Scope::Enterprise("dogecompany".into()), &hook)
        .await
        .expect_err("REST has none there");

    let pinged = hand.deliveries().await.expect("the server runs");
    assert_eq!((pinged[0].hook, pinged[0].event.as_str()), (made, "ping"));
    assert!(refused.to_string().contains("404"), "{refused}");
    server.shutdown().await.expect("nothing broke");
}

#[tokio::test]
async fn a_run_that_has_ended_runs_again_and_one_that_has_not_does_not() {
    let (server, hand, ca) = start().await;
    let repo = quickstart();
    let ghes = Ghes::connect(target(&hand, Some(ca)))
        .await
        .expect("the CA is trusted");
    let id = ghes
        .dispatch(&repo, "quickstart.yml", "main", &[])
        .await
        .expect("the run shows");

    let early = ghes.rerun(&repo, id).await.expect_err("it is still queued");
    ghes.cancel(&repo, id)
        .await
        .expect("a queued run can be cancelled");
    ghes.rerun(&repo, id)
        .await
        .expect("a cancelled run can run again");

    let run = ghes.run(&repo, id).await.expect("the run is there");
    assert_eq!(early.status().map(|status| status.as_u16()), Some(403));
    assert_eq!(run.status, "queued");
    server.shutdown().await.expect("nothing broke");
}

#[tokio::test]
async fn a_runner_group_is_made_for_an_organization_and_refused_for_an_enterprise() {
    let (server, hand, ca) = start().await;
    let repo = quickstart();
    let ghes = Ghes::connect(target(&hand, Some(ca)))
        .await
        .expect("the CA is trusted");
    let (organization, enterprise) = (
        Scope::Organization("dogecompany".into()),
        Scope::Enterprise("dogecompany".into()),
    );

    let made = ghes
        .create_runner_group(&organization, "chosen", std::slice::from_ref(&repo))
        .await;
    let refused = ghes.create_runner_group(&enterprise, "chosen", &[repo]).await;

    assert_eq!(made.expect("an organization has groups"), 2);
    let refused = refused.expect_err("the mock serves none of an enterprise's own");
    assert_eq!(refused.status().map(|status| status.as_u16()), Some(404));
    server.shutdown().await.expect("nothing broke");
}
