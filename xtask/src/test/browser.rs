//! The stage that opens `report.html` in a browser: chromium and node are the machine's, the node package is installed below `target/`.
//!
//! A developer may lack the programs; CI installs them before it calls us. The package is installed from its lock file, without scripts.

use std::process::Command;

use anyhow::Context as _;
use camino::Utf8Path;
use harness_model::BROWSER_VARIABLE;

use super::{Stages, succeed};
use crate::programs::cargo;

/// What must be on the machine.
const PROGRAMS: [&str; 3] = ["chromium", "node", "npm"];
/// The node package: what is installed, from what, and the script that the test starts.
const PACKAGE: [&str; 3] = ["package.json", "package-lock.json", "look.mjs"];
/// npm's own record of what it has installed.
const INSTALLED: &str = "node_modules/.package-lock.json";

/// Installs the node package if it is not there yet, then runs the test with it.
pub(super) fn stage(stages: &mut Stages<'_>, root: &Utf8Path) -> anyhow::Result<()> {
    let missing: Vec<&str> = PROGRAMS.into_iter().filter(|program| !answers(program)).collect();
    if !missing.is_empty() {
        stages.note(&format!(
            "report in a browser: not checked, missing: {} (on Debian: apt-get install chromium nodejs npm)",
            missing.join(", ")
        ));
        return Ok(());
    }
    let foreground = stages.foreground;
    let folder = root.join("target/browser");
    stages.step("report in a browser", || {
        if !lay(&root.join("harness/report/tests/browser"), &folder)? {
            let mut npm = Command::new("npm");
            npm.current_dir(&folder)
                .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
            succeed("npm ci", &mut npm, foreground)?;
        }
        let mut test = cargo(root);
        test.args(["test", "--package", "harness-report", "--test", "browser"])
            .env(BROWSER_VARIABLE, &folder);
        succeed("report in a browser", &mut test, foreground)
    })
}

fn answers(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
}

/// Copies the package's files. True if what they ask for was installed before.
fn lay(package: &Utf8Path, folder: &Utf8Path) -> anyhow::Result<bool> {
    std::fs::create_dir_all(folder).with_context(|| format!("make {folder}"))?;
    let read = |path: &Utf8Path| std::fs::read(path).ok();
    let lock = PACKAGE[1];
    let is_same = read(&package.join(lock)) == read(&folder.join(lock));
    for file in PACKAGE {
        std::fs::copy(package.join(file), folder.join(file))
            .with_context(|| format!("copy {file} to {folder}"))?;
    }
    Ok(is_same && folder.join(INSTALLED).is_file())
}
