//! The chart: steps over time, drawn by hand, since four lines and two axes need no library.
//!
//! What it is not: interactive. It is one SVG document without scripts, fonts or links.

use std::fmt::Write as _;

use harness_model::autoscaling::{Moment, Simulated};
use jiff::{Span, Timestamp, ToSpan as _, Zoned};

use super::Simulation;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 48.0;
const RIGHT: f64 = 912.0;
const TOP: f64 = 64.0;
const BOTTOM: f64 = 320.0;

/// Most labels on an axis that can be read side by side.
const MOST_LABELS: usize = 10;

const STYLE: &str = "\
text { font: 12px sans-serif; fill: #24292f } .name { font-weight: bold; font-size: 14px } .page { fill: #ffffff }
.grid { stroke: #d0d7de; stroke-width: 1 } .jobs { fill: none; stroke: #6e7781; stroke-dasharray: 4 3 }
.busy { fill: #54aeff; fill-opacity: 0.35 } .desired { fill: none; stroke: #0550ae; stroke-width: 2 }
.min { fill: none; stroke: #bc4c00; stroke-width: 1.5 } .failed { fill: #cf222e; fill-opacity: 0.15 }";

/// Where an instant and a number lie on the paper.
struct Scale {
    from: Timestamp,
    seconds: f64,
    most: f64,
}

impl Scale {
    fn x(&self, time: Timestamp) -> f64 {
        let since = time.duration_since(self.from).as_secs_f64();
        LEFT + (RIGHT - LEFT) * (since / self.seconds).clamp(0.0, 1.0)
    }

    fn y(&self, number: i64) -> f64 {
        // What is far above the paper is drawn just above it, and clipped.
        let share = (number as f64 / self.most).min(1.5);
        BOTTOM - (BOTTOM - TOP) * share
    }
}

/// The whole document.
pub(super) fn svg(simulation: &Simulation<'_>) -> String {
    let plan = simulation.plan;
    let scale = Scale {
        from: plan.from,
        seconds: plan.until.duration_since(plan.from).as_secs_f64().max(1.0),
        most: most(simulation.moments) as f64,
    };
    let steps = |of: &dyn Fn(&Moment) -> i64| steps(simulation, &scale, of);
    let min = |moment: &Moment| moment.outcome.min().unwrap_or_default();

    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">\n\
         <title>{name}: simulated runners</title>\n<style>{STYLE}</style>\n\
         <clipPath id=\"plot\"><rect x=\"{LEFT}\" y=\"{TOP}\" width=\"{}\" height=\"{}\"/></clipPath>\n\
         <rect class=\"page\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>\n\
         <text class=\"name\" x=\"{LEFT}\" y=\"24\">{name}</text>\n",
        RIGHT - LEFT,
        BOTTOM - TOP,
        name = escaped(simulation.name),
    );
    out += &legend();
    out += &numbers(&scale);
    out += &times(simulation, &scale);
    out += "<g clip-path=\"url(#plot)\">\n";
    out += &failures(simulation, &scale);
    let busy = steps(&|moment| moment.busy);
    let _ = writeln!(
        out,
        "<path class=\"busy\" d=\"{busy} V{BOTTOM:.1} H{LEFT:.1} Z\"/>"
    );
    for (class, line) in [
        ("jobs", steps(&|moment| moment.jobs)),
        ("min", steps(&min)),
        ("desired", steps(&|moment| moment.desired)),
    ] {
        let _ = writeln!(out, "<path class=\"{class}\" d=\"{line}\"/>");
    }
    out += "</g>\n</svg>\n";
    out
}

/// The top of the paper: all runners, and of the jobs up to twice as many.
fn most(moments: &[Moment]) -> i64 {
    let runners = moments
        .iter()
        .map(|moment| moment.desired.max(moment.outcome.min().unwrap_or_default()));
    let runners = runners.max().unwrap_or_default().max(1);
    let jobs = moments.iter().map(|moment| moment.jobs).max().unwrap_or_default();
    runners.max(jobs.min(2 * runners))
}

/// A line that stays at each number until the next moment.
fn steps(simulation: &Simulation<'_>, scale: &Scale, of: &dyn Fn(&Moment) -> i64) -> String {
    let mut path = String::new();
    let mut last = None;
    for moment in simulation.moments {
        let number = of(moment);
        if last.is_none() {
            let _ = write!(path, "M{:.1} {:.1}", scale.x(moment.time), scale.y(number));
        } else if last != Some(number) {
            let _ = write!(path, " H{:.1} V{:.1}", scale.x(moment.time), scale.y(number));
        }
        last = Some(number);
    }
    if path.is_empty() {
        let _ = write!(path, "M{LEFT:.1} {BOTTOM:.1}");
    }
    let _ = write!(path, " H{RIGHT:.1}");
    path
}

/// A band from each failing reconcile to the next that does not.
fn failures(simulation: &Simulation<'_>, scale: &Scale) -> String {
    let ends = simulation
        .moments
        .iter()
        .skip(1)
        .map(|moment| moment.time)
        .chain([simulation.plan.until]);
    let mut out = String::new();
    for (moment, end) in simulation.moments.iter().zip(ends) {
        if matches!(moment.outcome, Simulated::Failed(_)) {
            let (begin, end) = (scale.x(moment.time), scale.x(end));
            let _ = writeln!(
                out,
                "<rect class=\"failed\" x=\"{begin:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{}\"/>",
                end - begin,
                BOTTOM - TOP
            );
        }
    }
    out
}

fn legend() -> String {
    let mut out = String::new();
    for (class, word, x) in [
        ("desired", "desired", LEFT),
        ("min", "minimum", LEFT + 100.0),
        ("busy", "busy", LEFT + 200.0),
        ("jobs", "jobs", LEFT + 280.0),
        ("failed", "reconcile fails", LEFT + 360.0),
    ] {
        let sample = match class {
            "busy" | "failed" => {
                format!("<rect class=\"{class}\" x=\"{x}\" y=\"38\" width=\"20\" height=\"10\"/>")
            }
            _ => format!("<path class=\"{class}\" d=\"M{x} 43 h20\"/>"),
        };
        let _ = writeln!(out, "{sample}<text x=\"{}\" y=\"47\">{word}</text>", x + 26.0);
    }
    out
}

/// Horizontal lines at round numbers.
fn numbers(scale: &Scale) -> String {
    let most = scale.most as i64;
    let step = (0..)
        .flat_map(|power| [1, 2, 5].map(|digit| digit * 10_i64.pow(power)))
        .find(|step| most / step < 8)
        .unwrap_or(most);
    let mut out = String::new();
    for number in (0..=most).step_by(usize::try_from(step).unwrap_or(1)) {
        let y = scale.y(number);
        let _ = writeln!(
            out,
            "<path class=\"grid\" d=\"M{LEFT} {y:.1} H{RIGHT}\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{number}</text>",
            LEFT - 8.0,
            y + 4.0
        );
    }
    out
}

/// Vertical lines at round times of the controller's clock.
fn times(simulation: &Simulation<'_>, scale: &Scale) -> String {
    let (ticks, format) = ticks(simulation);
    let mut out = String::new();
    for tick in ticks {
        let x = scale.x(tick.timestamp());
        let _ = writeln!(
            out,
            "<path class=\"grid\" d=\"M{x:.1} {TOP} V{BOTTOM}\"/>\
             <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            BOTTOM + 20.0,
            tick.strftime(format)
        );
    }
    out
}

/// The finest round steps that leave room for their labels.
fn ticks(simulation: &Simulation<'_>) -> (Vec<Zoned>, &'static str) {
    let steps: [(Span, &str); 10] = [
        (5.minutes(), "%R"),
        (15.minutes(), "%R"),
        (1.hour(), "%R"),
        (3.hours(), "%a %R"),
        (6.hours(), "%a %R"),
        (12.hours(), "%a %R"),
        (1.day(), "%a %d %b"),
        (7.days(), "%a %d %b"),
        (1.month(), "%b %Y"),
        (6.months(), "%b %Y"),
    ];
    let plan = simulation.plan;
    let zone = &plan.controller.zone;
    let (from, until) = (
        plan.from.to_zoned(zone.clone()),
        plan.until.to_zoned(zone.clone()),
    );
    for (step, format) in steps {
        // Months begin with their first day.
        let begin = if step.get_months() > 0 {
            from.first_of_month()
        } else {
            Ok(from.clone())
        };
        let Ok(begin) = begin.and_then(|begin| begin.start_of_day()) else {
            continue;
        };
        let ticks: Vec<Zoned> = (0..)
            .map_while(|index| begin.checked_add(step.checked_mul(index).ok()?).ok())
            .skip_while(|tick| *tick < from)
            .take_while(|tick| *tick < until)
            .take(MOST_LABELS + 1)
            .collect();
        if ticks.len() <= MOST_LABELS {
            return (ticks, format);
        }
    }
    (Vec::new(), "")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
