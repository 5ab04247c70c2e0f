//! Running one step: its condition, environment, action, result. Composite actions come back here for their own steps.

use std::time::Duration;

use harness_expressions::{ExpressionError, Status, Value, condition};
use indexmap::IndexMap;

use super::actions::ActionError;
use super::message::Token;
use super::plan::{Action, StepPlan};
use super::process::Ended;
use super::script::{Script, Surroundings};
use super::state::{Job, Scope};

/// How a step ended, as the `steps` context says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conclusion {
    Success,
    Failure,
    Cancelled,
    Skipped,
}

impl Conclusion {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
        }
    }
}

/// A step did not do what it should; `Display` is what its log says.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    #[error("The template is not valid. {0}")]
    Expression(#[from] ExpressionError),
    #[error(transparent)]
    Action(#[from] ActionError),
    #[error("Process completed with exit code {0}.")]
    Exit(i32),
    #[error("The action has timed out.")]
    TimedOut,
    #[error("The operation was canceled.")]
    Cancelled,
    #[error("{0}")]
    Refused(String),
    #[error("Unable to process file command '{file}' successfully. {source}")]
    FileCommand {
        file: &'static str,
        source: super::files::FileCommandError,
    },
    #[error("{what}: {source}")]
    System { what: String, source: std::io::Error },
}

/// What a step says and yields while it runs.
pub(crate) struct StepLog {
    /// The record whose log the lines go to: for steps of a composite action, that of the outer step.
    pub(crate) record: String,
    pub(crate) issues: Vec<Issue>,
}

/// An annotation.
pub(crate) struct Issue {
    /// `error`, `warning` or `notice`.
    pub(crate) kind: &'static str,
    pub(crate) message: String,
    pub(crate) data: IndexMap<String, String>,
}

impl StepLog {
    pub(crate) fn new(record: &str) -> Self {
        Self {
            record: record.to_owned(),
            issues: Vec::new(),
        }
    }
}

/// A step that has ended.
pub(crate) struct StepEnd {
    pub(crate) conclusion: Conclusion,
}

impl Job {
    /// Runs a step, with everything that belongs to it, and notes its result in the scope.
    pub(crate) async fn perform(&mut self, plan: &StepPlan, scope: &mut Scope, log: &mut StepLog) -> StepEnd {
        if self.cancellation.is_cancelled() {
            self.status = Status::Cancelled;
        }
        let mut outputs = IndexMap::new();
        let outcome = match self.attempt(plan, scope, log, &mut outputs).await {
            Ok(None) => Conclusion::Skipped,
            Ok(Some(())) => Conclusion::Success,
            Err(error) => {
                self.error(log, &error.to_string());
                match error {
                    StepError::Cancelled => Conclusion::Cancelled,
                    _ => Conclusion::Failure,
                }
            }
        };
        let conclusion = match outcome {
            Conclusion::Failure if self.forgives(plan, scope, log) => Conclusion::Success,
            outcome => outcome,
        };
        match conclusion {
            Conclusion::Failure => {
                scope.failed = true;
                // The job itself fails through the step at its own level.
                if scope.action.is_none() && self.status == Status::Success {
                    self.status = Status::Failure;
                }
            }
            Conclusion::Cancelled => self.status = Status::Cancelled,
            Conclusion::Success | Conclusion::Skipped => {}
        }
        if !plan.context_name.is_empty() {
            let outputs: Value = outputs.into_iter().collect();
            let entry = [
                ("outputs", outputs),
                ("outcome", outcome.text().into()),
                ("conclusion", conclusion.text().into()),
            ];
            scope
                .steps
                .insert(plan.context_name.clone(), entry.into_iter().collect());
        }
        StepEnd { conclusion }
    }

    /// `None`: skipped by its condition.
    async fn attempt(
        &mut self,
        plan: &StepPlan,
        scope: &mut Scope,
        log: &mut StepLog,
        outputs: &mut IndexMap<String, String>,
    ) -> Result<Option<()>, StepError> {
        let own = plan
            .environment
            .resolve_texts(&self.context(scope, &IndexMap::new()))?;
        let context = self.context(scope, &own);
        if !condition(&plan.condition, &context)? {
            return Ok(None);
        }
        let limit = match plan.timeout_minutes.resolve(&context)? {
            Value::Null => None,
            minutes => Some(minutes.to_number()).filter(|minutes| *minutes > 0.0),
        };
        let limit = limit.and_then(|minutes| Duration::try_from_secs_f64(minutes * 60.0).ok());
        match &plan.action {
            Action::Run {
                script,
                shell,
                working_directory,
            } => {
                let text = |token: &Token| match token.resolve(&context)? {
                    Value::Null => Ok::<_, ExpressionError>(None),
                    value => Ok(Some(value.to_string()).filter(|text| !text.is_empty())),
                };
                let script = Script {
                    text: script.resolve(&context)?.to_string(),
                    shell: text(shell)?.or_else(|| self.default_for("shell", &context)),
                    working_directory: text(working_directory)?
                        .or_else(|| self.default_for("working-directory", &context)),
                };
                let around = Surroundings {
                    name: &plan.context_name,
                    scope,
                    own: &own,
                };
                match self.run_script(&script, &around, log, outputs, limit).await? {
                    Ended::Exited(0) => Ok(Some(())),
                    Ended::Exited(code) => Err(StepError::Exit(code)),
                    Ended::TimedOut => Err(StepError::TimedOut),
                    Ended::Cancelled => Err(StepError::Cancelled),
                }
            }
            Action::Uses { action, with } => {
                let with = with.resolve_texts(&context)?;
                let run = self.run_action(action, &with, scope, own, log, outputs);
                match limit {
                    None => run.await?,
                    // The future is dropped, and with it the process group that it runs.
                    Some(limit) => tokio::time::timeout(limit, run)
                        .await
                        .map_err(|_| StepError::TimedOut)??,
                }
                Ok(Some(()))
            }
            Action::Container { image } => Err(StepError::Refused(format!(
                "This runner has no container engine, so it cannot run the Docker action `{image}`. Use a `run:` step or a composite action."
            ))),
        }
    }

    /// `continue-on-error`.
    fn forgives(&self, plan: &StepPlan, scope: &Scope, log: &mut StepLog) -> bool {
        match plan
            .continue_on_error
            .resolve(&self.context(scope, &IndexMap::new()))
        {
            // An action file says it as text.
            Ok(Value::String(text)) => text == "true",
            Ok(value) => value.is_truthy(),
            Err(error) => {
                self.error(log, &format!("The template is not valid. {error}"));
                false
            }
        }
    }

    /// An error in the log, and as an annotation.
    pub(crate) fn error(&self, log: &mut StepLog, message: &str) {
        self.reporter.line(&log.record, &format!("##[error]{message}"));
        log.issues.push(Issue {
            kind: "error",
            message: self.masker.clean(message),
            data: IndexMap::new(),
        });
    }
}
