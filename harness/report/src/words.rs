//! The words in which two values differ: what leads from a failure to the evidence that names them.
//!
//! What it is not: it knows no field, no event and no route, and looks nothing up; that is `clues`.

use std::borrow::Cow;
use std::collections::HashSet;

use harness_model::Failure;

use crate::text::without_controls;

/// Words of a text up to which each is part of a value; in a longer text the plain ones are prose.
const FEW: usize = 4;
/// Words of a text beyond which it is a log, not a value.
const MANY: usize = 60;
/// Words that are looked for, of all sides.
const MOST: usize = 48;
/// Letters of a word that is rather a name than prose, in a row of values.
const LONG: usize = 8;
/// Words around a difference that still say what it is a part of.
const NEAR: usize = 12;

/// Where a word stands. What was seen says more than what was not, that more than of what it is the value, and least what stands beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Beside,
    Subject,
    Awaited,
    Seen,
}

/// A word of one of the two values that the other lacks, or that says what they are values of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) text: String,
    pub(crate) side: Side,
}

impl Word {
    /// No word of a language, so that a line which names it is about it.
    pub(crate) fn is_distinctive(&self) -> bool {
        is_distinctive(&self.text) && !self.is_number()
    }

    /// A whole number: it says something only as the value of a field or the status of an answer.
    pub(crate) fn is_number(&self) -> bool {
        is_number(&self.text)
    }
}

pub(crate) fn is_number(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())
}

/// A name with a digit or a hyphen in it, one in camel case, or one in capitals as columns have; no duration and no time of a log's line.
fn is_distinctive(word: &str) -> bool {
    let inner = word.get(1..).unwrap_or_default();
    word.len() >= 4
        && !is_time(word)
        && (word.contains(|c: char| !c.is_alphabetic())
            || inner.contains(char::is_uppercase) && (word.len() >= 5 || inner.contains(char::is_lowercase)))
}

fn is_time(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit()) && (word.ends_with(['s', 'Z']) || word.contains('T'))
}

/// Words keep what names keep together.
pub(crate) fn in_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// `InProgress` and `in_progress` are one word.
pub(crate) fn folded(word: &str) -> String {
    let mut text = String::new();
    fold(word, &mut text);
    text
}

pub(crate) fn fold(word: &str, into: &mut String) {
    into.clear();
    let kept = word.chars().filter(|c| !matches!(c, '-' | '_'));
    into.extend(kept.flat_map(char::to_lowercase));
}

/// Of a text of several lines those that name something of what was awaited, if there are such: the rest of a log says nothing.
pub(crate) fn telling_lines<'a>(failure: &Failure, text: &'a str) -> Cow<'a, str> {
    if text.lines().nth(1).is_none() {
        return text.into();
    }
    let printed = without_controls(text);
    let awaited: HashSet<String> = split(&failure.awaited)
        .filter(|word| is_distinctive(word))
        .map(folded)
        .collect();
    let telling: Vec<&str> = printed
        .lines()
        .filter(|line| split(line).any(|word| awaited.contains(&folded(word))))
        .take(FEW)
        .collect();
    if telling.is_empty() {
        text.into()
    } else {
        telling.join("\n").into()
    }
}

pub(crate) fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c| !in_word(c)).map(|word| word.trim_matches('.'))
}

/// `labels of r1 = {…}`: the value is what stands last, and what was seen is another one. So it is where both have the same bracket. Without
/// either the subject is empty: what was awaited is a sentence.
pub(crate) fn subject_and_value<'a>(awaited: &'a str, last_seen: &str) -> (&'a str, &'a str) {
    if let Some(at) = awaited.find(" = ") {
        return awaited.split_at(at + 3);
    }
    let bracket = last_seen.chars().next().filter(|c| matches!(c, '[' | '{' | '('));
    let at = bracket.and_then(|bracket| awaited.find(bracket));
    match at.filter(|_| awaited.ends_with([']', '}', ')'])) {
        Some(at) => awaited.split_at(at),
        None => ("", awaited),
    }
}

