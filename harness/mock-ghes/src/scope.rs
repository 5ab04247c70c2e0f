//! Where a runner is registered, and which repositories that reaches. Names only; who exists is [`crate::World`]'s.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The level at which a runner, a token or a runner group lives.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The enterprise with this slug.
    Enterprise(String),
    /// The organization with this login.
    Organization(String),
    /// One repository.
    Repository(RepositoryName),
}

impl Scope {
    /// Assignment order of a job: repository, then organization, then enterprise.
    #[must_use]
    pub fn level(&self) -> u8 {
        match self {
            Scope::Repository(_) => 0,
            Scope::Organization(_) => 1,
            Scope::Enterprise(_) => 2,
        }
    }

    /// The path below `/api/v3`, for example `orgs/dogecompany`.
    #[must_use]
    pub fn api_path(&self) -> String {
        match self {
            Scope::Enterprise(slug) => format!("enterprises/{slug}"),
            Scope::Organization(login) => format!("orgs/{login}"),
            Scope::Repository(name) => format!("repos/{name}"),
        }
    }

    /// The opaque segment of the scope's runner service URL; the same in every run.
    #[must_use]
    pub fn tenant(&self) -> String {
        crate::digest::sha256_hex(self.api_path().to_lowercase().as_bytes())[..20].to_owned()
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::Enterprise(slug) => write!(f, "enterprises/{slug}"),
            Scope::Organization(login) => f.write_str(login),
            Scope::Repository(name) => name.fmt(f),
        }
    }
}

/// `owner/name`, spelled as the world spells it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RepositoryName {
    /// Organization or user.
    pub owner: String,
    /// Without `.git`.
    pub name: String,
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_order_repository_before_organization_before_enterprise() {
        let repository = Scope::Repository(RepositoryName {
            owner: "o".into(),
            name: "r".into(),
        });
        let mut scopes = [
            Scope::Enterprise("e".into()),
            repository.clone(),
            Scope::Organization("o".into()),
        ];

        scopes.sort_by_key(Scope::level);

        assert_eq!(
            scopes,
            [
                repository,
                Scope::Organization("o".into()),
                Scope::Enterprise("e".into())
            ]
        );
    }
}
