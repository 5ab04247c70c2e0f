//! Kubeconfig files of the run, one for each identity.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use camino::Utf8Path;
use serde_json::{Value, json};

use crate::Identity;

/// How the holder of a kubeconfig authenticates.
pub enum Credentials<'a> {
    /// By client certificate.
    Certificate(&'a Identity),
    /// By a bearer token in a file that is read again when it changes.
    TokenFile(&'a Utf8Path),
}

/// A kubeconfig as a value. `namespace` is the context's default.
#[must_use]
pub fn document(server: &str, ca_pem: &str, credentials: &Credentials<'_>, namespace: &str) -> Value {
    let user = match credentials {
        Credentials::Certificate(identity) => json!({
            "client-certificate-data": STANDARD.encode(&identity.cert_pem),
            "client-key-data": STANDARD.encode(&identity.key_pem),
        }),
        Credentials::TokenFile(path) => json!({ "tokenFile": path }),
    };
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "ghes-harness", "cluster": {
            "server": server,
            "certificate-authority-data": STANDARD.encode(ca_pem),
        }}],
        "users": [{ "name": "user", "user": user }],
        "contexts": [{ "name": "ghes-harness", "context": {
            "cluster": "ghes-harness", "user": "user", "namespace": namespace,
        }}],
        "current-context": "ghes-harness",
    })
}

/// Writes the document for its owner's eyes only (JSON is YAML).
///
/// # Errors
/// The file system's.
pub fn write(path: &Utf8Path, document: &Value) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;

    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(document.to_string().as_bytes())
}
