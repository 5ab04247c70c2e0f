//! The list of all checks: each opens to what it claims, on what grounds, what happened in it, and what was kept.

use harness_model::Verdict;

use super::markup::Html;
use super::{
    CHAIN, MOST_ROWS, ROOM_FOR_CHECKS, ROOM_FOR_EVIDENCE, ROOM_FOR_STEPS, SENTENCE, chart, failures, human,
    measured, offset, proof, verdict,
};
use crate::excerpts::CheckEvidence;
use crate::text::count;
use crate::{Attempt, CheckResult, Excerpts, Summary, What};

/// Moments of one check, and of all together; of those between its first and its last the number is told.
const MOST_MOMENTS: usize = 100;
const LEAST_MOMENTS: usize = 6;
const ALL_MOMENTS: usize = 10_000;
/// Bytes kept free for checks that are not green.
const ROOM_FOR_OTHERS: usize = 200_000;

/// What a link to the check names: its id, if that can be a fragment.
pub(crate) fn anchor(index: usize, check: &CheckResult) -> String {
    let id = &check.check.id;
    let plain = !id.is_empty()
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b":-_".contains(&byte));
    if plain && id.contains("::") {
        id.clone()
    } else {
        format!("check-{index}")
    }
}

/// The section with its filters.
pub(super) fn section(html: &mut Html, summary: &Summary, evidence: &Excerpts) {
    html.raw("<section aria-labelledby=\"checks\"><h2 id=\"checks\">Checks</h2>\n");
    filters(html, summary);
    let nothing = CheckEvidence::default();
    let mut left_out = 0;
    html.raw("<div id=\"list\">\n");
    for (index, result) in summary.checks.iter().enumerate() {
        let room = if result.verdict.is_green() {
            ROOM_FOR_CHECKS
        } else {
            ROOM_FOR_CHECKS + ROOM_FOR_OTHERS
        };
        if html.len() > room {
            left_out += 1;
            continue;
        }
        let of_check = evidence.checks.get(index).unwrap_or(&nothing);
        check(html, summary, index, result, of_check);
    }
    html.raw("</div>\n<p id=\"none\" hidden>No check fits the filters.</p>\n");
    super::more(
        html,
        "<p>",
        left_out,
        "checks are in report.yaml: this page is full.",
        "</p>\n",
    );
    html.raw("</section>\n");
}

/// Hidden until the script can serve them.
fn filters(html: &mut Html, summary: &Summary) {
    html.raw("<form id=\"filters\" role=\"search\" aria-label=\"Filter the checks\" hidden>\n");
    html.raw(
        "<label>Text <input type=\"search\" id=\"text\" autocomplete=\"off\" spellcheck=\"false\"></label>\n",
    );
    html.raw("<fieldset><legend>Verdict</legend>\n");
    for wanted in [
        Verdict::Fail,
        Verdict::Error,
        Verdict::Flaky,
        Verdict::ExpectedFailure,
        Verdict::Pass,
        Verdict::Skipped,
        Verdict::Unsupported,
    ] {
        let number = summary.count(wanted);
        if number > 0 {
            let word = super::look(wanted).word;
            html.raw("<label><input type=\"checkbox\" checked value=\"")
                .raw(word)
                .raw("\"> ")
                .raw(word)
                .raw(" ");
            html.number(number).raw("</label>\n");
        }
    }
    html.raw("</fieldset>\n<button type=\"button\" id=\"open\">Open all</button>\n");
    html.raw("<button type=\"button\" id=\"close\">Close all</button>\n<output id=\"shown\" aria-live=\"polite\"></output>\n</form>\n");
}

fn check(html: &mut Html, summary: &Summary, index: usize, result: &CheckResult, evidence: &CheckEvidence) {
    let word = super::look(result.verdict).word;
    html.raw("<details class=\"check\"")
        .attribute("id", &anchor(index, result))
        .attribute("data-verdict", word);
    let is_open = matches!(result.verdict, Verdict::Fail | Verdict::Error) && !result.is_cut_off();
    html.raw(if is_open {
        " open>\n<summary>"
    } else {
        ">\n<summary>"
    });
    verdict(html, result.verdict);
    html.raw(" <span class=\"name\">")
        .cut(&result.check.id, SENTENCE)
        .raw("</span> <span class=\"sentence\">");
    html.cut(&result.check.claim, SENTENCE)
        .raw("</span> <span class=\"time\">");
    if result.rerun().is_some() {
        html.text(&human(result.duration()));
    }
    html.raw("</span></summary>\n<div class=\"body\">\n");
    facts(html, result);
    if html.len() < ROOM_FOR_STEPS {
        steps(html, summary, result);
    } else {
        html.raw("<p class=\"quiet\">The page is full; the steps are in run.jsonl.</p>\n");
    }
    if html.len() < ROOM_FOR_EVIDENCE {
        chart::of_check(html, summary, result, evidence);
        proof::blocks(html, summary, evidence);
    } else if !evidence.files.is_empty() {
        html.raw("<p class=\"quiet\">The page is full; the evidence is in the run's folder.</p>\n");
    }
    html.raw("</div>\n</details>\n");
}

