//! The history of a namespace's objects (`evidence/objects/NAMESPACE.jsonl`): numbers over time, events, what changed.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet, VecDeque};
use std::io::{self, BufRead as _, BufReader};

use camino::Utf8Path;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::Series;

/// Changes that are kept, the newest.
const MOST_CHANGES: usize = 60;
/// Events that are kept, the newest.
const MOST_EVENTS: usize = 60;
/// Fields that are told of one change.
const MOST_FIELDS: usize = 8;
/// Characters of a field's value.
const VALUE: usize = 160;

/// What an autoscaler wanted over time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Scaler {
    /// `status.desiredReplicas`.
    pub(crate) desired: Series,
    /// `spec.minReplicas`.
    pub(crate) min: Series,
    /// `spec.maxReplicas`.
    pub(crate) max: Series,
}

/// An event as the cluster tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClusterEvent {
    /// When the recorder saw it.
    pub(crate) at: Timestamp,
    /// `type: Warning`.
    pub(crate) is_warning: bool,
    /// For example `RegistrationTokenUpdated`.
    pub(crate) reason: String,
    /// `Kind name` of the object it is about.
    pub(crate) object: String,
    /// Its text.
    pub(crate) message: String,
}

/// A new version of an object, against the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    /// When the recorder saw it.
    pub(crate) at: Timestamp,
    /// `Kind name`.
    pub(crate) object: String,
    /// `appeared`, `changed` or `deleted`.
    pub(crate) what: &'static str,
    /// Which fields differ, if it changed.
    pub(crate) fields: Vec<FieldChange>,
    /// Fields beyond those.
    pub(crate) more_fields: usize,
}

/// A field before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldChange {
    /// For example `status.phase`.
    pub(crate) path: String,
    /// Compact JSON; empty if there was none.
    pub(crate) before: String,
    /// Compact JSON; empty if there is none.
    pub(crate) after: String,
}

/// A namespace's history, folded.
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) scalers: Vec<(String, Scaler)>,
    pub(super) runners: Series,
    pub(super) events: Vec<ClusterEvent>,
    pub(super) changes: Vec<Change>,
    pub(super) more_changes: usize,
    /// Names of its Runner objects: their pods and registrations have the same.
    pub(super) names: HashSet<String>,
}

#[derive(Deserialize)]
struct Recorded<'a, T> {
    at: Timestamp,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    change: Cow<'a, str>,
    object: T,
}

/// Only what the numbers and events need; everything else is skipped unread.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object {
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
    #[serde(default)]
    involved_object: Involved,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default, rename = "type")]
    severity: Option<String>,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Spec {
    min_replicas: Option<i64>,
    max_replicas: Option<i64>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Status {
    desired_replicas: Option<i64>,
    phase: Option<String>,
}

#[derive(Deserialize, Default)]
struct Involved {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    name: String,
}

/// Reads a history; lines of another run, and lines that are none, are passed over. Events and changes are kept until `detail_until`: what
/// came after a failure is tear-down, and would push out what came before.
pub(super) fn read(
    path: &Utf8Path,
    since: Timestamp,
    detail_until: Option<Timestamp>,
) -> io::Result<History> {
    let mut history = History::default();
    let mut running: HashSet<String> = HashSet::new();
    let mut changes = Changes::default();
    let mut reader = BufReader::new(fs_err::File::open(path)?);
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let Ok(recorded) = serde_json::from_slice::<Recorded<'_, Object>>(&line) else {
            continue;
        };
        if recorded.at < since {
            continue;
        }
        history.count(&recorded, &mut running);
        let in_detail = Some(recorded.at) <= detail_until;
        if in_detail && recorded.kind == "Event" {
            history.event(recorded);
        } else if in_detail && let Ok(whole) = serde_json::from_slice(&line) {
            changes.take(whole);
        }
    }
    history
        .events
        .drain(..history.events.len().saturating_sub(MOST_EVENTS));
    history.changes = changes.newest.into();
    history.more_changes = changes.dropped;
    Ok(history)
}

