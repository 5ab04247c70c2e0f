//! Runners follow the load.
//!
//! Source: the guide's HorizontalRunnerAutoscaler (2 to 16 runners, doubled above 75 % busy, halved below 25 %) and ARC's documentation on
//! `PercentageRunnersBusy`. Runners are busy with real jobs that stay until they are let go. ARC may take several steps down at once, may
//! make a runner too many for a moment, and chooses freely which runners stay: none of that is asserted. Not covered: other metrics,
//! webhooks.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use harness::arc::resources;
use harness::cluster::{Seen, eventually};
use harness::model::{Capability, Check, Claim, Profile};
use harness::{Context, Scenario, Stay, Step, Trail, expect, expect_equal};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

use crate::fleet;
use crate::quickstart::follow;
use crate::visit::visit;

pub(crate) const LADDER: Scenario = Scenario {
    check: || {
        Check {
        id: "scaling::ladder".into(),
        claim: "with every runner busy DESIRED rises 2, 4, 8, 16 and no higher; idle again, and the delay over, it comes down to 2".into(),
        grounds: "the guide's HorizontalRunnerAutoscaler: minReplicas 2, maxReplicas 16, scaleUpFactor 2, scaleDownFactor 0.5, \
                  scaleDownDelaySecondsAfterScaleOut"
            .into(),
        not_covered: "which runners stay; how long idle runners take to go".into(),
        profile: Profile::Core,
        needs: vec![Capability::RunPods],
        // Alone, so that the measured rise is ARC's and not that of the other checks' pods on the same cores.
        claims: Claim::WholePlane,
        pains: vec![],
    }
    },
    run: |context| ladder(context).boxed(),
};

pub(crate) const ADJUSTMENT: Scenario = Scenario {
    check: || {
        Check {
        id: "scaling::adjustment".into(),
        claim: "with adjustments in place of factors DESIRED rises by 3 and, the delay over, falls by 2, between minReplicas and maxReplicas".into(),
        grounds: "the guide and ARC's documentation: scaleUpAdjustment and scaleDownAdjustment add and remove so many runners".into(),
        not_covered: "factor and adjustment together, which ARC refuses".into(),
        profile: Profile::Core,
        needs: vec![Capability::RunPods],
        claims: Claim::SharedArc,
        pains: vec![],
    }
    },
    run: |context| adjustment(context).boxed(),
};

pub(crate) const BUSY_SURVIVE: Scenario = Scenario {
    check: || {
        Check {
        id: "scaling::busy-survive".into(),
        claim: "a scale-down asks for the removal of busy runners, is refused and leaves their pods alone; their jobs succeed, and afterwards the \
                count is met".into(),
        grounds: "ARC's documentation: runners are unregistered before they are deleted, so that a running job is not interrupted".into(),
        not_covered: "a pod that is deleted; a node that drains".into(),
        profile: Profile::Core,
        needs: vec![Capability::RunPods, Capability::Ledger],
        claims: Claim::SharedArc,
        pains: vec![13],
    }
    },
    run: |context| busy_survive(context).boxed(),
};

pub(crate) const SIXTY_FOUR: Scenario = Scenario {
    check: || Check {
        id: "scaling::sixty-four".into(),
        claim:
            "64 runners are there at once, each with a job of its own in progress, and all 64 jobs succeed"
                .into(),
        grounds: "the guide: replicas is the number of runners; ARC's documentation names no limit".into(),
        not_covered: "jobs with load".into(),
        profile: Profile::Extended,
        needs: vec![Capability::RunPods],
        claims: Claim::WholePlane,
        pains: vec![],
    },
    run: |context| sixty_four(context).boxed(),
};

/// Sixteen registrations take some seconds on two cores.
const DEADLINE: Duration = fleet::DEADLINE;
/// Sixty-four take as many times longer.
const MANY: Duration = Duration::from_secs(60);
/// In place of the guide's 300 s (`fixtures/deviations.toml`).
const DELAY: Duration = Duration::from_secs(5);
/// ARC stores the time of the last scale-out without fractions of a second.
pub(crate) const ROUNDING: Duration = Duration::from_secs(1);

