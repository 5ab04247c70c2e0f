//! Why something is refused: for the ledger in full, for the client as AWS words it. No variant holds a token or a secret.

use serde::Serialize;

/// Every reason for a refusal. In the ledger its kebab-case name is `reason`, its fields are beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum Refusal {
    /// A parameter of the request is absent or cannot be read.
    #[error("1 validation error detected: parameter {parameter} is missing or not valid")]
    Parameter {
        /// Its name.
        parameter: String,
    },
    /// STS has no such action here.
    #[error("Could not find operation {action} for version 2011-06-15")]
    UnknownAction {
        /// As asked for.
        action: String,
    },
    /// Not three base64url parts with the claims `iss`, `sub`, `aud`, `exp`.
    #[error("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")]
    MalformedToken {
        /// What is wrong with it.
        what: String,
    },
    /// No role has this ARN.
    #[error("Not authorized to perform sts:AssumeRoleWithWebIdentity")]
    UnknownRole {
        /// As asked for.
        role: String,
    },
    /// The role's account has no OIDC provider of this issuer.
    #[error("No OpenIDConnect provider found in your account for {issuer}")]
    UnknownIssuer {
        /// The token's.
        issuer: String,
        /// The role's account.
        account: String,
    },
    /// The token is for nobody whom the provider knows as its client.
    #[error("Incorrect token audience")]
    Audience {
        /// The token's.
        seen: Vec<String>,
        /// The provider's client ids.
        wanted: Vec<String>,
    },
    /// The issuer cannot be reached, or its answer cannot be read.
    #[error(
        "Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity documentation for requirements"
    )]
    IssuerUnreachable {
        /// What was asked.
        url: String,
        /// What went wrong.
        what: String,
    },
    /// The issuer has no key of the token's key id.
    #[error(
        "Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity documentation for requirements"
    )]
    UnknownKey {
        /// The token's key id.
        seen: String,
        /// The issuer's.
        known: Vec<String>,
    },
    /// The issuer's key did not sign this.
    #[error("The ID Token provided has a signature that its issuer's key does not verify")]
    TokenSignature {
        /// The token's key id.
        key: String,
    },
    /// The token is too old.
    #[error("Token expired: current date/time {now} must be before the expiration date/time {expired}")]
    ExpiredToken {
        /// In seconds since 1970.
        expired: i64,
        /// The same.
        now: i64,
    },
    /// The token is for later.
    #[error("The ID Token provided is not valid before {valid_from}")]
    EarlyToken {
        /// In seconds since 1970.
        valid_from: i64,
        /// The same.
        now: i64,
    },
    /// The role does not trust the token's provider.
    #[error("Not authorized to perform sts:AssumeRoleWithWebIdentity")]
    TrustedProvider {
        /// The role.
        role: String,
        /// The token's provider.
        provider: String,
    },
    /// The role trusts the provider, but not this token of it.
    #[error("Not authorized to perform sts:AssumeRoleWithWebIdentity")]
    TrustCondition {
        /// The role.
        role: String,
        /// The condition's key, in lower case.
        key: String,
        /// What the token has.
        seen: Vec<String>,
        /// What the role wants.
        wanted: Vec<String>,
    },
    /// The role's trust policy denies.
    #[error("Not authorized to perform sts:AssumeRoleWithWebIdentity")]
    TrustDenied {
        /// The role.
        role: String,
        /// The statement's name.
        statement: String,
    },
    /// The request has no signature.
    #[error("Request is missing Authentication Token")]
    Unsigned,
    /// Nobody has this access key.
    #[error("The security token included in the request is invalid")]
    UnknownAccessKey {
        /// The access key's id.
        access_key: String,
    },
    /// The secret of this access key did not sign this request.
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method."
    )]
    RequestSignature {
        /// The access key's id.
        access_key: String,
    },
    /// The session token is absent or of another session.
    #[error("The security token included in the request is invalid")]
    SessionToken {
        /// The access key's id.
        access_key: String,
        /// Whether there was one.
        present: bool,
    },
    /// The session is over.
    #[error("The security token included in the request is expired")]
    ExpiredSession {
        /// The session.
        session: String,
    },
    /// A policy denies.
    #[error("Access Denied")]
    Denied {
        /// `role` or `bucket`.
        policy: &'static str,
        /// The statement's name.
        statement: String,
        /// What was asked for.
        action: String,
        /// Of what.
        resource: String,
    },
    /// The role's policies do not allow.
    #[error("Access Denied")]
    RolePolicy {
        /// The role.
        role: String,
        /// What was asked for.
        action: String,
        /// Of what.
        resource: String,
        /// In the nearest statement: no such action or resource, another principal, or a condition.
        why: String,
    },
    /// The bucket is of another account, and its policy does not allow.
    #[error("Access Denied")]
    BucketPolicy {
        /// The role.
        role: String,
        /// The bucket's account.
        account: String,
        /// What was asked for.
        action: String,
        /// Of what.
        resource: String,
        /// As above.
        why: String,
    },
}

impl Refusal {
    /// The kebab-case name.
    #[must_use]
    pub fn name(&self) -> String {
        let written = serde_json::to_value(self).unwrap_or_default();
        written["reason"].as_str().unwrap_or_default().to_owned()
    }

    /// AWS's error code in the query protocol, and the HTTP status.
    #[must_use]
    pub fn query_code(&self) -> (&'static str, u16) {
        match self {
            Refusal::Parameter { .. } => ("ValidationError", 400),
            Refusal::UnknownAction { .. } => ("InvalidAction", 400),
            Refusal::MalformedToken { .. }
            | Refusal::UnknownIssuer { .. }
            | Refusal::Audience { .. }
            | Refusal::UnknownKey { .. }
            | Refusal::TokenSignature { .. }
            | Refusal::EarlyToken { .. } => ("InvalidIdentityToken", 400),
            Refusal::IssuerUnreachable { .. } => ("IDPCommunicationError", 400),
            Refusal::ExpiredToken { .. } => ("ExpiredTokenException", 400),
            Refusal::Unsigned => ("MissingAuthenticationToken", 403),
            Refusal::UnknownAccessKey { .. } | Refusal::SessionToken { .. } => ("InvalidClientTokenId", 403),
            Refusal::RequestSignature { .. } => ("SignatureDoesNotMatch", 403),
            Refusal::ExpiredSession { .. } => ("ExpiredToken", 403),
            Refusal::UnknownRole { .. }
            | Refusal::TrustedProvider { .. }
            | Refusal::TrustCondition { .. }
            | Refusal::TrustDenied { .. }
            | Refusal::Denied { .. }
            | Refusal::RolePolicy { .. }
            | Refusal::BucketPolicy { .. } => ("AccessDenied", 403),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_stands_beside_its_fields() {
        let refusal = Refusal::Audience {
            seen: vec!["vault".into()],
            wanted: vec!["sts.amazonaws.com".into()],
        };

        let written = serde_json::to_value(&refusal).expect("it is plain data");

        assert_eq!(
            written,
            serde_json::json!({"reason": "audience", "seen": ["vault"], "wanted": ["sts.amazonaws.com"]})
        );
        assert_eq!(refusal.name(), "audience");
    }
}
