//! Bringing the environment up, in the order that the parts need each other, side by side where they do not.

use std::sync::Arc;
use std::time::{Duration, Instant};

use harness_arc::{Arc as ArcChart, CertManager, CertManagerParts};
use harness_cluster::local::{ControlPlane, PlaneParts};
use harness_cluster::{Applier, Process, Recorder, Seen, WaitError, watch_object};
use harness_model::{Event, Origin, Part};
use harness_node::Node;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Node as NodeObject, Pod, ServiceAccount};
use kube::api::ApiResource;
use kube::{Api, Client};
use serde_json::json;

use super::comparison;
use super::error::UpError;
use super::ghes::{self, GhesSide};
use super::node::{self, NODE};
use super::site::Site;
use super::world::{self, World};
use super::{Defect, Environment};
use crate::arc::resources;
use crate::run::{Emitter, Order};

/// How long a part of the environment may take to get ready.
const DEADLINE: Duration = Duration::from_secs(60);

/// Tells the beginning and the end of a phase.
async fn phase<T, E>(
    emitter: &Emitter,
    name: &str,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    emitter.emit(Event::PhaseStarted {
        phase: name.to_owned(),
    });
    let start = Instant::now();
    let value = work.await?;
    let duration_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    emitter.emit(Event::PhaseFinished {
        phase: name.to_owned(),
        duration_ms,
    });
    Ok(value)
}

/// Brings everything up. What was started before a failure ends when it is dropped.
pub(crate) async fn up(order: Order, emitter: Emitter) -> Result<Environment, UpError> {
    let start = Instant::now();
    let site = Site::prepare(&order)?;
    // A scenario with a world of its own has its defects there.
    let defects: Vec<Defect> = Defect::of_plan(&order.plan)
        .into_iter()
        .filter(|defect| !order.own_arcs.iter().any(|own| own == defect.turns_red()))
        .collect();

    let base = phase(
        &emitter,
        "control plane and GHES",
        base(&order, &site, &emitter, &defects),
    )
    .await?;
    let Base {
        mut plane,
        cert_manager,
        arc,
        ghes,
    } = base;
    let (node, cert_manager) = phase(
        &emitter,
        "node and cert-manager",
        node_and_cert_manager(&order, &site, &mut plane, cert_manager, &arc),
    )
    .await?;
    let recorder = Recorder::start(&plane.client, recorded(), &order.folder.join("evidence/objects"))?;
    let controller = phase(
        &emitter,
        "ARC",
        harness_arc::install(arc.clone(), &plane, site.enclosed, &site.state, &site.logs),
    )
    .await?;
    await_usable(&plane.client, node.is_some()).await?;
    emitter.measured("plane usable", start.elapsed().as_secs_f64());
    tell_parts(&emitter, &ghes);
    comparison::keep_manifests(&order.folder, &arc);

    if defects.contains(&Defect::CainjectorKilled)
        && let Some(cainjector) = cert_manager
            .iter()
            .find(|p| p.name() == "cert-manager-cainjector")
    {
        cainjector.kill_now().await;
    }
    Ok(Environment {
        order,
        emitter,
        site,
        plane,
        node,
        cert_manager: cert_manager.into_iter().map(Arc::new).collect(),
        common_arc: arc,
        common: Arc::new(World::new(ghes, controller)),
        recorder,
    })
}

struct Base {
    plane: ControlPlane,
    cert_manager: CertManager,
    arc: ArcChart,
    ghes: GhesSide,
}

/// What needs nothing else: the mock GHES, the control plane, the rendered charts.
async fn base(order: &Order, site: &Site, emitter: &Emitter, defects: &[Defect]) -> Result<Base, UpError> {
    let parts = &order.parts;
    let address = site.address.to_string();
    let plane = ControlPlane::start(
        PlaneParts {
            etcd: parts.etcd.clone(),
            api_server: parts.kube_apiserver.clone(),
            controller_manager: parts.kube_controller_manager.clone(),
            scheduler: parts.kube_scheduler.clone(),
        },
        site.ports,
        &address,
        &site.state,
        &site.logs,
    );
    let cert_manager = CertManager::render(CertManagerParts {
        controller: parts.cert_manager_controller.clone(),
        cainjector: parts.cert_manager_cainjector.clone(),
        webhook: parts.cert_manager_webhook.clone(),
        chart: parts.cert_manager_chart.clone(),
        helm: parts.helm.clone(),
    });
    let ghes_and_arc = async {
        let redactor = emitter.redactor();
        let place = site.common_ghes(order);
        let ghes = ghes::start(
            place,
            &order.checks,
            order.plan.list_max_age,
            redactor,
            mock_ghes::Clock::default(),
            defects,
        )
        .await?;
        let subject = world::subject(order, &ghes, site.common_release(), &parts.arc, redactor);
        let mut arc = harness_arc::prepare(subject).await?;
        for defect in defects {
            arc.change(|manifest| defect.in_manifest(manifest));
        }
        Ok::<_, UpError>((ghes, arc))
    };
    let (plane, cert_manager, ghes_and_arc) = tokio::join!(plane, cert_manager, ghes_and_arc);
    let (ghes, arc) = ghes_and_arc?;
    Ok(Base {
        plane: plane?,
        cert_manager: cert_manager?,
        arc,
        ghes,
    })
}

