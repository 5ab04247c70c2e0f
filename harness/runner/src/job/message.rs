//! The job message: what the server says a job is (runner protocol, job request), with the two encodings in it: template
//! tokens, which the runner evaluates, and context data, which is ready to use.

use harness_expressions::{Context, ExpressionError, Value, evaluate};
use indexmap::IndexMap;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer};

/// A job, as far as this runner needs it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JobMessage {
    pub(crate) plan: Plan,
    pub(crate) timeline: TimelineReference,
    pub(crate) job_id: String,
    pub(crate) job_display_name: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) job_name: String,
    #[serde(default)]
    pub(crate) request_id: i64,
    pub(crate) resources: Resources,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) context_data: IndexMap<String, ContextData>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) mask: Vec<Mask>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) environment_variables: Vec<Token>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) defaults: Vec<Token>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) variables: IndexMap<String, Variable>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) job_outputs: Token,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) job_container: Token,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) job_service_containers: Token,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) steps: Vec<MessageStep>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Plan {
    pub(crate) scope_identifier: String,
    pub(crate) plan_type: String,
    pub(crate) plan_id: String,
}

#[derive(Deserialize)]
pub(crate) struct TimelineReference {
    pub(crate) id: String,
}

#[derive(Deserialize)]
pub(crate) struct Resources {
    pub(crate) endpoints: Vec<Endpoint>,
}

#[derive(Deserialize)]
pub(crate) struct Endpoint {
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) authorization: Authorization,
}

#[derive(Deserialize)]
pub(crate) struct Authorization {
    pub(crate) parameters: AuthorizationParameters,
}

#[derive(Deserialize)]
pub(crate) struct AuthorizationParameters {
    #[serde(rename = "AccessToken", alias = "accessToken")]
    pub(crate) access_token: SecretString,
}

#[derive(Deserialize)]
pub(crate) struct Mask {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) value: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Variable {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) value: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) is_secret: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessageStep {
    pub(crate) id: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) context_name: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) condition: String,
    pub(crate) reference: Reference,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) display_name_token: Token,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) environment: Token,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) inputs: Token,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) continue_on_error: Token,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) timeout_in_minutes: Token,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Reference {
    #[serde(rename = "type")]
    pub(crate) kind: serde_json::Value,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) name: String,
    #[serde(default, rename = "ref", deserialize_with = "or_default")]
    pub(crate) git_ref: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) repository_type: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) path: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) image: String,
}

/// JSON null counts as absent.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// A template token: a value that may contain expressions.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Token {
    #[default]
    Null,
    Literal(Value),
    Sequence(Vec<Token>),
    Mapping(Vec<(Token, Token)>),
    Expression(String),
    /// As a key: the value is a mapping to be merged in.
    Insert,
}

impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        token(serde_json::Value::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

fn token(json: serde_json::Value) -> Result<Token, String> {
    let mut object = match json {
        serde_json::Value::Null => return Ok(Token::Null),
        serde_json::Value::Object(object) => object,
        serde_json::Value::Array(items) => {
            return items
                .into_iter()
                .map(token)
                .collect::<Result<_, _>>()
                .map(Token::Sequence);
        }
        scalar => return Ok(Token::Literal(scalar.into())),
    };
    let kind = object
        .get("type")
        .and_then(serde_json::Value::as_i64)
        .unwrap_or(0);
    let mut take = |key: &str| object.remove(key).unwrap_or_default();
    let list = |json| match json {
        serde_json::Value::Array(items) => items,
        _ => Vec::new(),
    };
    match kind {
        0 => Ok(Token::Literal(take("lit").into())),
        1 => list(take("seq"))
            .into_iter()
            .map(token)
            .collect::<Result<_, _>>()
            .map(Token::Sequence),
        2 => list(take("map"))
            .into_iter()
            .map(pair)
            .collect::<Result<_, _>>()
            .map(Token::Mapping),
        3 => match take("expr") {
            serde_json::Value::String(expression) => Ok(Token::Expression(expression)),
            _ => Err("an expression token has no `expr`".to_owned()),
        },
        4 => Ok(Token::Insert),
        5 => Ok(Token::Literal(take("bool").into())),
        6 => Ok(Token::Literal(take("num").into())),
        7 => Ok(Token::Null),
        kind => Err(format!("template token of unknown type {kind}")),
    }
}

fn pair(json: serde_json::Value) -> Result<(Token, Token), String> {
    let serde_json::Value::Object(object) = json else {
        return Err("a mapping token holds something that is no pair".to_owned());
    };
    let (mut key, mut value) = (Token::Null, Token::Null);
    for (name, json) in object {
        match name.to_ascii_lowercase().as_str() {
            "key" => key = token(json)?,
            "value" => value = token(json)?,
            _ => {}
        }
    }
    Ok((key, value))
}

impl Token {
    /// Plain text.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Literal(Value::String(text.into()))
    }

    pub(crate) fn is_null(&self) -> bool {
        *self == Self::Null
    }

    /// The value in a context.
    pub(crate) fn resolve(&self, context: &Context) -> Result<Value, ExpressionError> {
        Ok(match self {
            Self::Null | Self::Insert => Value::Null,
            Self::Literal(value) => value.clone(),
            Self::Expression(expression) => evaluate(expression, context)?,
            Self::Sequence(items) => Value::Array(
                items
                    .iter()
                    .map(|item| item.resolve(context))
                    .collect::<Result<_, _>>()?,
            ),
            Self::Mapping(pairs) => {
                let mut object = IndexMap::new();
                for (key, value) in pairs {
                    match (key, value.resolve(context)?) {
                        (Self::Insert, Value::Object(inserted)) => object.extend(inserted),
                        (Self::Insert, _) => {}
                        (key, value) => {
                            object.insert(key.resolve(context)?.to_string(), value);
                        }
                    }
                }
                Value::Object(object)
            }
        })
    }

    /// The entries of a mapping, as text.
    pub(crate) fn resolve_texts(
        &self,
        context: &Context,
    ) -> Result<IndexMap<String, String>, ExpressionError> {
        Ok(match self.resolve(context)? {
            Value::Object(object) => object
                .into_iter()
                .map(|(key, value)| (key, value.to_string()))
                .collect(),
            _ => IndexMap::new(),
        })
    }

    /// The value of a key of a mapping, not yet evaluated.
    pub(crate) fn entry(&self, name: &str) -> Option<&Token> {
        let Self::Mapping(pairs) = self else { return None };
        pairs.iter().find_map(|(key, value)| match key {
            Self::Literal(Value::String(key)) if key.eq_ignore_ascii_case(name) => Some(value),
            _ => None,
        })
    }
}

