//! The one way in which a file that a team writes is read from TOML: a mistake has its line and column, and what was probably meant.
//!
//! What it is not: it opens no files; whoever does so puts the file's name before the message.

use serde::de::DeserializeOwned;

/// A text is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TomlError {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

impl std::fmt::Display for TomlError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for TomlError {}

/// Reads a value from TOML.
pub(crate) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, TomlError> {
    toml::from_str(text).map_err(|error| {
        let message = with_nearest(error.message());
        error_at(text, error.span().map_or(0, |span| span.start), message)
    })
}

/// An error at the header of a table, or at the beginning if the text has none.
pub(crate) fn at(text: &str, header: &str, message: &str) -> TomlError {
    let byte = text.find(&format!("[{header}]")).map_or(0, |at| at + 1);
    error_at(text, byte, message.to_owned())
}

/// What a secret begins with: GitHub's tokens (<https://github.blog/engineering/behind-githubs-new-authentication-token-formats/>), a JSON web
/// token, a key in PEM.
const SECRETS: [&str; 8] = [
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "eyJ",
    "-----BEGIN ",
];

/// Keys that have a secret as their value, whatever it looks like.
const SECRET_KEYS: [&str; 5] = ["token", "pat", "password", "secret", "private_key"];

/// So many characters after a mark make a token; fewer are a word.
const TOKEN: usize = 16;

/// Refuses a text with a secret in it, comments included, and does not repeat it: before any parser quotes it.
pub(crate) fn refuse_secrets(text: &str) -> Result<(), TomlError> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if let Some(at) = secret(line) {
            let message = "a secret stands here: take it out and revoke it, for whoever has the file has it; no line of this file takes one";
            return Err(error_at(text, start + at, message.to_owned()));
        }
        start += line.len();
    }
    Ok(())
}

/// Where a secret begins in a line, or the key or the value that has one.
fn secret(line: &str) -> Option<usize> {
    let marked = SECRETS.into_iter().find_map(|mark| {
        let at = line.find(mark)?;
        let rest = line[at + mark.len()..].bytes();
        let length = rest.take_while(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(byte));
        (mark.ends_with(' ') || length.count() >= TOKEN).then_some(at)
    });
    marked.or_else(|| named_secret(line)).or_else(|| userinfo(line))
}

fn named_secret(line: &str) -> Option<usize> {
    let (key, _) = line.split_once('=')?;
    let name = key.trim().trim_matches(['"', '\'']).to_lowercase();
    let last = name.rsplit(['.', '_', '-']).next()?;
    let is_secret = SECRET_KEYS.contains(&last) || SECRET_KEYS.contains(&name.as_str());
    is_secret.then(|| key.len() - key.trim_start().len())
}

/// A password in an address.
fn userinfo(line: &str) -> Option<usize> {
    let scheme = line.find("://")?;
    let rest = &line[scheme + 3..];
    let authority = rest.split(['/', '"', '\'', '?', '#']).next()?;
    authority.contains('@').then(|| {
        let before = &line[..scheme];
        before
            .rfind(|c: char| !c.is_ascii_alphanumeric())
            .map_or(0, |at| at + 1)
    })
}

/// serde says "unknown field `x`, expected one of `a`, `b`": whoever wrote `x` probably meant the nearest.
fn with_nearest(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let is_unknown = message.starts_with("unknown field") || message.starts_with("unknown variant");
    let Some(given) = quoted.next().filter(|_| is_unknown) else {
        return message.to_owned();
    };
    let nearest = quoted.min_by_key(|known| distance(given, known));
    match nearest.filter(|known| distance(given, known) <= known.len().div_ceil(3)) {
        Some(known) => format!("{message}; did you mean `{known}`?"),
        None => message.to_owned(),
    }
}

/// How many characters must be changed, added or taken to get from one word to the other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], index + 1);
        for (column, known) in other.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *known);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

fn error_at(text: &str, byte: usize, message: String) -> TomlError {
    let (line, column) = position(text, byte);
    TomlError {
        line,
        column,
        message,
    }
}

/// Line and column of a byte of the text.
fn position(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_meant_unless_it_is_far() {
        assert_eq!(
            (
                distance("clustr", "cluster"),
                distance("", "ab"),
                distance("a", "a")
            ),
            (1, 2, 0)
        );
        assert_eq!(
            with_nearest("unknown field `max_skip`, expected one of `max_skips`, `runs`"),
            "unknown field `max_skip`, expected one of `max_skips`, `runs`; did you mean `max_skips`?"
        );
        assert_eq!(
            with_nearest("unknown field `x`, expected `runs` or `days`"),
            "unknown field `x`, expected `runs` or `days`"
        );
    }

    #[test]
    fn words_that_only_begin_like_a_secret_are_none() {
        for text in [
            "name = \"ghp_short\"",
            "path = \"eyJ\"",
            "ghes = \"https://ghes.example.com/@x\"",
        ] {
            assert_eq!(refuse_secrets(text), Ok(()), "{text}");
        }
    }
}
