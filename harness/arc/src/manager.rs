//! ARC's manager as processes that act as the chart's service account, with their certificate issued by the real cert-manager.

use std::collections::BTreeMap;
use std::sync;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use harness_cluster::local::ControlPlane;
use harness_cluster::{Applier, Process, Program, Seen, error_chain, eventually};
use harness_model::{ArcServer, Redactor};
use kube::api::{ApiResource, DeleteParams, DynamicObject};
use kube::core::GroupVersionKind;
use kube::{Api, Client};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cert_manager::{apply_all, await_admission};
use crate::chart::{Rendered, definitions, render};
use crate::release::{Release, chart_values};
use crate::servers::{self, RunningServer};
use crate::serving::{await_ca_bundles, await_certificate, keep_certificate};
use crate::workload::Container;
use crate::{ChartError, InstallError, balancer, identity, reach};

/// Where the guide installs ARC.
pub const NAMESPACE: &str = "actions-runner-system";

/// How long the program under test may take to be ready.
const SUBJECT_DEADLINE: Duration = Duration::from_secs(60);

/// The kinds by which the API server asks ARC before it stores an object.
const CONFIGURATIONS: [&str; 2] = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

/// The ARC under test, and what it must be told.
#[derive(Clone)]
pub struct Subject {
    /// The manager program.
    pub manager: Utf8PathBuf,
    /// The chart's folder.
    pub chart: Utf8PathBuf,
    /// helm.
    pub helm: Utf8PathBuf,
    /// The program's version, which the chart is told as `image.tag`.
    pub version: String,
    /// `https://HOST[:PORT]` of GHES.
    pub ghes_url: String,
    /// A file with the CA that signed GHES's certificate.
    pub ghes_ca: Utf8PathBuf,
    /// The token ARC authenticates with.
    pub token: SecretString,
    /// `--sync-period`, in Go's notation.
    pub sync_period: String,
    /// Knows the tokens that its log must not show.
    pub redactor: Redactor,
    /// Whose installation it is.
    pub release: Release,
    /// The release's other programs.
    pub servers: BTreeMap<ArcServer, Utf8PathBuf>,
    /// What GHES signs webhooks with.
    pub webhook_secret: SecretString,
}

/// The rendered chart, ready to be installed.
#[derive(Clone)]
pub struct Arc {
    subject: Subject,
    definitions: Vec<Value>,
    rest: Rendered,
}

/// Renders ARC's chart; needs no cluster.
///
/// # Errors
/// [`ChartError`].
pub async fn prepare(subject: Subject) -> Result<Arc, InstallError> {
    let values = chart_values(&subject);
    let rest = render(
        &subject.helm,
        &subject.chart,
        &subject.release.name,
        NAMESPACE,
        &values,
    )
    .await?;
    Ok(Arc {
        definitions: definitions(&subject.chart)?,
        subject,
        rest,
    })
}

impl Arc {
    /// The chart's custom resource definitions.
    #[must_use]
    pub fn definitions(&self) -> &[Value] {
        &self.definitions
    }

    /// Everything that the chart gives: definitions as they are, then what it rendered.
    pub fn manifests(&self) -> impl Iterator<Item = &Value> {
        self.definitions.iter().chain(self.rest.documents())
    }

    /// Lets `change` alter every manifest, and adds those that it gives: how a seeded defect of the suite's self-proof gets in.
    pub fn change(&mut self, mut change: impl FnMut(&mut Value) -> Vec<Value>) {
        for definition in &mut self.definitions {
            change(definition);
        }
        self.rest.change(&mut change);
    }
}

