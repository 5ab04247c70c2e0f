//! The only command line of the project: `cargo xtask VERB`.
//!
//! Thin: it parses, refuses early what cannot work, builds the programs that a verb needs and becomes one of them.
//! What it is not: nothing here touches a network, a cluster or a GHES.

mod config;
mod e2e;
mod foreground;
mod list;
mod program;
mod programs;
mod refusal;
mod repository;
mod test;
mod tidy;
mod upgrade;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::foreground::Foreground;

/// The GHES integration test harness for actions-runner-controller.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask", arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    E2e(Box<e2e::E2e>),
    Upgrade(Box<upgrade::Upgrade>),
    List(list::List),
    /// The real parts, their origins and pins: `artifacts list`, `artifacts lock [PART…]`
    #[command(disable_help_flag = true)]
    Artifacts(program::Forwarded),
    /// Container images of the real parts, built here with Docker: `images list`, `images build [IMAGE…]`
    #[command(disable_help_flag = true)]
    Images(program::Forwarded),
    /// The mock GHES alone, for other tests: `mock-ghes --listen ADDR [--tls] [--world FILE]`
    #[command(disable_help_flag = true)]
    MockGhes(program::Forwarded),
    /// Render a run again: `report [RUN] [--gate FILE]`; without RUN, the newest
    #[command(disable_help_flag = true)]
    Report(program::Forwarded),
    /// What differs between two runs, on one screen: `diff RUN RUN [--all] [--html FILE]`
    #[command(disable_help_flag = true)]
    Diff(program::Forwarded),
    /// How each check fared over the runs that are kept: `history [--last N]`
    #[command(disable_help_flag = true)]
    History(program::Forwarded),
    /// Finish what killed runs left: end it, remove it, close their records: `reap [RUN] [--all]`
    #[command(disable_help_flag = true)]
    Reap(program::Forwarded),
    /// A shell inside a kept local plane, with KUBECONFIG set
    #[command(disable_help_flag = true)]
    Shell(program::Forwarded),
    /// The file of `e2e --config`
    Config {
        #[command(subcommand)]
        verb: config::Verb,
    },
    /// What an autoscaler will do under an assumed load: `simulate MANIFEST --load FILE --from TIME --for 7d`
    #[command(disable_help_flag = true)]
    Simulate(program::Forwarded),
    /// The suite against ARCs that have one defect each: `mutants [--named] [--sample N --seed S] [--only ID] [--list]`
    #[command(disable_help_flag = true)]
    Mutants(program::Forwarded),
    /// A real GHES: `ghes check` tells what a run would find and make there, `ghes sweep` removes what earlier ones left
    #[command(disable_help_flag = true)]
    Ghes(program::Forwarded),
    /// All tests, what CI runs: style, lints, rules, dependency policy, tests, a whole run, the suite's proof of itself
    Test,
    /// The repository's rules, as code
    Tidy,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            refusal::print(&error);
            ExitCode::from(refusal::exit_of(&error).code())
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    let foreground = Foreground::new()?;
    let root = repository::root()?;
    match &cli.verb {
        Verb::E2e(e2e) => e2e::run(e2e, &root, &foreground),
        Verb::Upgrade(upgrade) => upgrade::run(upgrade, &root, &foreground),
        Verb::List(list) => list::run(list, &root, &foreground),
        Verb::Artifacts(args) => program::harness("artifacts", args, &root, &foreground),
        Verb::Images(args) => program::harness("images", args, &root, &foreground),
        Verb::Report(args) => program::harness("report", args, &root, &foreground),
        Verb::Diff(args) => program::harness("diff", args, &root, &foreground),
        Verb::History(args) => program::harness("history", args, &root, &foreground),
        Verb::Reap(args) => program::harness("reap", args, &root, &foreground),
        Verb::Shell(args) => program::harness("shell", args, &root, &foreground),
        Verb::Simulate(args) => program::harness("simulate", args, &root, &foreground),
        Verb::Mutants(args) => program::mutants(args, &root, &foreground),
        Verb::Ghes(args) => program::harness("ghes", args, &root, &foreground),
        Verb::MockGhes(args) => program::mock_ghes(args, &root, &foreground),
        Verb::Config { verb } => config::run(verb, &root),
        Verb::Test => test::run(&root, &foreground),
        Verb::Tidy => tidy::run(&root),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn forwarded_verbs_pass_on_what_looks_like_flags() {
        let cli = Cli::try_parse_from(["xtask", "mock-ghes", "--listen", "127.0.0.1:0", "--help"])
            .expect("flags of the program must not be taken for ours");

        let Verb::MockGhes(args) = cli.verb else {
            panic!("parsed another verb: {:?}", cli.verb)
        };
        assert_eq!(args.args, ["--listen", "127.0.0.1:0", "--help"]);
    }
}
