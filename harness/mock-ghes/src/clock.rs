//! The server's wall clock and the forms in which it stands on the wire. No timers: those are tokio's.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::fmt::rfc2822::DateTimePrinter;
use jiff::{SignedDuration, Timestamp};

/// A wall clock: the machine's, and as far from it as whoever holds a clone says.
///
/// Everything that the server dates goes by it: `Date` headers, when tokens expire, when a runner was last heard of. Whoever moves it makes the
/// time between pass for all of that at once, as if the server had slept.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    /// Nanoseconds.
    offset: Arc<AtomicI64>,
}

impl Clock {
    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let offset = SignedDuration::from_nanos(self.offset.load(Ordering::Relaxed));
        Timestamp::now().saturating_add(offset).unwrap_or(Timestamp::MAX)
    }

    /// Sets how far it is ahead of the machine's, in nanoseconds.
    pub fn set_offset(&self, nanoseconds: i64) {
        self.offset.store(nanoseconds, Ordering::Relaxed);
    }
}

/// As HTTP's `Date` has it, in whole seconds.
pub(crate) fn http(at: Timestamp) -> String {
    let printed = DateTimePrinter::new().timestamp_to_rfc9110_string(&at);
    // Only years before 0 and after 9999 have no such form.
    printed.unwrap_or_default()
}

/// RFC 3339 in whole seconds, as the REST API writes times.
pub(crate) fn rest(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// RFC 3339 with seven fractional digits, as the runner service writes times.
pub(crate) fn service(at: Timestamp) -> String {
    format!(
        "{}{:07}Z",
        at.strftime("%Y-%m-%dT%H:%M:%S."),
        at.subsec_nanosecond().unsigned_abs() / 100
    )
}

/// The moment `seconds` later.
pub(crate) fn later(at: Timestamp, seconds: i64) -> Timestamp {
    at.saturating_add(jiff::SignedDuration::from_secs(seconds))
        .unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_are_utc_with_fixed_width() {
        let at: Timestamp = "2023-07-01T01:02:03.0456789Z"
            .parse()
            .expect("the literal is RFC 3339");

        assert_eq!(rest(at), "2023-07-01T01:02:03Z");
        assert_eq!(http(at), "Sat, 01 Jul 2023 01:02:03 GMT");
        assert_eq!(service(at), "2023-07-01T01:02:03.0456789Z");
    }
}
