//! How often ARC asks GHES for registration tokens: rarely, and in time before one is over.
//!
//! Source: ARC's source keeps a scope's token until half an hour before its end, as the result of
//! <https://github.com/actions/actions-runner-controller/issues/1295>. No runner runs here: the token of each stands in its pod. Not covered:
//! a pod that waits for a node until its token is over.

use std::collections::BTreeSet;
use std::time::Instant;

use futures::FutureExt as _;
use harness::cluster::{Seen, eventually};
use harness::model::{Capability, Check, Claim, OwnArc, Profile};
use harness::{Context, Scenario, expect, expect_equal};
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;
use serde_json::{Value, json};

use crate::credentials::{registration_path, requests_below};
use crate::fleet;
use crate::pod_shape::{TOKEN, await_pod, variable};

pub(crate) const REUSE: Scenario = Scenario {
    check: || Check {
        id: "registration::token-reuse".into(),
        claim:
            "20 runners of one scope come with at most two registration tokens, and each pod has one of them"
                .into(),
        grounds: "ARC's source: a registration token is kept for its scope until half an hour before its end"
            .into(),
        not_covered:
            "runners of several scopes, which have a token each; a restart, after which ARC asks anew".into(),
        profile: Profile::Core,
        needs: vec![Capability::Ledger],
        claims: Claim::SharedArc,
        pains: vec![10, 25],
    },
    run: |context| reuse(context).boxed(),
};

pub(crate) const NEAR_EXPIRY: Scenario = Scenario {
    check: || {
        Check {
        id: "registration::token-near-expiry".into(),
        claim: "a runner that comes when the registration token lives for 31 more minutes gets that token, one that comes when it lives for 29 \
                gets a new one"
            .into(),
        grounds: "ARC's source and actions/actions-runner-controller issue 1295: a token is renewed half an hour before its end, so that no pod \
                  starts with one that is over"
            .into(),
        not_covered: "a pod that waits for longer than half an hour".into(),
        profile: Profile::Extended,
        needs: vec![Capability::Ledger, Capability::ClockControl],
        claims: Claim::OwnArc(OwnArc::with_clock()),
        pains: vec![10],
    }
    },
    run: |context| near_expiry(context).boxed(),
};

pub(crate) const CLOCK_SKEW: Scenario = Scenario {
    check: || {
        Check {
        id: "registration::clock-skew".into(),
        claim: "with a clock of GHES that is 55 minutes behind ARC's each runner gets a registration token of its own; with one that is an hour \
                behind, so that tokens are over when they come, ARC makes no pod and asks on; once the clocks agree the pod comes by itself"
            .into(),
        grounds: "GitHub's documentation: registration tokens expire after an hour; ARC's source: a token is kept until half an hour before its \
                  end, and no pod is made with one that is over"
            .into(),
        not_covered: "how often ARC asks, which the report tells: it does not wait in between; a GHES that is ahead".into(),
        profile: Profile::Extended,
        needs: vec![Capability::Ledger, Capability::ClockControl],
        claims: Claim::OwnArc(OwnArc::with_clock()),
        pains: vec![10],
    }
    },
    run: |context| clock_skew(context).boxed(),
};

const MANY: usize = 20;
/// One more than needed: what ARC has kept may just be near its end.
const FEW: usize = 2;
/// GHES's registration tokens live for an hour.
const LIFETIME: SignedDuration = SignedDuration::from_hours(1);

async fn reuse(context: Context) -> anyhow::Result<()> {
    let mut deployment = fleet::without_a_node(context.runner_deployment()?);
    deployment["spec"]["replicas"] = json!(MANY);
    context.apply(&deployment).await?;

    let tokens = await_tokens(&context, MANY).await?;
    let asked = asked(&context);
    expect(
        format!("registration tokens asked for {MANY} runners ≤ {FEW}"),
        (1..=FEW).contains(&asked),
        asked,
    )?;
    let distinct: BTreeSet<&String> = tokens.iter().collect();
    expect_equal("tokens in pods", &asked, &distinct.len())?;
    context.observe(format!("{MANY} runners, registration tokens asked: {asked}"));
    Ok(())
}

