//! What a run makes on a target, and the rights that it needs there.
//!
//! The rights are scopes of a classic personal access token, as GitHub's REST documentation names them for each route that is used
//! (<https://docs.github.com/enterprise-server@3.9/apps/oauth-apps/building-oauth-apps/scopes-for-oauth-apps>).

use harness_model::{Profile, RunPrefix, Scope};

/// A right that a run needs on a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// Any of these will do; the first is the least.
    pub any_of: &'static [&'static str],
    /// For what.
    pub purpose: &'static str,
    /// The least profile that needs it.
    pub profile: Profile,
}

impl Need {
    /// Whether these scopes fulfil it.
    #[must_use]
    pub fn is_met(&self, scopes: &[String]) -> bool {
        self.any_of
            .iter()
            .any(|one| scopes.iter().any(|scope| scope == one))
    }
}

const fn core(any_of: &'static [&'static str], purpose: &'static str) -> Need {
    Need {
        any_of,
        purpose,
        profile: Profile::Core,
    }
}

const fn extended(any_of: &'static [&'static str], purpose: &'static str) -> Need {
    Need {
        any_of,
        purpose,
        profile: Profile::Extended,
    }
}

const ENTERPRISE: [Need; 1] = [core(
    &["manage_runners:enterprise", "admin:enterprise"],
    "register, list and remove runners",
)];

const ORGANIZATION: [Need; 5] = [
    core(
        &["admin:org"],
        "read the mark; register, list and remove runners; make groups of them",
    ),
    core(&["repo"], "make repositories, dispatch workflows, read runs"),
    core(&["workflow"], "put workflow files into these repositories"),
    core(&["delete_repo"], "remove these repositories"),
    extended(&["admin:org_hook"], "make webhooks"),
];

const REPOSITORY: [Need; 2] = [
    core(
        &["repo"],
        "read the mark; register, list and remove runners; dispatch workflows, read runs",
    ),
    extended(&["repo", "admin:repo_hook"], "make webhooks"),
];

/// The rights that a run needs on this scope.
#[must_use]
pub fn needs(scope: &Scope) -> &'static [Need] {
    match scope {
        Scope::Enterprise(_) => &ENTERPRISE,
        Scope::Organization(_) => &ORGANIZATION,
        Scope::Repository { .. } => &REPOSITORY,
    }
}

/// What a run makes on this scope, each under its prefix.
#[must_use]
pub fn creates(scope: &Scope, prefix: &RunPrefix) -> Vec<String> {
    let runners = format!("runners {prefix}-…");
    let webhooks = format!("webhooks to https://…/{prefix}/…");
    match scope {
        Scope::Enterprise(_) => vec![runners],
        Scope::Organization(_) => vec![
            format!("repositories {prefix}-…"),
            runners,
            format!("runner groups {prefix}-…"),
            webhooks,
        ],
        Scope::Repository { .. } => vec![runners, webhooks],
    }
}
