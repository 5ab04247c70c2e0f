//! Whether a session may do something to a bucket: the role's policies and the bucket's together, over one account or two. Pure.
//!
//! In one account either policy suffices; over two both must allow. A denial in either wins. Not weighed: permission boundaries, session
//! policies, organizations' policies, ACLs.

use crate::Refusal;
use crate::defect::{Defect, Defects};
use crate::policy::{Demand, Grant, Opinion, Policy, Unmet};

/// Whose policies are asked.
#[derive(Debug, Clone, Copy)]
pub struct Parties<'a> {
    /// The role's ARN.
    pub role: &'a str,
    /// The role's account.
    pub role_account: &'a str,
    /// What the role may do.
    pub role_policies: &'a [Policy],
    /// The bucket's account.
    pub bucket_account: &'a str,
    /// The bucket's policy.
    pub bucket_policy: Option<&'a Policy>,
}

/// Whether the demand is allowed.
///
/// # Errors
/// The refusal that names the policy which decides.
pub fn authorize(parties: &Parties<'_>, demand: &Demand, defects: &Defects) -> Result<(), Refusal> {
    let role = parties
        .role_policies
        .iter()
        .map(|policy| policy.opinion(demand))
        .fold(Opinion::Silent(Unmet::Action), stronger);
    let bucket = parties
        .bucket_policy
        .map_or(Opinion::Silent(Unmet::Action), |policy| policy.opinion(demand));
    for (policy, opinion) in [("role", &role), ("bucket", &bucket)] {
        if let Opinion::Denies(statement) = opinion
            && !defects.has(Defect::NoDenials)
        {
            return Err(Refusal::Denied {
                policy,
                statement: statement.clone(),
                action: demand.action.clone(),
                resource: demand.resource.clone(),
            });
        }
    }
    let passed_over = |opinion: &Opinion| matches!(opinion, Opinion::Denies(_));
    let role_allows = matches!(role, Opinion::Allows(_)) || passed_over(&role);
    let bucket_allows = matches!(bucket, Opinion::Allows(_)) || passed_over(&bucket);
    if parties.role_account == parties.bucket_account {
        // A bucket policy that names the account leaves it to the account's own policies.
        if role_allows || bucket == Opinion::Allows(Grant::Principal) || passed_over(&bucket) {
            return Ok(());
        }
        return Err(role_refusal(parties, demand, &role));
    }
    if !role_allows && !defects.has(Defect::NoRolePolicy) {
        return Err(role_refusal(parties, demand, &role));
    }
    if !bucket_allows && !defects.has(Defect::NoBucketPolicy) {
        return Err(Refusal::BucketPolicy {
            role: parties.role.to_owned(),
            account: parties.bucket_account.to_owned(),
            action: demand.action.clone(),
            resource: demand.resource.clone(),
            why: match parties.bucket_policy {
                None => "the bucket has no policy".to_owned(),
                Some(_) => words(&bucket),
            },
        });
    }
    Ok(())
}

/// Of two opinions of one party's policies, the one that counts.
fn stronger(one: Opinion, other: Opinion) -> Opinion {
    let rank = |opinion: &Opinion| match opinion {
        Opinion::Denies(_) => 2,
        Opinion::Allows(_) => 1,
        Opinion::Silent(_) => 0,
    };
    match (&one, &other) {
        (Opinion::Silent(a), Opinion::Silent(b)) => Opinion::Silent(a.max(b).clone()),
        _ if rank(&other) > rank(&one) => other,
        _ => one,
    }
}

fn role_refusal(parties: &Parties<'_>, demand: &Demand, opinion: &Opinion) -> Refusal {
    Refusal::RolePolicy {
        role: parties.role.to_owned(),
        action: demand.action.clone(),
        resource: demand.resource.clone(),
        why: words(opinion),
    }
}

