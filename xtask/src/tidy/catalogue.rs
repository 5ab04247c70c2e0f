//! The page of the catalogue is the catalogue: every check id of the scenarios stands in it, and no other.

use std::collections::BTreeSet;

use camino::Utf8Path;

use super::{Files, Finding};

/// As `cargo xtask list --page` writes it.
const PAGE: &str = "docs/catalogue.md";
const SCENARIOS: &str = "scenarios/src";

/// What stands before a string literal that is a check's id: a call `id("…")`, or a field `id: "…"`.
const BEFORE_AN_ID: [&str; 2] = ["id(", "id:"];

/// All differences between scenarios and page.
pub(super) fn check(files: &Files) -> Vec<Finding> {
    let checks: BTreeSet<&str> = files
        .iter()
        .filter(|(file, _)| file.starts_with(SCENARIOS) && file.extension() == Some("rs"))
        .flat_map(|(_, source)| check_ids(source))
        .collect();
    if checks.is_empty() {
        return Vec::new();
    }
    let page = Utf8Path::new(PAGE);
    let listed: BTreeSet<&str> = files
        .get(page)
        .map(|text| table_ids(text).collect())
        .unwrap_or_default();
    let missing = checks.difference(&listed).map(|id| {
        Finding::in_file(
            page,
            format!("check `{id}` is not in the table of checks: `cargo xtask list --page`"),
        )
    });
    let stale = listed.difference(&checks).map(|id| {
        Finding::in_file(
            page,
            format!("the table of checks names `{id}`, which no scenario has"),
        )
    });
    missing.chain(stale).collect()
}

/// The ids in a source, found by their shape `group::name` and by what stands before them.
fn check_ids(source: &str) -> impl Iterator<Item = &str> {
    source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| {
            line.match_indices('"').filter_map(|(at, _)| {
                let is_id = BEFORE_AN_ID
                    .iter()
                    .any(|before| line[..at].trim_end().ends_with(before));
                is_id.then(|| line[at + 1..].split('"').next().unwrap_or_default())
            })
        })
        .filter(|text| is_check_id(text))
}

/// The ids in the first column of a Markdown table: rows that begin "| `group::name` |".
fn table_ids(markdown: &str) -> impl Iterator<Item = &str> {
    markdown
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`').map(|(id, _)| id))
        .filter(|id| is_check_id(id))
}

fn is_check_id(text: &str) -> bool {
    let word = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_')
    };
    text.split_once("::")
        .is_some_and(|(group, name)| word(group) && word(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(source: &str, page: &str) -> Files {
        [("scenarios/src/quickstart.rs", source), (PAGE, page)]
            .map(|(file, text)| (file.into(), text.to_owned()))
            .into()
    }

    #[test]
    fn a_check_that_the_page_does_not_list_is_found() {
        let files = files(
            "Check { id: \"quickstart::runs\".into() }\nid(\"quickstart::needs\")\n",
            "| `quickstart::runs` | x |\n",
        );

        let findings = check(&files);

        assert_eq!(
            findings,
            [Finding::in_file(
                PAGE.into(),
                "check `quickstart::needs` is not in the table of checks: `cargo xtask list --page`"
            )]
        );
    }

    #[test]
    fn a_row_without_a_check_is_found() {
        let files = files(
            "id(\"a::b\")\n",
            "| `a::b` | x |\n| `a::gone` | x |\n| `e2e` | x |\n",
        );

        let findings = check(&files);

        assert_eq!(
            findings,
            [Finding::in_file(
                PAGE.into(),
                "the table of checks names `a::gone`, which no scenario has"
            )]
        );
    }

    #[test]
    fn other_strings_are_no_ids() {
        let source =
            "// id(\"a::comment\")\nlet x = \"a::b\";\nid(\"A::B\")\nid(\"plain\")\nid(\"a::b::c\")\n";

        assert_eq!(check_ids(source).count(), 0);
    }
}
