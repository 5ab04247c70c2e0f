//! Definitions and manifests: what the chart gave to each run, compared field by field.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde_json::Value;

use super::{Difference, Section};
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
    compared("Definitions", scope, &one, &other)
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
    compared("Manifests", scope, &one, &other)
}

/// A place where two objects differ.
struct Change {
    /// The path to the field's parent.
    path: String,
    /// The field.
    field: String,
    /// As [`Difference::values`].
    values: [Option<String>; 2],
}

impl Change {
    /// For example `1 → 2`.
    fn what(&self) -> String {
        match &self.values {
            [Some(first), Some(second)] => format!("{first} → {second}"),
            [Some(first), None] => format!("{first} gone").trim_start().to_owned(),
            [None, second] => {
                let second = second.as_deref().unwrap_or_default();
                format!("{second} new").trim_start().to_owned()
            }
        }
    }
}

fn compared(
    title: &'static str,
    scope: String,
    before: &BTreeMap<String, Value>,
    after: &BTreeMap<String, Value>,
) -> Section {
    let mut whole = Vec::new();
    let mut fields: Vec<(String, Change)> = Vec::new();
    for (name, object) in before {
        match after.get(name) {
            None => whole.push(Difference::only_first(name, "")),
            Some(now) => {
                let mut changes = Vec::new();
                compare(object, now, ("", ""), &mut changes);
                fields.extend(changes.into_iter().map(|change| (name.clone(), change)));
            }
        }
    }
    let new = after.keys().filter(|name| !before.contains_key(*name));
    whole.extend(new.map(|name| Difference::only_second(name, "")));

    rarest_first(&mut fields);
    let told = |(name, change): &(String, Change)| {
        let what = format!("{name} {}{}", shown(&change.path), change.field);
        Difference {
            line: format!("{what}: {}", change.what()),
            what,
            values: change.values.clone(),
            why: String::new(),
        }
    };
    let mut section = Section::new(title, scope, whole);
    section.brief.extend(brief(&fields));
    section.differences.extend(fields.iter().map(told));
    section
}

/// A label that every object carries weighs least.
fn rarest_first(fields: &mut [(String, Change)]) {
    let key = |change: &Change| (change.field.clone(), change.what());
    let mut times: BTreeMap<(String, String), usize> = BTreeMap::new();
    for (_, change) in fields.iter() {
        *times.entry(key(change)).or_default() += 1;
    }
    fields.sort_by_cached_key(|(_, change)| times.get(&key(change)).copied());
}

/// The same change of the same field in many places is one line; the order of what comes first stays.
fn brief(fields: &[(String, Change)]) -> Vec<String> {
    let mut groups: IndexMap<(&str, String), Vec<String>> = IndexMap::new();
    for (name, change) in fields {
        let place = format!("{name} {}", shown(&change.path));
        let key = (change.field.as_str(), change.what());
        groups.entry(key).or_default().push(place);
    }
    groups
        .into_iter()
        .map(|((field, what), places)| {
            let place = places[0].trim_end_matches(['/', ' ']);
            match places.len() {
                1 => format!("{field}: {what} (in {place})"),
                number => format!("{field}: {what} ({number}×, first in {place})"),
            }
        })
        .collect()
}

