//! The built-in functions, as GitHub documents them. `case()` is younger than GHES 3.9 and refused.

use github_actions_expressions::call::{Call, Function};

use crate::evaluate::evaluate;
use crate::{Context, ExpressionError, Status, Value};

pub(crate) fn call(call: &Call<'_>, context: &Context) -> Result<Value, ExpressionError> {
    let args = call
        .args
        .iter()
        .map(|arg| evaluate(arg, context))
        .collect::<Result<Vec<_>, _>>()?;
    // The parser has checked the number of arguments, except for format().
    let arg = |index: usize| args.get(index).unwrap_or(&Value::Null);
    Ok(match call.func {
        Function::Contains => Value::Bool(contains(arg(0), arg(1))),
        Function::StartsWith => {
            Value::Bool(both_text(arg(0), arg(1)).is_some_and(|(text, start)| text.starts_with(&start)))
        }
        Function::EndsWith => {
            Value::Bool(both_text(arg(0), arg(1)).is_some_and(|(text, end)| text.ends_with(&end)))
        }
        Function::Format => Value::String(format(&arg(0).to_string(), args.get(1..).unwrap_or_default())?),
        Function::Join => Value::String(join(arg(0), args.get(1))),
        Function::ToJSON => Value::String(to_json(arg(0))),
        Function::FromJSON => serde_json::from_str::<serde_json::Value>(&arg(0).to_string())
            .map_err(|source| ExpressionError::FromJson { source })?
            .into(),
        Function::HashFiles => {
            Value::String(context.hash_files(&args.iter().map(Value::to_string).collect::<Vec<_>>())?)
        }
        Function::Success => Value::Bool(context.current_status("success")? == Status::Success),
        Function::Failure => Value::Bool(context.current_status("failure")? == Status::Failure),
        Function::Cancelled => Value::Bool(context.current_status("cancelled")? == Status::Cancelled),
        Function::Always => {
            context.current_status("always")?;
            Value::Bool(true)
        }
        Function::Case => {
            return Err(ExpressionError::Unavailable {
                function: "case",
                reason: "GitHub Enterprise Server 3.9 does not know it".to_owned(),
            });
        }
    })
}

fn is_scalar(value: &Value) -> bool {
    !matches!(value, Value::Array(_) | Value::Object(_))
}

/// Comparisons of text ignore case.
fn fold(value: &Value) -> String {
    value.to_string().to_uppercase()
}

fn both_text(left: &Value, right: &Value) -> Option<(String, String)> {
    (is_scalar(left) && is_scalar(right)).then(|| (fold(left), fold(right)))
}

fn contains(haystack: &Value, needle: &Value) -> bool {
    match haystack {
        Value::Array(items) => items.iter().any(|item| item.loosely_equals(needle)),
        _ => both_text(haystack, needle).is_some_and(|(text, part)| text.contains(&part)),
    }
}

fn join(items: &Value, separator: Option<&Value>) -> String {
    let separator = separator
        .filter(|separator| is_scalar(separator))
        .map_or_else(|| ",".to_owned(), Value::to_string);
    match items {
        Value::Array(items) => items
            .iter()
            .map(Value::to_string)
            .collect::<Vec<_>>()
            .join(&separator),
        Value::Object(_) => String::new(),
        scalar => scalar.to_string(),
    }
}

/// Pretty-printed with two spaces.
fn to_json(value: &Value) -> String {
    let json = serde_json::Value::from(value.clone());
    format!("{json:#}")
}

/// `{0}` is the first argument; `{{` and `}}` are braces.
fn format(template: &str, args: &[Value]) -> Result<String, ExpressionError> {
    let broken = |reason: String| ExpressionError::Format { reason };
    let mut result = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, tail) = rest.split_at(at);
        result.push_str(before);
        if let Some(after) = tail.strip_prefix("{{") {
            result.push('{');
            rest = after;
        } else if let Some(after) = tail.strip_prefix("}}") {
            result.push('}');
            rest = after;
        } else {
            let offset = template.len() - tail.len();
            let (index, after) = tail
                .strip_prefix('{')
                .and_then(|inner| inner.split_once('}'))
                .and_then(|(index, after)| Some((index.parse::<usize>().ok()?, after)))
                .ok_or_else(|| {
                    broken(format!(
                        "the brace at byte {offset} of the template is neither {{N}} nor doubled"
                    ))
                })?;
            let value = args.get(index).ok_or_else(|| {
                broken(format!(
                    "the template asks for {{{index}}} of {} arguments",
                    args.len()
                ))
            })?;
            result.push_str(&value.to_string());
            rest = after;
        }
    }
    result.push_str(rest);
    Ok(result)
}
