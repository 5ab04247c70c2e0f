//! Seeded defects: each leaves out one of the server's judgements, so that a suite can prove that its checks turn red. Off by default.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One judgement to leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Defect {
    /// A token of an issuer that the role's account does not know counts as one of the account's first provider.
    AnyIssuer,
    /// A token for another audience is taken.
    AnyAudience,
    /// The token's signature is not verified, nor its key looked up.
    AnySignature,
    /// A token is taken before its time and after it.
    UntimelyTokens,
    /// Trust policies may name a provider of another account.
    AnyTrustedProvider,
    /// The conditions of trust policies are not weighed.
    NoTrustConditions,
    /// Signatures of requests are not verified by STS.
    UnsignedIdentity,
    /// Session credentials are good without their session token.
    NoSessionToken,
    /// Session credentials do not expire.
    EternalSessions,
    /// A bucket of another account asks for no bucket policy.
    NoBucketPolicy,
    /// A bucket's policy that allows is enough for a role of another account.
    NoRolePolicy,
    /// Denials in policies are passed over.
    NoDenials,
}

impl Defect {
    /// Every defect.
    pub const ALL: [Defect; 12] = [
        Defect::AnyIssuer,
        Defect::AnyAudience,
        Defect::AnySignature,
        Defect::UntimelyTokens,
        Defect::AnyTrustedProvider,
        Defect::NoTrustConditions,
        Defect::UnsignedIdentity,
        Defect::NoSessionToken,
        Defect::EternalSessions,
        Defect::NoBucketPolicy,
        Defect::NoRolePolicy,
        Defect::NoDenials,
    ];

    /// The kebab-case name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Defect::AnyIssuer => "any-issuer",
            Defect::AnyAudience => "any-audience",
            Defect::AnySignature => "any-signature",
            Defect::UntimelyTokens => "untimely-tokens",
            Defect::AnyTrustedProvider => "any-trusted-provider",
            Defect::NoTrustConditions => "no-trust-conditions",
            Defect::UnsignedIdentity => "unsigned-identity",
            Defect::NoSessionToken => "no-session-token",
            Defect::EternalSessions => "eternal-sessions",
            Defect::NoBucketPolicy => "no-bucket-policy",
            Defect::NoRolePolicy => "no-role-policy",
            Defect::NoDenials => "no-denials",
        }
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name belongs to no defect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no seeded defect is called {0:?}; there are: {known}", known = Defect::ALL.map(Defect::name).join(", "))]
pub struct UnknownDefect(
    /// The name as given.
    pub String,
);

impl FromStr for Defect {
    type Err = UnknownDefect;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Defect::ALL
            .into_iter()
            .find(|d| d.name() == name)
            .ok_or_else(|| UnknownDefect(name.to_owned()))
    }
}

/// The defects of one server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Defects(BTreeSet<Defect>);

impl Defects {
    /// Whether the server has this one.
    #[must_use]
    pub fn has(&self, defect: Defect) -> bool {
        self.0.contains(&defect)
    }
}

impl FromIterator<Defect> for Defects {
    fn from_iter<T: IntoIterator<Item = Defect>>(defects: T) -> Self {
        Self(defects.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_ones_that_serde_writes() {
        for defect in Defect::ALL {
            let written = serde_json::to_value(defect).expect("an enum without data is a string");

            assert_eq!(written, defect.name());
            assert_eq!(defect.name().parse(), Ok(defect));
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let error = "no-law".parse::<Defect>().expect_err("there is no such defect");

        assert!(error.to_string().contains("no-denials"), "{error}");
    }
}
