//! `report.html`: the run on one page that can be handed on: one file, nothing loaded from outside, readable without scripts.
//!
//! A pure function of the run's [`Summary`] and of [`Excerpts`] of its evidence. The verdict stands first, then for each check that is
//! not green what was awaited, what was seen, what stands behind it and how to run it again; then everything else. What it is not: the
//! truth. That is `run.jsonl`, and whole files are in `evidence/`; the page is bounded whatever they hold.

mod cause;
mod chart;
mod checks;
mod diff;
mod environment;
mod failures;
mod marks;
mod markup;
mod proof;
mod timeline;
mod upgrade;

use std::time::Duration;

use harness_model::{Exit, Measurement, Verdict};
use jiff::Timestamp;

pub(crate) use self::checks::anchor;
pub use self::diff::diff_html;
use self::markup::Html;
pub(crate) use self::upgrade::{CHARTS, UPGRADE};
use crate::text::{amount, count};
use crate::{CheckResult, Excerpts, Outcome, Summary};

const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");
/// What the browser may do with this page: show it. The digests are those of [`STYLE`] and [`SCRIPT`]; a test compares them.
const POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; \
    style-src 'sha256-L4n5/e+QvCE8EPeGuAbNsuXFv6ZyCDXJnwirkrJqTUs='; \
    script-src 'sha256-AvtWnEuB+d1PPjz7hxaG2WJ8p+qyO8RH4UT1ZWIizog='";
/// The same for [`STYLE`] and the script of a diff's page.
const POLICY_OF_DIFFS: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; \
    style-src 'sha256-L4n5/e+QvCE8EPeGuAbNsuXFv6ZyCDXJnwirkrJqTUs='; \
    script-src 'sha256-HulFPc1w29KoEesbrSQwcBkCQKQj29+2VqovRUGMfw4='";

/// Bytes after which a page takes no more evidence, steps, checks: in this order, what a reader needs least goes first.
const ROOM_FOR_EVIDENCE: usize = 3_200_000;
const ROOM_FOR_STEPS: usize = 3_700_000;
const ROOM_FOR_CHECKS: usize = 4_200_000;
/// Bytes of one sentence, of one value, of one error chain.
const SENTENCE: usize = 1_000;
const VALUE: usize = 4_000;
const CHAIN: usize = 16_000;
/// Rows of a table whose rows a run may have any number of.
const MOST_ROWS: usize = 300;

/// The text of `report.html`, below 5 MB whatever the run holds.
#[must_use]
pub fn report_html(summary: &Summary, evidence: &Excerpts) -> String {
    let mut html = Html::default();
    let title = format!("{} – run {}", outcome(summary.outcome).word, summary.run_id);
    head(&mut html, POLICY, &title);
    banner(&mut html, summary);
    html.raw("<main id=\"main\">\n");
    said(&mut html, summary);
    failures::section(&mut html, summary, evidence);
    upgrade::section(&mut html, summary);
    checks::section(&mut html, summary, evidence);
    timeline::section(&mut html, summary, evidence);
    environment::sections(&mut html, summary);
    gaps(&mut html, evidence);
    html.raw("</main>\n<footer>");
    html.raw("<p>Made from <code>run.jsonl</code>, which is the truth; the files named here lie beside this page, below <code>evidence/</code>.</p>");
    html.raw("</footer>\n<script>")
        .raw(SCRIPT)
        .raw("</script>\n</body>\n</html>\n");
    html.finish()
}

/// From the doctype to the end of the head.
fn head(html: &mut Html, policy: &'static str, title: &str) {
    html.raw("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    html.raw("<meta http-equiv=\"Content-Security-Policy\" content=\"")
        .raw(policy)
        .raw("\">\n");
    html.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    html.raw("<meta name=\"color-scheme\" content=\"light dark\">\n");
    html.raw("<meta name=\"referrer\" content=\"no-referrer\">\n<title>");
    html.cut(title, SENTENCE).raw("</title>\n");
    html.raw("<style>").raw(STYLE).raw("</style>\n</head>\n");
}

/// How something looks: never by colour alone.
struct Look {
    word: &'static str,
    class: &'static str,
    sign: &'static str,
}

fn look(verdict: Verdict) -> Look {
    let (word, class, sign) = match verdict {
        Verdict::Pass => ("pass", "good", "✓"),
        Verdict::Fail => ("fail", "bad", "✗"),
        Verdict::Error => ("error", "bad", "!"),
        Verdict::Flaky => ("flaky", "warn", "~"),
        Verdict::ExpectedFailure => ("expected-failure", "warn", "x"),
        Verdict::Skipped => ("skipped", "none", "–"),
        Verdict::Unsupported => ("unsupported", "none", "–"),
    };
    Look { word, class, sign }
}