fn facts(html: &mut Html, result: &CheckResult) {
    let check = &result.check;
    html.raw("<dl>\n");
    for (name, text) in [
        ("Claim", &check.claim),
        ("Promised by", &check.grounds),
        ("Not covered", &check.not_covered),
    ] {
        if !text.is_empty() {
            html.raw("<dt>")
                .raw(name)
                .raw("</dt><dd>")
                .cut(text, SENTENCE)
                .raw("</dd>\n");
        }
    }
    if let Some(failure) = result.failure() {
        failures::values(html, failure, false);
        if let Some(detail) = &failure.detail {
            html.raw("<dt>In full</dt><dd><pre tabindex=\"0\">")
                .cut(detail, CHAIN)
                .raw("</pre></dd>\n");
        }
    } else if let Some(reason) = &result.reason {
        html.raw("<dt>Why</dt><dd>").cut(reason, SENTENCE).raw("</dd>\n");
    }
    if !result.measurements.is_empty() {
        html.raw("<dt>Measured</dt><dd>");
        for (index, measurement) in result.measurements.iter().take(MOST_ROWS).enumerate() {
            html.raw(if index > 0 { "<br>" } else { "" });
            measured(html, measurement);
        }
        let left = result.measurements.len().saturating_sub(MOST_ROWS);
        super::more(html, "<br>", left, "are in report.yaml", "");
        html.raw("</dd>\n");
    }
    html.raw("<dt>Profile</dt><dd>").text(&check.profile.to_string());
    if !check.needs.is_empty() {
        let needs: Vec<String> = check.needs.iter().map(ToString::to_string).collect();
        html.raw("; needs ").text(&needs.join(", "));
    }
    html.raw("</dd>\n");
    if result.attempts.len() > 1 {
        html.raw("<dt>Attempts</dt><dd>")
            .cut(&attempts(&result.attempts), SENTENCE)
            .raw("</dd>\n");
    }
    if let Some(rerun) = result.rerun() {
        html.raw("<dt>Run again</dt><dd><code class=\"rerun\">")
            .cut(rerun, SENTENCE)
            .raw("</code></dd>\n");
    }
    html.raw("</dl>\n");
}

fn attempts(attempts: &[Attempt]) -> String {
    let ends: Vec<String> = attempts
        .iter()
        .map(|attempt| match &attempt.end {
            Some(end) => format!("{} {} in {}", attempt.number, end.verdict, human(end.duration)),
            None => format!("{} has no end", attempt.number),
        })
        .collect();
    ends.join("; ")
}

/// What the log tells of the check, each with the time since what came before.
fn steps(html: &mut Html, summary: &Summary, result: &CheckResult) {
    let moments = &result.moments;
    if moments.is_empty() {
        return;
    }
    html.raw("<h3>Steps</h3>\n<div class=\"scroll\" tabindex=\"0\"><table class=\"steps\">\n<thead><tr><th scope=\"col\">In the run</th>");
    html.raw("<th scope=\"col\">Took</th><th scope=\"col\">What</th></tr></thead>\n<tbody>\n");
    let share = ALL_MOMENTS / summary.checks.len().max(1);
    let most = share.clamp(LEAST_MOMENTS, MOST_MOMENTS);
    let first = most / 2;
    let left_out = moments.len().saturating_sub(most);
    let mut before = None;
    for (index, moment) in moments.iter().enumerate() {
        let at = offset(summary, moment.at);
        let took = before.map(|before: f64| at - before);
        before = Some(at);
        if left_out > 0 && index == first {
            super::more(
                html,
                "<tr><td></td><td></td><td class=\"quiet\">",
                left_out,
                "are in run.jsonl",
                "</td></tr>\n",
            );
        }
        if left_out > 0 && (first..first + left_out).contains(&index) {
            continue;
        }
        html.raw("<tr><td>").text(&format!("{at:+.2} s")).raw("</td><td>");
        if let Some(took) = took {
            html.text(&format!("{took:.2} s"));
        }
        html.raw("</td><td>");
        what(html, result, moment.what);
        html.raw("</td></tr>\n");
    }
    html.raw("</tbody></table></div>\n");
}

fn what(html: &mut Html, result: &CheckResult, what: What) {
    match what {
        What::Began(number) => {
            let attempt = result.attempts.iter().find(|attempt| attempt.number == number);
            html.raw("attempt ").number(u64::from(number)).raw(" began");
            if let Some(attempt) = attempt.filter(|attempt| !attempt.namespace.is_empty()) {
                html.raw(" in namespace <code>")
                    .cut(&attempt.namespace, SENTENCE)
                    .raw("</code>");
            }
        }
        What::Observed(index) => {
            let text = result.observations.get(index).map_or("", String::as_str);
            html.raw("seen: ").cut(text, SENTENCE);
        }
        What::Measured(index) => {
            if let Some(measurement) = result.measurements.get(index) {
                html.raw("measured ");
                measured(html, measurement);
            }
        }
        What::Ended(number, ended) => {
            html.raw("attempt ").number(u64::from(number)).raw(" ended: ");
            verdict(html, ended);
        }
    }
}

/// For headings: `3 events`.
pub(super) fn heading(html: &mut Html, number: usize, noun: &str) {
    html.text(&count(number, noun));
}
