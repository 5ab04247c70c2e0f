//! Deliveries that ARC's webhook server must refuse or ignore, and those that count although they come twice or in the wrong order.
//!
//! Source: GitHub's documentation on validating webhook deliveries; ARC's source: what it refuses it answers with 500, what it ignores with 200,
//! and reservations are matched with no job. Not covered: a full queue; a receiver that GHES cannot reach.

use anyhow::Context as _;
use futures::FutureExt as _;
use harness::mock_ghes::Signature;
use harness::model::{ArcServer, Check};
use harness::{Context, Scenario, expect, expect_equal};
use serde_json::{Value, json};

use crate::fleet;
use crate::visit::visit;
use crate::webhook::{
    LONG, answered, autoscaler, await_deliveries, deployment, job_event, of_webhooks, scaled, send,
};

pub(crate) const HOSTILE: Scenario = Scenario {
    check: || {
        Check {
        id: "webhook::hostile".into(),
        claim: "deliveries with a wrong signature or none, of other or unknown events, or broken are answered 500 and reserve nothing; jobs \
                that are skipped, begun or for other labels are answered 200 and reserve nothing; a completed job that comes before its \
                queued one takes nothing below zero; one that is told twice counts twice"
            .into(),
        grounds: "GitHub's documentation on validating webhook deliveries; ARC's source: reservations are matched with no job".into(),
        not_covered: "a full queue; more reservations than maxReplicas".into(),
        ..of_webhooks(vec![5, 6])
    }
    },
    run: |context| hostile(context).boxed(),
};

async fn hostile(context: Context) -> anyhow::Result<()> {
    let desk = context.desk().await?;
    let deployment = fleet::without_a_node(deployment(&context)?);
    let scaled = scaled(&context, &deployment, &autoscaler(&context, 10, LONG), 0).await?;
    let hook = context
        .hook(&context.tenant().organization(), ArcServer::GithubWebhook)
        .await?;
    context.hand().hold_deliveries().await?;
    let repository = context.tenant().repository();
    let run = visit(&context, &repository, &desk, &["1", "2"]).await?;
    let queued = await_deliveries(&context, "queued", 2).await?;
    context
        .ghes()
        .cancel(&repository, run)
        .await
        .context("cancel the run")?;
    let completed = await_deliveries(&context, "completed", 2).await?;
    let (by_one, by_less) = (
        format!("scaled {} by 1", scaled.name),
        format!("scaled {} by -1", scaled.name),
    );

    for signature in [Signature::Bad, Signature::Missing] {
        send(&context, &queued[0], signature, 500, "").await?;
        send(&context, &completed[0], signature, 500, "").await?;
    }
    for (event, payload, status, answer) in unwanted(&context) {
        let told = context
            .hand()
            .tell(hook, event, &payload, Signature::Good)
            .await?;
        let told = told.context("GHES has lost the webhook")?;
        answered(&told, &payload, status, answer)?;
    }
    expect_equal("reservations after all that", &vec![0], &scaled.reserved.values())?;

    // Each job is cancelled, so that it frees a reservation although no runner had it.
    send(&context, &completed[0], Signature::Good, 200, &by_less).await?;
    send(&context, &queued[0], Signature::Good, 200, &by_one).await?;
    send(&context, &queued[1], Signature::Good, 200, &by_one).await?;
    send(&context, &queued[1], Signature::Good, 200, &by_one).await?;
    scaled.reserved.reaches(3, fleet::DEADLINE).await?;
    scaled.desired.reaches(3, fleet::DEADLINE).await?;
    send(&context, &completed[1], Signature::Bad, 500, "").await?;
    send(&context, &completed[1], Signature::Good, 200, &by_less).await?;
    scaled.reserved.reaches(2, fleet::DEADLINE).await?;
    scaled.desired.reaches(2, fleet::DEADLINE).await?;
    let values = scaled.reserved.values();
    let (last, rise) = values
        .split_last()
        .context("a trail that reached a value is not empty")?;
    expect(
        "reservations to rise to 3 and fall to 2",
        rise.is_sorted() && rise.last() == Some(&3) && *last == 2,
        format!("{values:?}"),
    )?;
    Ok(())
}

/// What scales nothing: event, payload, status and answer.
fn unwanted(context: &Context) -> Vec<(&'static str, String, u16, &'static str)> {
    let job = |action: &str, more: &Value| job_event(context, action, more).to_string();
    let labels = json!({ "labels": ["self-hosted", "gpu"] });
    let (skipped, elsewhere) = (
        json!({ "conclusion": "skipped" }),
        json!({ "conclusion": "success" }),
    );
    vec![
        ("push", json!({ "ref": "refs/heads/main" }).to_string(), 500, ""),
        ("no_such_event", "{}".to_owned(), 500, ""),
        ("workflow_job", "{\"action\":".to_owned(), 500, ""),
        ("ping", json!({ "zen": "" }).to_string(), 200, "pong"),
        ("workflow_job", job("in_progress", &json!({})), 200, ""),
        ("workflow_job", job("completed", &skipped), 200, ""),
        // Without a runner's number: somebody else's check run.
        ("workflow_job", job("completed", &elsewhere), 200, ""),
        (
            "workflow_job",
            job("queued", &labels),
            200,
            "no horizontalrunnerautoscaler",
        ),
    ]
}
