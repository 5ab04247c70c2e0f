//! The frame around the steps: "Set up job", the steps with their records, "Complete job", and the outputs.

use harness_expressions::{ExpressionError, Status};
use indexmap::IndexMap;
use serde_json::{Value, json};
use uuid::Uuid;

use super::TaskResult;
use super::message::{JobMessage, Token};
use super::plan::StepPlan;
use super::process::end_orphans;
use super::reporter::now;
use super::state::{Job, Scope};
use super::steps::{Conclusion, Issue, StepError, StepLog};
use crate::VERSION;

/// A server shows at most this many annotations of a kind for a step.
const MOST_ISSUES: usize = 10;

/// A step with its record.
struct MainStep {
    id: String,
    plan: StepPlan,
}

impl Job {
    /// Runs the whole job; yields its result and outputs. Everything else has gone to the reporter.
    pub(crate) async fn execute(
        mut self,
        message: &mut JobMessage,
    ) -> (TaskResult, IndexMap<String, String>) {
        let (set_up, complete) = (Uuid::new_v4().to_string(), Uuid::new_v4().to_string());
        let steps: Vec<MainStep> = std::mem::take(&mut message.steps)
            .into_iter()
            .map(|step| MainStep {
                id: step.id.clone(),
                plan: StepPlan::from_message(step),
            })
            .collect();
        let job_id = self.service.job_id.clone();
        self.reporter.record(
            &job_id,
            json!({
                "parentId": null, "type": "Job", "name": message.job_display_name, "refName": message.job_name,
                "state": "inProgress", "startTime": now(), "workerName": self.settings.name, "attempt": 1,
            }),
        );
        self.begin(&set_up, 1, "Set up job", "");
        self.reporter.flush();

        let mut scope = Scope::default();
        let mut log = StepLog::new(&set_up);
        let ready = match self.set_up(message, &steps, &mut log).await {
            Ok(()) => true,
            Err(error) => {
                self.error(&mut log, &error.to_string());
                self.status = Status::Failure;
                false
            }
        };
        self.end(
            &log,
            if ready {
                Conclusion::Success
            } else {
                Conclusion::Failure
            },
        );

        if ready {
            for (step, order) in steps.iter().zip(2..) {
                self.pend(step, order, &scope);
            }
            for (step, order) in steps.iter().zip(2..) {
                let name = self.display_name(&step.plan, &scope);
                self.begin(&step.id, order, &name, &step.plan.context_name);
                let mut log = StepLog::new(&step.id);
                let ended = self.perform(&step.plan, &mut scope, &mut log).await;
                self.end(&log, ended.conclusion);
            }
        }

        self.begin(&complete, steps.len() + 2, "Complete job", "");
        let mut log = StepLog::new(&complete);
        let outputs = self.finish(message, &scope, &mut log).await;
        let conclusion = if log.issues.iter().any(|issue| issue.kind == "error") {
            Conclusion::Failure
        } else {
            Conclusion::Success
        };
        self.end(&log, conclusion);
        let result = self.result();
        self.reporter.record(
            &job_id,
            json!({"state": "completed", "result": result.text(), "finishTime": now(), "percentComplete": 100}),
        );
        (result, outputs)
    }

    fn result(&self) -> TaskResult {
        match self.status {
            Status::Success => TaskResult::Succeeded,
            Status::Failure => TaskResult::Failed,
            Status::Cancelled if self.cancellation.is_shutdown() => TaskResult::Failed,
            Status::Cancelled => TaskResult::Canceled,
        }
    }

    /// Folders, environment and actions; nothing of the workflow runs yet, except for the hook of the image.
    async fn set_up(
        &mut self,
        message: &JobMessage,
        steps: &[MainStep],
        log: &mut StepLog,
    ) -> Result<(), StepError> {
        let record = log.record.clone();
        let group = message
            .variables
            .get("system.runnerGroupName")
            .map_or("Default", |group| &group.value);
        self.reporter
            .line(&record, &format!("Current runner version: '{VERSION}'"));
        self.reporter
            .line(&record, &format!("Runner name: '{}'", self.settings.name));
        self.reporter
            .line(&record, &format!("Runner group name: '{group}'"));
        if !message.job_container.is_null() || !message.job_service_containers.is_null() {
            return Err(StepError::Refused(
                "This runner has no container engine, so it cannot run a job with `container:` or `services:`."
                    .to_owned(),
            ));
        }

        self.reporter.line(&record, "Prepare workflow directory");
        self.make_folders().map_err(|source| StepError::System {
            what: "prepare the workflow directory".to_owned(),
            source,
        })?;
        for token in &message.environment_variables {
            let context = self.context(&Scope::default(), &IndexMap::new());
            self.environment.extend(token.resolve_texts(&context)?);
        }
        self.reporter.line(&record, "Prepare all required actions");
        let plans: Vec<&StepPlan> = steps.iter().map(|step| &step.plan).collect();
        self.prepare_actions(&plans, &record).await?;
        if let Some(hook) = self.settings.job_started_hook.clone() {
            self.reporter.line(
                &record,
                &format!(
                    "A job started hook has been configured by the self-hosted runner administrator: {hook}"
                ),
            );
            self.run_hook(&hook, log).await?;
        }
        self.reporter.line(
            &record,
            &format!("Complete job name: {}", message.job_display_name),
        );
        Ok(())
    }

