//! A job's timeline: the records of the job and its steps, its log files, and its console lines.

use indexmap::IndexMap;
use jiff::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Message, State};
use crate::clock;
use crate::engine::Conclusion;
use crate::json::{choice, field, items, number, text};
use crate::view::{Status, StepView};

/// Under this id .NET runners report telemetry; it is no step.
const TELEMETRY: Uuid = Uuid::from_u128(0x1111_1111_1111_1111_1111_1111_1111_1111);
/// `TaskResult`, in the order of its numbers.
pub(crate) const RESULTS: [&str; 6] = [
    "succeeded",
    "succeededWithIssues",
    "failed",
    "canceled",
    "skipped",
    "abandoned",
];
/// `TimelineRecordState`, in the order of its numbers.
const STATES: [&str; 3] = ["pending", "inProgress", "completed"];
/// Console lines kept per job, for the log of a job that never sent one.
const CONSOLE: usize = 10_000;

/// Everything a runner reports of one job.
#[derive(Default)]
pub(super) struct Timeline {
    records: IndexMap<Uuid, Record>,
    logs: Vec<Vec<u8>>,
    console: Vec<String>,
    /// Lines of the server's own.
    notes: Vec<String>,
}

/// One record; absent fields were not reported yet.
#[derive(Default)]
struct Record {
    is_task: bool,
    name: Option<String>,
    order: Option<u64>,
    state: Option<Status>,
    result: Option<Conclusion>,
    started: Option<Timestamp>,
    finished: Option<Timestamp>,
    log: Option<usize>,
    /// Every field as it was last reported, for clients that read the timeline back.
    raw: Map<String, Value>,
}

/// What a number of [`RESULTS`] means in REST.
pub(crate) fn conclusion_of(result: usize) -> Conclusion {
    match result {
        0 | 1 => Conclusion::Success,
        3 => Conclusion::Cancelled,
        4 => Conclusion::Skipped,
        _ => Conclusion::Failure,
    }
}

impl Record {
    /// Takes over what is reported; what is absent or null stays as it was.
    fn merge(&mut self, reported: &Value) {
        let moment = |name: &str| text(reported, name).parse::<Timestamp>().ok();
        if !text(reported, "type").is_empty() {
            self.is_task = text(reported, "type").eq_ignore_ascii_case("task");
        }
        if !text(reported, "name").is_empty() {
            self.name = Some(text(reported, "name").to_owned());
        }
        self.order = number(reported, "order").or(self.order);
        self.state = choice(reported, "state", &STATES)
            .map(|n| [Status::Queued, Status::InProgress, Status::Completed][n])
            .or(self.state);
        self.result = choice(reported, "result", &RESULTS)
            .map(conclusion_of)
            .or(self.result);
        self.started = moment("startTime").or(self.started);
        self.finished = moment("finishTime").or(self.finished);
        let log = number(field(reported, "log"), "id").and_then(|id| usize::try_from(id).ok());
        self.log = log.filter(|id| *id > 0).or(self.log);
        for (name, value) in reported
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(_, value)| !value.is_null())
        {
            self.raw.insert(decapitalized(name), value.clone());
        }
    }
}

/// Go writes `State` where .NET writes `state`.
fn decapitalized(name: &str) -> String {
    let mut letters = name.chars();
    letters
        .next()
        .map(|first| first.to_ascii_lowercase())
        .into_iter()
        .chain(letters)
        .collect()
}

impl Timeline {
    /// The steps as REST shows them.
    pub(super) fn steps(&self, job: Uuid) -> Vec<StepView> {
        let mut steps: Vec<&Record> = self.step_records(job).collect();
        steps.sort_by_key(|record| record.order);
        let view = |(at, record): (usize, &Record)| StepView {
            number: record.order.filter(|order| *order > 0).unwrap_or(at as u64 + 1),
            name: record.name.clone().unwrap_or_default(),
            status: record.state.unwrap_or(Status::Queued),
            conclusion: record.result.filter(|_| record.state == Some(Status::Completed)),
            started_at: record.started,
            completed_at: record.finished,
        };
        steps.into_iter().enumerate().map(view).collect()
    }

    fn step_records(&self, job: Uuid) -> impl Iterator<Item = &Record> {
        let is_step =
            move |(id, record): &(&Uuid, &Record)| **id != job && **id != TELEMETRY && record.is_task;
        self.records.iter().filter(is_step).map(|(_, record)| record)
    }

    /// After the job's end no step is under way.
    pub(super) fn close(&mut self, now: Timestamp, conclusion: Conclusion) {
        for record in self
            .records
            .values_mut()
            .filter(|r| r.state != Some(Status::Completed))
        {
            record.result = Some(match (record.started, conclusion) {
                (None, _) => Conclusion::Skipped,
                (Some(_), Conclusion::Success) => Conclusion::Success,
                (Some(_), _) => conclusion,
            });
            record.state = Some(Status::Completed);
            record.finished = Some(now);
        }
    }

    /// Adds a line of the server's own to the log.
    pub(super) fn note(&mut self, line: &str, now: Timestamp) {
        self.notes.push(format!("{} {line}", clock::service(now)));
    }