/// A running ARC.
pub struct Controller {
    managers: Vec<sync::Arc<Process>>,
    metrics: Vec<String>,
    servers: Vec<RunningServer>,
    configurations: Vec<Value>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Controller {
    /// The manager programs, as the release lists its replicas.
    #[must_use]
    pub fn managers(&self) -> &[sync::Arc<Process>] {
        &self.managers
    }

    /// Where each manager serves its metrics.
    #[must_use]
    pub fn metrics(&self) -> &[String] {
        &self.metrics
    }

    /// The release's other programs.
    #[must_use]
    pub fn servers(&self) -> &[RunningServer] {
        &self.servers
    }

    /// Ends all its programs and what serves them.
    pub async fn stop(&self) {
        self.stop.cancel();
        let servers = self.servers.iter().map(|server| &server.process);
        let all = self.managers.iter().chain(servers);
        futures::future::join_all(all.map(|process| process.stop(Duration::from_secs(1)))).await;
        self.tasks.wait().await;
    }

    /// Ends it and has the API server ask it no more, so that objects can be stored without it.
    ///
    /// # Errors
    /// [`InstallError::Call`].
    pub async fn retire(&self, client: &Client) -> Result<(), InstallError> {
        for configuration in &self.configurations {
            let name = configuration.pointer("/metadata/name").and_then(Value::as_str);
            let name = name.unwrap_or_default();
            webhook_configurations(client, configuration["kind"].as_str().unwrap_or_default())
                .delete(name, &DeleteParams::default())
                .await
                .map_err(|source| InstallError::Call {
                    what: format!("delete the webhook configuration {name}"),
                    source: Box::new(source),
                })?;
        }
        self.stop().await;
        Ok(())
    }
}

/// Webhook configurations of this kind.
pub(crate) fn webhook_configurations(client: &Client, kind: &str) -> Api<DynamicObject> {
    let gvk = GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind);
    Api::all_with(client.clone(), &ApiResource::from_gvk(&gvk))
}

/// Applies the chart's objects, has cert-manager issue the serving certificate, starts the managers, and waits until their admission webhook
/// admits a RunnerDeployment (a dry run).
///
/// `leader_election` keeps the chart's switch; it needs the service account's namespace file where a pod has it. State goes to a folder of
/// the release's below `folder`, program output to `logs`.
///
/// # Errors
/// [`InstallError`]; [`InstallError::is_subject`] tells the program's faults from the environment's.
pub async fn install(
    mut arc: Arc,
    plane: &ControlPlane,
    leader_election: bool,
    folder: &Utf8Path,
    logs: &Utf8Path,
) -> Result<Controller, InstallError> {
    let client = &plane.client;
    let release = &arc.subject.release;
    let folder = folder.join(&release.name);
    let deployments = arc.rest.take(&["Deployment"]);
    let certificates = arc.rest.take(&["Issuer", "Certificate"]);
    let services = arc.rest.take(&["Service"]).into_iter().map(reach::service);
    let configurations: Vec<Value> = arc
        .rest
        .take(&CONFIGURATIONS)
        .into_iter()
        .map(|c| reach::configuration(c, release.service))
        .collect();
    let mut applier = Applier::new(client.clone());
    let secrets = std::iter::once(credentials(&arc.subject)).chain(servers::secrets(&arc.subject));
    apply_all(
        &mut applier,
        arc.rest
            .into_documents()
            .into_iter()
            .chain(services)
            .chain(secrets),
    )
    .await?;

    let issuer = certificates
        .iter()
        .find(|c| c["kind"] == "Issuer")
        .cloned()
        .unwrap_or_default();
    await_admission(client, &issuer, NAMESPACE).await?;
    let secret_name = certificates
        .iter()
        .find_map(|c| c.pointer("/spec/secretName").and_then(Value::as_str))
        .unwrap_or_default()
        .to_owned();
    apply_all(&mut applier, certificates).await?;
    apply_all(&mut applier, configurations.clone()).await?;

    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    // controller-runtime reads its certificate from $TMPDIR/k8s-webhook-server/serving-certs and reloads it when the files change.
    let temporary: Vec<Utf8PathBuf> = (0..release.replicas.len())
        .map(|replica| folder.join(format!("tmp-{replica}")))
        .collect();
    let certificate_folders = temporary
        .iter()
        .map(|t| t.join("k8s-webhook-server/serving-certs"));
    let (written, first) = watch::channel(false);
    tasks.spawn(stop.clone().run_until_cancelled_owned(keep_certificate(
        Api::namespaced(client.clone(), NAMESPACE),
        secret_name.clone(),
        certificate_folders.collect(),
        release.stale_certificate,
        written,
    )));
    if release.replicas.len() > 1 {
        let ports = release.replicas.iter().map(|replica| replica.webhook).collect();
        balancer::start(release.service, ports, &tasks, stop.clone())
            .await
            .map_err(|source| InstallError::Listen {
                port: release.service,
                source,
            })?;
    }
    tasks.close();
    await_certificate(client, &secret_name, first).await?;
    await_ca_bundles(client, &configurations).await?;

    let managers = start_managers(
        &arc.subject,
        plane,
        &deployments,
        leader_election,
        &folder,
        &temporary,
        logs,
    )
    .await?;
    let servers = servers::start(&arc.subject, plane, &deployments, &folder, logs).await?;
    let metrics = release
        .replicas
        .iter()
        .map(|r| format!("http://127.0.0.1:{}/metrics", r.metrics));
    let controller = Controller {
        managers,
        metrics: metrics.collect(),
        servers,
        configurations,
        stop,
        tasks,
    };
    for process in &controller.managers {
        await_subject(client, process, release.admits_in()).await?;
    }
    for server in &controller.servers {
        servers::await_listening(server).await?;
    }
    Ok(controller)
}

