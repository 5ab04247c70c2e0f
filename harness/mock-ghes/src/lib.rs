//! mock-ghes: to be written.
