//! What a scenario may act on: its namespace, its tenant on GHES, and eyes.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use harness_arc::resources;
use harness_cluster::{Applier, ApplyError, MetricsError, Process, Sample, Seen, scrape, watch_object};
use harness_ghes::Ghes;
use harness_model::{Event, Measurement};
use k8s_openapi::api::core::v1::{Event as KubernetesEvent, ServiceAccount};
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::{Api, Client};
use mock_ghes::Hand;
use serde_json::{Value, json};
use tokio::process::Command;

use super::{Desk, Trail, Unmet};
use crate::Environment;
use crate::environment::{Defect, GHES_CA, Tenant};

/// One attempt at one check.
#[derive(Clone)]
pub struct Context {
    environment: Arc<Environment>,
    id: String,
    namespace: String,
    tenant: Tenant,
}

impl Context {
    /// Makes the namespace, with GHES's CA in it, and waits until pods are admitted there.
    pub(crate) async fn enter(
        environment: Arc<Environment>,
        id: String,
        namespace: String,
    ) -> anyhow::Result<Context> {
        let client = environment.client().clone();
        let mut applier = Applier::new(client.clone());
        let object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
        applier.apply(&object, "").await?;
        let ca = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": GHES_CA },
            "data": { "ca.crt": environment.ghes_ca() },
        });
        applier.apply(&ca, &namespace).await?;
        let accounts: Api<ServiceAccount> = Api::namespaced(client, &namespace);
        let deadline = Duration::from_secs(30);
        watch_object(
            accounts,
            "default",
            "the namespace's default service account",
            deadline,
            |account| account.map_or_else(|| Seen::NotYet("none".to_owned()), |_| Seen::Yes(())),
        )
        .await
        // Not the subject's doing: the claim is not tried yet.
        .map_err(|error| anyhow::anyhow!("{error}"))?;
        let tenant = Tenant::of(&id);
        Ok(Context {
            environment,
            id,
            namespace,
            tenant,
        })
    }

    /// The scenario's namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The scenario's own enterprise, organization and repository.
    #[must_use]
    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// An administrator's client.
    #[must_use]
    pub fn client(&self) -> &Client {
        self.environment.client()
    }

    /// GHES, from a user's side.
    #[must_use]
    pub fn ghes(&self) -> &Ghes {
        self.environment.ghes()
    }

    /// GHES's ledger; only for scenarios that declare `Ledger`.
    #[must_use]
    pub fn hand(&self) -> &Hand {
        self.environment.hand()
    }

    /// cert-manager's and ARC's programs.
    pub fn programs(&self) -> impl Iterator<Item = &Process> {
        self.environment.programs()
    }

    /// The chart that ARC was installed from.
    #[must_use]
    pub fn arc_chart(&self) -> &camino::Utf8Path {
        &self.environment.order.parts.arc_chart
    }

    /// The RunnerDeployment under test, in this scenario's namespace and for its own enterprise: the guide's, or the user's
    /// (`--manifest`).
    ///
    /// # Errors
    /// If the user's file changed since the run began.
    pub fn runner_deployment(&self) -> anyhow::Result<Value> {
        let given = match &self.environment.order.plan.manifest {
            Some(path) => fixtures::read_manifests(camino::Utf8Path::new(path))?
                .into_iter()
                .find(|manifest| manifest["kind"] == "RunnerDeployment")
                .with_context(|| format!("{path} holds no RunnerDeployment"))?,
            None => fixtures::runner_deployment(),
        };
        let placed = fixtures::in_namespace(given, &self.namespace);
        Ok(fixtures::for_scope(placed, &self.tenant.enterprise()))
    }

    /// The guide's HorizontalRunnerAutoscaler of [`Context::runner_deployment`], in this scenario's namespace, with its override at this
    /// time (RFC 3339) in place of the guide's weekend.
    #[must_use]
    pub fn horizontal_runner_autoscaler(&self, start: &str, end: &str) -> Value {
        let placed = fixtures::in_namespace(fixtures::horizontal_runner_autoscaler(), &self.namespace);
        fixtures::override_at(placed, start, end)
    }

    /// A desk for jobs of the workflow `desk.yml`.
    ///
    /// # Errors
    /// If it cannot listen.
    pub async fn desk(&self) -> anyhow::Result<Desk> {
        Desk::open().await.context("open the desk")
    }

    /// Records from now on every value that the number at `pointer` takes in an object of the scenario's namespace.
    #[must_use]
    pub fn trail(&self, kind: &ApiResource, name: &str, pointer: &'static str) -> Trail {
        Trail::of(self.objects(kind), name.to_owned(), pointer)
    }

    /// Tells something worth a line.
    pub fn observe(&self, text: impl Into<String>) {
        self.environment.emitter.emit(Event::Observed {
            id: self.id.clone(),
            text: text.into(),
        });
    }

    /// Tells a figure.
    pub fn measure(&self, name: &str, value: f64, unit: &str) {
        let measurement = Measurement {
            name: name.to_owned(),
            value,
            unit: unit.to_owned(),
        };
        self.environment.emitter.emit(Event::Measured {
            id: self.id.clone(),
            measurement,
        });
    }

    /// What ARC's manager exposes as metrics now.
    ///
    /// # Errors
    /// [`MetricsError`].
    pub async fn arc_metrics(&self) -> Result<Vec<Sample>, MetricsError> {
        scrape(self.environment.arc_metrics()).await
    }

    /// Applies a manifest that must be admitted.
    ///
    /// # Errors
    /// [`Unmet`] with the refusal, since a refusal of the guide's manifest is the subject's fault.
    pub async fn apply(&self, manifest: &Value) -> anyhow::Result<DynamicObject> {
        let kind = manifest["kind"].as_str().unwrap_or("object").to_owned();
        let mut manifest = manifest.clone();
        let own = |defect: &Defect| defect.turns_red() == self.id;
        for defect in self.environment.defects().into_iter().filter(own) {
            defect.in_fixture(&mut manifest);
        }
        match Applier::new(self.client().clone())
            .apply(&manifest, &self.namespace)
            .await
        {
            Ok(object) => Ok(object),
            Err(ApplyError::Refused { reason, .. }) => Err(Unmet {
                awaited: format!("the {kind} admitted"),
                seen: reason,
            }
            .into()),
            Err(error) => Err(error.into()),
        }
    }

    /// Objects of a kind in the scenario's namespace.
    #[must_use]
    pub fn objects(&self, kind: &ApiResource) -> Api<DynamicObject> {
        resources::api(self.client(), &self.namespace, kind)
    }

    /// The events that Kubernetes holds on the named object.
    ///
    /// # Errors
    /// The API server's.
    pub async fn events_on(&self, kind: &str, name: &str) -> anyhow::Result<Vec<KubernetesEvent>> {
        let events: Api<KubernetesEvent> = Api::namespaced(self.client().clone(), &self.namespace);
        let selector = format!("involvedObject.kind={kind},involvedObject.name={name}");
        Ok(events
            .list(&ListParams::default().fields(&selector))
            .await
            .context("list events")?
            .items)
    }

    /// Runs the real kubectl as an administrator; gives its standard output.
    ///
    /// # Errors
    /// If it cannot be run or fails; the error holds its words.
    pub async fn kubectl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let program = &self.environment.order.parts.kubectl;
        self.tool(program, arguments).await
    }

    /// Runs the real helm as an administrator; gives its standard output.
    ///
    /// # Errors
    /// As [`Context::kubectl`].
    pub async fn helm(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let program = &self.environment.order.parts.helm;
        self.tool(program, arguments).await
    }

    async fn tool(&self, program: &camino::Utf8Path, arguments: &[&str]) -> anyhow::Result<String> {
        let output = Command::new(program)
            .args(arguments)
            .env("KUBECONFIG", self.environment.admin_kubeconfig())
            .kill_on_drop(true)
            .output()
            .await
            .with_context(|| format!("run {program}"))?;
        anyhow::ensure!(
            output.status.success(),
            "{} {} failed: {}",
            program.file_name().unwrap_or_default(),
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
