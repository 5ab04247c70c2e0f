//! How two charts differ: definitions field by field, rendered objects, values that are refused.
//!
//! What it is not: it asks no cluster.

use std::collections::{BTreeMap, BTreeSet};

use harness::model::upgrade::{ChartDifference, RefusedValue};
use harness::{ArcParts, Context};
use serde_json::{Value, json};

/// Values that administrators of older charts have, and what newer ones want instead (ARC's release notes, chart 0.23.4).
const VALUES: [(&str, &str); 2] = [
    (
        "metrics.serviceMonitor=true",
        "metrics.serviceMonitor.enable=true",
    ),
    (
        "actionsMetrics.serviceMonitor=true",
        "actionsMetrics.serviceMonitor.enable=true",
    ),
];

/// Fields of a kind's definition by path, and which of them are required.
#[derive(Default)]
struct Fields {
    /// Path (`[]` is an item of a list) and type.
    known: BTreeMap<String, String>,
    required: BTreeSet<String>,
}

/// Compares both charts.
pub(super) async fn compare(
    context: &Context,
    before: &ArcParts,
    after: &ArcParts,
) -> anyhow::Result<ChartDifference> {
    let (old, new) = (
        fields(&context.definitions_of(before)?),
        fields(&context.definitions_of(after)?),
    );
    let only = |one: &Fields, other: &Fields| -> Vec<String> {
        let missing = one.known.keys().filter(|path| !other.known.contains_key(*path));
        outermost(missing)
    };
    Ok(ChartDifference {
        fields_added: only(&new, &old),
        fields_dropped: only(&old, &new),
        fields_required: new.required.difference(&old.required).cloned().collect(),
        objects: objects(context, before, after).await?,
        values: refused_values(context, before, after).await,
    })
}

/// Leaves of a RunnerDeployment's pod template that only the new definitions know, each with a value of its type: for trying whether they
/// are kept.
pub(super) fn new_template_fields(
    context: &Context,
    before: &ArcParts,
    after: &ArcParts,
) -> anyhow::Result<Vec<(String, Value)>> {
    let (old, new) = (
        fields(&context.definitions_of(before)?),
        fields(&context.definitions_of(after)?),
    );
    let template = "RunnerDeployment.spec.template.spec.";
    let added = new
        .known
        .iter()
        .filter(|(path, _)| !old.known.contains_key(*path) && !path.contains("[]"));
    let leaves = added.filter_map(|(path, kind)| {
        let field = path.strip_prefix(template).filter(|field| !field.contains('.'))?;
        let value = match kind.as_str() {
            "string" => json!("1"),
            "quantity" => json!("1Mi"),
            "integer" => json!(1),
            "boolean" => json!(true),
            _ => return None,
        };
        Some((field.to_owned(), value))
    });
    Ok(leaves.collect())
}

fn fields(definitions: &[Value]) -> Fields {
    let mut fields = Fields::default();
    for definition in definitions {
        let kind = definition.pointer("/spec/names/kind").and_then(Value::as_str);
        let versions = definition.pointer("/spec/versions").and_then(Value::as_array);
        for version in versions.into_iter().flatten() {
            if let Some(schema) = version.pointer("/schema/openAPIV3Schema") {
                walk(kind.unwrap_or("?"), schema, &mut fields);
            }
        }
    }
    fields
}

fn walk(path: &str, schema: &Value, fields: &mut Fields) {
    let required = schema["required"].as_array().into_iter().flatten();
    fields.required.extend(
        required
            .filter_map(Value::as_str)
            .map(|name| format!("{path}.{name}")),
    );
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        let kind = match property["x-kubernetes-int-or-string"].as_bool() {
            Some(true) => "quantity",
            _ => property["type"].as_str().unwrap_or_default(),
        };
        fields.known.insert(path.clone(), kind.to_owned());
        walk(&path, property, fields);
    }
    if schema["items"].is_object() {
        walk(&format!("{path}[]"), &schema["items"], fields);
    }
}

