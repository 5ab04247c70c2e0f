//! harness-ghes: to be written.
