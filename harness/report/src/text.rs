//! Small text forms that the reports share: what a terminal may be sent, seconds, figures.

use std::time::Duration;

use harness_model::{Failure, Measurement, SkipReason};

/// The text without escape sequences and control characters; newlines stay and tabs become spaces.
///
/// Texts hold what pods and servers said: they may colour, but not move the cursor of whoever reads the report.
pub(crate) fn printable(text: &str) -> String {
    let mut out = without_controls(text);
    out.truncate(out.trim_end().len());
    out
}

/// As [`printable`], with what stands at the end.
pub(crate) fn without_controls(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' if chars.peek() == Some(&'[') => {
                chars.next();
                // ECMA-48: a control sequence ends with a byte from `@` to `~`.
                for c in chars.by_ref() {
                    if ('@'..='~').contains(&c) {
                        break;
                    }
                }
            }
            '\n' => out.push('\n'),
            '\t' => out.push_str("    "),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// The text on one line of at most `max` characters.
pub(crate) fn one_line(text: &str, max: usize) -> String {
    let line = printable(text).split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= max {
        return line;
    }
    let mut cut: String = line.chars().take(max.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// Seconds to a millisecond, as `3.402`.
pub(crate) fn seconds(duration: Duration) -> String {
    format!("{:.3}", duration.as_secs_f64())
}

/// A figure without idle zeros: `plane usable 6.9 s`.
pub(crate) fn figure(measurement: &Measurement) -> String {
    format!("{} {}", measurement.name, amount(measurement))
}

/// The figure alone: `6.9 s`.
pub(crate) fn amount(measurement: &Measurement) -> String {
    let value = format!("{:.3}", measurement.value);
    let value = value.trim_end_matches('0').trim_end_matches('.');
    format!("{value} {}", measurement.unit).trim_end().to_owned()
}

/// Why a check was not run, as one fragment.
pub(crate) fn skip_reason(skip: &SkipReason) -> String {
    match skip {
        SkipReason::Missing { capability, reason } => format!("needs {capability}: {reason}"),
        SkipReason::RunEnded { reason } => reason.clone(),
    }
}

/// Why a check failed, on one line.
pub(crate) fn failure_reason(failure: &Failure) -> String {
    let Failure {
        awaited, last_seen, ..
    } = failure;
    format!(
        "awaited: {}; last seen: {}",
        one_line(awaited, usize::MAX),
        one_line(last_seen, usize::MAX)
    )
}

/// `1 check`, `2 checks`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    if number == 1 {
        format!("1 {noun}")
    } else {
        format!("{number} {noun}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_sequences_do_not_reach_the_terminal() {
        assert_eq!(
            printable("\u{1b}[31mred\u{1b}[0m\r\nnext\u{7}\tend\n\n"),
            "red\nnext    end"
        );
    }

    #[test]
    fn one_line_joins_and_cuts_at_a_character() {
        assert_eq!(one_line("a\n  b", 10), "a b");
        assert_eq!(one_line("äöüäöü", 4), "äöü…");
    }

    #[test]
    fn figures_have_no_idle_zeros() {
        let of = |value| {
            figure(&Measurement {
                name: "n".to_owned(),
                value,
                unit: "s".to_owned(),
            })
        };

        assert_eq!(of(6.9), "n 6.9 s");
        assert_eq!(of(100.0), "n 100 s");
        assert_eq!(of(0.0), "n 0 s");
    }
}