    /// The job's whole log: the file bound to the job's record, else the steps' files, else the console.
    pub(super) fn log(&self, job: Uuid) -> Option<String> {
        let file = |id: usize| {
            self.logs
                .get(id - 1)
                .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        };
        let whole = self
            .records
            .get(&job)
            .and_then(|record| record.log)
            .and_then(file);
        let mut steps: Vec<&Record> = self
            .step_records(job)
            .filter(|record| record.log.is_some())
            .collect();
        steps.sort_by_key(|record| record.order);
        let of_steps = || -> Option<String> {
            (!steps.is_empty()).then(|| steps.iter().filter_map(|r| r.log.and_then(file)).collect())
        };
        let console = || (!self.console.is_empty()).then(|| self.console.join("\n") + "\n");
        let reported = whole.or_else(of_steps).or_else(console);
        let has_end = reported
            .as_ref()
            .is_none_or(|text| text.is_empty() || text.ends_with('\n'));
        let mut log = reported.unwrap_or_default();
        if !has_end {
            log.push('\n');
        }
        for note in &self.notes {
            log.push_str(note);
            log.push('\n');
        }
        (!log.is_empty()).then_some(log)
    }
}

/// A runner reports records; each is merged into what is known.
pub(crate) struct PatchRecords {
    pub(crate) job: u64,
    pub(crate) body: Value,
}

impl Message for PatchRecords {
    type Reply = ();

    fn apply(self, state: &mut State) {
        let now = state.clock.now();
        let Some(job) = state.jobs.get_mut(&self.job) else {
            return;
        };
        for reported in items(&self.body) {
            let Ok(id) = text(reported, "id").parse::<Uuid>() else {
                continue;
            };
            let record = job.records.records.entry(id).or_default();
            record.merge(reported);
            let is_running = record.state == Some(Status::InProgress);
            if id == job.record && is_running {
                job.begin(now);
            }
        }
        let run = job.run;
        state.touch_run(run, now);
    }
}

/// The records of a job's timeline as they were reported.
pub(crate) struct Records {
    pub(crate) job: u64,
}

impl Message for Records {
    type Reply = Vec<Value>;
    const CHANGES: bool = false;

    fn apply(self, state: &mut State) -> Vec<Value> {
        let job = state.jobs.get(&self.job);
        let records = job.into_iter().flat_map(|job| job.records.records.values());
        records.map(|record| Value::Object(record.raw.clone())).collect()
    }
}

/// A runner opens a log file. Replies its number.
pub(crate) struct CreateLog {
    pub(crate) job: u64,
}

impl Message for CreateLog {
    type Reply = Option<usize>;
    const CHANGES: bool = false;

    fn apply(self, state: &mut State) -> Option<usize> {
        let logs = &mut state.jobs.get_mut(&self.job)?.records.logs;
        logs.push(Vec::new());
        Some(logs.len())
    }
}

/// A runner appends to a log file. Replies whether the file is there.
pub(crate) struct AppendLog {
    pub(crate) job: u64,
    pub(crate) log: usize,
    pub(crate) bytes: bytes::Bytes,
}

impl Message for AppendLog {
    type Reply = bool;

    fn apply(self, state: &mut State) -> bool {
        let logs = state.jobs.get_mut(&self.job).map(|job| &mut job.records.logs);
        let file = logs.and_then(|logs| logs.get_mut(self.log.checked_sub(1)?));
        file.map(|file| file.extend_from_slice(&self.bytes)).is_some()
    }
}

/// A runner sends console lines.
pub(crate) struct Feed {
    pub(crate) job: u64,
    pub(crate) body: Value,
}

impl Message for Feed {
    type Reply = ();

    fn apply(self, state: &mut State) {
        let Some(job) = state.jobs.get_mut(&self.job) else {
            return;
        };
        let console = &mut job.records.console;
        let room = CONSOLE.saturating_sub(console.len());
        console.extend(
            items(&self.body)
                .iter()
                .filter_map(Value::as_str)
                .take(room)
                .map(str::to_owned),
        );
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn records_are_merged_and_never_overwritten_with_null() {
        let mut record = Record::default();

        record.merge(&json!({"Type": "Task", "Name": "one", "Order": 2, "State": "InProgress"}));
        record.merge(&json!({"id": "x", "name": null, "log": {"id": 3}}));
        record.merge(&json!({"state": 2, "result": "succeededWithIssues"}));

        assert!(record.is_task);
        assert_eq!(record.name.as_deref(), Some("one"));
        assert_eq!((record.order, record.log), (Some(2), Some(3)));
        assert_eq!(
            (record.state, record.result),
            (Some(Status::Completed), Some(Conclusion::Success))
        );
    }

    #[test]
    fn the_log_is_the_jobs_own_file_before_the_steps_files() {
        let job = Uuid::from_u128(1);
        let mut timeline = Timeline {
            logs: vec![
                b"step two\n".to_vec(),
                b"step one\n".to_vec(),
                b"whole\n".to_vec(),
            ],
            ..Timeline::default()
        };
        let step = |order, log| Record {
            is_task: true,
            order: Some(order),
            log: Some(log),
            ..Record::default()
        };
        timeline.records.insert(Uuid::from_u128(2), step(2, 1));
        timeline.records.insert(Uuid::from_u128(3), step(1, 2));

        let from_steps = timeline.log(job);
        timeline.records.insert(
            job,
            Record {
                log: Some(3),
                ..Record::default()
            },
        );
        let from_job = timeline.log(job);

        assert_eq!(from_steps.as_deref(), Some("step one\nstep two\n"));
        assert_eq!(from_job.as_deref(), Some("whole\n"));
    }

    #[test]
    fn telemetry_and_the_job_itself_are_no_steps() {
        let job = Uuid::from_u128(1);
        let mut timeline = Timeline::default();
        for id in [job, TELEMETRY, Uuid::from_u128(2)] {
            timeline.records.insert(
                id,
                Record {
                    is_task: true,
                    ..Record::default()
                },
            );
        }

        assert_eq!(timeline.steps(job).len(), 1);
    }
}
