//! Failures that are expected: known defects of ARC, each with the versions that have it and the words in which its check fails.
//!
//! ```toml
//! [[expectation]]
//! check = "webhook::dangling"
//! arc = "<= 0.27.6"                       # versions of ARC, as Cargo writes requirements
//! awaited = "the delivery's status = 200" # the failure's awaited value contains this
//! reason = "the webhook server gives up at the first autoscaler without a target"
//! upstream = "https://…"                  # where the defect is described
//! ```
//!
//! What it is not: a licence to fail. Of the versions named the check must fail, and in these words: a pass is red, since the entry is then out of date, and
//! so is any other failure.

use semver::{Version, VersionReq};
use serde::{Deserialize, Serialize};

use crate::toml_text::{self, TomlError};
use crate::{Failure, Verdict};

/// Where a repository keeps its expectations.
pub const EXPECTATIONS_FILE: &str = "scenarios/expectations.toml";

/// One expected failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// The check's id.
    pub check: String,
    /// Versions of ARC with the defect.
    pub arc: VersionReq,
    /// A part of what the failed check awaited.
    pub awaited: String,
    /// What is wrong in ARC, in a sentence.
    pub reason: String,
    /// A page that describes the defect.
    pub upstream: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    expectation: Vec<Expectation>,
}

/// Reads expectations from TOML.
///
/// # Errors
/// [`TomlError`] with the position: not TOML, an unknown or missing key, or no version requirement.
pub fn expectations(text: &str) -> Result<Vec<Expectation>, TomlError> {
    let file: File = toml_text::parse(text)?;
    Ok(file.expectation)
}

impl Expectation {
    /// Whether it is of this check, run with this version of ARC (`v0.27.6`).
    #[must_use]
    pub fn is_of(&self, check: &str, arc: &str) -> bool {
        let version = Version::parse(arc.strip_prefix('v').unwrap_or(arc));
        self.check == check && version.is_ok_and(|version| self.arc.matches(&version))
    }

    /// What an ended attempt is worth, given that this was expected of it.
    #[must_use]
    pub fn judge(&self, verdict: Verdict, failure: Option<Failure>) -> (Verdict, Option<Failure>) {
        match (verdict, failure) {
            (Verdict::Pass, _) => {
                let passed = Failure {
                    awaited: format!("the failure that is expected, at \"{}\"", self.awaited),
                    last_seen: "the check passed".to_owned(),
                    detail: Some(format!(
                        "{EXPECTATIONS_FILE} expects it of ARC {}: {} ({}). If that is mended, narrow the entry's versions",
                        self.arc, self.reason, self.upstream
                    )),
                };
                (Verdict::Fail, Some(passed))
            }
            (Verdict::Fail, Some(failure)) if failure.awaited.contains(&self.awaited) => {
                let told = format!(
                    "expected of ARC {}: {} ({})",
                    self.arc, self.reason, self.upstream
                );
                let detail = failure
                    .detail
                    .map_or_else(|| told.clone(), |detail| format!("{told}\n{detail}"));
                let expected = Failure {
                    detail: Some(detail),
                    ..failure
                };
                (Verdict::ExpectedFailure, Some(expected))
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
[[expectation]]
check = "a::b"
arc = ">=0.27.3, <=0.27.6"
awaited = "status = 200"
reason = "it gives up"
upstream = "https://example.com/1"
"#;

    fn expectation() -> Expectation {
        expectations(TEXT).expect("it is a list").remove(0)
    }

    fn failure(awaited: &str) -> Option<Failure> {
        Some(Failure {
            awaited: awaited.to_owned(),
            last_seen: "500".to_owned(),
            detail: None,
        })
    }

    #[test]
    fn it_is_of_a_check_and_of_versions() {
        let expectation = expectation();

        assert!(expectation.is_of("a::b", "v0.27.3") && expectation.is_of("a::b", "0.27.6"));
        assert!(!expectation.is_of("a::b", "v0.27.1") && !expectation.is_of("a::b", "v0.28.0"));
        assert!(!expectation.is_of("a::bc", "v0.27.6") && !expectation.is_of("a::b", "canary"));
    }

    #[test]
    fn only_a_failure_in_its_words_is_expected() {
        let expectation = expectation();

        let (verdict, told) = expectation.judge(Verdict::Fail, failure("the status = 200 again"));
        assert_eq!(verdict, Verdict::ExpectedFailure);
        let detail = told.and_then(|told| told.detail).unwrap_or_default();
        assert!(detail.contains("it gives up (https://example.com/1)"), "{detail}");

        for (verdict, words) in [(Verdict::Fail, "another"), (Verdict::Error, "status = 200")] {
            let given = failure(words);
            assert_eq!(expectation.judge(verdict, given.clone()), (verdict, given));
        }
    }

    #[test]
    fn a_pass_is_red_and_says_what_to_do() {
        let (verdict, told) = expectation().judge(Verdict::Pass, None);

        let told = told.expect("a failure");
        assert_eq!(verdict, Verdict::Fail);
        assert!(told.awaited.contains("status = 200"), "{told:?}");
        assert!(
            told.detail
                .unwrap_or_default()
                .contains("narrow the entry's versions")
        );
    }

    #[test]
    fn a_mistake_is_told_with_line_and_column() {
        for (text, told) in [
            (
                "[[expectation]]\ncheck = \"a\"\n",
                "line 1, column 1: missing field `arc`",
            ),
            (
                "[[expectation]]\nchek = \"a\"\n",
                "line 2, column 1: unknown field `chek`",
            ),
            (
                "[[expectation]]\narc = \"soon\"\n",
                "line 2, column 7: unexpected character 's'",
            ),
        ] {
            let error = expectations(text).expect_err("this is no list");

            assert!(error.to_string().starts_with(told), "{text:?}: {error}");
        }
    }
}
