//! What exists on the server when it starts: enterprises, organizations, users, tokens, repositories.
//!
//! Read from a YAML file or built by the caller. Not the state that requests change: that is `state`.

use std::collections::HashSet;

use camino::{Utf8Path, Utf8PathBuf};
use harness_model::{Learned, Redactor};
use indexmap::IndexMap;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer};

use crate::wire::app::AppKey;
use crate::{RepositoryName, Scope};

/// The server's contents at its start. The README shows the file's form.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct World {
    /// The version that `/meta` and the response headers tell.
    #[serde(default = "default_version")]
    pub version: String,
    /// Enterprises.
    #[serde(default)]
    pub enterprises: Vec<Enterprise>,
    /// Organizations.
    #[serde(default)]
    pub organizations: Vec<Organization>,
    /// Users.
    #[serde(default)]
    pub users: Vec<User>,
    /// Personal access tokens. The first is the one that the server hands to whoever started it.
    #[serde(default)]
    pub tokens: Vec<PersonalAccessToken>,
    /// GitHub Apps.
    #[serde(default)]
    pub apps: Vec<GitHubApp>,
    /// Repositories.
    #[serde(default)]
    pub repositories: Vec<RepositorySpec>,
}

/// An enterprise account.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enterprise {
    /// As in `/enterprises/SLUG`.
    pub slug: String,
}

/// An organization.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Organization {
    /// As in `/LOGIN`.
    pub login: String,
    /// The enterprise it belongs to.
    #[serde(default)]
    pub enterprise: Option<String>,
    /// Its Actions variables. Names are in capitals, as GitHub keeps them.
    #[serde(default)]
    pub variables: IndexMap<String, String>,
}

/// A user.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// As in `/LOGIN`.
    pub login: String,
}

/// A classic personal access token.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonalAccessToken {
    /// Whose it is.
    pub user: String,
    /// Its value; absent: made up at each start.
    #[serde(default, deserialize_with = "secret")]
    pub token: Option<SecretString>,
    /// OAuth scopes, for example `repo`, `admin:org`, `manage_runners:enterprise`.
    #[serde(default)]
    pub scopes: Vec<String>,
}

/// A GitHub App, with where it is installed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GitHubApp {
    /// Its number.
    pub id: u64,
    /// Its private key is drawn at each start, and so is this.
    #[serde(skip)]
    pub key: Option<AppKey>,
    /// Where it is installed.
    #[serde(default)]
    pub installations: Vec<Installation>,
}

/// A GitHub App in an account.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Installation {
    /// Its number, of which there is one on the whole server.
    pub id: u64,
    /// The organization.
    pub account: String,
    /// For example `organization_self_hosted_runners: write`.
    #[serde(default)]
    pub permissions: IndexMap<String, String>,
}

/// A repository and the files of its default branch.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepositorySpec {
    /// An organization or a user.
    pub owner: String,
    /// Its name.
    pub name: String,
    /// Whether anybody may read it.
    #[serde(default)]
    pub public: bool,
    /// The default branch.
    #[serde(default = "default_branch")]
    pub default_branch: String,
    /// Path → text. Files that begin with `#!` are executable.
    #[serde(default)]
    pub files: IndexMap<String, String>,
    /// Its Actions variables, as an organization's.
    #[serde(default)]
    pub variables: IndexMap<String, String>,
}

impl RepositorySpec {
    /// `owner/name`.
    #[must_use]
    pub fn full_name(&self) -> RepositoryName {
        RepositoryName {
            owner: self.owner.clone(),
            name: self.name.clone(),
        }
    }
}

fn default_version() -> String {
    "3.9.0".to_owned()
}

fn default_branch() -> String {
    "main".to_owned()
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(SecretString::from))
}

/// A world file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// The file cannot be read.
    #[error("read the world file {file}")]
    Read {
        /// The file.
        file: Utf8PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Not YAML, or not of the world file's form.
    #[error("{file}: {source}")]
    Form {
        /// The file.
        file: Utf8PathBuf,
        /// Line, column, and what is wrong.
        source: harness_yaml::YamlError,
    },
    /// Well-formed, but it contradicts itself.
    #[error("{place}{message}")]
    Contradiction {
        /// `file: line L, column C: `, or empty for a world that was built in code.
        place: String,
        /// What contradicts, and what to do.
        message: String,
    },
}

/// A contradiction, and the text at which it shows.
struct Contradiction {
    at: String,
    message: String,
}

impl World {
    /// Reads and checks a world file.
    ///
    /// # Errors
    /// [`WorldError`], with file, line and column.
    pub fn load(file: &Utf8Path) -> Result<World, WorldError> {
        let text = fs_err::read_to_string(file).map_err(|source| WorldError::Read {
            file: file.to_owned(),
            source,
        })?;
        let world: World = harness_yaml::workflow(&text).map_err(|source| WorldError::Form {
            file: file.to_owned(),
            source,
        })?;
        world.contradiction().map_or(Ok(()), |c| {
            let (line, column) = position(&text, &c.at);
            let place = format!("{file}: line {line}, column {column}: ");
            Err(WorldError::Contradiction {
                place,
                message: c.message,
            })
        })?;
        Ok(world)
    }

