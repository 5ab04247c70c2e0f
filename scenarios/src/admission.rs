//! ARC's admission webhook, reached by the API server with its certificate verified.
//!
//! Source: ARC's validating webhook; the guide: exactly one of enterprise, organization and repository.

use futures::FutureExt as _;
use harness::cluster::{Applier, ApplyError};
use harness::model::{Check, Claim, Profile};
use harness::{Context, Scenario, Unmet, expect};

pub(crate) const TWO_SCOPES: Scenario = Scenario {
    check: || Check {
        id: "admission::two-scopes".into(),
        claim: "a RunnerDeployment with two scopes is refused by the webhook, with its reason".into(),
        grounds: "the guide: `3 valid runner scope options`, of which one is set; ARC's validating webhook"
            .into(),
        not_covered: "HorizontalRunnerAutoscaler and RunnerSet, which no webhook validates".into(),
        profile: Profile::Core,
        needs: vec![],
        claims: Claim::SharedArc,
        pains: vec![22],
    },
    run: |context| two_scopes(context).boxed(),
};

async fn two_scopes(context: Context) -> anyhow::Result<()> {
    let manifest = fixtures::in_namespace(fixtures::two_scopes(), context.namespace());
    let reason = "Spec cannot have many fields defined";
    let awaited = format!("a refusal that says `{reason}`");

    let answer = Applier::new(context.client().clone())
        .dry_run(&manifest, context.namespace())
        .await;

    match answer {
        Ok(_) => {
            context.observe(
                "the API server admitted a RunnerDeployment with an enterprise and an organization (dry run)",
            );
            Err(Unmet {
                awaited,
                seen: "admitted".into(),
            }
            .into())
        }
        Err(ApplyError::Refused { reason: said, .. }) => {
            expect(awaited, said.contains(reason), &said)?;
            context.observe(said);
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}
