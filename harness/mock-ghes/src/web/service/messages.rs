//! Messages to runners: the long poll, the acknowledgement, and the lock on a job that the runner renews.

use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use axum::{Json, Router};
use indexmap::IndexMap;
use serde_json::{Value, json};
use uuid::Uuid;

use super::error::ServiceError;
use super::{Reply, TENANT, runner};
use crate::clock;
use crate::engine::Conclusion;
use crate::state::{
    Acknowledge, Identity, JobRequest, Outgoing, Poll, PollClosed, PollReply, Renew, Renewal, StateHandle,
};
use crate::web::App;
use crate::wire::encrypt_message;

/// How long a poll waits. Clients give up after 60 s.
const POLL: Duration = Duration::from_secs(50);

pub(super) fn router() -> Router<App> {
    let pool = format!("{TENANT}/_apis/distributedtask/pools/{{pool}}");
    Router::new()
        .route(&format!("{pool}/messages"), get(poll))
        .route(&format!("{pool}/messages/{{message}}"), delete(acknowledge))
        .route(
            &format!("{pool}/jobrequests/{{request}}"),
            get(request).patch(renew),
        )
}

/// A query parameter, whatever the case of its name.
fn parameter<'a>(query: &'a IndexMap<String, String>, name: &str) -> Option<&'a str> {
    query
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

fn session(query: &IndexMap<String, String>) -> Result<Uuid, ServiceError> {
    let id = parameter(query, "sessionId").and_then(|id| id.parse().ok());
    id.ok_or_else(|| ServiceError::bad_request("The sessionId is missing or not a GUID."))
}

/// Tells the state that the poll is over, however it ends: a client that leaves drops the handler.
struct OpenPoll {
    state: StateHandle,
    session: Uuid,
    answered: bool,
}

impl Drop for OpenPoll {
    fn drop(&mut self) {
        self.state.tell(PollClosed {
            session: self.session,
            answered: self.answered,
        });
    }
}

async fn poll(
    State(app): State<App>,
    identity: Identity,
    Query(query): Query<IndexMap<String, String>>,
) -> Reply {
    let runner = runner(identity)?;
    let session = session(&query)?;
    let after = parameter(&query, "lastMessageId")
        .and_then(|id| id.parse().ok())
        .unwrap_or(0);
    let mut mailbox = app.state.mailbox();
    let mut ask = Poll {
        runner,
        session,
        after,
        opens: true,
    };
    let mut open = OpenPoll {
        state: app.state.clone(),
        session,
        answered: false,
    };
    let deadline = tokio::time::Instant::now() + POLL;
    let answer = loop {
        mailbox.mark_unchanged();
        match app.state.ask(ask).await? {
            PollReply::Message(message) => break Ok(encrypted(&message)),
            PollReply::RunnerGone => break Err(ServiceError::agent_not_found()),
            PollReply::SessionExpired => {
                let message = "The session expired or was closed.";
                break Err(ServiceError::typed(
                    StatusCode::FORBIDDEN,
                    "TaskAgentSessionExpiredException",
                    message,
                ));
            }
            PollReply::Nothing => {}
        }
        ask = Poll {
            runner,
            session,
            after,
            opens: false,
        };
        let news = async {
            tokio::select! {
                changed = mailbox.changed() => changed.is_ok(),
                () = app.closing.cancelled() => false,
            }
        };
        if !matches!(tokio::time::timeout_at(deadline, news).await, Ok(true)) {
            break Ok(nothing());
        }
    };
    open.answered = true;
    answer
}

/// 202 without a body; the gate sees to `Content-Length: 0`, without which .NET reads on.
fn nothing() -> Response {
    StatusCode::ACCEPTED.into_response()
}

fn encrypted(message: &Outgoing) -> Response {
    let sealed = encrypt_message(&message.key, message.body.to_string().as_bytes());
    Json(json!({
        "messageId": message.id,
        "messageType": message.kind,
        "iv": sealed.iv_b64,
        "body": sealed.body_b64,
    }))
    .into_response()
}

async fn acknowledge(
    State(app): State<App>,
    identity: Identity,
    Path(params): Path<IndexMap<String, String>>,
    Query(query): Query<IndexMap<String, String>>,
) -> Reply {
    let runner = runner(identity)?;
    let session = session(&query)?;
    if let Some(message) = params.get("message").and_then(|id| id.parse().ok()) {
        app.state
            .ask(Acknowledge {
                runner,
                session,
                message,
            })
            .await?;
    }
    Ok(StatusCode::OK.into_response())
}

fn request_id(params: &IndexMap<String, String>) -> Result<u64, ServiceError> {
    params
        .get("request")
        .and_then(|id| id.parse().ok())
        .ok_or_else(job_not_found)
}

fn job_not_found() -> ServiceError {
    let message = "The agent has no such job request: the job has ended or was given to another runner.";
    ServiceError::typed(StatusCode::NOT_FOUND, "TaskAgentJobNotFoundException", message)
}

async fn renew(
    State(app): State<App>,
    identity: Identity,
    Path(params): Path<IndexMap<String, String>>,
) -> Reply {
    let runner = runner(identity)?;
    let request = request_id(&params)?;
    let Renewal { locked_until, runner } = app
        .state
        .ask(Renew { runner, request })
        .await?
        .ok_or_else(job_not_found)?;
    Ok(Json(json!({
        "requestId": request,
        "lockedUntil": clock::service(locked_until),
        "reservedAgent": {"id": runner.id, "name": runner.name},
    }))
    .into_response())
}

async fn request(
    State(app): State<App>,
    identity: Identity,
    Path(params): Path<IndexMap<String, String>>,
) -> Reply {
    let runner = runner(identity)?;
    let request = request_id(&params)?;
    let ended = app
        .state
        .ask(JobRequest { runner, request })
        .await?
        .ok_or_else(job_not_found)?;
    let result = ended.map_or(Value::Null, |conclusion| {
        json!(match conclusion {
            Conclusion::Success => "succeeded",
            Conclusion::Failure => "failed",
            Conclusion::Cancelled => "canceled",
            Conclusion::Skipped => "skipped",
        })
    });
    Ok(Json(json!({"requestId": request, "result": result})).into_response())
}
