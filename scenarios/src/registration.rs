//! A runner that ARC made registers itself.
//!
//! Source: the guide's section on installing the runner: events, status, the list in GHES. Not covered: other scopes than enterprise.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use harness::arc::resources;
use harness::cluster::{Seen, eventually};
use harness::model::{Capability, Check, Claim, Profile};
use harness::{Context, Scenario, expect_equal};
use kube::api::ListParams;

use crate::table;

pub(crate) const ENTERPRISE: Scenario = Scenario {
    check: || {
        Check {
        id: "registration::enterprise".into(),
        claim: "a RunnerDeployment for an enterprise gives a Running runner, with both events, online in GHES with its labels".into(),
        grounds: "the guide: `kubectl get runner`, `kubectl describe runner` and the list of runners in GHES".into(),
        not_covered: "organization and repository scope".into(),
        profile: Profile::Core,
        needs: vec![Capability::RunPods],
        claims: Claim::SharedArc,
        pains: vec![10, 20],
    }
    },
    run: |context| enterprise(context).boxed(),
};

/// Long against the few seconds that it takes, short against ARC's own retry of 3 minutes.
const DEADLINE: Duration = Duration::from_secs(45);

async fn enterprise(context: Context) -> anyhow::Result<()> {
    let manifest = context.runner_deployment()?;
    let start = Instant::now();
    context.apply(&manifest).await?;

    let runner = await_running(&context).await?;
    await_events(&context, &runner).await?;
    let mut labels = await_online(&context, &runner).await?;
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
    columns(&context, &runner).await
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
async fn await_online(context: &Context, runner: &str) -> anyhow::Result<BTreeSet<String>> {
    let scope = context.tenant().enterprise();
    let labels = eventually(&format!("{runner} online in GHES"), DEADLINE, || async {
        match context.ghes().runners(&scope).await {
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
async fn columns(context: &Context, runner: &str) -> anyhow::Result<()> {
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
    let row = tables
        .first()
        .map(|table| table.columns(&["NAME", "ENTERPRISE", "STATUS"]))
        .unwrap_or_default();
    let expected = vec![vec![
        runner.to_owned(),
        context.tenant().name.clone(),
        "Running".to_owned(),
    ]];
    expect_equal(
        "NAME, ENTERPRISE, STATUS of `kubectl get runner`",
        &expected,
        &row,
    )?;
    Ok(())
}
