//! The local cluster: a real control plane as processes, enclosed in the run's own namespaces.

pub mod enclosure;
mod control_plane;
mod ports;

pub use control_plane::{ControlPlane, PlaneError, PlaneParts};
pub use ports::Ports;
