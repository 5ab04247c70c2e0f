//! One HTTP client, and one way to tell how a call went: errors keep the status and the server's own type of error.

use std::time::Duration;

use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde::Deserialize;

use crate::VERSION;
use crate::config::Settings;

/// The time after which a call counts as lost.
const CALL_TIMEOUT: Duration = Duration::from_secs(100);

/// The client cannot be built.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error("SSL_CERT_FILE: {0}")]
    Read(#[source] std::io::Error),
    #[error("SSL_CERT_FILE {path} holds no certificate in PEM form")]
    Empty { path: camino::Utf8PathBuf },
    #[error("{source}")]
    Build {
        #[from]
        source: reqwest::Error,
    },
}

/// A client that trusts the system's authorities and those of `SSL_CERT_FILE`.
pub(crate) fn client(settings: &Settings) -> Result<Client, ClientError> {
    let agent = format!(
        "GitHubActionsRunner-linux-x64/{VERSION} {}",
        settings.extra_user_agent
    );
    let mut builder = Client::builder()
        .user_agent(agent.trim_end())
        .timeout(CALL_TIMEOUT);
    if let Some(path) = &settings.ca_file {
        let pem = fs_err::read(path).map_err(ClientError::Read)?;
        let certificates = reqwest::Certificate::from_pem_bundle(&pem)?;
        if certificates.is_empty() {
            return Err(ClientError::Empty { path: path.clone() });
        }
        builder = builder.tls_certs_merge(certificates);
    }
    Ok(builder.build()?)
}

/// A call did not end well.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("{call}: {}", chain(source))]
    Transport { call: String, source: reqwest::Error },
    #[error("{call}: {status}{}", detail(type_key, message))]
    Refused {
        call: String,
        status: StatusCode,
        type_key: String,
        message: String,
        bearer_challenge: bool,
    },
    #[error("{call}: the answer is not what the protocol says: {source}")]
    Malformed { call: String, source: serde_json::Error },
    #[error("{call}: {reason}")]
    Protocol { call: String, reason: String },
}

impl CallError {
    /// Whether the server named this class of error.
    pub(crate) fn is(&self, class: &str) -> bool {
        matches!(self, Self::Refused { type_key, .. } if type_key.eq_ignore_ascii_case(class))
    }

    pub(crate) fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether the same call may go well a little later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Transport { .. } => true,
            Self::Refused { status, .. } => {
                status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
            }
            Self::Malformed { .. } | Self::Protocol { .. } => false,
        }
    }
}

fn detail(type_key: &str, message: &str) -> String {
    match (type_key, message) {
        ("", "") => String::new(),
        ("", message) => format!(": {message}"),
        (key, "") => format!(" ({key})"),
        (key, message) => format!(" ({key}): {message}"),
    }
}

/// reqwest keeps the cause of a failed connection some levels down.
fn chain(error: &reqwest::Error) -> String {
    std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

/// Sends a request whose body is the last thing it needs; `call` names it in errors.
pub(crate) async fn send(request: RequestBuilder, call: &str) -> Result<Response, CallError> {
    let transport = |source| CallError::Transport {
        call: call.to_owned(),
        source,
    };
    let response = request.send().await.map_err(transport)?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let bearer_challenge = status == StatusCode::UNAUTHORIZED
        && response
            .headers()
            .get_all("WWW-Authenticate")
            .iter()
            .any(|value| value.to_str().is_ok_and(|value| value.contains("Bearer")));
    let body = response.text().await.unwrap_or_default();
    let answer: ErrorBody = serde_json::from_str(&body).unwrap_or_default();
    Err(CallError::Refused {
        call: call.to_owned(),
        status,
        type_key: answer.type_key.or(answer.error).unwrap_or_default(),
        message: answer.message.or(answer.error_description).unwrap_or_default(),
        bearer_challenge,
    })
}

/// Reads the JSON of an answer.
pub(crate) async fn json<T: serde::de::DeserializeOwned>(
    response: Response,
    call: &str,
) -> Result<T, CallError> {
    let text = response.text().await.map_err(|source| CallError::Transport {
        call: call.to_owned(),
        source,
    })?;
    serde_json::from_str(&text).map_err(|source| CallError::Malformed {
        call: call.to_owned(),
        source,
    })
}

/// The error bodies of the runner service (`typeKey`), of OAuth (`error`) and of the REST API (`message`).
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ErrorBody {
    type_key: Option<String>,
    message: Option<String>,
    error: Option<String>,
    #[serde(rename = "error_description")]
    error_description: Option<String>,
}

/// The runner service's way to write a list.
#[derive(Deserialize)]
pub(crate) struct List<T> {
    pub(crate) value: Vec<T>,
}
