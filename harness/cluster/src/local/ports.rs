//! The ports of one plane: fixed inside its own network namespace, free ones on a shared loopback.

use std::net::TcpListener;

/// Where the plane's programs listen.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// etcd, for clients.
    pub etcd: u16,
    /// etcd, for peers.
    pub etcd_peer: u16,
    /// kube-apiserver, HTTPS.
    pub api_server: u16,
    /// kube-controller-manager, HTTPS.
    pub controller_manager: u16,
    /// kube-scheduler, HTTPS.
    pub scheduler: u16,
    /// The node's log server, HTTPS.
    pub node: u16,
    /// cert-manager's admission webhook, HTTPS.
    pub cert_manager_webhook: u16,
    /// cert-manager's metrics, HTTP.
    pub cert_manager_metrics: u16,
    /// cert-manager's webhook health, HTTP.
    pub cert_manager_health: u16,
    /// ARC's admission webhook, HTTPS.
    pub arc_webhook: u16,
    /// ARC's metrics, HTTP.
    pub arc_metrics: u16,
    /// The mock GHES, HTTPS.
    pub ghes: u16,
}

impl Ports {
    /// The usual ports; only where nobody else can listen.
    #[must_use]
    pub fn own() -> Ports {
        Ports {
            etcd: 2379,
            etcd_peer: 2380,
            api_server: 6443,
            controller_manager: 10257,
            scheduler: 10259,
            node: 10250,
            cert_manager_webhook: 10260,
            cert_manager_metrics: 9402,
            cert_manager_health: 6080,
            arc_webhook: 9443,
            arc_metrics: 8080,
            ghes: 443,
        }
    }

    /// Ports that were free a moment ago.
    ///
    /// # Errors
    /// The operating system's, if loopback has none left.
    pub fn free() -> std::io::Result<Ports> {
        // All are held until all are known, so that none is given twice.
        let held = std::iter::repeat_with(|| TcpListener::bind("127.0.0.1:0"))
            .take(12)
            .collect::<Result<Vec<_>, _>>()?;
        let mut numbers = held
            .iter()
            .map(|l| l.local_addr().map(|a| a.port()))
            .collect::<Result<Vec<_>, _>>()?;
        let mut next = || {
            numbers
                .pop()
                .ok_or_else(|| std::io::Error::other("a port for each listener"))
        };
        Ok(Ports {
            etcd: next()?,
            etcd_peer: next()?,
            api_server: next()?,
            controller_manager: next()?,
            scheduler: next()?,
            node: next()?,
            cert_manager_webhook: next()?,
            cert_manager_metrics: next()?,
            cert_manager_health: next()?,
            arc_webhook: next()?,
            arc_metrics: next()?,
            ghes: next()?,
        })
    }
}
