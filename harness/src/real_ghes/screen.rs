//! What the verbs print. Every text goes through the redactor, which knows the token.

use std::io::Write as _;

use anyhow::Context as _;
use harness_ghes::{Row, State, Survey};
use harness_model::Redactor;
use serde::Serialize;

use super::Format;

/// Prints a value as JSON, or as text for people.
pub(super) fn show<T: Serialize>(
    redactor: &Redactor,
    format: Format,
    value: &T,
    text: impl FnOnce(&T) -> String,
) -> anyhow::Result<()> {
    let text = match format {
        Format::Human => text(value),
        Format::Json => {
            let mut value = serde_json::to_value(value).context("write it as JSON")?;
            redactor.clean_json(&mut value);
            format!("{value:#}\n")
        }
    };
    std::io::stdout()
        .write_all(redactor.clean(&text).as_bytes())
        .context("print what was found")
}

#[expect(clippy::print_stderr, reason = "the last word of the program")]
pub(super) fn complain(redactor: &Redactor, error: &str) {
    eprintln!("error: {}", redactor.clean(error));
}

/// The table of `check`.
pub(super) fn survey(survey: &Survey) -> String {
    let mut out = format!("{}\n\n", survey.ghes);
    let width = survey.rows.iter().map(|row| row.what.len()).max().unwrap_or(0);
    for row in &survey.rows {
        out += &line(row, width);
    }
    if survey.can_run {
        let profiles: Vec<String> = survey.profiles.iter().map(ToString::to_string).collect();
        out += &format!("\nProfiles that can run: {}", profiles.join(", "));
    } else {
        out += "\nNo profile can run";
    }
    let without: Vec<String> = survey.without.iter().map(ToString::to_string).collect();
    out += &format!(
        "; checks that need {} are skipped, since no GHES but our own has these\n",
        without.join(", ")
    );
    for created in &survey.would_create {
        out += &format!(
            "A run would create in {}: {}\n",
            created.scope,
            created.objects.join(", ")
        );
    }
    out + &format!("{} API requests, none of which writes\n", survey.api_calls)
}

fn line(row: &Row, width: usize) -> String {
    let state = match row.state {
        State::Ok => "ok",
        State::Note => "note",
        State::Missing => "missing",
    };
    let mut line = format!("{state:>9}  {:width$}  {}\n", row.what, one_line(&row.found));
    if let Some(mend) = &row.mend {
        line += &format!("{:>9}  {:width$}  -> {}\n", "", "", one_line(mend));
    }
    line
}

/// A server may say anything, and a terminal does what it is told.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
