//! A run, seen from the program that hosts the scenarios: which of its four faces it shows.
//!
//! Without a plan it is an ordinary test binary whose trials are ignored (`cargo test` on a fresh clone stays quick). With a plan it is
//! the scenario runner: outside the namespaces the supervisor, inside them the environment. With a plan under `cargo test` it runs itself and
//! shows each check as a trial.

mod capabilities;
mod catalogue;
mod emitter;
mod evidence;
mod first_screen;
mod inside;
pub(crate) mod journal;
mod lifeline;
mod order;
mod provision;
mod retention;
mod schedule;
mod sinks;
mod supervisor;
mod trials;
mod upgrade;

use std::process::ExitCode;

use harness_model::{Exit, LIVE_VARIABLE, PLAN_VARIABLE, Plan};

use crate::Scenario;

pub use catalogue::page as catalogue_page;
pub(crate) use emitter::Emitter;
pub(crate) use evidence::leaks;
pub use first_screen::FirstScreen;
pub use order::ArcParts;
pub(crate) use order::{INSIDE, Order};

/// The scenario runner's `main`: the catalogue, and the arms of an upgrade.
#[must_use]
pub fn main(scenarios: &'static [Scenario], arms: &'static [Scenario]) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(code) = catalogue::answer(&arguments, scenarios) {
        return code;
    }
    if arguments.first().is_some_and(|first| first == order::INSIDE) {
        return exit_code(inside::main(scenarios.iter().chain(arms)));
    }
    let Ok(plan) = std::env::var(PLAN_VARIABLE) else {
        return trials::ignored(scenarios);
    };
    if std::env::var_os(LIVE_VARIABLE).is_some() {
        return trials::live(scenarios, &plan);
    }
    match serde_json::from_str::<Plan>(&plan) {
        Ok(plan) if plan.upgrade.is_some() => upgrade::main(&plan, scenarios, arms),
        Ok(plan) => exit_code(supervisor::main(plan, scenarios)),
        Err(error) => {
            sinks::complain(&format!(
                "{PLAN_VARIABLE} holds no plan: {error}; start runs with `cargo xtask e2e`"
            ));
            exit_code(Exit::Usage)
        }
    }
}

/// `main` of the suite's proof of itself: see [`Defect`](crate::Defect). `first_screens` says what the page must show of their failures.
#[must_use]
pub fn self_proof(scenarios: &'static [Scenario], first_screens: &'static [FirstScreen]) -> ExitCode {
    trials::self_proof(scenarios, first_screens)
}

fn exit_code(exit: Exit) -> ExitCode {
    ExitCode::from(exit.code())
}
