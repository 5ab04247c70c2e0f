//! harness-node: to be written.
