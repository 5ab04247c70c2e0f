//! Numbers over time as steps, and the axis that they share with bars. An autoscaler's desired, least and most runners beside the
//! runners and jobs that there were, on one axis.

use jiff::Timestamp;

use super::markup::Html;
use super::{SENTENCE, offset};
use crate::excerpts::{CheckEvidence, Scaler};
use crate::{CheckResult, Summary};

/// Steps of one line; a longer series keeps its newest.
const MOST_STEPS: usize = 2_000;
const WIDTH: f64 = 1120.0;
/// Names stand left of this.
const LEFT: f64 = 250.0;
const HEIGHT: f64 = 150.0;
const TOP: f64 = 24.0;

/// Seconds of the run to places in the drawing.
pub(super) struct Axis {
    from: f64,
    to: f64,
}

impl Axis {
    /// From and to in seconds since the run's start.
    pub(super) fn new(from: f64, to: f64) -> Axis {
        Axis {
            from,
            to: to.max(from + 0.001),
        }
    }

    /// The right edge.
    pub(super) fn right(&self) -> f64 {
        WIDTH
    }

    /// Where a second lies; outside, at the nearer edge.
    pub(super) fn x(&self, seconds: f64) -> f64 {
        LEFT + self.width(seconds.clamp(self.from, self.to) - self.from)
    }

    /// How wide a number of seconds is.
    pub(super) fn width(&self, seconds: f64) -> f64 {
        (seconds / (self.to - self.from)).clamp(0.0, 1.0) * (WIDTH - LEFT - 10.0)
    }

    /// Lines at round seconds from `top` to `bottom`, with their numbers above.
    pub(super) fn grid(&self, html: &mut Html, top: f64, bottom: f64) {
        let step = round_step(self.to - self.from);
        let mut tick = (self.from / step).ceil() * step;
        while tick <= self.to {
            let x = self.x(tick);
            html.raw("<line class=\"grid\"")
                .coordinate("x1", x)
                .coordinate("x2", x);
            html.coordinate("y1", top)
                .coordinate("y2", bottom)
                .raw("/><text class=\"small\" text-anchor=\"middle\"");
            html.coordinate("x", x)
                .coordinate("y", top - 8.0)
                .raw(">")
                .text(&tick_text(tick, step))
                .raw("</text>\n");
            tick += step;
        }
    }
}

/// About eight ticks, at 1, 2 or 5 times a power of ten.
fn round_step(span: f64) -> f64 {
    let rough = span / 8.0;
    let power = 10_f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .find(|factor| factor * power >= rough)
        .unwrap_or(10.0);
    factor * power
}

fn tick_text(tick: f64, step: f64) -> String {
    if step < 1.0 {
        format!("{tick:.1} s")
    } else {
        format!("{tick:.0} s")
    }
}

/// Values to places: from `top` down.
pub(super) struct Scale {
    pub(super) top: f64,
    pub(super) height: f64,
    pub(super) most: f64,
}

impl Scale {
    fn y(&self, value: f64) -> f64 {
        self.top + self.height * (1.0 - (value / self.most).clamp(0.0, 1.0))
    }
}

/// Steps down to the ground, filled; they hold until `end`.
pub(super) fn area(
    html: &mut Html,
    axis: &Axis,
    scale: &Scale,
    points: &[(f64, f64)],
    end: f64,
    class: &'static str,
) {
    let Some(first) = points.first() else {
        return;
    };
    html.raw("<polygon class=\"area ").raw(class).raw("\" points=\"");
    html.point(axis.x(first.0), scale.y(0.0));
    steps(html, axis, scale, points, end);
    html.point(axis.x(end), scale.y(0.0)).raw("\"/>\n");
}

fn line(html: &mut Html, axis: &Axis, scale: &Scale, points: &[(f64, f64)], end: f64, class: &'static str) {
    html.raw("<polyline class=\"line ").raw(class).raw("\" points=\"");
    steps(html, axis, scale, points, end);
    html.raw("\"/>\n");
}

fn steps(html: &mut Html, axis: &Axis, scale: &Scale, points: &[(f64, f64)], end: f64) {
    let points = &points[points.len().saturating_sub(MOST_STEPS)..];
    for (index, (at, value)) in points.iter().enumerate() {
        let until = points.get(index + 1).map_or(end, |next| next.0).max(*at);
        html.point(axis.x(*at), scale.y(*value))
            .point(axis.x(until), scale.y(*value));
    }
}

