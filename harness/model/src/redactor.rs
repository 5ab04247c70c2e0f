//! Cleans secrets out of text before it is written anywhere, in whatever form a runner or a tool prints them ([`encodings`]).
//!
//! It removes the values it was told of, and tokens of published shapes: GitHub's, and JSON Web Tokens. What it is not: a scanner that
//! guesses.
//!
//! Text may be cleaned in pieces. Each line of a secret of several lines is a secret of its own, so lines may be cleaned alone; a piece that
//! ends within a line may end within a secret.

mod encodings;
mod finder;

use std::collections::HashSet;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use finder::{Finder, Pattern};
use serde_json::Value;

/// What stands where a secret stood.
pub const REDACTED: &str = "***";

/// Fewer bytes would blank ordinary words: with `admin` for a secret a log could not be read any more.
const SHORTEST: usize = 6;
/// So many new patterns have an automaton of their own, before that of the others is made anew.
const FEW: usize = 512;

/// Shared, growing set of secrets. Clones share it.
#[derive(Debug, Clone)]
pub struct Redactor {
    known: Arc<RwLock<Known>>,
    shortest: usize,
}

#[derive(Debug, Default)]
struct Known {
    secrets: HashSet<String>,
    /// Most patterns.
    settled: Finder,
    /// The latest, so that a new secret does not cost an automaton of all. Joined to the others when there are many.
    recent: Finder,
    /// Some pattern has an asterisk, so that what stands where a secret stood may complete another.
    starred: bool,
}

/// What became of a text that the redactor was told is secret. Who takes secrets from people must look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Learned {
    /// It is removed from now on.
    Hidden,
    /// It is not: fewer than 6 bytes would blank ordinary words.
    TooShort,
    /// It is not: nothing but asterisks is what a redacted secret looks like.
    Asterisks,
}

impl Learned {
    /// Why the text is not hidden, and what to do; absent: it is.
    #[must_use]
    pub fn refusal(self) -> Option<&'static str> {
        match self {
            Learned::Hidden => None,
            Learned::TooShort => Some("fewer than 6 bytes would blank ordinary words: choose a longer one"),
            Learned::Asterisks => Some("nothing but asterisks is a redacted secret: give the secret itself"),
        }
    }
}

/// For all that the harness writes: secrets of 6 bytes and more, and tokens of published shapes.
impl Default for Redactor {
    fn default() -> Redactor {
        let mut known = Known::default();
        known.settled.extend(Pattern::shapes());
        known.settled.prepare();
        Redactor {
            known: Arc::new(RwLock::new(known)),
            shortest: SHORTEST,
        }
    }
}

impl Redactor {
    /// As actions/runner cleans a job's log: whatever it is told, however short, and nothing by shape.
    #[must_use]
    pub fn of_a_job() -> Redactor {
        Redactor {
            known: Arc::default(),
            shortest: 1,
        }
    }

    /// Registers a secret, without the space around it. Lines and encodings of it that are too short are left out.
    pub fn learn(&self, secret: &str) -> Learned {
        let secret = secret.trim();
        if secret.len() < self.shortest {
            return Learned::TooShort;
        }
        if is_asterisks(secret) {
            return Learned::Asterisks;
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.secrets.insert(secret.to_owned()) {
            let mut texts = encodings::of(secret);
            texts.retain(|text| text.len() >= self.shortest && !is_asterisks(text));
            known.starred |= texts.iter().any(|text| text.contains('*'));
            known.recent.extend(texts.into_iter().map(Pattern::Text));
        }
        Learned::Hidden
    }

    /// The text with every known secret and every token of a published shape replaced by [`REDACTED`]; neighbours by one.
    #[must_use]
    pub fn clean(&self, text: &str) -> String {
        let known = self.ready();
        let mut found = known.find(text);
        let mut cleaned = replace(text, &found);
        // Ends: each round takes a character that is no asterisk, and adds only asterisks.
        while known.starred && !found.is_empty() {
            found = known.find(&cleaned);
            cleaned = replace(&cleaned, &found);
        }
        cleaned
    }

    /// Cleans every text of a value, which stays JSON whatever the secrets are. Keys are the format's own words and stay.
    pub fn clean_json(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.clean(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.clean_json(item)),
            Value::Object(fields) => fields.values_mut().for_each(|field| self.clean_json(field)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// Whether there is anything to clean.
    #[must_use]
    pub fn finds_secret(&self, text: &str) -> bool {
        !self.ready().find(text).is_empty()
    }

    fn ready(&self) -> RwLockReadGuard<'_, Known> {
        loop {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            if known.settled.is_ready() && known.recent.is_ready() {
                return known;
            }
            drop(known);
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            if known.recent.len() > FEW.max(known.settled.len() / 8) {
                let recent = known.recent.take();
                known.settled.extend(recent);
            }
            known.settled.prepare();
            known.recent.prepare();
        }
    }
}

impl Known {
    /// Where secrets stand, in order, neither overlapping nor touching.
    fn find(&self, text: &str) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        self.settled.find(text, &mut found);
        self.recent.find(text, &mut found);
        found.sort_unstable_by_key(|range| range.start);
        found.dedup_by(|next, kept| {
            let touches = next.start <= kept.end;
            if touches {
                kept.end = kept.end.max(next.end);
            }
            touches
        });
        found
    }
}

fn replace(text: &str, found: &[Range<usize>]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = 0;
    for range in found {
        out.push_str(&text[rest..range.start]);
        out.push_str(REDACTED);
        rest = range.end;
    }
    out.push_str(&text[rest..]);
    out
}

fn is_asterisks(text: &str) -> bool {
    text.bytes().all(|byte| byte == b'*')
}

#[cfg(test)]
mod tests;
