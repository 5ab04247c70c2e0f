//! Seeded defects: ways in which this server can be made wrong on purpose, so that a suite can prove that its checks
//! turn red. Not faults: a [`crate::FaultRule`] breaks single answers, a defect breaks a promise.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One promise to break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Defect {
    /// Runner lists omit one custom label of each runner of an enterprise.
    DropLabel,
    /// An ephemeral runner stays registered after its job.
    KeepEphemeral,
    /// The outputs of a job do not reach the jobs that need it.
    DropOutputs,
    /// The checkout action checks out the commit before the run's.
    StaleCheckout,
    /// Every runner's status is `offline`.
    OfflineRunners,
    /// Jobs stay queued for ever.
    NoDispatch,
    /// A fault rule goes on when it is taken back alone.
    StuckOutage,
    /// A runner of a repository takes jobs of its owner's other repositories.
    WideRepository,
    /// A runner of an organization takes jobs of its enterprise's other organizations.
    WideOrganization,
    /// Of a scope's runners, no more than five are shown as busy.
    FewBusy,
    /// Of a scope's runners, the third busy one is shown as idle.
    ThirdIdle,
    /// In a matrix of more than 32 jobs, the last has the first one's values.
    RepeatLeg,
    /// No webhook is told that a job is completed.
    LostCompleted,
    /// Webhooks are told everything about jobs twice, as two events.
    DoubleDeliveries,
    /// No webhook is told that a job of a run's second or later attempt is queued.
    SilentRerun,
    /// Of all jobs that are queued, the seventh is told to no webhook.
    LostQueued,
    /// What webhooks are told is signed with another secret.
    ForgedDeliveries,
    /// A runner group shows to every repository, whichever may use it.
    WideGroups,
    /// Registration tokens live for 25 minutes.
    ShortTokens,
    /// Registration tokens live for a day.
    LongTokens,
    /// Lists have no `Link` header, so that only their first page is found.
    NoLinks,
    /// No answer may be kept by its client, however cacheable answers are to be.
    NoCaching,
    /// No answer tells of the rate limit.
    SilentLimit,
    /// Tokens that are revoked stay in force.
    UnrevokedTokens,
}

impl Defect {
    /// Every defect.
    pub const ALL: [Defect; 24] = [
        Defect::DropLabel,
        Defect::KeepEphemeral,
        Defect::DropOutputs,
        Defect::StaleCheckout,
        Defect::OfflineRunners,
        Defect::NoDispatch,
        Defect::StuckOutage,
        Defect::WideRepository,
        Defect::WideOrganization,
        Defect::FewBusy,
        Defect::ThirdIdle,
        Defect::RepeatLeg,
        Defect::LostCompleted,
        Defect::DoubleDeliveries,
        Defect::SilentRerun,
        Defect::LostQueued,
        Defect::ForgedDeliveries,
        Defect::WideGroups,
        Defect::ShortTokens,
        Defect::LongTokens,
        Defect::NoLinks,
        Defect::NoCaching,
        Defect::SilentLimit,
        Defect::UnrevokedTokens,
    ];

    /// The kebab-case name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Defect::DropLabel => "drop-label",
            Defect::KeepEphemeral => "keep-ephemeral",
            Defect::DropOutputs => "drop-outputs",
            Defect::StaleCheckout => "stale-checkout",
            Defect::OfflineRunners => "offline-runners",
            Defect::NoDispatch => "no-dispatch",
            Defect::StuckOutage => "stuck-outage",
            Defect::WideRepository => "wide-repository",
            Defect::WideOrganization => "wide-organization",
            Defect::FewBusy => "few-busy",
            Defect::ThirdIdle => "third-idle",
            Defect::RepeatLeg => "repeat-leg",
            Defect::LostCompleted => "lost-completed",
            Defect::DoubleDeliveries => "double-deliveries",
            Defect::SilentRerun => "silent-rerun",
            Defect::LostQueued => "lost-queued",
            Defect::ForgedDeliveries => "forged-deliveries",
            Defect::WideGroups => "wide-groups",
            Defect::ShortTokens => "short-tokens",
            Defect::LongTokens => "long-tokens",
            Defect::NoLinks => "no-links",
            Defect::NoCaching => "no-caching",
            Defect::SilentLimit => "silent-limit",
            Defect::UnrevokedTokens => "unrevoked-tokens",
        }
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name belongs to no defect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no seeded defect is called {0:?}; there are: {known}", known = Defect::ALL.map(Defect::name).join(", "))]
pub struct UnknownDefect(
    /// The name as given.
    pub String,
);

impl FromStr for Defect {
    type Err = UnknownDefect;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Defect::ALL
            .into_iter()
            .find(|d| d.name() == name)
            .ok_or_else(|| UnknownDefect(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_ones_that_serde_writes() {
        for defect in Defect::ALL {
            let written = serde_json::to_value(defect).expect("an enum without data is a string");

            assert_eq!(written, defect.name());
            assert_eq!(defect.name().parse(), Ok(defect));
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let error = "drop-everything"
            .parse::<Defect>()
            .expect_err("there is no such defect");

        assert!(error.to_string().contains("drop-label"), "{error}");
    }
}
