//! One difference between two runs: what it is of, and what each run has.

use crate::text::one_line;

/// What one run has otherwise than the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// A check, a figure, a route, a field.
    pub what: String,
    /// What each run has; `None` if it has no such thing, an empty text if there is no more to say than that it has.
    pub values: [Option<String>; 2],
    /// Why, where a run says so; else empty.
    pub why: String,
    /// All of it on one line, for a terminal.
    pub line: String,
}

/// Characters of a reason on a line.
const REASON: usize = 100;

impl Difference {
    /// Both have it, with another value.
    pub(super) fn changed(
        what: impl Into<String>,
        first: impl Into<String>,
        second: impl Into<String>,
    ) -> Self {
        let (what, first, second) = (what.into(), first.into(), second.into());
        Difference {
            line: format!("{what}: {first} → {second}"),
            what,
            values: [Some(first), Some(second)],
            why: String::new(),
        }
    }

    /// Only the first run has it.
    pub(super) fn only_first(what: impl Into<String>, value: impl Into<String>) -> Self {
        let (what, value) = (what.into(), value.into());
        Difference {
            line: only(&what, "first", &value),
            what,
            values: [Some(value), None],
            why: String::new(),
        }
    }

    /// Only the second run has it.
    pub(super) fn only_second(what: impl Into<String>, value: impl Into<String>) -> Self {
        let (what, value) = (what.into(), value.into());
        Difference {
            line: only(&what, "second", &value),
            what,
            values: [None, Some(value)],
            why: String::new(),
        }
    }

    /// With a reason, if there is one.
    pub(super) fn because(mut self, why: Option<&str>) -> Self {
        if let Some(why) = why {
            self.line = format!("{}: {}", self.line, one_line(why, REASON));
            why.clone_into(&mut self.why);
        }
        self
    }
}

fn only(what: &str, run: &str, value: &str) -> String {
    let comma = if value.is_empty() { "" } else { ", " };
    format!("{what}: only in the {run} run{comma}{value}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_what_each_run_has_and_why() {
        let lines = [
            Difference::changed("a::b", "pass", "fail").because(Some("it broke\nat once")),
            Difference::only_first("POST /x", "6×").because(None),
            Difference::only_second("runners_idle", ""),
        ]
        .map(|difference| difference.line);

        assert_eq!(
            lines,
            [
                "a::b: pass → fail: it broke at once",
                "POST /x: only in the first run, 6×",
                "runners_idle: only in the second run",
            ]
        );
    }
}
