//! What must be known of a PromQL expression: which metrics it names, and how far it looks back.
//!
//! What it is not: a parser. Whether an expression is one, Prometheus says.

use std::collections::BTreeSet;

/// So many times shorter are the ranges of an alert in a check.
const FASTER: u64 = 100;

/// Words of PromQL that are followed by a list of labels.
const LABEL_LISTS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

/// Words of PromQL that stand between expressions.
const OPERATORS: [&str; 6] = ["and", "or", "unless", "bool", "offset", "atan2"];

/// The names of the metrics in an expression.
pub(crate) fn metrics(expression: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        if let Some(after) = closed(rest) {
            rest = after;
            continue;
        }
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        if end == 0 {
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let (word, after) = rest.split_at(end);
        let next = after.trim_start();
        let grouped = ["by ", "by(", "without ", "without("]
            .iter()
            .any(|word| next.starts_with(word));
        let call = grouped || next.starts_with('(');
        rest = after;
        if LABEL_LISTS.contains(&word) && call {
            rest = after.find(')').map_or("", |at| &after[at + 1..]);
        } else if !call && !OPERATORS.contains(&word) && !first.is_ascii_digit() {
            names.insert(word.to_owned());
        }
    }
    names
}

/// What follows the text, the matchers or the range that the expression begins with, if it does with one.
fn closed(expression: &str) -> Option<&str> {
    let end = match expression.chars().next()? {
        '"' => text_end(expression)?,
        '{' => {
            let mut at = 1;
            loop {
                match expression[at..].chars().next()? {
                    '}' => break at + 1,
                    '"' => at += text_end(&expression[at..])?,
                    other => at += other.len_utf8(),
                }
            }
        }
        '[' => expression.find(']')? + 1,
        _ => return None,
    };
    Some(&expression[end..])
}

/// Where the text ends that the expression begins with.
fn text_end(expression: &str) -> Option<usize> {
    let mut characters = expression.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some(at + 1),
            '\\' => {
                characters.next();
            }
            _ => {}
        }
    }
    None
}

/// The expression with each range a hundredth as long.
pub(crate) fn faster(expression: &str) -> String {
    let mut faster = String::new();
    let mut rest = expression;
    while let Some(at) = rest.find('[') {
        let (before, range) = rest.split_at(at + 1);
        faster.push_str(before);
        let end = range.find(']').unwrap_or(range.len());
        // What is no duration is a bracket of a regular expression.
        let shorter = milliseconds(&range[..end]).map(|ms| format!("{}ms", ms / FASTER));
        faster.push_str(shorter.as_deref().unwrap_or(&range[..end]));
        rest = &range[end..];
    }
    faster + rest
}

/// A duration of one unit, as the rules have it.
fn milliseconds(duration: &str) -> Option<u64> {
    let unit = duration.find(|c: char| !c.is_ascii_digit())?;
    let (count, unit) = duration.split_at(unit);
    let unit = match unit {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    Some(count.parse::<u64>().ok()? * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_told_from_functions_labels_matchers_and_words() {
        let expression = r#"0 < sum by (job, le) (rate(a_total{x=~"b|c}", y="d"}[5m])) / on (job) group_left (pod) max(b) and up == 0 or label_replace(c, "e", "$1", "f", "(.+)")"#;

        let names = metrics(expression);

        assert_eq!(names, ["a_total", "b", "c", "up"].map(str::to_owned).into());
    }

    #[test]
    fn ranges_are_a_hundredth_and_nothing_else_changes() {
        let expression = r#"increase(a{b=~"[cd]"}[10m]) > 5 and last_over_time(e[6h])"#;

        assert_eq!(
            faster(expression),
            r#"increase(a{b=~"[cd]"}[6000ms]) > 5 and last_over_time(e[216000ms])"#
        );
    }
}
