//! The run on one axis of time: phases and checks as bars, below them how many runners and jobs there were.
//!
//! Drawn from the log and the evidence; where there is no data there is no lane.

use std::time::Duration;

use harness_model::Verdict;
use jiff::Timestamp;

use super::chart::{self, Axis};
use super::markup::Html;
use super::{human, look, offset};
use crate::{Excerpts, Summary};

/// Bars; a run with more checks tells the rest in the list.
const MOST_BARS: usize = 150;
const ROW: f64 = 20.0;
const TOP: f64 = 24.0;
const LANE: f64 = 64.0;

struct Bar<'a> {
    name: &'a str,
    class: &'static str,
    word: &'static str,
    start: f64,
    duration: Duration,
}

/// The section with the drawing and the same as a table.
pub(super) fn section(html: &mut Html, summary: &Summary, evidence: &Excerpts) {
    html.raw("<section aria-labelledby=\"timeline\"><h2 id=\"timeline\">Timeline</h2>\n");
    let bars = bars(summary);
    let shown = &bars[..bars.len().min(MOST_BARS)];
    if shown.is_empty() {
        html.raw("<p>The log tells of no phase and of no check that began.</p>\n</section>\n");
        return;
    }
    drawing(html, summary, evidence, shown);
    super::more(
        html,
        "<p>",
        bars.len() - shown.len(),
        "bars are not drawn.",
        "</p>\n",
    );
    table(html, shown);
    html.raw("</section>\n");
}

/// Phases and attempts by their start.
fn bars(summary: &Summary) -> Vec<Bar<'_>> {
    let until_end = |start: Timestamp| {
        let left = summary.duration.as_secs_f64() - offset(summary, start);
        Duration::try_from_secs_f64(left.max(0.0)).unwrap_or_default()
    };
    let phases = summary.phases.iter().map(|phase| Bar {
        name: &phase.name,
        class: "phase",
        word: if phase.duration.is_some() {
            "phase"
        } else {
            "phase without end"
        },
        start: offset(summary, phase.started),
        duration: phase.duration.unwrap_or_else(|| until_end(phase.started)),
    });
    let attempts = summary.checks.iter().flat_map(|check| {
        check.attempts.iter().map(|attempt| {
            let verdict = attempt.end.as_ref().map_or(Verdict::Error, |end| end.verdict);
            Bar {
                name: &check.check.id,
                class: look(verdict).class,
                word: if attempt.end.is_some() {
                    look(verdict).word
                } else {
                    "no end"
                },
                start: offset(summary, attempt.started),
                duration: attempt
                    .end
                    .as_ref()
                    .map_or_else(|| until_end(attempt.started), |end| end.duration),
            }
        })
    });
    let mut bars: Vec<Bar<'_>> = phases.chain(attempts).collect();
    bars.sort_by(|a, b| a.start.total_cmp(&b.start));
    bars
}

fn drawing(html: &mut Html, summary: &Summary, evidence: &Excerpts, bars: &[Bar<'_>]) {
    let end = bars
        .iter()
        .map(|bar| bar.start + bar.duration.as_secs_f64())
        .fold(summary.duration.as_secs_f64(), f64::max);
    let axis = Axis::new(0.0, end);
    let lanes: Vec<_> = [
        ("runners", "runners", &evidence.runners),
        ("jobs", "jobs", &evidence.jobs),
    ]
    .into_iter()
    .filter(|(_, _, series)| !series.is_empty())
    .collect();
    let rows = ROW * bars.len() as f64;
    let height = TOP + rows + LANE * lanes.len() as f64 + 8.0;
    html.raw("<div class=\"scroll\" tabindex=\"0\"><svg class=\"drawing\" role=\"img\" aria-label=\"Phases and checks as bars over the seconds of the run; the table below tells the same\" viewBox=\"0 0 1120 ");
    html.text(&format!("{height:.0}")).raw("\">\n");
    axis.grid(html, TOP, height - 8.0);
    for (index, bar) in bars.iter().enumerate() {
        let y = TOP + ROW * index as f64;
        let (x, width) = (axis.x(bar.start), axis.width(bar.duration.as_secs_f64()).max(2.0));
        html.raw("<text class=\"label\" x=\"0\"")
            .coordinate("y", y + 14.0)
            .raw(">")
            .cut(&short(bar.name), 200)
            .raw("</text>");
        html.raw("<rect rx=\"2\" height=\"12\" class=\"bar ")
            .raw(bar.class)
            .raw("\"");
        html.coordinate("x", x)
            .coordinate("y", y + 4.0)
            .coordinate("width", width)
            .raw("/>");
        let text = if bar.class == "phase" {
            human(bar.duration)
        } else {
            format!("{} {}", bar.word, human(bar.duration))
        };
        // Where the bar ends near the right edge, the text stands before it.
        let room = axis.right() - (x + width) > 110.0;
        html.raw("<text class=\"small\"")
            .coordinate("x", if room { x + width + 5.0 } else { x - 5.0 });
        html.raw(if room { "" } else { " text-anchor=\"end\"" });
        html.coordinate("y", y + 14.0)
            .raw(">")
            .text(&text)
            .raw("</text>\n");
    }
    for (index, (name, class, series)) in lanes.into_iter().enumerate() {
        let top = TOP + rows + LANE * index as f64 + 14.0;
        let most = series.iter().map(|(_, value)| *value).max().unwrap_or(0).max(1);
        html.raw("<text class=\"label\" x=\"0\"")
            .coordinate("y", top + 14.0)
            .raw(">")
            .raw(name);
        html.raw(", at most ").text(&most.to_string()).raw("</text>");
        let points: Vec<(f64, f64)> = series
            .iter()
            .map(|(at, value)| (offset(summary, *at), *value as f64))
            .collect();
        let scale = chart::Scale {
            top,
            height: LANE - 18.0,
            most: most as f64,
        };
        chart::area(html, &axis, &scale, &points, end, class);
    }
    html.raw("</svg></div>\n");
}

/// As much of a name as the column takes.
fn short(name: &str) -> String {
    crate::text::one_line(name, 34)
}

fn table(html: &mut Html, bars: &[Bar<'_>]) {
    html.raw("<details class=\"block\"><summary>The timeline as a table</summary>\n<div class=\"scroll\" tabindex=\"0\"><table>\n<thead><tr><th scope=\"col\">Began</th>");
    html.raw("<th scope=\"col\">Took</th><th scope=\"col\">What</th><th scope=\"col\">How it ended</th></tr></thead>\n<tbody>\n");
    for bar in bars {
        html.raw("<tr><td>")
            .text(&format!("{:+.2} s", bar.start))
            .raw("</td><td>")
            .text(&human(bar.duration))
            .raw("</td><td>");
        html.cut(bar.name, 200)
            .raw("</td><td>")
            .raw(bar.word)
            .raw("</td></tr>\n");
    }
    html.raw("</tbody></table></div></details>\n");
}
