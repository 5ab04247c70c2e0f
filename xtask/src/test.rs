//! `cargo xtask test`: everything that CI runs, cheapest first.
//!
//! The stages that bring up a whole environment come last and run through `cargo test`, so the last lines are its `test result:`.

mod awscli;
mod browser;

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;
use camino::Utf8Path;
use harness_model::{LIVE_VARIABLE, PLAN_VARIABLE, PROGRAM_VARIABLE};

use crate::foreground::Foreground;
use crate::programs::{self, FOR_A_RUN, Program, cargo};
use crate::refusal::Refusal;
use crate::{e2e, program, tidy};

/// A few of the mutants, some with names and some that the operators make: enough to see that they are built, run and noticed.
const MUTANTS: [&[&str]; 2] = [
    &["--named", "--shard", "8/10"],
    &["--file", "autoscaling.go", "--sample", "3", "--seed", "4"],
];

/// Runs the stages; the first that fails ends it with exit 1.
pub(crate) fn run(root: &Utf8Path, foreground: &Foreground) -> anyhow::Result<()> {
    let mut stages = Stages {
        foreground,
        done: Vec::new(),
    };
    stages.command("format", cargo(root).args(["fmt", "--all", "--check"]))?;
    stages.step("tidy", || tidy::run(root))?;
    stages.command(
        "clippy",
        cargo(root).args([
            "clippy",
            "--quiet",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]),
    )?;
    dependency_policy(&mut stages, root)?;
    stages.command(
        "unit and integration tests",
        cargo(root).args(["test", "--workspace"]),
    )?;
    awscli::stage(&mut stages, root)?;
    browser::stage(&mut stages, root)?;
    live(&mut stages, root)
}

/// Licences, sources, bans. A developer may lack the tool; CI installs it before it calls us.
fn dependency_policy(stages: &mut Stages<'_>, root: &Utf8Path) -> anyhow::Result<()> {
    let installed = cargo(root)
        .args(["deny", "--version"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !installed {
        stages.note(
            "dependency policy: not checked, cargo-deny is not installed (cargo install --locked cargo-deny)",
        );
        return Ok(());
    }
    // Advisories are left out: they need a clone of a database, and a verdict that changes by the day is no test of a commit.
    stages.command(
        "dependency policy",
        cargo(root).args(["deny", "check", "bans", "licenses", "sources"]),
    )
}

/// A whole run as a user has it, what the README tells to type, then the self-proof: a run per seeded defect, each of which must turn its check red.
fn live(stages: &mut Stages<'_>, root: &Utf8Path) -> anyhow::Result<()> {
    let foreground = stages.foreground;
    let mut prepared = None;
    stages.step("build the programs of a run", || {
        let built = programs::build(&FOR_A_RUN, false, root, foreground)?;
        prepared = Some((e2e::to_json(&e2e::default_plan(root, &built)?)?, built));
        Ok(())
    })?;
    let (plan, built) = prepared.context("the build said nothing")?;
    let scenario_runner = built.path(Program::ScenarioRunner)?;
    let live_test = |name: &str| {
        let mut command = cargo(root);
        command
            .args(["test", "--workspace", "--test", name])
            .env(PLAN_VARIABLE, &plan)
            .env(PROGRAM_VARIABLE, scenario_runner)
            .env(LIVE_VARIABLE, "1");
        command
    };
    stages.command("end to end", &mut live_test("e2e"))?;
    stages.command("lifecycle", &mut live_test("lifecycle"))?;
    stages.command("killed runs", &mut live_test("reap"))?;
    stages.command("the README's journeys", &mut live_test("readme"))?;
    stages.command("upgrade", &mut live_test("upgrade"))?;
    stages.command("differential", &mut live_test("differential"))?;
    stages.step("mutants", || {
        MUTANTS.iter().try_for_each(|flags| {
            let mut command = program::mutants_command(root, &built)?;
            succeed("mutants", command.args(*flags), foreground)
        })
    })?;
    stages.last("self-proof", &mut live_test("self_proof"))
}

struct Stages<'a> {
    foreground: &'a Foreground,
    done: Vec<(&'static str, Duration)>,
}

#[expect(
    clippy::print_stdout,
    reason = "tells which stage runs and how long each took"
)]
impl Stages<'_> {
    fn command(&mut self, name: &'static str, command: &mut Command) -> anyhow::Result<()> {
        let foreground = self.foreground;
        self.step(name, || succeed(name, command, foreground))
    }

    fn step(&mut self, name: &'static str, step: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
        println!("── {name}");
        let start = Instant::now();
        step()?;
        let took = start.elapsed();
        println!("── {name}: ok in {:.1} s", took.as_secs_f64());
        self.done.push((name, took));
        Ok(())
    }

    /// The summary comes before the last stage, so that the last lines are that stage's own.
    fn last(&mut self, name: &'static str, command: &mut Command) -> anyhow::Result<()> {
        let total: Duration = self.done.iter().map(|(_, took)| *took).sum();
        for (name, took) in &self.done {
            println!("{:>8.1} s  {name}", took.as_secs_f64());
        }
        println!("{:>8.1} s  so far; last: {name}", total.as_secs_f64());
        succeed(name, command, self.foreground)
    }

    fn note(&mut self, text: &str) {
        println!("── {text}");
    }
}

fn succeed(name: &str, command: &mut Command, foreground: &Foreground) -> anyhow::Result<()> {
    let status = foreground.run(command)?;
    if status.success() {
        Ok(())
    } else {
        Err(Refusal::failed(format!("{name} failed ({status}): see above")).into())
    }
}
