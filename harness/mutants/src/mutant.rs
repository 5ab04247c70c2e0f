//! One changed place in ARC's source, under a name that stays.

use std::ops::Range;

use anyhow::{Context as _, ensure};

use crate::data::{Named, Source};
use crate::operators;

/// A defect that ARC can be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutant {
    /// A given name, or place and change, as `autoscaling.go:381 >= → >`.
    pub id: String,
    /// Whether it was written down, and not made by an operator.
    pub is_named: bool,
    /// Within the module.
    pub file: String,
    /// In bytes.
    pub range: Range<usize>,
    /// What stands there instead.
    pub replacement: String,
    /// Around the place; none at the top of a file.
    pub function: Option<String>,
    /// The checks that could notice, as substrings of their ids.
    pub checks: Vec<String>,
    /// The parts that have the changed code in them.
    pub programs: Vec<String>,
}

impl Mutant {
    /// Every mutant that the operators make of one file.
    pub(crate) fn generated(source: &Source, text: &str) -> anyhow::Result<Vec<Mutant>> {
        let mut mutants: Vec<Mutant> = Vec::new();
        for change in operators::changes(text).with_context(|| format!("read {}", source.file))? {
            let of_it = &mutants;
            let place = format!("{}:{} {}", source.label(), change.line, change.what);
            let same = of_it
                .iter()
                .filter(|other| other.id == place || other.id.starts_with(&format!("{place} #")));
            let id = match same.count() {
                0 => place,
                earlier => format!("{place} #{}", earlier + 1),
            };
            mutants.push(Mutant {
                id,
                is_named: false,
                file: source.file.clone(),
                range: change.range,
                replacement: change.replacement,
                checks: source.checks(change.function.as_deref()).to_vec(),
                function: change.function,
                programs: source.programs.clone(),
            });
        }
        Ok(mutants)
    }

    /// A mutant that was written down; its text must be in the file once.
    pub(crate) fn named(named: &Named, source: &Source, text: &str) -> anyhow::Result<Mutant> {
        let count = text.matches(&named.find).count();
        ensure!(
            count == 1,
            "the mutant {} finds `{}` {count} times in {}, not once: make the text longer, or correct it",
            named.name,
            named.find,
            named.file
        );
        ensure!(
            named.find != named.replace,
            "the mutant {} changes nothing: correct its replacement",
            named.name
        );
        let start = text.find(&named.find).context("it was counted")?;
        let range = start..start + named.find.len();
        let function = operators::function_at(text, start)?;
        let checks = match named.checks.is_empty() {
            true => source.checks(function.as_deref()).to_vec(),
            false => named.checks.clone(),
        };
        Ok(Mutant {
            id: named.name.clone(),
            is_named: true,
            file: named.file.clone(),
            range,
            replacement: named.replace.clone(),
            function,
            checks,
            programs: source.programs.clone(),
        })
    }

    /// The file with the defect in it.
    #[must_use]
    pub fn applied(&self, text: &str) -> String {
        [
            &text[..self.range.start],
            &self.replacement,
            &text[self.range.end..],
        ]
        .concat()
    }
}
