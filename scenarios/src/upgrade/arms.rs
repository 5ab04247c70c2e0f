//! The arms of an upgrade, one after the other: jobs run and runners wait, ARC is replaced, and what becomes of both is told as facts.
//!
//! Source: ARC's documentation on upgrading; its release notes. An arm fails only if it cannot be carried out: whether its facts are good
//! ones is the verdict's business (`harness-report`, upgrade). Not covered: RunnerSets, several releases at once.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context as _;
use futures::FutureExt as _;
use harness::arc::resources;
use harness::cluster::{Seen, WaitError, eventually};
use harness::ghes::{Conclusion, RunId, Status};
use harness::model::upgrade::{Arm, ArmFacts};
use harness::model::{Capability, Check, Claim, Event, OwnArc, Profile};
use harness::{ArcParts, Context, Desk, Scenario};
use kube::api::{ApiResource, ListParams, PostParams};
use serde_json::json;

use super::charts;
use super::load::Observers;
use crate::fleet;
use crate::visit::visit;

/// In the order in which they must run: each begins with the old definitions, which is dear to arrange only after the new ones.
pub static ARMS: &[Scenario] = &[
    Scenario {
        check: || check(Arm::DefinitionsForgotten),
        run: |context| run(context, Arm::DefinitionsForgotten).boxed(),
    },
    Scenario {
        check: || check(Arm::DefinitionsFirst),
        run: |context| run(context, Arm::DefinitionsFirst).boxed(),
    },
    Scenario {
        check: || check(Arm::Rollback),
        run: |context| run(context, Arm::Rollback).boxed(),
    },
];

/// Two of them get a job, two stay idle.
const RUNNERS: usize = 4;
const JOBS: usize = 2;

/// The new controller waits for the old one's lease of 15 s, which is not given back.
const LEADS: Duration = Duration::from_secs(45);
/// How long jobs in progress are watched once the new controller works.
const WATCHED: Duration = Duration::from_secs(3);
/// So many looks in a row show that a state lasts.
const LASTING: usize = 20;
const DEADLINE: Duration = Duration::from_secs(45);

fn check(arm: Arm) -> Check {
    let (name, claim) = match arm {
        Arm::DefinitionsFirst => ("definitions-first", "definitions, then the chart"),
        Arm::DefinitionsForgotten => ("definitions-forgotten", "the chart alone"),
        Arm::Rollback => ("rollback", "the old chart again after a careful upgrade"),
    };
    Check {
        id: format!("upgrade-arm::{name}"),
        claim: format!("ARC is replaced under load, and what becomes of jobs and runners is told: {claim}"),
        grounds: "ARC's documentation on upgrading".into(),
        not_covered: "RunnerSets; several releases at once".into(),
        profile: Profile::Core,
        needs: vec![Capability::RunPods, Capability::Ledger],
        claims: Claim::OwnArc(OwnArc::default()),
        pains: vec![14],
    }
}

async fn run(context: Context, arm: Arm) -> anyhow::Result<()> {
    let upgrade = context.upgrade()?;
    if arm == Arm::DefinitionsForgotten {
        let difference = charts::compare(&context, &upgrade.before, &upgrade.after).await?;
        context.tell(Event::ChartsDiffer { difference });
    }
    // The arm before may have left the new ones.
    context.replace_definitions(&upgrade.before).await?;
    let (from, to) = match arm {
        Arm::Rollback => {
            context.replace_definitions(&upgrade.after).await?;
            context.change_arc(&upgrade.after).await?;
            await_leader(&context).await?;
            (&upgrade.after, &upgrade.before)
        }
        Arm::DefinitionsFirst | Arm::DefinitionsForgotten => (&upgrade.before, &upgrade.after),
    };

    let desk = context.desk().await?;
    let load = load(&context, &desk).await?;
    let observers = Observers::begin(&context);
    let calls_before = calls(&context);

    if arm == Arm::DefinitionsFirst {
        context.replace_definitions(to).await?;
    }
    let ended = context.change_arc(to).await?;
    await_leader(&context).await?;
    let without_controller = ended.elapsed().as_secs_f64();
    await_reconciled(&context).await?;
    let lost = desk.lost_within(WATCHED).await;
    let without_capacity = observers.without_capacity();
    let refused = refused(&context).await?;
    let pruned = pruned(&context, &upgrade.before, &upgrade.after).await?;
    desk.let_all_go();
    let mut jobs_killed = unsuccessful(&context, load.run).await?;
    jobs_killed.extend(lost.map(|visit| format!("visit ({})", visit.ticket)));
    let settled = await_settled(&context).await;

    let facts = ArmFacts {
        arm,
        from: from.version.clone(),
        to: to.version.clone(),
        runners: RUNNERS,
        jobs: JOBS,
        jobs_killed: jobs_killed.into_iter().collect(),
        idle: load.idle.len(),
        idle_replaced: gone(&context, &load.idle).await?,
        without_capacity,
        without_controller,
        most_pods: observers.most_pods(),
        api_calls: calls(&context).saturating_sub(calls_before),
        replica_sets_added: names(&context, &resources::runner_replica_set())
            .await?
            .difference(&load.replica_sets)
            .count(),
        pruned,
        refused,
        unsettled: settled.err().map(|wait| wait.last_seen().to_owned()),
    };
    context.tell(Event::Upgraded { facts });
    Ok(())
}

