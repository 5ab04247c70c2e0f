//! A runner that ARC made registers itself.
//!
//! Source: the guide's section on installing the runner: events, status, the list in GHES; its three scopes. Which jobs a runner of
//! each scope takes, `reach` tries. Not covered: runner groups.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::FutureExt as _;
use harness::arc::resources;
use harness::cluster::{Seen, eventually};
use harness::ghes::{Repo, RunId, Scope};
use harness::model::{Capability, Check, Claim, Profile};
use harness::{Context, Desk, Scenario, expect, expect_equal};
use kube::api::ListParams;
use serde_json::json;

use crate::fleet;
use crate::quickstart::follow_in;
use crate::table;
use crate::visit::visit;

pub(crate) const ENTERPRISE: Scenario = Scenario {
    check: || {
        Check {
        id: "registration::enterprise".into(),
        claim: "a RunnerDeployment for an enterprise gives a Running runner, with both events, online in GHES with its labels; it serves two \
                organizations of the enterprise and none outside"
            .into(),
        grounds: "the guide: `kubectl get runner`, `kubectl describe runner` and the list of runners in GHES; its three scopes".into(),
        not_covered: "runner groups".into(),
        profile: Profile::Core,
        needs: vec![Capability::RunPods],
        claims: Claim::SharedArc,
        pains: vec![10, 20],
    }
    },
    run: |context| enterprise(context).boxed(),
};

pub(crate) const ORGANIZATION: Scenario = Scenario {
    check: || {
        Check {
        id: "registration::organization".into(),
        claim: "the same for an organization; its runner serves two repositories of it and leaves another organization's job queued".into(),
        grounds: "the guide: `3 valid runner scope options`; GitHub's documentation: organization-level runners".into(),
        not_covered: "runner groups".into(),
        profile: Profile::Core,
        needs: vec![Capability::RunPods],
        claims: Claim::SharedArc,
        pains: vec![10, 20],
    }
    },
    run: |context| organization(context).boxed(),
};

pub(crate) const REPOSITORY: Scenario = Scenario {
    check: || {
        Check {
        id: "registration::repository".into(),
        claim: "the same for a repository; its runner leaves another repository's job queued until that has a runner of its own".into(),
        grounds: "the guide: `3 valid runner scope options`; GitHub's documentation: repository-level runners".into(),
        not_covered: "repositories of users".into(),
        profile: Profile::Core,
        needs: vec![Capability::RunPods],
        claims: Claim::SharedArc,
        pains: vec![10, 20],
    }
    },
    run: |context| repository(context).boxed(),
};

/// Long against the few seconds that it takes, short against ARC's own retry of 3 minutes.
const DEADLINE: Duration = fleet::DEADLINE;

async fn enterprise(context: Context) -> anyhow::Result<()> {
    let tenant = context.tenant();
    registered(&context, &tenant.enterprise()).await?;
    let desk = context.desk().await?;
    reach(
        &context,
        &desk,
        &[tenant.repository(), tenant.sister_repository()],
        &tenant.outsider_repository(),
    )
    .await?;
    Ok(())
}

async fn organization(context: Context) -> anyhow::Result<()> {
    let tenant = context.tenant();
    registered(&context, &tenant.organization()).await?;
    let desk = context.desk().await?;
    reach(
        &context,
        &desk,
        &[tenant.repository(), tenant.second_repository()],
        &tenant.sister_repository(),
    )
    .await?;
    Ok(())
}

async fn repository(context: Context) -> anyhow::Result<()> {
    let (own, other) = (
        context.tenant().repository(),
        context.tenant().second_repository(),
    );
    registered(&context, &Scope::from(&own)).await?;
    let desk = context.desk().await?;
    let waiting = reach(&context, &desk, &[own.clone(), own], &other).await?;

    let mut second = fixtures::for_scope(context.runner_deployment()?, &Scope::from(&other));
    second["metadata"]["name"] = json!("second-runner");
    context.apply(&second).await?;
    follow_in(&context, &other, waiting).await?;
    let jobs = context
        .ghes()
        .jobs(&other, waiting)
        .await
        .context("list the jobs")?;
    let runner = jobs
        .first()
        .and_then(|job| job.runner_name.clone())
        .unwrap_or_default();
    expect(
        "the other repository's job done by its own runner",
        runner.starts_with("second-runner-"),
        runner,
    )?;
    Ok(())
}

/// A runner of this scope, as the guide looks at it.
async fn registered(context: &Context, scope: &Scope) -> anyhow::Result<()> {
    let manifest = fixtures::for_scope(context.runner_deployment()?, scope);
    let start = Instant::now();
    context.apply(&manifest).await?;

    let runner = await_running(context).await?;
    await_events(context, &runner).await?;
    let mut labels = await_online(context, scope, &runner).await?;
    context.measure("time to register", start.elapsed().as_secs_f64(), "s");

    let given = manifest
        .pointer("/spec/template/spec/labels")
        .and_then(|l| l.as_array())
        .into_iter()
        .flatten();
    let mut expected: BTreeSet<String> = given.filter_map(|l| l.as_str()).map(str::to_lowercase).collect();
    // GHES adds these to every runner on Linux (documentation, "Using self-hosted runners in a workflow").
    expected.extend(["self-hosted", "linux", "x64"].map(str::to_owned));
    labels = labels.into_iter().map(|label| label.to_lowercase()).collect();
    expect_equal(&format!("labels of {runner} in GHES"), &expected, &labels)?;
    columns(context, scope, &runner).await
}

