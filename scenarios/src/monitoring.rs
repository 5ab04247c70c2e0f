//! The alert rules and the dashboard of `monitoring/`, held against the real ARC by a real Prometheus.
//!
//! Source: ARC's documentation on metrics; its source and controller-runtime's for names and meanings; Prometheus's documentation on alerting rules.
//! What is asked is read from the shipped files, so a query that somebody adds is asked too. Alerts wait for minutes and hours: in front of ARC they
//! fire without a wait, and look back a hundredth of the time, which shows that the expressions are true of real causes; that the waits
//! are as the file says, promtool tests on the file as it is. Not covered: Grafana, Alertmanager, the proxy before ARC's metrics.

mod alerts;
mod dashboard;
mod expressions;
mod files;

use futures::FutureExt as _;
use harness::ghes::Scope;
use harness::model::{Capability, Check, Claim, OwnArc, Profile};
use harness::{Context, Scenario};
use serde_json::{Value, json};

use crate::{fleet, scaling, webhook};

pub(crate) const DASHBOARD: Scenario = Scenario {
    check: || {
        Check {
        id: "monitoring::dashboard".into(),
        claim: "each query of monitoring/dashboard.json, asked of a real Prometheus that scrapes ARC, returns what GHES and the API server know to be \
                true: desired, minimum, maximum, busy and registered runners, the queue, the rate limit, ARC's reconciles"
            .into(),
        grounds: "ARC's documentation on metrics; monitoring/dashboard.json".into(),
        not_covered: "how Grafana draws it; how ARC's metrics are reached in a cluster, through kube-rbac-proxy".into(),
        profile: Profile::Extended,
        needs: vec![Capability::RunPods, Capability::Ledger, Capability::Prometheus],
        claims: Claim::OwnArc(OwnArc::default()),
        pains: vec![25],
    }
    },
    run: |context| dashboard::dashboard(context).boxed(),
};

pub(crate) const ALERTS: Scenario = Scenario {
    check: || {
        Check {
        id: "monitoring::alerts".into(),
        claim: "no alert of monitoring/alerts.yaml fires while all is well; each fires in a real Prometheus once its cause is there: jobs beyond the maximum, \
                runners that GHES does not take or let go, a quota, a GHES that refuses, hangs or limits ARC, a manager that is dead; and ends with it"
            .into(),
        grounds: "ARC's documentation on metrics; monitoring/alerts.yaml, with alerts_test.yaml for its waits".into(),
        not_covered: "alerts wait for minutes there and not at all here, where ranges are a hundredth as long: promtool tests the file's own waits; who is told"
            .into(),
        profile: Profile::Extended,
        needs: vec![Capability::RunPods, Capability::Ledger, Capability::ForceFault, Capability::Prometheus],
        claims: Claim::OwnArc(OwnArc::default()),
        pains: vec![3, 20, 25],
    }
    },
    run: |context| alerts::alerts(context).boxed(),
};

/// The name of the objects for a repository's queue.
const QUEUE: &str = "queue";

/// A RunnerDeployment for the scenario's repository, whose runners have no node, with an autoscaler that counts the repository's jobs: it
/// shows the queue and leaves the jobs to others.
fn queue(context: &Context, max: usize) -> anyhow::Result<[Value; 2]> {
    let deployment = fixtures::for_scope(
        webhook::deployment(context)?,
        &Scope::from(&context.tenant().repository()),
    );
    let mut deployment = fleet::without_a_node(deployment);
    deployment["metadata"]["name"] = json!(QUEUE);
    let mut autoscaler = scaling::autoscaler(context);
    autoscaler["metadata"]["name"] = json!(QUEUE);
    autoscaler["spec"]["scaleTargetRef"]["name"] = json!(QUEUE);
    autoscaler["spec"]["minReplicas"] = json!(0);
    autoscaler["spec"]["maxReplicas"] = json!(max);
    autoscaler["spec"]["scaleDownDelaySecondsAfterScaleOut"] = json!(0);
    autoscaler["spec"]["metrics"] = json!([{ "type": "TotalNumberOfQueuedAndInProgressWorkflowRuns" }]);
    Ok([deployment, autoscaler])
}
