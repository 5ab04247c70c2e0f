//! Where the real parts come from: `(part, version, platform) → path and origin`.
//!
//! Sources, in this order: the cache (shared by every checkout of this machine), the release whose SHA-256 is recorded in
//! `kind/versions.toml` (a file, or an image of a registry), a build from the Go module pinned under `kind/modules`. Nothing here trusts bytes that no digest
//! vouches for, and nothing here starts a part or knows what it is for.
//!
//! [`Resolver`] is the entry; [`lock`] and [`list`] are the verbs behind `cargo xtask artifacts`, [`cli`] their command line.

mod cache;
mod changed;
mod chart;
pub mod cli;
mod clock;
mod digest;
mod error;
mod foreign;
mod go;
mod image;
mod list;
mod lock;
mod pins;
mod platform;
mod progress;
mod recipe;
mod release;
mod resolver;

pub use cache::clear_abandoned;
pub use changed::ChangedModule;
pub use clock::CLOCK_VARIABLE;
pub use digest::of_path as sha256_of;
pub use error::ArtifactError;
pub use foreign::foreign;
pub use list::{Row, State, list};
pub use lock::{Locked, lock};
pub use pins::{ChartPin, ModulePin, Pin, Pins, ReleasePin, Source};
pub use platform::Platform;
pub use progress::{Interactive, Plain, Progress, Silent, Step, Update, for_stderr};
pub use resolver::{Options, Resolved, Resolver, cache_dir};
