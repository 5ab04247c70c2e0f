//! `--list-checks [--explain]` and `--list-defects`: the catalogue, without any environment.

use std::process::ExitCode;

use crate::{Defect, Scenario};

/// Answers if the arguments ask for a list.
#[expect(clippy::print_stdout, reason = "the answer of a listing verb")]
pub(crate) fn answer(arguments: &[String], scenarios: &[Scenario]) -> Option<ExitCode> {
    match arguments.first()?.as_str() {
        "--list-checks" => {
            let explain = arguments.iter().any(|argument| argument == "--explain");
            for scenario in scenarios {
                print!("{}", entry(&(scenario.check)(), explain));
            }
            Some(ExitCode::SUCCESS)
        }
        "--list-defects" => {
            for defect in Defect::ALL {
                println!(
                    "{:<28} {}: turns {} red",
                    defect.name(),
                    defect.what(),
                    defect.turns_red()
                );
            }
            Some(ExitCode::SUCCESS)
        }
        _ => None,
    }
}

fn entry(check: &harness_model::Check, explain: bool) -> String {
    let needs = check
        .needs
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    let pains = check
        .pains
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    let first = format!(
        "{:<36} {:<8} needs: {needs}\n",
        check.id,
        check.profile.to_string()
    );
    if !explain {
        return first;
    }
    format!(
        "{first}    claim:       {}\n    grounds:     {}\n    not covered: {}\n    pains:       {pains}\n",
        check.claim, check.grounds, check.not_covered
    )
}
