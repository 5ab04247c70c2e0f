//! The values of the expression language, and GitHub's conversions between them (documentation of "expressions",
//! sections on operators and type casting).

use std::fmt;

use github_actions_expressions::Evaluation;
use indexmap::IndexMap;

/// A value. Objects keep the order of their keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// Also what a missing property yields.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// Any number; there are no integers.
    Number(f64),
    /// Text.
    String(String),
    /// A sequence.
    Array(Vec<Value>),
    /// A mapping; its keys are found without regard to case.
    Object(IndexMap<String, Value>),
}

impl Value {
    /// False for null, false, 0, NaN and ""; true for all else, empty arrays and objects included.
    #[must_use]
    pub fn is_truthy(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Bool(bool) => *bool,
            Self::Number(number) => *number != 0.0 && !number.is_nan(),
            Self::String(text) => !text.is_empty(),
            Self::Array(_) | Self::Object(_) => true,
        }
    }

    /// The property `key` of an object (exact match first, then without regard to case).
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        let Self::Object(object) = self else { return None };
        object.get(key).or_else(|| {
            object
                .iter()
                .find(|(name, _)| name.to_lowercase() == key.to_lowercase())
                .map(|(_, value)| value)
        })
    }

    /// The text of a string; `None` for all else.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// GitHub's cast to a number: "" and null are 0, other text is parsed or NaN, arrays and objects are NaN.
    #[must_use]
    pub fn to_number(&self) -> f64 {
        self.scalar().map_or(f64::NAN, |scalar| scalar.as_number())
    }

    /// `==`: text without regard to case, different kinds by their numbers. GitHub compares arrays and objects by
    /// instance; values here are copies, so those are never equal.
    #[must_use]
    pub fn loosely_equals(&self, other: &Value) -> bool {
        match (self.scalar(), other.scalar()) {
            (Some(left), Some(right)) => left.sema() == right.sema(),
            _ => false,
        }
    }

    /// The order behind `<` and its kin; `None` where every comparison is false.
    #[must_use]
    pub fn loosely_compares(&self, other: &Value) -> Option<std::cmp::Ordering> {
        self.scalar()?.sema().partial_cmp(&other.scalar()?.sema())
    }

    /// The parser's own scalar, whose comparisons follow GitHub's rules; `None` for arrays and objects.
    fn scalar(&self) -> Option<Evaluation> {
        match self {
            Self::Null => Some(Evaluation::Null),
            Self::Bool(bool) => Some(Evaluation::Boolean(*bool)),
            Self::Number(number) => Some(Evaluation::Number(*number)),
            Self::String(text) => Some(Evaluation::String(text.clone())),
            Self::Array(_) | Self::Object(_) => None,
        }
    }
}

/// GitHub's cast to text: null is empty, an array is `Array`, an object is `Object`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Bool(bool) => write!(f, "{bool}"),
            Self::Number(number) => f.write_str(&number_text(*number)),
            Self::String(text) => f.write_str(text),
            Self::Array(_) => f.write_str("Array"),
            Self::Object(_) => f.write_str("Object"),
        }
    }
}

/// Fifteen significant digits, as .NET's `G15` writes them.
fn number_text(number: f64) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let scientific = format!("{number:.14e}");
    let (mantissa, exponent) = scientific
        .split_once('e')
        .expect("`{:e}` always writes an exponent");
    let exponent: i32 = exponent.parse().expect("`{:e}` writes an integer exponent");
    if (-5..15).contains(&exponent) {
        let decimals = usize::try_from(14 - exponent).expect("the exponent is below 15");
        let fixed = format!("{number:.decimals$}");
        if fixed.contains('.') {
            fixed.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            fixed
        }
    } else {
        let mantissa = mantissa.trim_end_matches('0').trim_end_matches('.');
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{mantissa}E{sign}{:02}", exponent.unsigned_abs())
    }
}

impl From<serde_json::Value> for Value {
    fn from(json: serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(bool) => Self::Bool(bool),
            serde_json::Value::Number(number) => Self::Number(number.as_f64().unwrap_or(f64::NAN)),
            serde_json::Value::String(text) => Self::String(text),
            serde_json::Value::Array(items) => Self::Array(items.into_iter().map(Self::from).collect()),
            serde_json::Value::Object(object) => Self::Object(
                object
                    .into_iter()
                    .map(|(key, value)| (key, Self::from(value)))
                    .collect(),
            ),
        }
    }
}

/// Whole numbers become JSON integers; NaN and the infinities, which JSON lacks, become null.
impl From<Value> for serde_json::Value {
    fn from(value: Value) -> Self {
        /// Up to here every whole number has its own `f64`.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        match value {
            Value::Null => Self::Null,
            Value::Bool(bool) => Self::Bool(bool),
            #[expect(
                clippy::cast_possible_truncation,
                reason = "whole, and within the exact range"
            )]
            Value::Number(number) if number.fract() == 0.0 && number.abs() <= EXACT => {
                Self::from(number as i64)
            }
            Value::Number(number) => serde_json::Number::from_f64(number).map_or(Self::Null, Self::Number),
            Value::String(text) => Self::String(text),
            Value::Array(items) => Self::Array(items.into_iter().map(Self::from).collect()),
            Value::Object(object) => Self::Object(
                object
                    .into_iter()
                    .map(|(key, value)| (key, Self::from(value)))
                    .collect(),
            ),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<bool> for Value {
    fn from(bool: bool) -> Self {
        Self::Bool(bool)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl<V: Into<Value>> From<Vec<V>> for Value {
    fn from(items: Vec<V>) -> Self {
        Self::Array(items.into_iter().map(Into::into).collect())
    }
}

impl<V: Into<Value>> From<IndexMap<String, V>> for Value {
    fn from(object: IndexMap<String, V>) -> Self {
        object.into_iter().collect()
    }
}

impl<K: Into<String>, V: Into<Value>> FromIterator<(K, V)> for Value {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        Self::Object(
            entries
                .into_iter()
                .map(|(key, value)| (key.into(), value.into()))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_github_writes_them() {
        let cases = [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-42.5, "-42.5"),
            (0.1 + 0.2, "0.3"),
            (1e14, "100000000000000"),
            (1e20, "1E+20"),
            (1.5e-7, "1.5E-07"),
            (f64::INFINITY, "Infinity"),
            (f64::NAN, "NaN"),
        ];

        for (number, expected) in cases {
            assert_eq!(Value::Number(number).to_string(), expected);
        }
    }

    #[test]
    fn equality_is_loose() {
        let equal = [
            (Value::from("ABC"), Value::from("abc")),
            (Value::from("1"), Value::Number(1.0)),
            (Value::Null, Value::from("")),
            (Value::Bool(true), Value::from("1")),
            (Value::Bool(false), Value::Null),
        ];
        let different = [
            (Value::from("abc"), Value::Number(0.0)),
            (Value::Bool(true), Value::from("true")),
            (Value::Array(vec![]), Value::Array(vec![])),
            (Value::Number(f64::NAN), Value::Number(f64::NAN)),
        ];

        assert!(
            equal.iter().all(|(left, right)| left.loosely_equals(right)),
            "every pair is equal to GitHub"
        );
        assert!(
            !different.iter().any(|(left, right)| left.loosely_equals(right)),
            "no pair is equal to GitHub"
        );
    }

    #[test]
    fn json_survives_there_and_back() {
        let json = serde_json::json!({"a": [1, 2.5, null, true, "x"], "b": {"c": -7}});

        let back = serde_json::Value::from(Value::from(json.clone()));

        assert_eq!(back, json);
    }
}