/// A job of the foreign repository is queued first, then one of each own: those succeed, one after the other on the only runner and its
/// replacement, while the older one stays queued. Gives the foreign run.
async fn reach(context: &Context, desk: &Desk, own: &[Repo], foreign: &Repo) -> anyhow::Result<RunId> {
    desk.let_all_go();
    let waiting = visit(context, foreign, desk, &["foreign"]).await?;
    for repository in own {
        let run = visit(context, repository, desk, &["own"]).await?;
        follow_in(context, repository, run).await?;
    }
    let status = context
        .ghes()
        .run(foreign, waiting)
        .await
        .context("read the foreign run")?
        .status;
    expect_equal(
        &format!("status of the older job in {foreign}"),
        &"queued".to_owned(),
        &status,
    )?;
    let visitors: Vec<String> = desk.visits().into_iter().map(|visit| visit.ticket).collect();
    expect_equal("jobs that ran", &vec!["own".to_owned(); own.len()], &visitors)?;
    Ok(waiting)
}

/// The one Runner, once it is Running.
async fn await_running(context: &Context) -> anyhow::Result<String> {
    let runners = context.objects(&resources::runner());
    let found = eventually("one Runner with STATUS Running", DEADLINE, || async {
        match runners.list(&ListParams::default()).await {
            Ok(list) => {
                let seen: Vec<(String, String)> = list
                    .items
                    .iter()
                    .map(|r| {
                        let phase = r.data["status"]["phase"].as_str().unwrap_or_default().to_owned();
                        (r.metadata.name.clone().unwrap_or_default(), phase)
                    })
                    .collect();
                match seen.as_slice() {
                    [(name, phase)] if phase == "Running" => Seen::Yes(name.clone()),
                    _ => Seen::NotYet(format!("{seen:?}")),
                }
            }
            Err(error) => Seen::NotYet(error.to_string()),
        }
    })
    .await?;
    Ok(found)
}

async fn await_events(context: &Context, runner: &str) -> anyhow::Result<()> {
    let wanted = [
        (
            "Normal",
            "RegistrationTokenUpdated",
            "Successfully update registration token".to_owned(),
        ),
        ("Normal", "PodCreated", format!("Created pod '{runner}'")),
    ];
    eventually(
        &format!("the events of Runner {runner}: {wanted:?}"),
        DEADLINE,
        || async {
            match context.events_on("Runner", runner).await {
                Ok(events) => {
                    let seen: Vec<(String, String, String)> = events
                        .into_iter()
                        .map(|e| {
                            (
                                e.type_.unwrap_or_default(),
                                e.reason.unwrap_or_default(),
                                e.message.unwrap_or_default(),
                            )
                        })
                        .collect();
                    let has = |(kind, reason, message): &(&str, &str, String)| {
                        seen.iter()
                            .any(|s| s.0 == *kind && s.1 == *reason && s.2 == *message)
                    };
                    if wanted.iter().all(has) {
                        Seen::Yes(())
                    } else {
                        Seen::NotYet(format!("{seen:?}"))
                    }
                }
                Err(error) => Seen::NotYet(format!("{error:#}")),
            }
        },
    )
    .await?;
    Ok(())
}

/// The labels that GHES lists for the runner, once it is online.
async fn await_online(context: &Context, scope: &Scope, runner: &str) -> anyhow::Result<BTreeSet<String>> {
    let labels = eventually(&format!("{runner} online in GHES"), DEADLINE, || async {
        match context.ghes().runners(scope).await {
            Ok(list) => match list.iter().find(|r| r.name == runner) {
                Some(r) if r.status == "online" => {
                    Seen::Yes(r.labels.iter().map(|l| l.name.clone()).collect())
                }
                Some(r) => Seen::NotYet(format!("it is {}", r.status)),
                None => Seen::NotYet(format!("{} other runners", list.len())),
            },
            Err(error) => Seen::NotYet(error.to_string()),
        }
    })
    .await?;
    Ok(labels)
}

/// What `kubectl get runner` prints, column by column as in the guide.
async fn columns(context: &Context, scope: &Scope, runner: &str) -> anyhow::Result<()> {
    let output = context
        .kubectl(&["get", "runner", "-n", context.namespace()])
        .await?;
    let tables = table::read(&output);
    let headings = tables
        .first()
        .map(|table| table.headings().to_vec())
        .unwrap_or_default();
    let guide = [
        "NAME",
        "ENTERPRISE",
        "ORGANIZATION",
        "REPOSITORY",
        "GROUP",
        "LABELS",
        "STATUS",
        "MESSAGE",
        "WF REPO",
        "WF RUN",
        "AGE",
    ];
    expect_equal(
        "the columns of `kubectl get runner`",
        &guide.map(str::to_owned).to_vec(),
        &headings,
    )?;
    let compared = ["NAME", "ENTERPRISE", "ORGANIZATION", "REPOSITORY", "STATUS"];
    let row = tables
        .first()
        .map(|table| table.columns(&compared))
        .unwrap_or_default();
    let mut expected = vec![
        runner.to_owned(),
        String::new(),
        String::new(),
        String::new(),
        "Running".to_owned(),
    ];
    match scope {
        Scope::Enterprise(slug) => expected[1].clone_from(slug),
        Scope::Organization(login) => expected[2].clone_from(login),
        Scope::Repository { owner, name } => expected[3] = format!("{owner}/{name}"),
    }
    expect_equal(
        &format!("{} of `kubectl get runner`", compared.join(", ")),
        &vec![expected],
        &row,
    )?;
    Ok(())
}
