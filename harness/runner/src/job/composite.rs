//! Composite actions: inputs in, steps in a scope of their own, outputs out. Other kinds of actions are refused here.

use harness_expressions::{Context, ExpressionError, Value};
use indexmap::IndexMap;

use super::actions::{ActionError, DEEPEST, Manifest, scalar_text};
use super::plan::{ActionName, text_token};
use super::state::{ActionPlace, Job, Scope};
use super::steps::{Conclusion, StepError, StepLog};

impl Job {
    /// Runs an action for a step of `outer`; `environment` is what that step adds.
    pub(crate) async fn run_action(
        &mut self,
        name: &ActionName,
        with: &IndexMap<String, String>,
        outer: &Scope,
        environment: IndexMap<String, String>,
        log: &mut StepLog,
        outputs: &mut IndexMap<String, String>,
    ) -> Result<(), StepError> {
        if outer.depth >= DEEPEST {
            return Err(ActionError::TooDeep(DEEPEST).into());
        }
        let folder = self.action_folder(name, &log.record).await?;
        let manifest = Manifest::read(&folder)?;
        self.reporter.line(&log.record, &format!("##[group]Run {name}"));
        if !with.is_empty() {
            self.reporter.line(&log.record, "with:");
            for (key, value) in with {
                self.reporter.line(&log.record, &format!("  {key}: {value}"));
            }
        }
        self.reporter.line(&log.record, "##[endgroup]");
        if !manifest.is_composite() {
            return Err(StepError::Refused(format!(
                "This runner runs composite actions only; `{name}` is `using: {}`. Use a `run:` step or a composite action.",
                manifest.runs.using
            )));
        }

        let plans = manifest.plans(&folder)?;
        let (repository, git_ref) = match name {
            ActionName::Repository {
                repository, git_ref, ..
            } => (repository.clone(), git_ref.clone()),
            ActionName::Local { .. } => (String::new(), String::new()),
        };
        let mut scope = Scope {
            inputs: Some(inputs(&manifest, with, &self.context(outer, &environment))?),
            environment: outer
                .environment
                .iter()
                .map(|(name, value)| (name.clone(), value.clone()))
                .chain(environment)
                .collect(),
            action: Some(ActionPlace {
                folder,
                repository,
                git_ref,
            }),
            depth: outer.depth + 1,
            ..Scope::default()
        };
        let mut end = Conclusion::Success;
        for plan in &plans {
            // A step may hold an action again, whose future would be infinitely large.
            let step = Box::pin(self.perform(plan, &mut scope, log)).await;
            if matches!(step.conclusion, Conclusion::Failure | Conclusion::Cancelled) {
                end = step.conclusion;
            }
        }
        let context = self.context(&scope, &IndexMap::new());
        for (name, output) in &manifest.outputs {
            let value = text_token(output.value.as_deref().unwrap_or_default())?.resolve(&context)?;
            outputs.insert(name.clone(), value.to_string());
        }
        match end {
            Conclusion::Failure => Err(StepError::Refused(
                "A step of the composite action failed.".to_owned(),
            )),
            Conclusion::Cancelled => Err(StepError::Cancelled),
            Conclusion::Success | Conclusion::Skipped => Ok(()),
        }
    }
}

/// What is given, and the defaults of what is not.
fn inputs(
    manifest: &Manifest,
    with: &IndexMap<String, String>,
    context: &Context,
) -> Result<Value, ExpressionError> {
    let mut inputs: IndexMap<String, Value> = IndexMap::new();
    for (name, input) in &manifest.inputs {
        let given = with
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.clone());
        let value = match (given, input.as_ref().and_then(|input| input.default.as_ref())) {
            (Some(given), _) => Value::from(given),
            (None, Some(default)) => text_token(&scalar_text(default))?
                .resolve(context)?
                .to_string()
                .into(),
            (None, None) => Value::from(""),
        };
        inputs.insert(name.clone(), value);
    }
    Ok(Value::Object(inputs))
}
