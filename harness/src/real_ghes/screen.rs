//! What the verbs print. Every text goes through the redactor, which knows the token.

use std::io::Write as _;

use anyhow::Context as _;
use harness_ghes::{State, Survey};
use harness_model::{Capability, Redactor};
use serde::Serialize;

use super::Format;
use super::sweep::{Counts, Outcome, Swept};

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
    eprintln!("error: {}", one_line(&redactor.clean(error)));
}

/// The table of `check`.
pub(super) fn survey(survey: &Survey) -> String {
    let mut lines = vec![survey.ghes.clone(), String::new()];
    let width = survey.rows.iter().map(|row| row.what.len()).max().unwrap_or(0);
    for row in &survey.rows {
        let state = match row.state {
            State::Ok => "ok",
            State::Note => "note",
            State::Missing => "missing",
        };
        lines.push(line(state, width, &row.what, &one_line(&row.found)));
        let mend = row.mend.as_deref().map(one_line);
        lines.extend(mend.map(|mend| line("", width, "", &format!("-> {mend}"))));
    }
    let words = |all: &[String]| all.join(", ");
    let texts = |all: &[Capability]| words(&all.iter().map(ToString::to_string).collect::<Vec<_>>());
    let profiles: Vec<String> = survey.profiles.iter().map(ToString::to_string).collect();
    lines.push(String::new());
    lines.push(format!(
        "{}; checks that need {} are skipped, since no GHES but our own has these",
        if survey.can_run {
            format!("Profiles that can run: {}", words(&profiles))
        } else {
            "No profile can run".to_owned()
        },
        texts(&survey.without)
    ));
    for created in &survey.would_create {
        let objects = words(&created.objects);
        lines.push(format!("A run would create in {}: {objects}", created.scope));
    }
    lines.push(format!("{} API requests, none of which writes", survey.api_calls));
    lines.join("\n") + "\n"
}

fn line(state: &str, width: usize, what: &str, text: &str) -> String {
    format!("{state:>9}  {what:width$}  {text}")
}

/// What `sweep` did, thing by thing, then in numbers.
pub(super) fn swept(swept: &Swept) -> String {
    let head = format!(
        "{}, runs that began {} ago or earlier",
        swept.ghes, swept.older_than
    );
    let mut lines = vec![head];
    for thing in &swept.things {
        let outcome = match thing.outcome {
            Outcome::Removed => "removed",
            Outcome::WouldRemove => "would remove",
            Outcome::Gone => "gone already",
            Outcome::Kept => "kept",
            Outcome::Younger => "younger",
        };
        let reason = thing
            .reason
            .as_deref()
            .map(|reason| format!(": {}", one_line(reason)));
        lines.push(format!(
            "{outcome:>14}  {} {} of {}{}",
            thing.kind,
            thing.name,
            thing.scope,
            reason.unwrap_or_default()
        ));
    }
    for unseen in &swept.unseen {
        lines.push(format!(
            "{:>14}  {unseen}: the token may not list them",
            "not seen"
        ));
    }
    let counts = &swept.counts;
    let removed = if swept.dry_run {
        format!("{} would be removed", counts.would_remove)
    } else {
        let Counts {
            removed, gone, kept, ..
        } = counts;
        format!("{removed} removed, {gone} gone already, {kept} kept")
    };
    lines.push(format!(
        "{removed}, {} younger; {} things without a run's prefix were left alone; {} API requests",
        counts.younger, counts.others, swept.api_calls
    ));
    lines.join("\n") + "\n"
}

/// A server may say anything, and a terminal does what it is told.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
