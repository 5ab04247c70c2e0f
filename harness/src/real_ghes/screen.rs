//! What the verbs print. Every text goes through the redactor, which knows the token.

use std::io::Write as _;

use anyhow::Context as _;
use harness_ghes::{Row, State, Survey};
use harness_model::Redactor;
use serde::Serialize;

use super::Format;
use super::sweep::{Outcome, Swept};

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

/// What `sweep` did, thing by thing, then in numbers.
pub(super) fn swept(swept: &Swept) -> String {
    let mut out = format!(
        "{}, runs that began {} ago or earlier\n",
        swept.ghes, swept.older_than
    );
    for thing in &swept.things {
        let outcome = match thing.outcome {
            Outcome::Removed => "removed",
            Outcome::WouldRemove => "would remove",
            Outcome::Gone => "gone already",
            Outcome::Kept => "kept",
            Outcome::Younger => "younger",
        };
        out += &format!("{outcome:>14}  {} {} of {}", thing.kind, thing.name, thing.scope);
        if let Some(reason) = &thing.reason {
            out += &format!(": {}", one_line(reason));
        }
        out.push('\n');
    }
    for unseen in &swept.unseen {
        out += &format!("{:>14}  {unseen}: the token may not list them\n", "not seen");
    }
    let counts = &swept.counts;
    let removed = if swept.dry_run {
        format!("{} would be removed", counts.would_remove)
    } else {
        format!(
            "{} removed, {} gone already, {} kept",
            counts.removed, counts.gone, counts.kept
        )
    };
    out + &format!(
        "{removed}, {} younger; {} things without a run's prefix were left alone; {} API requests\n",
        counts.younger, counts.others, swept.api_calls
    )
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
