//! AssumeRoleWithWebIdentity, one cause at a time: AWS's error code for the client, the reason for the ledger, and the defect without which the cause would go unseen.
//! The real client is in `aws_cli.rs`.

mod support;

use jsonwebtoken::Algorithm;
use mock_aws::{Defect, World};
use serde_json::json;
use support::{
    AUDIENCE, GUIDE_ISSUER, Issuer, Key, ROLE, STRANGE_ROLE, assume, element, last_reason, server, world,
};

/// One way in which asking goes wrong.
struct Cause {
    role: &'static str,
    token: String,
    code: &'static str,
    reason: &'static str,
    /// Leaves out the judgement that finds it.
    defect: Option<Defect>,
}

fn causes(issuer: &Issuer, other: &Issuer, stranger: &Key) -> Vec<Cause> {
    let cause = |token: String, code, reason, defect| Cause {
        role: ROLE,
        token,
        code,
        reason,
        defect,
    };
    let good = issuer.token(&json!({}));
    let mut forged = good.clone();
    let last = forged.rfind('.').expect("a token has dots") + 1;
    let changed = if forged[last..].starts_with('A') { "B" } else { "A" };
    forged.replace_range(last..=last, changed);
    vec![
        cause(
            issuer.token(&json!({"sub": "system:serviceaccount:default:default"})),
            "AccessDenied",
            "trust-condition",
            Some(Defect::NoTrustConditions),
        ),
        cause(
            issuer.token(&json!({"aud": ["vault"]})),
            "InvalidIdentityToken",
            "audience",
            Some(Defect::AnyAudience),
        ),
        cause(
            issuer.token(&json!({"exp": 1_600_000_000})),
            "ExpiredTokenException",
            "expired-token",
            Some(Defect::UntimelyTokens),
        ),
        cause(
            forged,
            "InvalidIdentityToken",
            "token-signature",
            Some(Defect::AnySignature),
        ),
        cause(
            stranger.sign(&issuer.claims()),
            "InvalidIdentityToken",
            "unknown-key",
            Some(Defect::AnySignature),
        ),
        Cause {
            role: STRANGE_ROLE,
            token: good.clone(),
            code: "AccessDenied",
            reason: "trusted-provider",
            defect: Some(Defect::AnyTrustedProvider),
        },
        cause(
            other.token(&json!({})),
            "InvalidIdentityToken",
            "unknown-issuer",
            Some(Defect::AnyIssuer),
        ),
        Cause {
            role: "arn:aws:iam::111122223333:role/nobody",
            token: good,
            code: "AccessDenied",
            reason: "unknown-role",
            defect: None,
        },
        cause(
            issuer.token(&json!({"nbf": 4_000_000_000_i64})),
            "InvalidIdentityToken",
            "early-token",
            Some(Defect::UntimelyTokens),
        ),
        cause("no.token".into(), "InvalidIdentityToken", "malformed-token", None),
        cause(String::new(), "ValidationError", "parameter", None),
    ]
}

/// The other issuer has the same authority's trust, or a defect could not show.
fn trusting(issuer: &Issuer, other: &Issuer) -> World {
    let mut world = world(issuer);
    for account in world.accounts.values_mut() {
        for provider in &mut account.providers {
            provider.ca_pem = Some(format!("{}{}", issuer.ca_pem, other.ca_pem));
        }
    }
    world
}

#[tokio::test]
async fn each_cause_is_refused_with_its_code_and_its_reason() {
    let issuer = Issuer::start(Algorithm::RS256).await;
    let other = Issuer::start(Algorithm::RS256).await;
    let stranger = Key::new(Algorithm::RS256, "second");
    let server = server(trusting(&issuer, &other), None).await;

    for cause in causes(&issuer, &other, &stranger) {
        let (status, answer) = assume(&server, cause.role, &cause.token, None).await;

        assert_eq!(element(&answer, "Code"), cause.code, "{}: {answer}", cause.reason);
        assert_eq!(last_reason(&server), cause.reason);
        assert_eq!(status, if cause.code == "AccessDenied" { 403 } else { 400 });
    }
}