    /// Checks a world that was built in code.
    ///
    /// # Errors
    /// [`WorldError::Contradiction`].
    pub fn check(&self) -> Result<(), WorldError> {
        match self.contradiction() {
            None => Ok(()),
            Some(c) => Err(WorldError::Contradiction {
                place: String::new(),
                message: c.message,
            }),
        }
    }

    fn contradiction(&self) -> Option<Contradiction> {
        let unknown_enterprise = self
            .organizations
            .iter()
            .filter_map(|o| o.enterprise.as_ref().map(|e| (o, e)));
        for (organization, enterprise) in unknown_enterprise {
            if self.enterprise(enterprise).is_none() {
                let message = format!(
                    "organization {} belongs to enterprise {enterprise}, which is not in the world: add it to `enterprises`",
                    organization.login
                );
                return Some(Contradiction {
                    at: format!("enterprise: {enterprise}"),
                    message,
                });
            }
        }
        for installation in self.apps.iter().flat_map(|app| &app.installations) {
            if self.organization(&installation.account).is_none() {
                let message = format!(
                    "an app is installed on {}, which is not in `organizations`: add the organization",
                    installation.account
                );
                return Some(Contradiction {
                    at: format!("account: {}", installation.account),
                    message,
                });
            }
        }
        let mut seen = HashSet::new();
        for repository in &self.repositories {
            let name = repository.full_name();
            if self.organization(&name.owner).is_none() && self.user(&name.owner).is_none() {
                let message = format!(
                    "repository {name} is owned by nobody: add {} to `organizations` or `users`",
                    name.owner
                );
                return Some(Contradiction {
                    at: format!("owner: {}", name.owner),
                    message,
                });
            }
            if !seen.insert(name.to_string().to_lowercase()) {
                let message = format!("repository {name} stands twice in the world: remove one");
                return Some(Contradiction {
                    at: format!("name: {}", name.name),
                    message,
                });
            }
        }
        if self.tokens.is_empty() {
            let message = "the world has no token, so nobody could use it: add one to `tokens`".to_owned();
            return Some(Contradiction {
                at: "tokens".into(),
                message,
            });
        }
        for token in &self.tokens {
            if self.user(&token.user).is_none() {
                let message = format!(
                    "a token belongs to {}, who is not in `users`: add the user",
                    token.user
                );
                return Some(Contradiction {
                    at: format!("user: {}", token.user),
                    message,
                });
            }
            let learned = token
                .token
                .as_ref()
                .map(|token| Redactor::default().learn(token.expose_secret()));
            if let Some(refusal) = learned.and_then(Learned::refusal) {
                let message = format!("a token of {} cannot be redacted: {refusal}", token.user);
                return Some(Contradiction {
                    at: format!("user: {}", token.user),
                    message,
                });
            }
        }
        None
    }

    /// The enterprise with this slug, in any case.
    #[must_use]
    pub fn enterprise(&self, slug: &str) -> Option<&Enterprise> {
        self.enterprises
            .iter()
            .find(|e| e.slug.eq_ignore_ascii_case(slug))
    }

    /// The organization with this login, in any case.
    #[must_use]
    pub fn organization(&self, login: &str) -> Option<&Organization> {
        self.organizations
            .iter()
            .find(|o| o.login.eq_ignore_ascii_case(login))
    }

    /// The installation of this number, with its App.
    #[must_use]
    pub fn installation(&self, id: u64) -> Option<(&GitHubApp, &Installation)> {
        self.apps.iter().find_map(|app| {
            let installation = app.installations.iter().find(|one| one.id == id)?;
            Some((app, installation))
        })
    }

    /// The user with this login, in any case.
    #[must_use]
    pub fn user(&self, login: &str) -> Option<&User> {
        self.users.iter().find(|u| u.login.eq_ignore_ascii_case(login))
    }

    /// The repository with this name, in any case.
    #[must_use]
    pub fn repository(&self, owner: &str, name: &str) -> Option<&RepositorySpec> {
        self.repositories
            .iter()
            .find(|r| r.owner.eq_ignore_ascii_case(owner) && r.name.eq_ignore_ascii_case(name))
    }

    /// The scope that a URL path names: `enterprises/SLUG`, `LOGIN` or `OWNER/NAME`, in any case, slashes around it.
    #[must_use]
    pub fn scope_of_path(&self, path: &str) -> Option<Scope> {
        let segments: Vec<&str> = path.split('/').filter(|s| !s.is_empty()).collect();
        match segments[..] {
            [first, slug] if first.eq_ignore_ascii_case("enterprises") => {
                self.enterprise(slug).map(|e| Scope::Enterprise(e.slug.clone()))
            }
            [login] => self
                .organization(login)
                .map(|o| Scope::Organization(o.login.clone())),
            [owner, name] => self
                .repository(owner, name)
                .map(|r| Scope::Repository(r.full_name())),
            _ => None,
        }
    }

