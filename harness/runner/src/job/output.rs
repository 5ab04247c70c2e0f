//! The output of a step while it runs: lines go to the log, commands among them are obeyed.

use indexmap::IndexMap;

use super::commands::{self, Command};
use super::state::Job;
use super::steps::{Issue, StepLog};

/// The output of a step: lines for the log, and commands among them.
pub(crate) struct Output<'a> {
    pub(crate) job: &'a Job,
    pub(crate) log: &'a mut StepLog,
    pub(crate) outputs: &'a mut IndexMap<String, String>,
    /// After `::stop-commands::TOKEN`, until `::TOKEN::`.
    pub(crate) silenced: Option<String>,
    /// A command that fails the step.
    pub(crate) failure: Option<String>,
}

impl Output<'_> {
    pub(crate) fn line(&mut self, line: &str) {
        let command = commands::parse(line);
        match (&self.silenced, command) {
            (Some(token), Some(command)) if command.name.eq_ignore_ascii_case(token) => self.silenced = None,
            (None, Some(command)) => self.command(command, line),
            _ => self.print(line),
        }
    }

    fn print(&self, line: &str) {
        self.job.reporter.line(&self.log.record, line);
    }

    fn command(&mut self, command: Command, line: &str) {
        match command.name.as_str() {
            "set-output" => {
                if let Some(name) = command.property("name").map(str::to_owned) {
                    self.outputs.insert(name, command.data);
                }
            }
            "add-mask" => {
                // Only a text without anything to hide is refused.
                self.job.masker.learn(&command.data);
            }
            "error" => self.issue("error", command),
            "warning" => self.issue("warning", command),
            "notice" => self.issue("notice", command),
            "debug" => self.print(&format!("##[debug]{}", command.data)),
            "group" => self.print(&format!("##[group]{}", command.data)),
            "endgroup" => self.print("##[endgroup]"),
            "stop-commands" => self.silenced = Some(command.data),
            "set-env" | "add-path" => {
                let file = if command.name == "set-env" {
                    "GITHUB_ENV"
                } else {
                    "GITHUB_PATH"
                };
                let refusal = "command is disabled. Please upgrade to using Environment Files: write to";
                self.failure = Some(format!("The `{}` {refusal} ${file}.", command.name));
            }
            // These have no effect that shows here.
            "save-state" | "echo" | "add-matcher" | "remove-matcher" => {}
            _ => self.print(line),
        }
    }

    fn issue(&mut self, kind: &'static str, command: Command) {
        self.print(&format!("##[{kind}]{}", command.data));
        self.log.issues.push(Issue {
            kind,
            message: self.job.masker.clean(&command.data),
            data: command.properties.into_iter().collect(),
        });
    }
}