/// A value of the context data.
#[derive(Default)]
pub(crate) struct ContextData(pub(crate) Value);

impl<'de> Deserialize<'de> for ContextData {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde_json::Value::deserialize(deserializer).map(|json| Self(context_value(json)))
    }
}

fn context_value(json: serde_json::Value) -> Value {
    let mut object = match json {
        serde_json::Value::Object(object) => object,
        scalar => return scalar.into(),
    };
    let kind = object.get("t").and_then(serde_json::Value::as_i64).unwrap_or(0);
    let mut take = |key: &str| object.remove(key).unwrap_or_default();
    match kind {
        1 => match take("a") {
            serde_json::Value::Array(items) => Value::Array(items.into_iter().map(context_value).collect()),
            _ => Value::Array(Vec::new()),
        },
        2 | 5 => {
            let entries = match take("d") {
                serde_json::Value::Array(entries) => entries,
                _ => Vec::new(),
            };
            entries
                .into_iter()
                .filter_map(|mut entry| {
                    let key = entry.get("k")?.as_str()?.to_owned();
                    Some((
                        key,
                        context_value(
                            entry
                                .get_mut("v")
                                .map(serde_json::Value::take)
                                .unwrap_or_default(),
                        ),
                    ))
                })
                .collect()
        }
        3 => take("b").into(),
        4 => take("n").into(),
        _ => take("s").into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tokens_are_resolved() {
        let token: Token = serde_json::from_value(json!({"type": 2, "map": [
            {"Key": {"type": 0, "lit": "plain"}, "Value": "text"},
            {"key": "number", "value": {"type": 6, "num": 3}},
            {"Key": {"lit": "expression"}, "Value": {"type": 3, "expr": "format('{0}!', github.ref)"}},
            {"Key": {"type": 4, "directive": "insert"}, "Value": {"type": 3, "expr": "github.more"}},
            {"Key": "list", "Value": {"type": 1, "seq": ["a", {"type": 5, "bool": true}]}},
        ]}))
        .expect("the token is read");
        let context = Context::new().with("github", json!({"ref": "main", "more": {"x": "y"}}));

        let value: serde_json::Value = token.resolve(&context).expect("the token resolves").into();

        assert_eq!(
            value,
            json!({"plain": "text", "number": 3, "expression": "main!", "x": "y", "list": ["a", true]})
        );
        assert_eq!(token.entry("PLAIN"), Some(&Token::text("text")));
    }

    #[test]
    fn context_data_is_decoded() {
        let data: ContextData = serde_json::from_value(json!({"t": 2, "d": [
            {"k": "array", "v": {"t": 1, "a": ["x", {"t": 4, "n": 2}, null]}},
            {"k": "empty", "v": {"t": 2}},
            {"k": "text", "v": {"t": 0, "s": "s"}},
            {"k": "bool", "v": {"t": 3, "b": true}},
        ]}))
        .expect("the data is read");

        assert_eq!(
            serde_json::Value::from(data.0),
            json!({"array": ["x", 2, null], "empty": {}, "text": "s", "bool": true})
        );
    }
}
