//! What a run's folder keeps beside its log, as far as two runs are compared by it: requests, events, metrics, manifests, lives of runners.
//!
//! Everything is optional: a run that was killed, or that an older harness made, lacks some of it. What is missing is `None`, never an
//! empty answer. What it is not: it fetches nothing, and the evidence of a failed check is for people.

mod lines;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use camino::{Utf8Path, Utf8PathBuf};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use self::lines::read_lines;
use crate::ReportError;

/// A mock GHES's ledger in its folder.
const LEDGER_FILE: &str = "ledger.jsonl";
/// The folder of the ledger of the GHES that checks share, relative to the run's folder.
pub const LEDGER_FOLDER: &str = "evidence/ledger";
/// The folder with a folder for the ledger of each check that has a GHES of its own.
pub const OWN_LEDGERS_FOLDER: &str = "evidence/ledger-own";
/// The folder with every version of every watched object, a file for each namespace.
pub const OBJECTS_FOLDER: &str = "evidence/objects";
/// Each metric that ARC's manager exposed at the run's end, one [`Exposed`] a line.
pub const METRICS_FILE: &str = "evidence/metrics.jsonl";
/// The manifests that ARC's chart gave, one object a line.
pub const MANIFESTS_FILE: &str = "evidence/manifests.jsonl";

/// A metric's name and the names of its labels, over all its series.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, Deserialize)]
pub struct Exposed {
    /// The metric's name.
    pub name: String,
    /// Names of labels, sorted.
    pub labels: BTreeSet<String>,
}

/// One kind of request and its answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// The route's template, or the path where there is no such route.
    pub route: String,
    /// HTTP method.
    pub method: String,
    /// Status of the answer; `None` if none was sent.
    pub status: Option<u16>,
}

/// One kind of Kubernetes event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventKind {
    /// The kind of object that it is about.
    pub kind: String,
    /// Its reason.
    pub reason: String,
    /// `Normal` or `Warning`.
    pub class: String,
}

/// What names an object within a run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectName {
    /// Its kind.
    pub kind: String,
    /// Its namespace, or empty.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ObjectName {
            kind,
            namespace,
            name,
        } = self;
        if namespace.is_empty() {
            write!(f, "{kind} {name}")
        } else {
            write!(f, "{kind} {namespace}/{name}")
        }
    }
}

/// The evidence of one run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Evidence {
    /// How often each kind of request came, over all ledgers of the run; `None` without one.
    pub calls: Option<BTreeMap<Call, u64>>,
    /// How often each kind of event happened; `None` if nothing was recorded.
    pub events: Option<BTreeMap<EventKind, u64>>,
    /// How long runner pods lived, added up; `None` if nothing was recorded.
    pub runner_time: Option<SignedDuration>,
    /// Names of labels by name of metric.
    pub metrics: Option<BTreeMap<String, BTreeSet<String>>>,
    /// What the chart gave.
    pub manifests: Option<BTreeMap<ObjectName, Value>>,
}

impl Evidence {
    /// Reads the evidence in a run's folder.
    ///
    /// # Errors
    /// [`ReportError::File`] if a file is there and cannot be read, [`ReportError::Evidence`] with its line if it is damaged. A torn last
    /// line is left out.
    pub fn read(run_dir: &Utf8Path) -> Result<Evidence, ReportError> {
        let objects = objects(&run_dir.join(OBJECTS_FOLDER))?;
        let (events, runner_time) = objects.map_or((None, None), |objects| {
            (Some(objects.events()), Some(objects.runner_time()))
        });
        Ok(Evidence {
            calls: calls(run_dir)?,
            events,
            runner_time,
            metrics: metrics(&run_dir.join(METRICS_FILE))?,
            manifests: manifests(&run_dir.join(MANIFESTS_FILE))?,
        })
    }

    /// Requests to GHES's REST API (`/api/v3`), whoever sent them; not the runner service's.
    #[must_use]
    pub fn api_calls(&self) -> Option<u64> {
        let calls = self.calls.as_ref()?;
        let of_api = calls
            .iter()
            .filter(|(call, _)| call.route.starts_with("/api/v3/"));
        Some(of_api.map(|(_, count)| count).sum())
    }
}

fn calls(run_dir: &Utf8Path) -> Result<Option<BTreeMap<Call, u64>>, ReportError> {
    #[derive(Deserialize)]
    struct Record {
        method: String,
        path: String,
        route: Option<String>,
        status: Option<u16>,
    }
    let mut ledgers = vec![run_dir.join(LEDGER_FOLDER)];
    ledgers.extend(entries(&run_dir.join(OWN_LEDGERS_FOLDER))?.unwrap_or_default());
    let mut calls = BTreeMap::new();
    let mut found = false;
    for ledger in ledgers {
        found |= read_lines(&ledger.join(LEDGER_FILE), |record: Record| {
            let call = Call {
                route: record.route.unwrap_or(record.path),
                method: record.method,
                status: record.status,
            };
            *calls.entry(call).or_default() += 1;
        })?;
    }
    Ok(found.then_some(calls))
}

