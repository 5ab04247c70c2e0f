//! Secrets are replaced by `***` before a line leaves the runner.

use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What to hide; clones share it.
#[derive(Clone, Default)]
pub(crate) struct Masker {
    /// Longest first, so that a secret inside another does not leave a rest.
    values: Arc<RwLock<Vec<String>>>,
}

impl Masker {
    /// Hides a secret, its lines, and the forms in which tools like to print it: base64 (at each of the three offsets),
    /// and as a JSON string.
    pub(crate) fn add(&self, secret: &str) {
        let mut values = self.values.write().unwrap_or_else(PoisonError::into_inner);
        let lines = secret.lines().map(str::trim).filter(|line| !line.is_empty());
        for value in lines.chain([secret.trim()]) {
            // An empty value would mask everything.
            if value.is_empty() || values.iter().any(|known| known == value) {
                continue;
            }
            values.push(value.to_owned());
            let json = serde_json::Value::from(value).to_string();
            let json = json[1..json.len() - 1].to_owned();
            if json != value {
                values.push(json);
            }
            if value.len() >= 6 {
                values.extend((0..3).map(|shift| shifted_base64(value, shift)));
            }
        }
        values.sort_unstable_by_key(|value| std::cmp::Reverse(value.len()));
        values.dedup();
    }

    /// The text without secrets.
    pub(crate) fn mask(&self, text: &str) -> String {
        let values = self.values.read().unwrap_or_else(PoisonError::into_inner);
        values.iter().fold(text.to_owned(), |text, value| {
            match text.contains(value.as_str()) {
                true => text.replace(value.as_str(), "***"),
                false => text,
            }
        })
    }

    /// Whether the text holds a secret.
    pub(crate) fn finds_secret(&self, text: &str) -> bool {
        self.values
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .any(|value| text.contains(value.as_str()))
    }
}

/// The part of a base64 text that depends on `value` alone, if `shift` bytes stand before it.
fn shifted_base64(value: &str, shift: usize) -> String {
    let mut bytes = vec![0; shift];
    bytes.extend_from_slice(value.as_bytes());
    let text = STANDARD.encode(&bytes);
    let start = [0, 2, 3][shift];
    let end = text.trim_end_matches('=').len() - usize::from(!bytes.len().is_multiple_of(3));
    text[start..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_in_their_usual_forms() {
        let masker = Masker::default();
        masker.add("pa\"ss word\nsecond-line");

        assert_eq!(masker.mask("a pa\"ss word b"), "a *** b");
        assert_eq!(masker.mask("second-line"), "***");
        assert_eq!(masker.mask(r#"{"x": "pa\"ss word"}"#), r#"{"x": "***"}"#);
        for prefix in ["", "u", "u:"] {
            let text = STANDARD.encode(format!("{prefix}second-line!"));
            assert!(
                masker.mask(&text).contains("***"),
                "base64 after {prefix:?} is hidden"
            );
        }
    }

    #[test]
    fn empty_secrets_hide_nothing() {
        let masker = Masker::default();
        masker.add("");
        masker.add(" \n ");

        assert_eq!(masker.mask("text"), "text");
        assert!(!masker.finds_secret("text"));
    }

    #[test]
    fn the_longest_secret_wins() {
        let masker = Masker::default();
        masker.add("abc");
        masker.add("abcdef");

        assert_eq!(masker.mask("abcdef abc"), "*** ***");
    }
}
