//! What an upgrade of ARC did: the figures of its arms side by side, and how the charts differ.
//!
//! What it is not: the answer. That is a fold over three runs and stands in `upgrade.yaml`, whose reasons point here.

use super::SENTENCE;
use super::markup::Html;
use crate::Summary;
use crate::upgrade::{charts, figures};

/// What a link to the section, and to the charts in it, names.
pub(crate) const UPGRADE: &str = "upgrade";
pub(crate) const CHARTS: &str = "charts";

/// Whether the run was about an upgrade.
pub(super) fn any(summary: &Summary) -> bool {
    !summary.arms.is_empty() || summary.chart_difference.is_some()
}

/// The section, if there is anything to show.
pub(super) fn section(html: &mut Html, summary: &Summary) {
    if !any(summary) {
        return;
    }
    html.raw("<section aria-labelledby=\"upgrade\"><h2 id=\"upgrade\">The upgrade</h2>\n");
    html.raw("<p class=\"quiet\">Measured here, judged in upgrade.yaml together with the suite before and after.</p>\n");
    arms(html, summary);
    if let Some(difference) = &summary.chart_difference {
        html.raw("<h3 id=\"charts\">How the charts differ</h3>\n<table>\n<tbody>\n");
        for (name, list) in charts(difference) {
            html.raw("<tr><th scope=\"row\">").raw(name).raw("</th><td>");
            html.cut(&list, SENTENCE).raw("</td></tr>\n");
        }
        html.raw("</tbody></table>\n");
    }
    html.raw("</section>\n");
}

/// A row for each figure, a column for each arm.
fn arms(html: &mut Html, summary: &Summary) {
    let arms: Vec<_> = summary.arms.iter().map(|facts| (facts, figures(facts))).collect();
    let Some((_, first)) = arms.first() else {
        return;
    };
    html.raw("<div class=\"scroll\" tabindex=\"0\"><table>\n<thead><tr><th scope=\"col\">Measured</th>");
    for (facts, _) in &arms {
        html.element("<th scope=\"col\">", &facts.arm.to_string(), ": ");
        html.cut(&facts.from, SENTENCE).raw(" → ");
        html.cut(&facts.to, SENTENCE).raw("</th>");
    }
    html.raw("</tr></thead>\n<tbody>\n");
    for (row, (name, _)) in first.iter().enumerate() {
        html.raw("<tr><th scope=\"row\">").raw(name).raw("</th>");
        for (_, figures) in &arms {
            html.raw("<td>").cut(&figures[row].1, SENTENCE).raw("</td>");
        }
        html.raw("</tr>\n");
    }
    html.raw("</tbody></table></div>\n");
}