fn metrics(path: &Utf8Path) -> Result<Option<BTreeMap<String, BTreeSet<String>>>, ReportError> {
    let mut metrics: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let found = read_lines(path, |Exposed { name, labels }| {
        metrics.entry(name).or_default().extend(labels);
    })?;
    Ok(found.then_some(metrics))
}

fn manifests(path: &Utf8Path) -> Result<Option<BTreeMap<ObjectName, Value>>, ReportError> {
    let text = |value: &Value, pointer: &str| {
        let found = value.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_default().to_owned()
    };
    let mut manifests = BTreeMap::new();
    let found = read_lines(path, |object: Value| {
        let name = ObjectName {
            kind: text(&object, "/kind"),
            namespace: text(&object, "/metadata/namespace"),
            name: text(&object, "/metadata/name"),
        };
        manifests.insert(name, object);
    })?;
    Ok(found.then_some(manifests))
}

/// What the recorder wrote, as far as it is needed: the last version of each event, and the life of each runner pod.
#[derive(Default)]
struct Objects {
    /// By uid: a repeated event is one object whose count grows.
    events: BTreeMap<String, (EventKind, u64)>,
    /// By uid.
    runners: BTreeMap<String, Life>,
    last: Option<Timestamp>,
}

struct Life {
    began: Timestamp,
    ended: Option<Timestamp>,
}

impl Objects {
    fn take(&mut self, change: Change) {
        let Change {
            at,
            kind,
            change,
            object,
        } = change;
        self.last = self.last.max(Some(at));
        if kind == "Event" {
            let event = EventKind {
                kind: object.involved_object.kind,
                reason: object.reason,
                class: object.class,
            };
            let count = object.count.unwrap_or(1);
            self.events.insert(object.metadata.uid, (event, count));
        } else if kind == "Pod"
            && object
                .metadata
                .owner_references
                .iter()
                .any(|o| o.kind == "Runner")
        {
            let life = self.runners.entry(object.metadata.uid).or_insert(Life {
                began: at,
                ended: None,
            });
            life.began = life.began.min(at);
            let over = change == "deleted" || matches!(object.status.phase.as_str(), "Succeeded" | "Failed");
            if over && life.ended.is_none() {
                life.ended = Some(at);
            }
        }
    }

    fn events(&self) -> BTreeMap<EventKind, u64> {
        let mut counts = BTreeMap::new();
        for (event, count) in self.events.values() {
            *counts.entry(event.clone()).or_default() += count;
        }
        counts
    }

    /// A pod lives from when it was first seen until it succeeded, failed or was gone, else until the last thing that was recorded.
    fn runner_time(&self) -> SignedDuration {
        let mut total = SignedDuration::ZERO;
        for Life { began, ended } in self.runners.values() {
            if let Some(end) = ended.or(self.last) {
                total += end.duration_since(*began);
            }
        }
        total
    }
}

#[derive(Deserialize)]
struct Change {
    at: Timestamp,
    kind: String,
    change: String,
    object: Recorded,
}

/// The fields of an Event (core/v1) and a Pod that are needed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recorded {
    metadata: Metadata,
    #[serde(default)]
    involved_object: Reference,
    #[serde(default)]
    reason: String,
    #[serde(default, rename = "type")]
    class: String,
    #[serde(default)]
    count: Option<u64>,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    uid: String,
    #[serde(default)]
    owner_references: Vec<Reference>,
}

#[derive(Deserialize, Default)]
struct Reference {
    #[serde(default)]
    kind: String,
}

#[derive(Deserialize, Default)]
struct Status {
    #[serde(default)]
    phase: String,
}

fn objects(folder: &Utf8Path) -> Result<Option<Objects>, ReportError> {
    let Some(files) = entries(folder)? else {
        return Ok(None);
    };
    let mut objects = Objects::default();
    for file in files {
        read_lines(&file, |change: Change| objects.take(change))?;
    }
    Ok(Some(objects))
}

/// What lies in a folder; `None` if there is no such folder.
fn entries(folder: &Utf8Path) -> Result<Option<Vec<Utf8PathBuf>>, ReportError> {
    let list = || -> std::io::Result<Vec<Utf8PathBuf>> {
        let entries = folder.read_dir_utf8()?;
        entries
            .map(|entry| entry.map(camino::Utf8DirEntry::into_path))
            .collect()
    };
    if folder.is_dir() {
        list().map(Some).map_err(ReportError::file("list evidence"))
    } else {
        Ok(None)
    }
}
