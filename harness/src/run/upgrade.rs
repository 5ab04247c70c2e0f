//! `cargo xtask upgrade`: the suite before, the upgrade itself, the suite after — three runs, each with its own environment and log — and the
//! answer that they give.

use camino::{Utf8Path, Utf8PathBuf};
use harness_model::{Exit, OutputFormat, Plan};
use harness_report::{LOG_FILE, Summary, UPGRADE_RUNS, UpgradeReport, read_log, upgrade_text, write_upgrade};

use super::sinks::{complain, print};
use super::{exit_code, supervisor};
use crate::Scenario;

/// Carries out an upgrade; the exit code is the answer's.
pub(crate) fn main(
    plan: &Plan,
    scenarios: &'static [Scenario],
    arms: &'static [Scenario],
) -> std::process::ExitCode {
    let folder = plan.out.as_ref().map_or_else(
        || {
            Utf8Path::new(&plan.repository)
                .join("target/e2e")
                .join(supervisor::run_id())
        },
        Utf8PathBuf::from,
    );
    let mut summaries = Vec::new();
    for (stage, name) in stages(plan, &folder).into_iter().zip(UPGRADE_RUNS) {
        let scenarios = if stage.upgrade.is_some() { arms } else { scenarios };
        let exit = supervisor::main(stage, scenarios);
        if exit != Exit::Green && exit != Exit::CheckFailed {
            return exit_code(exit);
        }
        match read_log(&folder.join(name).join(LOG_FILE)) {
            Ok(lines) => summaries.push(Summary::fold(&lines)),
            Err(error) => {
                complain(&format!("the run `{name}` left no readable log: {error}"));
                return exit_code(Exit::Harness);
            }
        }
    }
    let Ok([before, change, after]) = <[Summary; 3]>::try_from(summaries) else {
        return exit_code(Exit::Harness);
    };
    let report = UpgradeReport::fold(before, change, after);
    if let Err(error) = write_upgrade(&folder, &report) {
        complain(&format!("the answer cannot be kept: {error}"));
        return exit_code(Exit::Environment);
    }
    if plan.format == OutputFormat::Human {
        print(&format!(
            "\n{}\n  Runs {folder}/{{{}}}\n",
            upgrade_text(&report),
            UPGRADE_RUNS.join(",")
        ));
    }
    std::process::ExitCode::from(report.exit())
}

/// The plans of the three runs.
fn stages(plan: &Plan, folder: &Utf8Path) -> [Plan; 3] {
    let out = |name: &str| Some(folder.join(name).into_string());
    let before = Plan {
        command: format!("cargo xtask e2e --arc {}", plan.arc.trim_start_matches('v')),
        upgrade: None,
        out: out(UPGRADE_RUNS[0]),
        ..plan.clone()
    };
    let change = Plan {
        filters: Vec::new(),
        // The definitions are the whole cluster's: one arm at a time.
        test_threads: Some(1),
        out: out(UPGRADE_RUNS[1]),
        ..plan.clone()
    };
    let upgrade = plan.upgrade.as_ref();
    let to = upgrade.map_or(&plan.arc, |upgrade| &upgrade.to).clone();
    let arc_manager = upgrade.and_then(|upgrade| upgrade.to_manager.clone());
    let arc_chart = upgrade.and_then(|upgrade| upgrade.to_chart.clone());
    let program = match &arc_manager {
        Some(path) => format!("--arc-manager {path}"),
        None => format!("--arc {}", to.trim_start_matches('v')),
    };
    let after = Plan {
        command: format!("cargo xtask e2e {program}"),
        arc: to,
        arc_manager,
        arc_chart,
        upgrade: None,
        out: out(UPGRADE_RUNS[2]),
        ..plan.clone()
    };
    [before, change, after]
}
