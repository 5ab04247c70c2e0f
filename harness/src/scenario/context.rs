//! What a scenario may act on: its namespace, its tenant on GHES, and eyes.

mod monitoring;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use harness_arc::{RunningServer, resources};
use harness_cluster::{Applier, ApplyError, MetricsError, Process, Sample, Seen, eventually, scrape};
use harness_ghes::{Ghes, NewHook};
use harness_model::{ArcServer, Event, Exit, Measurement, Scope};
use harness_node::Node;
use k8s_openapi::api::core::v1::{Event as KubernetesEvent, Taint};
use kube::api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams};
use kube::{Api, Client};
use mock_ghes::Hand;
use serde_json::{Value, json};
use tokio::process::Command;
use uuid::Uuid;

use super::{Desk, Trail, Unmet};
use crate::Environment;
use crate::environment::{Defect, GhesCertificate, Tenant, World, WorldClock};
use crate::run::ArcParts;

/// One version of ARC and another.
pub struct Upgrade {
    /// What the run begins with.
    pub before: ArcParts,
    /// What it is upgraded to.
    pub after: ArcParts,
}

/// The taint of a scenario's own node, with effect `NoSchedule`.
pub const OWN_NODE_TAINT: &str = "ghes-harness/own-node";

/// The annotation of an autoscaler that makes ARC reconcile it.
const RECONCILE: &str = "ghes-harness/reconcile";

/// A reconcile takes milliseconds, unless the machine is busy with something else.
const RECONCILED_WITHIN: Duration = Duration::from_secs(30);

/// One attempt at one check.
#[derive(Clone)]
pub struct Context {
    environment: Arc<Environment>,
    world: Arc<World>,
    id: String,
    namespace: String,
    tenant: Tenant,
}

impl Context {
    /// A scenario's view of its namespace and its world.
    pub(crate) fn new(
        environment: Arc<Environment>,
        world: Arc<World>,
        id: String,
        namespace: String,
    ) -> Context {
        let tenant = Tenant::of(&id);
        Context {
            environment,
            world,
            id,
            namespace,
            tenant,
        }
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

    /// The version of ARC under test, as `v0.27.6`: what `--arc` says, of a foreign manager too.
    #[must_use]
    pub fn arc_version(&self) -> &str {
        &self.environment.order.plan.arc
    }

    /// An administrator's client.
    #[must_use]
    pub fn client(&self) -> &Client {
        self.environment.client()
    }

    /// GHES, from a user's side.
    #[must_use]
    pub fn ghes(&self) -> &Ghes {
        self.world.ghes()
    }

    /// GHES's ledger; only for scenarios that declare `Ledger`.
    #[must_use]
    pub fn hand(&self) -> &Hand {
        self.world.hand()
    }

    /// Has GHES show this certificate to who connects from now on; only for scenarios that claim a GHES of their own.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn show_certificate(&self, which: GhesCertificate) -> anyhow::Result<()> {
        let shown = self.world.show_certificate(which);
        shown.context("change the certificate of GHES")
    }

    /// The clock of the scenario's own ARC and GHES; only for scenarios that claim a controlled one.
    ///
    /// # Errors
    /// If its clock is the real one.
    pub fn clock(&self) -> anyhow::Result<&WorldClock> {
        let clock = self.world.clock();
        clock.context("this scenario's clock is the real one: it must claim an ARC with a controlled clock")
    }

