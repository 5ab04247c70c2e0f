//! With which credentials ARC asks GHES: its own, or those of a Secret that an object names.
//!
//! Source: ARC's documentation on authentication and on `githubAPICredentialsFrom`. Whose token a request carried is told by GHES's ledger.
//! Not covered: ARC's own token, which is in its environment, so that another one needs another pod; basic authentication.

use std::collections::BTreeSet;

use anyhow::Context as _;
use futures::FutureExt as _;
use harness::ghes::Scope;
use harness::mock_ghes::{FaultKind, FaultRule};
use harness::model::{Capability, Check, Claim, OwnArc, Profile};
use harness::{Context, Scenario, TEAMS, expect, expect_equal};
use serde_json::json;

use crate::credentials::{
    ENTERPRISE_SCOPE, ORGANIZATION_SCOPES, autoscaler_with, await_registration, deployment_with,
    registration_path, requests_below, token, token_secret, told,
};
use crate::fleet;
use crate::scaling::{autoscale, autoscaler};
use crate::trust;

pub(crate) const PER_OBJECT: Scenario = Scenario {
    check: || {
        Check {
        id: "auth::per-object".into(),
        claim: "two RunnerDeployments that name a Secret each are served with the token of their own Secret alone, the autoscaler of one too; \
                once a Secret holds another token, the next registration is asked with that, without a restart"
            .into(),
        grounds: "ARC's documentation on multitenancy: githubAPICredentialsFrom.secretRef of runners and autoscalers".into(),
        not_covered: "a GitHub App in the Secret; a Secret that is missing; RunnerSets".into(),
        profile: Profile::Extended,
        needs: vec![Capability::RunPods, Capability::Ledger],
        claims: Claim::SharedArc,
        pains: vec![20],
    }
    },
    run: |context| per_object(context).boxed(),
};

pub(crate) const MISSING_SCOPE: Scenario = Scenario {
    check: || {
        Check {
        id: "auth::missing-scope".into(),
        claim: "with a token that lacks the right for the enterprise its runners are refused with 403 and get a Warning event and no pod; \
                with the same token an organization's runner comes online"
            .into(),
        grounds: "ARC's documentation: runners of an enterprise need a token with manage_runners:enterprise; event FailedUpdateRegistrationToken"
            .into(),
        not_covered: "that the event tells the reason: it does not, only ARC's log does; fine-grained tokens".into(),
        profile: Profile::Core,
        needs: vec![Capability::RunPods, Capability::Ledger],
        claims: Claim::SharedArc,
        pains: vec![20],
    }
    },
    run: |context| missing_scope(context).boxed(),
};

pub(crate) const TOO_OLD: Scenario = Scenario {
    check: || {
        Check {
        id: "github::too-old".into(),
        claim: "a GHES that knows no runners of enterprises, as an old one, gets a Warning event on the Runner and no pod; an organization's runner \
                comes online there, and the enterprise's by itself once GHES knows them"
            .into(),
        grounds: "ARC's documentation: runners of an enterprise need a GHES that has them; GHES answers 404 to what it does not know; \
                  actions/actions-runner-controller issue 831"
            .into(),
        not_covered: "that the event tells the reason: it does not; a runner that is too new for its GHES".into(),
        profile: Profile::Extended,
        needs: vec![Capability::RunPods, Capability::Ledger, Capability::ForceFault],
        // Other checks end faults of the common GHES.
        claims: Claim::OwnArc(OwnArc::default()),
        pains: vec![19],
    }
    },
    run: |context| too_old(context).boxed(),
};

async fn too_old(context: Context) -> anyhow::Result<()> {
    let (enterprise, organization) = (context.tenant().enterprise(), context.tenant().organization());
    let unknown = format!("/api/v3/{enterprise}/actions/*");
    let kind = FaultKind::Status(404);
    for method in ["GET", "POST"] {
        context
            .hand()
            .fault(FaultRule::standing(method, unknown.clone(), kind));
    }
    let guide = context.runner_deployment()?;
    context.apply(&guide).await?;
    trust::await_event(&context).await?;
    let pods = fleet::pod_names(&context).await?;
    expect_equal("pods of the enterprise", &0, &pods.len())?;

    let mut of_organization = fixtures::for_scope(guide, &organization);
    of_organization["metadata"]["name"] = json!("organization");
    context.apply(&of_organization).await?;
    fleet::await_online(&context, &organization, 1).await?;

    let cleared = context.hand().clear_fault(&unknown).await;
    cleared.context("bring GHES up to date")?;
    fleet::await_online(&context, &enterprise, 1).await
}

