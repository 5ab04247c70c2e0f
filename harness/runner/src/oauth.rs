//! Calls in the name of the registered runner: first without a token, then, when the server asks for one, with a token
//! that was got by a signed assertion (RFC 7523), as often as the server asks again.

use jsonwebtoken::{Algorithm, Header};
use reqwest::{Client, RequestBuilder, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::crypto::AgentKey;
use crate::http::{CallError, json, send};

/// The identity of a registered runner.
pub(crate) struct Agent {
    pub(crate) http: Client,
    pub(crate) key: AgentKey,
    client_id: String,
    authorization_url: String,
    token: Mutex<Option<SecretString>>,
}

#[derive(Serialize)]
struct Assertion<'a> {
    sub: &'a str,
    iss: &'a str,
    aud: &'a str,
    jti: String,
    nbf: i64,
    exp: i64,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: SecretString,
}

/// What an assertion is valid for, in seconds.
const ASSERTION_LIFE: i64 = 300;

impl Agent {
    pub(crate) fn new(http: Client, key: AgentKey, client_id: String, authorization_url: String) -> Self {
        Self {
            http,
            key,
            client_id,
            authorization_url,
            token: Mutex::new(None),
        }
    }

    /// Sends what `build` makes; on a Bearer challenge gets a token and sends it once more.
    pub(crate) async fn send(
        &self,
        call: &str,
        build: impl Fn() -> RequestBuilder,
    ) -> Result<Response, CallError> {
        let token = self.token.lock().await.clone();
        match send(authorized(build(), token.as_ref()), call).await {
            Err(CallError::Refused {
                bearer_challenge: true,
                ..
            }) => {
                let fresh = self.renew(token.as_ref()).await?;
                send(authorized(build(), Some(&fresh)), call).await
            }
            answer => answer,
        }
    }

    /// A new token, unless another call has got one since `stale` was refused.
    async fn renew(&self, stale: Option<&SecretString>) -> Result<SecretString, CallError> {
        let mut token = self.token.lock().await;
        if let Some(current) = token.as_ref()
            && stale.is_none_or(|stale| stale.expose_secret() != current.expose_secret())
        {
            return Ok(current.clone());
        }
        let fresh = self.request_token().await?;
        *token = Some(fresh.clone());
        Ok(fresh)
    }

    async fn request_token(&self) -> Result<SecretString, CallError> {
        let call = "POST token";
        let now = jiff::Timestamp::now().as_second();
        let claims = Assertion {
            sub: &self.client_id,
            iss: &self.client_id,
            aud: &self.authorization_url,
            jti: Uuid::new_v4().to_string(),
            nbf: now,
            exp: now + ASSERTION_LIFE,
        };
        let assertion = jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &self.key.signing)
            .map_err(|error| CallError::Protocol {
                call: call.to_owned(),
                reason: error.to_string(),
            })?;
        let request = self.http.post(&self.authorization_url).form(&[
            ("grant_type", "client_credentials"),
            (
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            ),
            ("client_assertion", &assertion),
        ]);
        let answer: TokenAnswer = json(send(request, call).await?, call).await?;
        Ok(answer.access_token)
    }
}

fn authorized(request: RequestBuilder, token: Option<&SecretString>) -> RequestBuilder {
    match token {
        Some(token) => request.bearer_auth(token.expose_secret()),
        None => request,
    }
}
