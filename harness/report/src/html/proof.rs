//! The evidence of a check, in blocks that open: requests, events, changes of objects, logs, objects, files.

use super::markup::Html;
use super::{SENTENCE, checks::heading, since_start};
use crate::Summary;
use crate::excerpts::{Change, CheckEvidence, ClusterEvent, Excerpt, Request};
use crate::text::count;

/// Bytes of a body's excerpt.
const BODY: usize = 700;
/// Requests, events, changes that are shown, the newest, and fields of one change.
const MOST_REQUESTS: usize = 50;
const MOST_EVENTS: usize = 60;
const MOST_CHANGES: usize = 60;
const MOST_FIELDS: usize = 8;

/// All blocks that hold something.
pub(super) fn blocks(html: &mut Html, summary: &Summary, evidence: &CheckEvidence) {
    if evidence.files.is_empty() {
        return;
    }
    html.raw("<h3>Evidence</h3>\n");
    requests(html, summary, evidence);
    events(html, summary, &evidence.events);
    changes(html, summary, evidence);
    excerpts(html, "log", &evidence.logs);
    excerpts(html, "file of objects", &evidence.objects);
    files(html, evidence);
}

/// The status of an answer, with what is odd about it.
pub(super) fn status(html: &mut Html, request: &Request) {
    html.raw(if request.is_refused() {
        "<b class=\"bad\">"
    } else {
        "<b>"
    });
    match request.status {
        Some(status) => html.number(status),
        None => html.raw("no answer"),
    };
    html.raw("</b>");
    html.raw(if request.unknown { " unknown route" } else { "" });
    html.raw(if request.fault { " injected fault" } else { "" });
}

fn requests(html: &mut Html, summary: &Summary, evidence: &CheckEvidence) {
    if evidence.requests.is_empty() {
        return;
    }
    let (earlier, shown) = newest(&evidence.requests, MOST_REQUESTS);
    html.raw("<details class=\"block\"><summary>Ledger around the failure: ");
    heading(html, shown.len(), "request");
    html.raw("</summary>\n<p class=\"quiet\">");
    html.number(earlier + evidence.more_requests);
    html.raw(" earlier ones of this check are in the ledger.</p>\n<div class=\"scroll\" tabindex=\"0\"><table>\n<thead><tr><th scope=\"col\">In the run</th>");
    html.raw("<th scope=\"col\">Request</th><th scope=\"col\">Answer</th><th scope=\"col\">Took</th><th scope=\"col\">By</th></tr></thead>\n<tbody>\n");
    for request in shown {
        html.raw("<tr><td>");
        since_start(html, summary, request.at);
        html.raw("</td><td><code>")
            .text(&request.method)
            .raw(" ")
            .cut(&request.path, SENTENCE);
        if let Some(query) = &request.query {
            html.raw("?").cut(query, SENTENCE);
        }
        html.raw("</code>");
        let repeats = request.asked_before;
        if repeats > 0 {
            html.raw(" <span class=\"quiet\">as ")
                .text(&count(repeats, "time"))
                .raw(" before</span>");
        }
        body(html, "sent", &request.request_excerpt);
        body(html, "got", &request.response_excerpt);
        html.raw("</td><td>");
        status(html, request);
        html.raw("</td><td>")
            .number(request.duration_ms)
            .raw(" ms</td><td>")
            .cut(&request.identity, SENTENCE);
        html.raw("</td></tr>\n");
    }
    html.raw("</tbody></table></div></details>\n");
}

/// The last so many, and how many there are before them.
fn newest<T>(all: &[T], most: usize) -> (usize, &[T]) {
    let earlier = all.len().saturating_sub(most);
    (earlier, &all[earlier..])
}

fn body(html: &mut Html, what: &'static str, text: &str) {
    if !text.is_empty() {
        html.raw("<div class=\"said-body\"><span class=\"quiet\">")
            .raw(what)
            .raw("</span> <code>");
        html.cut(text, BODY).raw("</code></div>");
    }
}

fn events(html: &mut Html, summary: &Summary, events: &[ClusterEvent]) {
    if events.is_empty() {
        return;
    }
    let (_, events) = newest(events, MOST_EVENTS);
    html.raw("<details class=\"block\"><summary>Events of the namespace until it ended: ");
    heading(html, events.len(), "event");
    html.raw("</summary>\n<div class=\"scroll\" tabindex=\"0\"><table>\n<thead><tr><th scope=\"col\">In the run</th><th scope=\"col\">Reason</th>");
    html.raw("<th scope=\"col\">Object</th><th scope=\"col\">Message</th></tr></thead>\n<tbody>\n");
    for event in events {
        html.raw("<tr><td>");
        since_start(html, summary, event.at);
        html.raw(if event.is_warning {
            "</td><td><b class=\"bad\">Warning</b> "
        } else {
            "</td><td>"
        });
        html.cut(&event.reason, SENTENCE)
            .raw("</td><td>")
            .cut(&event.object, SENTENCE)
            .raw("</td><td>");
        html.cut(&event.message, SENTENCE).raw("</td></tr>\n");
    }
    html.raw("</tbody></table></div></details>\n");
}