/// What is there when the upgrade begins.
struct Load {
    run: RunId,
    idle: BTreeSet<String>,
    replica_sets: BTreeSet<String>,
}

async fn load(context: &Context, desk: &Desk) -> anyhow::Result<Load> {
    let mut manifest = context.runner_deployment()?;
    manifest["spec"]["replicas"] = json!(RUNNERS);
    context.apply(&manifest).await?;
    let all = fleet::await_idle(context, RUNNERS).await?;
    let tickets: Vec<String> = (1..=JOBS).map(|ticket| ticket.to_string()).collect();
    let run = visit(context, &context.tenant().repository(), desk, &tickets).await?;
    let busy = desk.waiting(JOBS, DEADLINE).await?;
    let busy: BTreeSet<String> = busy.into_iter().map(|visit| visit.runner).collect();
    Ok(Load {
        run,
        idle: all.difference(&busy).cloned().collect(),
        replica_sets: names(context, &resources::runner_replica_set()).await?,
    })
}

/// Waits until the one manager leads.
async fn await_leader(context: &Context) -> Result<(), WaitError> {
    eventually("the new manager leads", LEADS, || async {
        match context.arc_metrics(0).await {
            Ok(samples) => {
                let status = samples
                    .iter()
                    .find(|sample| sample.name == "leader_election_master_status");
                match status.map(|sample| sample.value.to_string()).as_deref() {
                    Some("1") => Seen::Yes(()),
                    other => Seen::NotYet(format!("leader_election_master_status {other:?}")),
                }
            }
            Err(error) => Seen::NotYet(error.to_string()),
        }
    })
    .await
}

/// Waits until it has looked at the RunnerDeployment more than once.
async fn await_reconciled(context: &Context) -> Result<(), WaitError> {
    eventually(
        "the new manager has reconciled the RunnerDeployment",
        DEADLINE,
        || async {
            let samples = match context.arc_metrics(0).await {
                Ok(samples) => samples,
                Err(error) => return Seen::NotYet(error.to_string()),
            };
            let total: f64 = samples
                .iter()
                .filter(|sample| sample.name == "controller_runtime_reconcile_total")
                .filter(|sample| {
                    sample
                        .labels
                        .get("controller")
                        .is_some_and(|name| name.starts_with("runnerdeployment"))
                })
                .map(|sample| sample.value.to_string().parse().unwrap_or(0.0))
                .sum();
            if total >= 2.0 {
                Seen::Yes(())
            } else {
                Seen::NotYet(format!("{total} times"))
            }
        },
    )
    .await
}

/// The names of the jobs that did not end in success.
async fn unsuccessful(context: &Context, run: RunId) -> anyhow::Result<BTreeSet<String>> {
    let repository = context.tenant().repository();
    let jobs = eventually("every job completed", DEADLINE, || async {
        match context.ghes().jobs(&repository, run).await {
            Ok(jobs) if jobs.len() == JOBS && jobs.iter().all(|job| job.status == Status::Completed) => {
                Seen::Yes(jobs)
            }
            Ok(jobs) => Seen::NotYet(format!(
                "{:?}",
                jobs.iter().map(|job| &job.status).collect::<Vec<_>>()
            )),
            Err(error) => Seen::NotYet(error.to_string()),
        }
    })
    .await;
    let jobs = match jobs {
        Ok(jobs) => jobs,
        // A job whose runner is gone stays in progress for long: it is lost all the same.
        Err(_) => context
            .ghes()
            .jobs(&repository, run)
            .await
            .context("list the jobs")?,
    };
    Ok(jobs
        .into_iter()
        .filter(|job| job.conclusion != Some(Conclusion::Success))
        .map(|job| job.name)
        .collect())
}

