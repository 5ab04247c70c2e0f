//! The runner's side of the message queue: open a session, wait for messages, acknowledge them, close the session.

use std::time::Duration;

use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::json;

use crate::VERSION;
use crate::config::Settings;
use crate::crypto::{CryptoError, SessionKey};
use crate::discovery::{JOB_REQUESTS, MESSAGES, Resource, SESSIONS};
use crate::http::{CallError, json as read};
use crate::registration::{Registered, os_description};

/// The server answers an empty poll after at most 50 s.
const POLL_TIMEOUT: Duration = Duration::from_secs(60);

const NO_ID: &str = "00000000-0000-0000-0000-000000000000";

/// A call on the queue failed, or its answer cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}

/// An open session.
pub(crate) struct Session {
    id: String,
    key: Option<SessionKey>,
}

/// A message, readable.
pub(crate) struct Message {
    pub(crate) id: i64,
    pub(crate) kind: String,
    pub(crate) body: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SessionAnswer {
    session_id: String,
    #[serde(default)]
    encryption_key: Option<EncryptionKey>,
    #[serde(default)]
    use_fips_encryption: Option<bool>,
}

#[derive(Deserialize)]
struct EncryptionKey {
    #[serde(default)]
    encrypted: bool,
    #[serde(default)]
    value: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MessageAnswer {
    message_id: i64,
    message_type: String,
    #[serde(default)]
    iv: Option<String>,
    #[serde(default)]
    body: String,
}

impl Session {
    pub(crate) async fn open(registered: &Registered, settings: &Settings) -> Result<Self, SessionError> {
        let call = "POST sessions";
        let url = address(registered, SESSIONS, None)?;
        let owner = nix::sys::utsname::uname()
            .ok()
            .and_then(|names| names.nodename().to_str().map(str::to_owned))
            .unwrap_or_else(|| settings.name.clone());
        let body = json!({
            "sessionId": NO_ID,
            "ownerName": owner,
            "agent": {
                "id": registered.agent_id, "name": settings.name, "version": VERSION,
                "osDescription": os_description(), "ephemeral": null, "status": 0, "provisioningState": null,
            },
            "useFipsEncryption": false,
        });
        let build = || {
            registered
                .agent
                .http
                .post(&url)
                .header("Accept", SESSIONS.media_type())
                .json(&body)
        };
        let answer: SessionAnswer = read(registered.agent.send(call, build).await?, call).await?;
        let key = match answer.encryption_key {
            Some(EncryptionKey {
                encrypted,
                value: Some(value),
            }) if !value.is_empty() => Some(registered.agent.key.session_key(
                &value,
                encrypted,
                answer.use_fips_encryption == Some(true),
            )?),
            _ => None,
        };
        Ok(Self {
            id: answer.session_id,
            key,
        })
    }

    /// One long poll: a message, or nothing when the server has none.
    pub(crate) async fn next(
        &self,
        registered: &Registered,
        last: Option<i64>,
    ) -> Result<Option<Message>, SessionError> {
        let call = "GET messages";
        let url = address(registered, MESSAGES, None)?;
        let mut query = vec![
            ("sessionId", self.id.clone()),
            ("status", "Online".to_owned()),
            ("runnerVersion", VERSION.to_owned()),
        ];
        query.extend(last.map(|id| ("lastMessageId", id.to_string())));
        let build = || {
            let request = registered
                .agent
                .http
                .get(&url)
                .query(&query)
                .timeout(POLL_TIMEOUT);
            request.header("Accept", MESSAGES.media_type())
        };
        let response = registered.agent.send(call, build).await?;
        if response.status() != StatusCode::OK || response.content_length() == Some(0) {
            return Ok(None);
        }
        let answer: MessageAnswer = read(response, call).await?;
        let body = match (&self.key, answer.iv.as_deref()) {
            (Some(key), Some(iv)) if !iv.is_empty() => key.decrypt(&answer.body, iv)?,
            _ => answer.body,
        };
        let body = body.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(body);
        Ok(Some(Message {
            id: answer.message_id,
            kind: answer.message_type,
            body,
        }))
    }

    /// Tells the server that a message has arrived for good.
    pub(crate) async fn acknowledge(
        &self,
        registered: &Registered,
        message_id: i64,
    ) -> Result<(), CallError> {
        let url = address(registered, MESSAGES, Some(("messageId", &message_id.to_string())))?;
        let build = || {
            let request = registered
                .agent
                .http
                .delete(&url)
                .query(&[("sessionId", &self.id)]);
            request.header("Accept", MESSAGES.media_type())
        };
        registered.agent.send("DELETE messages", build).await.map(drop)
    }

    pub(crate) async fn close(&self, registered: &Registered) -> Result<(), CallError> {
        let url = address(registered, SESSIONS, Some(("sessionId", &self.id)))?;
        let build = || {
            registered
                .agent
                .http
                .delete(&url)
                .header("Accept", SESSIONS.media_type())
        };
        registered.agent.send("DELETE sessions", build).await.map(drop)
    }
}

/// Keeps the lock on a job: the server takes a job whose lock expires for lost.
pub(crate) async fn renew_job(registered: &Registered, request_id: i64) -> Result<(), CallError> {
    let call = "PATCH jobrequests";
    let url = address(
        registered,
        JOB_REQUESTS,
        Some(("requestId", &request_id.to_string())),
    )?;
    let build = || {
        let request = registered.agent.http.patch(&url).query(&[("lockToken", NO_ID)]);
        request
            .header("Accept", JOB_REQUESTS.media_type())
            .json(&json!({"requestId": request_id}))
    };
    let answer: serde_json::Value = read(registered.agent.send(call, build).await?, call).await?;
    match answer.get("lockedUntil") {
        Some(serde_json::Value::String(_)) => Ok(()),
        _ => Err(CallError::Protocol {
            call: call.to_owned(),
            reason: "no lockedUntil".to_owned(),
        }),
    }
}

fn address(
    registered: &Registered,
    resource: Resource,
    parameter: Option<(&str, &str)>,
) -> Result<String, CallError> {
    let pool_id = registered.pool_id.to_string();
    let parameters: Vec<_> = [("poolId", pool_id.as_str())]
        .into_iter()
        .chain(parameter)
        .collect();
    registered.routes.url(resource, &parameters)
}