/// Definitions are established while the API server makes its own roles. kube-controller-manager comes after them: its garbage collector
/// learns of definitions that are younger than itself only after half a minute.
async fn node_and_cert_manager(
    order: &Order,
    site: &Site,
    plane: &mut ControlPlane,
    cert_manager: CertManager,
    arc: &ArcChart,
) -> Result<(Option<Node>, Vec<Process>), UpError> {
    let applier = Applier::new(plane.client.clone());
    let namespaces = async {
        for name in [harness_arc::CERT_MANAGER_NAMESPACE, harness_arc::NAMESPACE] {
            let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
            applier.clone().apply(&namespace, "").await?;
        }
        Ok(())
    };
    let definitions = [cert_manager.definitions(), arc.definitions()].concat();
    let definitions = async { Ok::<_, UpError>(applier.definitions(&definitions, DEADLINE).await?) };
    let ready = async { Ok(plane.await_ready().await?) };
    tokio::try_join!(namespaces, definitions, ready)?;

    plane.start_controllers()?;
    let node = async {
        if !site.enclosed {
            return Ok(None);
        }
        node::start(order, site, plane, NODE, Vec::new()).await.map(Some)
    };
    let cert_manager = async {
        let installed = cert_manager
            .install(
                &plane.client,
                &plane.server,
                plane.ca.pem(),
                site.ports,
                &site.state,
                &site.logs,
            )
            .await;
        installed.map_err(UpError::from)
    };
    tokio::try_join!(node, cert_manager)
}

/// Usable means: pods are admitted (the default service account exists) and have where to run.
async fn await_usable(client: &Client, with_node: bool) -> Result<(), WaitError> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "default");
    let account = watch_object(
        accounts,
        "default",
        "the default service account",
        DEADLINE,
        |account| account.map_or_else(|| Seen::NotYet("none".to_owned()), |_| Seen::Yes(())),
    );
    let nodes: Api<NodeObject> = Api::all(client.clone());
    let ready = async {
        if !with_node {
            return Ok(());
        }
        watch_object(
            nodes,
            NODE,
            "the node Ready and without taints",
            DEADLINE,
            |node| {
                let Some(node) = node else {
                    return Seen::NotYet("no such node".to_owned());
                };
                let conditions = node
                    .status
                    .as_ref()
                    .and_then(|s| s.conditions.as_deref())
                    .unwrap_or_default();
                let ready = conditions
                    .iter()
                    .any(|c| c.type_ == "Ready" && c.status == "True");
                let taints = node
                    .spec
                    .as_ref()
                    .and_then(|s| s.taints.as_deref())
                    .unwrap_or_default();
                if ready && taints.is_empty() {
                    Seen::Yes(())
                } else {
                    let taints: Vec<&str> = taints.iter().map(|t| t.key.as_str()).collect();
                    Seen::NotYet(format!("ready: {ready}, taints: {taints:?}"))
                }
            },
        )
        .await
    };
    tokio::try_join!(account, ready)?;
    Ok(())
}

/// What is recorded as it changes.
fn recorded() -> Vec<ApiResource> {
    vec![
        ApiResource::erase::<Pod>(&()),
        ApiResource::erase::<k8s_openapi::api::core::v1::Event>(&()),
        resources::runner_deployment(),
        resources::runner_replica_set(),
        resources::runner(),
        resources::runner_set(),
        ApiResource::erase::<StatefulSet>(&()),
        resources::horizontal_runner_autoscaler(),
    ]
}

fn tell_parts(emitter: &Emitter, ghes: &GhesSide) {
    for (name, version) in [
        ("mock-ghes", ghes.client.version()),
        ("runner", env!("CARGO_PKG_VERSION")),
        ("node", env!("CARGO_PKG_VERSION")),
    ] {
        emitter.emit(Event::Part {
            part: Part {
                name: name.to_owned(),
                version: version.to_owned(),
                origin: Origin::Ours,
            },
        });
    }
}