    /// Whether a runner of this scope may take jobs of this repository.
    #[must_use]
    pub fn reaches(&self, scope: &Scope, repository: &RepositoryName) -> bool {
        match scope {
            Scope::Repository(own) => own == repository,
            Scope::Organization(login) => *login == repository.owner,
            Scope::Enterprise(slug) => self
                .organization(&repository.owner)
                .and_then(|o| o.enterprise.as_ref())
                .is_some_and(|e| e.eq_ignore_ascii_case(slug)),
        }
    }
}

/// The guide's world: enterprise and organization `dogecompany`, user `octocat`, one repository with the quickstart.
impl Default for World {
    fn default() -> Self {
        let files = [
            ("README.md", include_str!("../world/quickstart/README.md")),
            (
                ".github/workflows/quickstart.yml",
                include_str!("../world/quickstart/.github/workflows/quickstart.yml"),
            ),
        ];
        let scopes = [
            "repo",
            "workflow",
            "admin:org",
            "admin:org_hook",
            "admin:enterprise",
            "manage_runners:enterprise",
        ];
        World {
            version: default_version(),
            enterprises: vec![Enterprise {
                slug: "dogecompany".into(),
            }],
            organizations: vec![Organization {
                login: "dogecompany".into(),
                enterprise: Some("dogecompany".into()),
                variables: IndexMap::new(),
            }],
            users: vec![User {
                login: "octocat".into(),
            }],
            tokens: vec![PersonalAccessToken {
                user: "octocat".into(),
                token: None,
                scopes: scopes.map(str::to_owned).to_vec(),
            }],
            apps: Vec::new(),
            repositories: vec![RepositorySpec {
                owner: "dogecompany".into(),
                name: "quickstart".into(),
                public: false,
                default_branch: default_branch(),
                files: files
                    .map(|(path, text)| (path.to_owned(), text.to_owned()))
                    .into_iter()
                    .collect(),
                variables: IndexMap::new(),
            }],
        }
    }
}

/// Line and column (from 1) of the first place where `needle` stands.
fn position(text: &str, needle: &str) -> (usize, usize) {
    let Some(at) = text.find(needle) else {
        return (1, 1);
    };
    let before = &text[..at];
    let line_start = before.rfind('\n').map_or(0, |n| n + 1);
    (
        before.matches('\n').count() + 1,
        text[line_start..at].chars().count() + 1,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<World, WorldError> {
        let dir = camino_tempfile::tempdir().expect("a temporary folder can be made");
        let file = dir.path().join("world.yaml");
        fs_err::write(&file, text).expect("the folder is writable");
        World::load(&file)
    }

    #[test]
    fn the_default_world_is_consistent() {
        World::default()
            .check()
            .expect("the default world must not contradict itself");
    }

    #[test]
    fn scopes_reach_their_own_repositories_only() {
        let world = load(
            "enterprises: [{slug: e}]\norganizations: [{login: in, enterprise: e}, {login: out}]\n\
             repositories: [{owner: in, name: a}, {owner: in, name: b}, {owner: out, name: a}]\n\
             users: [{login: u}]\ntokens: [{user: u}]\n",
        )
        .expect("the world is consistent");
        let name = |owner: &str, name: &str| RepositoryName {
            owner: owner.into(),
            name: name.into(),
        };
        let reached = |scope: &Scope| -> Vec<String> {
            [name("in", "a"), name("in", "b"), name("out", "a")]
                .iter()
                .filter(|n| world.reaches(scope, n))
                .map(ToString::to_string)
                .collect()
        };

        let scopes =
            ["In/A", "in", "/Enterprises/E/", "nobody", "in/c"].map(|path| world.scope_of_path(path));

        assert_eq!(scopes[0].as_ref().map(&reached), Some(vec!["in/a".to_owned()]));
        assert_eq!(
            scopes[1].as_ref().map(&reached),
            Some(vec!["in/a".to_owned(), "in/b".to_owned()])
        );
        assert_eq!(
            scopes[2].as_ref().map(&reached),
            Some(vec!["in/a".to_owned(), "in/b".to_owned()])
        );
        assert_eq!(scopes[3..], [None, None]);
    }

    #[test]
    fn a_misspelt_field_is_told_with_file_line_and_column() {
        let error = load("enterprises:\n  - slug: e\n    nmae: x\n").expect_err("there is no field nmae");

        let text = error.to_string();
        assert!(text.contains("world.yaml: line 3, column"), "{text}");
    }

    #[test]
    fn a_contradiction_is_told_with_file_line_and_column() {
        let error = load("organizations:\n  - login: o\n    enterprise: nowhere\n")
            .expect_err("the enterprise does not exist");

        let text = error.to_string();
        assert!(
            text.contains("world.yaml: line 3, column 5: organization o"),
            "{text}"
        );
    }
}
