//! The answer of an upgrade that is over, as its folder tells it.

use std::collections::BTreeSet;

use anyhow::{Context as _, ensure};
use camino::Utf8Path;
use harness::model::upgrade::{Arm, ArmFacts};
use harness::report::{LOG_FILE, Summary, UPGRADE_FILE, read_log};
use serde_json::Value;

/// What the upgrade's folder says.
pub(crate) struct Answer {
    document: Value,
    pub(crate) arms: Vec<ArmFacts>,
}

impl Answer {
    /// Reads the folder of an upgrade that is over.
    pub(crate) fn read(folder: &Utf8Path) -> anyhow::Result<Answer> {
        let file = folder.join(UPGRADE_FILE);
        let text = std::fs::read_to_string(&file).with_context(|| format!("no answer in {file}"))?;
        let change = Summary::fold(&read_log(&folder.join("change").join(LOG_FILE))?);
        let arms: BTreeSet<Arm> = change.arms.iter().map(|facts| facts.arm).collect();
        ensure!(arms.len() == change.arms.len(), "an arm was run twice: {arms:?}");
        Ok(Answer {
            document: harness_yaml::manifest(&text)?,
            arms: change.arms,
        })
    }

    pub(crate) fn verdict(&self) -> &str {
        self.document["verdict"].as_str().unwrap_or_default()
    }

    /// That the verdict is one of these.
    pub(crate) fn is(&self, verdicts: &[&str]) -> anyhow::Result<()> {
        let verdict = self.verdict();
        ensure!(
            verdicts.contains(&verdict),
            "it is {verdict}, not {verdicts:?}: {}",
            self.document
        );
        Ok(())
    }

    /// That a reason says this.
    pub(crate) fn reason(&self, what: &str) -> anyhow::Result<()> {
        let reasons = self.document["reasons"].to_string();
        ensure!(reasons.contains(what), "no reason says {what}: {reasons}");
        Ok(())
    }

    /// That a step says this.
    pub(crate) fn step(&self, what: &str) -> anyhow::Result<()> {
        let steps = self.document["steps"].to_string();
        ensure!(steps.contains(what), "no step says {what}: {steps}");
        Ok(())
    }

    pub(crate) fn arm(&self, arm: Arm) -> anyhow::Result<&ArmFacts> {
        let facts = self.arms.iter().find(|facts| facts.arm == arm);
        facts.with_context(|| format!("the arm `{arm}` told nothing"))
    }

    pub(crate) fn careful(&self) -> anyhow::Result<&ArmFacts> {
        self.arm(Arm::DefinitionsFirst)
    }
}
