//! Errors of the launcher: what it was doing, and what the system said. They reach the user as a container's message, so
//! one line holds all.

use std::fmt::Display;
use std::io;

/// A step that failed.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {cause}")]
pub(crate) struct Failed {
    what: String,
    cause: io::Error,
}

impl Failed {
    /// The system's error number, where it has one.
    pub(crate) fn errno(&self) -> Option<i32> {
        self.cause.raw_os_error()
    }
}

/// Names the step whose result this is.
pub(crate) trait Doing<T> {
    /// The same result, its error told as "`what`: cause".
    fn doing(self, what: impl Display) -> Result<T, Failed>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, what: impl Display) -> Result<T, Failed> {
        self.map_err(|cause| Failed {
            what: what.to_string(),
            cause: cause.into(),
        })
    }
}
