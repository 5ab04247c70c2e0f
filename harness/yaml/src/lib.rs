//! YAML in and out, the only place that names the YAML library.
//!
//! Two readings: *manifests* as Go's YAML reads them (octal modes such as `0644`), *workflows* with strict booleans
//! (`on:` is a key, not `true`). Untyped values are `serde_json::Value`. Errors carry line and column.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A YAML document could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum YamlError {
    /// Not YAML, or not of the expected shape.
    #[error("line {line}, column {column}: {message}")]
    Read {
        /// From 1.
        line: u64,
        /// From 1.
        column: u64,
        /// What is wrong, in the library's words.
        message: String,
    },
    /// A value has no YAML form.
    #[error("write YAML: {0}")]
    Write(String),
}

/// Reads one Kubernetes manifest.
///
/// # Errors
/// [`YamlError::Read`] with the position.
pub fn manifest<T: DeserializeOwned>(text: &str) -> Result<T, YamlError> {
    serde_saphyr::from_str_with_options(text, manifest_options()).map_err(|e| read_error(&e))
}

/// Reads a stream of Kubernetes manifests; empty documents are left out.
///
/// # Errors
/// [`YamlError::Read`] with the position in the whole stream.
pub fn manifests<T: DeserializeOwned>(text: &str) -> Result<Vec<T>, YamlError> {
    serde_saphyr::from_multiple_with_options(text, manifest_options()).map_err(|e| read_error(&e))
}

/// Reads a GitHub workflow or action file.
///
/// # Errors
/// [`YamlError::Read`] with the position.
pub fn workflow<T: DeserializeOwned>(text: &str) -> Result<T, YamlError> {
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(text, options).map_err(|e| read_error(&e))
}

/// Writes block-style YAML.
///
/// # Errors
/// [`YamlError::Write`] for values without a YAML form.
pub fn to_string<T: Serialize>(value: &T) -> Result<String, YamlError> {
    serde_saphyr::to_string(value).map_err(|e| YamlError::Write(e.to_string()))
}

fn manifest_options() -> serde_saphyr::Options {
    serde_saphyr::options! { legacy_octal_numbers: true }
}

fn read_error(error: &serde_saphyr::Error) -> YamlError {
    let (line, column) = error.location().map_or((0, 0), |l| (l.line(), l.column()));
    YamlError::Read {
        line,
        column,
        message: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn manifests_read_octal_modes_as_go_does() {
        let value: Value = manifest("defaultMode: 0644\n").expect("a mode is YAML");

        assert_eq!(value, json!({"defaultMode": 420}));
    }

    #[test]
    fn workflows_keep_on_as_a_key() {
        let value: Value = workflow("on: push\nflag: yes\n").expect("a workflow is YAML");

        assert_eq!(value, json!({"on": "push", "flag": "yes"}));
    }

    #[test]
    fn a_mistake_is_told_with_line_and_column() {
        let error = manifest::<Value>("a: 1\nb: [1, 2\n").expect_err("the bracket is open");

        assert!(matches!(error, YamlError::Read { line: 2.., .. }), "{error}");
    }

    #[test]
    fn booleans_in_strings_are_quoted() {
        let text = to_string(&json!({"a": "yes"})).expect("strings have a YAML form");

        assert!(text.contains("\"yes\"") || text.contains("'yes'"), "{text}");
    }
}
