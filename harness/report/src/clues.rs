//! Words looked up in pieces of evidence: which of them a text or a field names, and how well.
//!
//! A name may be written in several ways (`desiredReplicas`, `replicas_desired`, the column DESIRED); that they mean the same is read off
//! their parts. What it is not: it does not judge how much a word says.

use std::collections::HashMap;

use crate::words::{Word, fold, folded, is_number, is_of_clock, split};

/// How well a name is named by most of its parts, by a part of a value, and a number that stands in a text.
const BY_PARTS: f32 = 0.8;
const IN_VALUE: f32 = 0.8;
const IN_TEXT: f32 = 0.3;
/// And a number that a field had before.
const WAS: f32 = 0.6;
/// Calls `each` with the parts of a name in lower case: `desiredReplicas` and `replicas_desired` have the same.
fn parts(word: &str, buffer: &mut String, mut each: impl FnMut(&str)) {
    buffer.clear();
    let mut after_lower = false;
    for c in word.chars() {
        let begins = !c.is_alphanumeric() || (c.is_uppercase() && after_lower);
        if begins && !buffer.is_empty() {
            each(buffer);
            buffer.clear();
        }
        if c.is_alphanumeric() {
            buffer.extend(c.to_lowercase());
        }
        after_lower = c.is_lowercase();
    }
    if !buffer.is_empty() {
        each(buffer);
    }
}

/// Words, made ready to be looked up in many texts.
pub(crate) struct Clues<'w> {
    pub(crate) words: &'w [Word],
    whole: HashMap<String, usize>,
    /// Parts of names in camel case or with underscores: of which words, and which of its parts.
    parts: HashMap<String, Vec<(usize, u32)>>,
    number_of_parts: Vec<u32>,
    /// Names of columns: the field begins alike.
    columns: Vec<(String, usize)>,
}

/// How well a text names each word: 1 by its whole name, [`BY_PARTS`] by most of its parts, 0 not at all.
pub(crate) struct Named {
    pub(crate) strengths: Vec<f32>,
    /// Which parts of each word are named, a bit each.
    parts: Vec<u64>,
}