/// What ARC notes on the pod of a runner whose removal GHES refused, since it is busy.
const REFUSED: &str = "actions-runner/unregistration-failure-message";
/// And that it waits for the job's end, without asking again.
const WAITS: &str = "actions-runner/runner-completion-wait-start-timestamp";

async fn ladder(context: Context) -> anyhow::Result<()> {
    let desk = context.desk().await?;
    let tickets: Vec<String> = (1..=16).map(|ticket| ticket.to_string()).collect();
    let run = visit(&context, &context.tenant().repository(), &desk, &tickets).await?;
    context.apply(&context.runner_deployment()?).await?;
    let trail = autoscale(&context, &autoscaler(&context)).await?;

    let two = trail.reaches(2, DEADLINE).await?;
    let sixteen = trail.reaches(16, DEADLINE).await?;
    context.measure("desired from 2 to 16", (sixteen.at - two.at).as_secs_f64(), "s");
    let visits = desk.waiting(16, DEADLINE).await?;
    context.measure(
        "16 jobs in progress after desired 16",
        sixteen.at.elapsed().as_secs_f64(),
        "s",
    );
    let runners: BTreeSet<&String> = visits.iter().map(|visit| &visit.runner).collect();
    expect(
        "16 jobs in progress on 16 runners",
        runners.len() == 16,
        format!("{runners:?}"),
    )?;
    desk.let_all_go();
    trail.reaches(2, DEADLINE).await?;

    steps(&context, &trail, &[2, 4, 8, 16], &[8, 4, 2])?;
    no_early_fall(&context, &trail, sixteen)?;
    follow(&context, run).await?;
    Ok(())
}

async fn sixty_four(context: Context) -> anyhow::Result<()> {
    const COUNT: usize = 64;
    let desk = context.desk().await?;
    let tickets: Vec<String> = (1..=COUNT).map(|ticket| ticket.to_string()).collect();
    let run = visit(&context, &context.tenant().repository(), &desk, &tickets).await?;
    let mut manifest = context.runner_deployment()?;
    manifest["spec"]["replicas"] = json!(COUNT);
    let start = Instant::now();
    context.apply(&manifest).await?;

    let visits = desk.waiting(COUNT, MANY).await?;
    context.measure(
        "64 jobs in progress on 64 runners",
        start.elapsed().as_secs_f64(),
        "s",
    );
    let runners: BTreeSet<&String> = visits.iter().map(|visit| &visit.runner).collect();
    expect(
        format!("{COUNT} jobs in progress on {COUNT} runners"),
        runners.len() == COUNT,
        format!("{runners:?}"),
    )?;
    desk.let_all_go();
    follow(&context, run).await?;
    Ok(())
}

async fn adjustment(context: Context) -> anyhow::Result<()> {
    let desk = context.desk().await?;
    let tickets: Vec<String> = (1..=8).map(|ticket| ticket.to_string()).collect();
    let run = visit(&context, &context.tenant().repository(), &desk, &tickets).await?;
    context.apply(&context.runner_deployment()?).await?;
    let mut manifest = autoscaler(&context);
    manifest["spec"]["maxReplicas"] = json!(8);
    manifest["spec"]["metrics"] = json!([{
        "type": "PercentageRunnersBusy",
        "scaleUpThreshold": "0.75",
        "scaleDownThreshold": "0.25",
        "scaleUpAdjustment": 3,
        "scaleDownAdjustment": 2,
    }]);
    let trail = autoscale(&context, &manifest).await?;

    let eight = trail.reaches(8, DEADLINE).await?;
    // At once, so that the runners are idle long before the delay is over.
    desk.let_all_go();
    trail.reaches(2, DEADLINE).await?;

    steps(&context, &trail, &[2, 5, 8], &[6, 4, 2])?;
    no_early_fall(&context, &trail, eight)?;
    follow(&context, run).await?;
    Ok(())
}

/// The guide's autoscaler in the scenario's namespace, with the shortened delay and without the override, whose weekend is any weekend.
pub(crate) fn autoscaler(context: &Context) -> Value {
    let mut manifest = fixtures::in_namespace(fixtures::horizontal_runner_autoscaler(), context.namespace());
    manifest["spec"]["scaleDownDelaySecondsAfterScaleOut"] = json!(DELAY.as_secs());
    if let Some(spec) = manifest["spec"].as_object_mut() {
        spec.remove("scheduledOverrides");
    }
    manifest
}

