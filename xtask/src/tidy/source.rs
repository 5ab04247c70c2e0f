//! Rules for Rust sources: a module says what it is, stays readable, does not sleep, does not pretend.

use std::fmt;

use camino::{Utf8Path, Utf8PathBuf};

use super::{Files, Finding};

/// Lines after which a file must be divided.
const MOST_LINES: usize = 800;

/// What stands in no source, and why.
const FORBIDDEN: [(&str, &str); 5] = [
    (
        concat!("thread::", "sleep("),
        "nothing sleeps: wait for a condition with a deadline",
    ),
    (
        concat!("time::", "sleep("),
        "nothing sleeps: wait for a condition with a deadline",
    ),
    (concat!("to", "do!("), "what is not done is not in the tree"),
    (
        concat!("unimple", "mented!("),
        "what is not done is not in the tree",
    ),
    (
        concat!("#[", "ignore"),
        "a test that does not run proves nothing: assert what is, or skip with a typed reason",
    ),
];

/// The archived YAML crate, nowhere; and its successor, behind one door.
const ARCHIVED_YAML: &str = concat!("serde_", "yaml");
const YAML: &str = concat!("serde_", "saphyr");
const YAML_DOOR: &str = "harness/yaml";

/// All findings in one source file.
pub(super) fn check(file: &Utf8Path, content: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !content.starts_with("//!") {
        findings.push(Finding::in_file(
            file,
            "opens without `//!`: say what the module is, and what it is not",
        ));
    }
    let lines = content.lines().count();
    if lines > MOST_LINES {
        findings.push(Finding::in_file(
            file,
            format!("{lines} lines, more than {MOST_LINES}: divide it"),
        ));
    }
    for (index, line) in content.lines().enumerate() {
        if line.trim_start().starts_with("//") {
            continue;
        }
        for (what, why) in FORBIDDEN {
            if line.contains(what) {
                findings.push(Finding::in_line(file, index, format!("`{what}`: {why}")));
            }
        }
        if line.contains(ARCHIVED_YAML) {
            findings.push(Finding::in_line(
                file,
                index,
                format!("{ARCHIVED_YAML} is archived: use harness-yaml"),
            ));
        }
        if line.contains(YAML) && !file.starts_with(YAML_DOOR) {
            findings.push(Finding::in_line(
                file,
                index,
                format!("{YAML} outside {YAML_DOOR}: use harness-yaml"),
            ));
        }
    }
    findings
}

/// How long the sources are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sizes {
    median: usize,
    longest: (usize, Utf8PathBuf),
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Rust sources: median {} lines, longest {} ({})",
            self.median, self.longest.0, self.longest.1
        )
    }
}

/// The sizes of all Rust sources.
pub(super) fn sizes(files: &Files) -> Sizes {
    let mut lines: Vec<(usize, Utf8PathBuf)> = files
        .iter()
        .filter(|(file, _)| file.extension() == Some("rs"))
        .map(|(file, content)| (content.lines().count(), file.clone()))
        .collect();
    lines.sort();
    Sizes {
        median: lines.get(lines.len() / 2).map_or(0, |(count, _)| *count),
        longest: lines.pop().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(file: &str, content: &str) -> Vec<String> {
        check(Utf8Path::new(file), content)
            .into_iter()
            .map(|f| f.message)
            .collect()
    }

    #[test]
    fn a_module_must_say_what_it_is() {
        assert_eq!(messages("a.rs", "fn a() {}\n").len(), 1);
        assert!(messages("a.rs", "//! What it is.\nfn a() {}\n").is_empty());
    }

    #[test]
    fn a_file_beyond_the_limit_is_found() {
        let long = format!("//! Long.\n{}", "\n".repeat(MOST_LINES));

        assert_eq!(messages("a.rs", &long), ["801 lines, more than 800: divide it"]);
    }

    #[test]
    fn every_forbidden_word_is_found_outside_comments() {
        for (what, _) in FORBIDDEN {
            assert_eq!(
                messages("a.rs", &format!("//! A.\n    {what}\n")).len(),
                1,
                "{what}"
            );
            assert!(
                messages("a.rs", &format!("//! A.\n    // {what}\n")).is_empty(),
                "{what}"
            );
        }
    }

    #[test]
    fn yaml_has_one_door() {
        let line = format!("//! A.\nuse {YAML}::from_str;\n");

        assert_eq!(messages("harness/arc/src/lib.rs", &line).len(), 1);
        assert!(messages("harness/yaml/src/lib.rs", &line).is_empty());
        assert_eq!(
            messages(
                "harness/yaml/src/lib.rs",
                &format!("//! A.\nuse {ARCHIVED_YAML}::Value;\n")
            )
            .len(),
            1
        );
    }

    #[test]
    fn states_the_median_and_the_longest() {
        let files: Files = [("a.rs", 1), ("b.rs", 5), ("c.rs", 9), ("d.md", 99)]
            .map(|(f, n)| (f.into(), "x\n".repeat(n)))
            .into();

        assert_eq!(
            sizes(&files).to_string(),
            "Rust sources: median 5 lines, longest 9 (c.rs)"
        );
    }
}
