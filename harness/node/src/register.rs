//! The Node object and its lease.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::api::core::v1::{
    DaemonEndpoint, Node, NodeAddress, NodeCondition, NodeDaemonEndpoints, NodeSpec, NodeStatus,
    NodeSystemInfo,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, OwnerReference, Time};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};

use crate::downward::ALLOCATABLE;
use crate::{NodeError, Shared};

/// A kubelet's: the status every five minutes when nothing changed.
const STATUS_EVERY: Duration = Duration::from_secs(300);
const LEASES: &str = "kube-node-lease";
const VERSION: &str = concat!("harness-node-v", env!("CARGO_PKG_VERSION"));

/// Creates the Node, Ready from the start, or takes over the one of this name.
pub(crate) async fn register(node: &Shared) -> Result<(), NodeError> {
    let name = &node.config.name;
    let nodes = Api::<Node>::all(node.client.clone());
    let failed = |source| NodeError::Register {
        name: name.clone(),
        source: Box::new(source),
    };
    let labels = labels(name);
    let object = Node {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            labels: Some(labels.clone()),
            ..ObjectMeta::default()
        },
        spec: Some(NodeSpec {
            taints: Some(node.config.taints.clone()).filter(|taints| !taints.is_empty()),
            ..NodeSpec::default()
        }),
        status: Some(status(node, Timestamp::now())),
    };
    match nodes.create(&PostParams::default(), &object).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(refusal)) if refusal.is_already_exists() => {
            let patch = json!({"metadata": {"labels": labels}});
            nodes
                .patch(name, &PatchParams::default(), &Patch::Merge(&patch))
                .await
                .map_err(failed)?;
            report(node).await.map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}

/// Renews lease and status until the node goes down.
pub(crate) async fn keep_alive(node: Arc<Shared>) {
    let mut lease_due = interval(node.config.lease / 4);
    let mut status_due = interval(STATUS_EVERY);
    for due in [&mut lease_due, &mut status_due] {
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    }
    loop {
        let (lease, status) = tokio::select! {
            () = node.closing.cancelled() => return,
            _ = lease_due.tick() => (true, false),
            _ = status_due.tick() => (false, true),
        };
        if lease && let Err(error) = renew(&node).await {
            tracing::warn!(%error, "the node's lease was not renewed");
            lease_due.reset_after(Duration::from_secs(1));
        }
        if status && let Err(error) = report(&node).await {
            tracing::warn!(%error, "the node's status was not reported");
            status_due.reset_after(Duration::from_secs(1));
        }
    }
}

async fn renew(node: &Shared) -> Result<(), kube::Error> {
    let name = &node.config.name;
    let leases = Api::<Lease>::namespaced(node.client.clone(), LEASES);
    let renewed = Some(MicroTime(Timestamp::now()));
    let patch = json!({"spec": {"holderIdentity": name, "leaseDurationSeconds": node.config.lease.as_secs(), "renewTime": renewed}});
    match leases
        .patch(name, &PatchParams::default(), &Patch::Merge(&patch))
        .await
    {
        Err(kube::Error::Api(refusal)) if refusal.is_not_found() => {}
        other => return other.map(drop),
    }
    let uid = Api::<Node>::all(node.client.clone())
        .get(name)
        .await?
        .metadata
        .uid
        .unwrap_or_default();
    let owner = OwnerReference {
        api_version: "v1".to_owned(),
        kind: "Node".to_owned(),
        name: name.clone(),
        uid,
        ..OwnerReference::default()
    };
    let lease = Lease {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        spec: Some(LeaseSpec {
            holder_identity: Some(name.clone()),
            lease_duration_seconds: i32::try_from(node.config.lease.as_secs()).ok(),
            renew_time: renewed,
            ..LeaseSpec::default()
        }),
    };
    leases.create(&PostParams::default(), &lease).await.map(drop)
}

async fn report(node: &Shared) -> Result<(), kube::Error> {
    let name = &node.config.name;
    let nodes = Api::<Node>::all(node.client.clone());
    let now = Timestamp::now();
    let mut status = status(node, now);
    let before = nodes.get(name).await?.status.unwrap_or_default();
    for condition in status.conditions.iter_mut().flatten() {
        let same = |old: &&NodeCondition| old.type_ == condition.type_ && old.status == condition.status;
        if let Some(old) = before.conditions.iter().flatten().find(same) {
            condition
                .last_transition_time
                .clone_from(&old.last_transition_time);
        }
    }
    nodes
        .patch_status(
            name,
            &PatchParams::default(),
            &Patch::Merge(&json!({"status": status})),
        )
        .await
        .map(drop)
}

fn labels(name: &str) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("kubernetes.io/hostname".to_owned(), name.to_owned()),
        ("kubernetes.io/os".to_owned(), "linux".to_owned()),
        ("kubernetes.io/arch".to_owned(), architecture().to_owned()),
    ])
}

/// As Go names it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn status(node: &Shared, now: Timestamp) -> NodeStatus {
    let config = &node.config;
    let resources: BTreeMap<String, Quantity> = ALLOCATABLE
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Quantity((*value).to_owned())))
        .collect();
    let address = |type_: &str, address: String| NodeAddress {
        type_: type_.to_owned(),
        address,
    };
    let condition = |(type_, status, reason, message): (&str, &str, &str, &str)| NodeCondition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_heartbeat_time: Some(Time(now)),
        last_transition_time: Some(Time(now)),
    };
    NodeStatus {
        addresses: Some(vec![
            address("InternalIP", config.address.to_string()),
            address("Hostname", config.name.clone()),
        ]),
        capacity: Some(resources.clone()),
        allocatable: Some(resources),
        conditions: Some(
            [
                (
                    "MemoryPressure",
                    "False",
                    "KubeletHasSufficientMemory",
                    "kubelet has sufficient memory available",
                ),
                (
                    "DiskPressure",
                    "False",
                    "KubeletHasNoDiskPressure",
                    "kubelet has no disk pressure",
                ),
                (
                    "PIDPressure",
                    "False",
                    "KubeletHasSufficientPID",
                    "kubelet has sufficient PID available",
                ),
                ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
            ]
            .map(condition)
            .to_vec(),
        ),
        daemon_endpoints: Some(NodeDaemonEndpoints {
            kubelet_endpoint: Some(DaemonEndpoint {
                port: i32::from(config.port),
            }),
        }),
        node_info: Some(NodeSystemInfo {
            architecture: architecture().to_owned(),
            operating_system: "linux".to_owned(),
            kernel_version: first_line("/proc/sys/kernel/osrelease"),
            os_image: "the host, read-only".to_owned(),
            container_runtime_version: format!("process://{}", env!("CARGO_PKG_VERSION")),
            kubelet_version: VERSION.to_owned(),
            boot_id: first_line("/proc/sys/kernel/random/boot_id"),
            ..NodeSystemInfo::default()
        }),
        ..NodeStatus::default()
    }
}

/// Of a file that the kernel makes up: reading it does not wait for a disk.
fn first_line(path: &str) -> String {
    fs_err::read_to_string(path)
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}
