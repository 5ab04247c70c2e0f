//! The Actions engine: from a workflow file to the job messages that runners get.
//!
//! Pure: no state, no clock, no network. The server decides *when*; this decides *what*: which inputs a dispatch may
//! carry, which jobs a run has, whether one may start, and the message that starts it. What belongs to the runner
//! (steps, their conditions and environment) goes into the message as template tokens and is not evaluated here.

mod context;
mod error;
mod explain;
mod inputs;
mod job;
mod locate;
mod matrix;
mod message;
mod plan;
mod readiness;
mod steps;
mod tokens;
mod workflow;

#[cfg(test)]
mod tests;

pub use context::RunContext;
pub use error::{EngineError, InputError, WorkflowError};
pub use inputs::{DispatchInput, DispatchInputs, InputKind, check_inputs};
pub use job::JobTemplate;
pub use message::{Delivery, job_message};
pub use plan::{JobPlan, plan, run_name};
pub use readiness::{Conclusion, JobOutcome, Readiness, readiness};
pub use workflow::Workflow;
