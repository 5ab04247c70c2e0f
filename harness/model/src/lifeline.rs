//! The byte that a supervisor writes to the run's lifeline pipe to interrupt it.

/// Written to the lifeline, asks the run to tear down; the pipe's end means that the supervisor is dead.
pub const INTERRUPT: u8 = b'i';
