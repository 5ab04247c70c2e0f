//! etcd, kube-apiserver, kube-controller-manager and kube-scheduler as supervised processes, with the run's own CA.
//!
//! What it is not: it starts no node and installs nothing.

use std::time::Duration;

use aws_lc_rs_key::service_account_key;
use camino::{Utf8Path, Utf8PathBuf};
use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};

use super::Ports;
use crate::kubeconfig::{self, Credentials};
use crate::process::{Process, ProcessError, Program};
use crate::wait::{Seen, WaitError, eventually};
use crate::{Identity, PkiError, RunCa};

mod aws_lc_rs_key {
    //! The service accounts' signing key.

    use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};

    use crate::PkiError;

    /// An ECDSA P-256 key pair as (private, public) PEM: kube-apiserver signs ES256 with it.
    pub(super) fn service_account_key() -> Result<(String, String), PkiError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|source| PkiError::Key {
            subject: "service accounts".into(),
            source,
        })?;
        Ok((key.serialize_pem(), key.public_key_pem()))
    }
}

/// The programs.
#[derive(Debug, Clone)]
pub struct PlaneParts {
    /// etcd.
    pub etcd: Utf8PathBuf,
    /// kube-apiserver.
    pub api_server: Utf8PathBuf,
    /// kube-controller-manager.
    pub controller_manager: Utf8PathBuf,
    /// kube-scheduler.
    pub scheduler: Utf8PathBuf,
}

