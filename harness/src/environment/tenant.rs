//! Each scenario has an enterprise, an organization and a repository of its own, so that no runner takes another scenario's job.

use harness_ghes::{Repo, Scope};
use indexmap::IndexMap;
use mock_ghes::{Enterprise, Organization, PersonalAccessToken, RepositorySpec, User, World};

/// The workflow's path in the repository.
pub(crate) const WORKFLOW: &str = ".github/workflows/quickstart.yml";

/// The path of the workflow that keeps a runner busy.
pub(crate) const HOLD: &str = ".github/workflows/hold.yml";

/// What a scenario owns on GHES.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// The slug of its enterprise and the login of its organization.
    pub name: String,
}

impl Tenant {
    /// The tenant of a check: the guide's company, and the check's name.
    #[must_use]
    pub fn of(check: &str) -> Tenant {
        Tenant {
            name: format!("dogecompany-{}", check.replace("::", "-")),
        }
    }

    /// Its enterprise.
    #[must_use]
    pub fn enterprise(&self) -> Scope {
        Scope::Enterprise(self.name.clone())
    }

    /// The repository with the workflows.
    #[must_use]
    pub fn repository(&self) -> Repo {
        Repo {
            owner: self.name.clone(),
            name: "quickstart".to_owned(),
        }
    }
}

/// The world of a run: a tenant for each check, and the administrator whose token ARC uses.
pub(crate) fn world(checks: &[String]) -> World {
    let tenants: Vec<Tenant> = checks.iter().map(|check| Tenant::of(check)).collect();
    let files = IndexMap::from([
        (
            "README.md".to_owned(),
            "# Quickstart\n\nThe repository of the guide's first workflow.\n".to_owned(),
        ),
        (WORKFLOW.to_owned(), fixtures::quickstart().to_owned()),
        (HOLD.to_owned(), fixtures::hold().to_owned()),
    ]);
    World {
        version: "3.9.0".to_owned(),
        enterprises: tenants
            .iter()
            .map(|t| Enterprise { slug: t.name.clone() })
            .collect(),
        organizations: tenants
            .iter()
            .map(|t| Organization {
                login: t.name.clone(),
                enterprise: Some(t.name.clone()),
            })
            .collect(),
        users: vec![User {
            login: "arc-admin".to_owned(),
        }],
        tokens: vec![PersonalAccessToken {
            user: "arc-admin".to_owned(),
            token: None,
            scopes: ["repo", "admin:org", "manage_runners:enterprise"]
                .map(str::to_owned)
                .to_vec(),
        }],
        repositories: tenants
            .iter()
            .map(|t| RepositorySpec {
                owner: t.name.clone(),
                name: "quickstart".to_owned(),
                public: false,
                default_branch: "main".to_owned(),
                files: files.clone(),
            })
            .collect(),
    }
}
