//! The mark by which whoever owns a target agrees to be written to: the Actions variable `GHES_E2E_TARGET`, whose value names what it opens.
//!
//! `orgs/ORGANIZATION`, `repos/OWNER/NAME`, `enterprises/SLUG`, several by spaces or commas. A name, not `true`: so a variable that is copied along, or inherited,
//! opens nothing else. An organization or a repository carries its own; an enterprise has no variables, so one of its organizations carries it.
//! A variable and not a topic: an organization has no topics, and who may set one need not be its owner.

use std::fmt;

use harness_model::Scope;

/// The variable.
pub const MARK: &str = "GHES_E2E_TARGET";

/// The mark's value, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The organization or repository whose variable it is.
    pub place: Scope,
    value: String,
}

impl Mark {
    pub(crate) fn new(place: Scope, value: String) -> Mark {
        Mark { place, value }
    }

    /// Whether it opens this scope. A repository opens nothing but itself.
    #[must_use]
    pub fn opens(&self, scope: &Scope) -> bool {
        let reaches = match (&self.place, scope) {
            (Scope::Organization(_), Scope::Enterprise(_)) => true,
            (place, scope) => same(&place.to_string(), &scope.to_string()),
        };
        let mut words = self.value.split([' ', ',', '\t', '\r', '\n']);
        reaches && words.any(|word| same(word, &scope.to_string()))
    }
}

fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Anybody may have written it.
        let value: String = self.value.chars().filter(|c| !c.is_control()).take(80).collect();
        write!(f, "{MARK}={value} on {}", self.place)
    }
}

/// Where the mark of a scope stands; none for an enterprise without an organization to carry it.
#[must_use]
pub fn place_of(scope: &Scope, organization: Option<&str>) -> Option<Scope> {
    match scope {
        Scope::Enterprise(_) => organization.map(|login| Scope::Organization(login.to_owned())),
        own => Some(own.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn organization(login: &str) -> Scope {
        Scope::Organization(login.into())
    }

    fn repository(owner: &str, name: &str) -> Scope {
        Scope::Repository {
            owner: owner.into(),
            name: name.into(),
        }
    }

    #[test]
    fn a_mark_opens_what_it_names_and_stands_on() {
        let mark = Mark::new(
            organization("staging"),
            "orgs/Staging, enterprises/acme repos/staging/a".into(),
        );

        assert!(mark.opens(&organization("staging")));
        assert!(mark.opens(&Scope::Enterprise("acme".into())));
        for scope in [
            organization("production"),
            Scope::Enterprise("other".into()),
            repository("staging", "a"),
        ] {
            assert!(!mark.opens(&scope), "{scope}");
        }
    }

    #[test]
    fn a_copied_mark_opens_nothing() {
        for value in ["true", "", "orgs/staging", "orgs/production-2", "ORGS"] {
            let mark = Mark::new(organization("production"), value.into());

            assert!(!mark.opens(&organization("production")), "{value}");
        }
        let mark = Mark::new(repository("a", "b"), "repos/a/b enterprises/acme orgs/a".into());
        assert!(mark.opens(&repository("A", "B")));
        assert!(!mark.opens(&Scope::Enterprise("acme".into())));
        assert!(!mark.opens(&organization("a")));
    }
}
