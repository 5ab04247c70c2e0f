//! Upgrades of ARC: the first step of a careful one as a check of the catalogue; whole ones in `arms`, for `cargo xtask upgrade`.
//!
//! Source: ARC's documentation on upgrading: Helm never touches the custom resource definitions, so an administrator replaces them before the
//! chart. Between both steps the old controller works with the new definitions. Not covered: the second step, and the way back.

mod arms;
mod charts;
mod load;

use std::collections::BTreeSet;

use futures::FutureExt as _;
use harness::model::{Capability, Check, Claim, OwnArc, Profile};
use harness::{Context, Scenario, expect_equal};

use crate::fleet;
use crate::quickstart::{dispatch, follow};

pub use arms::ARMS;

pub(crate) const DEFINITIONS_FIRST: Scenario = Scenario {
    check: || {
        Check {
        id: "upgrade::definitions-first".into(),
        claim: "with the tested release's definitions in the cluster the controller of v0.27.3 still registers a runner, which does the \
                quickstart"
            .into(),
        grounds: "ARC's documentation on upgrading: the definitions are replaced before the chart".into(),
        not_covered: "the upgrade of the chart itself; the way back".into(),
        profile: Profile::Extended,
        needs: vec![Capability::RunPods, Capability::Ledger],
        claims: Claim::OwnArc(OwnArc {
            version: Some(PREVIOUS.to_owned()),
            ..OwnArc::default()
        }),
        pains: vec![14],
    }
    },
    run: |context| definitions_first(context).boxed(),
};

/// The last release before the tested one that can be had (`kind/versions.toml`).
const PREVIOUS: &str = "v0.27.3";

async fn definitions_first(context: Context) -> anyhow::Result<()> {
    context.apply(&context.runner_deployment()?).await?;
    fleet::await_another(&context, &BTreeSet::new()).await?;
    let run = dispatch(&context).await?;
    follow(&context, run).await?;

    let asked = context.hand().ledger().recent().into_iter();
    let controllers: BTreeSet<String> = asked
        .filter_map(|record| record.user_agent)
        .filter(|agent| agent.starts_with("actions-runner-controller/"))
        .collect();
    expect_equal(
        "the controller, as it introduces itself to GHES",
        &BTreeSet::from([format!("actions-runner-controller/{PREVIOUS}")]),
        &controllers,
    )?;
    Ok(())
}
