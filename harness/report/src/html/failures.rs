//! The first screen of a run that is not green: each such check with all that leads from red to cause.

use harness_model::{Failure, Verdict};
use jiff::Timestamp;

use super::cause::{self, Behind, Nearest};
use super::marks::{Piece, mark};
use super::markup::Html;
use super::{SENTENCE, checks, offset, since_start, verdict};
use crate::excerpts::{Change, CheckEvidence, FieldChange, Request};
use crate::text::without_controls;
use crate::words::telling_lines;
use crate::{CheckResult, Excerpts, Summary};

/// Cards; further checks are in the list below.
const MOST_CARDS: usize = 60;
/// Bytes of one value before it is squeezed around what differs, and how much of what is common stays on each side.
const LONG: usize = 220;
const AROUND: usize = 48;
/// Bytes of a text that is told of a piece of evidence, and of a body before and after the word that it names.
const TEXT: usize = 160;
const BEFORE: usize = 40;
const AFTER: usize = 80;
/// Fields of an object that are told.
const MOST_FIELDS: usize = 3;

/// Whether there is anything to show.
pub(super) fn any(summary: &Summary) -> bool {
    summary.checks.iter().any(wants_card)
}

/// A check that was cut off has nothing to tell but its name; the run tells it of all of them.
fn wants_card(check: &CheckResult) -> bool {
    match check.verdict {
        Verdict::Fail | Verdict::Flaky | Verdict::ExpectedFailure => true,
        Verdict::Error => !check.is_cut_off(),
        Verdict::Pass | Verdict::Skipped | Verdict::Unsupported => false,
    }
}

/// The section, if there is anything to show: failed checks, then errors, flaky ones and expected failures.
pub(super) fn section(html: &mut Html, summary: &Summary, evidence: &Excerpts) {
    let mut cards: Vec<(usize, &CheckResult)> = summary
        .checks
        .iter()
        .enumerate()
        .filter(|(_, check)| wants_card(check))
        .collect();
    if cards.is_empty() {
        return;
    }
    cards.sort_by_key(|(_, check)| match check.verdict {
        Verdict::Fail => 0,
        Verdict::Error => 1,
        Verdict::Flaky => 2,
        _ => 3,
    });
    html.raw("<section class=\"failures\" aria-labelledby=\"failures\"><h2 id=\"failures\">What is not green</h2>\n");
    let nothing = CheckEvidence::default();
    for (index, check) in cards.iter().take(MOST_CARDS) {
        let of_check = evidence.checks.get(*index).unwrap_or(&nothing);
        card(html, summary, *index, check, (of_check, &evidence.installed));
    }
    let left = cards.len().saturating_sub(MOST_CARDS);
    super::more(html, "<p>", left, "are in the list of checks.", "</p>\n");
    html.raw("</section>\n");
}

fn card(
    html: &mut Html,
    summary: &Summary,
    index: usize,
    check: &CheckResult,
    (evidence, installed): (&CheckEvidence, &[Change]),
) {
    let class = super::look(check.verdict).class;
    html.raw("<article class=\"card ").raw(class).raw("\">\n<h3>");
    verdict(html, check.verdict);
    html.raw(" <a")
        .attribute("href", &format!("#{}", checks::anchor(index, check)))
        .raw(">");
    html.cut(&check.check.id, SENTENCE)
        .raw("</a></h3>\n<p class=\"claim\">");
    html.cut(&check.check.claim, SENTENCE).raw("</p>\n<dl>\n");
    match check.failure() {
        Some(failure) => {
            values(html, failure, true);
            html.raw("<dt>Behind it</dt><dd class=\"wide\">");
            let failed_at = check.failed_at();
            let behind = cause::behind(failure, failed_at, evidence, installed);
            for behind in &behind {
                html.raw("<div>");
                told(html, summary, failed_at, behind);
                html.raw("</div>");
            }
            if behind.is_empty() {
                last_step(html, check);
            }
            html.raw("</dd>\n");
        }
        None => {
            html.raw("<dt>Why</dt><dd class=\"wide\">");
            html.cut(check.reason.as_deref().unwrap_or("no reason recorded"), SENTENCE)
                .raw("</dd>\n");
        }
    }
    if !check.check.grounds.is_empty() {
        html.raw("<dt>Promised by</dt><dd>")
            .cut(&check.check.grounds, SENTENCE)
            .raw("</dd>\n");
    }
    if let Some(rerun) = check.rerun() {
        html.raw("<dt>Run again</dt><dd><code class=\"rerun\">")
            .cut(rerun, SENTENCE)
            .raw("</code></dd>\n");
    }
    html.raw("</dl>\n</article>\n");
}

