//! The reports of hand-built logs, through the public functions only.

mod config;
mod diff;
mod diff_page;
mod gate;
mod github;
mod history;
mod html;
mod junit;
mod log;
mod pair;
mod properties;
mod render;
mod runs;
mod sample;
mod schemas;
mod simulation;
mod summary;
mod upgrade;