impl History {
    fn count(&mut self, recorded: &Recorded<'_, Object>, running: &mut HashSet<String>) {
        let Recorded {
            at, change, object, ..
        } = recorded;
        let name = &object.metadata.name;
        let gone = change == "deleted";
        match recorded.kind.as_ref() {
            "HorizontalRunnerAutoscaler" => {
                let scaler = self.scaler(name);
                for (series, value) in [
                    (&mut scaler.desired, object.status.desired_replicas),
                    (&mut scaler.min, object.spec.min_replicas),
                    (&mut scaler.max, object.spec.max_replicas),
                ] {
                    if let Some(value) = value.filter(|_| !gone) {
                        push(series, *at, value);
                    }
                }
            }
            "Runner" => {
                if !self.names.contains(name) {
                    self.names.insert(name.clone());
                }
                if gone || object.status.phase.as_deref() != Some("Running") {
                    running.remove(name);
                } else {
                    running.insert(name.clone());
                }
                push(
                    &mut self.runners,
                    *at,
                    i64::try_from(running.len()).unwrap_or(i64::MAX),
                );
            }
            _ => {}
        }
    }

    fn scaler(&mut self, name: &str) -> &mut Scaler {
        let index = self
            .scalers
            .iter()
            .position(|(known, _)| known == name)
            .unwrap_or_else(|| {
                self.scalers.push((name.to_owned(), Scaler::default()));
                self.scalers.len() - 1
            });
        &mut self.scalers[index].1
    }

    fn event(&mut self, recorded: Recorded<'_, Object>) {
        if recorded.change == "deleted" {
            return;
        }
        let object = recorded.object;
        self.events.push(ClusterEvent {
            at: recorded.at,
            is_warning: object.severity.as_deref() == Some("Warning"),
            reason: object.reason.unwrap_or_default(),
            object: format!("{} {}", object.involved_object.kind, object.involved_object.name),
            message: object.message.unwrap_or_default(),
        });
    }
}

fn push(series: &mut Series, at: Timestamp, value: i64) {
    if series.last().is_none_or(|(_, last)| *last != value) {
        series.push((at, value));
    }
}

/// Compares each version with the one before.
#[derive(Default)]
struct Changes {
    last: HashMap<String, Value>,
    newest: VecDeque<Change>,
    dropped: usize,
}

impl Changes {
    fn take(&mut self, recorded: Recorded<'_, Value>) {
        let name = recorded
            .object
            .pointer("/metadata/name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let object = format!("{} {name}", recorded.kind);
        let mut fields = Vec::new();
        let what = if recorded.change == "deleted" {
            self.last.remove(&object);
            "deleted"
        } else {
            match self.last.insert(object.clone(), recorded.object) {
                None => "appeared",
                Some(before) => {
                    let after = self.last.get(&object).unwrap_or(&Value::Null);
                    compare("", &before, after, &mut fields);
                    if fields.is_empty() {
                        return;
                    }
                    "changed"
                }
            }
        };
        if self.newest.len() == MOST_CHANGES {
            self.newest.pop_front();
            self.dropped += 1;
        }
        let more_fields = fields.len().saturating_sub(MOST_FIELDS);
        fields.truncate(MOST_FIELDS);
        self.newest.push_back(Change {
            at: recorded.at,
            object,
            what,
            fields,
            more_fields,
        });
    }
}

/// Book-keeping of the API server and of ARC's resync: it changes with every write and says nothing.
const NOISE: [&str; 4] = ["managedFields", "resourceVersion", "generation", "sync-time"];

fn compare(path: &str, before: &Value, after: &Value, fields: &mut Vec<FieldChange>) {
    if before == after {
        return;
    }
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let gone = old.iter().filter(|(key, _)| !new.contains_key(*key));
            let pairs = gone.map(|(key, value)| (key, value, &Value::Null)).chain(
                new.iter()
                    .map(|(key, value)| (key, old.get(key).unwrap_or(&Value::Null), value)),
            );
            for (key, old, new) in pairs.filter(|(key, ..)| !NOISE.contains(&key.as_str())) {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                compare(&path, old, new, fields);
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (index, (old, new)) in old.iter().zip(new).enumerate() {
                compare(&format!("{path}[{index}]"), old, new, fields);
            }
        }
        _ => fields.push(FieldChange {
            path: path.to_owned(),
            before: short(before),
            after: short(after),
        }),
    }
}

