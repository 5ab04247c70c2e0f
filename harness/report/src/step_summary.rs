//! What a run says to GitHub Actions: a Markdown summary for the job's page, and an annotation for each red check.
//!
//! Sources: GitHub's documentation on workflow commands (`::error title=…::…`; job summaries, at most 1 MiB a step; at most ten error
//! annotations a step), and for the escaping its own client, `@actions/core`: `%`, CR and LF in a message, `:` and `,` too in a property.

use harness_model::{Exit, Verdict};

use crate::text::{count, one_line, seconds};
use crate::{CheckResult, Summary};

/// Characters of one text of a check: twenty red checks stay far below the limit of 1 MiB.
const TEXT: usize = 400;
/// Checks that are told one by one.
const CHECKS: usize = 100;
/// Errors that GitHub shows of one step.
const ANNOTATIONS: usize = 10;

/// The run in Markdown, to be appended to the file that `GITHUB_STEP_SUMMARY` names.
#[must_use]
pub fn step_summary(summary: &Summary) -> String {
    let counts = [
        (Verdict::Pass, "passed"),
        (Verdict::Fail, "failed"),
        (Verdict::ExpectedFailure, "failed as expected"),
        (Verdict::Flaky, "flaky"),
        (Verdict::Error, "in error"),
        (Verdict::Skipped, "skipped"),
        (Verdict::Unsupported, "unsupported"),
    ];
    let counts: Vec<String> = counts
        .into_iter()
        .filter(|(verdict, _)| summary.count(*verdict) > 0 || *verdict == Verdict::Pass)
        .map(|(verdict, word)| format!("{} {word}", summary.count(verdict)))
        .collect();
    let head = format!(
        "## {} GHES harness: {}\n\n{}: {}, in {} s. Run {}, {}, exit {}.\n",
        if summary.exit == Exit::Green.code() {
            "✅"
        } else {
            "❌"
        },
        format!("{:?}", summary.outcome).to_lowercase(),
        count(summary.checks.len(), "check"),
        counts.join(", "),
        seconds(summary.duration),
        code(&summary.run_id),
        code(&summary.command),
        summary.exit,
    );
    let broken = summary.broken.iter();
    let broken: String = broken
        .map(|broken| format!("\n**Broken:** {}\n", plain(&broken.message)))
        .collect();
    head + &broken + &gate(summary) + &not_green(summary) + &subject(summary) + "\n"
}

fn gate(summary: &Summary) -> String {
    let Some(gate) = &summary.gate else {
        return String::new();
    };
    if gate.broken.is_empty() {
        return format!("\nThe gate {} holds.\n", code(&gate.file));
    }
    let lines = gate.broken.iter().map(|line| format!("- {}\n", plain(line)));
    let lines: String = lines.collect();
    format!("\n**The gate {} is broken:**\n\n{lines}", code(&gate.file))
}

fn not_green(summary: &Summary) -> String {
    let checks = summary.checks.iter();
    let told: Vec<&CheckResult> = checks.filter(|check| check.verdict != Verdict::Pass).collect();
    if told.is_empty() {
        return String::new();
    }
    let rows: String = told.iter().take(CHECKS).map(|check| row(check)).collect();
    let more = if told.len() > CHECKS {
        format!("\n… and {} more in `report.yaml`.\n", told.len() - CHECKS)
    } else {
        String::new()
    };
    format!("\n| check | verdict | why | alone |\n|---|---|---|---|\n{rows}{more}")
}

fn row(check: &CheckResult) -> String {
    let why = match check.failure().filter(|_| !check.verdict.is_green()) {
        Some(failure) => format!(
            "awaited: {}<br>last seen: {}",
            plain(&failure.awaited),
            plain(&failure.last_seen)
        ),
        None => plain(check.reason.as_deref().unwrap_or_default()),
    };
    let alone = check.rerun().map(code).unwrap_or_default();
    format!(
        "| {} | {} | {why} | {alone} |\n",
        code(&check.check.id),
        check.verdict
    )
}

fn subject(summary: &Summary) -> String {
    if summary.parts.is_empty() {
        return String::new();
    }
    let row = |part: &harness_model::Part| {
        let origin = plain(&part.origin.to_string());
        format!(
            "| {} | {} | {origin} |\n",
            plain(&part.name),
            plain(&part.version)
        )
    };
    let rows: String = summary.parts.iter().map(row).collect();
    format!(
        "\n<details><summary>What was tested</summary>\n\n| part | version | origin |\n|---|---|---|\n{rows}\n</details>\n"
    )
}

/// Workflow commands, one a line: an error for each red check and whatever else made the run red.
#[must_use]
pub fn annotations(summary: &Summary) -> String {
    let mut errors: Vec<(String, String)> = Vec::new();
    for broken in &summary.broken {
        errors.push(("the run broke".to_owned(), broken.message.clone()));
    }
    for check in summary.checks.iter().filter(|check| !check.verdict.is_green()) {
        let reason = check.reason.clone().unwrap_or_default();
        let message = match check.rerun() {
            Some(rerun) => format!("{reason}\nalone: {rerun}"),
            None => reason,
        };
        errors.push((check.check.id.clone(), message));
    }
    if let Some(gate) = &summary.gate {
        let told = gate
            .broken
            .iter()
            .map(|line| (format!("gate {}", gate.file), line.clone()));
        errors.extend(told);
    }
    if errors.len() > ANNOTATIONS {
        let more = errors.split_off(ANNOTATIONS - 1);
        let titles: Vec<&str> = more.iter().map(|(title, _)| title.as_str()).collect();
        errors.push((format!("{} more", more.len()), titles.join(", ")));
    }
    errors
        .iter()
        .map(|(title, message)| format!("::error title={}::{}\n", property(title), data(message)))
        .collect()
}

/// A message of a workflow command.
fn data(text: &str) -> String {
    crate::text::printable(text)
        .replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// A property of a workflow command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// A text of a run between words of Markdown: on one line, and no letter of it means anything but itself.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for c in one_line(text, TEXT).chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            // An entity is a plain letter for Markdown, in a table too; `@` would call a person, `#` an issue.
            '|' | '`' | '*' | '_' | '[' | ']' | '~' | '\\' | '@' | '#' => {
                out.push_str("&#");
                out.push_str(&u32::from(c).to_string());
                out.push(';');
            }
            c => out.push(c),
        }
    }
    out
}

/// A text of a run as code.
fn code(text: &str) -> String {
    format!("<code>{}</code>", plain(text))
}
