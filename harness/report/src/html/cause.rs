//! From red to cause: which kept requests, events and changes stand behind a failure.
//!
//! What it is not: a verdict. It chooses by words, by refusals and by time, knows no defect, and the page says how it chose.

use harness_model::Failure;
use jiff::Timestamp;

use crate::clues::{Clues, Named};
use crate::excerpts::{Change, CheckEvidence, ClusterEvent, ProgramLine, Request};
use crate::words::{Side, Word, differing_words};

/// Pieces of evidence that are told; no two of one kind.
const MOST_TOLD: usize = 3;
/// Words that are told of each.
const MOST_WORDS: usize = 3;
/// A piece that stands so far below the best is not told beside it.
const LEAST_SHARE: f32 = 0.4;

/// How the harness's own client introduces itself to GHES.
const OWN_AGENT: &str = "octocrab";

/// What stands behind a failure, and how that was found.
#[derive(Debug)]
pub(super) struct Behind<'a> {
    pub(super) what: Nearest<'a>,
    /// How it was chosen, as a fragment.
    pub(super) how: String,
    /// The words of the values that it names, those first that say most.
    pub(super) words: Vec<String>,
}

/// A kept request, event, change, installed object or line of a program's log.
#[derive(Debug, Clone, Copy)]
pub(super) enum Nearest<'a> {
    Request(&'a Request),
    Event(&'a ClusterEvent),
    Change(&'a Change),
    Installed(&'a Change),
    Line(&'a ProgramLine),
    Crash(&'a ProgramLine),
}

/// What is nearest to the failure, best first: of requests, events and changes of objects the one that names most of what differs — a word
/// that few of them name says more than one which all do — or that was refused or failed. If none does, what was installed or a line of a
/// program's log that names it; else the last that happened. What came after the failure is tear-down.
pub(super) fn behind<'a>(
    failure: &Failure,
    failed_at: Option<Timestamp>,
    evidence: &'a CheckEvidence,
    installed: &'a [Change],
) -> Vec<Behind<'a>> {
    let until = failed_at.unwrap_or(Timestamp::MAX);
    let words = differing_words(failure);
    let clues = Clues::new(&words);
    let requests = evidence.requests.iter().map(Nearest::Request);
    let events = evidence.events.iter().map(Nearest::Event);
    let changes = evidence.changes.iter().map(Nearest::Change);
    let crash = evidence.crash.iter().map(Nearest::Crash);
    let happened = requests.chain(events).chain(changes).chain(crash);
    let mut ranked = rank(happened.filter(|what| what.at() <= until), &clues);
    // That the harness looked, and saw nothing that differs, says nothing.
    ranked.retain(|piece| piece.by_words > 0.0 || !piece.what.is_own_look());
    if ranked.iter().all(|piece| piece.by_words == 0.0) {
        let mut set_up = rank(installed.iter().map(Nearest::Installed), &clues);
        set_up.retain(|piece| piece.by_words > 0.0);
        set_up.truncate(1);
        let line = evidence.program_line.as_ref().map(Nearest::Line);
        if set_up.is_empty() {
            set_up.extend(rank(line.into_iter(), &clues));
        }
        ranked.splice(0..0, set_up);
    }
    let best = ranked.first().map_or(0.0, |best| best.score);
    ranked.retain(|piece| piece.score > 0.0 && piece.score >= LEAST_SHARE * best || best == 0.0);
    ranked.truncate(if best == 0.0 { 1 } else { MOST_TOLD });
    ranked.into_iter().map(|piece| piece.told(&clues)).collect()
}

/// A piece of evidence with what speaks for it.
struct Ranked<'a> {
    what: Nearest<'a>,
    score: f32,
    by_words: f32,
    /// Indexes of the words that it names, those first that say most.
    words: Vec<usize>,
}

/// The best of each kind, best first; of equals the latest.
fn rank<'a>(pieces: impl Iterator<Item = Nearest<'a>>, clues: &Clues<'_>) -> Vec<Ranked<'a>> {
    let named: Vec<(Nearest<'_>, Named)> = pieces
        .map(|what| {
            let mut named = clues.none();
            what.names(clues, &mut named);
            clues.close(&mut named);
            (what, named)
        })
        .collect();
    let rarity = rarity(&named, clues.words.len());
    let mut best: Vec<Ranked<'_>> = Vec::new();
    for (what, named) in named {
        let weight = |index: usize| {
            let word = &clues.words[index];
            let by_side = match word.side {
                Side::Seen => 3.0,
                // A number that was awaited and not seen is there for another reason.
                Side::Awaited if word.is_number() => 0.7,
                Side::Awaited => 2.0,
                Side::Subject => 1.0,
                Side::Beside => 0.5,
            };
            by_side * named.strengths[index] * rarity[index]
        };
        let mut words: Vec<usize> = (0..clues.words.len())
            .filter(|index| weight(*index) > 0.0)
            .collect();
        words.sort_by(|a, b| weight(*b).total_cmp(&weight(*a)));
        let is_beside = |index: &&usize| clues.words[**index].side == Side::Beside;
        let (beside, own): (Vec<&usize>, Vec<&usize>) = words.iter().partition(is_beside);
        // Of the words beside a difference one is nearly as good as all.
        let beside = beside.into_iter().map(|index| weight(*index));
        let beside = 0.8 * beside.clone().fold(0.0, f32::max) + 0.2 * beside.sum::<f32>();
        let by_words = what.share() * (beside + own.into_iter().map(|index| weight(*index)).sum::<f32>());
        let piece = Ranked {
            what,
            score: by_words + what.alarm(),
            by_words,
            words,
        };
        match best.iter_mut().find(|known| known.what.kind() == what.kind()) {
            Some(known) => {
                let order = piece.score.total_cmp(&known.score);
                if order.then(what.at().cmp(&known.what.at())).is_ge() {
                    *known = piece;
                }
            }
            None => best.push(piece),
        }
    }
    best.sort_by(|a, b| {
        let order = b.score.total_cmp(&a.score);
        order.then(b.what.at().cmp(&a.what.at()))
    });
    best
}

/// 1 for a word that one piece names, towards 0 for one that all do.
#[expect(
    clippy::cast_precision_loss,
    reason = "so many pieces of evidence are not kept"
)]
fn rarity(named: &[(Nearest<'_>, Named)], words: usize) -> Vec<f32> {
    let all = (named.len() + 1) as f32;
    (0..words)
        .map(|index| {
            let name_it = named.iter().filter(|(_, named)| named.strengths[index] > 0.0);
            let share = 1.0 - (name_it.count().max(1) as f32).ln() / all.ln();
            if named.len() == 1 { 1.0 } else { share }
        })
        .collect()
}

impl<'a> Ranked<'a> {
    fn told(self, clues: &Clues<'_>) -> Behind<'a> {
        let texts = self.words.iter().map(|index| clues.words[*index].text.clone());
        let words: Vec<String> = texts.take(MOST_WORDS).collect();
        let how = match self.what {
            Nearest::Line(line) => format!("the last line that names {}", line.word),
            Nearest::Installed(_) => format!("as installed; it names {}", words.join(", ")),
            what if words.is_empty() => what.why().to_owned(),
            what if what.alarm() > 0.0 => format!("it names {}; {}", words.join(", "), what.why()),
            _ => format!("it names {}", words.join(", ")),
        };
        Behind {
            what: self.what,
            how,
            words,
        }
    }
}

impl Nearest<'_> {
    fn kind(&self) -> u8 {
        match self {
            Nearest::Request(_) => 0,
            Nearest::Event(_) => 1,
            Nearest::Change(_) => 2,
            Nearest::Installed(_) => 3,
            Nearest::Line(_) => 4,
            Nearest::Crash(_) => 5,
        }
    }

    /// Far in the past for what has no time.
    fn at(&self) -> Timestamp {
        match self {
            Nearest::Request(request) => request.at,
            Nearest::Event(event) => event.at,
            Nearest::Change(change) | Nearest::Installed(change) => change.at,
            Nearest::Line(_) | Nearest::Crash(_) => Timestamp::MIN,
        }
    }

    /// The harness itself looked at GHES: that is where what was last seen comes from.
    fn is_own_look(&self) -> bool {
        matches!(self, Nearest::Request(request) if request.method == "GET" && request.user_agent.as_deref() == Some(OWN_AGENT))
    }

    /// What somebody did says more than what somebody looked at.
    fn share(&self) -> f32 {
        match self {
            _ if self.is_own_look() => 0.4,
            Nearest::Request(request) if request.method == "GET" => 0.8,
            // An object that appears names all that it has.
            Nearest::Change(change) if change.what == "appeared" => 0.8,
            _ => 1.0,
        }
    }

    /// How much it speaks of trouble by itself.
    fn alarm(&self) -> f32 {
        match self {
            Nearest::Crash(_) => 4.0,
            Nearest::Request(request) if request.fault || request.unknown => 1.5,
            Nearest::Request(request) if !request.is_refused() || request.is_ordinary => 0.0,
            Nearest::Request(request) if request.status >= Some(500) => 1.5,
            // Of the runner service's refusals many belong to its protocol.
            Nearest::Request(request) if request.path.starts_with("/_services/") => 0.3,
            Nearest::Request(_) => 1.0,
            Nearest::Event(event) if event.is_warning && !event.is_ordinary => 1.2,
            Nearest::Change(change) if change.is_failure() => 0.8,
            Nearest::Change(change) if change.is_end() => 0.3,
            _ => 0.0,
        }
    }

    fn why(&self) -> &'static str {
        match self {
            Nearest::Request(request) if request.fault => "the last that an injected fault decided",
            Nearest::Request(request) if request.unknown => "the last to a route that GHES does not have",
            _ if self.alarm() == 0.0 => "the last that was kept before the failure",
            Nearest::Crash(_) => "a program crashed",
            Nearest::Request(_) => "the last that was refused",
            Nearest::Event(_) => "the last warning",
            Nearest::Change(change) if change.is_failure() => "the last that tells of a failure",
            _ => "the last that ended an object",
        }
    }

    fn names(&self, clues: &Clues<'_>, named: &mut Named) {
        match self {
            Nearest::Request(request) => {
                let texts = [
                    Some(&request.path),
                    request.query.as_ref(),
                    Some(&request.identity),
                    request.user_agent.as_ref(),
                    Some(&request.request_excerpt),
                    Some(&request.response_excerpt),
                ];
                texts
                    .into_iter()
                    .flatten()
                    .for_each(|text| clues.text(text, named));
                if let Some(status) = request.status {
                    clues.number(&status.to_string(), 1.0, named);
                }
            }
            Nearest::Event(event) => {
                let severity = if event.is_warning { "Warning" } else { "Normal" };
                let texts = [severity, &event.object, &event.reason, &event.message];
                texts.into_iter().for_each(|text| clues.text(text, named));
            }
            Nearest::Change(change) | Nearest::Installed(change) => {
                clues.text(&change.object, named);
                for field in &change.fields {
                    clues.field(&field.path, [&field.before, &field.after], named);
                }
            }
            Nearest::Line(line) | Nearest::Crash(line) => clues.text(&line.text, named),
        }
    }
}

/// Whether a field names one of the words: these are told first.
pub(super) fn names_one(words: &[String], path: &str, values: [&str; 2]) -> bool {
    let words: Vec<_> = words
        .iter()
        .map(|text| Word {
            text: text.clone(),
            side: Side::Seen,
        })
        .collect();
    let clues = Clues::new(&words);
    let mut named = clues.none();
    clues.field(path, values, &mut named);
    clues.close(&mut named);
    named.strengths.iter().any(|strength| *strength > 0.0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::excerpts::FieldChange;

    fn at(second: u8) -> Timestamp {
        let text = format!("2026-11-24T10:00:{second:02}Z");
        text.parse().expect("a timestamp")
    }

    fn request(second: u8, excerpt: &str, status: u16) -> Request {
        let line = json!({
            "at": at(second), "method": "POST", "path": "/agents", "query": null, "status": status, "request_excerpt": excerpt,
        });
        serde_json::from_value(line).expect("a request")
    }

    fn change(second: u8, path: &str, before: &str, after: &str) -> Change {
        Change {
            at: at(second),
            object: "HorizontalRunnerAutoscaler a".to_owned(),
            what: "changed",
            fields: vec![FieldChange {
                path: path.to_owned(),
                before: before.to_owned(),
                after: after.to_owned(),
            }],
            more_fields: 0,
        }
    }

    /// When what is told happened, and how it was found.
    fn told(awaited: &str, last_seen: &str, evidence: &CheckEvidence) -> Vec<(Timestamp, String)> {
        let failure = Failure {
            awaited: awaited.to_owned(),
            last_seen: last_seen.to_owned(),
            detail: None,
        };
        behind(&failure, None, evidence, &[])
            .into_iter()
            .map(|behind| (behind.what.at(), behind.how))
            .collect()
    }

    #[test]
    fn the_request_that_names_the_missing_word_stands_behind() {
        let evidence = CheckEvidence {
            requests: vec![
                request(1, "labels: v2.306.0", 200),
                request(2, "labels: linux", 200),
                request(3, "", 403),
            ],
            ..CheckEvidence::default()
        };

        assert_eq!(
            told("labels = linux, v2.306.0", "linux", &evidence),
            [(at(1), "it names v2.306.0".to_owned())]
        );
        assert_eq!(
            told("4", "2", &evidence),
            [(at(3), "the last that was refused".to_owned())]
        );
    }

    #[test]
    fn the_change_of_the_field_to_the_value_that_was_seen_stands_behind() {
        let evidence = CheckEvidence {
            changes: vec![
                change(1, "status.desiredReplicas", "2", "8"),
                change(2, "status.desiredReplicas", "8", "4"),
                change(3, "spec.replicas", "1", "9"),
            ],
            ..CheckEvidence::default()
        };

        assert_eq!(told("DESIRED of a = [2, 4]", "[2, 8, 4]", &evidence)[0].0, at(1));
        assert_eq!(told("a /status/desiredReplicas = 2", "8", &evidence)[0].0, at(1));
    }

    #[test]
    fn without_any_word_the_last_is_told() {
        let evidence = CheckEvidence {
            requests: vec![request(1, "", 200), request(2, "", 200)],
            ..CheckEvidence::default()
        };

        assert_eq!(
            told("something", "nothing", &evidence),
            [(at(2), "the last that was kept before the failure".to_owned())]
        );
    }
}
