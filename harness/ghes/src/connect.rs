//! The connection: address, token, CA, and the two ways of reading (one object, all pages).

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use octocrab::{FromResponse, Octocrab, Page};
use reqwest::redirect::Policy;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::{Host, Url};

use crate::retry::{self, Pace, Repeat};
use crate::workflows::Lanes;
use crate::{Failure, GhesError, Operation};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the run of a dispatch may take to show.
const RUN_DEADLINE: Duration = Duration::from_secs(30);

/// A GHES, and who calls it.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its address, for example `https://ghes.test`; with or without `/api/v3`.
    pub url: Url,
    /// A personal access token.
    pub token: SecretString,
    /// A CA in PEM to trust besides the system's. The certificate is always verified.
    pub ca_pem: Option<String>,
}

/// A connected GHES of our own, which may be written to as one likes. Clones share the connection.
///
/// A server that is not ours is entered as a [`Guest`](crate::Guest), which only reads, and written to by a [`Permit`](crate::Permit).
#[derive(Clone)]
pub struct Ghes {
    pub(crate) crab: Octocrab,
    pub(crate) lanes: Arc<Lanes>,
    pub(crate) run_deadline: Duration,
    pace: Pace,
    api: Url,
    version: String,
}

impl fmt::Debug for Ghes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ghes")
            .field("api", &self.api.as_str())
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Meta {
    installed_version: Option<String>,
}

impl Ghes {
    /// Connects to a GHES of our own, and reads its version from `/meta`.
    ///
    /// # Errors
    /// The host is neither the loopback nor a name kept for tests, the CA or the token cannot be used, GHES is not there, or it is something else.
    pub async fn connect(target: Target) -> Result<Ghes, GhesError> {
        if target.url.host().is_some() && !is_of_this_machine(&target.url) {
            let reason = "the host is not of this machine, so it may be somebody's: a server that is not ours is entered as a guest";
            let operation = Operation::Connect(target.url.origin().ascii_serialization());
            return Err(GhesError::new(operation, Failure::Target(reason.to_owned()), 0));
        }
        // Logs lie elsewhere.
        Ghes::open(target, Pace::default(), Policy::limited(5)).await
    }

    /// The connection itself, wherever the server is.
    pub(crate) async fn open(target: Target, pace: Pace, redirects: Policy) -> Result<Ghes, GhesError> {
        let operation = Operation::Connect(target.url.origin().ascii_serialization());
        let unusable = |reason| GhesError::new(operation.clone(), Failure::Target(reason), 0);
        let api = api(&target.url).map_err(unusable)?;
        let crab = client(&api, &target, pace.timeout(), redirects).map_err(unusable)?;
        let meta: Meta = retry::call(&pace, operation.clone(), Repeat::Harmless, |_| {
            crab.get("/meta", None::<&()>)
        })
        .await?;
        let version = meta.installed_version.ok_or_else(|| {
            let reason =
                "at installed_version: it is missing, so this is no GitHub Enterprise Server".to_owned();
            GhesError::new(operation, Failure::Answer(reason), 1)
        })?;
        Ok(Ghes {
            crab,
            lanes: Arc::default(),
            run_deadline: RUN_DEADLINE,
            pace,
            api,
            version,
        })
    }

    /// The same connection with another deadline for a dispatch's run to show.
    #[must_use]
    pub fn with_run_deadline(mut self, deadline: Duration) -> Ghes {
        self.run_deadline = deadline;
        self
    }

    /// The server's version, for example `3.9.0`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The address below which all calls go, for example `https://ghes.test/api/v3`.
    #[must_use]
    pub fn api(&self) -> &Url {
        &self.api
    }

    pub(crate) async fn get<T: FromResponse>(
        &self,
        operation: Operation,
        route: &str,
    ) -> Result<T, GhesError> {
        self.call(operation, Repeat::Harmless, |_| self.crab.get(route, None::<&()>))
            .await
    }

    /// An object, with the headers of its answer.
    pub(crate) async fn get_with_headers<T: DeserializeOwned>(
        &self,
        operation: Operation,
        route: &str,
    ) -> Result<(HeaderMap, T), GhesError> {
        let (headers, text) = self
            .call(operation.clone(), Repeat::Harmless, |_| async {
                let answer = octocrab::map_github_error(self.crab._get(route).await?).await?;
                let headers = answer.headers().clone();
                Ok((headers, self.crab.body_to_string(answer).await?))
            })
            .await?;
        let object = serde_json::from_str(&text)
            .map_err(|error| GhesError::new(operation, Failure::Answer(error.to_string()), 1))?;
        Ok((headers, object))
    }

    /// Removes what the route names. That it is gone at a second try counts as removed.
    pub(crate) async fn delete(&self, operation: Operation, route: &str) -> Result<(), GhesError> {
        self.call(operation, Repeat::Harmless, |attempt| async move {
            let answer = self.crab._delete(route, None::<&()>).await?;
            if attempt > 1 && answer.status() == http::StatusCode::NOT_FOUND {
                return Ok(());
            }
            octocrab::map_github_error(answer).await.map(drop)
        })
        .await
    }

