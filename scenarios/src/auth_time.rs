//! Credentials that change or end with time: a token that is revoked while all is well, and a GitHub App's, which live for an hour.
//!
//! Source: ARC's documentation on authentication; GitHub's documentation on authenticating as a GitHub App and as an installation. Half an hour
//! passes on the clock of an ARC and a GHES of the scenario's own. Not covered: ARC's own token and App, which are in its environment: what
//! is in a Secret that an object names goes the same way.

use std::collections::BTreeSet;

use anyhow::Context as _;
use futures::FutureExt as _;
use harness::cluster::{Seen, eventually};
use harness::mock_ghes::Record;
use harness::model::{Capability, Check, Claim, OwnArc, Profile};
use harness::{APP, Context, INSTALLATION, Scenario, TEAMS, expect, expect_equal};
use jiff::SignedDuration;
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::credentials::{
    ENTERPRISE_SCOPE, autoscaler_with, await_registration, deployment_with, let_arc_read_secrets,
    registration_path, requests_below, secret, token, token_secret, told,
};
use crate::fleet::{self, name_of};
use crate::quickstart::follow;
use crate::scaling::{autoscale, autoscaler, await_failure};
use crate::trust;
use crate::visit::visit;

pub(crate) const TOKEN_REVOKED: Scenario = Scenario {
    check: || {
        Check {
        id: "auth::token-revoked".into(),
        claim: "after the token of a RunnerDeployment and its autoscaler is revoked the autoscaler has an event, the job in progress succeeds, and \
                its runner is even replaced, with the registration token that ARC holds; half an hour later a new Runner gets a Warning event and no \
                pod; with a new token in the Secret its pod comes, without a restart"
            .into(),
        grounds: "GitHub's documentation: a revoked token is answered 401; ARC's source: registration tokens are kept until half an hour before their end, \
                  a Secret is read anew at each use"
            .into(),
        not_covered: "ARC's own token, which needs another pod; a busy runner that must be removed meanwhile".into(),
        profile: Profile::Extended,
        needs: vec![Capability::RunPods, Capability::Ledger, Capability::ClockControl],
        claims: Claim::OwnArc(OwnArc::with_clock()),
        pains: vec![10, 20],
    }
    },
    run: |context| token_revoked(context).boxed(),
};

pub(crate) const GITHUB_APP: Scenario = Scenario {
    check: || {
        Check {
        id: "auth::app".into(),
        claim: "with a GitHub App ARC asks GHES itself, below /api/v3, for an installation access token, by a JWT that GHES can verify and that is valid \
                for at most ten minutes, does everything for the organization with that token, and has another one before its hour is over"
            .into(),
        grounds: "ARC's documentation on authentication with a GitHub App, on GHES; GitHub's documentation on JWTs of Apps: RS256, iss, iat, exp of \
                  at most ten minutes"
            .into(),
        not_covered: "an App in ARC's own environment; runners of an enterprise, which no App may manage; a repository's runners".into(),
        profile: Profile::Extended,
        needs: vec![Capability::RunPods, Capability::Ledger, Capability::ClockControl],
        claims: Claim::OwnArc(OwnArc::with_clock()),
        pains: vec![17],
    }
    },
    run: |context| github_app(context).boxed(),
};

/// From then on ARC asks for another registration token.
const HALF_AN_HOUR: SignedDuration = SignedDuration::from_mins(31);

/// The name of the objects and of the Secret.
const NAME: &str = "with-secret";
/// The RunnerDeployment that comes half an hour later.
const LATE: &str = "late";

async fn token_revoked(context: Context) -> anyhow::Result<()> {
    let [first, second, ..] = TEAMS;
    let clock = context.clock()?;
    let_arc_read_secrets(&context).await?;
    let token_one = token(&context, first, &[ENTERPRISE_SCOPE]).await?;
    token_secret(&context, NAME, &token_one).await?;
    let desk = context.desk().await?;
    let run = visit(&context, &context.tenant().repository(), &desk, &["1"]).await?;
    let deployment = deployment_with(context.runner_deployment()?, NAME, NAME);
    context.apply(&deployment).await?;
    let visits = desk.waiting(1, fleet::DEADLINE).await?;
    let busy: BTreeSet<String> = visits.into_iter().map(|visit| visit.runner).collect();
    let mut scaler = autoscaler_with(autoscaler(&context), NAME, NAME);
    scaler["spec"]["minReplicas"] = json!(1);
    scaler["spec"]["maxReplicas"] = json!(1);
    let trail = autoscale(&context, &scaler).await?;
    trail.reaches(1, fleet::DEADLINE).await?;

    let revoked_at = clock.now();
    context.hand().revoke(&token_one).await?;
    let message = await_failure(&context, &name_of(&scaler), "").await?;
    context.observe(format!("first, the autoscaler's event says {message:?}"));
    desk.let_all_go();
    follow(&context, run).await?;
    fleet::await_another(&context, &busy).await?;
    context.observe("the runner was replaced with the registration token that ARC held");

    clock.jump(revoked_at + HALF_AN_HOUR)?;
    // Without a node: runners are on the real clock, which GHES takes for a wrong one now.
    let late = deployment_with(context.runner_deployment()?, LATE, NAME);
    context.apply(&fleet::without_a_node(late)).await?;
    trust::await_event_of(&context, LATE).await?;
    expect_equal(
        "pods of the late RunnerDeployment",
        &0,
        &late_pods(&context).await?,
    )?;

    let token_two = token(&context, second, &[ENTERPRISE_SCOPE]).await?;
    token_secret(&context, NAME, &token_two).await?;
    let path = registration_path(&context.tenant().enterprise().to_string());
    await_registration(&context, &path, second).await?;
    eventually("a pod of the late RunnerDeployment", fleet::DEADLINE, || async {
        match late_pods(&context).await {
            Ok(0) => Seen::NotYet("none".to_owned()),
            Ok(_) => Seen::Yes(()),
            Err(error) => Seen::NotYet(format!("{error:#}")),
        }
    })
    .await?;
    Ok(())
}

