//! What changed in objects: each version against the one before, field by field.

use std::collections::{HashMap, HashSet, VecDeque};

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::Recorded;

/// Changes that are kept, the newest.
const MOST_CHANGES: usize = 1_500;
/// Fields that are kept of one change.
const MOST_FIELDS: usize = 60;
/// Characters of a field's value.
const VALUE: usize = 160;

/// A new version of an object, against the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    /// When the recorder saw it.
    pub(crate) at: Timestamp,
    /// `Kind name`.
    pub(crate) object: String,
    /// `appeared`, `changed`, `deleted`; `installed` if it comes from a manifest, which has no time.
    pub(crate) what: &'static str,
    /// Which fields differ, if it changed; which it has, if it appeared.
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

impl Change {
    /// It tells of a failure: a phase, a reason or a message says so, or a container's exit code.
    pub(crate) fn is_failure(&self) -> bool {
        self.fields.iter().any(|field| {
            let name = field.path.rsplit('.').next().unwrap_or_default();
            let says = |word: &str| field.after.contains(word);
            match name {
                "phase" | "reason" => says("Fail") || says("Error") || says("BackOff") || says("Kill"),
                "exitCode" => !matches!(field.after.as_str(), "" | "0"),
                _ => name.contains("failure-message") && !field.after.is_empty(),
            }
        })
    }

    /// Somebody asked for the object's end, or it ended.
    pub(crate) fn is_end(&self) -> bool {
        let asked =
            |field: &FieldChange| field.path.ends_with("deletionTimestamp") && field.before.is_empty();
        self.what == "deleted" || self.fields.iter().any(asked)
    }
}

/// Compares each version with the one before.
#[derive(Default)]
pub(super) struct Changes {
    last: HashMap<String, Value>,
    newest: VecDeque<Change>,
    dropped: usize,
}

impl Changes {
    pub(super) fn take(&mut self, recorded: Recorded<'_, Value>) {
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
            let before = self.last.insert(object.clone(), recorded.object);
            let after = self.last.get(&object).unwrap_or(&Value::Null);
            compare("", before.as_ref().unwrap_or(&Value::Null), after, &mut fields);
            match before {
                None => "appeared",
                Some(_) if fields.is_empty() => return,
                Some(_) => "changed",
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

    /// The newest, and how many there were before them.
    pub(super) fn newest(self) -> (Vec<Change>, usize) {
        (self.newest.into(), self.dropped)
    }
}

/// An object as it was installed; definitions' schemas are left out.
pub(super) fn installed(object: &Value) -> Change {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or("?");
    let name = format!("{} {}", text("/kind"), text("/metadata/name"));
    let mut fields = Vec::new();
    compare("", &Value::Null, object, &mut fields);
    fields.retain(|field| !field.path.contains("openAPIV3Schema"));
    Change {
        at: Timestamp::MIN,
        object: name,
        what: "installed",
        fields,
        more_fields: 0,
    }
}

/// Book-keeping of the API server, of the node and of ARC's resync: it changes with every write and says nothing.
const NOISE: [&str; 7] = [
    "generation",
    "lastProbeTime",
    "lastTransitionTime",
    "managedFields",
    "resourceVersion",
    "sync-time",
    "uid",
];

fn compare(path: &str, before: &Value, after: &Value, fields: &mut Vec<FieldChange>) {
    if before == after {
        return;
    }
    let nothing = Map::new();
    let old_fields = match before {
        Value::Object(old) => Some(old),
        Value::Null => Some(&nothing),
        _ => None,
    };
    match (before, old_fields, after) {
        (_, Some(old), Value::Object(new)) => {
            let gone = old.iter().filter(|(key, _)| !new.contains_key(*key));
            let pairs = gone.map(|(key, value)| (key, value, &Value::Null)).chain(
                new.iter()
                    .map(|(key, value)| (key, old.get(key).unwrap_or(&Value::Null), value)),
            );
            let is_noise = |key: &str| {
                // What an object is stands in its name here.
                NOISE.contains(&key) || (path.is_empty() && matches!(key, "apiVersion" | "kind"))
            };
            for (key, old, new) in pairs.filter(|(key, ..)| !is_noise(key)) {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                compare(&path, old, new, fields);
            }
        }
        (Value::Array(old), _, Value::Array(new)) if has_keys(old) && has_keys(new) => {
            by_key(path, old, new, fields);
        }
        (Value::Null, _, Value::Array(new)) if has_keys(new) => by_key(path, &[], new, fields),
        (Value::Array(old), _, Value::Array(new)) if old.len() == new.len() => {
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

/// What tells the items of a list apart in Kubernetes' conventions: conditions by their type, containers and the like by their name.
fn item_key(item: &Value) -> Option<&str> {
    let key = item.get("type").or_else(|| item.get("name"))?;
    key.as_str()
}

fn has_keys(items: &[Value]) -> bool {
    let mut keys: Vec<&str> = items.iter().filter_map(item_key).collect();
    keys.sort_unstable();
    keys.dedup();
    !items.is_empty() && keys.len() == items.len()
}

fn by_key(path: &str, old: &[Value], new: &[Value], fields: &mut Vec<FieldChange>) {
    let find = |items: &[Value], key: &str| {
        let item = items.iter().find(|item| item_key(item) == Some(key));
        item.cloned().unwrap_or_default()
    };
    let mut keys: Vec<&str> = old.iter().chain(new).filter_map(item_key).collect();
    let mut known = HashSet::new();
    keys.retain(|key| known.insert(*key));
    for key in keys {
        let path = format!("{path}[{key}]");
        compare(&path, &find(old, key), &find(new, key), fields);
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
        let before = json!({ "metadata": { "resourceVersion": "1", "labels": { "a": "1" } }, "status": {
            "phase": "Pending", "list": [1, 2], "conditions": [{ "type": "Ready", "status": "True" }],
        }});
        let after = json!({ "metadata": { "resourceVersion": "2" }, "status": {
            "phase": "Running", "list": [1, 3], "conditions": [{ "type": "New", "status": "True" }, { "type": "Ready", "status": "False" }],
            "ready": true, "new": { "deep": 1 },
        }});

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
                r#"status.conditions[Ready].status: "True" → "False""#,
                r#"status.conditions[New].type:  → "New""#,
                r#"status.conditions[New].status:  → "True""#,
                "status.ready:  → true",
                "status.new.deep:  → 1",
            ]
        );
    }

    #[test]
    fn failures_and_ends_are_told_from_the_rest() {
        let change = |path: &str, before: &str, after: &str| Change {
            at: Timestamp::MIN,
            object: "Pod r1".to_owned(),
            what: "changed",
            fields: vec![FieldChange {
                path: path.to_owned(),
                before: before.to_owned(),
                after: after.to_owned(),
            }],
            more_fields: 0,
        };

        assert!(change("status.phase", "\"Running\"", "\"Failed\"").is_failure());
        assert!(change("status.containerStatuses[0].state.terminated.exitCode", "", "137").is_failure());
        assert!(!change("status.containerStatuses[0].state.terminated.exitCode", "", "0").is_failure());
        assert!(change("metadata.deletionTimestamp", "", "\"2026-11-24T10:00:00Z\"").is_end());
        assert!(!change("metadata.deletionTimestamp", "\"a\"", "\"b\"").is_end());
    }
}
