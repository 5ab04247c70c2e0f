//! The chart's programs that GHES tells of jobs, as processes: the webhook server and the actions-metrics-server.
//!
//! Each runs with its chart's arguments, environment, service account and Secret, and with ports of its own. What it is not: GHES's side of
//! webhooks; who makes one must know the address.

use std::sync;
use std::time::Duration;

use camino::Utf8Path;
use harness_cluster::local::ControlPlane;
use harness_cluster::{Process, Program, Seen, error_chain, eventually, scrape};
use harness_model::ArcServer;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::InstallError;
use crate::manager::{NAMESPACE, Subject, kubeconfig_of, missing};
use crate::release::Server;
use crate::workload::Container;

/// How long such a program may take to listen.
const DEADLINE: Duration = Duration::from_secs(30);

/// One of them, running.
#[derive(Clone)]
pub struct RunningServer {
    /// Which.
    pub kind: ArcServer,
    /// The program.
    pub process: sync::Arc<Process>,
    /// Where GHES must tell it of jobs.
    pub webhook: String,
    /// Where it serves its metrics.
    pub metrics: String,
}

/// The keys of their Secrets, as the chart's documentation names them.
fn keys(subject: &Subject) -> [(&'static str, &SecretString); 2] {
    [
        ("github_webhook_secret_token", &subject.webhook_secret),
        ("github_token", &subject.token),
    ]
}

/// Their Secrets, made beside the chart as the manager's is.
pub(crate) fn secrets(subject: &Subject) -> impl Iterator<Item = Value> {
    subject.release.servers.iter().map(|server| {
        let data: serde_json::Map<String, Value> = keys(subject)
            .into_iter()
            .map(|(key, value)| (key.to_owned(), json!(value.expose_secret())))
            .collect();
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": { "name": subject.release.server(server.kind), "namespace": NAMESPACE },
            "stringData": data,
        })
    })
}

/// Starts those that the release has.
pub(crate) async fn start(
    subject: &Subject,
    plane: &ControlPlane,
    deployments: &[Value],
    folder: &Utf8Path,
    logs: &Utf8Path,
) -> Result<Vec<RunningServer>, InstallError> {
    let mut running = Vec::new();
    for server in &subject.release.servers {
        let name = server.kind.container();
        let (deployment, container) = deployments
            .iter()
            .find_map(|deployment| Container::of(deployment, name).map(|c| (deployment, c)))
            .ok_or_else(|| missing(subject, name))?;
        let path = subject
            .servers
            .get(&server.kind)
            .ok_or_else(|| missing(subject, name))?;
        let kubeconfig = kubeconfig_of(plane, deployment, folder).await?;
        let container = placed(container, server);
        let mut program = Program::new(subject.release.server(server.kind), path)
            .redacted(subject.redactor.clone())
            .args(container.args)
            .env("KUBECONFIG", kubeconfig.as_str())
            .env("HOME", folder.as_str())
            .env("SSL_CERT_FILE", subject.ghes_ca.as_str());
        for (variable, value) in container.env {
            program = program.env(variable, value);
        }
        for (variable, key) in container.secrets {
            // Others are optional in the chart, and not in the Secret.
            if let Some((_, value)) = keys(subject).into_iter().find(|(known, _)| *known == key) {
                program = program.env(variable, value.expose_secret());
            }
        }
        running.push(RunningServer {
            kind: server.kind,
            process: sync::Arc::new(program.start(logs)?),
            webhook: format!("http://127.0.0.1:{}/", server.webhook),
            metrics: format!("http://127.0.0.1:{}/metrics", server.metrics),
        });
    }
    Ok(running)
}

/// The chart's container, listening at the server's own ports.
fn placed(container: Container, server: &Server) -> Container {
    container
        .flag("--webhook-addr", &format!("127.0.0.1:{}", server.webhook))
        .flag("--metrics-addr", &format!("127.0.0.1:{}", server.metrics))
}

/// Waits until it takes webhooks and shows its metrics.
pub(crate) async fn await_listening(server: &RunningServer) -> Result<(), InstallError> {
    let (name, process) = (server.kind.to_string(), &server.process);
    let address = server.webhook.trim_start_matches("http://").trim_end_matches('/');
    let awaited = format!("the {name} listens at {address} and shows its metrics");
    let listening = eventually(&awaited, DEADLINE, || async {
        if process.exited().is_some() {
            return Seen::Yes(false);
        }
        if let Err(error) = TcpStream::connect(address).await {
            return Seen::NotYet(error.to_string());
        }
        match scrape(&server.metrics).await {
            Ok(_) => Seen::Yes(true),
            Err(error) => Seen::NotYet(error_chain(&error)),
        }
    })
    .await;
    match listening {
        Ok(true) => Ok(()),
        Ok(false) => Err(InstallError::SubjectDied {
            name,
            status: process.exited().map(|e| e.to_string()).unwrap_or_default(),
            tail: process.tail(8),
        }),
        Err(wait) => Err(InstallError::SubjectNotReady {
            name,
            wait,
            tail: process.tail(8),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_listens_at_its_own_ports_and_keeps_the_rest() {
        let chart = Container {
            args: ["--metrics-addr=127.0.0.1:8080", "--log-format=text"]
                .map(str::to_owned)
                .to_vec(),
            env: [("GITHUB_ENTERPRISE_URL".to_owned(), "https://ghes.test".to_owned())].into(),
            secrets: [("GITHUB_TOKEN".to_owned(), "github_token".to_owned())].into(),
        };
        let server = Server {
            kind: ArcServer::GithubWebhook,
            webhook: 20_080,
            metrics: 20_090,
        };

        let container = placed(chart.clone(), &server);

        assert_eq!(
            container.args,
            [
                "--log-format=text",
                "--webhook-addr=127.0.0.1:20080",
                "--metrics-addr=127.0.0.1:20090"
            ]
        );
        assert_eq!((container.env, container.secrets), (chart.env, chart.secrets));
    }
}
