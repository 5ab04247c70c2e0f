//! The two encodings of values in a job message (runner protocol, job request): *template tokens*, which the runner
//! evaluates, and *pipeline context data*, which are values already.
//!
//! Written so that both known clients read them: scalars in tokens are strings, no JSON null inside a token, no empty
//! sequence.

use github_actions_models::common::Env;
use github_actions_models::common::EnvValue;
use github_actions_models::common::expr::LoE;
use harness_expressions::{ExpressionError, Value, to_expression};
use serde_json::{Value as Json, json};

/// A string that is taken as it stands.
pub(super) fn literal(text: &str) -> Json {
    json!({"type": 0, "lit": text})
}

/// Text that may hold `${{ }}`: a literal, or the one expression that yields it.
pub(super) fn text(text: &str) -> Result<Json, ExpressionError> {
    Ok(match to_expression(text)? {
        None => literal(text),
        Some(expression) => json!({"type": 3, "expr": expression}),
    })
}

/// A mapping of tokens.
pub(super) fn mapping(entries: impl IntoIterator<Item = (Json, Json)>) -> Json {
    let entries: Vec<Json> = entries
        .into_iter()
        .map(|(key, value)| json!({"Key": key, "Value": value}))
        .collect();
    json!({"type": 2, "map": entries})
}

/// `env:` or `with:`, whose values are strings whatever YAML takes them for; `None` where there is nothing.
pub(super) fn environment(env: &LoE<Env>) -> Result<Option<Json>, ExpressionError> {
    match env {
        LoE::Expr(expression) => text(expression.as_raw()).map(Some),
        LoE::Literal(env) => strings(env),
    }
}

/// As [`environment`], for a mapping that cannot be an expression as a whole.
pub(super) fn strings(env: &Env) -> Result<Option<Json>, ExpressionError> {
    if env.is_empty() {
        return Ok(None);
    }
    let entries = env
        .iter()
        .map(|(key, value)| Ok((self::key(key)?, text(&scalar(value))?)))
        .collect::<Result<Vec<_>, ExpressionError>>()?;
    Ok(Some(mapping(entries)))
}

/// Any YAML as a token: its scalars become strings, and what is null or empty is left out.
pub(super) fn tree(value: &Json) -> Result<Option<Json>, ExpressionError> {
    Ok(match value {
        Json::Null => None,
        Json::Array(items) => {
            let tokens = items.iter().map(tree).collect::<Result<Vec<_>, _>>()?;
            let tokens: Vec<Json> = tokens.into_iter().flatten().collect();
            (!tokens.is_empty()).then(|| json!({"type": 1, "seq": tokens}))
        }
        Json::Object(object) => {
            let mut entries = Vec::with_capacity(object.len());
            for (name, value) in object {
                if let Some(token) = tree(value)? {
                    entries.push((key(name)?, token));
                }
            }
            Some(mapping(entries))
        }
        scalar => Some(text(&Value::from(scalar.clone()).to_string())?),
    })
}

fn key(name: &str) -> Result<Json, ExpressionError> {
    let inside = name
        .trim()
        .strip_prefix("${{")
        .and_then(|rest| rest.strip_suffix("}}"));
    match inside {
        Some(directive) if directive.trim() == "insert" => Ok(json!({"type": 4, "directive": "insert"})),
        _ => text(name),
    }
}

fn scalar(value: &EnvValue) -> String {
    match value {
        EnvValue::String(text) => text.clone(),
        EnvValue::Number(number) => Value::Number(*number).to_string(),
        EnvValue::Boolean(bool) => bool.to_string(),
    }
}

/// A value as pipeline context data.
pub(super) fn context_data(value: &Json) -> Json {
    match value {
        Json::Array(items) => json!({"t": 1, "a": items.iter().map(context_data).collect::<Vec<_>>()}),
        Json::Object(object) => {
            let entries: Vec<Json> = object
                .iter()
                .map(|(key, value)| json!({"k": key, "v": context_data(value)}))
                .collect();
            json!({"t": 2, "d": entries})
        }
        scalar => scalar.clone(),
    }
}