fn credentials(subject: &Subject) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": subject.release.secret(), "namespace": NAMESPACE },
        "stringData": { "github_token": subject.token.expose_secret() },
    })
}

/// The chart renders no Deployment with this container.
pub(crate) fn missing(subject: &Subject, container: &str) -> InstallError {
    let error = ChartError::Helm {
        chart: subject.chart.clone(),
        stderr: format!("it renders no Deployment with a container `{container}`"),
    };
    error.into()
}

async fn start_managers(
    subject: &Subject,
    plane: &ControlPlane,
    deployments: &[Value],
    leader_election: bool,
    folder: &Utf8Path,
    temporary: &[Utf8PathBuf],
    logs: &Utf8Path,
) -> Result<Vec<sync::Arc<Process>>, InstallError> {
    let (deployment, mut chart) = deployments
        .iter()
        .find_map(|d| Container::of(d, "manager").map(|c| (d, c)))
        .ok_or_else(|| missing(subject, "manager"))?;
    if !leader_election {
        chart = chart.without("--enable-leader-election");
    }
    let kubeconfig = kubeconfig_of(plane, deployment, folder).await?;
    let mut managers = Vec::new();
    for ((index, replica), temporary) in subject.release.replicas.iter().enumerate().zip(temporary) {
        let container = subject.release.container(&chart, replica);
        let mut program = Program::new(subject.release.program(index), &subject.manager)
            .redacted(subject.redactor.clone())
            .args(container.args)
            .env("KUBECONFIG", kubeconfig.as_str())
            .env("TMPDIR", temporary.as_str())
            // Without it client-go looks into the home of root, which an ordinary user who is mapped to root may not even look at.
            .env("HOME", folder.as_str())
            .env("SSL_CERT_FILE", subject.ghes_ca.as_str())
            .env("GITHUB_TOKEN", subject.token.expose_secret());
        for (name, value) in container.env {
            program = program.env(name, value);
        }
        managers.push(sync::Arc::new(program.start(logs)?));
    }
    Ok(managers)
}

/// A kubeconfig as which the Deployment's pods would act.
pub(crate) async fn kubeconfig_of(
    plane: &ControlPlane,
    deployment: &Value,
    folder: &Utf8Path,
) -> Result<Utf8PathBuf, InstallError> {
    let account = deployment
        .pointer("/spec/template/spec/serviceAccountName")
        .and_then(Value::as_str);
    identity::kubeconfig(
        &plane.client,
        &plane.server,
        plane.ca.pem(),
        NAMESPACE,
        account.unwrap_or("default"),
        folder,
    )
    .await
}

/// The subject is ready when its webhook admits a RunnerDeployment that is then not stored.
async fn await_subject(client: &Client, process: &Process, namespace: &str) -> Result<(), InstallError> {
    let probe = json!({
        "apiVersion": "actions.summerwind.dev/v1alpha1",
        "kind": "RunnerDeployment",
        "metadata": { "name": "admission-probe", "namespace": namespace },
        "spec": { "template": { "spec": { "enterprise": "probe" } } },
    });
    let applier = Applier::new(client.clone());
    let admitted = eventually(
        "ARC's webhook admits a RunnerDeployment (dry run)",
        SUBJECT_DEADLINE,
        || {
            let mut applier = applier.clone();
            let probe = &probe;
            async move {
                if process.exited().is_some() {
                    return Seen::Yes(false);
                }
                match applier.dry_run(probe, namespace).await {
                    Ok(_) => Seen::Yes(true),
                    Err(error) => Seen::NotYet(error_chain(&error)),
                }
            }
        },
    )
    .await;
    let name = "the ARC manager".to_owned();
    match admitted {
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
