//! ARC's manager as a process that acts as the chart's service account, with its certificate issued by the real cert-manager.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use harness_cluster::local::{ControlPlane, Ports};
use harness_cluster::{Applier, Process, Program, Seen, WaitError, error_chain, eventually, watch_object};
use harness_model::Redactor;
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::watcher;
use kube::{Api, Client};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cert_manager::{api, apply_all, await_admission};
use crate::chart::{Rendered, definitions, render};
use crate::workload::Container;
use crate::{InstallError, identity, reach};

/// Where the guide installs ARC.
pub const NAMESPACE: &str = "actions-runner-system";

/// The guide's release name.
pub const RELEASE: &str = "actions-runner-controller";

/// How long the program under test may take to be ready.
const SUBJECT_DEADLINE: Duration = Duration::from_secs(60);

/// The ARC under test, and what it must be told.
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
}

/// The chart's values: the guide's, and what a local process needs.
#[must_use]
fn chart_values(subject: &Subject, ports: Ports) -> Value {
    json!({
        "replicaCount": 2,
        "syncPeriod": subject.sync_period,
        "webhookPort": ports.arc_webhook,
        "githubEnterpriseServerURL": subject.ghes_url,
        "image": { "tag": subject.version },
        "metrics": { "port": ports.arc_metrics },
        // The Secret is made beside the chart, so that the token never stands in a values file.
        "authSecret": { "enabled": true, "create": false, "name": "controller-manager" },
    })
}

/// The rendered chart, ready to be installed.
pub struct Arc {
    subject: Subject,
    definitions: Vec<Value>,
    rest: Rendered,
}

/// Renders ARC's chart; needs no cluster.
///
/// # Errors
/// [`crate::ChartError`].
pub async fn prepare(subject: Subject, ports: Ports) -> Result<Arc, InstallError> {
    let values = chart_values(&subject, ports);
    let rest = render(&subject.helm, &subject.chart, RELEASE, NAMESPACE, &values).await?;
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
    /// The manager.
    pub process: Process,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Controller {
    /// Ends the manager and what serves it.
    pub async fn stop(self) {
        self.stop.cancel();
        self.process.stop(Duration::from_secs(1)).await;
        self.tasks.wait().await;
    }
}

/// Applies the chart's objects, has cert-manager issue the serving certificate, starts the manager, and waits until its admission webhook
/// admits a RunnerDeployment (a dry run).
///
/// `leader_election` keeps the chart's switch; it needs the service account's namespace file where a pod has it.
///
/// # Errors
/// [`InstallError`]; [`InstallError::is_subject`] tells the program's faults from the environment's.
pub async fn install(
    mut arc: Arc,
    plane: &ControlPlane,
    ports: Ports,
    leader_election: bool,
    folder: &Utf8Path,
    logs: &Utf8Path,
) -> Result<Controller, InstallError> {
    let client = &plane.client;
    let folder = folder.join("arc");
    let deployments = arc.rest.take(&["Deployment"]);
    let certificates = arc.rest.take(&["Issuer", "Certificate"]);
    let services = arc.rest.take(&["Service"]).into_iter().map(reach::service);
    let configurations: Vec<Value> = arc
        .rest
        .take(&["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"])
        .into_iter()
        .map(|c| reach::configuration(c, ports.arc_webhook))
        .collect();
    let mut applier = Applier::new(client.clone());
    let secret = credentials(&arc.subject.token);
    apply_all(
        &mut applier,
        arc.rest
            .into_documents()
            .into_iter()
            .chain(services)
            .chain([secret]),
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

    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    // controller-runtime reads its certificate from $TMPDIR/k8s-webhook-server/serving-certs and reloads it when the files change.
    let temporary = folder.join("tmp");
    let certificate_folder = temporary.join("k8s-webhook-server/serving-certs");
    let (written, first) = watch::channel(false);
    tasks.spawn(stop.clone().run_until_cancelled_owned(keep_certificate(
        Api::namespaced(client.clone(), NAMESPACE),
        secret_name.clone(),
        certificate_folder,
        written,
    )));
    tasks.close();
    await_certificate(client, &secret_name, first).await?;
    await_ca_bundles(client, &configurations).await?;

    let process = start_manager(
        &arc.subject,
        plane,
        &deployments,
        leader_election,
        &folder,
        &temporary,
        logs,
    )
    .await?;
    let controller = Controller { process, stop, tasks };
    await_subject(client, &controller.process).await?;
    Ok(controller)
}

fn credentials(token: &SecretString) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": "controller-manager", "namespace": NAMESPACE },
        "stringData": { "github_token": token.expose_secret() },
    })
}

