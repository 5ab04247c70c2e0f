//! Cleans secrets out of text before it is written anywhere.
//!
//! What it is not: a scanner that guesses. It removes the values it was told of, and tokens of GitHub's published shapes.

use std::collections::BTreeSet;
use std::sync::{Arc, RwLock};

/// What stands where a secret stood.
pub const REDACTED: &str = "***";

/// Prefixes of GitHub's token formats
/// (<https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/>).
const PREFIXES: [&str; 6] = ["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"];

/// Shared, growing set of secrets. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Redactor {
    secrets: Arc<RwLock<BTreeSet<String>>>,
}

impl Redactor {
    /// Registers a secret. Values shorter than 6 characters are ignored: they would blank ordinary words.
    pub fn learn(&self, secret: &str) {
        let secret = secret.trim();
        if secret.len() < 6 {
            return;
        }
        let mut secrets = self
            .secrets
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        secrets.insert(secret.to_owned());
    }

    /// The text with every known secret and every GitHub-shaped token replaced by [`REDACTED`].
    #[must_use]
    pub fn clean(&self, text: &str) -> String {
        let mut out = text.to_owned();
        let secrets = self
            .secrets
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        // Longest first: a secret that contains another must go whole.
        let mut longest_first: Vec<&String> = secrets.iter().collect();
        longest_first.sort_by_key(|s| std::cmp::Reverse(s.len()));
        for secret in longest_first {
            if out.contains(secret.as_str()) {
                out = out.replace(secret.as_str(), REDACTED);
            }
        }
        clean_shapes(&out)
    }
}

fn clean_shapes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, prefix)) = PREFIXES
        .iter()
        .filter_map(|p| rest.find(p).map(|at| (at, *p)))
        .min_by_key(|(at, _)| *at)
    {
        let body = &rest[at + prefix.len()..];
        let len = body
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(body.len());
        out.push_str(&rest[..at]);
        out.push_str(if len >= 16 {
            REDACTED
        } else {
            &rest[at..at + prefix.len() + len]
        });
        rest = &body[len..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn removes_learned_values_and_github_shapes() {
        let redactor = Redactor::default();
        redactor.learn("s3cr3t-value");
        let token = format!("ghp_{}", "a".repeat(36));
        let text = format!("a s3cr3t-value b {token}, ghp_short");

        assert_eq!(redactor.clean(&text), "a *** b ***, ghp_short");
    }

    proptest! {
        #[test]
        fn no_secret_survives(secret in "[A-Za-z0-9]{6,40}", before in ".{0,20}", after in ".{0,20}") {
            let redactor = Redactor::default();
            redactor.learn(&secret);

            let cleaned = redactor.clean(&format!("{before}{secret}{after}"));

            prop_assert!(!cleaned.contains(&secret));
        }
    }
}
