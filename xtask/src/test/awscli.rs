//! The stage that lets the unmodified AWS CLI talk to the mock of AWS: Python and pip are the machine's, the CLI's packages are installed below `target/`.
//!
//! A developer may lack Python; CI installs it before it calls us. Only files whose digests stand in `.ci/awscli.txt` are installed.

use std::process::Command;

use anyhow::Context as _;
use camino::Utf8Path;
use harness_model::AWS_CLI_VARIABLE;

use super::{Stages, succeed};
use crate::programs::cargo;

/// The packages with their digests; a copy among the installed ones tells what is installed.
const REQUIREMENTS: &str = ".ci/awscli.txt";
const INSTALLED: &str = "installed.txt";

/// Installs the CLI if it is not there yet, then runs the test with it.
pub(super) fn stage(stages: &mut Stages<'_>, root: &Utf8Path) -> anyhow::Result<()> {
    if !has_pip() {
        stages.note(
            "mock of AWS with the AWS CLI: not checked, no python3 with pip (on Debian: apt-get install python3-pip)",
        );
        return Ok(());
    }
    let foreground = stages.foreground;
    let folder = root.join("target/awscli");
    stages.step("mock of AWS with the AWS CLI", || {
        let wanted = root.join(REQUIREMENTS);
        let stamp = folder.join(INSTALLED);
        let read = |file: &Utf8Path| std::fs::read(file).ok();
        if read(&stamp).is_none() || read(&stamp) != read(&wanted) {
            if folder.exists() {
                std::fs::remove_dir_all(&folder).with_context(|| format!("remove {folder}"))?;
            }
            let mut pip = Command::new("python3");
            pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
                .args(["--no-deps", "--only-binary", ":all:", "--require-hashes"])
                .args(["--root-user-action", "ignore", "--target", folder.as_str()])
                .args(["-r", wanted.as_str()]);
            succeed("pip install", &mut pip, foreground)?;
            std::fs::copy(&wanted, &stamp).with_context(|| format!("write {stamp}"))?;
        }
        let mut test = cargo(root);
        test.args(["test", "--package", "mock-aws", "--test", "aws_cli"])
            .env(AWS_CLI_VARIABLE, &folder);
        succeed("mock of AWS with the AWS CLI", &mut test, foreground)
    })
}

fn has_pip() -> bool {
    Command::new("python3")
        .args(["-m", "pip", "--version"])
        .output()
        .is_ok_and(|output| output.status.success())
}
