//! GHES answers ARC badly for a while, with runners there: lists and registration tokens are refused, by 503 and then by 403.
//!
//! Source: ARC's autoscaler keeps what it wanted while it cannot learn how busy runners are, with the event RunnerAutoscalingFailure. Not covered: a
//! GHES that does not answer at all; runners that end meanwhile.

use anyhow::Context as _;
use futures::FutureExt as _;
use harness::cluster::{Seen, eventually};
use harness::mock_ghes::{FaultKind, FaultRule};
use harness::model::{Capability, Check, Claim, OwnArc, Profile};
use harness::{Context, Scenario, expect_equal};
use serde_json::json;

use crate::credentials::requests_below;
use crate::fleet::{self, name_of};
use crate::quickstart::follow;
use crate::scaling::{autoscale, autoscaler, await_failure};
use crate::visit::visit;

pub(crate) const FLAPPING: Scenario = Scenario {
    check: || {
        Check {
        id: "outage::flapping".into(),
        claim: "while GHES answers ARC's lists and registrations with 503 and then with 403, the autoscaler has an event, DESIRED stays although every \
                runner becomes busy, and no pod goes; afterwards DESIRED follows, and exactly so many runners are online"
            .into(),
        grounds: "ARC's autoscaler: event RunnerAutoscalingFailure, and another try at each resync".into(),
        not_covered: "a GHES that does not answer at all; runners that end meanwhile".into(),
        profile: Profile::Extended,
        needs: vec![Capability::RunPods, Capability::Ledger, Capability::ForceFault],
        claims: Claim::OwnArc(OwnArc::default()),
        pains: vec![12, 25],
    }
    },
    run: |context| flapping(context).boxed(),
};

const BEFORE: usize = 2;
const AFTER: usize = 4;
/// So many refused requests show that ARC goes on trying.
const TRIES: usize = 3;

async fn flapping(context: Context) -> anyhow::Result<()> {
    let mut scaler = autoscaler(&context);
    scaler["spec"]["maxReplicas"] = json!(AFTER);
    let mut deployment = context.runner_deployment()?;
    deployment["spec"]["replicas"] = json!(BEFORE);
    context.apply(&deployment).await?;
    let trail = autoscale(&context, &scaler).await?;
    trail.reaches(i64::try_from(BEFORE)?, fleet::DEADLINE).await?;
    fleet::await_idle(&context, BEFORE).await?;
    let pods = fleet::pod_names(&context).await?;

    let runners = format!("/api/v3/{}/actions/runners", context.tenant().enterprise());
    let first = [
        (runners.clone(), "GET"),
        (format!("{runners}/registration-token"), "POST"),
    ];
    refuse(&context, &first, 503);
    await_refused(&context, &runners, 503).await?;
    let desk = context.desk().await?;
    let run = visit(&context, &context.tenant().repository(), &desk, &["1", "2"]).await?;
    desk.waiting(BEFORE, fleet::DEADLINE).await?;
    // The second rule is there before the first goes, so that nothing is answered well between them.
    let second = [
        (format!("{runners}*"), "GET"),
        (format!("{runners}/registration*"), "POST"),
    ];
    refuse(&context, &second, 403);
    end(&context, &first).await?;
    await_refused(&context, &runners, 403).await?;
    await_failure(&context, &name_of(&scaler), "").await?;
    expect_equal(
        "DESIRED while GHES refuses ARC",
        &vec![i64::try_from(BEFORE)?],
        &trail.values(),
    )?;
    expect_equal(
        "pods while GHES refuses ARC",
        &pods,
        &fleet::pod_names(&context).await?,
    )?;

    end(&context, &second).await?;
    trail.reaches(i64::try_from(AFTER)?, fleet::DEADLINE).await?;
    fleet::await_online(&context, &context.tenant().enterprise(), AFTER).await?;
    desk.let_all_go();
    follow(&context, run).await?;
    Ok(())
}

/// Has GHES answer these with this status.
fn refuse(context: &Context, targets: &[(String, &str)], status: u16) {
    for (target, method) in targets {
        let refused = FaultKind::Status(status);
        context.hand().fault(FaultRule::standing(method, target, refused));
    }
}

async fn end(context: &Context, targets: &[(String, &str)]) -> anyhow::Result<()> {
    for (target, _) in targets {
        let ended = context.hand().clear_fault(target).await;
        ended.context("end the outage")?;
    }
    Ok(())
}

/// Waits until so many of ARC's lists have been answered with this status.
async fn await_refused(context: &Context, path: &str, status: u16) -> anyhow::Result<()> {
    eventually(
        &format!("{TRIES} requests of ARC for {path}, answered {status}"),
        fleet::DEADLINE,
        || async {
            let refused = requests_below(context, path)
                .iter()
                .filter(|record| record.path == path && record.status == Some(status))
                .count();
            if refused >= TRIES {
                Seen::Yes(())
            } else {
                Seen::NotYet(refused.to_string())
            }
        },
    )
    .await?;
    Ok(())
}
