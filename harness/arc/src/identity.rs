//! A process that acts as a chart's service account: a token of the API server's own, and a kubeconfig that reads it.

use camino::{Utf8Path, Utf8PathBuf};
use harness_cluster::kubeconfig::{self, Credentials};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::{Api, Client};

use crate::InstallError;

/// Longer than any run; a kept environment ends with its day.
const LIFETIME_SECONDS: i64 = 24 * 3600;

/// Mints a token for the service account and writes `{folder}/{account}.{token,kubeconfig}`; gives the kubeconfig's path.
pub(crate) async fn kubeconfig(
    client: &Client,
    server: &str,
    ca_pem: &str,
    namespace: &str,
    account: &str,
    folder: &Utf8Path,
) -> Result<Utf8PathBuf, InstallError> {
    let api: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let spec = TokenRequestSpec {
        expiration_seconds: Some(LIFETIME_SECONDS),
        ..TokenRequestSpec::default()
    };
    let request = TokenRequest {
        spec,
        ..TokenRequest::default()
    };
    let answer = api
        .create_token_request(account, &PostParams::default(), &request)
        .await
        .map_err(|source| InstallError::Call {
            what: format!("mint a token for {namespace}/{account}"),
            source: Box::new(source),
        })?;
    let token = answer.status.map(|status| status.token).unwrap_or_default();
    std::fs::create_dir_all(folder).map_err(|source| InstallError::Write {
        path: folder.to_owned(),
        source,
    })?;
    let token_file = folder.join(format!("{account}.token"));
    write_private(&token_file, &token)?;
    let path = folder.join(format!("{account}.kubeconfig"));
    let document = kubeconfig::document(server, ca_pem, &Credentials::TokenFile(&token_file), namespace);
    kubeconfig::write(&path, &document).map_err(|source| InstallError::Write {
        path: path.clone(),
        source,
    })?;
    Ok(path)
}

fn write_private(path: &Utf8Path, text: &str) -> Result<(), InstallError> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;

    std::fs::OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|source| InstallError::Write {
            path: path.to_owned(),
            source,
        })
}