    /// Tries until it works, at this connection's pace. The closure is given the number of the try, from 1.
    pub(crate) async fn call<T, Fut>(
        &self,
        operation: Operation,
        repeat: Repeat,
        attempt: impl FnMut(u32) -> Fut,
    ) -> Result<T, GhesError>
    where
        Fut: Future<Output = octocrab::Result<T>>,
    {
        Box::pin(retry::call(&self.pace, operation, repeat, attempt)).await
    }

    /// How many requests went out.
    pub(crate) fn spent(&self) -> u32 {
        self.pace.spent()
    }

    /// An object in JSON.
    pub(crate) async fn read<T: DeserializeOwned>(
        &self,
        operation: Operation,
        route: &str,
    ) -> Result<T, GhesError> {
        Ok(self.get_with_headers(operation, route).await?.1)
    }

    /// Follows `rel="next"` of the Link header to the end.
    pub(crate) async fn list<T: DeserializeOwned>(
        &self,
        operation: Operation,
        route: &str,
    ) -> Result<Vec<T>, GhesError> {
        let mut page: Page<T> = self.get(operation.clone(), route).await?;
        let mut items = page.take_items();
        let mut seen = vec![];
        while let Some(next) = page.next {
            if seen.contains(&next) {
                let reason = "its Link header leads back to a page that was read already".to_owned();
                return Err(GhesError::new(operation, Failure::Answer(reason), 1));
            }
            page = self.get(operation.clone(), &next.to_string()).await?;
            items.append(&mut page.take_items());
            seen.push(next);
        }
        Ok(items)
    }
}

/// As ARC derives it: the documented path, unless the address already has it.
fn api(url: &Url) -> Result<Url, String> {
    if !matches!(url.scheme(), "https" | "http") || url.host().is_none() {
        return Err(format!("{url} is no address of a GHES: write https://HOST"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the address holds credentials: give the token apart from it".to_owned());
    }
    let mut api = url.clone();
    api.set_query(None);
    api.set_fragment(None);
    let path = url.path().trim_end_matches('/');
    api.set_path(&if path.ends_with("/api/v3") {
        path.to_owned()
    } else {
        format!("{path}/api/v3")
    });
    Ok(api)
}

fn client(api: &Url, target: &Target, timeout: Duration, redirects: Policy) -> Result<Octocrab, String> {
    let token = target.token.expose_secret().trim();
    if token.is_empty() {
        return Err("the token is empty: give a personal access token".to_owned());
    }
    if HeaderValue::from_str(token).is_err() {
        return Err(
            "the token holds characters that no token has: give the personal access token alone".to_owned(),
        );
    }
    // When the host changes with a redirect, reqwest leaves the token out.
    let mut http = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(timeout)
        .redirect(redirects)
        .https_only(api.scheme() == "https");
    if is_of_this_machine(api) {
        http = http.no_proxy();
    }
    if let Some(pem) = &target.ca_pem {
        let certificates = reqwest::Certificate::from_pem_bundle(pem.as_bytes())
            .ok()
            .filter(|certificates| !certificates.is_empty())
            .ok_or("the CA holds no certificate in PEM: give the file with BEGIN CERTIFICATE")?;
        http = http.tls_certs_merge(certificates);
    }
    let http = http
        .build()
        .map_err(|error| format!("the HTTP client cannot be made: {error}"))?;
    Octocrab::builder()
        .base_uri(api.as_str())
        .map_err(|_| format!("{api} is no address of a GHES: write https://HOST"))?
        .personal_token(SecretString::from(token))
        .build_with_reqwest(http)
        .map_err(|error| format!("the GitHub client cannot be made: {error}"))
}

/// The loopback, and the names that RFC 6761 keeps for tests: a proxy could not reach them, and nobody else's server has them.
pub(crate) fn is_of_this_machine(api: &Url) -> bool {
    match api.host() {
        Some(Host::Domain(name)) => {
            name == "localhost" || name.ends_with(".localhost") || name.ends_with(".test")
        }
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect("a test's address is valid")
    }

    #[test]
    fn the_api_lies_below_the_address_once() {
        for (given, expected) in [
            ("https://ghes.test", "https://ghes.test/api/v3"),
            ("https://ghes.test/", "https://ghes.test/api/v3"),
            ("https://ghes.test/api/v3/", "https://ghes.test/api/v3"),
            (
                "http://127.0.0.1:8080/prefix",
                "http://127.0.0.1:8080/prefix/api/v3",
            ),
        ] {
            let api = api(&url(given)).expect("these are addresses of a GHES");

            assert_eq!(api.as_str(), expected);
        }
    }

    #[test]
    fn credentials_in_the_address_are_refused_and_not_repeated() {
        let reason = api(&url("https://admin:ghp_abc@ghes.test")).expect_err("the token has its own place");

        assert!(
            reason.contains("credentials") && !reason.contains("ghp_abc"),
            "{reason}"
        );
    }

    #[test]
    fn test_names_are_of_this_machine() {
        let direct = [
            "https://ghes.test",
            "http://127.0.0.1:1",
            "http://[::1]:1",
            "http://localhost",
        ];

        assert!(direct.iter().all(|address| is_of_this_machine(&url(address))));
        assert!(!is_of_this_machine(&url("https://github.example.com")));
    }
}
