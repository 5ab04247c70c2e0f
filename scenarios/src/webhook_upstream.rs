//! Promises of scaling by webhooks that ARC is known to break: `expectations.toml` says in which versions.
//!
//! Source: ARC's documentation; why they fail, from ARC's source and its issues. What else the checks assert holds in those versions too, and is asserted first.

use std::time::Instant;

use anyhow::Context as _;
use futures::FutureExt as _;
use harness::arc::resources;
use harness::cluster::{Seen, eventually};
use harness::mock_ghes::Signature;
use harness::model::autoscaling::{Busy, CapacityReservation, Controller, Observed, Spec, Status};
use harness::model::{ArcServer, Check, Scope};
use harness::{Context, Scenario, expect_equal};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::fleet;
use crate::metrics::{await_reconciles, reconciles_of};
use crate::visit::visit;
use crate::webhook::{
    LONG, answered, autoscaler, await_deliveries, await_known, deployment, known_changes, of_webhooks,
    scaled, send,
};

pub(crate) const DANGLING: Scenario = Scenario {
    check: || {
        Check {
        id: "webhook::dangling".into(),
        claim: "an autoscaler that names a RunnerDeployment which does not exist keeps no other of the organization from being scaled by a \
                delivery; once it is deleted, the same delivery scales again"
            .into(),
        grounds: "ARC's documentation on webhook driven scaling: a queued job scales the autoscaler whose runners have its labels".into(),
        not_covered: "an autoscaler of a repository's own runners, which is looked for first".into(),
        ..of_webhooks(vec![5])
    }
    },
    run: |context| dangling(context).boxed(),
};

pub(crate) const RUNAWAY: Scenario = Scenario {
    check: || {
        Check {
        id: "webhook::runaway".into(),
        claim: "one queued job adds one runner, once, also if the autoscaler has PercentageRunnersBusy as a metric; DESIRED is what the \
                oracle computes"
            .into(),
        grounds: "ARC's documentation on webhook driven scaling: a queued job adds the trigger's amount, 1, for its duration".into(),
        not_covered: "how many of the runners come; other thresholds".into(),
        ..of_webhooks(vec![4])
    }
    },
    run: |context| runaway(context).boxed(),
};

pub(crate) const EFFECTIVE_TIME: Scenario = Scenario {
    check: || {
        Check {
        id: "webhook::effective-time".into(),
        claim: "also after a webhook has scaled an autoscaler of minReplicas 2, a runner that did a job of which no webhook told is replaced, so \
                that there are not fewer than minReplicas; the next job that is told scales as ever"
            .into(),
        grounds: "ARC's documentation: an autoscaler scales between minReplicas and maxReplicas, and a runner that has done its job is replaced; \
                  actions/actions-runner-controller issues 1322 and 1881"
            .into(),
        not_covered: "the end of the ten minutes; static runners".into(),
        ..of_webhooks(vec![5])
    }
    },
    run: |context| effective_time(context).boxed(),
};

async fn dangling(context: Context) -> anyhow::Result<()> {
    let desk = context.desk().await?;
    let deployment = fleet::without_a_node(deployment(&context)?);
    let healthy = autoscaler(&context, 4, LONG);
    let scaled = scaled(&context, &deployment, &healthy, 0).await?;
    context
        .hook(&context.tenant().organization(), ArcServer::GithubWebhook)
        .await?;
    context.hand().hold_deliveries().await?;
    visit(&context, &context.tenant().repository(), &desk, &["1"]).await?;
    let queued = await_deliveries(&context, "queued", 1).await?;
    let by_one = format!("scaled {} by 1", scaled.name);
    send(&context, &queued[0], Signature::Good, 200, &by_one).await?;
    scaled.desired.reaches(1, fleet::DEADLINE).await?;

    let before = known_changes(&context).await?;
    context.apply(&without_target(&healthy)).await?;
    await_known(&context, before).await?;
    let meanwhile = context.hand().send(queued[0].id, Signature::Good).await?;
    let meanwhile = meanwhile.context("GHES has lost a delivery")?;

    let before = known_changes(&context).await?;
    let autoscalers = context.objects(&resources::horizontal_runner_autoscaler());
    let deleted = autoscalers.delete(DANGLES, &DeleteParams::default()).await;
    deleted.context("delete the autoscaler without a target")?;
    await_known(&context, before).await?;
    send(&context, &queued[0], Signature::Good, 200, &by_one).await?;
    let accepted = 2 + i64::from(meanwhile.status == Some(200));
    scaled.reserved.reaches(accepted, fleet::DEADLINE).await?;
    scaled.desired.reaches(accepted, fleet::DEADLINE).await?;
    let reserved = scaled.reserved.values();
    if accepted == 2 {
        // Had the refused delivery counted, there would be three.
        expect_equal("reservations", &vec![0, 1, 2], &reserved)?;
    }
    // ARC may take two deliveries in one.
    expect_equal(
        "reservations, one for each delivery that was accepted",
        &Some(accepted),
        &reserved.last().copied(),
    )?;
    answered(&meanwhile, "beside an autoscaler without a target", 200, &by_one)
}

