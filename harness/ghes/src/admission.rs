//! The first of two proofs: the address leads to a host on the allow-list, and the token cannot be read on the way.
//!
//! What it is not: a request. Whether the server agrees is asked by [`Guest`](crate::Guest) and [`Permit`](crate::Permit).

use harness_model::{HOSTS_VARIABLE, Hosts, InvalidHost};
use url::Url;

use crate::connect::is_of_this_machine;

/// The address of a GHES whose host is on the allow-list. There is no other way to get one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted(Url);

/// Why no request goes to an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    /// It is no address. It is not repeated: it may hold a token.
    #[error("this is no address of a GHES: write https://HOST")]
    NoAddress,
    /// It holds credentials, which are not repeated.
    #[error("the address of {0} holds credentials: give the token in GHES_TOKEN or a file")]
    Credentials(
        /// The host.
        String,
    ),
    /// More than a host.
    #[error("the address of {0} has more than a host: write https://HOST")]
    MoreThanHost(
        /// The host.
        String,
    ),
    /// Anybody between could read the token.
    #[error("http:// would show the token to anybody between here and {0}: write https://{0}")]
    Readable(
        /// The host.
        String,
    ),
    /// No list may have this host: nobody is told to add it.
    #[error(transparent)]
    Never(#[from] InvalidHost),
    /// Nobody said that this host may be spoken to.
    #[error(
        "{host} is not on the list of hosts ({}), so nothing was sent: if it is a staging server of yours, set {HOSTS_VARIABLE}={host}",
        if hosts.is_empty() { "which is empty".to_owned() } else { hosts.to_string() }
    )]
    OffTheList {
        /// The host, with a port that is not the scheme's own.
        host: String,
        /// The list.
        hosts: Hosts,
    },
}

impl Admitted {
    /// Admits an address as people write it, with or without `/api/v3`.
    ///
    /// # Errors
    /// [`NotAdmitted`], which repeats no credentials.
    pub fn of(address: &str, hosts: &Hosts) -> Result<Admitted, NotAdmitted> {
        let url = Url::parse(address.trim()).map_err(|_| NotAdmitted::NoAddress)?;
        let name = url.host_str().filter(|name| !name.is_empty());
        let name = name.ok_or(NotAdmitted::NoAddress)?.to_owned();
        let host = url
            .port()
            .map_or_else(|| name.clone(), |port| format!("{name}:{port}"));
        if !matches!(url.scheme(), "https" | "http") {
            return Err(NotAdmitted::NoAddress);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(NotAdmitted::Credentials(host));
        }
        let path = url.path().trim_end_matches('/');
        if !matches!(path, "" | "/api/v3") || url.query().is_some() || url.fragment().is_some() {
            return Err(NotAdmitted::MoreThanHost(host));
        }
        if url.scheme() == "http" && !is_loopback(&url) {
            return Err(NotAdmitted::Readable(host));
        }
        host.parse::<Hosts>()?;
        if !hosts.allow(&name, url.port()) {
            return Err(NotAdmitted::OffTheList {
                host,
                hosts: hosts.clone(),
            });
        }
        Ok(Admitted(url))
    }

    /// The address.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// Whether a proxy of the environment would carry requests to it.
    #[must_use]
    pub fn may_be_behind_a_proxy(&self) -> bool {
        !is_of_this_machine(&self.0)
    }
}

/// Names of this machine do not count: a resolver may lead them elsewhere.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(address: &str) -> Result<Admitted, NotAdmitted> {
        let hosts = "ghes.example.com, 127.0.0.1:8080, [::1]:8080, localhost:8080, plain.example.com";
        Admitted::of(address, &hosts.parse().expect("the list is valid"))
    }

    #[test]
    fn listed_hosts_are_admitted_in_any_spelling() {
        for address in [
            "https://ghes.example.com",
            "https://GHES.example.com:443/",
            "https://ghes.example.com/api/v3/",
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
            "https://localhost:8080",
        ] {
            assert!(admit(address).is_ok(), "{address}");
        }
    }

    #[test]
    fn every_refusal_is_a_sentence_without_credentials() {
        for (address, words) in [
            ("ghes.example.com", "no address"),
            ("ftp://ghes.example.com", "no address"),
            ("https://ghp_secret@ghes.example.com", "holds credentials"),
            ("https://u:ghp_secret@ghes.example.com", "holds credentials"),
            ("ghp_secret", "no address"),
            ("https://ghes.example.com/orgs/x", "more than a host"),
            ("https://ghes.example.com/?token=ghp_secret", "more than a host"),
            ("http://ghes.example.com", "write https://ghes.example.com"),
            ("http://localhost:8080", "would show the token"),
            ("https://other.example.com", "GHES_HOSTS=other.example.com"),
            (
                "https://ghes.example.com:8443",
                "GHES_HOSTS=ghes.example.com:8443",
            ),
            ("https://ghes.example.com.evil.test", "not on the list"),
            ("https://github.com", "the suite never speaks to it"),
            ("https://acme.ghe.com/api/v3", "the suite never speaks to it"),
        ] {
            let error = admit(address).expect_err("this must not be admitted").to_string();

            assert!(error.contains(words) && !error.contains("ghp_secret"), "{error}");
            assert!(!error.contains('\n') && !error.contains(". "), "{error}");
        }
    }
}
