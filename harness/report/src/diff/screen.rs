//! A diff on one screen: a line for each section, a few below it for what differs.

use super::{Diff, Head, Section};
use crate::Style;
use crate::terminal::Tone;
use crate::text::{count, one_line};

/// What else may then differ.
pub(crate) const OTHER_CHECKS: &str =
    "the runs did not have the same checks: durations, calls, metrics and events may differ by that alone";

/// Differences of one section that a screen shows, unless all are asked for.
const SHOWN: usize = 5;
/// Of the verdicts, which come first.
const VERDICTS_SHOWN: usize = 10;
/// Characters of one line.
const WIDTH: usize = 130;

impl Diff {
    /// The text for a terminal, with its line ends; with `all`, every difference.
    #[must_use]
    pub fn text(&self, style: Style, all: bool) -> String {
        let mut out = String::new();
        for (label, run) in ["First", "Second"].into_iter().zip(&self.runs) {
            let Head {
                run_id,
                command,
                counts,
                folder,
                ..
            } = run;
            let command = one_line(command, 80);
            let text = format!("{run_id}: {command} ({counts}; {folder})");
            out += &style.entry(Tone::Strong, label, &text);
        }
        if !self.same_checks {
            out += &style.entry(Tone::Warn, "Note", OTHER_CHECKS);
        }
        for section in &self.sections {
            out += &section_text(section, style, all);
        }
        out += &self.ending(style);
        out
    }

    fn ending(&self, style: Style) -> String {
        let missing = self.sections.iter().filter(|section| !section.compared).count();
        let missing = if missing == 0 {
            String::new()
        } else {
            format!("; {} not compared", count(missing, "section"))
        };
        match self.differences() {
            0 => style.entry(
                Tone::Good,
                "Same",
                &format!("no difference that matters{missing}"),
            ),
            number => style.entry(
                Tone::Bad,
                "Different",
                &format!("{}{missing}", count(number, "difference")),
            ),
        }
    }
}

fn section_text(section: &Section, style: Style, all: bool) -> String {
    let Section {
        title,
        scope,
        compared,
        differences,
        brief,
        ..
    } = section;
    let tone = match (compared, differences.is_empty()) {
        (false, _) => Tone::Quiet,
        (true, true) => Tone::Good,
        (true, false) => Tone::Bad,
    };
    let head = if !compared {
        scope.clone()
    } else if differences.is_empty() {
        format!("same ({scope})")
    } else {
        format!("{} ({scope})", count(differences.len(), "difference"))
    };
    let mut out = style.entry(tone, title, &head);
    let limit = if *title == "Verdicts" {
        VERDICTS_SHOWN
    } else {
        SHOWN
    };
    let every = differences.iter().map(|difference| &difference.line);
    let lines: Vec<&String> = if all {
        every.collect()
    } else {
        brief.iter().collect()
    };
    // A line that says "1 more" takes the room of the one that it hides.
    let shown = if all || lines.len() <= limit + 1 {
        lines.len()
    } else {
        limit
    };
    for line in &lines[..shown] {
        let width = if all { usize::MAX } else { WIDTH };
        out += &style.below(&one_line(line, width));
    }
    if shown < lines.len() {
        let more = lines.len() - shown;
        out += &style.below(&format!("… and {more} more: `--all` shows them"));
    }
    out
}
