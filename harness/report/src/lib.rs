//! harness-report: to be written.
