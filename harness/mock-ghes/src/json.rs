//! Reading the runner service's JSON: .NET writes camelCase names, Go writes PascalCase, both may write `null`, empty
//! strings, and enums as numbers. So names and enum values are compared without case.

use serde_json::Value;

/// The value of a field, whatever the case of its name; `Null` if it is absent.
pub(crate) fn field<'a>(object: &'a Value, name: &str) -> &'a Value {
    const NULL: &Value = &Value::Null;
    object
        .as_object()
        .and_then(|o| {
            o.get(name).or_else(|| {
                o.iter()
                    .find(|(k, _)| k.eq_ignore_ascii_case(name))
                    .map(|(_, v)| v)
            })
        })
        .unwrap_or(NULL)
}

/// A field's text; empty if it is absent, null or no text.
pub(crate) fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    field(object, name).as_str().unwrap_or_default()
}

/// A field's truth; false if it is absent.
pub(crate) fn flag(object: &Value, name: &str) -> bool {
    match field(object, name) {
        Value::Bool(flag) => *flag,
        Value::String(text) => text.eq_ignore_ascii_case("true"),
        _ => false,
    }
}

/// A field's number, also from text.
pub(crate) fn number(object: &Value, name: &str) -> Option<u64> {
    match field(object, name) {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A field of an enum: its index in `names`, from a name in any case or from the number itself.
pub(crate) fn choice(object: &Value, field_name: &str, names: &[&str]) -> Option<usize> {
    match field(object, field_name) {
        Value::String(text) => names.iter().position(|name| name.eq_ignore_ascii_case(text)),
        Value::Number(number) => number
            .as_u64()
            .and_then(|n| usize::try_from(n).ok())
            .filter(|n| *n < names.len()),
        _ => None,
    }
}

/// The items of `{"count": n, "value": […]}`, or of a bare array.
pub(crate) fn items(list: &Value) -> &[Value] {
    list.as_array()
        .or_else(|| field(list, "value").as_array())
        .map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_and_enum_values_may_have_any_case_or_be_numbers() {
        let go = json!({"Name": "r1", "Ephemeral": true, "Result": "Succeeded", "RequestID": 7});
        let net = json!({"name": "r1", "ephemeral": true, "result": 0, "requestId": "7"});
        let results = ["succeeded", "failed"];

        for object in [go, net] {
            assert_eq!(text(&object, "name"), "r1");
            assert!(flag(&object, "ephemeral"));
            assert_eq!(choice(&object, "result", &results), Some(0));
            assert_eq!(number(&object, "requestId"), Some(7));
        }
    }

    #[test]
    fn absent_null_and_empty_are_alike() {
        let object = json!({"a": null, "b": ""});

        assert_eq!(
            (text(&object, "a"), text(&object, "b"), text(&object, "c")),
            ("", "", "")
        );
        assert_eq!(items(&json!({"Count": 1, "Value": [1]})), [json!(1)]);
        assert!(items(&json!(null)).is_empty());
    }
}