    /// Has ARC reconcile this autoscaler, by a change of its annotations, and waits for the end of a reconcile that began after this call. Its
    /// resync cannot be hurried.
    ///
    /// # Errors
    /// [`harness_cluster::WaitError`] if ARC does not reconcile; the API server's.
    pub async fn reconcile(&self, autoscaler: &str) -> anyhow::Result<()> {
        let autoscalers = self.objects(&resources::horizontal_runner_autoscaler());
        // ARC reconciles one after the other: the first to end may have begun before this call, the second has not.
        for _ in 0..2 {
            let before = self.reconciles().await?;
            let stamp = json!({ "metadata": { "annotations": { RECONCILE: Uuid::now_v7().to_string() } } });
            autoscalers
                .patch(autoscaler, &PatchParams::default(), &Patch::Merge(&stamp))
                .await
                .with_context(|| format!("annotate the autoscaler {autoscaler}"))?;
            let awaited = format!("more than {before} reconciles of autoscalers by ARC");
            eventually(&awaited, RECONCILED_WITHIN, || async {
                match self.reconciles().await {
                    Ok(count) if count > before => Seen::Yes(()),
                    Ok(count) => Seen::NotYet(count.to_string()),
                    Err(error) => Seen::NotYet(format!("{error:#}")),
                }
            })
            .await?;
        }
        Ok(())
    }

    /// How many reconciles of autoscalers ARC has ended, well or not, by its own metrics.
    async fn reconciles(&self) -> Result<f64, MetricsError> {
        let samples = self.arc_metrics(0).await?;
        let counted = samples.iter().filter(|sample| {
            let controller = sample.labels.get("controller");
            sample.name == "controller_runtime_reconcile_total"
                && controller.is_some_and(|name| name.starts_with("horizontalrunnerautoscaler"))
        });
        Ok(counted.map(|sample| sample.value).sum())
    }