fn short(value: &Value) -> String {
    if value.is_null() {
        return String::new();
    }
    crate::text::one_line(&value.to_string(), VALUE)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_change_names_the_field_and_both_values() {
        let before = json!({ "metadata": { "resourceVersion": "1", "labels": { "a": "1" } }, "status": { "phase": "Pending", "list": [1, 2] } });
        let after = json!({ "metadata": { "resourceVersion": "2" }, "status": { "phase": "Running", "list": [1, 3], "ready": true } });

        let mut fields = Vec::new();
        compare("", &before, &after, &mut fields);

        let told: Vec<String> = fields
            .iter()
            .map(|f| format!("{}: {} → {}", f.path, f.before, f.after))
            .collect();
        assert_eq!(
            told,
            [
                r#"metadata.labels: {"a":"1"} → "#,
                r#"status.phase: "Pending" → "Running""#,
                "status.list[1]: 2 → 3",
                "status.ready:  → true",
            ]
        );
    }

    #[test]
    fn a_history_gives_numbers_events_and_changes() {
        let dir = camino_tempfile::tempdir().expect("a temporary folder can be made");
        let path = dir.path().join("ns.jsonl");
        let scaler = |at: &str, desired: i64| {
            json!({ "at": at, "kind": "HorizontalRunnerAutoscaler", "change": "seen", "object": {
                "metadata": { "name": "a" }, "spec": { "minReplicas": 2, "maxReplicas": 16 }, "status": { "desiredReplicas": desired },
            }})
        };
        let runner = |at: &str, change: &str| json!({ "at": at, "kind": "Runner", "change": change, "object": { "metadata": { "name": "r1" }, "status": { "phase": "Running" } } });
        let event = json!({ "at": "2026-11-24T10:00:02Z", "kind": "Event", "change": "seen", "object": {
            "metadata": { "name": "e" }, "involvedObject": { "kind": "Runner", "name": "r1" },
            "type": "Warning", "reason": "Failed", "message": "no token",
        }});
        let lines = [
            scaler("2026-11-24T09:00:00Z", 9),
            scaler("2026-11-24T10:00:00Z", 2),
            runner("2026-11-24T10:00:01Z", "seen"),
            event,
            scaler("2026-11-24T10:00:03Z", 4),
            runner("2026-11-24T10:00:04Z", "deleted"),
        ];
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        fs_err::write(&path, text + "{\"at\":\"2026-11-24T10:00:05Z\",\"ki")
            .expect("a history can be written");

        let since = "2026-11-24T09:59:00Z".parse().expect("a timestamp");
        let history = read(&path, since, Some(Timestamp::MAX)).expect("the history can be read");

        let values = |series: &Series| series.iter().map(|(_, value)| *value).collect::<Vec<_>>();
        assert_eq!(values(&history.scalers[0].1.desired), [2, 4]);
        assert_eq!(values(&history.scalers[0].1.max), [16]);
        assert_eq!(values(&history.runners), [1, 0]);
        assert!(history.events[0].is_warning);
        assert_eq!(history.events[0].object, "Runner r1");
        let told: Vec<(&str, &str)> = history
            .changes
            .iter()
            .map(|change| (change.object.as_str(), change.what))
            .collect();
        assert_eq!(
            told,
            [
                ("HorizontalRunnerAutoscaler a", "appeared"),
                ("Runner r1", "appeared"),
                ("HorizontalRunnerAutoscaler a", "changed"),
                ("Runner r1", "deleted"),
            ]
        );
        assert_eq!(history.changes[2].fields[0].path, "status.desiredReplicas");
    }
}
