//! The gate: what a team allows a run to be, over and above green. Read from a TOML file, judged by the reports.
//!
//! ```toml
//! allowed_skips = ["quickstart::dind", "scaling::*"]  # checks that may be skipped or unsupported
//! max_skips = 2                                       # so many checks may be, whichever
//! allowed_flakes = []                                 # none may pass at a later attempt only
//! max_duration_seconds = 120                          # the whole run
//! max_api_calls = 3000                                # requests to GHES's REST API, the checks' own included
//! max_api_calls_per_runner_hour = 20000               # the same for each hour that a runner pod lived
//! ```
//!
//! A line that is absent allows everything. What it is not: a list of failures to expect
//! ([`crate::Expectation`]); a failed check is red whatever stands here.

use serde::{Deserialize, Deserializer, Serialize};

use crate::toml_text::{self, TomlError};

/// What a run may be.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// Ids of checks that may end as skipped or unsupported, or `group::*`; absent: every check may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_skips: Option<Vec<String>>,
    /// The most checks that may end as skipped or unsupported: a run that skips its way to green is red.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_skips: Option<u32>,
    /// Ids of checks that may be flaky, or `group::*`; absent: every check may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_flakes: Option<Vec<String>>,
    /// The longest that the whole run may take, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "budget")]
    pub max_duration_seconds: Option<f64>,
    /// The most requests to GHES's REST API, whoever sent them.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "budget")]
    pub max_api_calls: Option<f64>,
    /// The most requests to GHES's REST API for each hour that a runner pod lived.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "budget")]
    pub max_api_calls_per_runner_hour: Option<f64>,
}

/// A gate and where it was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateFile {
    /// The file as the user named it.
    pub path: String,
    /// What it says.
    pub gate: Gate,
}

impl Gate {
    /// Reads a gate from TOML.
    ///
    /// # Errors
    /// [`TomlError`] with the position: not TOML, an unknown key, a wrong type, a budget below zero, or no line at all.
    pub fn parse(text: &str) -> Result<Gate, TomlError> {
        let gate: Gate = toml_text::parse(text)?;
        if gate == Gate::default() {
            return Err(TomlError {
                line: 1,
                column: 1,
                message: "no line of a gate: it would allow every run".to_owned(),
            });
        }
        Ok(gate)
    }
}

/// Whether a list of a gate names this check.
#[must_use]
pub fn allows(list: &[String], id: &str) -> bool {
    list.iter().any(|allowed| match allowed.strip_suffix("::*") {
        Some(group) => id.split_once("::").is_some_and(|(of, _)| of == group),
        None => allowed == id,
    })
}

fn budget<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    let value = f64::deserialize(deserializer)?;
    if value.is_finite() && value >= 0.0 {
        Ok(Some(value))
    } else {
        Err(serde::de::Error::custom(format!(
            "{value} is no budget: a number from 0 on"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read() {
        let text = "allowed_skips = [\"a::b\"]\nmax_skips = 3\nallowed_flakes = []\nmax_duration_seconds = 90\nmax_api_calls = 10\nmax_api_calls_per_runner_hour = 2.5\n";

        let gate = Gate::parse(text).expect("this is a gate");

        assert_eq!(
            gate,
            Gate {
                allowed_skips: Some(vec!["a::b".to_owned()]),
                max_skips: Some(3),
                allowed_flakes: Some(Vec::new()),
                max_duration_seconds: Some(90.0),
                max_api_calls: Some(10.0),
                max_api_calls_per_runner_hour: Some(2.5),
            }
        );
    }

    #[test]
    fn a_mistake_is_told_with_line_and_column() {
        for (text, told) in [
            (
                "max_api_calls = 1\nmax_minutes = 2\n",
                "line 2, column 1: unknown field `max_minutes`",
            ),
            ("max_api_calls = \"1\"\n", "line 1, column 17: invalid type"),
            ("max_api_calls = -1\n", "line 1, column 17: -1 is no budget"),
            ("max_api_calls = nan\n", "line 1, column 17: NaN is no budget"),
            (
                "# ä\nallowed_skips = [\"ä\"\n",
                "line 2, column 21: unclosed array",
            ),
            ("", "line 1, column 1: no line of a gate"),
        ] {
            let error = Gate::parse(text).expect_err("this is no gate");

            assert!(error.to_string().starts_with(told), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_list_names_checks_and_whole_groups() {
        let list = ["a::b".to_owned(), "c::*".to_owned()];

        assert!(allows(&list, "a::b") && allows(&list, "c::d"));
        assert!(!allows(&list, "a::bc") && !allows(&list, "cc::d"));
        assert!(!allows(&[], "a::b"));
    }
}
