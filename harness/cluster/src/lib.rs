//! harness-cluster: to be written.
