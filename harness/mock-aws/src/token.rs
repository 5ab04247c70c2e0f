//! Web identity tokens: what they claim, and whether a key set vouches for them. Pure: keys come from [`crate::issuer`], time from the caller.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;

use crate::Refusal;

/// What IAM takes.
const ALGORITHMS: [Algorithm; 5] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::ES256,
    Algorithm::ES384,
];

/// The claims that count.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Claims {
    pub iss: String,
    pub sub: String,
    #[serde(deserialize_with = "audiences")]
    pub aud: Vec<String>,
    pub exp: i64,
    #[serde(default)]
    pub nbf: Option<i64>,
}

/// One audience is a text, several are a list.
fn audiences<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Audiences {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Audiences::deserialize(from)? {
        Audiences::One(one) => vec![one],
        Audiences::Many(many) => many,
    })
}

impl Claims {
    /// What a token claims, whoever signed it.
    pub(crate) fn unverified(token: &str) -> Result<Claims, Refusal> {
        let malformed = |what: &str| Refusal::MalformedToken {
            what: what.to_owned(),
        };
        let mut parts = token.split('.');
        let (Some(_), Some(claims), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed("not three parts"));
        };
        let claims = BASE64_URL_SAFE_NO_PAD
            .decode(claims)
            .map_err(|_| malformed("the claims are not base64url"))?;
        // The parser's message could quote the token; its category cannot.
        serde_json::from_slice(&claims)
            .map_err(|_| malformed("iss, sub, aud or exp is missing or no such value"))
    }

    /// Whether it is time for this token.
    pub(crate) fn timely(&self, now: i64) -> Result<(), Refusal> {
        if now >= self.exp {
            return Err(Refusal::ExpiredToken {
                expired: self.exp,
                now,
            });
        }
        match self.nbf {
            Some(valid_from) if now < valid_from => Err(Refusal::EarlyToken { valid_from, now }),
            _ => Ok(()),
        }
    }
}

/// Whether one of these keys signed the token.
pub(crate) fn verify(token: &str, keys: &JwkSet) -> Result<(), Refusal> {
    let malformed = |what: &str| Refusal::MalformedToken {
        what: what.to_owned(),
    };
    let header = jsonwebtoken::decode_header(token)
        .map_err(|_| malformed("the header is not that of a signed token"))?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(malformed("signed in a way that is not taken"));
    }
    let kid = header.kid.unwrap_or_default();
    let Some(key) = keys.find(&kid) else {
        let known = keys.keys.iter().filter_map(|key| key.common.key_id.clone());
        return Err(Refusal::UnknownKey {
            seen: kid,
            known: known.collect(),
        });
    };
    let mut validation = Validation::new(header.alg);
    // Each of these is judged elsewhere, with a reason of its own.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let verified = DecodingKey::from_jwk(key)
        .and_then(|key| jsonwebtoken::decode::<serde_json::Value>(token, &key, &validation));
    match verified {
        Ok(_) => Ok(()),
        Err(_) => Err(Refusal::TokenSignature { key: kid }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> String {
        format!("e30.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn audiences_may_be_one_or_many() {
        let one = token(r#"{"iss": "i", "sub": "s", "aud": "a", "exp": 1}"#);
        let many = token(r#"{"iss": "i", "sub": "s", "aud": ["a"], "exp": 1}"#);

        assert_eq!(Claims::unverified(&one), Claims::unverified(&many));
    }

    #[test]
    fn what_is_no_token_is_told_without_quoting_it() {
        for bad in ["", "secret", "a.secret.c", &token(r#"{"iss": "secret"}"#)] {
            let refusal = Claims::unverified(bad).expect_err("it is no token");

            assert!(matches!(refusal, Refusal::MalformedToken { .. }));
            assert!(!format!("{refusal:?}").contains("secret"));
        }
    }

    #[test]
    fn a_token_is_timely_from_nbf_until_before_exp() {
        let text = token(r#"{"iss": "i", "sub": "s", "aud": "a", "exp": 20, "nbf": 10}"#);
        let claims = Claims::unverified(&text).expect("it is a token");

        let reasons =
            [9, 10, 19, 20].map(|now| claims.timely(now).err().map(|r| r.name()).unwrap_or_default());
        assert_eq!(reasons, ["early-token", "", "", "expired-token"]);
    }
}
