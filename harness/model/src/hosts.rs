//! The allow-list of hosts: which GHES may be spoken to at all.
//!
//! A list of names, as `GHES_HOSTS` has it (by commas or spaces) or a file (`hosts = ["ghes.example.com"]`). No pattern, no suffix: who adds a host
//! writes it out. What it is not: a mark on the server, by which its owner agrees to be written to.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where the allow-list stands in the environment.
pub const HOSTS_VARIABLE: &str = "GHES_HOSTS";

/// GitHub's own servers: no run may ever reach them, whoever lists them.
const NEVER: [&str; 3] = ["github.com", "ghe.com", "githubusercontent.com"];

/// Hosts that may be spoken to, in lower case, each with a port unless it is the scheme's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Hosts(Vec<String>);

/// An entry of the list that cannot stand there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{entry:?} cannot be on the list of hosts: {why}")]
pub struct InvalidHost {
    /// The entry.
    pub entry: String,
    /// Why, and what to do.
    pub why: &'static str,
}

impl Hosts {
    /// Whether this host may be spoken to. Absent port: the scheme's own.
    #[must_use]
    pub fn allow(&self, host: &str, port: Option<u16>) -> bool {
        let wanted = match port {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        self.0.iter().any(|entry| entry.eq_ignore_ascii_case(&wanted))
    }

    /// Whether nothing may be spoken to.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}

impl TryFrom<Vec<String>> for Hosts {
    type Error = InvalidHost;

    fn try_from(entries: Vec<String>) -> Result<Hosts, InvalidHost> {
        let entries = entries.into_iter().map(|entry| valid(&entry));
        entries.collect::<Result<_, _>>().map(Hosts)
    }
}

impl From<Hosts> for Vec<String> {
    fn from(hosts: Hosts) -> Vec<String> {
        hosts.0
    }
}

impl FromStr for Hosts {
    type Err = InvalidHost;

    fn from_str(text: &str) -> Result<Hosts, InvalidHost> {
        let entries = text
            .split([',', ' ', '\t', '\n'])
            .filter(|entry| !entry.is_empty());
        Hosts::try_from(entries.map(str::to_owned).collect::<Vec<_>>())
    }
}

fn valid(entry: &str) -> Result<String, InvalidHost> {
    let refuse = |why| {
        Err(InvalidHost {
            entry: entry.to_owned(),
            why,
        })
    };
    let lower = entry.trim().to_ascii_lowercase();
    if lower.contains("://") || lower.contains('/') || lower.contains('@') {
        return refuse("write the host alone, as ghes.example.com, or with its port");
    }
    if lower.contains('*') || lower.starts_with('.') {
        return refuse("a pattern would let in hosts that nobody named: write each host out");
    }
    let in_brackets = lower.starts_with('[');
    let (host, port) = match lower.rsplit_once(':') {
        Some((host, port)) if !in_brackets || host.ends_with(']') => (host, Some(port)),
        _ => (lower.as_str(), None),
    };
    if port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return refuse("what follows the colon is no port");
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    let is_v6 = |c: char| c.is_ascii_hexdigit() || matches!(c, ':' | '[' | ']');
    if host.is_empty()
        || host.ends_with('.')
        || !host
            .chars()
            .all(|c| if in_brackets { is_v6(c) } else { is_name(c) })
    {
        return refuse("this is no host name");
    }
    let is_github = |name: &str| {
        host == name
            || host
                .strip_suffix(name)
                .is_some_and(|before| before.ends_with('.'))
    };
    if NEVER.into_iter().any(is_github) {
        return refuse("this is GitHub's own server, no GHES; the suite never speaks to it");
    }
    Ok(lower)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(text: &str) -> Hosts {
        text.parse().expect("a test's list is valid")
    }

    #[test]
    fn a_host_is_allowed_with_the_port_it_was_listed_with_and_no_other() {
        let hosts = hosts("ghes.example.com, 127.0.0.1:8443 [::1]:8443");

        assert!(hosts.allow("GHES.example.com", None));
        assert!(hosts.allow("127.0.0.1", Some(8443)));
        assert!(hosts.allow("[::1]", Some(8443)));
        for (host, port) in [
            ("ghes.example.com", Some(8443)),
            ("127.0.0.1", None),
            ("127.0.0.1", Some(8444)),
            ("ghes.example.com.evil.test", None),
            ("evil-ghes.example.com", None),
            ("example.com", None),
        ] {
            assert!(!hosts.allow(host, port), "{host} {port:?}");
        }
    }

    #[test]
    fn an_empty_list_allows_nothing() {
        assert!(hosts("").is_empty());
        assert!(!hosts("").allow("ghes.example.com", None));
    }

    #[test]
    fn what_would_let_in_more_than_a_host_is_refused() {
        for (entry, word) in [
            ("*.example.com", "pattern"),
            (".example.com", "pattern"),
            ("https://ghes.example.com", "host alone"),
            ("admin@ghes.example.com", "host alone"),
            ("ghes.example.com:https", "port"),
            ("ghes_example", "host name"),
            ("github.com.", "host name"),
            ("github.com", "never speaks"),
            ("api.GitHub.com", "never speaks"),
            ("acme.ghe.com:443", "never speaks"),
        ] {
            let error = entry.parse::<Hosts>().expect_err("this must not be listed");

            assert!(error.to_string().contains(word), "{error}");
        }
    }

    #[test]
    fn a_file_has_it_as_a_list() {
        let hosts: Hosts = serde_json::from_str(r#"["ghes.example.com"]"#).expect("the list is valid");

        assert!(hosts.allow("ghes.example.com", None));
        assert!(serde_json::from_str::<Hosts>(r#"["github.com"]"#).is_err());
    }
}
