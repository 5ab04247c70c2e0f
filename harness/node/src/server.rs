//! The part of a kubelet's HTTPS API that `kubectl logs` needs: `GET /containerLogs/{namespace}/{pod}/{container}`, and `/healthz`.
//!
//! Clients prove themselves by a certificate; there is no other authorization. Running commands is not offered.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum_server::tls_rustls::RustlsConfig;
use jiff::{SignedDuration, Timestamp};
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{NodeConfig, Tls};
use crate::logs::{Key, Logs};
use crate::{NodeError, tail};

/// Serves until `closing`. Returns the port.
pub(crate) fn start(
    config: &NodeConfig,
    logs: Logs,
    tasks: &TaskTracker,
    closing: CancellationToken,
) -> Result<u16, NodeError> {
    let tls = RustlsConfig::from_config(Arc::new(tls(&config.serving, &config.client_ca_pem)?));
    let address = SocketAddr::new(config.address, config.port);
    let listen = || {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        Ok((axum_server::from_tcp_rustls(listener, tls)?, port))
    };
    let (server, port) = listen().map_err(|source| NodeError::Listen { address, source })?;
    let routes = Router::new()
        .route("/healthz", get(async || "ok"))
        .route(
            "/containerLogs/{namespace}/{pod}/{container}",
            get(container_logs),
        )
        .route("/exec/{*rest}", any(not_offered))
        .route("/attach/{*rest}", any(not_offered))
        .route("/portForward/{*rest}", any(not_offered))
        .with_state(logs);
    tasks.spawn(async move {
        let served = closing
            .run_until_cancelled(server.serve(routes.into_make_service()))
            .await;
        if let Some(Err(error)) = served {
            tracing::error!(%error, "the node's log server ended");
        }
    });
    Ok(port)
}

fn tls(serving: &Tls, client_ca_pem: &str) -> Result<rustls::ServerConfig, NodeError> {
    let bad = |what: &str, error: &dyn std::fmt::Display| NodeError::Tls(format!("{what}: {error}"));
    let certificates = |pem: &str, what: &str| {
        CertificateDer::pem_slice_iter(pem.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| bad(what, &e))
    };
    let mut roots = RootCertStore::empty();
    for ca in certificates(client_ca_pem, "client CA")? {
        roots.add(ca).map_err(|e| bad("client CA", &e))?;
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .map_err(|e| bad("client CA", &e))?;
    let key =
        PrivateKeyDer::from_pem_slice(serving.key_pem.as_bytes()).map_err(|e| bad("serving key", &e))?;
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| bad("protocol versions", &e))?
        .with_client_cert_verifier(clients)
        .with_single_cert(certificates(&serving.cert_pem, "serving certificate")?, key)
        .map_err(|e| bad("serving pair", &e))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

async fn not_offered() -> Response {
    let sentence = "the local cluster's node runs no commands in containers: take `--cluster kind`";
    (StatusCode::NOT_IMPLEMENTED, sentence).into_response()
}

/// The query of a kubelet's `containerLogs`, which is `PodLogOptions`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct LogQuery {
    follow: bool,
    previous: bool,
    timestamps: bool,
    tail_lines: Option<usize>,
    since_seconds: Option<i64>,
    since_time: Option<Timestamp>,
    limit_bytes: Option<u64>,
}

