//! The oracle: how many runners ARC's HorizontalRunnerAutoscaler will ask for.
//!
//! A model of the autoscaler of actions-runner-controller 0.27.6 (its behaviour has not changed since 0.27.5), read from its source and
//! held against it. [`Controller::reconcile`] is one reconcile as a pure function: spec, status, what is observed, now → what ARC writes, with
//! the rules that led there, or the error that stops it. [`simulate`] strings reconciles together over an assumed load.
//!
//! It follows ARC where ARC is odd, since it judges what ARC *does*: binary64 arithmetic, Go's reading of local times, an override that wins
//! although it overrides nothing. Where a sentence here begins with "ARC", it tells what the source does.
//!
//! What it is not: it looks at no cluster, no GHES and no clock, and it never decides for the ARC under test.

mod busy;
mod demand;
mod error;
mod go;
mod overrides;
mod reason;
mod reconcile;
mod schedule;
mod simulation;
mod spec;
mod suggestion;

pub use busy::{Busy, ListedRunner};
pub use demand::{Job, Run, RunWithoutJobs, necessary_replicas};
pub use error::ReconcileError;
pub use overrides::{Overrides, ScheduledPeriod};
pub use reason::{Clamp, Reason};
pub use reconcile::{Controller, DEFAULT_SCALE_DOWN_DELAY, EffectiveTime, Observed, Outcome, TargetChange};
pub use schedule::{Period, Periods};
pub use simulation::{Load, Moment, Plan, Simulated, simulate};
pub use spec::{
    CapacityReservation, Frequency, Metric, RecurrenceRule, ScaleTargetRef, ScheduledOverride, Spec, Status,
    TargetKind,
};
pub use suggestion::{Step, Suggestion};