/// Whether a word of the text is all that stands in quotes.
fn is_quoted(text: &str, word: &str) -> bool {
    let at = word.as_ptr() as usize - text.as_ptr() as usize;
    text[..at].ends_with('"') && text[at + word.len()..].starts_with('"')
}

/// Whether a number of the text is hours, minutes or seconds: a colon and a digit stand beside it.
pub(crate) fn is_of_clock(text: &str, word: &str) -> bool {
    let digit = |c: char| c.is_ascii_digit();
    let at = word.as_ptr() as usize - text.as_ptr() as usize;
    let (before, after) = (&text[..at], &text[at + word.len()..]);
    before
        .strip_suffix(':')
        .is_some_and(|before| before.ends_with(digit))
        || after
            .strip_prefix(':')
            .is_some_and(|after| after.starts_with(digit))
}

/// What differs, those that were seen first.
pub(crate) fn differing_words(failure: &Failure) -> Vec<Word> {
    let (subject, value) = subject_and_value(&failure.awaited, &failure.last_seen);
    let is_value = !subject.is_empty();
    // What was awaited is a sentence without it.
    let (of_seen, of_awaited) = if is_value { (MANY, MANY) } else { (FEW, 0) };
    let last_seen = telling_lines(failure, &failure.last_seen);
    let (awaited, seen) = (value_words(value), value_words(&last_seen));
    let mut words = Words::default();
    words.add(telling(only(&seen, &awaited), &seen, of_seen), Side::Seen);
    words.add(
        telling(only(&awaited, &seen), &awaited, of_awaited),
        Side::Awaited,
    );
    let quoted = only(&awaited, &seen)
        .into_iter()
        .filter(|word| is_quoted(value, word));
    words.add(quoted, Side::Awaited);
    let differing = words.0.len();
    // `metric{label: value}`: labels say less than the name.
    let (subject, labels) = subject.split_at(subject.find('{').unwrap_or(subject.len()));
    let names = |text| value_words(text).into_iter().filter(|word| is_name(word));
    let or_numbers = value_words(subject)
        .into_iter()
        .filter(|word| is_name(word) || is_number(word));
    words.add(or_numbers, Side::Subject);
    words.add(names(labels), Side::Beside);
    let beside: Vec<String> = words.0[..differing]
        .iter()
        .flat_map(|word| match word.side {
            Side::Seen => neighbours(&last_seen, &word.text),
            _ => neighbours(value, &word.text),
        })
        .map(str::to_owned)
        .collect();
    words.add(beside.iter().map(String::as_str), Side::Beside);
    words.0
}

fn is_name(word: &str) -> bool {
    is_distinctive(word) && !is_number(word)
}

#[derive(Default)]
struct Words(Vec<Word>);

impl Words {
    fn add<'a>(&mut self, words: impl IntoIterator<Item = &'a str>, side: Side) {
        for text in words {
            let is_new = !self.0.iter().any(|known| folded(&known.text) == folded(text));
            if is_new && self.0.len() < MOST {
                self.0.push(Word {
                    text: text.to_owned(),
                    side,
                });
            }
        }
    }
}

fn only<'a>(these: &[&'a str], those: &[&str]) -> Vec<&'a str> {
    let others: HashSet<String> = those.iter().map(|word| folded(word)).collect();
    let differs = |word: &&&str| !others.contains(&folded(word));
    these.iter().filter(differs).copied().collect()
}

/// Names in the innermost bracket around a word, if there are few: the row or the object of which it is a field.
fn neighbours<'a>(text: &'a str, word: &str) -> Vec<&'a str> {
    let Some(at) = text.find(word) else {
        return Vec::new();
    };
    let mut depth = 0_usize;
    let opening = text[..at].rfind(|c| {
        match c {
            ')' | ']' | '}' => depth += 1,
            '(' | '[' | '{' if depth == 0 => return true,
            '(' | '[' | '{' => depth -= 1,
            _ => {}
        }
        false
    });
    let Some(opening) = opening else {
        return Vec::new();
    };
    let mut depth = 0_usize;
    let closing = text[at..].find(|c| {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth == 0 => return true,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        false
    });
    let inside = &text[opening..closing.map_or(text.len(), |closing| at + closing)];
    let plain = |word: &str| word.len() >= LONG && word.chars().all(char::is_alphabetic);
    let names: Vec<&str> = split(inside)
        .filter(|word| is_name(word) || plain(word))
        .take(NEAR + 1)
        .collect();
    if names.len() > NEAR { Vec::new() } else { names }
}