/// The name of the autoscaler without a target.
const DANGLES: &str = "dangles";

fn without_target(healthy: &Value) -> Value {
    let mut manifest = healthy.clone();
    manifest["metadata"]["name"] = json!(DANGLES);
    manifest["spec"]["scaleTargetRef"]["name"] = json!("no-such-deployment");
    manifest
}

const MIN: i64 = 2;
const MAX: u32 = 6;

/// Controllers, as ARC's metrics name them.
const OF_AUTOSCALERS: &str = "horizontalrunnerautoscaler-controller";
const OF_REPLICA_SETS: &str = "runnerreplicaset-controller";

async fn runaway(context: Context) -> anyhow::Result<()> {
    let desk = context.desk().await?;
    let mut autoscaler = autoscaler(&context, MAX, LONG);
    autoscaler["spec"]["minReplicas"] = json!(MIN);
    // Nothing shrinks while the check looks, and one busy runner of two to six is neither many nor few.
    autoscaler["spec"]["scaleDownDelaySecondsAfterScaleOut"] = json!(600);
    autoscaler["spec"]["metrics"] = json!([{
        "type": "PercentageRunnersBusy",
        "scaleUpThreshold": "0.75",
        "scaleDownThreshold": "0.1",
        "scaleUpFactor": "2",
        "scaleDownFactor": "0.5",
    }]);
    let scaled = scaled(&context, &deployment(&context)?, &autoscaler, MIN).await?;
    fleet::await_idle(&context, 2).await?;
    context
        .hook(&context.tenant().organization(), ArcServer::GithubWebhook)
        .await?;
    context.hand().hold_deliveries().await?;
    visit(&context, &context.tenant().repository(), &desk, &["1"]).await?;
    desk.waiting(1, fleet::DEADLINE).await?;
    let queued = await_deliveries(&context, "queued", 1).await?;

    let before = reconciles_of(&context.arc_metrics(0).await?, OF_AUTOSCALERS);
    send(&context, &queued[0], Signature::Good, 200, "by 1").await?;
    scaled.desired.reaches(MIN + 1, fleet::DEADLINE).await?;
    // Every rise has had its turn by then.
    await_reconciles(&context, OF_AUTOSCALERS, before + 2.0 * f64::from(MAX)).await?;
    desk.let_all_go();
    let expected = computed(&autoscaler["spec"])?;
    let runs_away = scaled.desired.values().iter().any(|value| *value > MIN + 1);
    if runs_away {
        scaled.desired.reaches(i64::from(MAX), fleet::DEADLINE).await?;
        let seen = scaled.desired.values();
        expect_equal("DESIRED, as the oracle computes", &expected, &seen)?;
    }
    expect_equal("reservations", &vec![0, 1], &scaled.reserved.values())?;
    expect_equal(
        "DESIRED with one job and one reservation",
        &(MIN + 1),
        &scaled.desired.values().into_iter().max().unwrap_or_default(),
    )?;
    Ok(())
}

/// So many looks of ARC at its replica sets that make no runner show that it makes none.
const LOOKS: f64 = 3.0;

