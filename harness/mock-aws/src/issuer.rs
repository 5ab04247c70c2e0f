//! Asks an issuer for its keys: discovery document, then key set, each time anew. What it is not: a cache; a rotated key is known at once.

use jsonwebtoken::jwk::JwkSet;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::Refusal;
use crate::world::Provider;

const DEADLINE: std::time::Duration = std::time::Duration::from_secs(10);

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

/// The provider's keys.
pub(crate) async fn keys(provider: &Provider) -> Result<JwkSet, Refusal> {
    let url = format!(
        "{}/.well-known/openid-configuration",
        trimmed(provider.issuer.as_str())
    );
    let unreachable = |url: &str, what: String| Refusal::IssuerUnreachable {
        url: url.to_owned(),
        what,
    };
    let client = client(provider).map_err(|what| unreachable(&url, what))?;
    let discovery: Discovery = get(&client, &url).await.map_err(|what| unreachable(&url, what))?;
    if !is_same(&discovery.issuer, &provider.issuer) {
        let what = format!("it says that its issuer is {}", discovery.issuer);
        return Err(unreachable(&url, what));
    }
    let Some(at) = Url::parse(&discovery.jwks_uri)
        .ok()
        .filter(|at| at.scheme() == "https")
    else {
        let what = format!("its keys are at {}, which is no https URL", discovery.jwks_uri);
        return Err(unreachable(&url, what));
    };
    let url = at.as_str();
    get(&client, url).await.map_err(|what| unreachable(url, what))
}

/// Whether a token or a document names this issuer: hosts have no case, a last slash means nothing.
pub(crate) fn is_same(named: &str, issuer: &Url) -> bool {
    Url::parse(named).is_ok_and(|named| trimmed(named.as_str()) == trimmed(issuer.as_str()))
}

fn trimmed(url: &str) -> &str {
    url.trim_end_matches('/')
}

fn client(provider: &Provider) -> Result<reqwest::Client, String> {
    let mut builder = reqwest::Client::builder()
        .timeout(DEADLINE)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none());
    if let Some(pem) = &provider.ca_pem {
        let authorities = reqwest::Certificate::from_pem_bundle(pem.as_bytes()).map_err(|e| chain(&e))?;
        builder = builder.tls_certs_only(authorities);
    }
    if let (Some(address), Some(host)) = (provider.address, provider.issuer.host_str()) {
        builder = builder.resolve(host, address);
    }
    builder.build().map_err(|e| chain(&e))
}

async fn get<T: DeserializeOwned>(client: &reqwest::Client, url: &str) -> Result<T, String> {
    let answer = client.get(url).send().await.map_err(|e| chain(&e))?;
    if !answer.status().is_success() {
        return Err(format!("it answers {}", answer.status()));
    }
    answer.json().await.map_err(|e| chain(&e))
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |e| e.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
