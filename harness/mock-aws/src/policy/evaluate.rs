//! What one policy says about one request.

use std::collections::BTreeMap;

use super::document::{Effect, Policy, Principal, Statement};
use super::pattern::matches;

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// A session of a role.
    Session {
        /// The role's account.
        account: String,
        /// The role's ARN.
        role: String,
        /// The session's ARN.
        session: String,
    },
    /// Somebody with a token of an identity provider, whose ARN this is.
    Federated(String),
}

/// Values of condition keys; keys in lower case, each with one value or more.
pub type Context = BTreeMap<String, Vec<String>>;

/// One thing that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    /// Who asks.
    pub who: Who,
    /// For example `s3:GetObject`.
    pub action: String,
    /// An ARN.
    pub resource: String,
    /// What conditions may ask for.
    pub context: Context,
}

/// How a policy allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grant {
    /// It names the account: within that account, the role's own policy must allow too.
    Account,
    /// It names the role, the session or everyone, or is the role's own.
    Principal,
}

/// Why no statement allows: the nearest that any came.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unmet {
    /// No statement names the action and the resource.
    Action,
    /// Those that do name somebody else.
    Principal,
    /// A condition does not hold.
    Condition {
        /// The key, in lower case.
        key: String,
        /// What it may be.
        wanted: Vec<String>,
        /// What it is; empty if the request has no such key.
        seen: Vec<String>,
    },
}

/// What a policy says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opinion {
    /// It denies, by the statement of this name.
    Denies(String),
    /// It allows.
    Allows(Grant),
    /// It says nothing, which is no.
    Silent(Unmet),
}

impl Policy {
    /// What it says about the demand. A denial wins over whatever allows.
    #[must_use]
    pub fn opinion(&self, demand: &Demand) -> Opinion {
        let mut grant = None;
        let mut unmet = Unmet::Action;
        for statement in &self.statement {
            match (statement.applies(demand), statement.effect) {
                (Ok(_), Effect::Deny) => {
                    return Opinion::Denies(
                        statement.sid.clone().unwrap_or_else(|| "without Sid".to_owned()),
                    );
                }
                (Ok(found), Effect::Allow) => grant = grant.max(Some(found)),
                (Err(why), Effect::Allow) => unmet = unmet.max(why),
                (Err(_), Effect::Deny) => {}
            }
        }
        grant.map_or(Opinion::Silent(unmet), Opinion::Allows)
    }
}

impl Statement {
    fn applies(&self, demand: &Demand) -> Result<Grant, Unmet> {
        // Actions are compared without case, resources with.
        let action = demand.action.to_ascii_lowercase();
        let named = self
            .action
            .iter()
            .any(|a| matches(&a.to_ascii_lowercase(), &action))
            && self
                .resource
                .as_ref()
                .is_none_or(|all| all.iter().any(|r| matches(r, &demand.resource)));
        if !named {
            return Err(Unmet::Action);
        }
        let grant = match &self.principal {
            None => Some(Grant::Principal),
            Some(principal) => principal.names(&demand.who),
        };
        let grant = grant.ok_or(Unmet::Principal)?;
        self.condition_holds(&demand.context)?;
        Ok(grant)
    }

    fn condition_holds(&self, context: &Context) -> Result<(), Unmet> {
        let equals = self.condition.string_equals.iter().map(|test| (test, false));
        let like = self.condition.string_like.iter().map(|test| (test, true));
        for ((key, wanted), is_pattern) in equals.chain(like) {
            let seen = context.get(key).cloned().unwrap_or_default();
            let holds = seen.iter().any(|value| {
                wanted
                    .iter()
                    .any(|w| if is_pattern { matches(w, value) } else { w == value })
            });
            if !holds {
                return Err(Unmet::Condition {
                    key: key.clone(),
                    wanted: wanted.clone(),
                    seen,
                });
            }
        }
        Ok(())
    }
}

