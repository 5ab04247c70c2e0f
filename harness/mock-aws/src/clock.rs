//! The server's wall clock: the machine's, and as far ahead as a test says. Signatures' dates are not judged by it: clients sign by the machine's.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};

/// What tokens and session credentials expire by. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    /// Seconds.
    ahead: Arc<AtomicI64>,
}

impl Clock {
    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        later(Timestamp::now(), self.ahead.load(Ordering::Relaxed))
    }

    /// Lets so many seconds pass.
    pub fn advance(&self, seconds: i64) {
        self.ahead.fetch_add(seconds, Ordering::Relaxed);
    }
}

/// So many seconds later.
pub(crate) fn later(at: Timestamp, seconds: i64) -> Timestamp {
    at.saturating_add(SignedDuration::from_secs(seconds))
        .unwrap_or(Timestamp::MAX)
}

/// RFC 3339 in whole seconds, as AWS writes times in XML.
pub(crate) fn xml(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