/// A path without the words that every schema repeats.
fn shown(path: &str) -> String {
    path.replace("/schema/openAPIV3Schema", "")
        .replace("/properties/", "/")
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

/// Adds each place where the two differ; what one alone has is one change, however much hangs below it.
fn compare(before: &Value, after: &Value, (path, field): (&str, &str), changes: &mut Vec<Change>) {
    let below = format!("{path}{field}/");
    let change = |path: &str, field: &str, values| Change {
        path: path.to_owned(),
        field: field.to_owned(),
        values,
    };
    match (before, after) {
        (Value::Object(one), Value::Object(other)) => {
            for (key, value) in other.iter().filter(|(key, _)| !one.contains_key(*key)) {
                changes.push(change(&below, key, [None, Some(short(value))]));
            }
            for (key, value) in one {
                match other.get(key) {
                    Some(now) => compare(value, now, (&below, key), changes),
                    None => changes.push(change(&below, key, [Some(short(value)), None])),
                }
            }
        }
        (Value::Array(one), Value::Array(other)) => lists(one, other, (path, field), changes),
        _ if before == after => {}
        _ => changes.push(change(path, field, [Some(short(before)), Some(short(after))])),
    }
}

/// Lists of named things go by name, lists of one length by place, other lists by what they hold.
fn lists(before: &[Value], after: &[Value], (path, field): (&str, &str), changes: &mut Vec<Change>) {
    let change = |field: String, values| Change {
        path: path.to_owned(),
        field,
        values,
    };
    let there = || Some(String::new());
    if let (Some(one), Some(other)) = (by_name(before), by_name(after)) {
        for (name, value) in &one {
            let entry = format!("{field}[{name}]");
            match other.get(name) {
                Some(now) => compare(value, now, (path, &entry), changes),
                None => changes.push(change(entry, [there(), None])),
            }
        }
        for name in other.keys().filter(|name| !one.contains_key(*name)) {
            changes.push(change(format!("{field}[{name}]"), [None, there()]));
        }
    } else if before.len() == after.len() {
        for (index, (value, now)) in before.iter().zip(after).enumerate() {
            compare(value, now, (path, &format!("{field}[{index}]")), changes);
        }
    } else {
        let gone = before.iter().filter(|value| !after.contains(value));
        let gone: Vec<Change> = gone
            .map(|value| change(field.to_owned(), [Some(short(value)), None]))
            .collect();
        let new = after.iter().filter(|value| !before.contains(value));
        let new: Vec<Change> = new
            .map(|value| change(field.to_owned(), [None, Some(short(value))]))
            .collect();
        if gone.is_empty() && new.is_empty() {
            let [one, other] = [before, after].map(<[Value]>::len);
            let values = [Some(format!("{one} entries")), Some(other.to_string())];
            changes.push(change(field.to_owned(), values));
        }
        changes.extend(gone);
        changes.extend(new);
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
        compare(before, after, ("", ""), &mut changes);
        let told = |change: &Change| format!("{}{}: {}", change.path, change.field, change.what());
        changes.iter().map(told).collect()
    }

    #[test]
    fn fields_are_told_by_path_with_both_values() {
        let before = json!({"spec": {"replicas": 1, "paused": true, "same": [1, 2]}});
        let after = json!({"spec": {"replicas": 2, "same": [1, 2], "name": "x"}});

        assert_eq!(
            changes(&before, &after),
            [
                "/spec/name: \"x\" new",
                "/spec/replicas: 1 → 2",
                "/spec/paused: true gone",
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
            ["[1]: \"b\" → \"c\""]
        );
        assert_eq!(
            changes(&json!(["a", "b", "c"]), &json!(["b", "c", "d", "e"])),
            [": \"a\" gone", ": \"d\" new", ": \"e\" new"]
        );
        assert_eq!(changes(&json!([1, 1]), &json!([1])), [": 2 entries → 1"]);
    }

    #[test]
    fn the_same_change_in_many_places_is_one_line_and_comes_last() {
        let objects = |chart: &str, replicas: u32| -> BTreeMap<String, Value> {
            let object = json!({"metadata": {"labels": {"chart": chart}}});
            let deployment =
                json!({"metadata": {"labels": {"chart": chart}}, "spec": {"replicas": replicas}});
            let named = |name: &str, object: &Value| (name.to_owned(), object.clone());
            [
                named("Deployment a", &deployment),
                named("Service b", &object),
                named("Secret c", &object),
            ]
            .into()
        };

        let section = compared("Manifests", String::new(), &objects("1", 1), &objects("2", 2));

        assert_eq!(
            section.brief,
            [
                "replicas: 1 → 2 (in Deployment a /spec)",
                "chart: \"1\" → \"2\" (3×, first in Deployment a /metadata/labels)",
            ]
        );
        assert_eq!(section.differences.len(), 4);
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