    /// The seed of everything random in this run.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.environment.order.plan.seed
    }

    /// How many cases a check of random cases is to try, if the user says so.
    #[must_use]
    pub fn cases(&self) -> Option<usize> {
        self.environment.order.plan.cases
    }

    /// cert-manager's and ARC's programs.
    #[must_use]
    pub fn programs(&self) -> Vec<Arc<Process>> {
        [self.environment.cert_manager().to_vec(), self.world.managers()].concat()
    }

    /// ARC's manager programs.
    #[must_use]
    pub fn managers(&self) -> Vec<Arc<Process>> {
        self.world.managers()
    }

    /// Kills one of ARC's managers; only for scenarios that claim an ARC of their own.
    pub async fn kill_manager(&self, manager: usize) {
        self.world.kill(manager).await;
    }

    /// One of the programs of the scenario's own ARC that GHES tells of jobs.
    ///
    /// # Errors
    /// If the scenario does not claim it.
    pub fn server(&self, kind: ArcServer) -> anyhow::Result<RunningServer> {
        let server = self.world.server(kind);
        server.with_context(|| format!("this scenario has no {kind}: it must claim an ARC with one"))
    }

    /// Has GHES tell that program of the jobs of a repository or an organization, signed with the secret that it knows; gives the webhook's
    /// number. GHES pings it at once.
    ///
    /// # Errors
    /// If the scenario does not claim the program; GHES's refusal.
    pub async fn hook(&self, scope: &Scope, kind: ArcServer) -> anyhow::Result<u64> {
        let hook = NewHook {
            url: self.server(kind)?.webhook,
            secret: self.world.webhook_secret().clone(),
            events: vec!["workflow_job".to_owned()],
        };
        let made = self.ghes().create_hook(scope, &hook).await;
        made.with_context(|| format!("make a webhook to the {kind}"))
    }

    /// The chart that ARC was installed from.
    #[must_use]
    pub fn arc_chart(&self) -> &camino::Utf8Path {
        &self.environment.order.parts.arc.chart
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

    /// A node of the scenario's own, named as its namespace, on which only pods run that tolerate the taint [`OWN_NODE_TAINT`].
    ///
    /// # Errors
    /// If it does not register.
    pub async fn own_node(&self) -> anyhow::Result<Node> {
        let taint = Taint {
            key: OWN_NODE_TAINT.to_owned(),
            effect: "NoSchedule".to_owned(),
            ..Taint::default()
        };
        let node = self.environment.extra_node(&self.namespace, taint).await;
        node.context("start a node of the scenario's own")
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

    /// Records from now on every length that the list at `pointer` takes in an object of the scenario's namespace.
    #[must_use]
    pub fn trail_of_length(&self, kind: &ApiResource, name: &str, pointer: &'static str) -> Trail {
        Trail::of_length(self.objects(kind), name.to_owned(), pointer)
    }

    /// The upgrade that this run is about.
    ///
    /// # Errors
    /// In a run that upgrades nothing.
    pub fn upgrade(&self) -> anyhow::Result<Upgrade> {
        let parts = &self.environment.order.parts;
        let target = parts.target.as_ref();
        let target = target.context("this run upgrades nothing: `cargo xtask upgrade` does")?;
        Ok(Upgrade {
            before: parts.arc.clone(),
            after: target.clone(),
        })
    }

    /// The definitions of this chart.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn definitions_of(&self, arc: &ArcParts) -> anyhow::Result<Vec<Value>> {
        harness_arc::definitions(&arc.chart)
            .with_context(|| format!("read the definitions of {}", arc.version))
    }

    /// What this chart renders to with these values.
    ///
    /// # Errors
    /// Helm's refusal.
    pub async fn render(&self, arc: &ArcParts, values: &Value) -> anyhow::Result<Vec<Value>> {
        let helm = &self.environment.order.parts.helm;
        let (release, namespace) = (harness_arc::RELEASE, harness_arc::NAMESPACE);
        let rendered = harness_arc::render(helm, &arc.chart, release, namespace, values).await;
        Ok(rendered
            .with_context(|| format!("render the chart of {}", arc.version))?
            .into_documents())
    }

    /// What the cluster would store of a manifest.
    ///
    /// # Errors
    /// Its refusal.
    pub async fn dry_run(&self, manifest: &Value) -> Result<DynamicObject, ApplyError> {
        Applier::new(self.client().clone())
            .dry_run(manifest, &self.namespace)
            .await
    }

    /// Replaces ARC's definitions by those of this chart, for the whole cluster.
    ///
    /// # Errors
    /// If one is refused or not established.
    pub async fn replace_definitions(&self, arc: &ArcParts) -> anyhow::Result<()> {
        let replaced = self.environment.replace_definitions(arc).await;
        replaced.with_context(|| format!("replace ARC's definitions by those of {}", arc.version))
    }

    /// Replaces the scenario's own ARC by this one, as `helm upgrade` does; definitions stay. Gives when the old one ended.
    ///
    /// # Errors
    /// [`Unmet`] if the new one does not get ready, which is its own fault.
    pub async fn change_arc(&self, arc: &ArcParts) -> anyhow::Result<Instant> {
        match self.world.change_arc(&self.environment, arc).await {
            Ok(ended) => Ok(ended),
            Err(error) if error.exit() == Exit::CheckFailed => Err(Unmet {
                awaited: format!("ARC {} ready in the place of the one before", arc.version),
                seen: error.to_string(),
            }
            .into()),
            Err(error) => Err(error).with_context(|| format!("replace ARC by {}", arc.version)),
        }
    }

    /// Tells a fact of the run.
    pub fn tell(&self, event: Event) {
        self.environment.emitter.emit(event);
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

    /// What one of ARC's managers exposes as metrics now.
    ///
    /// # Errors
    /// [`MetricsError`].
    pub async fn arc_metrics(&self, manager: usize) -> Result<Vec<Sample>, MetricsError> {
        let addresses = self.world.metrics();
        scrape(addresses.get(manager).map_or("", String::as_str)).await
    }

    /// What one of the programs of the scenario's own ARC that GHES tells of jobs exposes as metrics now.
    ///
    /// # Errors
    /// If the scenario does not claim it; [`MetricsError`].
    pub async fn server_metrics(&self, kind: ArcServer) -> anyhow::Result<Vec<Sample>> {
        Ok(scrape(&self.server(kind)?.metrics).await?)
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
