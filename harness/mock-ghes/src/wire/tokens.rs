//! The server's own bearer tokens: JWTs signed by HS256 with a secret that is drawn when the server starts.
//!
//! The runner protocol has three, never mixed: for registering, for an agent, for a job. .NET runners parse the job's
//! token as a JWT, so all are.

use std::fmt;

use aws_lc_rs::rand;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What a token entitles to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "grant", rename_all = "snake_case")]
pub enum Grant {
    /// Manages the agents of one scope: the answer of runner-registration.
    Registration {
        /// As the server names it, such as `enterprises/dogecompany`.
        scope: String,
    },
    /// Sessions, messages and job requests of one agent.
    Agent {
        /// The agent's number in its pool.
        agent_id: u64,
        /// The registration's client.
        client_id: Uuid,
    },
    /// Timelines, logs and events of one job. It must outlive the job: neither client renews it.
    Job {
        /// The job's plan.
        plan_id: Uuid,
        /// The job's timeline record.
        job_id: Uuid,
    },
}

/// A token is refused. Answer 401 with a `Bearer` challenge.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Not a token of this server: malformed, or signed by another.
    #[error("the token is not one that this server issued")]
    NotOurs(#[source] jsonwebtoken::errors::Error),
    /// Its time is over.
    #[error("the token expired at {at}")]
    Expired {
        /// From `exp`.
        at: Timestamp,
    },
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    jti: Uuid,
    nbf: i64,
    exp: i64,
    #[serde(flatten)]
    grant: Grant,
}

/// Signs and recognizes this server's tokens.
#[derive(Clone)]
pub struct TokenSecret {
    signing: EncodingKey,
    checking: DecodingKey,
}

impl TokenSecret {
    /// A fresh secret; tokens of other servers are not recognized.
    #[must_use]
    pub fn random() -> Self {
        let mut secret = [0; 32];
        rand::fill(&mut secret).expect("the system's random source answers");
        Self {
            signing: EncodingKey::from_secret(&secret),
            checking: DecodingKey::from_secret(&secret),
        }
    }

    /// Issues a token, valid from `now` on.
    #[must_use]
    pub fn mint(&self, grant: &Grant, now: Timestamp, lifetime: SignedDuration) -> String {
        let claims = Claims {
            iss: "mock-ghes".to_owned(),
            aud: "runner-service".to_owned(),
            jti: random_guid(),
            nbf: now.as_second(),
            exp: now.as_second().saturating_add(lifetime.as_secs()),
            grant: grant.clone(),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.signing)
            .expect("these claims have a JSON form and HS256 takes any secret")
    }

    /// Reads a token back.
    ///
    /// # Errors
    /// [`TokenError`]: of another server, or expired.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Grant, TokenError> {
        let mut validation = Validation::new(Algorithm::HS256);
        // The caller's clock decides, not the system's.
        validation.validate_exp = false;
        validation.set_audience(&["runner-service"]);
        let claims = jsonwebtoken::decode::<Claims>(token, &self.checking, &validation)
            .map_err(TokenError::NotOurs)?
            .claims;
        if now.as_second() >= claims.exp {
            return Err(TokenError::Expired {
                at: Timestamp::from_second(claims.exp).unwrap_or(Timestamp::MAX),
            });
        }
        Ok(claims.grant)
    }
}

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSecret(…)")
    }
}

/// An opaque token in GitHub's form: the prefix (`ghs_`, `ghp_`, or none) and 36 letters and digits.
#[must_use]
pub fn random_token(prefix: &str) -> String {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut bytes = [0; 36];
    rand::fill(&mut bytes).expect("the system's random source answers");
    let letters = bytes
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]));
    prefix.chars().chain(letters).collect()
}

/// A random GUID, for plans, timelines, jobs, sessions and clients.
#[must_use]
pub fn random_guid() -> Uuid {
    Uuid::new_v4()
}