async fn container_logs(
    State(logs): State<Logs>,
    Path((namespace, pod, container)): Path<(String, String, String)>,
    Query(query): Query<LogQuery>,
) -> Response {
    let key = Key {
        namespace,
        pod,
        container,
    };
    let Key {
        namespace,
        pod,
        container,
    } = &key;
    let log = match logs.find(&key, query.previous) {
        Err(()) => {
            let message = format!("pod {namespace}/{pod} has no container {container:?} on this node");
            return (StatusCode::NOT_FOUND, message).into_response();
        }
        Ok(None) => {
            let message = if query.previous {
                format!("previous terminated container {container:?} in pod {pod:?} not found")
            } else {
                format!("container {container:?} in pod {pod:?} is waiting to start")
            };
            return (StatusCode::BAD_REQUEST, message).into_response();
        }
        Ok(Some(log)) => log,
    };
    let ago = query.since_seconds.map(SignedDuration::from_secs);
    let wanted = tail::Wanted {
        follow: query.follow,
        tail: query.tail_lines,
        since: query
            .since_time
            .or_else(|| ago.and_then(|ago| Timestamp::now().checked_sub(ago).ok())),
        timestamps: query.timestamps,
        limit: query.limit_bytes,
    };
    let (out, mut chunks) = mpsc::channel::<io::Result<_>>(64);
    tokio::spawn(tail::send(log, wanted, out));
    let body = Body::from_stream(futures::stream::poll_fn(move |context| chunks.poll_recv(context)));
    ([(header::CONTENT_TYPE, "text/plain")], body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

    struct Authority {
        pem: String,
        issuer: Issuer<'static, KeyPair>,
    }

    fn authority() -> Authority {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).expect("a CA").pem();
        Authority {
            pem,
            issuer: Issuer::new(params, key),
        }
    }

    impl Authority {
        fn leaf(&self) -> Tls {
            let key = KeyPair::generate().expect("a key");
            let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
            let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
            Tls {
                cert_pem: certificate.pem(),
                key_pem: key.serialize_pem(),
            }
        }
    }

    fn client(trusted: &Authority, identity: Option<&Tls>) -> reqwest::Client {
        let ca = reqwest::Certificate::from_pem(trusted.pem.as_bytes()).expect("a CA");
        let mut builder = reqwest::Client::builder().tls_certs_only([ca]);
        if let Some(tls) = identity {
            let pem = format!("{}{}", tls.cert_pem, tls.key_pem);
            builder = builder.identity(reqwest::Identity::from_pem(pem.as_bytes()).expect("an identity"));
        }
        builder.build().expect("a client")
    }

    #[tokio::test]
    async fn only_the_api_server_reads_logs() {
        let dir = camino_tempfile::tempdir().expect("a temporary folder");
        let (own, foreign) = (authority(), authority());
        let logs = Logs::new(dir.path().to_owned(), true);
        let key = |container: &str| Key {
            namespace: "n".to_owned(),
            pod: "p".to_owned(),
            container: container.to_owned(),
        };
        logs.expect(key("waiting"), "u");
        let writer = logs.open(&key("ran"), "u", 0).await.expect("the log must open");
        writer
            .copy(&b"one\ntwo\n"[..], &b""[..])
            .await
            .expect("the output must be copied");
        let config = NodeConfig {
            name: "local".to_owned(),
            address: "127.0.0.1".parse().expect("an address"),
            port: 0,
            serving: own.leaf(),
            client_ca_pem: own.pem.clone(),
            state: dir.path().to_owned(),
            pod_init: "/no/launcher".into(),
            images: crate::ImageTable::default(),
            service_host: ("127.0.0.1".to_owned(), 443),
            logs: None,
            host_files: Vec::new(),
            lease: std::time::Duration::from_secs(40),
            taints: Vec::new(),
        };
        let (tasks, closing) = (TaskTracker::new(), CancellationToken::new());
        let port = start(&config, logs, &tasks, closing.clone()).expect("the server must start");
        let url = |path: &str| format!("https://127.0.0.1:{port}{path}");
        let api_server = client(&own, Some(&own.leaf()));
        let get = async |path: &str| {
            let answer = api_server.get(url(path)).send().await.expect("an answer");
            (answer.status().as_u16(), answer.text().await.expect("a body"))
        };

        let nobody = client(&own, None).get(url("/containerLogs/n/p/ran")).send().await;
        let stranger = client(&own, Some(&foreign.leaf()))
            .get(url("/containerLogs/n/p/ran"))
            .send()
            .await;

        assert!(nobody.is_err(), "a client without a certificate must be refused");
        assert!(
            stranger.is_err(),
            "a certificate of another authority must be refused"
        );
        assert_eq!(
            get("/containerLogs/n/p/ran?follow=true&tailLines=1").await,
            (200, "two\n".to_owned())
        );
        assert_eq!(get("/containerLogs/n/p/waiting").await.0, 400);
        assert_eq!(get("/containerLogs/n/p/ran?previous=true").await.0, 400);
        assert_eq!(get("/containerLogs/n/p/unknown").await.0, 404);
        assert_eq!(get("/exec/n/p/ran?command=ls").await.0, 501);
        assert_eq!(get("/healthz").await, (200, "ok".to_owned()));
        closing.cancel();
        tasks.close();
        tasks.wait().await;
    }
}
