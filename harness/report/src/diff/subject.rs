//! What was tested and under which conditions: parts with versions and origins, settings, departures from the guide.

use std::collections::BTreeMap;

use harness_model::{Origin, Part};

use super::{Difference, Section};
use crate::Summary;
use crate::text::{count, one_line};

/// Characters of one value.
const VALUE: usize = 60;

pub(super) fn section(before: &Summary, after: &Summary) -> Section {
    let (one, other) = (facts(before), facts(after));
    let mut differences = parts(&before.parts, &after.parts);
    for (name, value) in &other {
        match one.get(name) {
            Some(known) if known == value => {}
            Some(known) => differences.push(Difference::changed(name, known, value)),
            None => differences.push(Difference::only_second(name, value)),
        }
    }
    for (name, value) in one.iter().filter(|(name, _)| !other.contains_key(*name)) {
        differences.push(Difference::only_first(name, value));
    }
    let scope = format!(
        "{} of the second run, with its conditions and settings",
        count(after.parts.len(), "part")
    );
    Section::new("Subject", scope, differences)
}

/// Versions come first in each line, so that they stand on the screen.
fn parts(before: &[Part], after: &[Part]) -> Vec<Difference> {
    let mut differences = Vec::new();
    let whole = |part: &Part| format!("{} ({})", part.version, origin(part));
    for part in after {
        let what = format!("part {}", part.name);
        let Some(known) = before.iter().find(|known| known.name == part.name) else {
            differences.push(Difference::only_second(what, whole(part)));
            continue;
        };
        let (was, now) = (origin(known), origin(part));
        let line = if known.version != part.version {
            format!("{what}: {} → {} ({was} → {now})", known.version, part.version)
        } else if was != now {
            format!("{what}: still {}, but {was} → {now}", part.version)
        } else {
            continue;
        };
        differences.push(Difference {
            line,
            ..Difference::changed(what, whole(known), whole(part))
        });
    }
    let gone = before
        .iter()
        .filter(|known| after.iter().all(|part| part.name != known.name));
    differences.extend(gone.map(|part| Difference::only_first(format!("part {}", part.name), &part.version)));
    differences
}

/// Where a foreign program lay does not matter, its bytes do.
fn origin(part: &Part) -> String {
    match &part.origin {
        Origin::Foreign { sha256, .. } => format!("foreign sha256:{sha256}"),
        origin => origin.to_string(),
    }
}

/// Conditions, settings and departures by name.
fn facts(summary: &Summary) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::new();
    for (name, value) in [
        ("profile", &summary.profile),
        ("cluster", &summary.cluster),
        ("GHES", &summary.ghes),
        ("clock", &summary.clock),
    ] {
        facts.insert(name.to_owned(), value.clone());
    }
    for setting in &summary.settings {
        facts.insert(
            format!("setting {}", setting.name),
            one_line(&setting.value, VALUE),
        );
    }
    for deviation in &summary.deviations {
        let change = format!(
            "{} for {}",
            one_line(&deviation.ours, VALUE),
            one_line(&deviation.guide, VALUE)
        );
        facts.insert(format!("departure {}", deviation.what), change);
    }
    facts
}
