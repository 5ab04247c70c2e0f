//! The reports of hand-built logs, through the public functions only.

mod log;
mod properties;
mod render;
mod runs;
mod sample;
mod simulation;
mod summary;
