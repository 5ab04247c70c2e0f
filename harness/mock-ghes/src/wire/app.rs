//! GitHub Apps: the key pair of one, and the JWT by which it says who it is.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use secrecy::SecretString;
use serde_json::Value;

use crate::GitHubApp;

/// A JWT may not be valid for longer.
const LONGEST: i64 = 600;

/// The key of an App: what checks its JWTs, and what it signs them with.
#[derive(Clone)]
pub struct AppKey {
    checking: DecodingKey,
    pem: SecretString,
}

impl AppKey {
    /// Draws one of 2048 bits, as GitHub does. None: the system's random source does not answer.
    pub(crate) fn draw() -> Option<AppKey> {
        let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).ok()?;
        Some(AppKey {
            checking: DecodingKey::from_rsa_pem(pair.public_key_pem().as_bytes()).ok()?,
            pem: pair.serialize_pem().into(),
        })
    }

    /// The private key, PEM.
    #[must_use]
    pub fn pem(&self) -> &SecretString {
        &self.pem
    }
}

impl fmt::Debug for AppKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AppKey(…)")
    }
}

/// A JWT of an App is refused, in GitHub's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not signed by the App's key with RS256.
    #[error("A JSON web token could not be decoded")]
    Signature,
    /// No `iss`.
    #[error("Missing 'issuer' claim ('iss')")]
    NoIssuer,
    /// An App that is not there.
    #[error("Integration not found")]
    UnknownApp,
    /// No `iat`, or one to come.
    #[error(
        "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"
    )]
    IssuedAt,
    /// No `exp`, or one that is over.
    #[error(
        "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires"
    )]
    Expires,
    /// Valid for more than ten minutes.
    #[error("'Expiration time' claim ('exp') is too far in the future")]
    TooLong,
}

/// Whether this is a JWT with RS256: the server's own have HS256.
pub(crate) fn is_app_jwt(token: &str) -> bool {
    jsonwebtoken::decode_header(token).is_ok_and(|header| header.alg == Algorithm::RS256)
}

/// The App that says who it is by this JWT.
pub(crate) fn verify(jwt: &str, apps: &[GitHubApp], now: Timestamp) -> Result<u64, Refusal> {
    let claims = jwt.split('.').nth(1).ok_or(Refusal::Signature)?;
    let claims = BASE64_URL_SAFE_NO_PAD
        .decode(claims)
        .map_err(|_| Refusal::Signature)?;
    let claims: Value = serde_json::from_slice(&claims).map_err(|_| Refusal::Signature)?;
    let issuer = match &claims["iss"] {
        Value::Null => return Err(Refusal::NoIssuer),
        Value::String(text) => text.parse().ok(),
        number => number.as_u64(),
    };
    let app = apps
        .iter()
        .find(|app| Some(app.id) == issuer)
        .ok_or(Refusal::UnknownApp)?;
    let key = app.key.as_ref().ok_or(Refusal::Signature)?;
    let mut validation = Validation::new(Algorithm::RS256);
    // The server's clock decides, not the system's, and the times are looked at below.
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    jsonwebtoken::decode::<Value>(jwt, &key.checking, &validation).map_err(|_| Refusal::Signature)?;
    let now = now.as_second();
    let issued = claims["iat"].as_i64().ok_or(Refusal::IssuedAt)?;
    if issued > now {
        return Err(Refusal::IssuedAt);
    }
    match claims["exp"].as_i64() {
        Some(expires) if expires > now.saturating_add(LONGEST) => Err(Refusal::TooLong),
        Some(expires) if expires > now => Ok(app.id),
        _ => Err(Refusal::Expires),
    }
}
