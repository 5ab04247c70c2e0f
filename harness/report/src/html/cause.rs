//! From red to cause: where the awaited and the last seen value differ, and which kept request, event or change is nearest to it.
//!
//! What it is not: a verdict. It chooses by words and by time, and the page says how it chose.

use std::collections::HashSet;

use harness_model::Failure;
use jiff::Timestamp;

use crate::excerpts::{Change, CheckEvidence, ClusterEvent, ProgramLine, Request};
use crate::words::{Side, Word, differing_words, folded, in_word};

/// Words of one value beyond which nothing is marked: the comparison is quadratic.
const MOST_WORDS: usize = 400;

/// A piece of a value, and whether the other value lacks it.
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

/// Marks what differs. Values that have little in common are left unmarked: most would be.
pub(super) fn mark<'a>(awaited: &'a str, last_seen: &'a str) -> Marked<'a> {
    // `labels of r1 = {…}`: the value is what stands last.
    let (what, value) = match awaited.split_once(" = ") {
        Some((what, value)) => (&awaited[..what.len() + 3], value),
        None => ("", awaited),
    };
    let (mut left, mut right) = (pieces(value), pieces(last_seen));
    if left.len() <= MOST_WORDS && right.len() <= MOST_WORDS {
        differences(&mut left, &mut right);
    }
    // What stands between words says nothing.
    for piece in left.iter_mut().chain(&mut right) {
        piece.differs &= piece.text.starts_with(in_word);
    }
    if !is_mostly_common(&left) || !is_mostly_common(&right) {
        let all = |text| vec![Piece { text, differs: false }];
        (left, right) = (all(value), all(last_seen));
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

/// The longest common subsequence stays; the rest differs.
fn differences(left: &mut [Piece<'_>], right: &mut [Piece<'_>]) {
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
    while i < left.len() || j < right.len() {
        if i < left.len() && j < right.len() && left[i].text == right[j].text {
            i += 1;
            j += 1;
        } else if j == right.len()
            || (i < left.len() && common[(i + 1) * width + j] >= common[i * width + j + 1])
        {
            left[i].differs = true;
            i += 1;
        } else {
            right[j].differs = true;
            j += 1;
        }
    }
}

/// What stands nearest behind a failure, and how that was found.
#[derive(Debug)]
pub(super) struct Behind<'a> {
    pub(super) what: Nearest<'a>,
    /// How it was chosen, as a fragment.
    pub(super) how: String,
}

/// A kept request, event, change or line of a program's log.
#[derive(Debug, Clone, Copy)]
pub(super) enum Nearest<'a> {
    Request(&'a Request),
    Event(&'a ClusterEvent),
    Change(&'a Change),
    Line(&'a ProgramLine),
}

/// What is nearest to the failure: what names a word of the value that was seen, else of the one that was awaited, else their subject, else a line of a
/// program's log that names one, else what was refused or a warning, else the last. What came after the failure is tear-down.
pub(super) fn behind<'a>(
    failure: &Failure,
    failed_at: Option<Timestamp>,
    evidence: &'a CheckEvidence,
) -> Option<Behind<'a>> {
    let until = failed_at.unwrap_or(Timestamp::MAX);
    let words = differing_words(failure);
    let requests = evidence.requests.iter().map(Nearest::Request);
    let events = evidence.events.iter().map(Nearest::Event);
    let changes = evidence.changes.iter().map(Nearest::Change);
    let best = requests
        .chain(events)
        .chain(changes)
        .filter(|what| what.at() <= Some(until))
        .map(|what| (what, what.rank(&words)))
        .max_by(|(a, rank_a), (b, rank_b)| rank_a.cmp(rank_b).then(a.at().cmp(&b.at())));
    let line = evidence.program_line.as_ref().map(|line| Behind {
        what: Nearest::Line(line),
        how: format!("the last line that names {}", line.word),
    });
    let Some((what, rank)) = best else {
        return line;
    };
    let how = match what.first_named(&words) {
        Some(word) => format!("the last that names {}", word.text),
        None if line.is_some() => return line,
        None if rank.is_refusal => "the last that was refused or warned".to_owned(),
        None => "the last that was kept before the failure".to_owned(),
    };
    Some(Behind { what, how })
}

/// Compared in this order.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    names: Option<Side>,
    is_refusal: bool,
    is_act: bool,
}

impl Nearest<'_> {
    fn rank(&self, words: &[Word]) -> Rank {
        let (is_refusal, is_act) = match self {
            Nearest::Request(request) => (
                request.is_refused() && !request.is_ordinary,
                request.method != "GET",
            ),
            Nearest::Event(event) => (event.is_warning, true),
            Nearest::Change(_) | Nearest::Line(_) => (false, true),
        };
        Rank {
            names: self.first_named(words).map(|word| word.side),
            is_refusal,
            is_act,
        }
    }

    fn at(&self) -> Option<Timestamp> {
        match self {
            Nearest::Request(request) => Some(request.at),
            Nearest::Event(event) => Some(event.at),
            Nearest::Change(change) => Some(change.at),
            Nearest::Line(_) => None,
        }
    }

    /// The first of the words that it names.
    fn first_named<'w>(&self, words: &'w [Word]) -> Option<&'w Word> {
        let texts: Vec<&str> = match self {
            Nearest::Request(request) => vec![
                &request.path,
                request.query.as_deref().unwrap_or_default(),
                &request.identity,
                &request.request_excerpt,
                &request.response_excerpt,
            ],
            Nearest::Event(event) => vec![&event.object, &event.reason, &event.message],
            Nearest::Change(change) => change
                .fields
                .iter()
                .flat_map(|field| [field.before.as_str(), &field.after])
                .chain([change.object.as_str()])
                .collect(),
            Nearest::Line(line) => vec![&line.text],
        };
        let said: HashSet<String> = texts
            .into_iter()
            .flat_map(|text| text.split(|c| !in_word(c)))
            .map(folded)
            .collect();
        words.iter().find(|word| said.contains(&folded(&word.text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differing<'a>(pieces: &[Piece<'a>]) -> Vec<&'a str> {
        pieces
            .iter()
            .filter(|piece| piece.differs)
            .map(|piece| piece.text)
            .collect()
    }

    #[test]
    fn a_missing_label_is_marked() {
        let marked = mark(
            r#"labels of r1 = {"linux", "v2.306.0", "x64"}"#,
            r#"{"linux", "x64"}"#,
        );

        assert_eq!(differing(&marked.awaited), ["v2.306.0"]);
        assert_eq!(differing(&marked.last_seen), Vec::<&str>::new());
    }

    #[test]
    fn a_changed_field_is_marked_on_both_sides() {
        let marked = mark(
            r#"certificates = [["cert", "True", "selfsigned"]]"#,
            r#"[["cert", "True", "another"]]"#,
        );

        assert_eq!(differing(&marked.awaited), ["selfsigned"]);
        assert_eq!(differing(&marked.last_seen), ["another"]);
    }

    #[test]
    fn values_with_little_in_common_are_left_unmarked() {
        let marked = mark(r#"status = "queued""#, r#""completed""#);

        assert!(differing(&marked.awaited).is_empty());
        assert!(differing(&marked.last_seen).is_empty());
    }

    #[test]
    fn the_request_that_names_the_missing_word_stands_behind() {
        let request = |second: u8, excerpt: &str, status: u16| {
            let line = serde_json::json!({
                "at": format!("2026-11-24T10:00:{second:02}Z"), "method": "POST", "path": "/agents", "query": null,
                "status": status, "request_excerpt": excerpt,
            });
            serde_json::from_value(line).expect("a request")
        };
        let evidence = CheckEvidence {
            requests: vec![
                request(1, "labels: v2.306.0", 200),
                request(2, "labels: linux", 200),
                request(3, "", 500),
            ],
            ..CheckEvidence::default()
        };
        let of = |awaited: &str, last_seen: &str| {
            let failure = Failure {
                awaited: awaited.to_owned(),
                last_seen: last_seen.to_owned(),
                detail: None,
            };
            let behind = behind(&failure, None, &evidence).expect("something stands behind");
            let at = behind.what.at().expect("a request has a time");
            (at.to_string(), behind.how)
        };

        assert_eq!(
            of("labels = linux, v2.306.0", "linux"),
            (
                "2026-11-24T10:00:01Z".to_owned(),
                "the last that names v2.306.0".to_owned()
            )
        );
        assert_eq!(of("4", "2").0, "2026-11-24T10:00:03Z");
    }
}