fn words(opinion: &Opinion) -> String {
    match opinion {
        Opinion::Silent(Unmet::Action) => "no statement has this action and resource".to_owned(),
        Opinion::Silent(Unmet::Principal) => {
            "the statements with this action and resource name other principals".to_owned()
        }
        Opinion::Silent(Unmet::Condition { key, wanted, seen }) => {
            format!("{key} = {seen:?}, wanted {wanted:?}")
        }
        Opinion::Denies(_) | Opinion::Allows(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::{Context, Who};

    const ROLE: &str = "arn:aws:iam::111122223333:role/r";

    /// What one party's policy says about the one demand of these tests.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Says {
        Nothing,
        Allow,
        AllowAccount,
        Deny,
    }

    fn policy(says: Says) -> Policy {
        let (effect, principal, action) = match says {
            Says::Nothing => ("Allow", ROLE, "s3:PutObject"),
            Says::Allow => ("Allow", ROLE, "s3:GetObject"),
            Says::AllowAccount => ("Allow", "111122223333", "s3:GetObject"),
            Says::Deny => ("Deny", ROLE, "s3:GetObject"),
        };
        serde_json::from_value(serde_json::json!({
            "Version": "2012-10-17",
            "Statement": {"Effect": effect, "Principal": {"AWS": principal}, "Action": action, "Resource": "*"},
        }))
        .expect("it is a policy")
    }

    fn ask(role: Says, bucket: Says, account: &str, defects: &[Defect]) -> Result<(), Refusal> {
        let parties = Parties {
            role: ROLE,
            role_account: "111122223333",
            role_policies: &[policy(role)],
            bucket_account: account,
            bucket_policy: Some(&policy(bucket)),
        };
        let demand = Demand {
            who: Who::Session {
                account: "111122223333".into(),
                role: ROLE.into(),
                session: "arn:aws:sts::111122223333:assumed-role/r/s".into(),
            },
            action: "s3:GetObject".into(),
            resource: "arn:aws:s3:::b/o".into(),
            context: Context::new(),
        };
        authorize(&parties, &demand, &defects.iter().copied().collect())
    }

    fn says() -> impl Strategy<Value = Says> {
        prop::sample::select(vec![Says::Nothing, Says::Allow, Says::AllowAccount, Says::Deny])
    }

    proptest! {
        #[test]
        fn over_two_accounts_both_must_allow(role in says(), bucket in says()) {
            let allows = |says| matches!(says, Says::Allow | Says::AllowAccount);

            let answer = ask(role, bucket, "444455556666", &[]);

            prop_assert_eq!(answer.is_ok(), allows(role) && allows(bucket));
        }

        #[test]
        fn in_one_account_either_suffices(role in says(), bucket in says()) {
            let allows = matches!(role, Says::Allow | Says::AllowAccount) || bucket == Says::Allow;

            let answer = ask(role, bucket, "111122223333", &[]);

            prop_assert_eq!(answer.is_ok(), allows && role != Says::Deny && bucket != Says::Deny);
        }
    }

    #[test]
    fn each_judgement_can_be_left_out() {
        let other = "444455556666";
        for (role, bucket, reason, defect) in [
            (Says::Nothing, Says::Allow, "role-policy", Defect::NoRolePolicy),
            (
                Says::Allow,
                Says::Nothing,
                "bucket-policy",
                Defect::NoBucketPolicy,
            ),
            (Says::Allow, Says::Deny, "denied", Defect::NoDenials),
            (Says::Deny, Says::Allow, "denied", Defect::NoDenials),
        ] {
            let refused = ask(role, bucket, other, &[]).expect_err("it is refused without the defect");

            assert_eq!(refused.name(), reason);
            assert_eq!(ask(role, bucket, other, &[defect]), Ok(()), "{defect}");
            for another in Defect::ALL.into_iter().filter(|d| *d != defect) {
                assert!(
                    ask(role, bucket, other, &[another]).is_err(),
                    "{another} is not {reason}'s"
                );
            }
        }
    }
}
