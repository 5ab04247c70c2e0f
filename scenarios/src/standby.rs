//! Metrics of two managers, of which one leads.
//!
//! Source: ARC's documentation on metrics; controller-runtime: controllers run where the lease is held, metrics are served everywhere. Not
//! covered: the proxy with TLS and RBAC before them; what follows a failover (`failover`).

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use futures::FutureExt as _;
use harness::cluster::{Sample, Seen, eventually};
use harness::model::{Capability, Check, Claim, OwnArc, Profile};
use harness::{Context, Scenario, expect, expect_equal};

use crate::failover::await_leader;
use crate::metrics::reconciles_of;
use crate::{fleet, scaling};

pub(crate) const LEADER: Scenario = Scenario {
    check: || {
        Check {
        id: "metrics::leader".into(),
        claim: "of two managers both serve metrics of themselves, but only the one that leads those of autoscalers, RunnerDeployments and \
                reconciles: a dashboard counts nothing twice"
            .into(),
        grounds: "ARC's chart, replicaCount 2 with leader election, as the guide installs it; ARC's documentation on metrics".into(),
        not_covered: "a leader that was one before; the rate limit, which each manager tells for itself".into(),
        profile: Profile::Extended,
        needs: vec![Capability::RunPods],
        claims: Claim::OwnArc(OwnArc {
            replicas: 2,
            ..OwnArc::default()
        }),
        pains: vec![25],
    }
    },
    run: |context| leader(context).boxed(),
};

/// What a dashboard rests on, and what only a manager that reconciles has.
const OF_THE_LEADER: [&str; 4] = [
    "horizontalrunnerautoscaler_spec_max_replicas",
    "horizontalrunnerautoscaler_spec_min_replicas",
    "horizontalrunnerautoscaler_status_desired_replicas",
    "runnerdeployment_spec_replicas",
];

/// What each manager says of itself.
const OF_EACH: [&str; 4] = [
    "github_rate_limit",
    "github_rate_limit_remaining",
    "leader_election_master_status",
    "process_start_time_seconds",
];

/// ARC's controllers, by the names that they have in metrics and logs.
const CONTROLLERS: [&str; 4] = [
    "horizontalrunnerautoscaler-controller",
    "runner-controller",
    "runnerdeployment-controller",
    "runnerreplicaset-controller",
];

async fn leader(context: Context) -> anyhow::Result<()> {
    let first = await_leader(&context).await?;
    let mut autoscaler = scaling::autoscaler(&context);
    if let Some(spec) = autoscaler["spec"].as_object_mut() {
        spec.remove("metrics");
    }
    context
        .apply(&fleet::without_a_node(context.runner_deployment()?))
        .await?;
    context.apply(&autoscaler).await?;

    await_led(&context, first).await?;
    let managers = context.managers().len();
    for standby in (0..managers).filter(|manager| *manager != first) {
        let samples = context
            .arc_metrics(standby)
            .await
            .context("read a standby's metrics")?;
        let seen: BTreeSet<&str> = about(&samples, &OF_THE_LEADER, context.namespace());
        expect_equal(
            "metrics of autoscaling from the manager that does not lead",
            &BTreeSet::new(),
            &seen,
        )?;
        expect_equal(
            "reconciles of the manager that does not lead",
            &BTreeMap::new(),
            &busy(&samples),
        )?;
        for name in OF_EACH {
            let there = samples.iter().any(|sample| sample.name == name);
            expect(
                format!("{name} from the manager that does not lead"),
                there,
                "absent",
            )?;
        }
    }
    Ok(())
}

/// Waits until this manager serves every metric of autoscaling in the scenario's namespace, and each controller has done something.
async fn await_led(context: &Context, manager: usize) -> anyhow::Result<()> {
    let metrics: BTreeSet<&str> = OF_THE_LEADER.into_iter().collect();
    let controllers: BTreeSet<&str> = CONTROLLERS.into_iter().collect();
    let awaited = format!("from the leader {metrics:?}, with reconciles of {controllers:?}");
    eventually(&awaited, fleet::DEADLINE, || async {
        let samples = match context.arc_metrics(manager).await {
            Ok(samples) => samples,
            Err(error) => return Seen::NotYet(error.to_string()),
        };
        let seen = about(&samples, &OF_THE_LEADER, context.namespace());
        let busy: BTreeSet<&str> = busy(&samples).into_keys().collect();
        if seen == metrics && busy == controllers {
            Seen::Yes(())
        } else {
            Seen::NotYet(format!("{seen:?}, with reconciles of {busy:?}"))
        }
    })
    .await?;
    Ok(())
}

/// Which of these metrics are there for this namespace.
fn about<'a>(samples: &'a [Sample], names: &[&str], namespace: &str) -> BTreeSet<&'a str> {
    let ours = samples
        .iter()
        .filter(|sample| names.contains(&sample.name.as_str()));
    let ours = ours.filter(|sample| sample.labels.get("namespace").is_some_and(|of| of == namespace));
    ours.map(|sample| sample.name.as_str()).collect()
}

/// The controllers that have ended reconciles, and how many.
fn busy(samples: &[Sample]) -> BTreeMap<&'static str, f64> {
    let all = CONTROLLERS
        .into_iter()
        .map(|controller| (controller, reconciles_of(samples, controller)));
    all.filter(|(_, done)| *done > 0.0).collect()
}
