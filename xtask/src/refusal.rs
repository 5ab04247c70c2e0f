//! Errors that carry an exit code, and how an error is printed: once, to stderr, with its causes.

use std::fmt;

use harness_model::Exit;

/// An error whose exit code is known where it arises.
#[derive(Debug)]
pub(crate) struct Refusal {
    exit: Exit,
    message: String,
}

impl Refusal {
    /// The command, a file it names or a version it names is wrong: exit 2.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Refusal {
            exit: Exit::Usage,
            message: message.into(),
        }
    }

    /// The machine lacks something: exit 3.
    pub(crate) fn environment(message: impl Into<String>) -> Self {
        Refusal {
            exit: Exit::Environment,
            message: message.into(),
        }
    }

    /// A check, rule or test failed: exit 1.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Refusal {
            exit: Exit::CheckFailed,
            message: message.into(),
        }
    }

    /// Ctrl-C or SIGTERM: exit 130.
    pub(crate) fn interrupted() -> Self {
        Refusal {
            exit: Exit::Interrupted,
            message: "interrupted".to_owned(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

/// The exit code of an error: that of the refusal inside, else a defect of the harness.
pub(crate) fn exit_of(error: &anyhow::Error) -> Exit {
    error
        .downcast_ref::<Refusal>()
        .map_or(Exit::Harness, |refusal| refusal.exit)
}

/// Prints `error: …` and its causes.
#[expect(clippy::print_stderr, reason = "the one place where xtask tells why it ends")]
pub(crate) fn print(error: &anyhow::Error) {
    eprintln!("error: {error}");
    for cause in error.chain().skip(1) {
        eprintln!("  caused by: {cause}");
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn context_does_not_hide_the_exit_code() {
        let error = Err::<(), _>(Refusal::environment("no Docker"))
            .context("choosing a cluster")
            .expect_err("it was an error");

        assert_eq!(exit_of(&error), Exit::Environment);
        assert_eq!(exit_of(&anyhow::anyhow!("surprise")), Exit::Harness);
    }
}
