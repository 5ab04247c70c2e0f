//! Bringing the environment up, in the order that the parts need each other, side by side where they do not.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use harness_arc::{Arc as ArcChart, CertManager, CertManagerParts, InstallError, Subject};
use harness_cluster::local::{ControlPlane, PlaneError, PlaneParts, Ports, enclosure};
use harness_cluster::{
    Applier, ApplyError, EvidenceError, Process, Recorder, Seen, WaitError, error_chain, watch_object,
};
use harness_ghes::{Ghes, GhesError, Target};
use harness_model::{Event, Exit, Origin, Part};
use harness_node::{HostFile, ImageTable, Node, NodeConfig, NodeError, Tls};
use k8s_openapi::api::core::v1::{Node as NodeObject, Pod, ServiceAccount};
use kube::api::ApiResource;
use kube::{Api, Client};
use mock_ghes::{Hand, MockGhes, Server, StartError, TlsIdentity};
use secrecy::SecretString;
use serde_json::json;

use super::{Defect, Environment, GHES_HOST, STATE_FOLDER, tenant};
use crate::arc::resources;
use crate::run::{Emitter, Order};

/// How long a part of the environment may take to get ready.
const DEADLINE: Duration = Duration::from_secs(60);

/// The node's name.
const NODE: &str = "local";