/// Applies the autoscaler, and records what it wants from its beginning.
pub(crate) async fn autoscale(context: &Context, manifest: &Value) -> anyhow::Result<Trail> {
    let name = fleet::name_of(manifest);
    let trail = context.trail(
        &resources::horizontal_runner_autoscaler(),
        &name,
        "/status/desiredReplicas",
    );
    context.apply(manifest).await?;
    Ok(trail)
}

/// Waits for the event by which an autoscaler tells why it could not do its work, with all of these words in it; gives its message.
pub(crate) async fn await_failure(
    context: &Context,
    autoscaler: &str,
    words: &str,
) -> anyhow::Result<String> {
    const REASON: &str = "RunnerAutoscalingFailure";
    let awaited = format!("an event {REASON} on the autoscaler {autoscaler} that says {words:?}");
    let says = |message: &String| words.split_whitespace().all(|word| message.contains(word));
    let message = eventually(&awaited, DEADLINE, || async {
        match context.events_on("HorizontalRunnerAutoscaler", autoscaler).await {
            Ok(events) => {
                let told = events.into_iter().filter(|e| e.reason.as_deref() == Some(REASON));
                let told: Vec<String> = told.filter_map(|event| event.message).collect();
                let found = told.iter().find(|message| says(message)).cloned();
                found.map_or_else(|| Seen::NotYet(format!("{told:?}")), Seen::Yes)
            }
            Err(error) => Seen::NotYet(format!("{error:#}")),
        }
    })
    .await?;
    Ok(message)
}

/// Exactly these rises, and falls to no other values than these.
fn steps(context: &Context, trail: &Trail, rises: &[i64], falls: &[i64]) -> anyhow::Result<()> {
    let values = trail.values();
    context.observe(format!("DESIRED {values:?}"));
    let before = std::iter::once(&0).chain(&values);
    let rose: Vec<i64> = before
        .zip(&values)
        .filter(|(old, new)| new > old)
        .map(|(_, new)| *new)
        .collect();
    let what = trail.what();
    let told = |value: Option<&i64>| value.map_or("no more".to_owned(), ToString::to_string);
    let mut before = 0;
    for index in 0..rose.len().max(rises.len()) {
        let (awaited, seen) = (rises.get(index), rose.get(index));
        expect(
            format!("{what}, risen from {before} = {}", told(awaited)),
            awaited == seen,
            told(seen),
        )?;
        before = rose[index];
    }
    for pair in values.windows(2).filter(|pair| pair[1] < pair[0]) {
        expect(
            format!("{what}, fallen from {} = one of {falls:?}", pair[0]),
            falls.contains(&pair[1]),
            pair[1],
        )?;
    }
    Ok(())
}

/// No fall before the delay after the last rise is over.
fn no_early_fall(context: &Context, trail: &Trail, last_rise: Step) -> anyhow::Result<()> {
    let steps = trail.steps();
    let fall = steps.windows(2).find(|pair| pair[1].value < pair[0].value);
    let after = fall
        .map(|pair| pair[1].at.saturating_duration_since(last_rise.at))
        .unwrap_or_default();
    context.measure("first fall after the last rise", after.as_secs_f64(), "s");
    expect(
        format!(
            "{}, {DELAY:?} from the last rise on = {}",
            trail.what(),
            last_rise.value
        ),
        after + ROUNDING >= DELAY,
        format!(
            "{} after {after:?}",
            fall.map_or(last_rise.value, |pair| pair[1].value)
        ),
    )?;
    Ok(())
}

async fn busy_survive(context: Context) -> anyhow::Result<()> {
    let desk = context.desk().await?;
    let run = visit(&context, &context.tenant().repository(), &desk, &["1", "2", "3"]).await?;
    let mut manifest = context.runner_deployment()?;
    manifest["spec"]["replicas"] = json!(3);
    context.apply(&manifest).await?;
    desk.waiting(3, DEADLINE).await?;

    manifest["spec"]["replicas"] = json!(1);
    context.apply(&manifest).await?;
    let start = Instant::now();
    await_refused(&context, 2).await?;
    context.measure(
        "removal of busy runners asked and refused",
        start.elapsed().as_secs_f64(),
        "s",
    );
    await_left_alone(&context, 2).await?;
    let visits = desk.visits();
    let all_wait = visits.iter().all(|visit| visit.stay == Stay::Waiting);
    expect(
        "three jobs still in progress",
        all_wait && visits.len() == 3,
        format!("{visits:?}"),
    )?;
    desk.let_all_go();
    follow(&context, run).await?;
    await_count(&context, 1).await
}