/// Waits until as many runners as wanted are there, online and idle, and stay so.
async fn await_settled(context: &Context) -> Result<(), WaitError> {
    let scope = context.tenant().enterprise();
    let lasting = std::sync::atomic::AtomicUsize::new(0);
    eventually(
        &format!("{RUNNERS} Runners, online and idle, and no others"),
        DEADLINE,
        || async {
            let (listed, objects) = match (
                context.ghes().runners(&scope).await,
                fleet::runner_objects(context).await,
            ) {
                (Ok(listed), Ok(objects)) => (listed, objects),
                (Err(error), _) => return Seen::NotYet(error.to_string()),
                (_, Err(error)) => return Seen::NotYet(format!("{error:#}")),
            };
            let idle: BTreeSet<String> = listed
                .iter()
                .filter(|runner| runner.status == "online" && !runner.busy)
                .map(|runner| runner.name.clone())
                .collect();
            let order = std::sync::atomic::Ordering::Relaxed;
            if idle == objects && idle.len() == RUNNERS {
                if lasting.fetch_add(1, order) >= LASTING {
                    return Seen::Yes(());
                }
            } else {
                lasting.store(0, order);
            }
            Seen::NotYet(format!(
                "Runners {objects:?}, in GHES {}",
                fleet::described(&listed)
            ))
        },
    )
    .await
}

/// Stored objects that the API server would not take again as they are.
async fn refused(context: &Context) -> anyhow::Result<Vec<String>> {
    let mut refused = Vec::new();
    for kind in [
        resources::runner_deployment(),
        resources::runner_replica_set(),
        resources::runner(),
    ] {
        let api = context.objects(&kind);
        let list = api.list(&ListParams::default()).await;
        for object in list.with_context(|| format!("list {}", kind.plural))?.items {
            let name = object.metadata.name.clone().unwrap_or_default();
            let dry = PostParams {
                dry_run: true,
                ..PostParams::default()
            };
            match api.replace(&name, &dry, &object).await {
                Err(kube::Error::Api(refusal)) if refusal.code == 422 => {
                    refused.push(format!("{} {name}: {}", kind.kind, refusal.message));
                }
                // Gone or changed meanwhile: nothing is told by that.
                _ => {}
            }
        }
    }
    Ok(refused)
}

/// New fields that a manifest sets and the cluster does not keep (a dry run).
async fn pruned(context: &Context, before: &ArcParts, after: &ArcParts) -> anyhow::Result<Vec<String>> {
    let mut pruned = Vec::new();
    for (field, value) in charts::new_template_fields(context, before, after)? {
        let mut manifest = context.runner_deployment()?;
        manifest["metadata"]["name"] = json!("new-field");
        manifest["spec"]["template"]["spec"][&field] = value;
        let pointer = format!("/spec/template/spec/{field}");
        match context.dry_run(&manifest).await {
            Ok(stored) if stored.data.pointer(&pointer).is_some() => {}
            Ok(_) | Err(_) => pruned.push(format!("RunnerDeployment spec.template.spec.{field}")),
        }
    }
    Ok(pruned)
}

async fn gone(context: &Context, before: &BTreeSet<String>) -> anyhow::Result<Vec<String>> {
    let now = fleet::runner_objects(context).await?;
    Ok(before.difference(&now).cloned().collect())
}

async fn names(context: &Context, kind: &ApiResource) -> anyhow::Result<BTreeSet<String>> {
    let list = context.objects(kind).list(&ListParams::default()).await;
    let list = list.with_context(|| format!("list {}", kind.plural))?;
    Ok(list
        .items
        .into_iter()
        .filter_map(|object| object.metadata.name)
        .collect())
}

/// Calls of the controller to GHES so far.
fn calls(context: &Context) -> usize {
    let all = context.hand().ledger().recent().into_iter();
    all.filter(|record| {
        let agent = record.user_agent.as_deref();
        agent.is_some_and(|agent| agent.starts_with("actions-runner-controller/"))
    })
    .count()
}
