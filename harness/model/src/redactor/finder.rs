//! Finds many texts at once: one automaton over the heads of all of them, and over the prefixes of tokens of known shape.

use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};

/// How many bytes of a text the automaton knows. The rest is compared when they are found: a thousand JWTs would be a million states. A head
/// whose rest differs goes alone, for it is what an abbreviated secret looks like.
const HEAD: usize = 64;
/// Prefixes of GitHub's token formats
/// (<https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/>).
const TOKEN_PREFIXES: [&str; 6] = ["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"];
/// Fewer characters after the prefix are no token but talk of one.
const SHORTEST_TOKEN: usize = 16;

/// What to find.
#[derive(Debug)]
pub(super) enum Pattern {
    /// This text.
    Text(String),
    /// A prefix that a GitHub token follows.
    Token(&'static str),
    /// A JSON Web Token: two dots and more. Clients make them, so nobody tells the redactor.
    Jwt,
}

impl Pattern {
    /// Shapes of tokens that nobody has told.
    pub(super) fn shapes() -> Vec<Pattern> {
        let tokens = TOKEN_PREFIXES.map(Pattern::Token);
        tokens.into_iter().chain([Pattern::Jwt]).collect()
    }

    fn head(&self) -> &[u8] {
        match self {
            Pattern::Text(text) => &text.as_bytes()[..text.floor_char_boundary(HEAD)],
            Pattern::Token(prefix) => prefix.as_bytes(),
            // The base64 of `{"`.
            Pattern::Jwt => b"eyJ",
        }
    }
}

/// Where the text ends that begins at `start` and whose bytes are all like this.
fn end_of_run(text: &str, start: usize, is_part: impl Fn(u8) -> bool) -> usize {
    let run = text.as_bytes()[start..].iter();
    start + run.take_while(|byte| is_part(**byte)).count()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Patterns, and the automaton that finds them all in one pass.
#[derive(Debug, Default)]
pub(super) struct Finder {
    patterns: Vec<Pattern>,
    /// Absent: patterns were added since it was made.
    automaton: Option<AhoCorasick>,
}

impl Finder {
    pub(super) fn len(&self) -> usize {
        self.patterns.len()
    }

    pub(super) fn extend(&mut self, patterns: impl IntoIterator<Item = Pattern>) {
        let before = self.patterns.len();
        self.patterns.extend(patterns);
        if self.patterns.len() > before {
            self.automaton = None;
        }
    }

    /// Leaves nothing behind.
    pub(super) fn take(&mut self) -> Vec<Pattern> {
        std::mem::take(self).patterns
    }

    /// Whether it can find all its patterns now.
    pub(super) fn is_ready(&self) -> bool {
        self.patterns.is_empty() || self.automaton.is_some()
    }

    /// Makes the automaton.
    pub(super) fn prepare(&mut self) {
        if self.is_ready() {
            return;
        }
        // Overlapping matches, so that of two secrets that share an end none leaves a rest; that needs the standard kind.
        let built = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .build(self.patterns.iter().map(Pattern::head));
        self.automaton =
            Some(built.expect("far fewer secrets than the two billion states that an automaton may have"));
    }

    /// Where patterns stand, in any order, overlapping.
    pub(super) fn find(&self, text: &str, found: &mut Vec<Range<usize>>) {
        let Some(automaton) = &self.automaton else { return };
        // A look at each token within another one's run of characters would take quadratic time, and they all end where the run does.
        let (mut words_seen, mut jwts_seen) = (0, 0);
        for hit in automaton.find_overlapping_iter(text) {
            let (start, end) = (hit.start(), hit.end());
            match &self.patterns[hit.pattern().as_usize()] {
                Pattern::Text(whole) if text.as_bytes()[start..].starts_with(whole.as_bytes()) => {
                    found.push(start..start + whole.len());
                }
                Pattern::Text(_) => found.push(start..end),
                Pattern::Token(_) if start >= words_seen => {
                    words_seen = end_of_run(text, end, is_word);
                    if words_seen - end >= SHORTEST_TOKEN {
                        found.push(start..words_seen);
                    }
                }
                Pattern::Jwt if start >= jwts_seen => {
                    jwts_seen = end_of_run(text, start, |byte| is_word(byte) || b"-.".contains(&byte));
                    if text[start..jwts_seen].matches('.').count() >= 2 {
                        found.push(start..jwts_seen);
                    }
                }
                Pattern::Token(_) | Pattern::Jwt => {}
            }
        }
    }
}
