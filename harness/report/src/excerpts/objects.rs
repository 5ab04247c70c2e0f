//! The history of a namespace's objects (`evidence/objects/NAMESPACE.jsonl`): numbers over time, events, what changed.

mod changes;

use std::borrow::Cow;
use std::collections::HashSet;
use std::io::{self, BufRead as _, BufReader};

use camino::Utf8Path;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use self::changes::Changes;
use super::Series;

pub(crate) use changes::{Change, FieldChange};

/// Events that are kept, the newest.
const MOST_EVENTS: usize = 400;

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
    /// Checks that passed had such a warning too.
    pub(crate) is_ordinary: bool,
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
    /// Reasons of its warnings.
    pub(super) warnings: HashSet<String>,
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
    (history.changes, history.more_changes) = changes.newest();
    Ok(history)
}

/// The objects of a file of manifests, as they were installed; none if there is no such file.
pub(super) fn installed(path: &Utf8Path, gaps: &mut Vec<String>) -> Vec<Change> {
    let text = match fs_err::read(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                gaps.push(error.to_string());
            }
            return Vec::new();
        }
    };
    let objects = text
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    objects.map(|object| changes::installed(&object)).collect()
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
            "Event" if object.severity.as_deref() == Some("Warning") => {
                self.warnings.extend(object.reason.clone());
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
            is_ordinary: false,
        });
    }
}

fn push(series: &mut Series, at: Timestamp, value: i64) {
    if series.last().is_none_or(|(_, last)| *last != value) {
        series.push((at, value));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
