//! Definitions and manifests: what the chart gave to each run, compared field by field.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Section;
use crate::evidence::ObjectName;
use crate::text::{count, one_line};

const DEFINITION: &str = "CustomResourceDefinition";

/// Characters of one value.
const VALUE: usize = 60;

/// The `spec` of every custom resource definition; descriptions are words for people and do not count.
pub(super) fn definitions(
    before: &BTreeMap<ObjectName, Value>,
    after: &BTreeMap<ObjectName, Value>,
) -> Section {
    let schemas = |manifests: &BTreeMap<ObjectName, Value>| -> BTreeMap<String, Value> {
        let definitions = manifests.iter().filter(|(name, _)| name.kind == DEFINITION);
        definitions
            .map(|(name, object)| {
                let mut spec = object.get("spec").cloned().unwrap_or_default();
                drop_descriptions(&mut spec);
                (name.name.clone(), spec)
            })
            .collect()
    };
    let (one, other) = (schemas(before), schemas(after));
    let scope = format!(
        "{} of the chart, without descriptions",
        count(other.len(), "definition")
    );
    Section::new("Definitions", scope, compared(&one, &other))
}

/// Every other object that the chart rendered.
pub(super) fn manifests(
    before: &BTreeMap<ObjectName, Value>,
    after: &BTreeMap<ObjectName, Value>,
) -> Section {
    let rendered = |manifests: &BTreeMap<ObjectName, Value>| -> BTreeMap<String, Value> {
        let rendered = manifests.iter().filter(|(name, _)| name.kind != DEFINITION);
        rendered
            .map(|(name, object)| (name.to_string(), object.clone()))
            .collect()
    };
    let (one, other) = (rendered(before), rendered(after));
    let scope = format!("{} that the chart rendered", count(other.len(), "object"));
    Section::new("Manifests", scope, compared(&one, &other))
}

fn compared(before: &BTreeMap<String, Value>, after: &BTreeMap<String, Value>) -> Vec<String> {
    let mut differences = Vec::new();
    for (name, object) in before {
        match after.get(name) {
            None => differences.push(format!("{name}: only in the first run")),
            Some(now) => {
                let mut changes = Vec::new();
                compare(object, now, "", &mut changes);
                differences.extend(changes.into_iter().map(|change| format!("{name} {change}")));
            }
        }
    }
    for name in after.keys().filter(|name| !before.contains_key(*name)) {
        differences.push(format!("{name}: only in the second run"));
    }
    differences
}

/// In an OpenAPI schema a description is a text; a property of that name is an object and stays.
fn drop_descriptions(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|key, field| key != "description" || !field.is_string());
            fields.values_mut().for_each(drop_descriptions);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_descriptions),
        _ => {}
    }
}

/// Adds `path: a → b` for each place where the two differ; what one alone has is one line, however much hangs below it.
fn compare(before: &Value, after: &Value, path: &str, changes: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(one), Value::Object(other)) => {
            for (key, value) in one {
                let below = format!("{path}/{key}");
                match other.get(key) {
                    Some(now) => compare(value, now, &below, changes),
                    None => changes.push(format!("{below}: {} gone", short(value))),
                }
            }
            for (key, value) in other.iter().filter(|(key, _)| !one.contains_key(*key)) {
                changes.push(format!("{path}/{key}: {} new", short(value)));
            }
        }
        (Value::Array(one), Value::Array(other)) => lists(one, other, path, changes),
        _ if before == after => {}
        _ => changes.push(format!("{path}: {} → {}", short(before), short(after))),
    }
}

/// Lists of named things go by name, lists of one length by place, other lists by what they hold.
fn lists(before: &[Value], after: &[Value], path: &str, changes: &mut Vec<String>) {
    if let (Some(one), Some(other)) = (by_name(before), by_name(after)) {
        for (name, value) in &one {
            let below = format!("{path}[{name}]");
            match other.get(name) {
                Some(now) => compare(value, now, &below, changes),
                None => changes.push(format!("{below}: gone")),
            }
        }
        for name in other.keys().filter(|name| !one.contains_key(*name)) {
            changes.push(format!("{path}[{name}]: new"));
        }
    } else if before.len() == after.len() {
        for (index, (value, now)) in before.iter().zip(after).enumerate() {
            compare(value, now, &format!("{path}/{index}"), changes);
        }
    } else {
        for value in before.iter().filter(|value| !after.contains(value)) {
            changes.push(format!("{path}: {} gone", short(value)));
        }
        for value in after.iter().filter(|value| !before.contains(value)) {
            changes.push(format!("{path}: {} new", short(value)));
        }
        if before.iter().all(|value| after.contains(value))
            && after.iter().all(|value| before.contains(value))
        {
            changes.push(format!("{path}: {} entries → {}", before.len(), after.len()));
        }
    }
}

/// The list by its entries' names, if each has one of its own.
fn by_name(list: &[Value]) -> Option<BTreeMap<&str, &Value>> {
    let mut named = BTreeMap::new();
    for value in list {
        if named.insert(value.get("name")?.as_str()?, value).is_some() {
            return None;
        }
    }
    Some(named)
}

fn short(value: &Value) -> String {
    one_line(&value.to_string(), VALUE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn changes(before: &Value, after: &Value) -> Vec<String> {
        let mut changes = Vec::new();
        compare(before, after, "", &mut changes);
        changes
    }

    #[test]
    fn fields_are_told_by_path_with_both_values() {
        let before = json!({"spec": {"replicas": 1, "paused": true, "same": [1, 2]}});
        let after = json!({"spec": {"replicas": 2, "same": [1, 2], "name": "x"}});

        assert_eq!(
            changes(&before, &after),
            [
                "/spec/replicas: 1 → 2",
                "/spec/paused: true gone",
                "/spec/name: \"x\" new"
            ]
        );
    }

    #[test]
    fn lists_go_by_name_by_place_or_by_what_they_hold() {
        let named = |image: &str, name: &str| json!([{"name": "manager", "image": image}, {"name": name}]);

        assert_eq!(
            changes(&named("a", "old"), &named("b", "new")),
            ["[manager]/image: \"a\" → \"b\"", "[old]: gone", "[new]: new"]
        );
        assert_eq!(
            changes(&json!(["a", "b"]), &json!(["a", "c"])),
            ["/1: \"b\" → \"c\""]
        );
        assert_eq!(
            changes(&json!(["a", "b", "c"]), &json!(["b", "c", "d", "e"])),
            [": \"a\" gone", ": \"d\" new", ": \"e\" new"]
        );
        assert_eq!(changes(&json!([1, 1]), &json!([1])), [": 2 entries → 1"]);
    }

    #[test]
    fn a_property_called_description_is_no_description() {
        let mut schema = json!({"description": "words", "properties": {"description": {"type": "string"}}});

        drop_descriptions(&mut schema);

        assert_eq!(schema, json!({"properties": {"description": {"type": "string"}}}));
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (0..3).prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[ab]|name", inner, 0..3)
                    .prop_map(|map| Value::from(serde_json::Map::from_iter(map))),
            ]
        })
    }

    proptest! {
        #[test]
        fn nothing_is_told_of_equal_values_and_something_of_others(one in any_value(), other in any_value()) {
            // A list as long as another with the same entries in another order is told by place.
            prop_assert_eq!(changes(&one, &other).is_empty(), one == other);
            prop_assert!(changes(&one, &one).is_empty());
        }
    }
}