async fn per_object(context: Context) -> anyhow::Result<()> {
    let [first, second, third, _] = TEAMS;
    let (organization, repository) = (context.tenant().organization(), context.tenant().repository());
    for (secret, user) in [("first", first), ("second", second)] {
        let token = token(&context, user, &ORGANIZATION_SCOPES).await?;
        token_secret(&context, secret, &token).await?;
    }
    let guide = context.runner_deployment()?;
    let of_organization = fixtures::for_scope(guide.clone(), &organization);
    let of_repository = fixtures::for_scope(guide, &Scope::from(&repository));
    context
        .apply(&deployment_with(of_repository, "second", "second"))
        .await?;
    context
        .apply(&deployment_with(of_organization, "first", "first"))
        .await?;
    let mut scaler = autoscaler_with(autoscaler(&context), "first", "first");
    scaler["spec"]["minReplicas"] = json!(1);
    let trail = autoscale(&context, &scaler).await?;

    trail.reaches(1, fleet::DEADLINE).await?;
    let registrations = [
        registration_path(&organization.to_string()),
        registration_path(&format!("repos/{repository}")),
    ];
    await_registration(&context, &registrations[0], first).await?;
    await_registration(&context, &registrations[1], second).await?;
    fleet::await_online(&context, &organization, 1).await?;
    fleet::await_online(&context, &Scope::from(&repository), 1).await?;
    asked_as(&context, &organization.to_string(), &[first])?;
    asked_as(&context, &format!("repos/{repository}"), &[second])?;

    let token = token(&context, third, &ORGANIZATION_SCOPES).await?;
    token_secret(&context, "first", &token).await?;
    scaler["spec"]["minReplicas"] = json!(2);
    context.apply(&scaler).await?;
    await_registration(&context, &registrations[0], third).await?;
    fleet::await_online(&context, &organization, 2).await?;
    asked_as(&context, &organization.to_string(), &[first, third])?;
    asked_as(&context, &format!("repos/{repository}"), &[second])
}

/// ARC's requests about a scope all came from these users.
fn asked_as(context: &Context, scope: &str, users: &[&str]) -> anyhow::Result<()> {
    let records = requests_below(context, &format!("/api/v3/{scope}"));
    let expected: BTreeSet<String> = users.iter().map(|user| format!("user {user}")).collect();
    let seen: BTreeSet<String> = records.into_iter().map(|record| record.identity).collect();
    expect_equal(
        &format!("who ARC was in its requests for {scope}"),
        &expected,
        &seen,
    )?;
    Ok(())
}

async fn missing_scope(context: Context) -> anyhow::Result<()> {
    let [user, ..] = TEAMS;
    let (enterprise, organization) = (context.tenant().enterprise(), context.tenant().organization());
    let token = token(&context, user, &ORGANIZATION_SCOPES).await?;
    token_secret(&context, "narrow", &token).await?;
    let guide = context.runner_deployment()?;
    context
        .apply(&deployment_with(guide.clone(), "enterprise", "narrow"))
        .await?;

    let message = trust::await_event(&context).await?;
    context.observe(format!(
        "the event says {message:?}: not that {ENTERPRISE_SCOPE} is missing"
    ));
    let path = registration_path(&enterprise.to_string());
    let posts = requests_below(&context, &path);
    let refused = posts
        .iter()
        .all(|record| record.status == Some(403) && record.identity == format!("user {user}"));
    expect(
        format!("POST {path} as user {user}, answered 403"),
        refused && !posts.is_empty(),
        told(&posts),
    )?;
    let pods = fleet::pod_names(&context).await?;
    expect_equal("pods of the enterprise", &0, &pods.len())?;

    let of_organization = fixtures::for_scope(guide, &organization);
    context
        .apply(&deployment_with(of_organization, "organization", "narrow"))
        .await?;
    fleet::await_online(&context, &organization, 1).await
}
