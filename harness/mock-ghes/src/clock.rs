//! The server's wall clock and the forms in which it stands on the wire. No timers: those are tokio's.

use jiff::Timestamp;

/// The present moment.
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
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
    fn both_forms_are_utc_with_fixed_width() {
        let at: Timestamp = "2023-07-01T01:02:03.0456789Z"
            .parse()
            .expect("the literal is RFC 3339");

        assert_eq!(rest(at), "2023-07-01T01:02:03Z");
        assert_eq!(service(at), "2023-07-01T01:02:03.0456789Z");
    }
}
