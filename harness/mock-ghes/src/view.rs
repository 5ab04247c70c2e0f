//! Snapshots of the state for tests and for the REST renderers: plain values, no behaviour.

use indexmap::IndexMap;
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use uuid::Uuid;

pub use crate::engine::Conclusion;
use crate::{RepositoryName, Scope};

/// A label of a runner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LabelView {
    /// Its number, the same for every runner.
    pub id: u64,
    /// As the runner spelled it.
    pub name: String,
    /// `read-only` in REST; otherwise `custom`.
    pub system: bool,
}

/// A registered runner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunnerView {
    /// Its number, the same in REST and in the runner service.
    pub id: u64,
    /// Unique in its scope.
    pub name: String,
    /// Where it is registered.
    pub scope: Scope,
    /// `linux`, `macos`, `windows` or `unknown`.
    pub os: String,
    /// The runner program's version.
    pub version: String,
    /// Whether REST says `online`.
    pub online: bool,
    /// Whether it has a job.
    pub busy: bool,
    /// Whether it goes after one job.
    pub ephemeral: bool,
    /// Its labels.
    pub labels: Vec<LabelView>,
    /// When it registered.
    pub created_at: Timestamp,
}

/// How far a job or run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Waits for jobs that it needs; REST does not show it.
    Waiting,
    /// Waits for a runner.
    Queued,
    /// Runs.
    InProgress,
    /// Has a conclusion.
    Completed,
}

impl Status {
    /// As REST spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Waiting => "waiting",
            Status::Queued => "queued",
            Status::InProgress => "in_progress",
            Status::Completed => "completed",
        }
    }
}

/// A runner as a job remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunnerOfJob {
    /// The runner's number.
    pub id: u64,
    /// The runner's name.
    pub name: String,
    /// Its runner group.
    pub group: String,
}

/// A step of a job, as the runner reported it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepView {
    /// From 1.
    pub number: u64,
    /// As the log shows it.
    pub name: String,
    /// How far it is.
    pub status: Status,
    /// How it ended.
    #[serde(serialize_with = "conclusion")]
    pub conclusion: Option<Conclusion>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
}

/// A job of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobView {
    /// REST's number.
    pub id: u64,
    /// The run it belongs to.
    pub run_id: u64,
    /// The attempt of the run, from 1.
    pub attempt: u32,
    /// The job's key in the plan; `/N` marks a leg of a matrix.
    pub key: String,
    /// As people see it.
    pub name: String,
    /// How far it is.
    pub status: Status,
    /// How it ended.
    #[serde(serialize_with = "conclusion")]
    pub conclusion: Option<Conclusion>,
    /// What `runs-on` asks for.
    pub labels: Vec<String>,
    /// The runner that has or had it.
    pub runner: Option<RunnerOfJob>,
    /// When it was queued.
    pub created_at: Timestamp,
    /// When a runner began it.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
    /// What it set.
    pub outputs: IndexMap<String, String>,
    /// Its steps.
    pub steps: Vec<StepView>,
    /// The repository.
    pub repository: RepositoryName,
    /// The workflow's name.
    pub workflow_name: String,
    /// The commit.
    pub head_sha: String,
    /// The branch or tag.
    pub head_branch: String,
}

/// Something told to a webhook, or held back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeliveryView {
    /// Its number. A redelivery has one of its own.
    pub id: u64,
    /// `X-GitHub-Delivery`: the same for all redeliveries.
    pub guid: Uuid,
    /// The webhook's number.
    pub hook: u64,
    /// `X-GitHub-Event`.
    pub event: String,
    /// For `workflow_job`: `queued`, `in_progress` or `completed`.
    pub action: Option<String>,
    /// For `workflow_job`: the job's number in REST.
    pub job: Option<u64>,
    /// Whether it was told before.
    pub redelivery: bool,
    /// Whether it waits until a test has it sent.
    pub held: bool,
    /// When it was written down, or sent if it had been held.
    pub at: Timestamp,
    /// Whether its attempt is over.
    pub answered: bool,
    /// Status of the answer; none: no answer came (yet).
    pub status: Option<u16>,
    /// The answer's beginning, or why none came.
    pub answer: String,
    /// From the request to its answer.
    pub duration_ms: u64,
}

/// The commit of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CommitView {
    /// 40 hex digits.
    pub sha: String,
    /// Its tree.
    pub tree: String,
    /// The whole message.
    pub message: String,
    /// The author's name.
    pub author: String,
    /// The author's address.
    pub email: String,
    /// RFC 3339.
    pub date: String,
    /// The commits before it.
    pub parents: Vec<String>,
}

/// A workflow run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunView {
    /// Unique on the server.
    pub id: u64,
    /// Counts the workflow's runs, from 1.
    pub number: u64,
    /// From 1.
    pub attempt: u32,
    /// The workflow's name.
    pub name: String,
    /// `run-name`, evaluated.
    pub display_title: String,
    /// The workflow's file.
    pub path: String,
    /// The workflow's number.
    pub workflow_id: u64,
    /// For example `workflow_dispatch`.
    pub event: String,
    /// How far it is.
    pub status: Status,
    /// How it ended.
    #[serde(serialize_with = "conclusion")]
    pub conclusion: Option<Conclusion>,
    /// The repository.
    pub repository: RepositoryName,
    /// The branch or tag.
    pub head_branch: String,
    /// The commit.
    pub commit: CommitView,
    /// Who set it off.
    pub actor: String,
    /// When it was set off.
    pub created_at: Timestamp,
    /// When something last changed.
    pub updated_at: Timestamp,
    /// When the attempt was set off.
    pub started_at: Timestamp,
}

fn conclusion<S: Serializer>(conclusion: &Option<Conclusion>, serializer: S) -> Result<S::Ok, S::Error> {
    conclusion.map(Conclusion::as_str).serialize(serializer)
}
