//! Every departure is explained: entries of `deviations.toml`, `expectations.toml` and `equivalent.toml` carry a reason.

use camino::Utf8Path;
use toml::{Table, Value};

use super::Finding;

/// Lists whose entries must say why.
const LISTS: [&str; 3] = [
    "fixtures/deviations.toml",
    "fixtures/mutants/equivalent.toml",
    "scenarios/expectations.toml",
];

/// All findings in one file; none if it is no such list.
pub(super) fn check(file: &Utf8Path, content: &str) -> Vec<Finding> {
    if !LISTS.iter().any(|list| file == *list) {
        return Vec::new();
    }
    match toml::from_str::<Table>(content) {
        Ok(list) => unexplained(&list)
            .map(|entry| Finding::in_file(file, format!("{entry} has no reason")))
            .collect(),
        Err(error) => vec![Finding::in_file(file, format!("not TOML: {error}"))],
    }
}

/// Entries are the tables of an array `[[name]]`, or the tables `[name]` themselves.
fn unexplained(list: &Table) -> impl Iterator<Item = String> {
    list.iter()
        .flat_map(|(name, value)| match value {
            Value::Array(entries) => entries
                .iter()
                .enumerate()
                .map(|(index, entry)| (format!("{name} {}", index + 1), entry))
                .collect(),
            Value::Table(_) => vec![(name.clone(), value)],
            _ => Vec::new(),
        })
        .filter(|(_, entry)| !has_reason(entry))
        .map(|(name, _)| name)
}

fn has_reason(entry: &Value) -> bool {
    entry
        .get("reason")
        .and_then(Value::as_str)
        .is_some_and(|reason| !reason.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(content: &str) -> Vec<String> {
        check(Utf8Path::new(LISTS[0]), content)
            .into_iter()
            .map(|f| f.message)
            .collect()
    }

    #[test]
    fn an_entry_without_a_reason_is_found() {
        let list =
            "[[deviation]]\nwhat = \"a\"\nreason = \"b\"\n[[deviation]]\nwhat = \"c\"\nreason = \" \"\n";

        assert_eq!(messages(list), ["deviation 2 has no reason"]);
        assert_eq!(messages("[\"a::b\"]\nsince = \"v1\"\n"), ["a::b has no reason"]);
    }

    #[test]
    fn other_files_are_left_alone() {
        assert!(check(Utf8Path::new("Cargo.toml"), "[package]\nname = \"a\"\n").is_empty());
    }
}