/// The words of a value; none if it is a log.
fn value_words(text: &str) -> Vec<&str> {
    let words: Vec<&str> = split(text)
        .filter(|word| match is_number(word) {
            true => !is_of_clock(text, word),
            false => word.len() >= 3 && word.contains(char::is_alphabetic),
        })
        .take(MANY + 1)
        .collect();
    if words.len() > MANY { Vec::new() } else { words }
}

/// Of words of a value the numbers and names, and the plain ones if it has no more words than this.
fn telling<'a>(words: Vec<&'a str>, value: &[&str], plain_ones: usize) -> Vec<&'a str> {
    let is_short = value.iter().filter(|word| !is_number(word)).count() <= plain_ones;
    let is_value = |word: &str| is_short && !PLAIN.contains(&word) && !is_time(word);
    let tells = |word: &&str| is_number(word) || is_distinctive(word) || is_value(word);
    words.into_iter().filter(tells).collect()
}

/// Words of Rust's debug form, of sentences, and those that stand everywhere.
const PLAIN: [&str; 20] = [
    "Some", "None", "after", "Err", "true", "false", "the", "and", "for", "with", "not", "its", "has", "job",
    "jobs", "pod", "pods", "runner", "runners", "GHES",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(awaited: &str, last_seen: &str) -> Failure {
        Failure {
            awaited: awaited.to_owned(),
            last_seen: last_seen.to_owned(),
            detail: None,
        }
    }

    fn words(awaited: &str, last_seen: &str) -> Vec<(String, Side)> {
        differing_words(&failure(awaited, last_seen))
            .into_iter()
            .map(|word| (word.text, word.side))
            .collect()
    }

    #[test]
    fn what_was_seen_comes_first() {
        assert_eq!(
            words(r#"status = "queued""#, r#"Some("completed")"#),
            [
                ("completed".to_owned(), Side::Seen),
                ("queued".to_owned(), Side::Awaited)
            ]
        );
    }

    #[test]
    fn the_subject_comes_last_and_only_by_its_name() {
        assert_eq!(
            words("status of r1-x2 = queued", "completed"),
            [
                ("completed".to_owned(), Side::Seen),
                ("queued".to_owned(), Side::Awaited),
                ("r1-x2".to_owned(), Side::Subject)
            ]
        );
    }

    #[test]
    fn of_prose_only_names_count() {
        assert_eq!(
            words("the job of the deleted pod r1-x2 completed", "Some(InProgress)"),
            [
                ("InProgress".to_owned(), Side::Seen),
                ("r1-x2".to_owned(), Side::Awaited)
            ]
        );
    }

    #[test]
    fn what_stands_in_the_same_row_says_what_it_is_a_field_of() {
        assert_eq!(
            words(
                r#"resources = {["runnersets", "", "RunnerSet"], ["some-things", "rdeploy", "RunnerDeployment"]}"#,
                r#"{["runnersets", "", "RunnerSet"], ["some-things", "", "RunnerDeployment"]}"#
            ),
            [
                ("rdeploy".to_owned(), Side::Awaited),
                ("some-things".to_owned(), Side::Beside),
                ("RunnerDeployment".to_owned(), Side::Beside)
            ]
        );
    }

    #[test]
    fn of_a_log_the_lines_that_name_what_was_awaited_count() {
        let log = "line of 2026-11-25\ntag_hash=aaa111\nmore-of it";

        assert_eq!(
            words("tag_hash=bbb222 in the job's log", log),
            [
                ("aaa111".to_owned(), Side::Seen),
                ("bbb222".to_owned(), Side::Awaited)
            ]
        );
    }
}
