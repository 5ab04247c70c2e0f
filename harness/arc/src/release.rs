//! A release of ARC's chart: whose it is, what it watches, where its replicas listen.
//!
//! What it is not: nothing is started here.

use std::collections::BTreeMap;

use harness_model::ArcServer;
use serde_json::{Value, json};

use crate::manager::{NAMESPACE, Subject};
use crate::workload::Container;

/// The guide's release name.
pub const RELEASE: &str = "actions-runner-controller";

/// Where one manager program listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replica {
    /// Admission webhook, HTTPS.
    pub webhook: u16,
    /// Metrics, HTTP on loopback.
    pub metrics: u16,
}

/// One of the chart's programs that GHES tells of jobs, and where it listens: HTTP on loopback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Server {
    /// Which.
    pub kind: ArcServer,
    /// Webhooks.
    pub webhook: u16,
    /// Metrics.
    pub metrics: u16,
}

/// One installation of ARC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Helm's name of it, and the id of its leader election.
    pub name: String,
    /// The one namespace that it works in; absent: all.
    pub watch_namespace: Option<String>,
    /// Where the API server reaches the webhook: as a Service does, whichever replica answers.
    pub service: u16,
    /// The manager programs, at least one. Of several, leader election lets one reconcile.
    pub replicas: Vec<Replica>,
    /// Further flags of the manager, `--flag=value` or `--switch`, in place of the chart's.
    pub flags: Vec<String>,
    /// Further environment of the manager.
    pub env: BTreeMap<String, String>,
    /// The programs besides the manager.
    pub servers: Vec<Server>,
    /// Whether the manager's folder keeps the first certificate when there is another: a seeded defect of the suite's self-proof.
    pub stale_certificate: bool,
    /// Further values of the chart.
    pub values: Value,
}

impl Release {
    /// The guide's release: one program, for every namespace.
    #[must_use]
    pub fn of_the_guide(replica: Replica) -> Release {
        Release {
            name: RELEASE.to_owned(),
            watch_namespace: None,
            service: replica.webhook,
            replicas: vec![replica],
            flags: Vec::new(),
            env: BTreeMap::new(),
            servers: Vec::new(),
            stale_certificate: false,
            values: Value::Null,
        }
    }

    /// The namespace of a RunnerDeployment that its webhooks are asked about.
    pub(crate) fn admits_in(&self) -> &str {
        self.watch_namespace.as_deref().unwrap_or(NAMESPACE)
    }

    /// The Secret with its credentials.
    pub(crate) fn secret(&self) -> String {
        if self.name == RELEASE {
            "controller-manager".to_owned()
        } else {
            format!("{}-controller-manager", self.name)
        }
    }

    /// The name of a replica's program, in logs and messages.
    pub(crate) fn program(&self, replica: usize) -> String {
        if self.name == RELEASE {
            "arc-manager".to_owned()
        } else {
            format!("{}-arc-manager-{replica}", self.name)
        }
    }

    /// The Secret of one of the other programs, and that program's name in logs and messages.
    pub(crate) fn server(&self, kind: ArcServer) -> String {
        format!("{}-{kind}", self.name)
    }

    /// The chart's container as this replica runs it.
    pub(crate) fn container(&self, chart: &Container, replica: &Replica) -> Container {
        let container = chart
            .clone()
            .flag("--port", &replica.webhook.to_string())
            .flag("--metrics-addr", &format!("127.0.0.1:{}", replica.metrics));
        let mut container = self
            .flags
            .iter()
            .fold(container, |container, flag| match flag.split_once('=') {
                Some((flag, value)) => container.flag(flag, value),
                None => container.switch(flag),
            });
        container.env.extend(self.env.clone());
        container
    }
}

/// The chart's values: the guide's, and what a local process needs.
pub(crate) fn chart_values(subject: &Subject) -> Value {
    let release = &subject.release;
    let mut values = json!({
        // The guide's two, of which the local cluster runs as many as the release says.
        "replicaCount": release.replicas.len().max(2),
        "leaderElectionId": release.name,
        "syncPeriod": subject.sync_period,
        "githubEnterpriseServerURL": subject.ghes_url,
        "image": { "tag": subject.version },
        "scope": {
            "singleNamespace": release.watch_namespace.is_some(),
            "watchNamespace": release.watch_namespace.as_deref().unwrap_or_default(),
        },
        // The Secret is made beside the chart, so that the token never stands in a values file.
        "authSecret": { "enabled": true, "create": false, "name": release.secret() },
    });
    for server in &release.servers {
        let section = match server.kind {
            ArcServer::GithubWebhook => "githubWebhookServer",
            ArcServer::ActionsMetrics => "actionsMetricsServer",
        };
        let secret = json!({ "enabled": true, "create": false, "name": release.server(server.kind) });
        values[section] = json!({ "enabled": true, "secret": secret });
    }
    lay_over(&mut values, &release.values);
    values
}

/// Values over others, as Helm merges them: maps key by key, anything else whole.
fn lay_over(values: &mut Value, over: &Value) {
    match (values, over) {
        (Value::Object(values), Value::Object(over)) => {
            for (key, value) in over {
                lay_over(values.entry(key).or_insert(Value::Null), value);
            }
        }
        (_, Value::Null) => {}
        (value, over) => *value = over.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_values_leave_the_others_as_they_are() {
        let mut values = json!({ "syncPeriod": "1s", "githubWebhookServer": { "enabled": true } });

        lay_over(&mut values, &Value::Null);
        lay_over(
            &mut values,
            &json!({ "githubWebhookServer": { "useRunnerGroupsVisibility": true } }),
        );

        assert_eq!(
            values,
            json!({
                "syncPeriod": "1s",
                "githubWebhookServer": { "enabled": true, "useRunnerGroupsVisibility": true },
            })
        );
    }

    #[test]
    fn a_replica_listens_at_its_own_ports_and_takes_the_release_s_flags() {
        let chart = Container {
            args: [
                "--port=9443",
                "--metrics-addr=:8080",
                "--sync-period=1m",
                "--enable-leader-election",
            ]
            .map(str::to_owned)
            .to_vec(),
            env: BTreeMap::new(),
            secrets: BTreeMap::new(),
        };
        let replica = Replica {
            webhook: 20_010,
            metrics: 20_020,
        };
        let release = Release {
            flags: vec![
                "--sync-period=5s".to_owned(),
                "--enable-leader-election".to_owned(),
            ],
            env: BTreeMap::from([("TZ".to_owned(), "Asia/Seoul".to_owned())]),
            ..Release::of_the_guide(replica)
        };

        let container = release.container(&chart, &replica);

        assert_eq!(
            container.args,
            [
                "--port=20010",
                "--metrics-addr=127.0.0.1:20020",
                "--sync-period=5s",
                "--enable-leader-election"
            ]
        );
        assert_eq!(container.env["TZ"], "Asia/Seoul");
    }
}