/// Awaited and last seen, with the difference marked; squeezed around it if asked, of a log to its telling lines.
pub(super) fn values(html: &mut Html, failure: &Failure, squeezed: bool) {
    // Before it is cut into pieces: a control sequence that a mark divides would not be known any more.
    let failure = &Failure {
        awaited: without_controls(&failure.awaited),
        last_seen: without_controls(&failure.last_seen),
        detail: None,
    };
    let most = super::VALUE;
    let shown = |text: &str| text.floor_char_boundary(most);
    let telling = if squeezed {
        telling_lines(failure, &failure.last_seen)
    } else {
        failure.last_seen.as_str().into()
    };
    let (awaited, last_seen) = (shown(&failure.awaited), shown(&telling));
    let marked = mark(failure, &failure.awaited[..awaited], &telling[..last_seen]);
    for (name, pieces, mark, left_out) in [
        (
            "Awaited",
            &marked.awaited,
            "<ins>",
            failure.awaited.len() - awaited,
        ),
        (
            "Last seen",
            &marked.last_seen,
            "<del>",
            if squeezed { 0 } else { telling.len() - last_seen },
        ),
    ] {
        html.raw("<dt>")
            .raw(name)
            .raw("</dt><dd class=\"wide\"><code class=\"value\">");
        let length: usize = pieces.iter().map(|piece| piece.text.len()).sum();
        if squeezed && length > LONG {
            squeeze(html, pieces, mark);
        } else {
            for (text, differs) in runs(pieces) {
                marked_text(html, &text, differs, mark);
            }
        }
        html.raw("</code>");
        super::more(
            html,
            " <span class=\"quiet\">",
            left_out,
            "bytes are in run.jsonl",
            "</span>",
        );
        html.raw("</dd>\n");
    }
}

fn marked_text(html: &mut Html, text: &str, differs: bool, mark: &'static str) {
    if differs && !text.is_empty() {
        html.raw(mark)
            .text(text)
            .raw(if mark == "<ins>" { "</ins>" } else { "</del>" });
    } else {
        html.text(text);
    }
}

