//! Who may do what in REST: extractors that find the scope or repository of the path and check the caller's token.

use std::collections::HashMap;

use axum::extract::{FromRequestParts, Path};
use axum::http::Method;
use axum::http::request::Parts;
use indexmap::IndexMap;

use super::ApiError;
use crate::state::{Identity, RemovedRepositories};
use crate::web::App;
use crate::{RepositoryName, RepositorySpec, Scope};

/// A scope whose runners the caller may manage.
pub(super) struct RunnerAdmin(pub(super) Scope);

/// A repository or an organization whose webhooks the caller may manage.
pub(super) struct HookAdmin(pub(super) Scope);

/// An organization or a repository whose Actions variables the caller may read.
pub(super) struct VariableReader(pub(super) Scope);

/// A repository that the caller may remove.
pub(super) struct DeleteRepository(pub(super) Repository);

/// A repository that the caller may read.
pub(super) struct ReadRepository(pub(super) Repository);

/// A repository whose workflows the caller may run.
pub(super) struct WriteRepository {
    pub(super) repository: Repository,
    pub(super) actor: String,
}

/// What handlers need of a repository.
#[derive(Debug, Clone)]
pub(super) struct Repository {
    pub(super) name: RepositoryName,
    pub(super) default_branch: String,
    pub(super) public: bool,
    pub(super) owned_by_organization: bool,
}

impl Repository {
    pub(super) fn of(app: &App, spec: &RepositorySpec) -> Self {
        Repository {
            name: spec.full_name(),
            default_branch: spec.default_branch.clone(),
            public: spec.public,
            owned_by_organization: app.world.organization(&spec.owner).is_some(),
        }
    }
}

type Params = HashMap<String, String>;

async fn params(parts: &mut Parts, app: &App) -> Result<Params, ApiError> {
    let params = Path::<Params>::from_request_parts(parts, app).await;
    params
        .map(|Path(params)| params)
        .map_err(|_| ApiError::not_found())
}

fn identity(parts: &Parts) -> Identity {
    parts.extensions.get().cloned().unwrap_or(Identity::Anonymous)
}

async fn find_repository(app: &App, params: &Params) -> Option<Repository> {
    let spec = app.world.repository(params.get("owner")?, params.get("repo")?)?;
    let removed = app.state.ask(RemovedRepositories).await.ok()?;
    (!removed.contains(&spec.full_name())).then(|| Repository::of(app, spec))
}

/// The scopes of the user's token, where nobody but a user may act.
fn scopes_of_user(parts: &Parts) -> Result<Vec<String>, ApiError> {
    match identity(parts) {
        Identity::User { scopes, .. } => Ok(scopes),
        Identity::Anonymous => Err(ApiError::requires_authentication()),
        Identity::JobToken { .. } => Err(ApiError::forbidden("Resource not accessible by integration")),
        _ => Err(ApiError::bad_credentials()),
    }
}

/// A GitHub App in an account.
struct InstalledApp {
    account: String,
    permissions: IndexMap<String, String>,
    writes: bool,
}

impl InstalledApp {
    fn of(parts: &Parts) -> Option<InstalledApp> {
        let Identity::Installation {
            account, permissions, ..
        } = identity(parts)
        else {
            return None;
        };
        Some(InstalledApp {
            account,
            permissions,
            writes: parts.method != Method::GET,
        })
    }

    /// The scope, if it lies in the App's account and the App has this permission there. No App has rights in an enterprise.
    async fn runner_admin(&self, params: &Params, app: &App) -> Result<RunnerAdmin, ApiError> {
        let denied = || ApiError::forbidden("Resource not accessible by integration");
        let is_own = |login: &str| self.account.eq_ignore_ascii_case(login);
        let may = |permission: &str| match self.permissions.get(permission).map(String::as_str) {
            Some("write") => true,
            Some("read") => !self.writes,
            _ => false,
        };
        if params.contains_key("enterprise") {
            return Err(denied());
        }
        if let Some(login) = params.get("org") {
            let organization = app.world.organization(login).ok_or_else(ApiError::not_found)?;
            if !is_own(login) || !may("organization_self_hosted_runners") {
                return Err(denied());
            }
            return Ok(RunnerAdmin(Scope::Organization(organization.login.clone())));
        }
        let repository = find_repository(app, params)
            .await
            .filter(|repository| is_own(&repository.name.owner))
            .ok_or_else(ApiError::not_found)?;
        if may("administration") {
            Ok(RunnerAdmin(Scope::Repository(repository.name)))
        } else {
            Err(denied())
        }
    }
}

