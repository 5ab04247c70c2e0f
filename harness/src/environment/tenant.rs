//! Each scenario has an enterprise, an organization and a repository of its own, so that no runner takes another scenario's job. Checks of
//! the group `registration`, which try how far a scope reaches, and the one of runner groups have neighbours as well.

use harness_ghes::{Repo, Scope};
use indexmap::IndexMap;
use mock_ghes::{
    Enterprise, GitHubApp, Installation, Organization, PersonalAccessToken, RepositorySpec, User, World,
};

/// The workflow's path in the repository.
const WORKFLOW: &str = ".github/workflows/quickstart.yml";

/// The path of the workflow whose jobs stay until they are let go.
const DESK_WORKFLOW: &str = ".github/workflows/desk.yml";

/// Users beside the administrator, to whom a check may give tokens of their own.
pub const TEAMS: [&str; 4] = ["team-one", "team-two", "team-three", "team-four"];

/// The GitHub App of the check that tries one, and its installation on the check's organization.
pub const APP: u64 = 7;
/// See [`APP`].
pub const INSTALLATION: u64 = 70;

/// What a scenario owns on GHES.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// The slug of its enterprise.
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

    /// The login of its organization: another name than the enterprise's, so that what takes one for the other shows.
    #[must_use]
    pub fn login(&self) -> String {
        format!("{}-teams", self.name)
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
            owner: self.login(),
            name: "quickstart".to_owned(),
        }
    }

    /// Its organization.
    #[must_use]
    pub fn organization(&self) -> Scope {
        Scope::Organization(self.login())
    }

    /// Another repository of the organization (neighbours only).
    #[must_use]
    pub fn second_repository(&self) -> Repo {
        Repo {
            owner: self.login(),
            name: "second".to_owned(),
        }
    }

    /// A repository of another organization of the enterprise (neighbours only).
    #[must_use]
    pub fn sister_repository(&self) -> Repo {
        Repo {
            owner: self.sister(),
            name: "quickstart".to_owned(),
        }
    }

    /// A repository of an organization outside the enterprise (neighbours only).
    #[must_use]
    pub fn outsider_repository(&self) -> Repo {
        Repo {
            owner: self.outsider(),
            name: "quickstart".to_owned(),
        }
    }

    fn sister(&self) -> String {
        format!("{}-sister", self.name)
    }

    fn outsider(&self) -> String {
        format!("{}-outsider", self.name)
    }
}

/// The world of a run: a tenant for each check, and the administrator whose token ARC uses.
pub(crate) fn world(checks: &[String]) -> World {
    let mut world = World {
        version: "3.9.0".to_owned(),
        enterprises: Vec::new(),
        organizations: Vec::new(),
        users: ["arc-admin"]
            .iter()
            .chain(&TEAMS)
            .map(|&login| User {
                login: login.to_owned(),
            })
            .collect(),
        tokens: vec![PersonalAccessToken {
            user: "arc-admin".to_owned(),
            token: None,
            scopes: ["repo", "admin:org", "admin:org_hook", "manage_runners:enterprise"]
                .map(str::to_owned)
                .to_vec(),
        }],
        apps: Vec::new(),
        repositories: Vec::new(),
    };
    for check in checks {
        let tenant = Tenant::of(check);
        let mut repositories = vec![tenant.repository()];
        let enterprise = Some(tenant.name.clone());
        world.enterprises.push(Enterprise {
            slug: tenant.name.clone(),
        });
        world.organizations.push(Organization {
            login: tenant.login(),
            enterprise: enterprise.clone(),
            variables: IndexMap::new(),
        });
        if check == "auth::app" {
            world.apps.push(GitHubApp {
                id: APP,
                key: None,
                installations: vec![Installation {
                    id: INSTALLATION,
                    account: tenant.login(),
                    // What ARC's documentation asks for, for runners of an organization.
                    permissions: [
                        ("organization_self_hosted_runners", "write"),
                        ("metadata", "read"),
                    ]
                    .map(|(name, level)| (name.to_owned(), level.to_owned()))
                    .into(),
                }],
            });
        }
        if check.starts_with("registration::") || check == "webhook::groups" {
            world.organizations.push(Organization {
                login: tenant.sister(),
                enterprise,
                variables: IndexMap::new(),
            });
            world.organizations.push(Organization {
                login: tenant.outsider(),
                enterprise: None,
                variables: IndexMap::new(),
            });
            repositories.extend([
                tenant.second_repository(),
                tenant.sister_repository(),
                tenant.outsider_repository(),
            ]);
        }
        world
            .repositories
            .extend(repositories.into_iter().map(specification));
    }
    world
}

fn specification(repository: Repo) -> RepositorySpec {
    RepositorySpec {
        owner: repository.owner,
        name: repository.name,
        public: false,
        default_branch: "main".to_owned(),
        files: IndexMap::from([
            (
                "README.md".to_owned(),
                "# Quickstart\n\nThe repository of the guide's first workflow.\n".to_owned(),
            ),
            (WORKFLOW.to_owned(), fixtures::quickstart().to_owned()),
            (DESK_WORKFLOW.to_owned(), fixtures::desk().to_owned()),
        ]),
        variables: IndexMap::new(),
    }
}
