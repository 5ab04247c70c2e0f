//! The calls a running job makes, in the name of the job: records, console lines, logs, downloads, completion.

use reqwest::{Client, Method, RequestBuilder, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::message::JobMessage;
use crate::discovery::{
    ACTION_DOWNLOADS, ATTACHMENTS, EVENTS, FEED, LOGS, RECORDS, Resource, Routes, discover,
};
use crate::http::{CallError, json as read, send};

/// The server as a job sees it.
#[derive(Clone)]
pub(crate) struct JobService {
    http: Client,
    routes: Routes,
    token: SecretString,
    scope: String,
    hub: String,
    plan: String,
    timeline: String,
    pub(crate) job_id: String,
}

#[derive(Deserialize)]
struct LogAnswer {
    id: i64,
}

/// Where an action's files are.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ActionDownload {
    pub(crate) name_with_owner: String,
    #[serde(rename = "ref")]
    pub(crate) git_ref: String,
    #[serde(default)]
    pub(crate) resolved_sha: Option<String>,
    pub(crate) tarball_url: String,
    #[serde(default)]
    authentication: Option<DownloadAuthentication>,
}

#[derive(Clone, Deserialize)]
struct DownloadAuthentication {
    token: SecretString,
}

#[derive(Deserialize)]
struct ActionDownloads {
    actions: indexmap::IndexMap<String, ActionDownload>,
}

impl JobService {
    /// Finds the service that the message names, with the message's token.
    pub(crate) async fn connect(http: &Client, message: &JobMessage) -> Result<Self, CallError> {
        let endpoint = message
            .resources
            .endpoints
            .iter()
            .find(|endpoint| endpoint.name == "SystemVssConnection")
            .ok_or_else(|| CallError::Protocol {
                call: "job message".to_owned(),
                reason: "there is no endpoint SystemVssConnection".to_owned(),
            })?;
        let token = endpoint.authorization.parameters.access_token.clone();
        Ok(Self {
            http: http.clone(),
            routes: discover(http, &endpoint.url, Some(&token)).await?,
            token,
            scope: message.plan.scope_identifier.clone(),
            hub: message.plan.plan_type.clone(),
            plan: message.plan.plan_id.clone(),
            timeline: message.timeline.id.clone(),
            job_id: message.job_id.clone(),
        })
    }

    fn request(
        &self,
        method: Method,
        resource: Resource,
        own: &[(&str, &str)],
    ) -> Result<RequestBuilder, CallError> {
        let mut parameters = vec![
            ("scopeIdentifier", self.scope.as_str()),
            ("hubName", self.hub.as_str()),
            ("planId", self.plan.as_str()),
            ("timelineId", self.timeline.as_str()),
        ];
        parameters.extend_from_slice(own);
        Ok(self
            .http
            .request(method, self.routes.url(resource, &parameters)?)
            .header("Accept", resource.media_type())
            .bearer_auth(self.token.expose_secret()))
    }

    /// Adds to, or changes, the records of the timeline.
    pub(crate) async fn update_records(&self, records: &[Value]) -> Result<(), CallError> {
        let body = json!({"count": records.len(), "value": records});
        send(
            self.request(Method::PATCH, RECORDS, &[])?.json(&body),
            "PATCH records",
        )
        .await
        .map(drop)
    }

    /// Shows lines of a step while it runs; `start` counts from 1.
    pub(crate) async fn feed(&self, step: &str, lines: &[String], start: usize) -> Result<(), CallError> {
        let body = json!({"count": lines.len(), "value": lines, "stepId": step, "startLine": start});
        let request = self.request(Method::POST, FEED, &[("recordId", &self.job_id)])?;
        send(request.json(&body), "POST feed").await.map(drop)
    }

    pub(crate) async fn create_log(&self, record: &str) -> Result<i64, CallError> {
        let call = "POST logs";
        let request = self
            .request(Method::POST, LOGS, &[])?
            .json(&json!({"path": format!("logs\\{record}")}));
        let answer: LogAnswer = read(send(request, call).await?, call).await?;
        Ok(answer.id)
    }

    pub(crate) async fn append_log(&self, log: i64, text: String) -> Result<(), CallError> {
        let request = self.request(Method::POST, LOGS, &[("logId", &log.to_string())])?;
        let request = request
            .header("Content-Type", "application/octet-stream")
            .body(text);
        send(request, "POST logs/{id}").await.map(drop)
    }

    pub(crate) async fn attach(&self, kind: &str, record: &str, text: String) -> Result<(), CallError> {
        let name = Uuid::new_v4().to_string();
        let parameters = [("recordId", record), ("type", kind), ("name", &name)];
        let request = self.request(Method::PUT, ATTACHMENTS, &parameters)?;
        let request = request
            .header("Content-Type", "application/octet-stream")
            .body(text);
        send(request, "PUT attachments").await.map(drop)
    }

    /// Asks where an action is.
    pub(crate) async fn locate_action(&self, name: &str, git_ref: &str) -> Result<ActionDownload, CallError> {
        let call = "POST actiondownloadinfo";
        let body = json!({"actions": [{"nameWithOwner": name, "ref": git_ref, "path": ""}]});
        let request = self
            .request(Method::POST, ACTION_DOWNLOADS, &[])?
            .query(&[("jobId", &self.job_id)]);
        let answer: ActionDownloads = read(send(request.json(&body), call).await?, call).await?;
        answer
            .actions
            .into_values()
            .find(|action| action.name_with_owner.eq_ignore_ascii_case(name) && action.git_ref == git_ref)
            .ok_or_else(|| CallError::Protocol {
                call: call.to_owned(),
                reason: format!("the answer has no {name}@{git_ref}"),
            })
    }

    /// Gets an action's archive; with its own token, or else the job's GitHub token.
    pub(crate) async fn download(
        &self,
        action: &ActionDownload,
        github_token: &SecretString,
    ) -> Result<Response, CallError> {
        let token = action
            .authentication
            .as_ref()
            .map_or(github_token, |own| &own.token);
        let request = self
            .http
            .get(&action.tarball_url)
            .basic_auth("x-access-token", Some(token.expose_secret()));
        send(request, "GET tarball").await
    }

    /// Tells the job's result: the word that counts.
    pub(crate) async fn complete(&self, body: &Value) -> Result<(), CallError> {
        send(self.request(Method::POST, EVENTS, &[])?.json(body), "POST events")
            .await
            .map(drop)
    }
}