async fn near_expiry(context: Context) -> anyhow::Result<()> {
    let clock = context.clock()?;
    let start = clock.now();
    // A RunnerDeployment each time: a larger one might have had a runner too many before.
    let first = token_for(&context, "first").await?;

    clock.jump(start + LIFETIME - SignedDuration::from_mins(31))?;
    let kept = token_for(&context, "second").await?;
    expect_equal(
        "registration tokens asked while the first lives for 31 minutes",
        &1,
        &asked(&context),
    )?;
    expect("the same token in both pods", kept == first, "another")?;

    clock.jump(start + LIFETIME - SignedDuration::from_mins(29))?;
    let renewed = token_for(&context, "third").await?;
    expect_equal(
        "registration tokens asked when the first lives for 29 minutes",
        &2,
        &asked(&context),
    )?;
    expect("another token in the third pod", renewed != first, "the same")?;
    Ok(())
}

/// So many tokens that are over show that ARC makes no pod of them.
const OVER: usize = 5;

async fn clock_skew(context: Context) -> anyhow::Result<()> {
    let clock = context.clock()?;
    clock.set_ghes_apart(-SignedDuration::from_mins(55))?;
    let first = token_for(&context, "first").await?;
    let second = token_for(&context, "second").await?;
    expect(
        "another token in each pod while tokens live for 5 minutes",
        first != second,
        "the same",
    )?;
    let known = fleet::pod_names(&context).await?;

    clock.set_ghes_apart(-LIFETIME - SignedDuration::from_mins(1))?;
    let (before, began) = (asked(&context), Instant::now());
    context.apply(&deployment(&context, "third")?).await?;
    let awaited = format!("{OVER} registration tokens that are over when they come");
    let given = eventually(&awaited, fleet::DEADLINE, || async {
        match asked(&context) - before {
            given if given >= OVER => Seen::Yes(given),
            given => Seen::NotYet(given.to_string()),
        }
    })
    .await?;
    let each = began.elapsed().as_secs_f64() / given as f64;
    context.measure("between two questions for a token", each, "s");
    let now = fleet::pod_names(&context).await?;
    expect_equal("pods while tokens are over when they come", &known, &now)?;

    clock.set_ghes_apart(SignedDuration::ZERO)?;
    await_pod(&context, "third").await?;
    Ok(())
}

/// Applies a RunnerDeployment of this name; gives the token that its pod has.
async fn token_for(context: &Context, name: &str) -> anyhow::Result<String> {
    context.apply(&deployment(context, name)?).await?;
    let pod = await_pod(context, name).await?;
    let token = variable(&pod, TOKEN).unwrap_or_default();
    expect(
        format!("a registration token in the pod of {name}"),
        !token.is_empty(),
        "none",
    )?;
    Ok(token.to_owned())
}

fn deployment(context: &Context, name: &str) -> anyhow::Result<Value> {
    let mut deployment = fleet::without_a_node(context.runner_deployment()?);
    deployment["metadata"]["name"] = json!(name);
    Ok(deployment)
}

/// How often ARC has got a token for the scenario's enterprise.
fn asked(context: &Context) -> usize {
    let path = registration_path(&context.tenant().enterprise().to_string());
    requests_below(context, &path)
        .iter()
        .filter(|record| record.status == Some(201))
        .count()
}

/// The tokens in the scenario's pods, once there are so many pods. ARC may make one too many for a moment.
async fn await_tokens(context: &Context, count: usize) -> anyhow::Result<Vec<String>> {
    let pods: Api<Pod> = Api::namespaced(context.client().clone(), context.namespace());
    let tokens = eventually(
        &format!("{count} pods with a registration token"),
        fleet::DEADLINE,
        || async {
            match pods.list(&ListParams::default()).await {
                Ok(list) => {
                    let tokens = list.items.iter().filter_map(|pod| variable(pod, TOKEN));
                    let tokens: Vec<String> = tokens.map(str::to_owned).collect();
                    if tokens.len() >= count {
                        Seen::Yes(tokens)
                    } else {
                        Seen::NotYet(tokens.len().to_string())
                    }
                }
                Err(error) => Seen::NotYet(error.to_string()),
            }
        },
    )
    .await?;
    Ok(tokens)
}
