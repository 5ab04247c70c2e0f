//! The one way in which a file that a team writes is read from TOML: a mistake has its line and column.
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
        let (line, column) = position(text, error.span().map_or(0, |span| span.start));
        let message = error.message().to_owned();
        TomlError {
            line,
            column,
            message,
        }
    })
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