async fn effective_time(context: Context) -> anyhow::Result<()> {
    let desk = context.desk().await?;
    let repository = context.tenant().repository();
    let mut autoscaler = autoscaler(&context, MAX, LONG);
    autoscaler["spec"]["minReplicas"] = json!(MIN);
    let scaled = scaled(&context, &deployment(&context)?, &autoscaler, MIN).await?;
    fleet::await_idle(&context, 2).await?;
    context
        .hook(&context.tenant().organization(), ArcServer::GithubWebhook)
        .await?;
    context.hand().hold_deliveries().await?;

    // The first job, as it should be: a runner more, and again one fewer.
    visit(&context, &repository, &desk, &["1"]).await?;
    let queued = await_deliveries(&context, "queued", 1).await?;
    send(&context, &queued[0], Signature::Good, 200, "by 1").await?;
    scaled.desired.reaches(MIN + 1, fleet::DEADLINE).await?;
    desk.waiting(1, fleet::DEADLINE).await?;
    fleet::await_online(&context, &context.tenant().enterprise(), 3).await?;
    desk.let_go("1");
    let completed = await_deliveries(&context, "completed", 1).await?;
    send(&context, &completed[0], Signature::Good, 200, "by -1").await?;
    scaled.desired.reaches(MIN, fleet::DEADLINE).await?;
    fleet::await_idle(&context, 2).await?;

    // Jobs of which nobody tells. ARC compares whole seconds, so that the first one's runner may be replaced: it is then newer than the webhook.
    let began = Instant::now();
    let mut left = 2;
    for (count, ticket) in [(2, "2"), (3, "3")] {
        visit(&context, &repository, &desk, &[ticket]).await?;
        let visitor = desk.waiting(1, fleet::DEADLINE).await?;
        desk.let_go(ticket);
        await_deliveries(&context, "completed", count).await?;
        await_gone(&context, &visitor[0].runner).await?;
        let before = reconciles_of(&context.arc_metrics(0).await?, OF_REPLICA_SETS);
        await_reconciles(&context, OF_REPLICA_SETS, before + LOOKS).await?;
        left = fleet::runner_objects(&context).await?.len();
        if left < 2 {
            break;
        }
    }

    visit(&context, &repository, &desk, &["last"]).await?;
    desk.waiting(1, fleet::DEADLINE).await?;
    let queued = await_deliveries(&context, "queued", 1).await?;
    let last = queued.last().context("the last job was queued")?;
    context.measure("until the next job is told", began.elapsed().as_secs_f64(), "s");
    send(&context, last, Signature::Good, 200, "by 1").await?;
    scaled.desired.reaches(MIN + 1, fleet::DEADLINE).await?;
    fleet::await_online(&context, &context.tenant().enterprise(), 3).await?;
    desk.let_all_go();
    expect_equal(
        "runners, of which minReplicas is 2, after jobs of which no webhook told",
        &2,
        &left,
    )?;
    Ok(())
}

/// Waits until there is no Runner of this name.
async fn await_gone(context: &Context, runner: &str) -> anyhow::Result<()> {
    let awaited = format!("no Runner {runner}, whose job is done");
    eventually(&awaited, fleet::DEADLINE, || async {
        match fleet::runner_objects(context).await {
            Ok(runners) if !runners.contains(runner) => Seen::Yes(()),
            Ok(runners) => Seen::NotYet(format!("{runners:?}")),
            Err(error) => Seen::NotYet(format!("{error:#}")),
        }
    })
    .await?;
    Ok(())
}

/// Every value that DESIRED takes from the minimum on, with one runner busy and one reservation.
fn computed(spec: &Value) -> anyhow::Result<Vec<i64>> {
    let now = Timestamp::now();
    let mut spec: Spec = serde_json::from_value(spec.clone()).context("read the autoscaler")?;
    spec.capacity_reservations = vec![CapacityReservation {
        replicas: 1,
        expiration_time: Some(now + SignedDuration::from_hours(1)),
        effective_time: Some(now),
        ..CapacityReservation::default()
    }];
    let controller = Controller::in_zone(TimeZone::UTC);
    let mut values = vec![MIN];
    let mut status = Status::default();
    let mut observed = Observed {
        replicas: Some(MIN),
        ephemeral: true,
        scope: Scope::Enterprise(String::new()),
        busy: Busy {
            running: 1,
            terminating: 0,
        },
        open_jobs: 0,
    };
    loop {
        let outcome = controller.reconcile(&spec, &status, &observed, now)?;
        if values.last() == Some(&outcome.desired) {
            return Ok(values);
        }
        values.push(outcome.desired);
        observed.replicas = Some(outcome.desired);
        status = outcome.status;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_reservation_and_a_metric_in_its_middle_rise_by_one_up_to_the_maximum() {
        let spec = json!({
            "minReplicas": MIN, "maxReplicas": MAX,
            "metrics": [{ "type": "PercentageRunnersBusy", "scaleUpThreshold": "0.75", "scaleDownThreshold": "0.1" }],
        });

        let values = computed(&spec).expect("it reconciles");

        assert_eq!(values, [2, 3, 4, 5, 6]);
    }
}
