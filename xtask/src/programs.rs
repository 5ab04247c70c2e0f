//! Builds programs of this workspace with one cargo invocation, and says where they lie.
//!
//! Cargo's own progress goes to stderr. The whole workspace is selected each time, as `cargo test --workspace` does: a narrower
//! selection would resolve other features and compile the shared crates once more.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, anyhow};
use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;

use crate::foreground::{Foreground, OnInterrupt};
use crate::refusal::Refusal;

/// A program to build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Program {
    /// A binary target by its name.
    Bin(&'static str),
    /// The scenario runner: the test target `e2e`.
    ScenarioRunner,
}

/// What a run of the suite needs: the scenario runner, and the programs it puts into the cluster.
pub(crate) const FOR_A_RUN: [Program; 5] = [
    Program::ScenarioRunner,
    Program::Bin("harness"),
    Program::Bin("mock-ghes"),
    Program::Bin("pod-init"),
    Program::Bin("runner"),
];

/// Where built programs lie.
#[derive(Debug)]
pub(crate) struct Built {
    paths: BTreeMap<Program, Utf8PathBuf>,
}

impl Built {
    /// The path of one program.
    pub(crate) fn path(&self, program: Program) -> anyhow::Result<&Utf8Path> {
        self.paths
            .get(&program)
            .map(Utf8PathBuf::as_path)
            .ok_or_else(|| anyhow!("cargo built {} but did not say where it is", program.label()))
    }
}

/// Builds programs.
///
/// # Errors
/// Exit 3 if cargo fails: it has said why on stderr.
pub(crate) fn build(
    programs: &[Program],
    offline: bool,
    root: &Utf8Path,
    foreground: &Foreground,
) -> anyhow::Result<Built> {
    let mut command = cargo(root);
    command.args(["build", "--workspace", "--message-format=json-render-diagnostics"]);
    if offline {
        command.arg("--offline");
    }
    for program in programs {
        command.args(program.selector());
    }
    let mut child = foreground.start(
        command.stdin(Stdio::null()).stdout(Stdio::piped()),
        OnInterrupt::Kill,
    )?;
    let messages = child.stdout.take().context("cargo has no stdout")?;
    let mut paths = BTreeMap::new();
    for line in BufReader::new(messages).lines() {
        let line = line.context("reading cargo's messages")?;
        if let Some((program, path)) = artifact(&line, programs) {
            paths.insert(program, path);
        }
    }
    let status = foreground.wait(child)?;
    if !status.success() {
        let names: Vec<&str> = programs.iter().map(|program| program.label()).collect();
        return Err(Refusal::environment(format!(
            "building {} failed ({status}): cargo says why above",
            names.join(", ")
        ))
        .into());
    }
    Ok(Built { paths })
}

/// A cargo command in the repository's root, by the cargo that runs us.
pub(crate) fn cargo(root: &Utf8Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // What cargo builds, build scripts and all, is no business of a GHES.
    command.current_dir(root).env_remove("GHES_TOKEN");
    command
}

impl Program {
    fn label(self) -> &'static str {
        match self {
            Program::Bin(name) => name,
            Program::ScenarioRunner => "e2e",
        }
    }

    fn selector(self) -> [&'static str; 2] {
        match self {
            Program::Bin(name) => ["--bin", name],
            Program::ScenarioRunner => ["--test", "e2e"],
        }
    }

    fn is(self, target: &Target) -> bool {
        let kind = match self {
            Program::Bin(_) => "bin",
            Program::ScenarioRunner => "test",
        };
        target.name == self.label() && target.kind.iter().any(|k| k == kind)
    }
}

/// The part of cargo's message that matters
/// (<https://doc.rust-lang.org/cargo/reference/external-tools.html#artifact-messages>).
#[derive(Deserialize)]
struct Message {
    reason: String,
    target: Option<Target>,
    executable: Option<Utf8PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

/// The program that one line of cargo's output announces, if it is one of `wanted`.
fn artifact(line: &str, wanted: &[Program]) -> Option<(Program, Utf8PathBuf)> {
    let message: Message = serde_json::from_str(line).ok()?;
    if message.reason != "compiler-artifact" {
        return None;
    }
    let (target, executable) = (message.target?, message.executable?);
    let program = *wanted.iter().find(|program| program.is(&target))?;
    Some((program, executable))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEST: &str =
        r#"{"reason":"compiler-artifact","target":{"kind":["test"],"name":"e2e"},"executable":"/t/e2e-1"}"#;

    #[test]
    fn finds_the_scenario_runner_among_cargos_messages() {
        let found = artifact(TEST, &FOR_A_RUN);

        assert_eq!(found, Some((Program::ScenarioRunner, "/t/e2e-1".into())));
    }

    #[test]
    fn a_library_or_a_target_of_another_kind_is_not_a_program() {
        let library =
            r#"{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"harness"},"executable":null}"#;
        let test = TEST.replace("e2e\"}", "runner\"}");

        assert_eq!(artifact(library, &FOR_A_RUN), None);
        assert_eq!(artifact(&test, &FOR_A_RUN), None);
        assert_eq!(artifact("not json", &FOR_A_RUN), None);
    }
}
