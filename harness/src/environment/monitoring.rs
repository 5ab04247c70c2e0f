//! A real Prometheus that scrapes a scenario's own ARC, labelled as by the chart's ServiceMonitor.
//!
//! What it is not: the rules and queries are the scenario's.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use harness_arc::NAMESPACE;
use harness_cluster::{Prometheus, PrometheusError, PrometheusParts, Target};

use super::{Defect, Environment, World};

/// The Service of the chart's ServiceMonitor, after which the Prometheus Operator calls the job.
const SERVICE: &str = "actions-runner-controller-metrics-service";

/// Where nothing listens.
const NOWHERE: &str = "127.0.0.1:9";

/// The programs, wherever the system has them.
pub(crate) fn parts() -> Result<PrometheusParts, PrometheusError> {
    PrometheusParts::find(&std::env::var("PATH").unwrap_or_default())
}

impl Environment {
    /// A folder for files of one scenario that die with the run.
    pub(crate) fn scratch(&self, namespace: &str) -> Utf8PathBuf {
        self.site.state.join("scratch").join(namespace)
    }

    /// Starts a Prometheus that scrapes the managers of this check's own ARC and evaluates these rules.
    pub(crate) async fn prometheus(
        &self,
        world: &World,
        check: &str,
        namespace: &str,
        rules: &str,
    ) -> Result<Prometheus, PrometheusError> {
        let place = self.order.own_arcs.iter().position(|own| own == check);
        let place = self.site.own_prometheus(place.unwrap_or_default(), namespace);
        let defects = self.defects();
        let seeded = |defect: Defect| defects.contains(&defect) && defect.turns_red() == check;
        let mut rules = rules.to_owned();
        if seeded(Defect::RenamedMetric) {
            rules = rules.replace("autoscaler_runners_busy", "autoscaler_busy_runners");
        }
        let targets: Vec<Target> = world
            .metrics()
            .iter()
            .zip(world.managers())
            .map(|(url, manager)| {
                let address = url.trim_start_matches("http://").trim_end_matches("/metrics");
                let address = if seeded(Defect::BlindPrometheus) {
                    NOWHERE
                } else {
                    address
                };
                target(address, manager.name())
            })
            .collect();
        Prometheus::start(&parts()?, &place, &targets, &rules).await
    }
}

/// As the Prometheus Operator makes a target of a pod behind the Service.
fn target(address: &str, pod: &str) -> Target {
    let labels = [
        ("container", "manager"),
        ("endpoint", "metrics-port"),
        ("namespace", NAMESPACE),
        ("pod", pod),
        ("service", SERVICE),
    ];
    Target {
        job: SERVICE.to_owned(),
        address: address.to_owned(),
        labels: labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect::<BTreeMap<_, _>>(),
    }
}
