//! A RunnerDeployment is deleted while GHES refuses to remove its runners.
//!
//! Source: ARC's documentation: runners are unregistered before they are deleted. Not covered: a GHES that stays away, or answers nothing.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::FutureExt as _;
use harness::cluster::{Seen, eventually};
use harness::mock_ghes::{FaultKind, FaultRule};
use harness::model::{Capability, Check, Claim, Profile};
use harness::{Context, Scenario, expect};

use crate::quickstart::follow;
use crate::visit::visit;
use crate::{fleet, replicas};

pub(crate) const TERMINATING: Scenario = Scenario {
    check: || {
        Check {
        id: "pods::terminating".into(),
        claim: "when a RunnerDeployment with a busy runner is deleted while GHES answers 500 to the runner's removal, ARC leaves the pod to \
                its job and asks again; with GHES back and the job done, nothing stays Terminating, neither pod nor Runner"
            .into(),
        grounds: "ARC's documentation: runners are unregistered before they are deleted; a runner that is stopped waits RUNNER_GRACEFUL_STOP_TIMEOUT, 15 s, for its job"
            .into(),
        not_covered: "a GHES that stays away; a job longer than the graceful stop; a pod whose node is gone".into(),
        profile: Profile::Extended,
        needs: vec![Capability::RunPods, Capability::Ledger, Capability::ForceFault],
        claims: Claim::SharedArc,
        pains: vec![12, 13],
    }
    },
    run: |context| terminating(context).boxed(),
};

/// Shorter than the graceful stop of 15 s, longer than a hard one.
const GRACEFUL: Duration = Duration::from_secs(5);

/// So many refused tries show that ARC asks again.
const TRIES: usize = 2;

async fn terminating(context: Context) -> anyhow::Result<()> {
    let desk = context.desk().await?;
    let manifest = context.runner_deployment()?;
    context.apply(&manifest).await?;
    let run = visit(&context, &context.tenant().repository(), &desk, &["only"]).await?;
    desk.waiting(1, fleet::DEADLINE).await?;
    fleet::await_tended(&context).await?;
    let removals = format!("/api/v3/{}/actions/runners/*", context.tenant().enterprise());
    let refused = FaultKind::Status(500);
    context
        .hand()
        .fault(FaultRule::standing("DELETE", &removals, refused));

    fleet::delete(&context, &manifest).await?;
    let deleted = Instant::now();

    let (refused, lost) = futures::join!(await_refused(&context), desk.lost_within(GRACEFUL));
    let refused = refused?;
    expect(
        format!("the job in progress for {GRACEFUL:?} after its RunnerDeployment was deleted"),
        lost.is_none(),
        format!("{lost:?}"),
    )?;
    context
        .hand()
        .clear_fault(&removals)
        .await
        .context("end the outage")?;
    desk.let_all_go();
    follow(&context, run).await?;
    replicas::await_nothing(&context).await?;
    context.measure(
        "a RunnerDeployment deleted while GHES refuses to nothing of it left",
        deleted.elapsed().as_secs_f64(),
        "s",
    );
    context.observe(format!(
        "GHES refused {refused} removals of the busy runner first"
    ));
    Ok(())
}

/// How many removals GHES has refused with 500, once they are enough.
async fn await_refused(context: &Context) -> anyhow::Result<usize> {
    let folder = format!("/api/v3/{}/actions/runners/", context.tenant().enterprise());
    let refused = eventually(
        &format!("{TRIES} removals refused with 500"),
        fleet::DEADLINE,
        || async {
            let all = context.hand().ledger().recent();
            let refused = all.iter().filter(|request| {
                request.method == "DELETE" && request.status == Some(500) && request.path.starts_with(&folder)
            });
            match refused.count() {
                count if count >= TRIES => Seen::Yes(count),
                count => Seen::NotYet(count.to_string()),
            }
        },
    )
    .await?;
    Ok(refused)
}
