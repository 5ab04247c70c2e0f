//! Layout and colour of a line: a label that ends in column 12, then the text, as cargo and nextest have it.

use std::time::Duration;

use owo_colors::OwoColorize as _;

use crate::text::{printable, seconds};

/// Width of the column of labels.
const LABEL: usize = 12;
/// Where the text of an entry begins: after the label and a space.
const TEXT: usize = LABEL + 1;
/// Width of the name of a field below an entry.
const FIELD: usize = 11;

/// Whether the text carries colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// With ANSI colours.
    Colour,
    /// Text only.
    Plain,
}

/// What a colour means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Bad,
    Warn,
    Strong,
    Quiet,
}

impl Style {
    /// The text in the tone, if this style has colours.
    pub(crate) fn paint(self, tone: Tone, text: &str) -> String {
        match (self, tone) {
            (Style::Plain, _) => text.to_owned(),
            (Style::Colour, Tone::Good) => text.green().bold().to_string(),
            (Style::Colour, Tone::Bad) => text.red().bold().to_string(),
            (Style::Colour, Tone::Warn) => text.yellow().bold().to_string(),
            (Style::Colour, Tone::Strong) => text.bold().to_string(),
            (Style::Colour, Tone::Quiet) => text.dimmed().to_string(),
        }
    }

    /// `     Cluster local`; further lines of the text are indented below its first.
    pub(crate) fn entry(self, tone: Tone, label: &str, text: &str) -> String {
        self.raw_entry(tone, label, &indented(text, TEXT))
    }

    /// As [`Style::entry`], with a text that is already laid out and painted.
    pub(crate) fn raw_entry(self, tone: Tone, label: &str, text: &str) -> String {
        format!("{} {text}\n", self.label(tone, label))
    }

    /// `        PASS [   3.402s] text`.
    pub(crate) fn timed(self, tone: Tone, label: &str, duration: Duration, text: &str) -> String {
        format!(
            "{} [{:>8}s] {}\n",
            self.label(tone, label),
            seconds(duration),
            indented(text, TEXT)
        )
    }

    /// `        SKIP [         ] text`.
    pub(crate) fn untimed(self, tone: Tone, label: &str, text: &str) -> String {
        format!(
            "{} [{:>9}] {}\n",
            self.label(tone, label),
            "",
            indented(text, TEXT)
        )
    }

    /// `             last seen  text`, below an entry.
    pub(crate) fn field(self, name: &str, text: &str) -> String {
        let name = self.paint(Tone::Quiet, &format!("{name:<FIELD$}"));
        format!("{:TEXT$}{name}{}\n", "", indented(text, TEXT + FIELD))
    }

    /// A line of text below an entry.
    pub(crate) fn below(self, text: &str) -> String {
        format!("{:TEXT$}{}\n", "", indented(text, TEXT))
    }

    fn label(self, tone: Tone, label: &str) -> String {
        // Padded before painting: escape sequences have no width.
        self.paint(tone, &format!("{label:>LABEL$}"))
    }
}

/// The text without control characters, its lines after the first moved right.
fn indented(text: &str, by: usize) -> String {
    let text = printable(text);
    let mut lines = text.lines();
    let mut out = lines.next().unwrap_or_default().to_owned();
    for line in lines {
        out.push('\n');
        if !line.is_empty() {
            out.extend(std::iter::repeat_n(' ', by));
            out.push_str(line);
        }
    }
    out
}