/// How many pods the RunnerDeployment has that came half an hour after the rest.
async fn late_pods(context: &Context) -> anyhow::Result<usize> {
    let names = fleet::pod_names(context).await?;
    Ok(names.iter().filter(|name| name.starts_with(LATE)).count())
}

async fn github_app(context: Context) -> anyhow::Result<()> {
    let clock = context.clock()?;
    let organization = context.tenant().organization();
    let_arc_read_secrets(&context).await?;
    let key = context
        .hand()
        .app_key(APP)
        .context("GHES has no App for this check")?;
    let data = [
        ("github_app_id", APP.to_string()),
        ("github_app_installation_id", INSTALLATION.to_string()),
        ("github_app_private_key", key.expose_secret().to_owned()),
    ];
    secret(
        &context,
        NAME,
        &data.each_ref().map(|(name, value)| (*name, value.as_str())),
    )
    .await?;
    let guide = fixtures::for_scope(context.runner_deployment()?, &organization);
    let start = clock.now();
    context.apply(&deployment_with(guide, NAME, NAME)).await?;

    let trades = await_trades(&context, 1).await?;
    expect(
        format!("an access token of installation {INSTALLATION} for App {APP}, by its JWT"),
        trades
            .iter()
            .all(|record| record.identity == format!("app {APP}")),
        told(&trades),
    )?;
    fleet::await_online(&context, &organization, 1).await?;
    let mut scaler = autoscaler_with(autoscaler(&context), NAME, NAME);
    scaler["spec"]["minReplicas"] = json!(1);
    scaler["spec"]["maxReplicas"] = json!(1);
    let trail = autoscale(&context, &scaler).await?;
    trail.reaches(1, fleet::DEADLINE).await?;
    let name = name_of(&scaler);

    clock.jump(start + SignedDuration::from_mins(57))?;
    context.reconcile(&name).await?;
    expect_equal(
        "access tokens asked within 57 minutes",
        &1,
        &await_trades(&context, 1).await?.len(),
    )?;
    clock.jump(start + SignedDuration::from_mins(60))?;
    context.reconcile(&name).await?;
    expect_equal(
        "access tokens asked within an hour",
        &2,
        &await_trades(&context, 2).await?.len(),
    )?;

    let asked = requests_below(&context, &format!("/api/v3/{organization}"));
    let as_app = format!("app {APP} on {}", context.tenant().login());
    let proper =
        |record: &&Record| record.identity == as_app && record.status.is_some_and(|status| status < 400);
    let improper: Vec<Record> = asked.iter().filter(|record| !proper(record)).cloned().collect();
    expect(
        format!("ARC's requests for {organization} all as {as_app}, none refused"),
        improper.is_empty() && !asked.is_empty(),
        told(&improper),
    )?;
    Ok(())
}

/// The trades of a JWT for an access token, once there have been so many.
async fn await_trades(context: &Context, count: usize) -> anyhow::Result<Vec<Record>> {
    let path = format!("/api/v3/app/installations/{INSTALLATION}/access_tokens");
    let trades = eventually(
        &format!("{count} × POST {path}, answered 201"),
        fleet::DEADLINE,
        || async {
            let ledger = context.hand().ledger();
            let all = ledger.requests_to(&path);
            let got: Vec<Record> = all
                .iter()
                .filter(|record| record.status == Some(201))
                .cloned()
                .collect();
            if got.len() >= count {
                return Seen::Yes(got);
            }
            let other = ledger.requests_to("/api/v3/app/installations/{installation}/access_tokens");
            Seen::NotYet(format!("{}; {}", got.len(), told(&other)))
        },
    )
    .await?;
    Ok(trades)
}
