//! Small words of a command line: quoting, Go durations, a fresh seed.

use std::hash::{BuildHasher, Hasher, RandomState};

use crate::refusal::Refusal;

/// The command line as a user would type it again.
pub(crate) fn command_line(args: impl Iterator<Item = String>) -> String {
    let mut line = "cargo xtask".to_owned();
    for arg in args {
        line.push(' ');
        line.push_str(&quoted(&arg));
    }
    line
}

fn quoted(arg: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,@%+".contains(c);
    if !arg.is_empty() && arg.chars().all(plain) {
        arg.to_owned()
    } else {
        format!("'{}'", arg.replace('\'', r"'\''"))
    }
}

/// Refuses what Go's `time.ParseDuration` would refuse, and what is not longer than nothing
/// (<https://pkg.go.dev/time#ParseDuration>): the manager would end at once, and look like a subject that crashes.
pub(super) fn check_go_duration(text: &str) -> Result<(), Refusal> {
    if is_positive_go_duration(text) {
        return Ok(());
    }
    Err(Refusal::usage(format!(
        "--sync-period {text}: not a duration in Go's notation; for example 1s, 500ms or 1m30s"
    )))
}

fn is_positive_go_duration(text: &str) -> bool {
    let mut rest = text;
    let mut positive = false;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let Ok(number) = rest[..digits].parse::<f64>() else {
            return false;
        };
        rest = &rest[digits..];
        // Longer units first: "ms" also begins with "m".
        let Some(unit) = ["ns", "us", "µs", "ms", "s", "m", "h"]
            .into_iter()
            .find(|unit| rest.starts_with(unit))
        else {
            return false;
        };
        rest = &rest[unit.len()..];
        positive |= number > 0.0;
    }
    positive
}

/// A seed that differs from run to run; short, so that a person can type it again.
pub(super) fn fresh_seed() -> u64 {
    RandomState::new().build_hasher().finish() % 1_000_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_only_what_a_shell_would_take_apart() {
        let args = ["e2e", "quickstart::", "--out", "my run", "it's"].map(str::to_owned);

        assert_eq!(
            command_line(args.into_iter()),
            r"cargo xtask e2e quickstart:: --out 'my run' 'it'\''s'"
        );
    }

    #[test]
    fn knows_gos_durations() {
        for good in ["1s", "500ms", "1m30s", "1.5h", "10us"] {
            assert!(is_positive_go_duration(good), "{good} is a duration");
        }
        for bad in ["", "1", "s", "0s", "-1s", "1 s", "1d", "1..5s", "soon"] {
            assert!(!is_positive_go_duration(bad), "{bad:?} is no useful duration");
        }
    }
}
