//! A policy as it is written in JSON. Elements that this crate does not weigh are refused, never passed over: a policy that is half
//! understood would allow or deny something else than it says.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

/// A policy: of a role's trust, of what a role may do, or of a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Policy {
    /// The language's version. Only `2012-10-17` is read.
    pub version: Version,
    /// A name for people.
    #[serde(default)]
    pub id: Option<String>,
    /// What it says.
    #[serde(deserialize_with = "one_or_many")]
    pub statement: Vec<Statement>,
}

/// The version of the policy language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum Version {
    /// The current one.
    #[default]
    #[serde(rename = "2012-10-17")]
    V2012,
}

/// One sentence of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Statement {
    /// A name for people; refusals give it.
    #[serde(default)]
    pub sid: Option<String>,
    /// Allow or deny.
    pub effect: Effect,
    /// Whom it is about; absent in a role's own policy, which is about the role.
    #[serde(default)]
    pub principal: Option<Principal>,
    /// Actions, with wildcards.
    #[serde(deserialize_with = "texts")]
    pub action: Vec<String>,
    /// Resources, with wildcards; absent in a trust policy, which is about the role.
    #[serde(default, deserialize_with = "some_texts")]
    pub resource: Option<Vec<String>>,
    /// What else must hold.
    #[serde(default)]
    pub condition: Condition,
}

/// Allow or deny.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Effect {
    /// Allows, unless something denies.
    Allow,
    /// Denies, whatever allows.
    Deny,
}

/// Whom a statement is about.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Principal {
    /// `"*"`.
    Everyone(Everyone),
    /// By kind.
    Named(Principals),
}

/// The text `*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Everyone {
    /// `*`.
    #[serde(rename = "*")]
    Star,
}

/// Principals by kind.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Principals {
    /// Accounts, roles and sessions: a number, an ARN, or `*`.
    #[serde(rename = "AWS", default, deserialize_with = "texts")]
    pub aws: Vec<String>,
    /// Identity providers, by ARN.
    #[serde(rename = "Federated", default, deserialize_with = "texts")]
    pub federated: Vec<String>,
}

/// Operator → key → values. All operators and all keys must hold; of a key's values, one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// The same text.
    #[serde(rename = "StringEquals", default, deserialize_with = "keys")]
    pub string_equals: BTreeMap<String, Vec<String>>,
    /// A pattern with `*` and `?`.
    #[serde(rename = "StringLike", default, deserialize_with = "keys")]
    pub string_like: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    Many(Vec<T>),
    One(T),
}

impl<T> From<OneOrMany<T>> for Vec<T> {
    fn from(value: OneOrMany<T>) -> Self {
        match value {
            OneOrMany::Many(many) => many,
            OneOrMany::One(one) => vec![one],
        }
    }
}

fn one_or_many<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    OneOrMany::deserialize(from).map(Vec::from)
}

/// One text or many, none of them with a policy variable: those would need a value, and as plain text they match nothing.
fn texts<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let texts: Vec<String> = one_or_many(from)?;
    match texts.iter().find(|text| text.contains("${")) {
        Some(text) => Err(serde::de::Error::custom(format!(
            "{text:?} has a policy variable, which this server does not know"
        ))),
        None => Ok(texts),
    }
}

fn some_texts<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<String>>, D::Error> {
    texts(from).map(Some)
}

fn keys<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    struct Texts(#[serde(deserialize_with = "texts")] Vec<String>);

    let read: BTreeMap<String, Texts> = BTreeMap::deserialize(from)?;
    // Keys are compared without case.
    Ok(read
        .into_iter()
        .map(|(key, Texts(values))| (key.to_ascii_lowercase(), values))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_weighed_is_refused() {
        let refused = [
            r#"{"Version": "2008-10-17", "Statement": []}"#,
            r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}}"#,
            r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "NotResource": "*"}}"#,
            r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Principal": {"Service": "ec2"}}}"#,
            r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Condition": {"Bool": {"a": "true"}}}}"#,
            r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "a/${aws:username}"}}"#,
            r#"{"Version": "2012-10-17", "Statement": {"Effect": "allow", "Action": "s3:*"}}"#,
        ];

        for text in refused {
            assert!(serde_json::from_str::<Policy>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn one_stands_for_a_list_of_one() {
        let one = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}}"#;
        let many = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": ["s3:GetObject"], "Resource": ["*"]}]}"#;

        let read = |text| serde_json::from_str::<Policy>(text).expect("it is a policy");
        assert_eq!(read(one), read(many));
    }
}