    fn make_folders(&self) -> std::io::Result<()> {
        match fs_err::remove_dir_all(&self.folders.temp) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let event = self.folders.event();
        let parent = event.parent().unwrap_or(&self.folders.temp);
        for folder in [
            &self.folders.temp,
            &self.folders.actions,
            &self.folders.tools,
            &self.folders.workspace,
        ] {
            fs_err::create_dir_all(folder)?;
        }
        fs_err::create_dir_all(parent)?;
        let content = self.github.get("event").cloned().unwrap_or_default();
        fs_err::write(&event, format!("{:#}\n", Value::from(content)))
    }

    /// Hooks, orphans, outputs.
    async fn finish(
        &mut self,
        message: &JobMessage,
        scope: &Scope,
        log: &mut StepLog,
    ) -> IndexMap<String, String> {
        if self.cancellation.is_shutdown() {
            self.error(log, "The runner has received a shutdown signal. This can happen when the runner service is stopped, or a manually started runner is canceled.");
        }
        if let Some(hook) = self.settings.job_completed_hook.clone() {
            self.reporter.line(
                &log.record,
                &format!(
                    "A job completed hook has been configured by the self-hosted runner administrator: {hook}"
                ),
            );
            if let Err(error) = self.run_hook(&hook, log).await {
                self.error(log, &error.to_string());
                self.status = Status::Failure;
            }
        }
        let outputs = match self.outputs(&message.job_outputs, scope) {
            Ok(outputs) => outputs,
            Err(error) => {
                self.error(log, &format!("The template is not valid. {error}"));
                self.status = Status::Failure;
                IndexMap::new()
            }
        };
        self.reporter.line(&log.record, "Cleaning up orphan processes");
        for line in end_orphans(&self.tracking_id) {
            self.reporter.line(&log.record, &line);
        }
        self.kept(outputs, log)
    }

    fn outputs(&self, outputs: &Token, scope: &Scope) -> Result<IndexMap<String, String>, ExpressionError> {
        outputs.resolve_texts(&self.context(scope, &IndexMap::new()))
    }

    /// Empty outputs, and those with a secret in them, do not leave the runner.
    fn kept(&self, outputs: IndexMap<String, String>, log: &mut StepLog) -> IndexMap<String, String> {
        outputs
            .into_iter()
            .filter(|(name, value)| {
                let secret = self.masker.finds_secret(value);
                if secret {
                    let message = format!("Skip output '{name}' since it may contain secret.");
                    self.reporter.line(&log.record, &format!("##[warning]{message}"));
                    log.issues.push(Issue {
                        kind: "warning",
                        message,
                        data: IndexMap::new(),
                    });
                }
                !value.is_empty() && !secret
            })
            .collect()
    }

    /// A name that cannot be evaluated yet is told again when the step starts.
    fn display_name(&self, plan: &StepPlan, scope: &Scope) -> String {
        let context = self.context(scope, &IndexMap::new());
        let name = if plan.name.is_null() {
            plan.default_name()
        } else {
            plan.name.clone()
        };
        let name = name
            .resolve(&context)
            .map_or_else(|_| "Run".to_owned(), |name| name.to_string());
        self.masker.clean(name.trim().lines().next().unwrap_or_default())
    }

    fn pend(&self, step: &MainStep, order: usize, scope: &Scope) {
        let name = self.display_name(&step.plan, scope);
        let mut record = self.record(order, &name, &step.plan.context_name);
        record["state"] = "pending".into();
        self.reporter.record(&step.id, record);
    }

    fn begin(&self, id: &str, order: usize, name: &str, reference: &str) {
        let mut record = self.record(order, name, reference);
        record["state"] = "inProgress".into();
        record["startTime"] = now().into();
        self.reporter.record(id, record);
    }

    fn record(&self, order: usize, name: &str, reference: &str) -> Value {
        json!({
            "parentId": self.service.job_id, "type": "Task", "name": name, "refName": reference, "order": order,
            "workerName": self.settings.name, "attempt": 1,
        })
    }

    fn end(&self, log: &StepLog, conclusion: Conclusion) {
        self.reporter.close_log(&log.record);
        let result = match conclusion {
            Conclusion::Success => TaskResult::Succeeded,
            Conclusion::Failure => TaskResult::Failed,
            Conclusion::Cancelled => TaskResult::Canceled,
            Conclusion::Skipped => TaskResult::Skipped,
        };
        let count = |kind| log.issues.iter().filter(|issue| issue.kind == kind).count();
        let issues: Vec<Value> = ["error", "warning", "notice"]
            .iter()
            .flat_map(|kind| log.issues.iter().filter(move |issue| issue.kind == *kind).take(MOST_ISSUES))
            .map(|issue| json!({"type": issue.kind, "category": "", "message": issue.message, "data": issue.data}))
            .collect();
        self.reporter.record(
            &log.record,
            json!({
                "state": "completed", "result": result.text(), "finishTime": now(), "percentComplete": 100,
                "errorCount": count("error"), "warningCount": count("warning"), "noticeCount": count("notice"),
                "issues": issues,
            }),
        );
    }
}
