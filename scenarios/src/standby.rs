//! Metrics of two managers, of which one leads.
//!
//! Source: ARC's documentation on metrics; controller-runtime: controllers run where the lease is held, metrics are served everywhere. Not
//! covered: the proxy with TLS and RBAC before them; what follows a failover (`failover`).

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use futures::FutureExt as _;
use harness::cluster::{Sample, Seen, eventually};
use harness::model::{Check, Claim, OwnArc, Profile};
use harness::{Context, Scenario, expect, expect_equal};

use crate::failover::await_leader;
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
        needs: vec![harness::model::Capability::RunPods],
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

    let all: BTreeSet<&str> = OF_THE_LEADER.into_iter().collect();
    await_names(&context, first, &all).await?;
    let leading = context
        .arc_metrics(first)
        .await
        .context("read the leader's metrics")?;
    for controller in CONTROLLERS {
        let done = reconciles(&leading, controller);
        expect(
            format!("controller_runtime_reconcile_total{{controller={controller}}} above 0"),
            done > 0.0,
            done,
        )?;
    }
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
        let busy: BTreeMap<&str, f64> = CONTROLLERS
            .into_iter()
            .map(|controller| (controller, reconciles(&samples, controller)))
            .filter(|(_, done)| *done > 0.0)
            .collect();
        expect_equal(
            "reconciles of the manager that does not lead",
            &BTreeMap::new(),
            &busy,
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

/// Waits until this manager serves all these metrics of the scenario's namespace.
async fn await_names(context: &Context, manager: usize, names: &BTreeSet<&str>) -> anyhow::Result<()> {
    eventually(&format!("from the leader {names:?}"), fleet::DEADLINE, || async {
        match context.arc_metrics(manager).await {
            Ok(samples) => match about(&samples, &OF_THE_LEADER, context.namespace()) {
                seen if seen == *names => Seen::Yes(()),
                seen => Seen::NotYet(format!("{seen:?}")),
            },
            Err(error) => Seen::NotYet(error.to_string()),
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

/// How many reconciles a controller has ended.
fn reconciles(samples: &[Sample], controller: &str) -> f64 {
    let total = samples
        .iter()
        .filter(|sample| sample.name == "controller_runtime_reconcile_total");
    let of = total.filter(|sample| {
        sample
            .labels
            .get("controller")
            .is_some_and(|name| name == controller)
    });
    of.map(|sample| sample.value).sum()
}
