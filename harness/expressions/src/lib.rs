//! harness-expressions: to be written.
