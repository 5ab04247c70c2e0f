//! The level at which a runner is registered.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a runner is registered. Displayed as GitHub's REST paths spell it, for example `orgs/dogecompany`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// The enterprise with this slug.
    Enterprise(String),
    /// The organization with this login.
    Organization(String),
    /// One repository.
    Repository {
        /// The organization or user that owns it.
        owner: String,
        /// Its name.
        name: String,
    },
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::Enterprise(slug) => write!(f, "enterprises/{slug}"),
            Scope::Organization(login) => write!(f, "orgs/{login}"),
            Scope::Repository { owner, name } => write!(f, "repos/{owner}/{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_displayed_as_path_pieces() {
        let scopes = [
            Scope::Enterprise("dogecompany".into()),
            Scope::Organization("dogecompany".into()),
            Scope::Repository {
                owner: "dogecompany".into(),
                name: "quickstart".into(),
            },
        ];

        let paths = scopes.map(|scope| scope.to_string());

        assert_eq!(
            paths,
            [
                "enterprises/dogecompany",
                "orgs/dogecompany",
                "repos/dogecompany/quickstart"
            ]
        );
    }
}