fn outcome(outcome: Outcome) -> Look {
    let (word, class, sign) = match outcome {
        Outcome::Green => ("Green", "good", "✓"),
        Outcome::Red => ("Red", "bad", "✗"),
        Outcome::Broken => ("Broken", "bad", "!"),
        Outcome::Interrupted => ("Interrupted", "warn", "!"),
        Outcome::Killed => ("Killed", "warn", "!"),
    };
    Look { word, class, sign }
}

fn verdict(html: &mut Html, verdict: Verdict) {
    let Look { word, class, sign } = look(verdict);
    html.raw("<span class=\"verdict ")
        .raw(class)
        .raw("\"><span aria-hidden=\"true\">");
    html.raw(sign).raw("</span> ").raw(word).raw("</span>");
}

fn banner(html: &mut Html, summary: &Summary) {
    let Look { word, class, sign } = outcome(summary.outcome);
    html.raw(
        "<body>\n<a class=\"skip\" href=\"#main\">Skip to the results</a>\n<header>\n<div class=\"banner ",
    );
    html.raw(class)
        .raw("\">\n<h1><span class=\"sign\" aria-hidden=\"true\">")
        .raw(sign);
    html.raw("</span> ")
        .raw(word)
        .raw(": ")
        .text(&verdict_sentence(summary))
        .raw("</h1>\n<p>");
    html.cut(&summary.subject(), SENTENCE).raw("</p>\n");
    html.raw("<p class=\"run\"><code>")
        .cut(&summary.command, SENTENCE)
        .raw("</code> · ");
    html.text(&instant(summary.started))
        .raw(" · ")
        .text(&human(summary.duration));
    html.raw(" · run <code>")
        .cut(&summary.run_id, SENTENCE)
        .raw("</code>");
    html.raw(" · profile ")
        .cut(&summary.profile, SENTENCE)
        .raw(" · ")
        .cut(&summary.clock, SENTENCE)
        .raw(" clock");
    for setting in summary.settings.iter().take(MOST_ROWS) {
        html.raw(" · ").cut(&setting.name, SENTENCE).raw(": ");
        html.element("<b>", "", "")
            .cut(&setting.value, SENTENCE)
            .raw("</b>");
    }
    html.raw("</p>\n</div>\n");
    html.raw("<nav aria-label=\"Sections\">");
    if failures::any(summary) {
        html.raw("<a href=\"#failures\">What is not green</a>");
    }
    if upgrade::any(summary) {
        html.raw("<a href=\"#upgrade\">Upgrade</a>");
    }
    html.raw("<a href=\"#checks\">Checks</a><a href=\"#timeline\">Timeline</a>");
    html.raw("<a href=\"#environment\">Environment</a><a href=\"#guide\">Guide and deviations</a></nav>\n</header>\n");
}

fn verdict_sentence(summary: &Summary) -> String {
    let total = count(summary.checks.len(), "check");
    let passed = summary.count(Verdict::Pass) + summary.count(Verdict::Flaky);
    let failed = summary.count(Verdict::Fail);
    let in_error = match summary.count(Verdict::Error) {
        0 => String::new(),
        errors if errors == cut_off(summary).count() => format!(", {errors} have no verdict"),
        errors => format!(", {errors} in error"),
    };
    let ended = match summary.outcome {
        Outcome::Green => return green_sentence(summary, passed),
        Outcome::Red if failed == 0 && summary.broken.is_empty() && summary.gate.is_some() => {
            return format!("the gate is broken; of {total}, {passed} passed{in_error}");
        }
        Outcome::Red if failed == 0 => {
            return format!("the subject under test failed; of {total}, {passed} passed");
        }
        Outcome::Red => return format!("{failed} of {total} failed{in_error}"),
        Outcome::Broken if summary.exit == Exit::Environment.code() => "the environment did not come up",
        Outcome::Broken if summary.exit == Exit::Usage.code() => {
            "the command, a file or a version it names is wrong"
        }
        Outcome::Broken => "a defect of the harness",
        Outcome::Interrupted => "by Ctrl-C or SIGTERM",
        Outcome::Killed => &summary.how_killed(),
    };
    format!("{ended}. Of {total}, {passed} passed and {failed} failed{in_error}")
}

