//! cert-manager: its three programs as processes, the rest from its chart.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use harness_cluster::{Applier, Process, Program, Seen, error_chain, eventually};
use kube::api::DynamicObject;
use kube::core::GroupVersionKind;
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::chart::{Rendered, render};
use crate::workload::Container;
use crate::{InstallError, identity, reach};

/// Where the guide installs it.
pub const NAMESPACE: &str = "cert-manager";

/// The programs and their chart.
#[derive(Debug, Clone)]
pub struct CertManagerParts {
    /// cert-manager-controller.
    pub controller: Utf8PathBuf,
    /// cert-manager-cainjector.
    pub cainjector: Utf8PathBuf,
    /// cert-manager-webhook.
    pub webhook: Utf8PathBuf,
    /// The chart's folder.
    pub chart: Utf8PathBuf,
    /// helm.
    pub helm: Utf8PathBuf,
}

/// Where things are in the cluster that something is installed into.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) client: Client,
    pub(crate) server: String,
    pub(crate) ca_pem: String,
    pub(crate) folder: Utf8PathBuf,
    pub(crate) logs: Utf8PathBuf,
}

/// The rendered chart, ready to be installed.
pub struct CertManager {
    parts: CertManagerParts,
    definitions: Vec<Value>,
    rest: Rendered,
}

impl CertManager {
    /// Renders the chart; needs no cluster.
    ///
    /// # Errors
    /// [`crate::ChartError`].
    pub async fn render(parts: CertManagerParts) -> Result<CertManager, InstallError> {
        let values = json!({ "installCRDs": true, "startupapicheck": { "enabled": false } });
        let mut rest = render(&parts.helm, &parts.chart, "cert-manager", NAMESPACE, &values).await?;
        let definitions = rest.take(&["CustomResourceDefinition"]);
        Ok(CertManager {
            parts,
            definitions,
            rest,
        })
    }

    /// Its custom resource definitions.
    #[must_use]
    pub fn definitions(&self) -> &[Value] {
        &self.definitions
    }

    /// Applies the chart's objects and starts the three programs as the chart's service accounts. They are running, not yet ready.
    ///
    /// # Errors
    /// [`InstallError`].
    pub async fn install(
        mut self,
        client: &Client,
        server: &str,
        ca_pem: &str,
        ports: harness_cluster::local::Ports,
        folder: &Utf8Path,
        logs: &Utf8Path,
    ) -> Result<Vec<Process>, InstallError> {
        let site = Site {
            client: client.clone(),
            server: server.to_owned(),
            ca_pem: ca_pem.to_owned(),
            folder: folder.join("cert-manager"),
            logs: logs.to_owned(),
        };
        let deployments = self.rest.take(&["Deployment"]);
        let services = self.rest.take(&["Service"]).into_iter().map(reach::service);
        let configurations = self
            .rest
            .take(&["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"])
            .into_iter()
            .map(|c| reach::configuration(c, ports.cert_manager_webhook));
        let mut applier = Applier::new(client.clone());
        apply_all(
            &mut applier,
            self.rest.into_documents().into_iter().chain(services),
        )
        .await?;

        let start = async |component: &str, path: &Utf8Path, flags: &[(&str, String)]| {
            start_component(&site, &deployments, component, path, flags).await
        };
        let webhook_flags = [
            ("--secure-port", ports.cert_manager_webhook.to_string()),
            ("--healthz-port", ports.cert_manager_health.to_string()),
        ];
        let controller_flags = [
            ("--leader-elect", "false".to_owned()),
            (
                "--metrics-listen-address",
                format!("127.0.0.1:{}", ports.cert_manager_metrics),
            ),
        ];
        let processes = futures::future::try_join_all([
            start("cert-manager-webhook", &self.parts.webhook, &webhook_flags),
            start(
                "cert-manager-cainjector",
                &self.parts.cainjector,
                &[("--leader-elect", "false".to_owned())],
            ),
            start(
                "cert-manager-controller",
                &self.parts.controller,
                &controller_flags,
            ),
        ])
        .await?;
        apply_all(&mut applier, configurations).await?;
        Ok(processes)
    }
}

/// Waits until cert-manager's webhook admits an Issuer: the API server reaches it and trusts it.
pub(crate) async fn await_admission(
    client: &Client,
    issuer: &Value,
    namespace: &str,
) -> Result<(), InstallError> {
    let applier = Applier::new(client.clone());
    eventually(
        "cert-manager's webhook admits an Issuer",
        Duration::from_secs(60),
        || {
            let mut applier = applier.clone();
            async move {
                match applier.dry_run(issuer, namespace).await {
                    Ok(_) => Seen::Yes(()),
                    Err(error) => Seen::NotYet(error_chain(&error)),
                }
            }
        },
    )
    .await?;
    Ok(())
}

pub(crate) async fn apply_all(
    applier: &mut Applier,
    manifests: impl IntoIterator<Item = Value>,
) -> Result<Vec<DynamicObject>, InstallError> {
    let mut applied = Vec::new();
    for manifest in manifests {
        applied.push(applier.apply(&manifest, NAMESPACE).await?);
    }
    Ok(applied)
}

async fn start_component(
    site: &Site,
    deployments: &[Value],
    component: &str,
    path: &Utf8Path,
    flags: &[(&str, String)],
) -> Result<Process, InstallError> {
    let missing = || crate::ChartError::Helm {
        chart: "cert-manager".into(),
        stderr: format!("it renders no Deployment with a container {component}"),
    };
    let (deployment, container) = deployments
        .iter()
        .find_map(|d| Container::of(d, component).map(|c| (d, c)))
        .ok_or_else(missing)?;
    let account = deployment
        .pointer("/spec/template/spec/serviceAccountName")
        .and_then(Value::as_str);
    let account = account.unwrap_or("default");
    let kubeconfig = identity::kubeconfig(
        &site.client,
        &site.server,
        &site.ca_pem,
        NAMESPACE,
        account,
        &site.folder,
    )
    .await?;
    let container = flags
        .iter()
        .fold(container, |container, (flag, value)| container.flag(flag, value));
    let mut program = Program::new(component, path)
        .args(container.args)
        .args([format!("--kubeconfig={kubeconfig}")])
        .env("HOME", site.folder.as_str());
    for (name, value) in container.env {
        program = program.env(name, value);
    }
    Ok(program.start(&site.logs)?)
}

/// An untyped API of a cert-manager kind.
pub(crate) fn api(client: &Client, namespace: &str, kind: &str, plural: &str) -> Api<DynamicObject> {
    let gvk = GroupVersionKind::gvk("cert-manager.io", "v1", kind);
    let resource = kube::api::ApiResource::from_gvk_with_plural(&gvk, plural);
    Api::namespaced_with(client.clone(), namespace, &resource)
}
