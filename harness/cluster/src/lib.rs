//! Clusters: bringing one up, applying manifests, waiting, running programs, keeping evidence.
//!
//! What it is not: nothing here knows GitHub or ARC.

mod apply;
mod chain;
mod evidence;
pub mod kubeconfig;
pub mod local;
mod metrics;
mod pki;
mod process;
mod prometheus;
mod wait;

pub use apply::{Applier, ApplyError};
pub use chain::error_chain;
pub use evidence::{EvidenceError, Recorder, blank_tokens};
pub use metrics::{MetricsError, Sample, read_metrics, scrape};
pub use pki::{Identity, PkiError, RunCa};
pub use process::{Exited, Process, ProcessError, Program};
pub use prometheus::{Alert, Point, Prometheus, PrometheusError, PrometheusParts, PrometheusPlace, Target};
pub use wait::{Seen, WaitError, eventually, watch_object};