impl FromRequestParts<App> for RunnerAdmin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let params = params(parts, app).await?;
        if let Some(installed) = InstalledApp::of(parts) {
            return installed.runner_admin(&params, app).await;
        }
        let scopes = scopes_of_user(parts)?;
        let has = |any: &[&str]| scopes.iter().any(|scope| any.contains(&scope.as_str()));
        if let Some(slug) = params.get("enterprise") {
            let enterprise = app.world.enterprise(slug).ok_or_else(ApiError::not_found)?;
            if !has(&["manage_runners:enterprise", "admin:enterprise"]) {
                return Err(ApiError::forbidden("Must have admin rights to Enterprise.")
                    .accepting("admin:enterprise, manage_runners:enterprise"));
            }
            return Ok(RunnerAdmin(Scope::Enterprise(enterprise.slug.clone())));
        }
        if let Some(login) = params.get("org") {
            let organization = app.world.organization(login).ok_or_else(ApiError::not_found)?;
            if !has(&["admin:org", "manage_runners:org"]) {
                return Err(
                    ApiError::forbidden("Must have admin rights to Organization.").accepting("admin:org")
                );
            }
            return Ok(RunnerAdmin(Scope::Organization(organization.login.clone())));
        }
        let repository = find_repository(app, &params)
            .await
            .ok_or_else(ApiError::not_found)?;
        match (has(&["repo"]), repository.public) {
            (true, _) => Ok(RunnerAdmin(Scope::Repository(repository.name))),
            (false, true) => {
                Err(ApiError::forbidden("Must have admin rights to Repository.").accepting("repo"))
            }
            // What one may not see is not there.
            (false, false) => Err(ApiError::not_found().accepting("repo")),
        }
    }
}

impl FromRequestParts<App> for HookAdmin {
    type Rejection = ApiError;

    /// Without the right the webhooks are not there.
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let params = params(parts, app).await?;
        let scopes = scopes_of_user(parts)?;
        let has = |any: &[&str]| scopes.iter().any(|scope| any.contains(&scope.as_str()));
        if let Some(login) = params.get("org") {
            let organization = app.world.organization(login).ok_or_else(ApiError::not_found)?;
            return if has(&["admin:org_hook"]) {
                Ok(HookAdmin(Scope::Organization(organization.login.clone())))
            } else {
                Err(ApiError::not_found().accepting("admin:org_hook"))
            };
        }
        let repository = find_repository(app, &params)
            .await
            .ok_or_else(ApiError::not_found)?;
        if has(&["repo", "admin:repo_hook"]) {
            Ok(HookAdmin(Scope::Repository(repository.name)))
        } else {
            Err(ApiError::not_found().accepting("admin:repo_hook, repo"))
        }
    }
}

impl FromRequestParts<App> for VariableReader {
    type Rejection = ApiError;

    /// An organization's need `admin:org`, a repository's `repo`.
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let params = params(parts, app).await?;
        let scopes = scopes_of_user(parts)?;
        let has = |wanted: &str| scopes.iter().any(|scope| scope == wanted);
        if let Some(login) = params.get("org") {
            let organization = app.world.organization(login).ok_or_else(ApiError::not_found)?;
            return if has("admin:org") {
                Ok(VariableReader(Scope::Organization(organization.login.clone())))
            } else {
                Err(ApiError::forbidden("Must have admin rights to Organization.").accepting("admin:org"))
            };
        }
        let repository = find_repository(app, &params)
            .await
            .ok_or_else(ApiError::not_found)?;
        if has("repo") {
            Ok(VariableReader(Scope::Repository(repository.name)))
        } else {
            Err(ApiError::not_found().accepting("repo"))
        }
    }
}

impl FromRequestParts<App> for ReadRepository {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let params = params(parts, app).await?;
        let repository = find_repository(app, &params)
            .await
            .ok_or_else(ApiError::not_found)?;
        match identity(parts) {
            _ if repository.public => Ok(ReadRepository(repository)),
            Identity::User { scopes, .. } if scopes.iter().any(|scope| scope == "repo") => {
                Ok(ReadRepository(repository))
            }
            Identity::JobToken { repository: own, .. } if own == repository.name => {
                Ok(ReadRepository(repository))
            }
            Identity::Installation {
                account, permissions, ..
            } if account.eq_ignore_ascii_case(&repository.name.owner)
                && permissions.contains_key("actions") =>
            {
                Ok(ReadRepository(repository))
            }
            _ => Err(ApiError::not_found().accepting("repo")),
        }
    }
}

impl FromRequestParts<App> for DeleteRepository {
    type Rejection = ApiError;

    /// `repo` does not do: removing has a scope of its own.
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let params = params(parts, app).await?;
        let scopes = scopes_of_user(parts)?;
        let repository = find_repository(app, &params)
            .await
            .ok_or_else(ApiError::not_found)?;
        if scopes.iter().any(|scope| scope == "delete_repo") {
            Ok(DeleteRepository(repository))
        } else {
            Err(ApiError::forbidden("Must have admin rights to Repository.").accepting("delete_repo"))
        }
    }
}

impl FromRequestParts<App> for WriteRepository {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let params = params(parts, app).await?;
        let repository = find_repository(app, &params)
            .await
            .ok_or_else(ApiError::not_found)?;
        match identity(parts) {
            Identity::Anonymous => Err(ApiError::requires_authentication()),
            Identity::User { login, scopes } if scopes.iter().any(|scope| scope == "repo") => {
                Ok(WriteRepository {
                    repository,
                    actor: login,
                })
            }
            Identity::JobToken { repository: own, .. } if own == repository.name => Ok(WriteRepository {
                repository,
                actor: "github-actions[bot]".to_owned(),
            }),
            _ if repository.public => {
                Err(ApiError::forbidden("Must have admin rights to Repository.").accepting("repo"))
            }
            _ => Err(ApiError::not_found().accepting("repo")),
        }
    }
}
