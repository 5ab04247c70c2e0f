//! Draws what a run printed as an SVG, in the colours of a terminal: `picture RUN_FOLDER`, to stdout. For the README: `docs/pictures/make`.
//!
//! What it is not: a terminal. It knows the few control sequences that the output has, and leaves out the long lists, saying how many lines.

use std::fmt::Write as _;

use camino::Utf8PathBuf;
use harness_report::{LOG_FILE, Style, read_log, replay};

/// Columns, and the size of a character in pixels.
const COLUMNS: usize = 112;
const ACROSS: f64 = 8.1;
const DOWN: usize = 18;
const MARGIN: usize = 16;

#[expect(clippy::print_stdout, reason = "the picture is its output")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).map(Utf8PathBuf::from);
    let folder = folder.ok_or("usage: picture RUN_FOLDER")?;
    let lines = read_log(&folder.join(LOG_FILE))?;
    let printed = replay(&lines, Style::Colour, &folder);
    print!("{}", drawing(&shortened(&printed))?);
    Ok(())
}

/// Without the real parts, and without what stands between the last phase and the last rule: versions, departures, figures.
fn shortened(printed: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut left_out = 0;
    let mut in_lists = false;
    for line in printed.lines() {
        let is_rule = line.starts_with('─');
        let is_last_rule = is_rule && line.chars().count() == 12;
        in_lists = (in_lists || is_rule) && !is_last_rule;
        if in_lists || without_paint(line).trim_start().starts_with("Part ") {
            left_out += 1;
            continue;
        }
        if left_out > 0 {
            out.push(format!("{:12} \u{1b}[2m⋮ {left_out} lines\u{1b}[0m", ""));
            left_out = 0;
        }
        out.push(line.to_owned());
    }
    out
}

fn drawing(lines: &[String]) -> Result<String, std::fmt::Error> {
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let width = COLUMNS as f64 * ACROSS + 2.0 * MARGIN as f64;
    let height = (lines.len() + 2) * DOWN + 2 * MARGIN;
    let mut svg = String::new();
    writeln!(
        svg,
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0} {height}" width="{width:.0}" height="{height}" role="img" aria-label="What cargo xtask e2e prints">"##
    )?;
    svg += "<style>text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;\
            fill:#d5dade;white-space:pre}.g{fill:#6bd19b}.r{fill:#ff8f8a}.y{fill:#e9bc55}.b{font-weight:700}.d{fill:#8b949e}</style>\n";
    writeln!(
        svg,
        r##"<rect width="100%" height="100%" rx="8" fill="#14171a"/>"##
    )?;
    let command = "\u{1b}[2m$\u{1b}[0m cargo xtask e2e".to_owned();
    for (index, line) in [command, String::new()].iter().chain(lines).enumerate() {
        let down = MARGIN + (index + 1) * DOWN - 5;
        writeln!(svg, r#"<text x="{MARGIN}" y="{down}">{}</text>"#, spans(line)?)?;
    }
    svg += "</svg>\n";
    Ok(svg)
}

/// The line's pieces, each in its colour; at most [`COLUMNS`] characters.
fn spans(line: &str) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    let mut room = COLUMNS;
    let mut class = String::new();
    for (number, piece) in line.split('\u{1b}').enumerate() {
        let mut text = piece;
        if let Some((codes, rest)) = piece.strip_prefix('[').and_then(|piece| piece.split_once('m'))
            && number > 0
        {
            text = rest;
            class = repainted(&class, codes);
        }
        let text: String = text.chars().take(room).collect();
        room -= text.chars().count();
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        if class.is_empty() || text.is_empty() {
            out += &text;
        } else {
            write!(out, r#"<tspan class="{}">{text}</tspan>"#, class.trim())?;
        }
    }
    Ok(out)
}

/// Colours and weights add up until they are taken back.
fn repainted(class: &str, codes: &str) -> String {
    let mut class = class.to_owned();
    for code in codes.split(';') {
        match code {
            "1" => class += " b",
            "2" => class += " d",
            "31" => class += " r",
            "32" => class += " g",
            "33" => class += " y",
            _ => class.clear(),
        }
    }
    class
}

fn without_paint(line: &str) -> String {
    let mut pieces = line.split('\u{1b}');
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| {
        text + piece.split_once('m').map_or(piece, |(_, rest)| rest)
    })
}