/// Waits until GHES refused to remove so many different runners (422: busy).
async fn await_refused(context: &Context, count: usize) -> anyhow::Result<()> {
    let prefix = format!("/api/v3/enterprises/{}/actions/runners/", context.tenant().name);
    eventually(
        &format!("{count} busy runners whose removal GHES refused with 422"),
        DEADLINE,
        || async {
            let asked = context.hand().ledger().recent();
            let asked: BTreeSet<(String, Option<u16>)> = asked
                .into_iter()
                .filter(|record| record.method == "DELETE" && record.path.starts_with(&prefix))
                .map(|record| (record.path, record.status))
                .collect();
            let refused = asked.iter().filter(|(_, status)| *status == Some(422)).count();
            if refused >= count {
                Seen::Yes(())
            } else {
                Seen::NotYet(format!("{asked:?}"))
            }
        },
    )
    .await?;
    Ok(())
}

/// Waits until ARC has noted of so many busy runners that their removal was refused, and holds that it deletes no pod. A pod that is
/// deleted has half a minute to end: its job may well succeed, and hides what was done to it.
async fn await_left_alone(context: &Context, count: usize) -> anyhow::Result<()> {
    let pods: Api<Pod> = Api::namespaced(context.client().clone(), context.namespace());
    let deleted = eventually(
        &format!("{count} pods with the annotations {REFUSED} and {WAITS}"),
        DEADLINE,
        || async {
            let pods = match pods.list(&ListParams::default()).await {
                Ok(list) => list.items,
                Err(error) => return Seen::NotYet(error.to_string()),
            };
            let left_alone = pods.iter().filter(|pod| {
                let notes = pod.annotations();
                notes.contains_key(REFUSED) && notes.contains_key(WAITS)
            });
            if left_alone.count() >= count {
                let deleted = pods
                    .iter()
                    .filter(|pod| pod.metadata.deletion_timestamp.is_some());
                return Seen::Yes(deleted.map(|pod| pod.name_any()).collect::<Vec<_>>());
            }
            let seen: Vec<String> = pods.iter().map(unregistration).collect();
            Seen::NotYet(format!("{seen:?}"))
        },
    )
    .await?;
    expect_equal(
        "pods being deleted while their jobs are in progress",
        &Vec::new(),
        &deleted,
    )?;
    Ok(())
}

/// A pod, whether it is being deleted, and ARC's annotations on its unregistration.
fn unregistration(pod: &Pod) -> String {
    let deleted = pod
        .metadata
        .deletion_timestamp
        .as_ref()
        .map_or("", |_| " deleted");
    let annotations: Vec<&str> = pod
        .annotations()
        .keys()
        .filter_map(|key| key.strip_prefix("actions-runner/"))
        .collect();
    format!("{}{deleted} {}", pod.name_any(), annotations.join(" "))
}

/// Waits until the scenario has so many Runners, and GHES lists as many online.
pub(crate) async fn await_count(context: &Context, count: usize) -> anyhow::Result<()> {
    let (scope, runners) = (
        context.tenant().enterprise(),
        context.objects(&resources::runner()),
    );
    eventually(&format!("{count} Runner, online in GHES"), DEADLINE, || async {
        let in_cluster = match runners.list(&ListParams::default()).await {
            Ok(list) => list.items.len(),
            Err(error) => return Seen::NotYet(error.to_string()),
        };
        let online = match context.ghes().runners(&scope).await {
            Ok(list) => list.iter().filter(|runner| runner.status == "online").count(),
            Err(error) => return Seen::NotYet(error.to_string()),
        };
        if (in_cluster, online) == (count, count) {
            Seen::Yes(())
        } else {
            Seen::NotYet(format!("{in_cluster} in the cluster, {online} online in GHES"))
        }
    })
    .await?;
    Ok(())
}
