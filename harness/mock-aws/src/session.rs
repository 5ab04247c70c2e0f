//! Sessions of roles: the temporary credentials that STS hands out, and what S3 and STS ask of a request that uses them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::rand;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use crate::Refusal;
use crate::defect::{Defect, Defects};
use crate::policy::Who;

/// Credentials and whose they are.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub access_key: String,
    pub secret_key: SecretString,
    pub token: SecretString,
    pub expires: Timestamp,
    pub account: String,
    pub role: String,
    pub name: String,
    /// The role's id and the session's name, as `GetCallerIdentity` tells them.
    pub user_id: String,
}

impl Session {
    /// The session's ARN.
    pub(crate) fn arn(&self) -> String {
        format!(
            "arn:aws:sts::{}:assumed-role/{}/{}",
            self.account, self.role, self.name
        )
    }

    /// The role's ARN.
    pub(crate) fn role_arn(&self) -> String {
        format!("arn:aws:iam::{}:role/{}", self.account, self.role)
    }

    /// For policies.
    pub(crate) fn who(&self) -> Who {
        Who::Session {
            account: self.account.clone(),
            role: self.role_arn(),
            session: self.arn(),
        }
    }

    /// Whether a request with this session token may use it now.
    pub(crate) fn admit(
        &self,
        token: Option<&str>,
        now: Timestamp,
        defects: &Defects,
    ) -> Result<(), Refusal> {
        if token != Some(self.token.expose_secret()) && !defects.has(Defect::NoSessionToken) {
            return Err(Refusal::SessionToken {
                access_key: self.access_key.clone(),
                present: token.is_some(),
            });
        }
        if now >= self.expires && !defects.has(Defect::EternalSessions) {
            return Err(Refusal::ExpiredSession { session: self.arn() });
        }
        Ok(())
    }
}

/// All sessions, by access key.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    all: Mutex<HashMap<String, Session>>,
}

impl Sessions {
    /// Begins a session.
    pub(crate) fn begin(&self, account: &str, role: &str, name: &str, expires: Timestamp) -> Session {
        let session = Session {
            access_key: format!("ASIA{}", random_id()),
            secret_key: random_text(30).into(),
            token: random_text(96).into(),
            expires,
            account: account.to_owned(),
            role: role.to_owned(),
            name: name.to_owned(),
            user_id: format!("AROA{}:{name}", role_id(account, role)),
        };
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(session.access_key.clone(), session.clone());
        session
    }

    /// The session of an access key.
    pub(crate) fn of(&self, access_key: &str) -> Result<Session, Refusal> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(access_key)
            .cloned()
            .ok_or_else(|| Refusal::UnknownAccessKey {
                access_key: access_key.to_owned(),
            })
    }
}

const ID_LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Sixteen letters and digits, as in an access key's id.
fn random_id() -> String {
    letters(&random_bytes::<16>())
}

/// The same sixteen letters for one role, whenever asked.
fn role_id(account: &str, role: &str) -> String {
    let digest =
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, format!("{account}/{role}").as_bytes());
    letters(&digest.as_ref()[..16])
}

fn letters(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| char::from(ID_LETTERS[usize::from(byte % 32)]))
        .collect()
}

fn random_text(bytes: usize) -> String {
    BASE64_STANDARD.encode(&random_bytes::<96>()[..bytes])
}

fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("the kernel's random numbers do not end");
    bytes
}
