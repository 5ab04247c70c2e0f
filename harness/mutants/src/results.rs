//! What became of the mutants: a line each, a table, a file, an exit code.

use std::collections::BTreeMap;

use camino::Utf8Path;
use comfy_table::{CellAlignment, Table, presets};
use harness_model::Exit;
use serde::Serialize;

/// So many of the generated mutants that are defects must be killed.
const SHARE: f64 = 0.95;

/// Whether the suite noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// A check was red, or the program did not come up.
    Killed,
    /// Every check that could notice was green.
    Survived,
    /// No defect, as `equivalent.toml` argues.
    Equivalent,
    /// Go refused it: it counts for nothing.
    NotBuilt,
}

/// What became of one mutant.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// Its name, or place and change.
    pub id: String,
    /// Whether it was written down by name.
    pub is_named: bool,
    /// Within ARC's module.
    pub file: String,
    /// Whether the suite noticed.
    pub verdict: Verdict,
    /// The check that was red first, and its words; or why it is equivalent, or what Go said.
    pub because: String,
    /// The Go build.
    pub build_seconds: f64,
    /// From the start of the run to its end.
    pub run_seconds: f64,
}

/// What became of all.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Results {
    pub(crate) arc: String,
    pub(crate) seed: u64,
    pub(crate) outcomes: Vec<Outcome>,
}

impl Results {
    pub(crate) fn write(&self, file: &Utf8Path) -> anyhow::Result<()> {
        Ok(fs_err::write(file, serde_json::to_string_pretty(self)?)?)
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.outcomes
            .iter()
            .filter(|outcome| outcome.verdict == verdict)
            .count()
    }

    /// Each file's figures, then those that survived.
    pub(crate) fn table(&self) -> String {
        let verdicts = [
            Verdict::Killed,
            Verdict::Survived,
            Verdict::Equivalent,
            Verdict::NotBuilt,
        ];
        let mut files: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
        for outcome in &self.outcomes {
            let counts = files.entry(outcome.file.as_str()).or_default();
            let of_it = verdicts.iter().position(|verdict| *verdict == outcome.verdict);
            counts[of_it.unwrap_or_default()] += 1;
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header([
            "FILE",
            "KILLED",
            "SURVIVED",
            "EQUIVALENT",
            "NOT BUILT",
        ]);
        for (file, counts) in files {
            let counts = counts.map(|count| count.to_string());
            table.add_row(std::iter::once(file.to_owned()).chain(counts));
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let survivors = self
            .outcomes
            .iter()
            .filter(|outcome| outcome.verdict == Verdict::Survived);
        let survivors: Vec<String> = survivors
            .map(|outcome| format!("survived: {}\n", outcome.id))
            .collect();
        match self.outcomes.is_empty() {
            true => String::new(),
            false => format!("{table}\n{}", survivors.concat()),
        }
    }

    /// The last line.
    pub(crate) fn summary(&self) -> String {
        format!(
            "mutants: {} killed, {} survived, {} equivalent, {} did not build of {} (seed {})",
            self.count(Verdict::Killed),
            self.count(Verdict::Survived),
            self.count(Verdict::Equivalent),
            self.count(Verdict::NotBuilt),
            self.outcomes.len(),
            self.seed
        )
    }

    /// Green if every named mutant and nearly every other defect was noticed.
    pub(crate) fn exit(&self) -> Exit {
        let (named, generated): (Vec<&Outcome>, Vec<&Outcome>) =
            self.outcomes.iter().partition(|outcome| outcome.is_named);
        let of = |outcomes: &[&Outcome], verdict: Verdict| {
            let of_it = outcomes.iter().filter(|outcome| outcome.verdict == verdict);
            u32::try_from(of_it.count()).map_or(f64::INFINITY, f64::from)
        };
        let killed = of(&generated, Verdict::Killed);
        let defects = killed + of(&generated, Verdict::Survived);
        let all_named = named.iter().all(|outcome| outcome.verdict == Verdict::Killed);
        if all_named && killed >= SHARE * defects {
            Exit::Green
        } else {
            Exit::CheckFailed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(named: &[Verdict], generated: &[(Verdict, usize)]) -> Results {
        let outcome = |is_named: bool, verdict: Verdict| Outcome {
            id: "autoscaling.go:1 < → <=".to_owned(),
            is_named,
            file: "autoscaling.go".to_owned(),
            verdict,
            because: String::new(),
            build_seconds: 1.5,
            run_seconds: 20.0,
        };
        let mut outcomes: Vec<Outcome> = named.iter().map(|verdict| outcome(true, *verdict)).collect();
        for (verdict, count) in generated {
            outcomes.extend((0..*count).map(|_| outcome(false, *verdict)));
        }
        Results {
            arc: "v0.27.6".to_owned(),
            seed: 7,
            outcomes,
        }
    }

    #[test]
    fn every_named_mutant_and_nineteen_of_twenty_others_must_be_killed() {
        use Verdict::{Equivalent, Killed, NotBuilt, Survived};
        let cases = [
            (results(&[Killed], &[(Killed, 19), (Survived, 1)]), Exit::Green),
            (
                results(&[Killed], &[(Killed, 18), (Survived, 1)]),
                Exit::CheckFailed,
            ),
            (results(&[Survived], &[]), Exit::CheckFailed),
            (results(&[NotBuilt], &[]), Exit::CheckFailed),
            (results(&[], &[(Equivalent, 3), (NotBuilt, 5)]), Exit::Green),
        ];

        for (results, exit) in cases {
            assert_eq!(results.exit(), exit, "{}", results.summary());
        }
    }

    #[test]
    fn the_last_line_has_every_figure() {
        use Verdict::{Equivalent, Killed, NotBuilt, Survived};
        let results = results(
            &[Killed],
            &[(Killed, 2), (Survived, 1), (Equivalent, 1), (NotBuilt, 1)],
        );

        assert_eq!(
            results.summary(),
            "mutants: 3 killed, 1 survived, 1 equivalent, 1 did not build of 6 (seed 7)"
        );
        assert!(results.table().ends_with("survived: autoscaling.go:1 < → <=\n"));
    }
}