/// Neighbours that are alike, joined.
fn runs(pieces: &[Piece<'_>]) -> Vec<(String, bool)> {
    let mut runs: Vec<(String, bool)> = Vec::new();
    for piece in pieces {
        match runs.last_mut() {
            Some((text, differs)) if *differs == piece.differs => text.push_str(piece.text),
            _ => runs.push((piece.text.to_owned(), piece.differs)),
        }
    }
    runs
}

/// Long stretches in common become `…`; without any difference beginning and end stay.
fn squeeze(html: &mut Html, pieces: &[Piece<'_>], mark: &'static str) {
    let runs = runs(pieces);
    if runs.iter().all(|(_, differs)| !differs) {
        let text: String = runs.into_iter().map(|(text, _)| text).collect();
        let head = text.floor_char_boundary(LONG / 2);
        let tail = text.ceil_char_boundary(text.len() - LONG / 2);
        html.text(&text[..head]).raw(" … ").text(&text[tail..]);
        return;
    }
    let last = runs.len() - 1;
    for (index, (text, differs)) in runs.iter().enumerate() {
        if *differs {
            let shown = text.floor_char_boundary(LONG);
            marked_text(html, &text[..shown], true, mark);
            html.raw(if shown < text.len() { "…" } else { "" });
            continue;
        }
        // The beginning of the whole says what the value is of.
        let head = if index == 0 { 2 * AROUND } else { AROUND };
        let (before, after) = (head, if index == last { 0 } else { AROUND });
        if text.len() <= before + after + 8 {
            html.text(text);
        } else {
            html.text(&text[..text.floor_char_boundary(before)]).raw("…");
            html.text(&text[text.ceil_char_boundary(text.len() - after)..]);
        }
    }
}

/// Where nothing was kept, what the check told last.
fn last_step(html: &mut Html, check: &CheckResult) {
    match check.observations.last() {
        Some(text) => html.raw("<b>Step</b> ").cut(text, SENTENCE),
        None => {
            html.raw("<span class=\"quiet\">no kept request, event, change or line names what differs</span>")
        }
    };
}

fn told(html: &mut Html, summary: &Summary, failed_at: Option<Timestamp>, behind: &Behind<'_>) {
    match behind.what {
        Nearest::Request(request) => {
            html.raw("<b>Request</b> <code>").text(&request.method).raw(" ");
            html.cut(request.short_path(TEXT), TEXT).raw("</code> ");
            super::proof::status(html, request);
            html.raw(" by ").cut(&request.identity, TEXT);
            if let Some(agent) = &request.user_agent {
                html.raw(", ").cut(agent, TEXT);
            }
            moment(html, summary, failed_at, request.at);
            body(html, request, &behind.words);
        }
        Nearest::Event(event) => {
            html.raw("<b>Event</b> <code>").cut(&event.reason, TEXT);
            html.raw("</code> of ").cut(&event.object, TEXT);
            moment(html, summary, failed_at, event.at);
            html.raw(": ").cut(&event.message, TEXT);
        }
        Nearest::Change(change) => {
            html.raw("<b>Object</b> <code>").cut(&change.object, TEXT);
            html.raw("</code> ").raw(change.what);
            moment(html, summary, failed_at, change.at);
            fields(html, change, &behind.words);
        }
        Nearest::Installed(object) => {
            html.raw("<b>Installed</b> <code>").cut(&object.object, TEXT);
            html.raw("</code>");
            fields(html, object, &behind.words);
        }
        Nearest::Line(line) | Nearest::Crash(line) => {
            html.raw("<b>Log</b> <code>").cut(&line.log, TEXT);
            html.raw("</code>: <code>")
                .cut(&line.text, 2 * TEXT)
                .raw("</code>");
        }
    }
    html.raw(" <span class=\"quiet\">(")
        .cut(&behind.how, TEXT)
        .raw(")</span>");
}

/// When it happened in the run, and how long before the failure.
fn moment(html: &mut Html, summary: &Summary, failed_at: Option<Timestamp>, at: Timestamp) {
    html.raw(", ");
    since_start(html, summary, at);
    if let Some(failed_at) = failed_at {
        let before = offset(summary, failed_at) - offset(summary, at);
        html.raw(" <span class=\"quiet\">(")
            .text(&format!("{before:.1} s before the failure"))
            .raw(")</span>");
    }
}

/// The part of what was sent or got that names one of the words.
fn body(html: &mut Html, request: &Request, words: &[String]) {
    let sides = [
        (" sent <code>", &request.request_excerpt),
        (" got <code>", &request.response_excerpt),
    ];
    let found = words.iter().find_map(|word| {
        let mut sides = sides.into_iter();
        sides.find_map(|(side, text)| Some((side, text, text.find(word.as_str())?)))
    });
    if let Some((side, text, at)) = found {
        let from = text.floor_char_boundary(at.saturating_sub(BEFORE));
        let to = text.floor_char_boundary(at + AFTER);
        html.raw(side).raw(if from > 0 { "…" } else { "" });
        html.text(&text[from..to]);
        html.raw(if to < text.len() { "…</code>" } else { "</code>" });
    }
}

/// What differs in an object, first the fields that name one of the words.
fn fields(html: &mut Html, change: &Change, words: &[String]) {
    let names = |field: &&FieldChange| cause::names_one(words, &field.path, [&field.before, &field.after]);
    let (naming, others): (Vec<_>, Vec<_>) = change.fields.iter().partition(names);
    // What an object that appears has besides says nothing.
    let others = others.into_iter().filter(|_| change.what == "changed");
    let told = naming.into_iter().chain(others).take(MOST_FIELDS);
    for (index, field) in told.enumerate() {
        html.raw(if index > 0 { ", <code>" } else { " <code>" });
        html.cut(&field.path, TEXT).raw(": ");
        if !field.before.is_empty() {
            html.cut(&field.before, TEXT);
        }
        if change.what == "changed" {
            html.raw(if field.before.is_empty() {
                "absent → "
            } else {
                " → "
            });
        }
        html.cut(
            if field.after.is_empty() {
                "absent"
            } else {
                &field.after
            },
            TEXT,
        );
        html.raw("</code>");
    }
}
