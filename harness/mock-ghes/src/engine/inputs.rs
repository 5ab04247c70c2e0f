//! The inputs of a manual run: what a workflow declares and what a dispatch may carry.

use github_actions_models::workflow::event::{OptionalBody, WorkflowDispatch, WorkflowDispatchInputType};
use harness_expressions::Value;
use indexmap::IndexMap;
use serde_json::Value as Json;

use super::{InputError, Workflow};

/// GitHub Enterprise Server 3.9 takes no more.
pub(super) const MAX_INPUTS: usize = 10;

/// The inputs of a workflow that can be dispatched, in the file's order; often none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DispatchInputs {
    /// By name.
    pub inputs: IndexMap<String, DispatchInput>,
}

/// One declared input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DispatchInput {
    /// What people read in the form.
    pub description: Option<String>,
    /// Whether a dispatch must give it, unless there is a default.
    pub required: bool,
    /// Taken when it is not given; written as a string.
    pub default: Option<String>,
    /// What it holds.
    pub kind: InputKind,
}

/// What an input holds. On the wire all are strings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputKind {
    /// Any text.
    String,
    /// `true` or `false`.
    Boolean,
    /// A number.
    Number,
    /// One of these.
    Choice(Vec<String>),
    /// The name of an environment.
    Environment,
}

impl DispatchInputs {
    /// `None` if the trigger is not there. The model leaves defaults out, so they come from the file's tree.
    pub(super) fn read(trigger: &OptionalBody<WorkflowDispatch>, tree: &Json) -> Option<Self> {
        let declared = match trigger {
            OptionalBody::Missing => return None,
            OptionalBody::Default => return Some(Self::default()),
            OptionalBody::Body(body) => &body.inputs,
        };
        let inputs = declared.iter().map(|(name, input)| {
            let default = &tree["on"]["workflow_dispatch"]["inputs"][name]["default"];
            let kind = match input.r#type {
                WorkflowDispatchInputType::Boolean => InputKind::Boolean,
                WorkflowDispatchInputType::Choice => {
                    InputKind::Choice(input.options.iter().map(ToString::to_string).collect())
                }
                WorkflowDispatchInputType::Environment => InputKind::Environment,
                WorkflowDispatchInputType::Number => InputKind::Number,
                WorkflowDispatchInputType::String => InputKind::String,
            };
            let input = DispatchInput {
                description: input.description.clone(),
                required: input.required,
                default: (!default.is_null()).then(|| Value::from(default.clone()).to_string()),
                kind,
            };
            (name.clone(), input)
        });
        Some(Self {
            inputs: inputs.collect(),
        })
    }
}

/// Checks a dispatch's inputs against the workflow and fills in defaults, in the order of the file.
///
/// # Errors
/// [`InputError`], whose text is GitHub's for the 422.
pub fn check_inputs(
    workflow: &Workflow,
    given: &IndexMap<String, String>,
) -> Result<IndexMap<String, String>, InputError> {
    let declared = &workflow.dispatch().ok_or(InputError::NoTrigger)?.inputs;
    let names: Vec<String> = given
        .keys()
        .filter(|name| !declared.contains_key(*name))
        .cloned()
        .collect();
    if !names.is_empty() {
        return Err(InputError::Unexpected { names });
    }
    declared
        .iter()
        .map(|(name, input)| Ok((name.clone(), value_of(name, input, given.get(name))?)))
        .collect()
}

fn value_of(name: &str, input: &DispatchInput, given: Option<&String>) -> Result<String, InputError> {
    let Some(value) = given.or(input.default.as_ref()) else {
        return match input.kind {
            _ if input.required => Err(InputError::Required {
                name: name.to_owned(),
            }),
            InputKind::Boolean => Ok("false".to_owned()),
            _ => Ok(String::new()),
        };
    };
    let is_allowed = match &input.kind {
        InputKind::Choice(options) => options.contains(value),
        InputKind::Boolean => matches!(value.as_str(), "true" | "false"),
        InputKind::String | InputKind::Number | InputKind::Environment => true,
    };
    if !is_allowed {
        return Err(InputError::NotAllowed {
            name: name.to_owned(),
            value: value.clone(),
        });
    }
    if input.required && value.is_empty() {
        return Err(InputError::Required {
            name: name.to_owned(),
        });
    }
    Ok(value.clone())
}

/// The `inputs` context: booleans and numbers as such. Null for runs that were not dispatched.
pub(super) fn inputs_context(workflow: &Workflow, inputs: &IndexMap<String, String>) -> Json {
    let Some(declared) = workflow.dispatch().filter(|_| !inputs.is_empty()) else {
        return Json::Null;
    };
    inputs
        .iter()
        .map(|(name, value)| {
            let typed = match declared.inputs.get(name).map(|input| &input.kind) {
                Some(InputKind::Boolean) => Json::Bool(value == "true"),
                Some(InputKind::Number) => value
                    .parse::<f64>()
                    .map_or(Json::from(value.as_str()), |number| Value::Number(number).into()),
                _ => Json::from(value.as_str()),
            };
            (name.clone(), typed)
        })
        .collect::<serde_json::Map<_, _>>()
        .into()
}
