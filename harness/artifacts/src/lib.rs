//! harness-artifacts: to be written.
