//! `cargo xtask tidy`: the repository's rules as code.
//!
//! Each rule is a pure function from text to findings, with a test that shows it a violation. What it is not: a linter for Rust;
//! that is clippy's, with the reasons in `clippy.toml`.

mod catalogue;
mod layers;
mod reasons;
mod source;
mod text;

use std::collections::BTreeMap;

use anyhow::{Context, anyhow};
use camino::{Utf8Path, Utf8PathBuf};

use crate::programs::cargo;
use crate::refusal::Refusal;
use crate::repository;

/// A broken rule: where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    /// A file, with a line where there is one.
    place: String,
    /// The rule and the cure.
    message: String,
}

impl Finding {
    fn in_file(file: &Utf8Path, message: impl Into<String>) -> Self {
        Finding {
            place: file.to_string(),
            message: message.into(),
        }
    }

    /// `index` counts lines from 0.
    fn in_line(file: &Utf8Path, index: usize, message: impl Into<String>) -> Self {
        Finding {
            place: format!("{file}:{}", index + 1),
            message: message.into(),
        }
    }
}

/// Committed text by path, relative to the repository's root.
type Files = BTreeMap<Utf8PathBuf, String>;

/// Applies every rule.
///
/// # Errors
/// Exit 1 with every finding, if there is one.
#[expect(clippy::print_stdout, reason = "the figures are for people")]
pub(crate) fn run(root: &Utf8Path) -> anyhow::Result<()> {
    let files = read(root)?;
    let mut findings: Vec<Finding> = Vec::new();
    for (file, content) in &files {
        findings.extend(text::check(file, content));
        if file.extension() == Some("rs") {
            findings.extend(source::check(file, content));
        }
        if file.file_name() == Some("Cargo.toml") {
            findings.extend(layers::check(file, content));
        }
        findings.extend(reasons::check(file, content));
    }
    findings.extend(catalogue::check(&files));
    findings.extend(compiled(root)?);
    let sizes = source::sizes(&files);
    println!("tidy: {} files, {sizes}", files.len());
    if findings.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = findings
        .iter()
        .map(|f| format!("  {}: {}", f.place, f.message))
        .collect();
    Err(Refusal::failed(format!(
        "the repository's rules are broken in {} places:\n{}",
        lines.len(),
        lines.join("\n")
    ))
    .into())
}

fn read(root: &Utf8Path) -> anyhow::Result<Files> {
    let mut files = Files::new();
    for file in repository::files(root)? {
        let bytes = fs_err::read(root.join(&file))?;
        // What is not UTF-8 is a picture or an archive: no text rule speaks of it.
        if let Ok(text) = String::from_utf8(bytes) {
            files.insert(file, text);
        }
    }
    Ok(files)
}

/// Packages that must not be compiled into anything of ours, and why.
const NOWHERE: [(&str, &str); 2] = [
    (
        "ring",
        "a second TLS provider beside aws-lc-rs makes rustls panic at the first connection",
    ),
    (
        "openssl-sys",
        "one TLS provider, and nothing that needs a system library",
    ),
];

/// Packages that must not be compiled into xtask, and why.
const NOT_IN_XTASK: [(&str, &str); 3] = [
    ("tokio", "the command line starts at once"),
    ("kube-client", "the command line starts at once"),
    ("aws-lc-sys", "the command line compiles no C"),
];

/// What is really compiled: the lock file also holds what no feature switches on.
fn compiled(root: &Utf8Path) -> anyhow::Result<Vec<Finding>> {
    let mut findings = intruders("the workspace", &tree(root, &["--workspace"])?, &NOWHERE);
    findings.extend(intruders(
        "xtask",
        &tree(root, &["--package", "xtask", "--edges", "normal,build"])?,
        &NOT_IN_XTASK,
    ));
    Ok(findings)
}

fn tree(root: &Utf8Path, selection: &[&str]) -> anyhow::Result<String> {
    let mut command = cargo(root);
    command.args([
        "tree",
        "--quiet",
        "--offline",
        "--target",
        "all",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]);
    let output = command.args(selection).output().context("running cargo tree")?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(anyhow!("{}", String::from_utf8_lossy(&output.stderr).trim()))
            .context("cargo tree --offline failed")
    }
}

fn intruders(of: &str, tree: &str, unwanted: &[(&str, &str)]) -> Vec<Finding> {
    unwanted
        .iter()
        .filter(|(name, _)| {
            tree.lines()
                .any(|package| package.split_once(" v").is_some_and(|(n, _)| n == *name))
        })
        .map(|(name, why)| Finding {
            place: of.to_owned(),
            message: format!(
                "compiles {name}: {why}; `cargo tree --target all -i {name}` shows who brings it"
            ),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unwanted_package_is_found_by_its_whole_name() {
        let found = intruders("the workspace", "rustls v0.23.46\nring v0.17.14\n", &NOWHERE);

        assert_eq!(found.len(), 1);
        assert!(
            found[0].message.starts_with("compiles ring: "),
            "{}",
            found[0].message
        );
        assert!(intruders("the workspace", "rustls v0.23.46\nstring v0.1.0\n", &NOWHERE).is_empty());
    }
}
