//! harness-arc: to be written.
