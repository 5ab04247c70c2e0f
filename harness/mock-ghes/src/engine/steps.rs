//! Steps as the job message has them (runner protocol, steps): all but the ids, which belong to a delivery.

use std::collections::BTreeSet;

use github_actions_models::common::Uses;
use github_actions_models::common::expr::{BoE, LoE};
use github_actions_models::workflow::job::{RunStep, SharedStepFields, Step, UsesStep};
use harness_expressions::ExpressionError;
use serde_json::{Map, Value as Json, json};

use super::job::condition;
use super::tokens;
use super::workflow::Mistake;

/// One step, ready but for its id.
#[derive(Debug)]
pub(super) struct StepTemplate {
    /// The step object without `id`.
    pub(super) message: Map<String, Json>,
}

pub(super) fn templates(job: &str, steps: &[Step]) -> Result<Vec<StepTemplate>, Mistake> {
    if steps.is_empty() {
        return Err(Mistake::new(
            &["jobs", job, "steps"],
            "a job needs at least one step",
        ));
    }
    let mut names = ContextNames::reserve(job, steps)?;
    steps
        .iter()
        .enumerate()
        .map(|(index, step)| {
            let at = |error: ExpressionError| {
                Mistake::new(&["jobs", job, "steps", &index.to_string()], error.to_string())
            };
            match step {
                Step::Run(step) => run(step, &mut names).map_err(at),
                Step::Uses(step) => uses(step, &mut names).map_err(at),
                _ => Err(newer(job, index)),
            }
        })
        .collect()
}

/// `wait`, `cancel`, `parallel`, `background` are younger than GHES 3.9.
fn newer(job: &str, index: usize) -> Mistake {
    let at = ["jobs", job, "steps", &index.to_string()];
    Mistake::new(
        &at,
        "a step must have either `run` or `uses`; background steps are newer than GitHub Enterprise Server 3.9",
    )
}

fn shared(step: &Step) -> Option<&SharedStepFields> {
    match step {
        Step::Run(step) => Some(&step.shared),
        Step::Uses(step) => Some(&step.shared),
        _ => None,
    }
}

fn run(step: &RunStep, names: &mut ContextNames) -> Result<StepTemplate, ExpressionError> {
    let mut inputs = vec![(tokens::literal("script"), tokens::text(&step.run)?)];
    if let Some(shell) = &step.shell {
        let shell = match shell {
            LoE::Expr(expression) => expression.as_raw(),
            LoE::Literal(shell) => shell,
        };
        inputs.push((tokens::literal("shell"), tokens::text(shell)?));
    }
    if let Some(directory) = &step.working_directory {
        inputs.push((tokens::literal("workingDirectory"), tokens::text(directory)?));
    }
    let name = names.name(step.shared.id.as_deref(), "run");
    template(
        &name,
        &step.shared,
        json!({"type": "script"}),
        tokens::mapping(inputs),
    )
}

fn uses(step: &UsesStep, names: &mut ContextNames) -> Result<StepTemplate, ExpressionError> {
    let (reference, stem) = match &step.uses {
        Uses::Repository(action) => {
            let mut reference = json!({
                "type": "repository",
                "name": action.slug(),
                "ref": action.git_ref(),
                "repositoryType": "GitHub",
            });
            if let Some(path) = action.subpath() {
                reference["path"] = path.into();
            }
            (reference, action.slug())
        }
        Uses::Local(action) => (
            json!({"type": "repository", "repositoryType": "self", "path": action.raw()}),
            "self",
        ),
        Uses::Docker(image) => (
            json!({"type": "containerRegistry", "image": image.raw()}),
            image.raw(),
        ),
    };
    let inputs = tokens::environment(&step.with)?.unwrap_or_else(|| tokens::mapping([]));
    let name = names.name(step.shared.id.as_deref(), stem);
    template(&name, &step.shared, reference, inputs)
}

fn template(
    context_name: &str,
    step: &SharedStepFields,
    reference: Json,
    inputs: Json,
) -> Result<StepTemplate, ExpressionError> {
    let mut message = Map::new();
    message.insert("type".to_owned(), "action".into());
    message.insert("name".to_owned(), context_name.into());
    message.insert("contextName".to_owned(), context_name.into());
    message.insert("condition".to_owned(), condition(step.r#if.as_ref())?.into());
    message.insert("reference".to_owned(), reference);
    if let Some(name) = &step.name {
        message.insert("displayNameToken".to_owned(), tokens::text(name)?);
    }
    message.insert("inputs".to_owned(), inputs);
    if let Some(environment) = tokens::environment(&step.env)? {
        message.insert("environment".to_owned(), environment);
    }
    match &step.continue_on_error {
        BoE::Literal(false) => {}
        BoE::Literal(true) => {
            message.insert("continueOnError".to_owned(), true.into());
        }
        BoE::Expr(expression) => {
            message.insert("continueOnError".to_owned(), tokens::text(expression.as_raw())?);
        }
    }
    match &step.timeout_minutes {
        None => {}
        Some(LoE::Literal(minutes)) => {
            message.insert(
                "timeoutInMinutes".to_owned(),
                harness_expressions::Value::Number(minutes.floor()).into(),
            );
        }
        Some(LoE::Expr(expression)) => {
            message.insert("timeoutInMinutes".to_owned(), tokens::text(expression.as_raw())?);
        }
    }
    Ok(StepTemplate { message })
}

/// Names by which `steps.NAME` finds a step: the given ids, and generated ones that begin with `__`.
struct ContextNames {
    taken: BTreeSet<String>,
}

impl ContextNames {
    /// Given ids come first, so that a generated name never takes one.
    fn reserve(job: &str, steps: &[Step]) -> Result<Self, Mistake> {
        let mut taken = BTreeSet::new();
        for (index, step) in steps.iter().enumerate() {
            let Some(fields) = shared(step) else { continue };
            let at = ["jobs", job, "steps", &index.to_string()];
            if fields.background {
                return Err(newer(job, index));
            }
            let Some(id) = &fields.id else { continue };
            if !is_legal(id) {
                let rule = "must start with a letter or _, not with __, and hold letters, digits, - and _";
                return Err(Mistake::new(&at, format!("the step id '{id}' {rule}")));
            }
            if !taken.insert(id.to_lowercase()) {
                return Err(Mistake::new(
                    &at,
                    format!("the step id '{id}' is not unique in its job"),
                ));
            }
        }
        Ok(Self { taken })
    }

    fn name(&mut self, id: Option<&str>, stem: &str) -> String {
        if let Some(id) = id {
            return id.to_owned();
        }
        let legal = |c: char| {
            if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') {
                c
            } else {
                '_'
            }
        };
        let stem: String = stem.chars().map(legal).collect();
        let first = format!("__{stem}");
        let mut name = first.clone();
        let mut count = 1;
        while !self.taken.insert(name.to_lowercase()) {
            count += 1;
            name = format!("{first}_{count}");
        }
        name
    }
}

fn is_legal(id: &str) -> bool {
    !id.starts_with("__")
        && id.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && id
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}
