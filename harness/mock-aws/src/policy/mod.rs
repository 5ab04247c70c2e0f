//! Policies: what is written, and what it says about one request. Pure: no clock, no accounts, no files. Who must agree across
//! accounts is told by [`crate::authorization`].

mod document;
mod evaluate;
mod pattern;

pub use document::{Condition, Effect, Everyone, Policy, Principal, Principals, Statement, Version};
pub use evaluate::{Context, Demand, Grant, Opinion, Unmet, Who};
pub use pattern::matches;
