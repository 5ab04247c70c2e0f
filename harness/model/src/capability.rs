//! What an environment can do. A scenario names what it needs; a missing capability is a typed skip.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Something that an environment may or may not be able to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Capability {
    /// Runner pods run, with their volumes at the paths that the manifest names.
    RunPods,
    /// The GHES keeps a ledger of every request it answered.
    Ledger,
    /// The GHES answers badly on demand.
    ForceFault,
    /// The wall clock of an own controller and its GHES can be moved.
    ClockControl,
    /// A Docker daemon runs inside a pod.
    Dind,
    /// A real Prometheus, with promtool, is on `PATH`.
    Prometheus,
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Capability::RunPods => "run-pods",
            Capability::Ledger => "ledger",
            Capability::ForceFault => "force-fault",
            Capability::ClockControl => "clock-control",
            Capability::Dind => "dind",
            Capability::Prometheus => "prometheus",
        })
    }
}
