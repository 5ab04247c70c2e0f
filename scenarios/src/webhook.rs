//! Runners follow webhooks: ARC's real webhook server, told by GHES of queued and completed jobs, reserves capacity for each.
//!
//! Source: ARC's documentation on webhook driven scaling, and its source where that is silent: deliveries are counted in batches of three
//! seconds, each for one runner. Not covered: runner groups with selected repositories; a RunnerSet.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::FutureExt as _;
use harness::arc::resources;
use harness::cluster::{Seen, eventually};
use harness::mock_ghes::Signature;
use harness::mock_ghes::view::DeliveryView;
use harness::model::{ArcServer, Capability, Check, Claim, OwnArc, Profile};
use harness::{Context, Scenario, Trail, expect, expect_equal};
use jiff::Timestamp;
use kube::api::ListParams;
use serde_json::{Value, json};

use crate::fleet;
use crate::metrics::reconciles_of;
use crate::quickstart::follow;
use crate::visit::visit;

pub(crate) const SCALE_UP_AND_DOWN: Scenario = Scenario {
    check: || {
        Check {
        id: "webhook::scale-up-and-down".into(),
        claim: "two queued jobs reserve a runner each, which come from zero and do them; told that the jobs are completed, ARC gives the \
                reservations back and wants none"
            .into(),
        grounds: "ARC's documentation on webhook driven scaling: scaleUpTriggers with githubEvent.workflowJob".into(),
        not_covered: "a webhook that comes late; runner groups".into(),
        ..of_webhooks(vec![3, 5])
    }
    },
    run: |context| scale_up_and_down(context).boxed(),
};

pub(crate) const EXPIRY: Scenario = Scenario {
    check: || {
        Check {
        id: "webhook::expiry".into(),
        claim: "a reservation whose job GHES never calls completed counts until its trigger's duration is over, and no longer; it leaves \
                the autoscaler with the next delivery"
            .into(),
        grounds: "ARC's documentation on webhook driven scaling: duration of a scaleUpTrigger, for webhooks that are lost".into(),
        not_covered: "more reservations than maxReplicas, whose time ARC prolongs".into(),
        ..of_webhooks(vec![5])
    }
    },
    run: |context| expiry(context).boxed(),
};

/// What checks of the webhook server have in common.
pub(crate) fn of_webhooks(pains: Vec<u8>) -> Check {
    Check {
        id: String::new(),
        claim: String::new(),
        grounds: String::new(),
        not_covered: String::new(),
        profile: Profile::Extended,
        needs: vec![Capability::RunPods, Capability::Ledger, Capability::ForceFault],
        claims: Claim::OwnArc(OwnArc {
            servers: vec![ArcServer::GithubWebhook],
            ..OwnArc::default()
        }),
        pains,
    }
}

/// Batches of three seconds, and two runners that come up.
const DEADLINE: Duration = fleet::DEADLINE;

/// Long enough that nothing expires in a check that does not look at it.
pub(crate) const LONG: &str = "30m";

/// An autoscaler that follows webhooks, with what it wants and what it has reserved.
pub(crate) struct Scaled {
    pub(crate) name: String,
    pub(crate) desired: Trail,
    pub(crate) reserved: Trail,
}

/// The guide's RunnerDeployment of the scenario's enterprise, without a runner at first. It names the label of the jobs: ARC's webhook server
/// and its metric of queued jobs go by the labels in the manifest, not by those that a runner has besides.
pub(crate) fn deployment(context: &Context) -> anyhow::Result<Value> {
    let mut manifest = context.runner_deployment()?;
    manifest["spec"]["replicas"] = json!(0);
    let labels = manifest
        .pointer_mut("/spec/template/spec/labels")
        .and_then(Value::as_array_mut);
    labels
        .context("the RunnerDeployment has no labels")?
        .push(json!("linux"));
    Ok(manifest)
}

/// An autoscaler of that RunnerDeployment which goes by webhooks alone, between none and `max`, and scales down at once.
pub(crate) fn autoscaler(context: &Context, max: u32, duration: &str) -> Value {
    let guide = context.horizontal_runner_autoscaler("", "");
    json!({
        "apiVersion": guide["apiVersion"],
        "kind": guide["kind"],
        "metadata": guide["metadata"],
        "spec": {
            "scaleTargetRef": guide["spec"]["scaleTargetRef"],
            "minReplicas": 0,
            "maxReplicas": max,
            "scaleDownDelaySecondsAfterScaleOut": 0,
            "scaleUpTriggers": [{ "githubEvent": { "workflowJob": {} }, "duration": duration }],
        },
    })
}

