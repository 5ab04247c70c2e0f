//! Exit codes: a contract with CI. 1 and 4 page people; 2, 3 and 130 do not.

/// How the whole program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All green.
    Green,
    /// A check failed, or the subject crashed.
    CheckFailed,
    /// The command, a manifest or a version was wrong.
    Usage,
    /// The environment did not come up.
    Environment,
    /// A defect of the harness.
    Harness,
    /// Ctrl-C.
    Interrupted,
}

impl Exit {
    /// The process exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Exit::Green => 0,
            Exit::CheckFailed => 1,
            Exit::Usage => 2,
            Exit::Environment => 3,
            Exit::Harness => 4,
            Exit::Interrupted => 130,
        }
    }
}