fn changes(html: &mut Html, summary: &Summary, evidence: &CheckEvidence) {
    if evidence.changes.is_empty() {
        return;
    }
    let (earlier, shown) = newest(&evidence.changes, MOST_CHANGES);
    html.raw("<details class=\"block\"><summary>Objects before and after: ");
    heading(html, shown.len(), "change");
    html.raw("</summary>\n");
    super::more(
        html,
        "<p class=\"quiet\">",
        earlier + evidence.more_changes,
        "earlier ones are in the history.",
        "</p>\n",
    );
    html.raw("<div class=\"scroll\" tabindex=\"0\"><table class=\"changes\">\n<thead><tr><th scope=\"col\">In the run</th><th scope=\"col\">Object</th>");
    html.raw("<th scope=\"col\">What differs</th></tr></thead>\n<tbody>\n");
    for Change {
        at,
        object,
        what,
        fields,
        more_fields,
    } in shown
    {
        html.raw("<tr><td>");
        since_start(html, summary, *at);
        html.raw("</td><td>").cut(object, SENTENCE).raw("</td><td>");
        let told = if *what == "changed" {
            &fields[..fields.len().min(MOST_FIELDS)]
        } else {
            html.raw(what);
            &[]
        };
        for field in told {
            html.raw("<div><code>")
                .cut(&field.path, SENTENCE)
                .raw("</code>: <code>");
            for (open, value, close) in [
                ("<del>", &field.before, "</del>"),
                (" → <ins>", &field.after, "</ins>"),
            ] {
                if value.is_empty() {
                    html.raw(if open == "<del>" { "absent" } else { " → absent" });
                } else {
                    html.raw(open).cut(value, SENTENCE).raw(close);
                }
            }
            html.raw("</code></div>");
        }
        if !told.is_empty() {
            let left = more_fields + fields.len() - told.len();
            super::more(html, "<div class=\"quiet\">", left, "fields", "</div>");
        }
        html.raw("</td></tr>\n");
    }
    html.raw("</tbody></table></div></details>\n");
}

fn excerpts(html: &mut Html, noun: &'static str, excerpts: &[Excerpt]) {
    for excerpt in excerpts {
        html.raw("<details class=\"block\"><summary>")
            .raw(if noun == "log" {
                "Log "
            } else {
                "Objects when it failed: "
            });
        html.raw("<code>")
            .cut(&excerpt.name, SENTENCE)
            .raw("</code></summary>\n");
        if !excerpt.left_out.is_empty() {
            html.raw("<p class=\"quiet\">")
                .cut(&excerpt.left_out, SENTENCE)
                .raw("</p>\n");
        }
        html.raw("<pre tabindex=\"0\">")
            .text(&excerpt.text)
            .raw("</pre></details>\n");
    }
}

/// Links work while the page lies in the run's folder.
fn files(html: &mut Html, evidence: &CheckEvidence) {
    html.raw("<details class=\"block\"><summary>");
    heading(html, evidence.files.len() + evidence.more_files, "file");
    html.raw(" in the run's folder</summary>\n<ul class=\"files\">\n");
    for (path, size) in &evidence.files {
        html.raw("<li><a")
            .attribute("href", &address(path.as_str()))
            .raw("><code>")
            .text(path.as_str());
        html.raw("</code></a> <span class=\"quiet\">")
            .number(*size)
            .raw(" bytes</span></li>\n");
    }
    super::more(html, "<li>", evidence.more_files, "are there", "</li>\n");
    html.raw("</ul></details>\n");
}

/// A path as a relative address: whatever is not plain is percent-encoded, and `./` keeps a colon from naming a scheme.
fn address(path: &str) -> String {
    let mut address = String::from("./");
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte) {
            address.push(char::from(byte));
        } else {
            let hex = |nibble: u8| char::from(b"0123456789ABCDEF"[usize::from(nibble)]);
            address.extend(['%', hex(byte >> 4), hex(byte & 15)]);
        }
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_cannot_leave_the_folder_or_name_a_scheme() {
        assert_eq!(address("javascript:x?#é"), "./javascript%3Ax%3F%23%C3%A9");
        assert_eq!(address("evidence/pods/a_b.log"), "./evidence/pods/a_b.log");
    }
}
