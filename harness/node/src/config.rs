//! What a node is told at start.

use std::net::IpAddr;
use std::time::Duration;

use camino::Utf8PathBuf;
use k8s_openapi::api::core::v1::Taint;

use crate::images::ImageTable;

/// A certificate and its key.
#[derive(Clone)]
pub struct Tls {
    /// Certificate chain, PEM.
    pub cert_pem: String,
    /// Private key, PEM.
    pub key_pem: String,
}

/// A file that every container finds, whatever its image.
#[derive(Debug, Clone)]
pub struct HostFile {
    /// Absolute path in the container, such as `/etc/hosts`.
    pub path: Utf8PathBuf,
    /// Its text.
    pub content: String,
}

/// A node's settings.
#[derive(Clone)]
pub struct NodeConfig {
    /// Name of the Node object.
    pub name: String,
    /// The node's address, and that of every pod on it.
    pub address: IpAddr,
    /// Port of the log server; a kubelet has 10250. 0 takes a free one.
    pub port: u16,
    /// Shown to the API server; its name or address must be [`NodeConfig::address`].
    pub serving: Tls,
    /// Who may read logs: holders of a certificate of this authority, which should sign for the API server only.
    pub client_ca_pem: String,
    /// Where container folders and volumes live; best on a tmpfs.
    pub state: Utf8PathBuf,
    /// The launcher program of this crate.
    pub pod_init: Utf8PathBuf,
    /// Which program stands for which image.
    pub images: ImageTable,
    /// `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT` of every container.
    pub service_host: (String, u16),
    /// Where container logs stay as evidence after their pod is gone, as `{namespace}_{pod}_{container}.log` (after the n-th restart
    /// `….{n}.log`), each line with its time. Without it logs go with their pod.
    pub logs: Option<Utf8PathBuf>,
    /// Files that every container finds.
    pub host_files: Vec<HostFile>,
    /// How long its lease lasts, in whole seconds; it is renewed every quarter of that. A kubelet has 40 s.
    pub lease: Duration,
    /// Taints that it is registered with.
    pub taints: Vec<Taint>,
}
