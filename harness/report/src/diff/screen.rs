//! A diff on one screen: a line for each section, a few below it for what differs.

use harness_model::Verdict;

use super::{Diff, Recorded, Section};
use crate::Style;
use crate::terminal::Tone;
use crate::text::{count, one_line};

/// Differences of one section that a screen shows, unless all are asked for.
const SHOWN: usize = 5;
/// Of the verdicts, which come first.
const VERDICTS_SHOWN: usize = 10;
/// Characters of one line.
const WIDTH: usize = 130;

/// How a run is called at the top of the screen, and what it says there.
pub(super) fn run_lines(run: &Recorded) -> (String, String) {
    let summary = &run.summary;
    let counts = format!(
        "{}: {} passed, {} failed",
        count(summary.checks.len(), "check"),
        summary.count(Verdict::Pass),
        summary.count(Verdict::Fail)
    );
    (
        summary.run_id.clone(),
        format!("{} ({counts}; {})", one_line(&summary.command, 80), run.folder),
    )
}

impl Diff {
    /// The text for a terminal, with its line ends; with `all`, every difference.
    #[must_use]
    pub fn text(&self, style: Style, all: bool) -> String {
        let [(first, of_first), (second, of_second)] = &self.runs;
        let mut out = style.entry(Tone::Strong, "First", &format!("{first}: {of_first}"));
        out += &style.entry(Tone::Strong, "Second", &format!("{second}: {of_second}"));
        if !self.same_checks {
            let text = "the runs did not have the same checks: durations, calls, metrics and events may differ by that alone";
            out += &style.entry(Tone::Warn, "Note", text);
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
    let lines = if all { differences } else { brief };
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