fn green_sentence(summary: &Summary, passed: usize) -> String {
    let total = count(summary.checks.len(), "check");
    let expected = summary.count(Verdict::ExpectedFailure);
    let not_run = summary.checks.len() - passed - expected;
    let others: Vec<String> = [(expected, "failed as expected"), (not_run, "not run")]
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("{number} {what}"))
        .collect();
    let passed = if others.is_empty() {
        format!("all {total} passed")
    } else {
        format!("{passed} of {total} passed, {}", others.join(", "))
    };
    match summary.count(Verdict::Flaky) {
        0 => passed,
        flaky => format!("{passed}, {flaky} of them only at a later attempt"),
    }
}

/// Checks that the log owes an end, and of which nothing bad is known.
fn cut_off(summary: &Summary) -> impl Iterator<Item = &CheckResult> {
    let is_error = |check: &&CheckResult| check.verdict == Verdict::Error && check.is_cut_off();
    summary.checks.iter().filter(is_error)
}

/// What broke, what was noted.
fn said(html: &mut Html, summary: &Summary) {
    let is_quiet = summary.broken.is_empty() && summary.notes.is_empty() && summary.gate.is_none();
    if is_quiet && !summary.killed && cut_off(summary).next().is_none() {
        return;
    }
    html.raw("<section class=\"said\" aria-labelledby=\"said\"><h2 id=\"said\">What the run says of itself</h2>\n<ul>\n");
    if summary.killed {
        html.raw("<li class=\"warn\">The log has no end: it was cut off ");
        html.text(&human(summary.duration))
            .raw(" after its beginning. All that was written until then is here.</li>\n");
    }
    let without: Vec<&str> = cut_off(summary).map(|check| check.check.id.as_str()).collect();
    if !without.is_empty() {
        html.raw("<li class=\"warn\">Without a verdict: ")
            .cut(&without.join(", "), VALUE)
            .raw(".</li>\n");
    }
    for broken in summary.broken.iter().take(MOST_ROWS) {
        html.raw("<li class=\"bad\">")
            .cut(&broken.message, CHAIN)
            .raw("</li>\n");
    }
    if let Some(gate) = &summary.gate {
        html.raw(if gate.broken.is_empty() {
            "<li>"
        } else {
            "<li class=\"bad\">"
        });
        html.raw("The gate ").cut(&gate.file, SENTENCE);
        html.raw(if gate.broken.is_empty() {
            " holds.</li>\n"
        } else {
            " is broken:</li>\n"
        });
        for line in gate.broken.iter().take(MOST_ROWS) {
            html.raw("<li class=\"bad\">").cut(line, SENTENCE).raw("</li>\n");
        }
    }
    for note in summary.notes.iter().take(MOST_ROWS) {
        html.raw("<li>").cut(note, SENTENCE).raw("</li>\n");
    }
    more(
        html,
        "<li>",
        summary.notes.len().saturating_sub(MOST_ROWS),
        "notes are in report.yaml",
        "</li>\n",
    );
    html.raw("</ul></section>\n");
}

fn gaps(html: &mut Html, evidence: &Excerpts) {
    if evidence.gaps.is_empty() {
        return;
    }
    html.raw(
        "<section aria-labelledby=\"gaps\"><h2 id=\"gaps\">Evidence that could not be read</h2>\n<ul>\n",
    );
    for gap in evidence.gaps.iter().take(MOST_ROWS) {
        html.raw("<li>").cut(gap, SENTENCE).raw("</li>\n");
    }
    html.raw("</ul></section>\n");
}

/// `12 more …`, if there are any.
fn more(html: &mut Html, open: &'static str, number: usize, what: &'static str, close: &'static str) {
    if number > 0 {
        html.raw(open).number(number).raw(" more ").raw(what).raw(close);
    }
}

/// `plane usable: 6.9 s`.
fn measured(html: &mut Html, measurement: &Measurement) {
    html.cut(&measurement.name, SENTENCE).raw(": <b>");
    html.cut(&amount(measurement), SENTENCE).raw("</b>");
}

/// `0.37 s`, `12.3 s`, `1 min 19 s`.
fn human(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 10.0 {
        format!("{seconds:.2} s")
    } else if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{} min {} s", duration.as_secs() / 60, duration.as_secs() % 60)
    }
}

/// `2026-11-24 10:15:00 UTC`.
fn instant(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// Seconds from the run's start; negative if the clock was set back.
fn offset(summary: &Summary, at: Timestamp) -> f64 {
    at.duration_since(summary.started).as_secs_f64()
}

/// `+12.34 s` after the run's start.
fn since_start(html: &mut Html, summary: &Summary, at: Timestamp) {
    html.text(&format!("{:+.2} s", offset(summary, at)));
}

#[cfg(test)]
mod tests;