/// Applies both, and waits until ARC's manager and its webhook server know the autoscaler.
pub(crate) async fn scaled(
    context: &Context,
    deployment: &Value,
    autoscaler: &Value,
    desired: i64,
) -> anyhow::Result<Scaled> {
    context.apply(deployment).await?;
    let name = fleet::name_of(autoscaler);
    let kind = resources::horizontal_runner_autoscaler();
    let scaled = Scaled {
        desired: context.trail(&kind, &name, "/status/desiredReplicas"),
        reserved: context.trail_of_length(&kind, &name, "/spec/capacityReservations"),
        name,
    };
    let before = known_changes(context).await?;
    context.apply(autoscaler).await?;
    scaled.desired.reaches(desired, DEADLINE).await?;
    await_known(context, before).await?;
    Ok(scaled)
}

/// How many changes of autoscalers the webhook server has taken note of, by its own metrics.
pub(crate) async fn known_changes(context: &Context) -> anyhow::Result<f64> {
    let samples = context.server_metrics(ArcServer::GithubWebhook).await?;
    Ok(reconciles_of(&samples, "webhookbasedautoscaler"))
}

/// Waits until it has taken note of more than so many.
pub(crate) async fn await_known(context: &Context, before: f64) -> anyhow::Result<()> {
    eventually("the webhook server knows the autoscaler", DEADLINE, || async {
        match known_changes(context).await {
            Ok(count) if count > before => Seen::Yes(()),
            Ok(count) => Seen::NotYet(format!("{count} changes of autoscalers")),
            Err(error) => Seen::NotYet(format!("{error:#}")),
        }
    })
    .await?;
    Ok(())
}

/// The deliveries of this action, once there are so many.
pub(crate) async fn await_deliveries(
    context: &Context,
    action: &str,
    count: usize,
) -> anyhow::Result<Vec<DeliveryView>> {
    let awaited = format!("{count} deliveries of jobs that are {action}");
    let found = eventually(&awaited, DEADLINE, || async {
        match context.hand().deliveries().await {
            Ok(all) => {
                let found: Vec<DeliveryView> = all
                    .into_iter()
                    .filter(|d| d.action.as_deref() == Some(action))
                    .collect();
                if found.len() >= count {
                    Seen::Yes(found)
                } else {
                    Seen::NotYet(found.len().to_string())
                }
            }
            Err(error) => Seen::NotYet(error.to_string()),
        }
    })
    .await?;
    Ok(found)
}

/// Has GHES send this delivery, and expects this answer.
pub(crate) async fn send(
    context: &Context,
    delivery: &DeliveryView,
    signature: Signature,
    status: u16,
    answer: &str,
) -> anyhow::Result<()> {
    let sent = context.hand().send(delivery.id, signature).await?;
    let sent = sent.context("GHES has lost a delivery")?;
    answered(&sent, &format!("{signature:?} signature"), status, answer)
}

/// Expects this answer to a delivery; `answer` is in it.
pub(crate) fn answered(delivery: &DeliveryView, how: &str, status: u16, answer: &str) -> anyhow::Result<()> {
    let action = delivery.action.as_deref().unwrap_or_default();
    expect(
        format!("{status} {answer:?} for {} {action} ({how})", delivery.event),
        delivery.status == Some(status) && delivery.answer.contains(answer),
        format!("{:?} {:?}", delivery.status, delivery.answer),
    )?;
    Ok(())
}

/// The least that ARC reads of a job's event, with these fields of the job.
pub(crate) fn job_event(context: &Context, action: &str, more: &Value) -> Value {
    let repository = context.tenant().repository();
    let mut event = json!({
        "action": action,
        "workflow_job": { "id": 1, "labels": ["self-hosted", "linux"] },
        "repository": { "name": repository.name, "owner": { "login": repository.owner, "type": "Organization" } },
        "enterprise": { "slug": context.tenant().name },
    });
    for (field, value) in more.as_object().into_iter().flatten() {
        event["workflow_job"][field] = value.clone();
    }
    event
}

async fn scale_up_and_down(context: Context) -> anyhow::Result<()> {
    let desk = context.desk().await?;
    let scaled = scaled(
        &context,
        &deployment(&context)?,
        &autoscaler(&context, 4, LONG),
        0,
    )
    .await?;
    let organization = context.tenant().organization();
    context.hook(&organization, ArcServer::GithubWebhook).await?;

    let run = visit(&context, &context.tenant().repository(), &desk, &["1", "2"]).await?;
    let queued = Instant::now();
    scaled.reserved.reaches(2, DEADLINE).await?;
    scaled.desired.reaches(2, DEADLINE).await?;
    context.measure("queued to desired", queued.elapsed().as_secs_f64(), "s");
    desk.waiting(2, DEADLINE).await?;
    context.measure(
        "queued to both jobs in progress",
        queued.elapsed().as_secs_f64(),
        "s",
    );
    desk.let_all_go();
    follow(&context, run).await?;
    let completed = Instant::now();
    scaled.reserved.reaches(0, DEADLINE).await?;
    scaled.desired.reaches(0, DEADLINE).await?;
    context.measure(
        "completed to none desired",
        completed.elapsed().as_secs_f64(),
        "s",
    );

    let up_and_down = |values: &[i64]| values.iter().max() == Some(&2) && is_one_hill(values);
    for trail in [&scaled.desired, &scaled.reserved] {
        expect(
            "a rise to 2 and a fall to 0",
            up_and_down(&trail.values()),
            format!("{:?}", trail.values()),
        )?;
    }
    let name = &scaled.name;
    for delivery in context.hand().deliveries().await? {
        let answer = match delivery.action.as_deref() {
            Some("queued") => format!("scaled {name} by 1"),
            Some("completed") => format!("scaled {name} by -1"),
            Some(_) => String::new(),
            None => "pong".to_owned(),
        };
        answered(&delivery, "as GHES sends it", 200, &answer)?;
    }
    await_no_runner(&context).await
}