/// Writes the serving certificate where ARC reads it, at first and at each renewal.
async fn keep_certificate(
    secrets: Api<Secret>,
    name: String,
    folder: Utf8PathBuf,
    written: watch::Sender<bool>,
) {
    use futures::StreamExt as _;

    let stream = watcher::watch_object(secrets, &name);
    futures::pin_mut!(stream);
    while let Some(item) = stream.next().await {
        let Ok(Some(secret)) = item else { continue };
        let data = secret.data.unwrap_or_default();
        let (Some(certificate), Some(key)) = (data.get("tls.crt"), data.get("tls.key")) else {
            continue;
        };
        let result = std::fs::create_dir_all(&folder)
            .and_then(|()| std::fs::write(folder.join("tls.key"), &key.0))
            .and_then(|()| std::fs::write(folder.join("tls.crt"), &certificate.0));
        match result {
            Ok(()) => {
                written.send_replace(true);
            }
            Err(error) => tracing::error!(%folder, %error, "ARC's certificate cannot be written"),
        }
    }
}

async fn await_certificate(
    client: &Client,
    name: &str,
    mut written: watch::Receiver<bool>,
) -> Result<(), InstallError> {
    let certificates = api(client, NAMESPACE, "Certificate", "certificates");
    let wait = tokio::time::timeout(Duration::from_secs(60), written.wait_for(|done| *done)).await;
    if matches!(wait, Ok(Ok(_))) {
        return Ok(());
    }
    let seen = certificates.list(&kube::api::ListParams::default()).await;
    let last_seen = seen.map_or_else(
        |error| error.to_string(),
        |list| {
            list.items
                .iter()
                .map(|c| c.data["status"].to_string())
                .collect::<Vec<_>>()
                .join("; ")
        },
    );
    Err(InstallError::NotReady(WaitError::TimedOut {
        awaited: format!("the Secret {NAMESPACE}/{name} issued by cert-manager"),
        last_seen,
        seconds: 60.0,
    }))
}

async fn await_ca_bundles(client: &Client, configurations: &[Value]) -> Result<(), InstallError> {
    for configuration in configurations {
        let kind = configuration["kind"].as_str().unwrap_or_default();
        let name = configuration
            .pointer("/metadata/name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let gvk = kube::core::GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind);
        let resource = kube::api::ApiResource::from_gvk(&gvk);
        let api: Api<kube::api::DynamicObject> = Api::all_with(client.clone(), &resource);
        let awaited = format!("cainjector's CA bundle in {kind} {name}");
        watch_object(
            api,
            name,
            &awaited,
            Duration::from_secs(60),
            |object| match object {
                Some(object) if reach::has_ca(&object.data) => Seen::Yes(()),
                Some(_) => Seen::NotYet("no bundle in at least one webhook".into()),
                None => Seen::NotYet("no such configuration".into()),
            },
        )
        .await?;
    }
    Ok(())
}

async fn start_manager(
    subject: &Subject,
    plane: &ControlPlane,
    deployments: &[Value],
    leader_election: bool,
    folder: &Utf8Path,
    temporary: &Utf8Path,
    logs: &Utf8Path,
) -> Result<Process, InstallError> {
    let missing = || crate::ChartError::Helm {
        chart: subject.chart.clone(),
        stderr: "it renders no Deployment with a container `manager`".into(),
    };
    let (deployment, mut container) = deployments
        .iter()
        .find_map(|d| Container::of(d, "manager").map(|c| (d, c)))
        .ok_or_else(missing)?;
    if !leader_election {
        container = container.without("--enable-leader-election");
    }
    let account = deployment
        .pointer("/spec/template/spec/serviceAccountName")
        .and_then(Value::as_str);
    let account = account.unwrap_or("default");
    let kubeconfig = identity::kubeconfig(
        &plane.client,
        &plane.server,
        plane.ca.pem(),
        NAMESPACE,
        account,
        folder,
    )
    .await?;
    let mut program = Program::new("arc-manager", &subject.manager)
        .redacted(subject.redactor.clone())
        .args(container.args)
        .env("KUBECONFIG", kubeconfig)
        .env("TMPDIR", temporary.as_str())
        // Without it client-go looks into the home of root, which an ordinary user who is mapped to root may not even look at.
        .env("HOME", folder.as_str())
        .env("SSL_CERT_FILE", subject.ghes_ca.as_str())
        .env("GITHUB_TOKEN", subject.token.expose_secret());
    for (name, value) in container.env {
        program = program.env(name, value);
    }
    Ok(program.start(logs)?)
}

/// The subject is ready when its webhook admits a RunnerDeployment that is then not stored.
async fn await_subject(client: &Client, process: &Process) -> Result<(), InstallError> {
    let probe = json!({
        "apiVersion": "actions.summerwind.dev/v1alpha1",
        "kind": "RunnerDeployment",
        "metadata": { "name": "admission-probe", "namespace": NAMESPACE },
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
                match applier.dry_run(probe, NAMESPACE).await {
                    Ok(_) => Seen::Yes(true),
                    Err(error) => Seen::NotYet(error_chain(&error)),
                }
            }
        },
    )
    .await;
    match admitted {
        Ok(true) => Ok(()),
        Ok(false) => Err(InstallError::SubjectDied {
            name: "the ARC manager".into(),
            status: process.exited().map(|e| e.to_string()).unwrap_or_default(),
            tail: process.tail(8),
        }),
        Err(wait) => Err(InstallError::SubjectNotReady {
            name: "the ARC manager".into(),
            wait,
            tail: process.tail(8),
        }),
    }
}
