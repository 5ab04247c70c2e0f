//! The plane's node, and the further ones that a scenario may want to lose.

use camino::Utf8Path;
use harness_cluster::local::{ControlPlane, NODE_GRACE, enclosure};
use harness_node::{HostFile, ImageTable, Node, NodeConfig, Tls};
use k8s_openapi::api::core::v1::Taint;

use super::error::UpError;
use super::site::{Site, names};
use crate::run::Order;

/// The name of the node that every run has.
pub(crate) const NODE: &str = "local";

/// Starts a node of this name.
pub(crate) async fn start(
    order: &Order,
    site: &Site,
    plane: &ControlPlane,
    name: &str,
    taints: Vec<Taint>,
) -> Result<Node, UpError> {
    let user = format!("system:node:{name}");
    let kubeconfig = plane.user(&format!("node-{name}"), &user, "system:nodes")?;
    let client = plane.client_for(&kubeconfig).await?;
    let serving = plane.ca.server(&user, &[name, &site.address.to_string()])?;
    let programs = Utf8Path::new(&order.plan.programs);
    let node = harness_node::start(
        client,
        NodeConfig {
            name: name.to_owned(),
            address: site.address,
            // A kubelet's port for the plane's own node; all nodes have one address.
            port: if name == NODE { site.ports.node } else { 0 },
            serving: Tls {
                cert_pem: serving.cert_pem,
                key_pem: serving.key_pem,
            },
            client_ca_pem: plane.ca.pem().to_owned(),
            state: site.state.join("nodes").join(name),
            pod_init: programs.join("pod-init"),
            images: ImageTable::standard(programs.join("runner")),
            service_host: (site.address.to_string(), site.ports.api_server),
            logs: Some(order.folder.join("evidence/pods")),
            host_files: vec![HostFile {
                path: "/etc/hosts".into(),
                content: enclosure::hosts(&names(order.own_arcs.len())),
            }],
            lease: NODE_GRACE,
            taints,
        },
    )
    .await?;
    Ok(node)
}
