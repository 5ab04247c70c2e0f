//! The guide's two bucket policies and its trust policy, as they are published: which actions they allow to whom.

mod support;

use mock_aws::authorization::{Parties, authorize};
use mock_aws::policy::{Context, Demand, Opinion, Policy, Who};
use mock_aws::{Defects, Refusal};
use support::{BUCKET_ACCOUNT, ROLE, ROLE_ACCOUNT, SUBJECT, guide};

const BUCKET: &str = "arn:aws:s3:::bucket.dogecompany.com";
const OBJECT: &str = "arn:aws:s3:::bucket.dogecompany.com/some/key";

/// Action, resource, with `s3:*`, with least privilege.
const TABLE: [(&str, &str, bool, bool); 14] = [
    ("s3:ListBucket", BUCKET, true, true),
    ("s3:GetObject", OBJECT, true, true),
    ("s3:GetObjectAcl", OBJECT, true, true),
    ("s3:PutObject", OBJECT, true, true),
    ("s3:PutObjectAcl", OBJECT, true, true),
    ("s3:DeleteObject", OBJECT, true, false),
    ("s3:GetObjectTagging", OBJECT, true, false),
    ("s3:AbortMultipartUpload", OBJECT, true, false),
    ("s3:GetBucketPolicy", BUCKET, true, false),
    ("s3:PutBucketPolicy", BUCKET, true, false),
    ("s3:DeleteBucket", BUCKET, true, false),
    (
        "s3:GetObject",
        "arn:aws:s3:::bucket.dogecompany.com.evil/key",
        false,
        false,
    ),
    ("s3:GetObject", "arn:aws:s3:::another/key", false, false),
    ("ec2:RunInstances", "*", false, false),
];

fn everything() -> Policy {
    serde_json::from_str(
        r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#,
    )
    .expect("it is a policy")
}

/// What a role may do whose own policy is this.
fn ask(bucket: &Policy, own: &[Policy], role: &str, action: &str, resource: &str) -> Result<(), Refusal> {
    let parties = Parties {
        role,
        role_account: ROLE_ACCOUNT,
        role_policies: own,
        bucket_account: BUCKET_ACCOUNT,
        bucket_policy: Some(bucket),
    };
    let demand = Demand {
        who: Who::Session {
            account: ROLE_ACCOUNT.into(),
            role: role.into(),
            session: "arn:aws:sts::111122223333:assumed-role/some/session".into(),
        },
        action: action.into(),
        resource: resource.into(),
        context: Context::new(),
    };
    authorize(&parties, &demand, &Defects::default())
}

#[test]
fn each_action_is_allowed_or_denied_as_written() {
    let wide = guide("bucket-policy.json", &[]);
    let least = guide("bucket-policy-least.json", &[]);

    for (action, resource, with_all, with_least) in TABLE {
        let asked = |policy| ask(policy, &[everything()], ROLE, action, resource).is_ok();

        assert_eq!(asked(&wide), with_all, "s3:*: {action} on {resource}");
        assert_eq!(
            asked(&least),
            with_least,
            "least privilege: {action} on {resource}"
        );
    }
}

#[test]
fn another_role_of_the_same_account_may_nothing() {
    let another = "arn:aws:iam::111122223333:role/another";
    for file in ["bucket-policy.json", "bucket-policy-least.json"] {
        for (action, resource, ..) in TABLE {
            let refused = ask(&guide(file, &[]), &[everything()], another, action, resource);

            assert_eq!(refused.expect_err("it is not named").name(), "bucket-policy");
        }
    }
}

#[test]
fn over_two_accounts_the_bucket_policy_alone_is_not_enough() {
    for (action, resource, ..) in TABLE {
        let refused = ask(&guide("bucket-policy.json", &[]), &[], ROLE, action, resource);

        assert_eq!(refused.expect_err("the role may nothing").name(), "role-policy");
    }
}

#[test]
fn the_trust_policy_takes_one_subject_of_one_provider() {
    let trust = guide("trust-policy.json", &[]);
    let issuer = "oidc.eks.REGION.amazonaws.com/id/EXAMPLED539D4633E53DE1B716D3041A";
    let ask = |account: &str, issuer: &str, subject: &str| {
        let opinion = trust.opinion(&Demand {
            who: Who::Federated(format!("arn:aws:iam::{account}:oidc-provider/{issuer}")),
            action: "sts:AssumeRoleWithWebIdentity".into(),
            resource: ROLE.into(),
            context: Context::from([(
                format!("{issuer}:sub").to_ascii_lowercase(),
                vec![subject.to_owned()],
            )]),
        });
        matches!(opinion, Opinion::Allows(_))
    };

    assert!(ask(ROLE_ACCOUNT, issuer, SUBJECT));
    assert!(!ask(
        ROLE_ACCOUNT,
        issuer,
        "system:serviceaccount:actions-runner:default"
    ));
    assert!(!ask(BUCKET_ACCOUNT, issuer, SUBJECT));
    assert!(!ask(
        ROLE_ACCOUNT,
        "oidc.eks.REGION.amazonaws.com/id/ANOTHER",
        SUBJECT
    ));
}
