//! The scenario runner: the catalogue, run by the harness. Without a plan its trials are ignored; `cargo xtask e2e` brings one.

use std::process::ExitCode;

fn main() -> ExitCode {
    harness::main(scenarios::CATALOGUE, scenarios::ARMS)
}