/// Whether the values rise, then fall, and never rise again.
pub(crate) fn is_one_hill(values: &[i64]) -> bool {
    let top = values
        .iter()
        .max()
        .and_then(|max| values.iter().position(|value| value == max));
    let (rise, fall) = values.split_at(top.unwrap_or_default());
    rise.is_sorted() && fall.is_sorted_by(|before, after| before >= after)
}

async fn await_no_runner(context: &Context) -> anyhow::Result<()> {
    let runners = context.objects(&resources::runner());
    eventually("no Runner", DEADLINE, || async {
        match runners.list(&ListParams::default()).await {
            Ok(list) if list.items.is_empty() => Seen::Yes(()),
            Ok(list) => Seen::NotYet(format!("{} Runners", list.items.len())),
            Err(error) => Seen::NotYet(error.to_string()),
        }
    })
    .await?;
    Ok(())
}

/// The trigger's duration in the check of it. Kubernetes stores times in whole seconds.
const SHORT: Duration = Duration::from_secs(3);
const ROUNDING: Duration = Duration::from_secs(1);

async fn expiry(context: Context) -> anyhow::Result<()> {
    let desk = context.desk().await?;
    let deployment = fleet::without_a_node(deployment(&context)?);
    let autoscaler = autoscaler(&context, 4, &format!("{}s", SHORT.as_secs()));
    let scaled = scaled(&context, &deployment, &autoscaler, 0).await?;
    context
        .hook(&context.tenant().organization(), ArcServer::GithubWebhook)
        .await?;
    context.hand().hold_deliveries().await?;
    visit(&context, &context.tenant().repository(), &desk, &["1"]).await?;
    let queued = await_deliveries(&context, "queued", 1).await?;
    let by_one = format!("scaled {} by 1", scaled.name);

    send(&context, &queued[0], Signature::Good, 200, &by_one).await?;
    let up = scaled.desired.reaches(1, DEADLINE).await?;
    expect_equal(
        "seconds from the reservation's effectiveTime to its expirationTime",
        &Some(SHORT.as_secs().cast_signed()),
        &seconds_reserved(&context, &scaled.name).await?,
    )?;
    let down = scaled.desired.reaches(0, DEADLINE).await?;
    let lasted = down.at - up.at;
    context.measure("a reservation of 3 s lasted", lasted.as_secs_f64(), "s");
    expect(
        format!("the reservation to last {SHORT:?}, up to a second"),
        lasted + ROUNDING >= SHORT,
        format!("{lasted:?}"),
    )?;
    expect_equal(
        "reservations that lie there, over as they are",
        &vec![0, 1],
        &scaled.reserved.values(),
    )?;
    send(&context, &queued[0], Signature::Good, 200, &by_one).await?;
    scaled.desired.reaches(1, DEADLINE).await?;
    expect_equal(
        "reservations after the next delivery",
        &Some(1),
        &scaled.reserved.values().last().copied(),
    )?;
    Ok(())
}

/// How long the autoscaler's first reservation is to last, by its own times.
async fn seconds_reserved(context: &Context, name: &str) -> anyhow::Result<Option<i64>> {
    let autoscalers = context.objects(&resources::horizontal_runner_autoscaler());
    let found = autoscalers.get(name).await.context("read the autoscaler")?;
    let time = |field: &str| -> Option<Timestamp> {
        let pointer = format!("/spec/capacityReservations/0/{field}");
        found.data.pointer(&pointer)?.as_str()?.parse().ok()
    };
    let times = time("effectiveTime").zip(time("expirationTime"));
    Ok(times.map(|(from, until)| until.as_second() - from.as_second()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hill_rises_once_and_falls_once() {
        let hills = [&[0, 2, 0][..], &[0, 1, 2, 2, 1, 0], &[0], &[]];
        let others = [&[0, 2, 1, 2, 0][..], &[1, 0, 1]];

        assert!(hills.iter().all(|values| is_one_hill(values)));
        assert!(!others.iter().any(|values| is_one_hill(values)));
    }
}
