//! Cleans secrets out of text before it is written anywhere.
//!
//! What it is not: a scanner that guesses. It removes the values it was told of, and tokens of GitHub's published shapes.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use aho_corasick::{AhoCorasick, MatchKind};

/// What stands where a secret stood.
pub const REDACTED: &str = "***";

/// Prefixes of GitHub's token formats
/// (<https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/>).
const PREFIXES: [&str; 6] = ["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"];

/// Shared, growing set of secrets. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Redactor {
    known: Arc<RwLock<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    secrets: BTreeSet<String>,
    /// Finds all of them at once; made anew after a new secret.
    automaton: Option<AhoCorasick>,
}

impl Redactor {
    /// Registers a secret. Values shorter than 6 characters are ignored: they would blank ordinary words.
    pub fn learn(&self, secret: &str) {
        let secret = secret.trim();
        if secret.len() < 6 {
            return;
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.secrets.insert(secret.to_owned()) {
            known.automaton = None;
        }
    }

    /// The text with every known secret and every GitHub-shaped token replaced by [`REDACTED`].
    #[must_use]
    pub fn clean(&self, text: &str) -> String {
        clean_shapes(&self.clean_known(text))
    }

    fn clean_known(&self, text: &str) -> String {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(automaton) = &known.automaton {
            return replace_all(automaton, text);
        }
        drop(known);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.secrets.is_empty() {
            return text.to_owned();
        }
        // Longest first: a secret that contains another must go whole.
        let built = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(&known.secrets);
        let automaton =
            built.expect("far fewer secrets than the four billion states that an automaton may have");
        let cleaned = replace_all(&automaton, text);
        known.automaton = Some(automaton);
        cleaned
    }
}

fn replace_all(automaton: &AhoCorasick, text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    automaton.replace_all_with(text, &mut out, |_, _, out| {
        out.push_str(REDACTED);
        true
    });
    out
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
