//! The harness: brings up an environment, runs scenarios in it, records what happens. Facade over its parts.
//!
//! The outer process ([`run`]) provisions, supervises and writes the run log; the inner one, first process of the run's
//! own namespaces, holds the environment and the scenarios. What it is not: it knows no single check; those are the `scenarios` crate's.

pub mod environment;
mod host;
pub mod reap;
pub mod run;
mod scenario;

pub use harness_arc as arc;
pub use harness_cluster as cluster;
pub use harness_ghes as ghes;
pub use harness_model as model;
pub use harness_report as report;
pub use mock_ghes;

pub use environment::{
    APP, ClockError, Defect, Environment, GhesCertificate, INSTALLATION, TEAMS, Tenant, WorldClock,
};
pub use run::{ArcParts, FirstScreen, catalogue_page, main, self_proof};
pub use scenario::{
    Context, Desk, OWN_NODE_TAINT, Scenario, Stay, Step, Trail, Unmet, Upgrade, Visit, expect, expect_equal,
};
