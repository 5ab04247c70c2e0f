//! How ARC asks GHES: at which address, how many pages, how often, and what it does when it may ask no more.
//!
//! Source: GitHub's documentation on pagination, on conditional requests and on rate limits; ARC's documentation on GHES. Not covered:
//! secondary rate limits; lists of workflow runs.

use anyhow::Context as _;
use futures::FutureExt as _;
use harness::cluster::{Seen, eventually};
use harness::mock_ghes::{self, Record};
use harness::model::{Capability, Check, Claim, OwnArc, Profile};
use harness::{Context, Scenario, TEAMS, expect, expect_equal};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::credentials::{
    ENTERPRISE_SCOPE, await_registration, deployment_with, registration_path, requests_below, secret, token,
    told,
};
use crate::fleet::{self, name_of};
use crate::pod_shape::variable;
use crate::quickstart::follow;
use crate::scaling::{autoscale, autoscaler, await_failure};
use crate::visit::visit;

pub(crate) const BASE_URL: Scenario = Scenario {
    check: || {
        Check {
        id: "github::base-url".into(),
        claim: "with the address of GHES spelled with or without a slash at its end, and with or without /api/v3, ARC asks below /api/v3/ alone, and \
                runners get the address without it, with a slash at its end"
            .into(),
        grounds: "ARC's documentation on GHES: GITHUB_ENTERPRISE_URL; the runner's GITHUB_URL is the address that users know".into(),
        not_covered: "an address with a path; the spelling in ARC's own environment, which goes the same way; the runner's own spelling of its calls"
            .into(),
        profile: Profile::Core,
        needs: vec![Capability::Ledger],
        claims: Claim::SharedArc,
        pains: vec![19],
    }
    },
    run: |context| base_url(context).boxed(),
};

pub(crate) const PAGING: Scenario = Scenario {
    check: || {
        Check {
        id: "github::paging".into(),
        claim: "with 250 lost runners in GHES the one that works is on the third page of the list, and the autoscaler counts it as busy".into(),
        grounds: "GitHub's documentation on pagination: the Link header names the next page; the guide: PercentageRunnersBusy".into(),
        not_covered: "that ARC removes lost runners: it does not; lists of other things".into(),
        profile: Profile::Extended,
        needs: vec![Capability::RunPods, Capability::Ledger],
        claims: Claim::SharedArc,
        pains: vec![11],
    }
    },
    run: |context| paging(context).boxed(),
};

pub(crate) const LIST_CACHE: Scenario = Scenario {
    check: || {
        Check {
        id: "github::list-cache".into(),
        claim: "while GHES's list of runners may be kept for 60 s ARC does not ask for it again and sees no runner that has become busy; 61 s later it \
                asks, and the autoscaler follows"
            .into(),
        grounds: "GitHub's documentation: Cache-Control of a list is `private, max-age=60`; ARC keeps answers as HTTP says".into(),
        not_covered: "lists of workflow runs; an answer 304, whose new age ARC does not heed: it then asks at each reconcile until there is news".into(),
        profile: Profile::Extended,
        needs: vec![Capability::RunPods, Capability::Ledger, Capability::ClockControl],
        claims: Claim::OwnArc(OwnArc::with_clock()),
        pains: vec![2, 25],
    }
    },
    run: |context| list_cache(context).boxed(),
};

pub(crate) const RATE_LIMIT: Scenario = Scenario {
    check: || {
        Check {
        id: "github::rate-limit".into(),
        claim: "ARC's metrics show the rate limit and what is left as GHES tells it; once nothing is left ARC asks no more until the limit's reset, and \
                its autoscaler has an event; afterwards it goes on by itself"
            .into(),
        grounds: "ARC's documentation: metrics github_rate_limit and github_rate_limit_remaining; GitHub's documentation on rate limits: ask no more \
                  before x-ratelimit-reset"
            .into(),
        not_covered: "secondary rate limits; a GitHub App's limit".into(),
        profile: Profile::Extended,
        needs: vec![Capability::Ledger, Capability::ClockControl],
        claims: Claim::OwnArc(OwnArc::with_clock()),
        pains: vec![11, 25],
    }
    },
    run: |context| rate_limit(context).boxed(),
};

const LOST: usize = 250;
/// On which page the runner stands that registered after these.
const PAGES: usize = 3;
/// Seconds, as on a real GHES.
const MAX_AGE: u64 = 60;
const LIMIT: u64 = 40;
/// A rate limit's hour, and a minute.
const AFTER_RESET: SignedDuration = SignedDuration::from_mins(61);

