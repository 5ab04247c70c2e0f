//! A real part under or around the test, and where it came from.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where the bytes of a part came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "from")]
pub enum Origin {
    /// Built here from a Go module that the checksum database vouches for.
    GoModule {
        /// `module@version`.
        module: String,
    },
    /// Downloaded from a release, with this SHA-256 (hex).
    Release {
        /// The address it was taken from.
        url: String,
        /// Hex SHA-256 of the file.
        sha256: String,
    },
    /// A file that the user named (`--arc-manager PATH`).
    Foreign {
        /// The path as given.
        path: String,
        /// Hex SHA-256 of the file.
        sha256: String,
    },
    /// Part of this repository.
    Ours,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::GoModule { module } => write!(f, "Go module {module}"),
            Origin::Release { url, sha256 } => write!(f, "release {url} sha256:{sha256}"),
            Origin::Foreign { path, sha256 } => write!(f, "foreign {path} sha256:{sha256}"),
            Origin::Ours => f.write_str("this repository"),
        }
    }
}

/// One part of the environment, as the report names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// For example `arc-manager`.
    pub name: String,
    /// For example `v0.27.6`.
    pub version: String,
    /// Where it came from.
    pub origin: Origin,
}
