//! The client assertion: the JWT by which an agent asks for its access token (RFC 7523; runner protocol, OAuth).

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::AgentKey;

/// Clocks of runner and server may differ by this much.
const LEEWAY: SignedDuration = SignedDuration::from_mins(1);

/// A client assertion is refused. Answer 400 `invalid_client`, with this as the description.
#[derive(Debug, thiserror::Error)]
pub enum AssertionError {
    /// Not three base64url parts with JSON in the first two.
    #[error("the client assertion is not a JWT: {reason}")]
    Malformed {
        /// What is missing.
        reason: &'static str,
    },
    /// The registered key did not sign this, with neither padding.
    #[error("the client assertion's signature does not fit the registered key")]
    Signature,
    /// `sub` or `iss` name another client.
    #[error("the client assertion's {claim} is not the client id {client_id}")]
    Client {
        /// `sub` or `iss`.
        claim: &'static str,
        /// Whose registration was asked.
        client_id: Uuid,
    },
    /// `aud` is not the authorization URL.
    #[error("the client assertion's audience is not {expected}")]
    Audience {
        /// The authorization URL that the agent was given.
        expected: String,
    },
    /// Outside `nbf` … `exp`. The wording is what .NET runners look for to tell a wrong clock.
    #[error("the client assertion is valid from {not_before} to {expires}. Current server time is {now}")]
    Time {
        /// From `nbf`.
        not_before: Timestamp,
        /// From `exp`.
        expires: Timestamp,
        /// As the server sees it.
        now: Timestamp,
    },
}

/// What a valid assertion said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assertion {
    /// `jti`, unique for each assertion.
    pub id: Option<String>,
    /// End of its validity.
    pub expires: Timestamp,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    iss: String,
    aud: Value,
    nbf: Option<i64>,
    exp: i64,
    jti: Option<String>,
}

/// Checks an agent's client assertion: signature by the registered key, client, audience and time.
///
/// # Errors
/// [`AssertionError`], by the first check that fails.
pub fn verify_assertion(
    key: &AgentKey,
    jwt: &str,
    client_id: Uuid,
    audience: &str,
    now: Timestamp,
) -> Result<Assertion, AssertionError> {
    let malformed = |reason| AssertionError::Malformed { reason };
    let (signed, signature) = jwt.rsplit_once('.').ok_or(malformed("it has no dots"))?;
    let (header, payload) = signed
        .split_once('.')
        .filter(|(_, payload)| !payload.contains('.'))
        .ok_or(malformed("it does not have three parts"))?;
    let bytes = |part| {
        BASE64_URL_SAFE_NO_PAD
            .decode(part)
            .map_err(|_| malformed("a part is not base64url"))
    };
    serde_json::from_slice::<Value>(&bytes(header)?).map_err(|_| malformed("the header is not JSON"))?;
    let claims: Claims =
        serde_json::from_slice(&bytes(payload)?).map_err(|_| malformed("sub, iss, aud or exp is missing"))?;

    if !key.has_signed(signed.as_bytes(), &bytes(signature)?) {
        return Err(AssertionError::Signature);
    }
    for (claim, value) in [("sub", &claims.sub), ("iss", &claims.iss)] {
        if value.parse() != Ok(client_id) {
            return Err(AssertionError::Client { claim, client_id });
        }
    }
    let is_for_us = match &claims.aud {
        Value::Array(all) => all.iter().any(|one| one == audience),
        one => one == audience,
    };
    if !is_for_us {
        return Err(AssertionError::Audience {
            expected: audience.to_owned(),
        });
    }
    let moment = |seconds| Timestamp::from_second(seconds).map_err(|_| malformed("a time is out of range"));
    let expires = moment(claims.exp)?;
    let not_before = claims.nbf.map_or(Ok(Timestamp::MIN), moment)?;
    if now.duration_since(expires) > LEEWAY || not_before.duration_since(now) > LEEWAY {
        return Err(AssertionError::Time {
            not_before,
            expires,
            now,
        });
    }
    Ok(Assertion {
        id: claims.jti,
        expires,
    })
}