/// Of a field and those within it, the field alone.
fn outermost<'a>(paths: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for path in paths {
        let within = kept.iter().any(|outer| {
            path.strip_prefix(outer.as_str())
                .is_some_and(|rest| rest.starts_with(['.', '[']))
        });
        if !within {
            kept.push(path.clone());
        }
    }
    kept
}

/// `kind name` of every object that only one chart renders, or that they render differently but for version and image.
async fn objects(context: &Context, before: &ArcParts, after: &ArcParts) -> anyhow::Result<Vec<String>> {
    let mut rendered = Vec::new();
    for arc in [before, after] {
        let objects = context.render(arc, &json!({})).await?;
        rendered.push(objects.into_iter().map(identified).collect::<BTreeMap<_, _>>());
    }
    let names: BTreeSet<&String> = rendered.iter().flat_map(BTreeMap::keys).collect();
    let differ = names.into_iter().filter_map(|name| {
        let what = match (rendered[0].get(name), rendered[1].get(name)) {
            (Some(old), Some(new)) if old == new => return None,
            (Some(_), Some(_)) => "changed",
            (Some(_), None) => "removed",
            (None, _) => "added",
        };
        Some(format!("{name} ({what})"))
    });
    Ok(differ.collect())
}

fn identified(mut object: Value) -> (String, Value) {
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let name = format!("{} {}", text("/kind"), text("/metadata/name"));
    for labels in ["/metadata/labels", "/spec/template/metadata/labels"] {
        if let Some(labels) = object.pointer_mut(labels).and_then(Value::as_object_mut) {
            labels.remove("helm.sh/chart");
            labels.remove("app.kubernetes.io/version");
        }
    }
    let containers = object.pointer_mut("/spec/template/spec/containers");
    for container in containers.and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(container) = container.as_object_mut() {
            container.remove("image");
        }
    }
    (name, object)
}

async fn refused_values(context: &Context, before: &ArcParts, after: &ArcParts) -> Vec<RefusedValue> {
    let mut refused = Vec::new();
    for (value, instead) in VALUES {
        let values = set(value);
        if context.render(before, &values).await.is_err() {
            continue;
        }
        if let Err(error) = context.render(after, &values).await {
            let reason = format!("{error:#}");
            refused.push(RefusedValue {
                value: value.to_owned(),
                instead: instead.to_owned(),
                reason: told(&reason),
            });
        }
    }
    refused
}

/// The line of Helm's output that says what is wrong.
fn told(text: &str) -> String {
    let line = text.lines().find(|line| line.contains("Error:"));
    line.or(text.lines().next()).unwrap_or_default().trim().to_owned()
}

/// `a.b=true` as values.
fn set(text: &str) -> Value {
    let path = text.split('=').next().unwrap_or_default();
    path.rsplit('.')
        .fold(json!(true), |inner, name| json!({ name: inner }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(properties: &Value, required: &Value) -> Value {
        json!({ "spec": {
            "names": { "kind": "Runner" },
            "versions": [{ "schema": { "openAPIV3Schema": {
                "properties": { "spec": { "properties": properties, "required": required } },
            }}}],
        }})
    }

    #[test]
    fn a_new_field_is_told_once_with_its_place() {
        let nested = json!({ "type": "object", "properties": { "size": { "type": "string" } } });
        let list = json!({ "type": "array", "items": { "properties": { "deep": { "type": "string" } } } });

        let fields = fields(&[definition(
            &json!({ "volume": nested, "list": list }),
            &json!(["list"]),
        )]);

        assert_eq!(
            outermost(fields.known.keys().filter(|path| *path != "Runner.spec")),
            ["Runner.spec.list", "Runner.spec.volume"]
        );
        assert!(fields.known.contains_key("Runner.spec.list[].deep"));
        assert_eq!(fields.required, BTreeSet::from(["Runner.spec.list".to_owned()]));
    }

    #[test]
    fn a_value_is_set_where_its_path_says() {
        assert_eq!(set("a.b=true"), json!({ "a": { "b": true } }));
    }
}
