//! The end of the output: versions against the guide, deviations, figures, the count of verdicts, what was not green.

use camino::Utf8Path;
use comfy_table::{ContentArrangement, Table, presets};
use harness_model::{Exit, Verdict};

use super::style::{Style, Tone};
use super::{gate_text, verdict_label, verdict_tone};
use crate::text::{count, figure, one_line};
use crate::{Deviation, HTML_FILE, JUNIT_FILE, LOG_FILE, Outcome, REPORT_FILE, Summary};

/// Columns of the output where it must choose: fixed, so that a replay in another window prints the same.
const WIDTH: u16 = 110;
/// Characters of one value of a deviation; the whole is in `report.yaml`.
const VALUE: usize = 40;
/// Characters of a reason.
const REASON: usize = 80;

pub(super) fn ending(style: Style, run_dir: &Utf8Path, summary: &Summary) -> String {
    let mut out = String::new();
    out += &guide_versions(summary);
    out += &deviations(style, summary);
    out += &figures(style, summary);
    out += &rule();
    out += &totals(style, summary);
    out += &not_green(style, summary);
    out += &outcome(style, summary);
    let files = format!(
        "{} (beside it {REPORT_FILE}, {JUNIT_FILE}, {LOG_FILE})",
        run_dir.join(HTML_FILE)
    );
    out += &style.entry(Tone::Strong, "Report", &files);
    out
}

fn rule() -> String {
    format!("{}\n", "─".repeat(12))
}

fn guide_versions(summary: &Summary) -> String {
    if summary.guide_versions.is_empty() {
        return String::new();
    }
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH)
        .set_header(["part", "guide", "tested", "why they differ"]);
    for version in &summary.guide_versions {
        let cells = [&version.part, &version.guide, &version.tested, &version.reason];
        table.add_row(cells.map(|cell| one_line(cell, usize::MAX)));
    }
    table.trim_fmt() + "\n"
}

fn deviations(style: Style, summary: &Summary) -> String {
    if summary.deviations.is_empty() {
        return String::new();
    }
    let text = format!("{} from the guide", count(summary.deviations.len(), "deviation"));
    let mut out = style.entry(Tone::Strong, "Guide", &text);
    for Deviation {
        what,
        guide,
        ours,
        reason,
    } in &summary.deviations
    {
        let change = format!(
            "{}: {} → {}",
            one_line(what, REASON),
            one_line(guide, VALUE),
            one_line(ours, VALUE)
        );
        out += &style.below(&change);
        out += &style.below(&format!("  because {}", one_line(reason, REASON)));
    }
    out
}

fn figures(style: Style, summary: &Summary) -> String {
    let of_run = summary.measurements.iter().map(figure);
    let of_checks = summary.checks.iter().flat_map(|check| {
        check
            .measurements
            .iter()
            .map(|measurement| format!("{}: {}", check.check.id, figure(measurement)))
    });
    let all: Vec<String> = of_run.chain(of_checks).collect();
    if all.is_empty() {
        String::new()
    } else {
        style.entry(Tone::Strong, "Figures", &all.join("\n"))
    }
}

fn totals(style: Style, summary: &Summary) -> String {
    let mut counts = Vec::new();
    for (verdict, word) in [
        (Verdict::Pass, "passed"),
        (Verdict::Fail, "failed"),
        (Verdict::ExpectedFailure, "failed as expected"),
        (Verdict::Flaky, "flaky"),
        (Verdict::Error, "in error"),
        (Verdict::Skipped, "skipped"),
        (Verdict::Unsupported, "unsupported"),
    ] {
        let number = summary.count(verdict);
        if number > 0 || matches!(verdict, Verdict::Pass | Verdict::Fail) {
            counts.push(format!("{number} {word}"));
        }
    }
    let tone = if summary.outcome == Outcome::Green {
        Tone::Good
    } else {
        Tone::Bad
    };
    let text = format!("{}: {}", count(summary.checks.len(), "check"), counts.join(", "));
    style.timed(tone, "Summary", summary.duration, &text)
}

/// What to look at, last on the screen: the whole block stands where the check ended.
fn not_green(style: Style, summary: &Summary) -> String {
    let mut out = String::new();
    for check in &summary.checks {
        let id = &check.check.id;
        let (tone, label) = (verdict_tone(check.verdict), verdict_label(check.verdict));
        match (check.verdict, check.failure()) {
            (Verdict::Pass | Verdict::Unsupported, _) => {}
            (_, Some(failure)) if !check.is_cut_off() => {
                out += &style.timed(tone, label, check.duration(), id);
                out += &style.field("awaited", &one_line(&failure.awaited, REASON));
                out += &style.field("last seen", &one_line(&failure.last_seen, REASON));
                let known = failure.detail.as_deref().and_then(|detail| detail.lines().next());
                if let Some(known) = known.filter(|_| check.verdict == Verdict::ExpectedFailure) {
                    out += &style.field("known", known);
                }
            }
            _ => {
                let reason = check.reason.as_deref().unwrap_or("no reason recorded");
                out += &style.untimed(tone, label, &format!("{id}: {}", one_line(reason, REASON)));
            }
        }
    }
    out
}

/// Why the run ended as it did, unless the checks say it.
fn outcome(style: Style, summary: &Summary) -> String {
    let mut out = String::new();
    for broken in &summary.broken {
        out += &style.entry(Tone::Bad, "BROKEN", &broken.message);
    }
    if let Some(gate) = summary.gate.as_ref().filter(|gate| !gate.broken.is_empty()) {
        out += &gate_text(style, &gate.file, &gate.broken);
    }
    if summary.killed {
        out += &style.entry(Tone::Bad, "KILLED", &summary.how_killed());
    }
    if summary.interrupted {
        out += &style.entry(Tone::Warn, "INTERRUPTED", "by Ctrl-C or SIGTERM");
    }
    if summary.exit != Exit::Green.code() {
        out += &style.entry(
            Tone::Bad,
            "Exit",
            &format!("{}: {}", summary.exit, exit_meaning(summary.exit)),
        );
    }
    out
}

fn exit_meaning(exit: u8) -> &'static str {
    match exit {
        1 => "a check failed, or the subject did, or the gate is broken",
        2 => "the command, a manifest or a version was wrong",
        3 => "the environment did not come up",
        4 => "a defect of the harness",
        130 => "interrupted",
        _ => "not an exit code of this harness",
    }
}
