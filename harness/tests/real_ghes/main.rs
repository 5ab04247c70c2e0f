//! `ghes check` and `ghes sweep` as programs, against the mock GHES as a program: only what anybody sees of either is used.
//!
//! That nothing was written is read from the mock's ledger. Whatever the programs print is searched for the token in every encoding that the redactor knows.
//! The mock's program must have been built, as `cargo test --workspace` does.

mod check;
mod faults;
mod proxy;
mod support;
mod sweep;