async fn base_url(context: Context) -> anyhow::Result<()> {
    let api = context.ghes().api().as_str().trim_end_matches('/');
    let known = api
        .strip_suffix("api/v3")
        .context("the address of the REST API")?;
    let bare = known.trim_end_matches('/');
    let spellings = [
        bare.to_owned(),
        known.to_owned(),
        format!("{known}api/v3"),
        format!("{known}api/v3/"),
    ];
    for (number, (spelling, user)) in (1..).zip(spellings.iter().zip(TEAMS)) {
        let name = format!("spelling-{number}");
        let token = token(&context, user, &[ENTERPRISE_SCOPE]).await?;
        let data = [
            ("github_token", token.expose_secret()),
            ("github_enterprise_url", spelling),
        ];
        secret(&context, &name, &data).await?;
        let deployment = deployment_with(context.runner_deployment()?, &name, &name);
        context.apply(&fleet::without_a_node(deployment)).await?;
    }

    let path = registration_path(&context.tenant().enterprise().to_string());
    for user in TEAMS {
        await_registration(&context, &path, user).await?;
    }
    let told = await_addresses(&context, spellings.len()).await?;
    expect_equal(
        "GITHUB_URL of the runners",
        &vec![known.to_owned(); spellings.len()],
        &told,
    )?;
    Ok(())
}

/// GITHUB_URL of the scenario's pods, once there are so many.
async fn await_addresses(context: &Context, count: usize) -> anyhow::Result<Vec<String>> {
    let pods: Api<Pod> = Api::namespaced(context.client().clone(), context.namespace());
    let addresses = eventually(&format!("{count} pods"), fleet::DEADLINE, || async {
        match pods.list(&ListParams::default()).await {
            Ok(list) if list.items.len() == count => {
                let addresses = list.items.iter().filter_map(|pod| variable(pod, "GITHUB_URL"));
                Seen::Yes(addresses.map(str::to_owned).collect())
            }
            Ok(list) => Seen::NotYet(list.items.len().to_string()),
            Err(error) => Seen::NotYet(error.to_string()),
        }
    })
    .await?;
    Ok(addresses)
}

async fn paging(context: Context) -> anyhow::Result<()> {
    let scope = mock_ghes::Scope::Enterprise(context.tenant().name.clone());
    let names = (1..=LOST).map(|number| format!("lost-{number}")).collect();
    let added = context.hand().add_lost_runners(scope, names).await?;
    expect_equal("lost runners in GHES", &LOST, &added)?;
    let desk = context.desk().await?;
    let run = visit(&context, &context.tenant().repository(), &desk, &["1"]).await?;
    context.apply(&context.runner_deployment()?).await?;
    desk.waiting(1, fleet::DEADLINE).await?;

    let mut scaler = autoscaler(&context);
    scaler["spec"]["minReplicas"] = json!(1);
    scaler["spec"]["maxReplicas"] = json!(2);
    let trail = autoscale(&context, &scaler).await?;
    trail.reaches(2, fleet::DEADLINE).await?;

    let lists = lists(&context);
    let page = |number: usize| {
        let wanted = format!("page={number}");
        lists.iter().any(|record| {
            let query = record.query.as_deref().unwrap_or_default();
            query.split('&').any(|part| part == wanted)
        })
    };
    expect(
        format!("requests for pages 2 to {PAGES} of the list of runners"),
        (2..=PAGES).all(page),
        format!(
            "{:?}",
            lists.iter().map(|record| &record.query).collect::<Vec<_>>()
        ),
    )?;
    desk.let_all_go();
    follow(&context, run).await?;
    Ok(())
}

/// ARC's requests for the list of the scenario's runners.
fn lists(context: &Context) -> Vec<Record> {
    let path = format!("/api/v3/{}/actions/runners", context.tenant().enterprise());
    let mut records = requests_below(context, &path);
    records.retain(|record| record.method == "GET" && record.path == path);
    records
}

