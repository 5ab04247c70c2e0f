//! The local cluster: a real control plane as processes, enclosed in the run's own namespaces.

mod control_plane;
pub mod enclosure;
mod ports;

pub use control_plane::{ControlPlane, NODE_GRACE, PlaneError, PlaneParts};
pub use ports::Ports;
