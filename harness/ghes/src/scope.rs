//! Names of repositories. The scope of a runner is the model's [`Scope`].

use std::fmt;
use std::str::FromStr;

use harness_model::Scope;

/// A repository. Displayed and parsed as `owner/name`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Repo {
    /// The organization or user that owns it.
    pub owner: String,
    /// Its name.
    pub name: String,
}

/// Not of the form `owner/name`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no repository: write OWNER/NAME")]
pub struct InvalidRepo(
    /// What was given.
    pub String,
);

impl fmt::Display for Repo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

impl FromStr for Repo {
    type Err = InvalidRepo;

    fn from_str(text: &str) -> Result<Repo, InvalidRepo> {
        match text.split_once('/') {
            Some((owner, name)) if is_name(owner) && is_name(name) => Ok(Repo {
                owner: owner.to_owned(),
                name: name.to_owned(),
            }),
            _ => Err(InvalidRepo(text.to_owned())),
        }
    }
}

/// Whether this may be the name of an enterprise, an organization or a repository: nothing that means something in a path.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !text.is_empty() && text.chars().all(plain) && text.chars().any(|c| c != '.')
}

impl From<&Repo> for Scope {
    fn from(repo: &Repo) -> Scope {
        Scope::Repository {
            owner: repo.owner.clone(),
            name: repo.name.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_read_as_it_is_shown() {
        let repo: Repo = "dogecompany/quick.start"
            .parse()
            .expect("owner and name are given");

        assert_eq!(repo.to_string(), "dogecompany/quick.start");
    }

    #[test]
    fn anything_but_owner_and_name_is_refused() {
        for text in [
            "dogecompany",
            "/quickstart",
            "dogecompany/",
            "a/b/c",
            "a/b?c",
            "a/..",
            "./b",
        ] {
            let error = Repo::from_str(text).expect_err("this names no repository");

            assert_eq!(error, InvalidRepo(text.to_owned()));
        }
    }
}
