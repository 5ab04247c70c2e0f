//! The suite's proof of itself: a run for each seeded defect, which must turn exactly its check red, and name what was awaited.

use std::process::ExitCode;

fn main() -> ExitCode {
    harness::self_proof(scenarios::CATALOGUE)
}
