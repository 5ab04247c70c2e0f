//! The words in which two values differ: what leads from a failure to the evidence that names them.

use std::collections::HashSet;

use harness_model::Failure;

/// Words of a text up to which each is part of a value; in a longer text the plain ones are prose.
const FEW: usize = 4;
/// Words of a text beyond which it is a log, not a value.
const MANY: usize = 60;

/// Where a word stands. What was seen says more than what was not, and that more than of what it is the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Subject,
    Awaited,
    Seen,
}

/// A word of one of the two values that the other lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) text: String,
    pub(crate) side: Side,
}

impl Word {
    /// No word of a language, so that a line which names it is about it.
    pub(crate) fn is_distinctive(&self) -> bool {
        is_distinctive(&self.text)
    }
}

fn is_distinctive(word: &str) -> bool {
    word.len() >= 4 && word.contains(|c: char| !c.is_alphabetic())
}

/// Words keep what names keep together.
pub(crate) fn in_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// `InProgress` and `in_progress` are one word.
pub(crate) fn folded(word: &str) -> String {
    word.chars()
        .filter(|c| !matches!(c, '-' | '_'))
        .flat_map(char::to_lowercase)
        .collect()
}

/// What differs, those that were seen first.
pub(crate) fn differing_words(failure: &Failure) -> Vec<Word> {
    // `labels of r1 = {…}`: the value is what stands last, and what was seen is another one. Else what was seen may be any text.
    let (subject, value) = failure.awaited.split_once(" = ").unzip();
    let awaited = value_words(value.unwrap_or(&failure.awaited));
    let mut seen = value_words(&failure.last_seen);
    if value.is_none() && seen.len() > FEW {
        seen.clear();
    }
    let only = |these: &[&str], those: &[&str], side| -> Vec<Word> {
        let others: HashSet<String> = those.iter().map(|word| folded(word)).collect();
        these
            .iter()
            .filter(|word| !others.contains(&folded(word)))
            .map(|word| Word {
                text: (*word).to_owned(),
                side,
            })
            .collect()
    };
    let mut words = only(&seen, &awaited, Side::Seen);
    words.extend(only(&awaited, &seen, Side::Awaited));
    let subject = subject.map(value_words).unwrap_or_default();
    words.extend(
        only(&subject, &[], Side::Subject)
            .into_iter()
            .filter(Word::is_distinctive),
    );
    words
}

fn value_words(text: &str) -> Vec<&str> {
    let words: Vec<&str> = text
        .split(|c| !in_word(c))
        .map(|word| word.trim_matches('.'))
        .filter(|word| word.len() >= 3 && word.contains(char::is_alphabetic))
        .take(MANY + 1)
        .collect();
    if words.len() > MANY {
        return Vec::new();
    }
    let is_short = words.len() <= FEW;
    words
        .into_iter()
        .filter(|word| is_distinctive(word) || (is_short && !PLAIN.contains(word)))
        .collect()
}

/// Words of Rust's debug form, of sentences, and those that stand everywhere.
const PLAIN: [&str; 18] = [
    "Some", "None", "Err", "true", "false", "the", "and", "for", "with", "not", "its", "has", "job", "jobs",
    "pod", "pods", "runner", "runners",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn words(awaited: &str, last_seen: &str) -> Vec<(String, Side)> {
        let failure = Failure {
            awaited: awaited.to_owned(),
            last_seen: last_seen.to_owned(),
            detail: None,
        };
        differing_words(&failure)
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
}
