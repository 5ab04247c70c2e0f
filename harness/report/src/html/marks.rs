//! The awaited and the last seen value, with the words marked in which they differ.

use std::collections::HashSet;

use harness_model::Failure;

use crate::words::{Side, differing_words, in_word, subject_and_value};

/// Words of one value beyond which they are not compared one by one: that is quadratic.
const MOST_WORDS: usize = 400;

/// Words that are marked of values that have little in common.
const MOST_MARKED: usize = 8;

/// A piece of a value, and whether the other value lacks it; empty where the other value has more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    pub(super) text: &'a str,
    pub(super) differs: bool,
}

/// Awaited and last seen, piece by piece.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Marked<'a> {
    pub(super) awaited: Vec<Piece<'a>>,
    pub(super) last_seen: Vec<Piece<'a>>,
}

/// Marks what differs: of values that have much in common each word that only one has at this place, of others the words that only one has at all.
pub(super) fn mark<'a>(failure: &Failure, awaited: &'a str, last_seen: &'a str) -> Marked<'a> {
    let (what, value) = subject_and_value(awaited, last_seen);
    let (mut left, mut right) = (pieces(value), pieces(last_seen));
    let by_place = left.len() <= MOST_WORDS && right.len() <= MOST_WORDS;
    if by_place {
        differences(&mut left, &mut right);
    }
    // What stands between words says nothing.
    for piece in left.iter_mut().chain(&mut right) {
        piece.differs &= piece.text.is_empty() || piece.text.starts_with(in_word);
    }
    if !by_place || !is_mostly_common(&left) || !is_mostly_common(&right) {
        by_words(failure, what.is_empty(), &mut left, &mut right);
    }
    if !what.is_empty() {
        let what = Piece {
            text: what,
            differs: false,
        };
        left.insert(0, what);
    }
    Marked {
        awaited: left,
        last_seen: right,
    }
}

/// Of a sentence only names, numbers and what is quoted: the other words are the sentence's own.
fn by_words<'a>(failure: &Failure, is_sentence: bool, left: &mut [Piece<'a>], right: &mut [Piece<'a>]) {
    let mut words = differing_words(failure);
    if is_sentence {
        let is_quoted = |word: &str| {
            let quoted = format!("\"{word}\"");
            failure.awaited.contains(&quoted) || failure.last_seen.contains(&quoted)
        };
        words.retain(|word| word.is_distinctive() || word.is_number() || is_quoted(&word.text));
    }
    for (pieces, side) in [(left, Side::Awaited), (right, Side::Seen)] {
        let mut differing: HashSet<&str> = words
            .iter()
            .filter(|word| word.side == side)
            .map(|word| word.text.as_str())
            .collect();
        // Where most differs, a mark says nothing.
        if differing.len() > MOST_MARKED {
            differing.clear();
        }
        for piece in pieces {
            piece.differs = differing.contains(piece.text.trim_matches('.'));
        }
    }
}

fn is_mostly_common(pieces: &[Piece<'_>]) -> bool {
    let words = pieces.iter().filter(|piece| piece.text.starts_with(in_word));
    let (common, all) = words.fold((0, 0), |(common, all), piece| {
        (common + usize::from(!piece.differs), all + 1)
    });
    common > 0 && 2 * common >= all
}

/// Words, and what stands between them.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word = in_word(first);
        let end = rest.find(|c| in_word(c) != word).unwrap_or(rest.len());
        pieces.push(Piece {
            text: &rest[..end],
            differs: false,
        });
        rest = &rest[end..];
    }
    pieces
}

/// The longest common subsequence stays; the rest differs, and has an empty piece in the other value at its place.
fn differences<'a>(left: &mut Vec<Piece<'a>>, right: &mut Vec<Piece<'a>>) {
    let width = right.len() + 1;
    let mut common = vec![0_usize; (left.len() + 1) * width];
    for i in (0..left.len()).rev() {
        for j in (0..right.len()).rev() {
            common[i * width + j] = if left[i].text == right[j].text {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let (mut left_gaps, mut right_gaps) = (Vec::new(), Vec::new());
    while i < left.len() || j < right.len() {
        if i < left.len() && j < right.len() && left[i].text == right[j].text {
            i += 1;
            j += 1;
        } else if j == right.len()
            || (i < left.len() && common[(i + 1) * width + j] >= common[i * width + j + 1])
        {
            left[i].differs = true;
            right_gaps.push(j);
            i += 1;
        } else {
            right[j].differs = true;
            left_gaps.push(i);
            j += 1;
        }
    }
    for (pieces, mut gaps) in [(left, left_gaps), (right, right_gaps)] {
        gaps.dedup();
        for gap in gaps.into_iter().rev() {
            let empty = Piece {
                text: "",
                differs: true,
            };
            pieces.insert(gap, empty);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words that are marked in the awaited and in the last seen value.
    fn marked(awaited: &str, last_seen: &str) -> [Vec<String>; 2] {
        let failure = Failure {
            awaited: awaited.to_owned(),
            last_seen: last_seen.to_owned(),
            detail: None,
        };
        let marked = mark(&failure, awaited, last_seen);
        [marked.awaited, marked.last_seen].map(|pieces| {
            let differing = pieces
                .into_iter()
                .filter(|piece| piece.differs && !piece.text.is_empty());
            differing.map(|piece| piece.text.to_owned()).collect()
        })
    }

    #[test]
    fn a_missing_label_is_marked() {
        assert_eq!(
            marked(
                r#"labels of r1 = {"linux", "v2.306.0", "x64"}"#,
                r#"{"linux", "x64"}"#
            ),
            [vec!["v2.306.0"], vec![]]
        );
    }

    #[test]
    fn where_the_other_value_has_more_stands_an_empty_piece() {
        let failure = Failure {
            awaited: "tickets = [1, 2]".to_owned(),
            last_seen: "[1]".to_owned(),
            detail: None,
        };

        let marked = mark(&failure, &failure.awaited, &failure.last_seen);

        let pieces: Vec<_> = marked
            .last_seen
            .iter()
            .map(|piece| (piece.text, piece.differs))
            .collect();
        assert_eq!(pieces, [("[", false), ("1", false), ("", true), ("]", false)]);
    }

    #[test]
    fn a_changed_field_is_marked_on_both_sides() {
        assert_eq!(
            marked(
                r#"certificates = [["cert", "True", "selfsigned"]]"#,
                r#"[["cert", "True", "another"]]"#
            ),
            [["selfsigned"], ["another"]]
        );
    }

    #[test]
    fn of_values_with_little_in_common_the_words_are_marked_that_are_looked_for() {
        assert_eq!(
            marked(r#"status = "queued""#, r#"Some("completed")"#),
            [["queued"], ["completed"]]
        );
        assert_eq!(
            marked("a runner that is online besides r1-x2", "[r3-x4 online]"),
            [["r1-x2"], ["r3-x4"]]
        );
    }
}