async fn list_cache(context: Context) -> anyhow::Result<()> {
    let clock = context.clock()?;
    let age = SignedDuration::from_secs(i64::try_from(MAX_AGE)? + 1);
    context.hand().set_list_max_age(MAX_AGE);
    context.apply(&context.runner_deployment()?).await?;
    fleet::await_idle(&context, 1).await?;
    let mut scaler = autoscaler(&context);
    scaler["spec"]["minReplicas"] = json!(1);
    let trail = autoscale(&context, &scaler).await?;
    trail.reaches(1, fleet::DEADLINE).await?;
    let name = name_of(&scaler);

    // With news in it, so that ARC keeps the next answer: one that only says that nothing is new it does not keep for longer.
    let scope = mock_ghes::Scope::Enterprise(context.tenant().name.clone());
    context
        .hand()
        .add_lost_runners(scope, vec!["lost".to_owned()])
        .await?;
    clock.jump(clock.now() + age)?;
    context.reconcile(&name).await?;
    let kept = clock.now();
    let desk = context.desk().await?;
    let run = visit(&context, &context.tenant().repository(), &desk, &["1"]).await?;
    desk.waiting(1, fleet::DEADLINE).await?;
    context.reconcile(&name).await?;
    let asked = lists_since(&context, kept);
    expect(
        format!("ARC's requests for the list of runners within {MAX_AGE} s = 0"),
        asked.is_empty(),
        format!("{}: {}", asked.len(), told(&asked)),
    )?;
    expect_equal("DESIRED while ARC keeps the list", &vec![1], &trail.values())?;

    clock.jump(kept + age)?;
    context.reconcile(&name).await?;
    trail.reaches(2, fleet::DEADLINE).await?;
    let asked = lists_since(&context, kept + age);
    expect(
        format!("ARC's requests for the list of runners {age:#} later ≥ 1"),
        !asked.is_empty(),
        asked.len(),
    )?;
    desk.let_all_go();
    follow(&context, run).await?;
    Ok(())
}

fn lists_since(context: &Context, since: Timestamp) -> Vec<Record> {
    let mut records = lists(context);
    records.retain(|record| record.at > since);
    records
}

async fn rate_limit(context: Context) -> anyhow::Result<()> {
    let clock = context.clock()?;
    context.hand().limit_rate(Some(LIMIT)).await?;
    let limited = clock.now();
    context
        .apply(&fleet::without_a_node(context.runner_deployment()?))
        .await?;
    let mut scaler = autoscaler(&context);
    scaler["spec"]["minReplicas"] = json!(1);
    let trail = autoscale(&context, &scaler).await?;
    trail.reaches(1, fleet::DEADLINE).await?;
    let name = name_of(&scaler);
    await_rate(&context, LIMIT).await?;

    // Somebody else uses the rest of the same token.
    for _ in 0..LIMIT {
        // How the last of these is answered is for the limit to say.
        let _refused = context.ghes().runners(&context.tenant().enterprise()).await;
    }
    let left = context.hand().rate_of(ADMINISTRATOR).await?;
    expect_equal("limit and requests left", &Some((LIMIT, 0)), &left)?;
    context.reconcile(&name).await?;
    await_failure(&context, &name, "").await?;
    let before = lists(&context).len();
    context.reconcile(&name).await?;
    context.reconcile(&name).await?;
    let since = lists(&context).split_off(before);
    expect(
        "ARC's requests once nothing is left = 0",
        since.is_empty(),
        format!("{}: {}", since.len(), told(&since)),
    )?;
    expect_equal("DESIRED while ARC may not ask", &vec![1], &trail.values())?;

    clock.jump(limited + AFTER_RESET)?;
    context.reconcile(&name).await?;
    let since = lists(&context).split_off(before);
    expect(
        "ARC's requests after the reset, answered",
        since
            .iter()
            .any(|record| matches!(record.status, Some(200 | 304))),
        told(&since),
    )?;
    await_rate(&context, LIMIT).await
}

/// Whose token ARC has.
const ADMINISTRATOR: &str = "arc-admin";

/// Waits until ARC's metrics show this limit, and as many requests left as GHES counts.
async fn await_rate(context: &Context, limit: u64) -> anyhow::Result<()> {
    eventually(
        &format!("github_rate_limit = {limit}, and github_rate_limit_remaining as GHES counts"),
        fleet::DEADLINE,
        || async {
            let left = match context.hand().rate_of(ADMINISTRATOR).await {
                Ok(left) => left,
                Err(error) => return Seen::NotYet(error.to_string()),
            };
            let samples = match context.arc_metrics(0).await {
                Ok(samples) => samples,
                Err(error) => return Seen::NotYet(error.to_string()),
            };
            let value = |name: &str| {
                let sample = samples.iter().find(|sample| sample.name == name);
                sample.map(|sample| sample.value.to_string()).unwrap_or_default()
            };
            let seen = [value("github_rate_limit"), value("github_rate_limit_remaining")];
            let counted = left.map(|(limit, left)| [limit.to_string(), left.to_string()]);
            if counted.as_ref() == Some(&seen) && seen[0] == limit.to_string() {
                Seen::Yes(())
            } else {
                Seen::NotYet(format!(
                    "github_rate_limit = {}, github_rate_limit_remaining = {}; GHES counts {left:?}",
                    seen[0], seen[1]
                ))
            }
        },
    )
    .await?;
    Ok(())
}