/// A chart for each autoscaler of the check, if its history was kept.
pub(super) fn of_check(html: &mut Html, summary: &Summary, result: &CheckResult, evidence: &CheckEvidence) {
    for (name, scaler) in evidence
        .scalers
        .iter()
        .filter(|(_, scaler)| !scaler.desired.is_empty())
        .take(4)
    {
        html.raw("<h3>What <code>")
            .cut(name, SENTENCE)
            .raw("</code> wanted</h3>\n");
        let points = |series: &[(Timestamp, i64)]| -> Vec<(f64, f64)> {
            series
                .iter()
                .map(|(at, value)| (offset(summary, *at), *value as f64))
                .collect()
        };
        let lines = [
            ("most", "maxReplicas", points(&scaler.max)),
            ("least", "minReplicas", points(&scaler.min)),
            ("jobs", "jobs", points(&evidence.jobs)),
            ("desired", "desired", points(&scaler.desired)),
        ];
        let runners = points(&evidence.runners);
        let (from, to) = span(summary, result, &lines, &runners);
        let axis = Axis::new(from, to);
        let most = lines
            .iter()
            .flat_map(|(_, _, points)| points)
            .chain(&runners)
            .map(|(_, value)| *value);
        let scale = Scale {
            top: TOP,
            height: HEIGHT,
            most: most.fold(1.0, f64::max),
        };
        html.raw("<div class=\"scroll\" tabindex=\"0\"><svg class=\"drawing\" role=\"img\" viewBox=\"0 0 1120 186\"");
        html.attribute("aria-label", &description(scaler, &runners, &lines[2].2))
            .raw(">\n");
        axis.grid(html, TOP, TOP + HEIGHT);
        area(html, &axis, &scale, &runners, to, "runners");
        for (class, _, points) in lines.iter().filter(|(_, _, points)| !points.is_empty()) {
            line(html, &axis, &scale, points, to, class);
        }
        levels(html, &scale);
        legend(html, &lines, !runners.is_empty());
        html.raw("</svg></div>\n<p class=\"quiet\">")
            .text(&description(scaler, &runners, &lines[2].2))
            .raw("</p>\n");
    }
}

type Line = (&'static str, &'static str, Vec<(f64, f64)>);

/// From the check's beginning to its end; the tear-down of its objects is another matter.
fn span(summary: &Summary, result: &CheckResult, lines: &[Line], runners: &[(f64, f64)]) -> (f64, f64) {
    let all = || {
        lines
            .iter()
            .flat_map(|(_, _, points)| points)
            .chain(runners)
            .map(|(at, _)| *at)
    };
    let from = result
        .attempts
        .first()
        .map(|attempt| offset(summary, attempt.started));
    let to = result.attempts.last().and_then(|attempt| {
        Some(offset(summary, attempt.started) + attempt.end.as_ref()?.duration.as_secs_f64())
    });
    (
        from.unwrap_or_else(|| all().fold(f64::INFINITY, f64::min)),
        to.unwrap_or_else(|| all().fold(0.0, f64::max)),
    )
}

/// Numbers at the ground and at the top.
fn levels(html: &mut Html, scale: &Scale) {
    for value in [0.0, scale.most] {
        html.raw("<text class=\"small\" text-anchor=\"end\"")
            .coordinate("x", LEFT - 8.0)
            .coordinate("y", scale.y(value) + 4.0);
        html.raw(">").text(&format!("{value:.0}")).raw("</text>\n");
    }
}

/// The names of the lines, left of the drawing.
fn legend(html: &mut Html, lines: &[Line], has_runners: bool) {
    let mut y = TOP + 18.0;
    if has_runners {
        html.raw("<rect class=\"area runners\" x=\"0\" width=\"22\" height=\"10\"")
            .coordinate("y", y - 9.0)
            .raw("/>");
        html.raw("<text class=\"small\" x=\"30\"")
            .coordinate("y", y)
            .raw(">runners in phase Running</text>\n");
        y += 22.0;
    }
    for (class, name, _) in lines.iter().rev().filter(|(_, _, points)| !points.is_empty()) {
        html.raw("<polyline class=\"line ")
            .raw(class)
            .raw("\" points=\"")
            .point(0.0, y - 4.0)
            .point(22.0, y - 4.0)
            .raw("\"/>");
        html.raw("<text class=\"small\" x=\"30\"")
            .coordinate("y", y)
            .raw(">")
            .raw(name)
            .raw("</text>\n");
        y += 22.0;
    }
}

fn description(scaler: &Scaler, runners: &[(f64, f64)], jobs: &[(f64, f64)]) -> String {
    let values = |series: &[(Timestamp, i64)]| {
        let shown: Vec<String> = series
            .iter()
            .take(30)
            .map(|(_, value)| value.to_string())
            .collect();
        shown.join(", ")
    };
    let most = |points: &[(f64, f64)]| points.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    let mut said = vec![format!("Desired {}", values(&scaler.desired))];
    for (name, series) in [("minReplicas", &scaler.min), ("maxReplicas", &scaler.max)] {
        if !series.is_empty() {
            said.push(format!("{name} {}", values(series)));
        }
    }
    for (name, points) in [("runners", runners), ("jobs", jobs)] {
        if !points.is_empty() {
            said.push(format!("at most {:.0} {name} at a time", most(points)));
        }
    }
    said.join("; ") + "."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round() {
        assert_eq!(round_step(80.0), 10.0);
        assert_eq!(round_step(41.9), 10.0);
        assert_eq!(round_step(12.0), 2.0);
    }

    #[test]
    fn steps_hold_until_the_next() {
        let mut html = Html::default();
        let axis = Axis::new(0.0, 10.0);
        let scale = Scale {
            top: 0.0,
            height: 100.0,
            most: 4.0,
        };

        steps(&mut html, &axis, &scale, &[(0.0, 2.0), (5.0, 4.0)], 10.0);

        assert_eq!(html.finish(), "250.0,50.0 680.0,50.0 680.0,0.0 1110.0,0.0 ");
    }
}