/// The environment did not come up. Each message says what failed and why; the supervisor adds nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpError {
    #[error("the control plane did not come up: {}", error_chain(.0))]
    Plane(#[from] PlaneError),
    #[error("cert-manager or ARC did not come up: {}", error_chain(.0))]
    Install(#[from] InstallError),
    #[error("a manifest was refused while the environment came up: {}", error_chain(.0))]
    Apply(#[from] ApplyError),
    #[error("the mock GHES did not start: {}", error_chain(.0))]
    MockGhes(#[from] StartError),
    #[error("the mock GHES does not answer: {}", error_chain(.0))]
    Ghes(#[from] GhesError),
    #[error("the node did not start: {}", error_chain(.0))]
    Node(#[from] NodeError),
    #[error("the environment did not get ready: {0}")]
    NotReady(#[from] WaitError),
    #[error("evidence cannot be kept: {}", error_chain(.0))]
    Evidence(#[from] EvidenceError),
    #[error("{what}: {source}; is the disk full?")]
    Files { what: String, source: std::io::Error },
    #[error("a certificate could not be made: {0}")]
    Pki(#[from] harness_cluster::PkiError),
}

impl UpError {
    /// A subject that never got ready is a failed check of it, not a failed environment.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            UpError::Install(error) if error.is_subject() => Exit::CheckFailed,
            _ => Exit::Environment,
        }
    }
}

/// Where the run keeps things, and where its programs listen.
struct Site {
    /// State that dies with the run.
    state: Utf8PathBuf,
    /// Output of programs, kept as evidence.
    logs: Utf8PathBuf,
    ports: Ports,
    address: IpAddr,
    enclosed: bool,
}

impl Site {
    fn prepare(order: &Order) -> Result<Site, UpError> {
        let files = |what: &str| {
            let what = what.to_owned();
            move |source| UpError::Files { what, source }
        };
        let logs = order.folder.join("evidence/programs");
        std::fs::create_dir_all(&logs).map_err(files("make evidence/programs"))?;
        let (state, ports, address) = if order.enclosed {
            let address: Ipv4Addr = enclosure::ADDRESS.parse().unwrap_or(Ipv4Addr::LOCALHOST);
            (
                Utf8PathBuf::from(enclosure::STATE),
                Ports::own(),
                IpAddr::V4(address),
            )
        } else {
            let ports = Ports::free().map_err(files("find free ports"))?;
            (
                order.folder.join(STATE_FOLDER),
                ports,
                IpAddr::V4(Ipv4Addr::LOCALHOST),
            )
        };
        std::fs::create_dir_all(&state).map_err(files("make the state folder"))?;
        if order.enclosed {
            // Leader election outside a pod looks for its namespace where a pod has it (client-go, in-cluster config).
            let account = Utf8Path::new("/run/secrets/kubernetes.io/serviceaccount");
            std::fs::create_dir_all(account)
                .and_then(|()| std::fs::write(account.join("namespace"), harness_arc::NAMESPACE))
                .map_err(files("write the service account's namespace"))?;
        }
        Ok(Site {
            state,
            logs,
            ports,
            address,
            enclosed: order.enclosed,
        })
    }

    fn ghes_url(&self) -> String {
        match (self.enclosed, self.ports.ghes) {
            (true, 443) => format!("https://{GHES_HOST}"),
            (true, port) => format!("https://{GHES_HOST}:{port}"),
            (false, port) => format!("https://localhost:{port}"),
        }
    }
}

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
    let defects = Defect::of_plan(&order.plan);

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
        harness_arc::install(arc, &plane, site.ports, site.enclosed, &site.state, &site.logs),
    )
    .await?;
    await_usable(&plane.client, node.is_some()).await?;
    emitter.measured("plane usable", start.elapsed().as_secs_f64());
    tell_parts(&emitter, &ghes);

    let mut cert_manager = cert_manager;
    if defects.contains(&Defect::CainjectorKilled)
        && let Some(at) = cert_manager
            .iter()
            .position(|p| p.name() == "cert-manager-cainjector")
    {
        cert_manager[at].kill_now().await;
    }
    let GhesSide {
        server,
        hand,
        client,
        ca,
    } = ghes;
    Ok(Environment {
        order,
        emitter,
        plane,
        node,
        cert_manager,
        arc: controller,
        arc_metrics: format!("http://127.0.0.1:{}/metrics", site.ports.arc_metrics),
        server,
        hand,
        ghes: client,
        ghes_ca: ca,
        recorder,
    })
}

struct GhesSide {
    server: Server,
    hand: Hand,
    client: Ghes,
    ca: String,
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
        let (ghes, token) = start_ghes(order, site, emitter, defects).await?;
        let ca_file = site.state.join("ghes-ca.crt");
        std::fs::write(&ca_file, &ghes.ca).map_err(|source| UpError::Files {
            what: format!("write {ca_file}"),
            source,
        })?;
        let subject = Subject {
            manager: parts.arc_manager.clone(),
            chart: parts.arc_chart.clone(),
            helm: parts.helm.clone(),
            version: order.plan.arc.clone(),
            ghes_url: site.ghes_url(),
            ghes_ca: ca_file,
            token,
            sync_period: order.plan.sync_period.clone(),
            redactor: emitter.redactor().clone(),
        };
        let mut arc = harness_arc::prepare(subject, site.ports).await?;
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

async fn start_ghes(
    order: &Order,
    site: &Site,
    emitter: &Emitter,
    defects: &[Defect],
) -> Result<(GhesSide, SecretString), UpError> {
    // GHES's own CA: runners and controller must be told of it, as with a GHES that has a private one.
    let ca = harness_cluster::RunCa::new("ghes-harness GHES CA")?;
    let identity = ca.server(GHES_HOST, &[GHES_HOST, "localhost", "127.0.0.1"])?;
    let (server, hand) = MockGhes::builder()
        .world(tenant::world(&order.checks))
        .listen(SocketAddr::from((Ipv4Addr::LOCALHOST, site.ports.ghes)))
        .tls(Some(TlsIdentity {
            ca_pem: ca.pem().to_owned(),
            cert_pem: identity.cert_pem,
            key_pem: identity.key_pem,
        }))
        .ledger(order.folder.join("evidence/ledger"))
        .data(site.state.join("ghes"))
        .list_max_age(order.plan.list_max_age)
        .redactor(emitter.redactor().clone())
        .start()
        .await?;
    for defect in defects.iter().filter_map(|defect| defect.in_mock()) {
        hand.seed_defect(defect).await;
    }
    for rule in defects.iter().filter_map(|defect| defect.in_answers()) {
        hand.fault(rule);
    }
    let token = hand.pat().clone();
    let url = site
        .ghes_url()
        .parse()
        .map_err(|error: url::ParseError| UpError::Files {
            what: format!("read the address {}", site.ghes_url()),
            source: std::io::Error::other(error),
        })?;
    let client = Ghes::connect(Target {
        url,
        token: token.clone(),
        ca_pem: Some(ca.pem().to_owned()),
    })
    .await?;
    Ok((
        GhesSide {
            server,
            hand,
            client,
            ca: ca.pem().to_owned(),
        },
        token,
    ))
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
        start_node(order, site, plane).await.map(Some)
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

async fn start_node(order: &Order, site: &Site, plane: &ControlPlane) -> Result<Node, UpError> {
    let kubeconfig = plane.user("node", &format!("system:node:{NODE}"), "system:nodes")?;
    let client = plane.client_for(&kubeconfig).await?;
    let serving = plane
        .ca
        .server(&format!("system:node:{NODE}"), &[NODE, &site.address.to_string()])?;
    let programs = Utf8Path::new(&order.plan.programs);
    let node = harness_node::start(
        client,
        NodeConfig {
            name: NODE.to_owned(),
            address: site.address,
            port: site.ports.node,
            serving: Tls {
                cert_pem: serving.cert_pem,
                key_pem: serving.key_pem,
            },
            client_ca_pem: plane.ca.pem().to_owned(),
            state: site.state.join("node"),
            pod_init: programs.join("pod-init"),
            images: ImageTable::standard(programs.join("runner")),
            service_host: (site.address.to_string(), site.ports.api_server),
            logs: Some(order.folder.join("evidence/pods")),
            host_files: vec![HostFile {
                path: "/etc/hosts".into(),
                content: enclosure::hosts(&[GHES_HOST]),
            }],
        },
    )
    .await?;
    Ok(node)
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
