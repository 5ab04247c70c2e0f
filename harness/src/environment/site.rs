//! Where a run keeps things, and where its programs listen: the common ones, and those of each scenario that has an ARC and a GHES of its
//! own.
//!
//! What it is not: nothing is started here.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use camino::{Utf8Path, Utf8PathBuf};
use harness_arc::{Release, Replica, Server};
use harness_cluster::PrometheusPlace;
use harness_cluster::local::{Ports, enclosure};
use harness_model::OwnArc;

use super::STATE_FOLDER;
use super::clock::WorldClock;
use super::error::UpError;
use crate::run::Order;

/// The name under which the common controller and its runners reach GHES.
const GHES_HOST: &str = "ghes.test";

/// The first port of the first own ARC; each has a hundred.
const OWN_PORTS: u16 = 20_000;

/// A run's folders, ports and addresses.
pub(crate) struct Site {
    /// State that dies with the run.
    pub(crate) state: Utf8PathBuf,
    /// Output of programs, kept as evidence.
    pub(crate) logs: Utf8PathBuf,
    pub(crate) ports: Ports,
    pub(crate) address: IpAddr,
    pub(crate) enclosed: bool,
}

/// Where one GHES lies.
pub(crate) struct GhesPlace {
    pub(crate) host: String,
    pub(crate) address: SocketAddr,
    /// `https://HOST[:PORT]`.
    pub(crate) url: String,
    pub(crate) state: Utf8PathBuf,
    pub(crate) ledger: Utf8PathBuf,
}

/// Every GHES's name inside the run's namespaces: the common one's and those of so many scenarios.
pub(crate) fn names(own: usize) -> Vec<(String, IpAddr)> {
    let common = (GHES_HOST.to_owned(), IpAddr::V4(Ipv4Addr::LOCALHOST));
    std::iter::once(common)
        .chain((0..own).map(|index| (own_host(index), own_address(index))))
        .collect()
}

fn own_host(index: usize) -> String {
    format!("ghes-{}.test", index + 1)
}

/// Any address of 127.0.0.0/8 is loopback's, so each GHES has port 443.
fn own_address(index: usize) -> IpAddr {
    let [high, low] = u16::try_from(index + 1).unwrap_or(u16::MAX).to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(127, 1, high, low))
}

/// The first of the hundred ports of one scenario, by its place among those that have their own.
fn own_first_port(index: usize) -> u16 {
    u16::try_from(index)
        .ok()
        .and_then(|index| index.checked_mul(100))
        .and_then(|offset| OWN_PORTS.checked_add(offset))
        .unwrap_or(OWN_PORTS)
}

impl Site {
    pub(crate) fn prepare(order: &Order) -> Result<Site, UpError> {
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

    /// The GHES of the scenarios that share an ARC.
    pub(crate) fn common_ghes(&self, order: &Order) -> GhesPlace {
        let port = self.ports.ghes;
        GhesPlace {
            host: GHES_HOST.to_owned(),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            url: match (self.enclosed, port) {
                (true, 443) => format!("https://{GHES_HOST}"),
                (true, port) => format!("https://{GHES_HOST}:{port}"),
                (false, port) => format!("https://localhost:{port}"),
            },
            state: self.state.join("ghes"),
            ledger: order.folder.join("evidence/ledger"),
        }
    }

    /// The GHES of one scenario, by its place among those that have their own, in this namespace.
    pub(crate) fn own_ghes(&self, order: &Order, index: usize, namespace: &str) -> GhesPlace {
        let host = own_host(index);
        GhesPlace {
            address: SocketAddr::from((own_address(index), self.ports.ghes)),
            url: format!("https://{host}"),
            host,
            state: self.state.join("ghes-own").join(namespace),
            ledger: order.folder.join("evidence/ledger-own").join(namespace),
        }
    }

    /// The clock of one scenario's ARC and GHES, in this namespace.
    pub(crate) fn own_clock(&self, namespace: &str) -> Result<WorldClock, UpError> {
        let path = self.state.join("clocks").join(namespace);
        WorldClock::new(path.clone()).map_err(|source| UpError::Files {
            what: format!("make the clock file {path}"),
            source,
        })
    }

    /// The Prometheus of one scenario, by its place among those that have their own, in this namespace.
    pub(crate) fn own_prometheus(&self, index: usize, namespace: &str) -> PrometheusPlace {
        PrometheusPlace {
            folder: self.state.join("prometheus").join(namespace),
            logs: self.logs.clone(),
            name: format!("prometheus-{}", index + 1),
            port: own_first_port(index) + 90,
        }
    }

    /// The common ARC: the guide's release.
    pub(crate) fn common_release(&self) -> Release {
        Release::of_the_guide(Replica {
            webhook: self.ports.arc_webhook,
            metrics: self.ports.arc_metrics,
        })
    }

    /// The ARC of one scenario, for its namespace alone.
    pub(crate) fn own_release(index: usize, namespace: &str, claim: &OwnArc) -> Release {
        let first = own_first_port(index);
        let replicas: Vec<Replica> = (0..u16::from(claim.replicas))
            .map(|replica| Replica {
                webhook: first + 10 + replica,
                metrics: first + 50 + replica,
            })
            .collect();
        let servers = (0..).zip(&claim.servers).map(|(place, kind)| Server {
            kind: *kind,
            webhook: first + 70 + place,
            metrics: first + 80 + place,
        });
        Release {
            servers: servers.collect(),
            name: format!("own-{}", index + 1),
            watch_namespace: Some(namespace.to_owned()),
            // One program needs nobody in front of it.
            service: match replicas.as_slice() {
                [only] => only.webhook,
                _ => first,
            },
            replicas,
            flags: claim.flags.clone(),
            env: claim.env.clone(),
            stale_certificate: false,
            values: claim.values.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use harness_model::ArcServer;

    use super::*;

    #[test]
    fn every_ghes_has_a_name_and_an_address_of_its_own() {
        let names = names(2);

        let shown: Vec<String> = names
            .iter()
            .map(|(name, address)| format!("{address} {name}"))
            .collect();
        assert_eq!(
            shown,
            [
                "127.0.0.1 ghes.test",
                "127.1.0.1 ghes-1.test",
                "127.1.0.2 ghes-2.test"
            ]
        );
    }

    #[test]
    fn each_server_of_a_release_has_ports_of_its_own() {
        let claim = OwnArc {
            servers: ArcServer::ALL.to_vec(),
            ..OwnArc::default()
        };

        let release = Site::own_release(1, "e2e-a", &claim);

        let ports: Vec<_> = release
            .servers
            .iter()
            .map(|s| (s.kind, s.webhook, s.metrics))
            .collect();
        assert_eq!(
            ports,
            [
                (ArcServer::GithubWebhook, 20_170, 20_180),
                (ArcServer::ActionsMetrics, 20_171, 20_181),
            ]
        );
    }

    #[test]
    fn two_programs_stand_behind_a_service_and_one_is_its_own() {
        let claim = |replicas| OwnArc {
            replicas,
            ..OwnArc::default()
        };

        let (one, two) = (
            Site::own_release(0, "e2e-a", &claim(1)),
            Site::own_release(1, "e2e-b", &claim(2)),
        );

        assert_eq!((one.service, one.replicas[0].webhook), (20_010, 20_010));
        assert_eq!(two.service, 20_100);
        assert_eq!(
            two.replicas.iter().map(|r| r.webhook).collect::<Vec<_>>(),
            [20_110, 20_111]
        );
    }
}