impl Principal {
    /// How it names who asks, if it does. No wildcards in here but the lone `*`.
    fn names(&self, who: &Who) -> Option<Grant> {
        let named = match self {
            Principal::Everyone(_) => return Some(Grant::Principal),
            Principal::Named(named) => named,
        };
        match who {
            Who::Federated(provider) => named
                .federated
                .iter()
                // Host names have no case.
                .any(|p| p.eq_ignore_ascii_case(provider))
                .then_some(Grant::Principal),
            Who::Session {
                account,
                role,
                session,
            } => {
                let root = format!("arn:aws:iam::{account}:root");
                if named.aws.iter().any(|p| p == "*" || p == role || p == session) {
                    Some(Grant::Principal)
                } else if named.aws.iter().any(|p| p == account || *p == root) {
                    Some(Grant::Account)
                } else {
                    None
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::{select, subsequence};

    use super::*;
    use crate::policy::{Condition, Everyone, Principals, Version};

    const ACTIONS: [&str; 4] = ["s3:GetObject", "s3:getobject", "s3:*", "s3:Put?bject"];
    const RESOURCES: [&str; 3] = ["*", "arn:aws:s3:::b/*", "arn:aws:s3:::c/*"];

    fn who() -> Who {
        Who::Session {
            account: "111122223333".into(),
            role: "arn:aws:iam::111122223333:role/r".into(),
            session: "arn:aws:sts::111122223333:assumed-role/r/s".into(),
        }
    }

    fn principals() -> impl Strategy<Value = Option<Principal>> {
        let named = subsequence(
            vec![
                "111122223333",
                "arn:aws:iam::111122223333:role/r",
                "arn:aws:iam::444455556666:role/r",
                "*",
            ],
            0..=2,
        )
        .prop_map(|aws| {
            Some(Principal::Named(Principals {
                aws: aws.into_iter().map(str::to_owned).collect(),
                federated: Vec::new(),
            }))
        });
        prop_oneof![Just(None), Just(Some(Principal::Everyone(Everyone::Star))), named]
    }

    fn statements() -> impl Strategy<Value = Statement> {
        (
            any::<bool>(),
            principals(),
            subsequence(ACTIONS.to_vec(), 1..=2),
            subsequence(RESOURCES.to_vec(), 1..=2),
            prop::option::of(select(vec!["x", "y", "x*"])),
        )
            .prop_map(|(allow, principal, action, resource, wanted)| {
                let mut condition = Condition::default();
                if let Some(wanted) = wanted {
                    condition.string_like.insert("k".into(), vec![wanted.to_owned()]);
                }
                Statement {
                    sid: None,
                    effect: if allow { Effect::Allow } else { Effect::Deny },
                    principal,
                    action: action.into_iter().map(str::to_owned).collect(),
                    resource: Some(resource.into_iter().map(str::to_owned).collect()),
                    condition,
                }
            })
    }

    fn policies() -> impl Strategy<Value = Policy> {
        prop::collection::vec(statements(), 0..5).prop_map(|statement| Policy {
            version: Version::V2012,
            id: None,
            statement,
        })
    }

    fn demands() -> impl Strategy<Value = Demand> {
        (
            select(vec!["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]),
            select(vec!["arn:aws:s3:::b/o", "arn:aws:s3:::b", "arn:aws:s3:::c/o/p"]),
            prop::option::of(select(vec!["x", "y", "xy"])),
        )
            .prop_map(|(action, resource, value)| Demand {
                who: who(),
                action: action.into(),
                resource: resource.into(),
                context: value
                    .map(|v| ("k".to_owned(), vec![v.to_owned()]))
                    .into_iter()
                    .collect(),
            })
    }

    proptest! {
        #[test]
        fn the_order_of_statements_decides_nothing(policy in policies(), demand in demands()) {
            let mut turned = policy.clone();
            turned.statement.reverse();

            prop_assert_eq!(policy.opinion(&demand), turned.opinion(&demand));
        }

        #[test]
        fn a_denial_wins(mut policy in policies(), at in any::<prop::sample::Index>(), demand in demands()) {
            let at = at.index(policy.statement.len() + 1);
            policy.statement.insert(at, Statement {
                sid: None,
                effect: Effect::Deny,
                principal: None,
                action: vec!["*".into()],
                resource: Some(vec!["*".into()]),
                condition: Condition::default(),
            });

            prop_assert!(matches!(policy.opinion(&demand), Opinion::Denies(_)));
        }

        #[test]
        fn a_policy_allows_only_by_a_statement_that_alone_allows(policy in policies(), demand in demands()) {
            let alone = |wanted: Effect| policy.statement.iter().filter(|s| s.effect == wanted).any(|s| {
                let only = Policy { version: Version::V2012, id: None, statement: vec![s.clone()] };
                !matches!(only.opinion(&demand), Opinion::Silent(_))
            });

            let allows = matches!(policy.opinion(&demand), Opinion::Allows(_));
            prop_assert_eq!(allows, alone(Effect::Allow) && !alone(Effect::Deny));
        }

        #[test]
        fn a_condition_only_takes_away(policy in policies(), demand in demands()) {
            let mut stricter = policy.clone();
            for statement in stricter.statement.iter_mut().filter(|s| s.effect == Effect::Allow) {
                statement.condition.string_equals.insert("absent".into(), vec!["x".into()]);
            }

            prop_assert!(!matches!(stricter.opinion(&demand), Opinion::Allows(_)));
            prop_assert_eq!(
                matches!(stricter.opinion(&demand), Opinion::Denies(_)),
                matches!(policy.opinion(&demand), Opinion::Denies(_))
            );
        }
    }

    #[test]
    fn silence_tells_the_nearest_miss() {
        let policy: Policy = serde_json::from_str(
            r#"{"Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Principal": "*", "Action": "s3:Get*", "Resource": "*",
                 "Condition": {"StringEquals": {"K": ["a", "b"]}}},
                {"Effect": "Allow", "Principal": {"AWS": "444455556666"}, "Action": "s3:Put*", "Resource": "*"}]}"#,
        )
        .expect("it is a policy");
        let ask = |action: &str| {
            policy.opinion(&Demand {
                who: who(),
                action: action.into(),
                resource: "arn:aws:s3:::b/o".into(),
                context: [("k".to_owned(), vec!["c".to_owned()])].into(),
            })
        };

        assert_eq!(ask("s3:DeleteObject"), Opinion::Silent(Unmet::Action));
        assert_eq!(ask("s3:PutObject"), Opinion::Silent(Unmet::Principal));
        assert_eq!(
            ask("s3:GetObject"),
            Opinion::Silent(Unmet::Condition {
                key: "k".into(),
                wanted: vec!["a".into(), "b".into()],
                seen: vec!["c".into()],
            })
        );
    }
}