impl<'w> Clues<'w> {
    pub(crate) fn new(words: &'w [Word]) -> Clues<'w> {
        let mut clues = Clues {
            words,
            whole: HashMap::new(),
            parts: HashMap::new(),
            number_of_parts: vec![0; words.len()],
            columns: Vec::new(),
        };
        let mut buffer = String::new();
        for (index, word) in words.iter().enumerate() {
            clues.whole.insert(folded(&word.text), index);
            let has_case = word.text.contains(char::is_lowercase) && word.text.contains(char::is_uppercase);
            if has_case || word.text.contains('_') {
                parts(&word.text, &mut buffer, |part| {
                    let words = clues.parts.entry(part.to_owned()).or_default();
                    let place = clues.number_of_parts[index];
                    if place < u64::BITS && words.iter().all(|(known, _)| *known != index) {
                        words.push((index, place));
                        clues.number_of_parts[index] += 1;
                    }
                });
            } else if word.is_distinctive() && !word.text.contains(|c: char| !c.is_uppercase()) {
                clues.columns.push((folded(&word.text), index));
            }
        }
        clues
    }

    /// Nothing named yet.
    pub(crate) fn none(&self) -> Named {
        Named {
            strengths: vec![0.0; self.words.len()],
            parts: vec![0; self.words.len()],
        }
    }

    /// Adds what a text names. Numbers in a text say little.
    pub(crate) fn text(&self, text: &str, named: &mut Named) {
        let mut buffer = String::new();
        for word in split(text) {
            if is_number(word) {
                if word.len() > 1 && !is_of_clock(text, word) {
                    self.number(word, IN_TEXT, named);
                }
            } else if word.len() >= 3 {
                self.word(word, &mut buffer, named);
            }
        }
    }

    /// Adds what a path of a field and its values before and after name. A small number is everywhere: it counts only in a field that is named.
    pub(crate) fn field(&self, path: &str, values: [&str; 2], named: &mut Named) {
        let mut buffer = String::new();
        let mut of_path = self.none();
        for segment in path
            .split(['.', '[', ']', '/'])
            .filter(|segment| !segment.is_empty())
        {
            self.word(segment, &mut buffer, &mut of_path);
            fold(segment, &mut buffer);
            for (column, index) in &self.columns {
                if buffer.starts_with(column) {
                    of_path.strengths[*index] = 1.0;
                }
            }
        }
        named.add(&of_path);
        self.close(&mut of_path);
        let is_named = of_path.strengths.iter().any(|strength| *strength > 0.0);
        for (value, strength) in values.into_iter().zip([WAS, 1.0]) {
            if !is_number(value) {
                self.value(value, named);
            } else if is_named || value.len() > 1 {
                self.number(value, strength, named);
            }
        }
    }

    /// Adds what a field's value names: by the whole value more than by a part of it.
    fn value(&self, value: &str, named: &mut Named) {
        let mut of_text = self.none();
        self.text(value, &mut of_text);
        let whole = folded(value.trim_matches('"'));
        for (index, strength) in of_text.strengths.iter_mut().enumerate() {
            if self.whole.get(&whole) != Some(&index) {
                *strength *= IN_VALUE;
            }
        }
        named.add(&of_text);
    }

    /// Adds a number that is a value by itself, such as a status.
    pub(crate) fn number(&self, number: &str, strength: f32, named: &mut Named) {
        if let Some(index) = self.whole.get(number) {
            named.strengths[*index] = named.strengths[*index].max(strength);
        }
    }

    fn word(&self, word: &str, buffer: &mut String, named: &mut Named) {
        fold(word, buffer);
        if let Some(index) = self.whole.get(buffer.as_str()) {
            named.strengths[*index] = 1.0;
        }
        // A name with many hyphens is one of somebody's own making, whose parts say nothing.
        if self.parts.is_empty() || word.matches('-').count() > 1 {
            return;
        }
        parts(word, buffer, |part| {
            for (index, place) in self.parts.get(part).into_iter().flatten() {
                named.parts[*index] |= 1 << place;
            }
        });
    }

    /// Takes most of the parts of a name for the name.
    pub(crate) fn close(&self, named: &mut Named) {
        for (index, found) in named.parts.iter().enumerate() {
            let (found, all) = (found.count_ones(), self.number_of_parts[index]);
            if found >= 2 && 5 * found >= 3 * all {
                named.strengths[index] = named.strengths[index].max(BY_PARTS);
            }
        }
    }
}

impl Named {
    fn add(&mut self, other: &Named) {
        for (strength, more) in self.strengths.iter_mut().zip(&other.strengths) {
            *strength = strength.max(*more);
        }
        for (parts, more) in self.parts.iter_mut().zip(&other.parts) {
            *parts |= more;
        }
    }
}

#[cfg(test)]
mod tests {
    use harness_model::Failure;

    use super::*;
    use crate::words::differing_words;

    fn named(words: &[Word], name: impl FnOnce(&Clues<'_>, &mut Named)) -> Vec<bool> {
        let clues = Clues::new(words);
        let mut named = clues.none();
        name(&clues, &mut named);
        clues.close(&mut named);
        named.strengths.iter().map(|strength| *strength > 0.0).collect()
    }

    #[test]
    fn a_field_is_named_however_it_is_written() {
        let words = differing_words(&Failure {
            awaited: "DESIRED of replicas_desired = 4".to_owned(),
            last_seen: "8".to_owned(),
            detail: None,
        });

        let by_field = named(&words, |clues, named| {
            clues.field("status.desiredReplicas", ["4", "8"], named);
        });
        let by_another = named(&words, |clues, named| {
            clues.field("spec.replicas", ["", "8"], named);
        });

        let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        assert_eq!(texts, ["8", "4", "DESIRED", "replicas_desired"]);
        assert_eq!(by_field, [true, true, true, true]);
        assert_eq!(by_another, [false, false, false, false]);
    }
}
