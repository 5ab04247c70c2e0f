//! What a check claims, on what grounds, and what it needs.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Capability;

/// How much of the catalogue a run takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// What every run should show.
    Core,
    /// Slower or rarer promises.
    Extended,
    /// Everything.
    All,
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Profile::Core => "core",
            Profile::Extended => "extended",
            Profile::All => "all",
        })
    }
}

/// What a scenario must have to itself. Claims run in parallel as far as they allow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Claim {
    /// The run's common ARC; only the scenario's namespace is its own.
    SharedArc,
    /// An ARC for its namespace alone, with a GHES of its own behind it. The common ARC, which works in every namespace, is gone by then.
    OwnArc(OwnArc),
    /// The whole plane: nothing else runs meanwhile.
    WholePlane,
}

/// Whether somebody moves a wall clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WallClock {
    /// It is the machine's.
    #[default]
    Real,
    /// The scenario moves it.
    Controlled,
}

impl fmt::Display for WallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            WallClock::Real => "real",
            WallClock::Controlled => "controlled",
        })
    }
}

/// A program of ARC's chart besides the manager, which GHES tells of jobs by webhooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArcServer {
    /// Scales runners by queued and completed jobs.
    GithubWebhook,
    /// Exposes metrics of jobs.
    ActionsMetrics,
}

impl ArcServer {
    /// Every one.
    pub const ALL: [ArcServer; 2] = [ArcServer::GithubWebhook, ArcServer::ActionsMetrics];

    /// As the chart calls its container.
    #[must_use]
    pub fn container(self) -> &'static str {
        match self {
            ArcServer::GithubWebhook => "github-webhook-server",
            ArcServer::ActionsMetrics => "actions-metrics-server",
        }
    }

    /// As `kind/versions.toml` calls the part.
    #[must_use]
    pub fn part(self) -> &'static str {
        match self {
            ArcServer::GithubWebhook => "arc-github-webhook-server",
            ArcServer::ActionsMetrics => "arc-actions-metrics-server",
        }
    }
}

impl fmt::Display for ArcServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.container())
    }
}

/// How a scenario's own ARC differs from the common one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnArc {
    /// Manager programs, of which leader election lets one reconcile.
    pub replicas: u8,
    /// Flags of the manager, `--flag=value` or `--switch`, in place of the chart's.
    pub flags: Vec<String>,
    /// Further environment of the manager.
    pub env: BTreeMap<String, String>,
    /// ARC's version, as `v0.27.3`; absent: the one under test.
    pub version: Option<String>,
    /// The wall clock of this ARC and of the GHES behind it. Nothing else can have a controlled one: the API server stays on the real clock, and
    /// ARC compares with times that it writes.
    #[serde(default)]
    pub clock: WallClock,
    /// What the release has besides the manager.
    #[serde(default)]
    pub servers: Vec<ArcServer>,
    /// Further values of the chart, over those of the common one.
    #[serde(default)]
    pub values: Value,
}

impl Default for OwnArc {
    fn default() -> OwnArc {
        OwnArc {
            replicas: 1,
            flags: Vec::new(),
            env: BTreeMap::new(),
            version: None,
            clock: WallClock::Real,
            servers: Vec::new(),
            values: Value::Null,
        }
    }
}

impl OwnArc {
    /// One manager on a clock that the scenario moves.
    #[must_use]
    pub fn with_clock() -> OwnArc {
        OwnArc {
            clock: WallClock::Controlled,
            ..OwnArc::default()
        }
    }
}

impl Check {
    /// Whether it moves the clock of an ARC and a GHES of its own.
    #[must_use]
    pub fn moves_its_clock(&self) -> bool {
        matches!(&self.claims, Claim::OwnArc(own) if own.clock == WallClock::Controlled)
    }
}

/// One check of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Stable name, `group::check`, as filters and reports use it.
    pub id: String,
    /// The claim: one sentence that is true when the check passes.
    pub claim: String,
    /// The documentation page or guide sentence that promises it.
    pub grounds: String,
    /// What the check does not show.
    pub not_covered: String,
    /// The smallest profile that runs it.
    pub profile: Profile,
    /// What the environment must be able to do.
    pub needs: Vec<Capability>,
    /// What it must have to itself.
    pub claims: Claim,
    /// Numbers of the users' pains it guards against.
    pub pains: Vec<u8>,
}