/// The control plane did not come up.
#[derive(Debug, thiserror::Error)]
pub enum PlaneError {
    /// A file of the plane could not be written.
    #[error("write {path}")]
    Write {
        /// Which.
        path: Utf8PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A certificate could not be made.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// A program could not be started.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The client could not be made.
    #[error("make a client for {server}")]
    Client {
        /// The API server's address.
        server: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A program ended while it was needed.
    #[error("{name} ended with {status}; its last words:\n{tail}")]
    Died {
        /// Which.
        name: String,
        /// How.
        status: String,
        /// The last lines of its log.
        tail: String,
    },
    /// It never got ready.
    #[error(transparent)]
    NotReady(#[from] WaitError),
}

/// How long a node may be silent before it counts as lost. Kubernetes' own default is 50 s.
pub const NODE_GRACE: Duration = Duration::from_secs(12);

/// A running control plane. Dropping it kills its programs.
pub struct ControlPlane {
    /// An administrator's client.
    pub client: Client,
    /// The run's CA, which every part of the plane trusts.
    pub ca: RunCa,
    /// `https://ADDRESS:PORT` of the API server.
    pub server: String,
    /// An administrator's kubeconfig file.
    pub admin_kubeconfig: Utf8PathBuf,
    folder: Utf8PathBuf,
    logs: Utf8PathBuf,
    parts: PlaneParts,
    ports: Ports,
    processes: Vec<Process>,
}

impl ControlPlane {
    /// Starts etcd and kube-apiserver and waits until the API server serves; [`ControlPlane::await_ready`] waits for the rest. `address` is what the API server advertises (not loopback); state goes to
    /// `folder`, program output to `logs`.
    ///
    /// # Errors
    /// [`PlaneError`]; a program that ends early is told with the end of its log.
    pub async fn start(
        parts: PlaneParts,
        ports: Ports,
        address: &str,
        folder: &Utf8Path,
        logs: &Utf8Path,
    ) -> Result<ControlPlane, PlaneError> {
        let ca = RunCa::new("ghes-harness run CA")?;
        let files = Files {
            folder: folder.to_owned(),
        };
        files.prepare()?;
        let etcd = start_etcd(&parts.etcd, ports, folder, logs)?;
        let server = format!("https://{address}:{}", ports.api_server);
        write_identities(&files, &ca, address)?;
        let api_server = start_api_server(&parts.api_server, ports, address, &server, &files, logs)?;

        let admin = ca.client("ghes-harness-admin", "system:masters")?;
        let admin_kubeconfig = files.kubeconfig("admin", &server, &ca, &admin)?;
        let client = client(&admin_kubeconfig, &server).await?;
        let plane = ControlPlane {
            client,
            ca,
            server,
            admin_kubeconfig,
            folder: folder.to_owned(),
            logs: logs.to_owned(),
            parts,
            ports,
            processes: vec![etcd, api_server],
        };
        plane
            .await_answer("/version", "kube-apiserver serving (/version answers 200)")
            .await?;
        Ok(plane)
    }

    /// Waits for `/readyz`: the API server's own roles and priority classes exist.
    ///
    /// # Errors
    /// [`PlaneError`]; a program that ends early is told with the end of its log.
    pub async fn await_ready(&self) -> Result<(), PlaneError> {
        self.await_answer("/readyz", "kube-apiserver ready (/readyz answers 200)")
            .await
    }

    /// Starts kube-controller-manager and kube-scheduler. After the custom resource definitions: the garbage collector learns of new kinds
    /// only every 30 s (kube-controller-manager, garbage collector's monitor sync).
    ///
    /// # Errors
    /// [`PlaneError`].
    pub fn start_controllers(&mut self) -> Result<(), PlaneError> {
        let files = Files {
            folder: self.folder.clone(),
        };
        let manager = self
            .ca
            .client("system:kube-controller-manager", "system:masters")?;
        let manager_config = files.kubeconfig("controller-manager", &self.server, &self.ca, &manager)?;
        let scheduler = self.ca.client("system:kube-scheduler", "system:kube-scheduler")?;
        let scheduler_config = files.kubeconfig("scheduler", &self.server, &self.ca, &scheduler)?;
        self.processes.push(
            Program::new("kube-controller-manager", &self.parts.controller_manager)
                .args([
                    format!("--kubeconfig={manager_config}"),
                    format!("--secure-port={}", self.ports.controller_manager),
                    format!("--root-ca-file={}", files.path("ca.crt")),
                    format!(
                        "--service-account-private-key-file={}",
                        files.path("service-account.key")
                    ),
                ])
                .args(["--bind-address=127.0.0.1", "--leader-elect=false"])
                .args([
                    format!("--node-monitor-grace-period={}s", NODE_GRACE.as_secs()),
                    "--node-monitor-period=1s".to_owned(),
                ])
                .env("HOME", self.folder.as_str())
                .start(&self.logs)?,
        );
        self.processes.push(
            Program::new("kube-scheduler", &self.parts.scheduler)
                .args([
                    format!("--kubeconfig={scheduler_config}"),
                    format!("--secure-port={}", self.ports.scheduler),
                    format!("--authentication-kubeconfig={scheduler_config}"),
                    format!("--authorization-kubeconfig={scheduler_config}"),
                ])
                .args(["--bind-address=127.0.0.1", "--leader-elect=false"])
                .env("HOME", self.folder.as_str())
                .start(&self.logs)?,
        );
        Ok(())
    }

    /// Writes a kubeconfig for a user of the run's CA.
    ///
    /// # Errors
    /// [`PlaneError`].
    pub fn user(&self, file: &str, user: &str, group: &str) -> Result<Utf8PathBuf, PlaneError> {
        let identity = self.ca.client(user, group)?;
        Files {
            folder: self.folder.clone(),
        }
        .kubeconfig(file, &self.server, &self.ca, &identity)
    }

    /// A client for a kubeconfig that [`ControlPlane::user`] wrote.
    ///
    /// # Errors
    /// [`PlaneError::Client`].
    pub async fn client_for(&self, kubeconfig: &Utf8Path) -> Result<Client, PlaneError> {
        client(kubeconfig, &self.server).await
    }

    /// The first program that has ended although it should run, if any.
    #[must_use]
    pub fn died(&self) -> Option<PlaneError> {
        self.processes.iter().find_map(|process| {
            process.exited().map(|exited| PlaneError::Died {
                name: process.name().to_owned(),
                status: exited.to_string(),
                tail: process.tail(8),
            })
        })
    }

    /// Ends the programs at once: their state lives no longer than they do, so there is nothing to save.
    pub async fn stop(self) {
        futures::future::join_all(self.processes.iter().map(|process| process.stop(Duration::ZERO))).await;
    }

    async fn await_answer(&self, path: &str, awaited: &str) -> Result<(), PlaneError> {
        let answered = eventually(awaited, Duration::from_secs(60), || async {
            if let Some(died) = self.died() {
                return Seen::Yes(Err(died));
            }
            match self.client.request_text(http_get(path)).await {
                Ok(_) => Seen::Yes(Ok(())),
                Err(error) => Seen::NotYet(error.to_string()),
            }
        });
        answered.await?
    }
}

fn http_get(path: &str) -> http::Request<Vec<u8>> {
    let mut request = http::Request::new(Vec::new());
    *request.uri_mut() = path.parse().expect("a literal path is a URI");
    request
}

struct Files {
    folder: Utf8PathBuf,
}

impl Files {
    fn path(&self, name: &str) -> Utf8PathBuf {
        self.folder.join("pki").join(name)
    }

    fn prepare(&self) -> Result<(), PlaneError> {
        let path = self.folder.join("pki");
        std::fs::create_dir_all(&path).map_err(|source| PlaneError::Write { path, source })
    }

    fn write(&self, name: &str, text: &str) -> Result<(), PlaneError> {
        let path = self.path(name);
        std::fs::write(&path, text).map_err(|source| PlaneError::Write { path, source })
    }

    fn write_identity(&self, name: &str, identity: &Identity) -> Result<(), PlaneError> {
        self.write(&format!("{name}.crt"), &identity.cert_pem)?;
        self.write(&format!("{name}.key"), &identity.key_pem)
    }

    fn kubeconfig(
        &self,
        name: &str,
        server: &str,
        ca: &RunCa,
        identity: &Identity,
    ) -> Result<Utf8PathBuf, PlaneError> {
        let path = self.folder.join(format!("{name}.kubeconfig"));
        let document = kubeconfig::document(server, ca.pem(), &Credentials::Certificate(identity), "default");
        kubeconfig::write(&path, &document).map_err(|source| PlaneError::Write {
            path: path.clone(),
            source,
        })?;
        Ok(path)
    }
}

fn write_identities(files: &Files, ca: &RunCa, address: &str) -> Result<(), PlaneError> {
    files.write("ca.crt", ca.pem())?;
    // 10.96.0.1 is the `kubernetes` service's address: the first of the service range.
    let names = [
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "localhost",
        "127.0.0.1",
        "10.96.0.1",
        address,
    ];
    files.write_identity("api-server", &ca.server("kube-apiserver", &names)?)?;
    files.write_identity(
        "kubelet-client",
        &ca.client("kube-apiserver-kubelet-client", "system:masters")?,
    )?;
    let (private, public) = service_account_key()?;
    files.write("service-account.key", &private)?;
    files.write("service-account.pub", &public)
}

fn start_etcd(
    path: &Utf8Path,
    ports: Ports,
    folder: &Utf8Path,
    logs: &Utf8Path,
) -> Result<Process, PlaneError> {
    let client = format!("http://127.0.0.1:{}", ports.etcd);
    let peer = format!("http://127.0.0.1:{}", ports.etcd_peer);
    let process = Program::new("etcd", path)
        .args([
            format!("--data-dir={folder}/etcd"),
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster=default={peer}"),
        ])
        // The data lives as long as the run: durability is not what is tested.
        .args(["--unsafe-no-fsync", "--log-level=warn"])
        .start(logs)?;
    Ok(process)
}

fn start_api_server(
    path: &Utf8Path,
    ports: Ports,
    address: &str,
    server: &str,
    files: &Files,
    logs: &Utf8Path,
) -> Result<Process, PlaneError> {
    let file = |name: &str| files.path(name).into_string();
    let flags = [
        ("etcd-servers", format!("http://127.0.0.1:{}", ports.etcd)),
        ("secure-port", ports.api_server.to_string()),
        ("advertise-address", address.to_owned()),
        ("cert-dir", format!("{}/certs", files.folder)),
        ("tls-cert-file", file("api-server.crt")),
        ("tls-private-key-file", file("api-server.key")),
        ("client-ca-file", file("ca.crt")),
        ("kubelet-client-certificate", file("kubelet-client.crt")),
        ("kubelet-client-key", file("kubelet-client.key")),
        ("kubelet-certificate-authority", file("ca.crt")),
        ("kubelet-preferred-address-types", "InternalIP".to_owned()),
        ("service-account-issuer", server.to_owned()),
        ("service-account-key-file", file("service-account.pub")),
        ("service-account-signing-key-file", file("service-account.key")),
        ("service-account-jwks-uri", format!("{server}/openid/v1/jwks")),
        ("service-cluster-ip-range", "10.96.0.0/16".to_owned()),
        ("authorization-mode", "Node,RBAC".to_owned()),
        ("enable-admission-plugins", "NodeRestriction".to_owned()),
        // The docker sidecar of a runner pod is privileged.
        ("allow-privileged", "true".to_owned()),
    ];
    let process = Program::new("kube-apiserver", path)
        .args(flags.map(|(name, value)| format!("--{name}={value}")))
        .start(logs)?;
    Ok(process)
}

async fn client(kubeconfig: &Utf8Path, server: &str) -> Result<Client, PlaneError> {
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| PlaneError::Client {
        server: server.to_owned(),
        source,
    };
    let file = Kubeconfig::read_from(kubeconfig).map_err(|e| failed(Box::new(e)))?;
    let config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
        .await
        .map_err(|e| failed(Box::new(e)))?;
    Client::try_from(config).map_err(|e| failed(Box::new(e)))
}