#[tokio::test]
async fn each_refusal_is_missed_by_the_server_that_leaves_it_out() {
    let issuer = Issuer::start(Algorithm::RS256).await;
    let other = Issuer::start(Algorithm::RS256).await;
    let stranger = Key::new(Algorithm::RS256, "second");

    let causes = causes(&issuer, &other, &stranger);
    for seeded in causes.iter().filter_map(|cause| cause.defect) {
        let server = server(trusting(&issuer, &other), Some(seeded)).await;
        for cause in &causes {
            let (status, answer) = assume(&server, cause.role, &cause.token, None).await;

            let wanted = if cause.defect == Some(seeded) {
                (200, "")
            } else {
                (status.max(400), cause.reason)
            };
            assert_eq!(
                (status, last_reason(&server).as_str()),
                wanted,
                "{seeded}: {answer}"
            );
        }
    }
}

#[tokio::test]
async fn a_good_token_becomes_a_session() {
    for algorithm in [Algorithm::RS256, Algorithm::ES256] {
        let issuer = Issuer::start(algorithm).await;
        let server = server(world(&issuer), None).await;

        let (status, answer) = assume(&server, ROLE, &issuer.token(&json!({})), None).await;

        assert_eq!(status, 200, "{answer}");
        assert_eq!(
            element(&answer, "Arn"),
            "arn:aws:sts::111122223333:assumed-role/actions-runner-role/test"
        );
        assert_eq!(element(&answer, "Audience"), AUDIENCE);
        assert!(element(&answer, "AccessKeyId").starts_with("ASIA"));
    }
}

#[tokio::test]
async fn the_guides_trust_policy_is_met_as_it_is_published() {
    let (host, _) = GUIDE_ISSUER.split_once('/').expect("an issuer has a path");
    let issuer = Issuer::start_as(Some(host), Algorithm::RS256).await;
    let server = server(world(&issuer), None).await;

    let right = assume(&server, ROLE, &issuer.token(&json!({})), None).await;
    let wrong = issuer.token(&json!({"sub": "system:serviceaccount:actions-runner:default"}));
    let wrong = assume(&server, ROLE, &wrong, None).await;

    assert_eq!(right.0, 200, "{}", right.1);
    assert_eq!(element(&wrong.1, "Code"), "AccessDenied");
    assert_eq!(last_reason(&server), "trust-condition");
}

#[tokio::test]
async fn an_issuer_that_does_not_answer_is_told() {
    let issuer = Issuer::start(Algorithm::ES256).await;
    let token = issuer.token(&json!({}));
    let mut world = world(&issuer);
    for account in world.accounts.values_mut() {
        // Its certificate is trusted by nobody now.
        account.providers[0].ca_pem = Some(
            mock_aws::TlsIdentity::generate(&["other.test".to_owned()])
                .expect("the name is a DNS name")
                .ca_pem,
        );
    }
    let server = server(world, None).await;

    let (status, answer) = assume(&server, ROLE, &token, None).await;

    assert_eq!((status, element(&answer, "Code")), (400, "IDPCommunicationError"));
    assert_eq!(last_reason(&server), "issuer-unreachable");
}

#[tokio::test]
async fn the_ledger_has_no_token() {
    let dir = camino_tempfile::tempdir().expect("a temporary folder can be made");
    let file = dir.path().join("ledger.jsonl");
    let issuer = Issuer::start(Algorithm::ES256).await;
    let server = mock_aws::Builder::default()
        .world(world(&issuer))
        .ledger(Some(file.clone()));
    let server = server.start().await.expect("a port is free");

    let good = issuer.token(&json!({}));
    let wrong = issuer.token(&json!({"sub": "somebody"}));
    let (_, answer) = assume(&server, ROLE, &good, None).await;
    assume(&server, ROLE, &wrong, None).await;

    let written = fs_err::read_to_string(file).expect("the ledger is written");
    assert_eq!(written.lines().count(), 2);
    assert!(written.contains("\"reason\":\"trust-condition\""), "{written}");
    for secret in [
        good.as_str(),
        &wrong,
        element(&answer, "SecretAccessKey"),
        element(&answer, "SessionToken"),
    ] {
        assert!(!secret.is_empty());
        for part in secret.split('.') {
            assert!(!written.contains(part), "{written}");
        }
    }
}
