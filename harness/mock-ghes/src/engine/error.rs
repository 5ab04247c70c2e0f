//! What the engine refuses: workflow files, inputs of a dispatch, and what it cannot plan or deliver.

use harness_expressions::ExpressionError;

/// A workflow file is not valid.
#[derive(Debug, thiserror::Error)]
#[error("{path}: line {line}, column {column}: {message}")]
pub struct WorkflowError {
    /// In the repository.
    pub path: String,
    /// From 1.
    pub line: u64,
    /// From 1.
    pub column: u64,
    /// What is wrong, as one sentence fragment.
    pub message: String,
}

/// A dispatch is refused: answer 422 with this as the message. The texts are GitHub's.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// The workflow cannot be dispatched.
    #[error("Workflow does not have 'workflow_dispatch' trigger")]
    NoTrigger,
    /// Names that the workflow does not declare.
    #[error("Unexpected inputs provided: {}", serde_json::json!(names))]
    Unexpected {
        /// In the order given.
        names: Vec<String>,
    },
    /// A required input without default is missing or empty.
    #[error("Required input '{name}' not provided")]
    Required {
        /// As declared.
        name: String,
    },
    /// Not one of a choice's options, or not a boolean.
    #[error("Provided value '{value}' for input '{name}' not in the list of allowed values")]
    NotAllowed {
        /// As declared.
        name: String,
        /// As given.
        value: String,
    },
}

/// A run cannot be planned, or a job not delivered.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// An expression that the server evaluates failed.
    #[error("evaluate `{field}` of job `{job}`")]
    Expression {
        /// Its key in the workflow.
        job: String,
        /// Such as `name` or `strategy.matrix`.
        field: &'static str,
        /// Why.
        #[source]
        source: ExpressionError,
    },
    /// A value is not of the kind that the field takes.
    #[error("`{field}` of job `{job}` must be {expected}")]
    Shape {
        /// Its key in the workflow.
        job: String,
        /// Such as `runs-on`.
        field: &'static str,
        /// What GitHub takes there.
        expected: &'static str,
    },
    /// Valid for GitHub, but this server does not do it.
    #[error("job `{job}` uses {what}, which this server does not serve")]
    NotServed {
        /// Its key in the workflow.
        job: String,
        /// The feature.
        what: String,
    },
    /// The plan has no such job: the caller mixed up plans.
    #[error("the plan has no job `{key}`")]
    UnknownJob {
        /// As asked for.
        key: String,
    },
}
