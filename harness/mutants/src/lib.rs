//! The suite against ARCs that have one defect each: `cargo xtask mutants`.
//!
//! A mutant is one changed place in ARC's Go source: written down by name with what a user would suffer ([`data`]), or made by operators over the parsed
//! source ([`operators`]). Each is built from a changed copy of the module with the clock overlay, and the checks that could notice run until the first is
//! red. What it is not: nothing here knows Kubernetes, GitHub or what a check does; the scenario runner is started with a plan and its events
//! are read. ARC's own source is never kept here.

pub mod cli;
pub mod data;
mod mutant;
mod operators;
mod results;
mod selection;
mod trial;

pub use cli::{Args, Unusable, all, run};
pub use mutant::Mutant;
pub use operators::{Change, changes};
pub use results::{Outcome, Verdict};
