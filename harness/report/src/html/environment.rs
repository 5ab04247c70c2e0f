//! What was tested and with what: parts with their origins, settings and figures; the guide's versions and every departure from it.

use super::markup::Html;
use super::{MOST_ROWS, SENTENCE, VALUE, measured, more};
use crate::{Deviation, GuideVersion, Summary};

/// The sections `environment` and `guide`.
pub(super) fn sections(html: &mut Html, summary: &Summary) {
    html.raw("<section aria-labelledby=\"environment\"><h2 id=\"environment\">Environment</h2>\n");
    setting(html, summary);
    parts(html, summary);
    html.raw("</section>\n<section aria-labelledby=\"guide\"><h2 id=\"guide\">The guide and this run</h2>\n");
    guide_versions(html, &summary.guide_versions);
    deviations(html, &summary.deviations);
    html.raw("</section>\n");
}

fn setting(html: &mut Html, summary: &Summary) {
    html.raw("<dl>\n<dt>Cluster</dt><dd>")
        .cut(&summary.cluster, SENTENCE)
        .raw(" <span class=\"quiet\">(");
    html.cut(&summary.cluster_reason, SENTENCE).raw(")</span></dd>\n");
    for (name, text) in [
        ("GHES", summary.ghes.as_str()),
        ("Clock", &summary.clock),
        ("Profile", &summary.profile),
        ("Seed", &summary.seed.to_string()),
        ("Exit code", &summary.exit.to_string()),
    ] {
        html.raw("<dt>")
            .raw(name)
            .raw("</dt><dd>")
            .cut(text, SENTENCE)
            .raw("</dd>\n");
    }
    for setting in summary.settings.iter().take(MOST_ROWS) {
        html.raw("<dt>")
            .cut(&setting.name, SENTENCE)
            .raw("</dt><dd>")
            .cut(&setting.value, SENTENCE)
            .raw("</dd>\n");
    }
    for measurement in summary.measurements.iter().take(MOST_ROWS) {
        html.raw("<dt>Measured</dt><dd>");
        measured(html, measurement);
        html.raw("</dd>\n");
    }
    html.raw("</dl>\n");
}

fn parts(html: &mut Html, summary: &Summary) {
    if summary.parts.is_empty() {
        html.raw("<p>The log names no part.</p>\n");
        return;
    }
    html.raw("<h3>Parts and where they come from</h3>\n<div class=\"scroll\" tabindex=\"0\"><table>\n<thead><tr><th scope=\"col\">Part</th><th scope=\"col\">Version</th>");
    html.raw("<th scope=\"col\">Origin</th></tr></thead>\n<tbody>\n");
    for part in summary.parts.iter().take(MOST_ROWS) {
        html.raw("<tr><th scope=\"row\">")
            .cut(&part.name, SENTENCE)
            .raw("</th><td>")
            .cut(&part.version, SENTENCE);
        html.raw("</td><td>")
            .cut(&part.origin.to_string(), SENTENCE)
            .raw("</td></tr>\n");
    }
    html.raw("</tbody></table></div>\n");
    more(
        html,
        "<p>",
        summary.parts.len().saturating_sub(MOST_ROWS),
        "parts are in report.yaml.",
        "</p>\n",
    );
}

fn guide_versions(html: &mut Html, versions: &[GuideVersion]) {
    if versions.is_empty() {
        html.raw("<p>The log compares no version with the guide's.</p>\n");
        return;
    }
    html.raw("<h3>Versions: the guide's and the tested ones</h3>\n<div class=\"scroll\" tabindex=\"0\"><table>\n<thead><tr><th scope=\"col\">Part</th>");
    html.raw("<th scope=\"col\">Guide</th><th scope=\"col\">Tested</th><th scope=\"col\">Why they differ</th></tr></thead>\n<tbody>\n");
    for version in versions.iter().take(MOST_ROWS) {
        html.raw("<tr><th scope=\"row\">")
            .cut(&version.part, SENTENCE)
            .raw("</th><td>")
            .cut(&version.guide, SENTENCE);
        html.raw("</td><td>")
            .cut(&version.tested, SENTENCE)
            .raw("</td><td>");
        if version.reason.is_empty() {
            html.raw("<span class=\"quiet\">they do not</span>");
        }
        html.cut(&version.reason, SENTENCE).raw("</td></tr>\n");
    }
    html.raw("</tbody></table></div>\n");
    more(
        html,
        "<p>",
        versions.len().saturating_sub(MOST_ROWS),
        "are in report.yaml.",
        "</p>\n",
    );
}

fn deviations(html: &mut Html, deviations: &[Deviation]) {
    if deviations.is_empty() {
        html.raw("<p>The log tells of no deviation from the guide.</p>\n");
        return;
    }
    html.raw("<h3>Deviations from the guide</h3>\n<div class=\"scroll\" tabindex=\"0\"><table class=\"deviations\">\n<thead><tr><th scope=\"col\">Where</th>");
    html.raw("<th scope=\"col\">Guide</th><th scope=\"col\">Here</th><th scope=\"col\">Why</th></tr></thead>\n<tbody>\n");
    for deviation in deviations.iter().take(MOST_ROWS) {
        html.raw("<tr><th scope=\"row\">")
            .cut(&deviation.what, SENTENCE)
            .raw("</th><td><code>");
        html.cut(&deviation.guide, VALUE / 4)
            .raw("</code></td><td><code>")
            .cut(&deviation.ours, VALUE / 4);
        html.raw("</code></td><td>")
            .cut(&deviation.reason, SENTENCE)
            .raw("</td></tr>\n");
    }
    html.raw("</tbody></table></div>\n");
    more(
        html,
        "<p>",
        deviations.len().saturating_sub(MOST_ROWS),
        "are in report.yaml.",
        "</p>\n",
    );
}
