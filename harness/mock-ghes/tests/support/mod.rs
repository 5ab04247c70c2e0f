//! A client of its own for the protocol tests: reqwest for HTTP, and just enough of a runner. It shares no code with
//! the server.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::time::Duration;

use aws_lc_rs::cipher::{AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{KeyPair, KeySize, OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use mock_ghes::{Hand, MockGhes, Server, TlsIdentity, World};
use reqwest::{Method, Response, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

/// Longest wait for anything.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A running server and how to reach it.
pub(crate) struct Ghes {
    pub(crate) server: Server,
    pub(crate) hand: Hand,
    pub(crate) http: reqwest::Client,
    pub(crate) url: String,
    pub(crate) pat: String,
}

pub(crate) async fn start() -> Ghes {
    start_with(World::default()).await
}

pub(crate) async fn start_with(world: World) -> Ghes {
    start_as(world, None).await
}

pub(crate) async fn start_as(world: World, tls: Option<TlsIdentity>) -> Ghes {
    let authority = tls.as_ref().map(|identity| {
        reqwest::Certificate::from_pem(identity.ca_pem.as_bytes()).expect("the authority is PEM")
    });
    let (server, hand) = MockGhes::builder()
        .world(world)
        .tls(tls)
        .start()
        .await
        .expect("the server starts");
    let url = hand.url();
    let pat = hand.pat().expose_secret().to_owned();
    let http = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(DEADLINE)
        .tls_certs_only(authority)
        .build()
        .expect("a client can be built");
    Ghes {
        server,
        hand,
        http,
        url,
        pat,
    }
}

/// A world from YAML with user `u` and a token of all scopes.
pub(crate) fn world(yaml: &str) -> World {
    let token = "users: [{login: u}]\ntokens:\n  - user: u\n    scopes: [repo, \"admin:org\", \"admin:enterprise\"]\n";
    harness_yaml::workflow(&format!("{yaml}{token}")).expect("the world is well-formed")
}

impl Ghes {
    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    /// A REST call with the token.
    pub(crate) async fn rest(&self, method: Method, path: &str) -> Response {
        let request = self
            .request(method, &format!("/api/v3/{path}"))
            .bearer_auth(&self.pat);
        request.send().await.expect("the server answers")
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let response = self.rest(Method::GET, path).await;
        assert_eq!(response.status(), StatusCode::OK, "GET {path}");
        response.json().await.expect("the answer is JSON")
    }

    pub(crate) async fn dispatch(&self, repository: &str, file: &str, body: Value) -> Response {
        let path = format!("/api/v3/repos/{repository}/actions/workflows/{file}/dispatches");
        let request = self
            .request(Method::POST, &path)
            .bearer_auth(&self.pat)
            .json(&body);
        request.send().await.expect("the server answers")
    }

    /// Waits until the state satisfies a probe, and returns what the probe found.
    pub(crate) async fn eventually<T>(&self, what: &str, probe: impl AsyncFn(&Hand) -> Option<T>) -> T {
        let mut revision = self.hand.watch();
        let wait = async {
            loop {
                revision.mark_unchanged();
                if let Some(found) = probe(&self.hand).await {
                    return found;
                }
                revision.changed().await.expect("the server runs");
            }
        };
        tokio::time::timeout(DEADLINE, wait)
            .await
            .unwrap_or_else(|_| panic!("timed out waiting for: {what}"))
    }

    pub(crate) async fn shutdown(self) {
        self.server
            .shutdown()
            .await
            .expect("nothing broke while the server ran");
    }
}

pub(crate) async fn json_of(response: Response) -> Value {
    response.json().await.expect("the answer is JSON")
}

/// Where a runner registers: REST path and URL path.
pub(crate) const ENTERPRISE: (&str, &str) = ("enterprises/dogecompany", "enterprises/dogecompany");
pub(crate) const ORGANIZATION: (&str, &str) = ("orgs/dogecompany", "dogecompany");
pub(crate) const REPOSITORY: (&str, &str) = ("repos/dogecompany/quickstart", "dogecompany/quickstart");

/// A runner that registered, without a session yet.
pub(crate) struct Runner<'a> {
    pub(crate) ghes: &'a Ghes,
    pub(crate) agent: Value,
    pub(crate) tenant: String,
    pub(crate) management_token: String,
    key: KeyPair,
    token: String,
    session: String,
    aes: Vec<u8>,
}

/// What a registration sends, beside the key.
pub(crate) struct Registration<'a> {
    pub(crate) name: &'a str,
    pub(crate) labels: &'a [&'a str],
    pub(crate) ephemeral: bool,
}

impl<'a> Runner<'a> {
    /// The registration token's trade for tenant URL and management token.
    pub(crate) async fn connect(ghes: &'a Ghes, scope: (&str, &str)) -> (String, String) {
        let path = format!("{}/actions/runners/registration-token", scope.0);
        let token = json_of(ghes.rest(Method::POST, &path).await).await;
        let response = ghes
            .request(Method::POST, "/api/v3/actions/runner-registration")
            .header(
                "Authorization",
                format!("RemoteAuth {}", token["token"].as_str().expect("a token")),
            )
            .json(&json!({"url": format!("{}/{}", ghes.url, scope.1), "runner_event": "register"}))
            .send()
            .await
            .expect("the server answers");
        assert_eq!(response.status(), StatusCode::OK);
        let answer = json_of(response).await;
        assert_eq!(answer["token_schema"], "OAuthAccessToken");
        (
            answer["url"].as_str().expect("a tenant URL").to_owned(),
            answer["token"].as_str().expect("a token").to_owned(),
        )
    }

    pub(crate) fn agent_body(key: &KeyPair, registration: &Registration<'_>) -> Value {
        let public = key.public_key();
        let system =
            ["self-hosted", "Linux", "X64"].map(|name| json!({"id": 0, "name": name, "type": "system"}));
        let user = registration
            .labels
            .iter()
            .map(|name| json!({"id": 0, "name": name, "type": "user"}));
        json!({
            "name": registration.name,
            "version": "2.306.0",
            "osDescription": "Linux 6.1",
            "labels": system.into_iter().chain(user).collect::<Vec<_>>(),
            "authorization": {"publicKey": {
                "exponent": BASE64_STANDARD.encode(public.exponent().big_endian_without_leading_zero()),
                "modulus": BASE64_STANDARD.encode(public.modulus().big_endian_without_leading_zero()),
            }},
            "ephemeral": registration.ephemeral,
            "disableUpdate": true,
            "maxParallelism": 1,
        })
    }

    pub(crate) async fn register(
        ghes: &'a Ghes,
        scope: (&str, &str),
        registration: Registration<'_>,
    ) -> Runner<'a> {
        let (tenant, management_token) = Runner::connect(ghes, scope).await;
        let key = KeyPair::generate(KeySize::Rsa2048).expect("a key can be generated");
        let response = ghes
            .http
            .post(format!("{tenant}_apis/distributedtask/pools/1/agents"))
            .bearer_auth(&management_token)
            .json(&Runner::agent_body(&key, &registration))
            .send()
            .await
            .expect("the server answers");
        assert_eq!(response.status(), StatusCode::OK);
        let agent = json_of(response).await;
        Runner {
            ghes,
            agent,
            tenant,
            management_token,
            key,
            token: String::new(),
            session: String::new(),
            aes: Vec::new(),
        }
    }

    pub(crate) fn id(&self) -> u64 {
        self.agent["id"].as_u64().expect("an agent has a number")
    }

    /// Asks for the access token.
    pub(crate) async fn authorize(&self) -> Response {
        let url = self.agent["authorization"]["authorizationUrl"]
            .as_str()
            .expect("an authorization URL");
        let client = self.agent["authorization"]["clientId"]
            .as_str()
            .expect("a client id");
        let now = jiff::Timestamp::now().as_second();
        let claims = json!({"sub": client, "iss": client, "aud": url, "jti": uuid::Uuid::new_v4(), "nbf": now, "exp": now + 300});
        let pkcs8: Pkcs8V1Der<'_> = self.key.as_der().expect("the key has a PKCS#8 form");
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            BASE64_STANDARD.encode(pkcs8.as_ref())
        );
        let signing = EncodingKey::from_rsa_pem(pem.as_bytes()).expect("the key is RSA");
        let assertion = jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &signing)
            .expect("claims can be signed");
        let form = [
            ("grant_type", "client_credentials"),
            (
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            ),
            ("client_assertion", &assertion),
        ];
        self.ghes
            .http
            .post(url)
            .form(&form)
            .send()
            .await
            .expect("the server answers")
    }

    pub(crate) fn call(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}_apis/distributedtask/pools/1/{path}", self.tenant);
        self.ghes.http.request(method, url).bearer_auth(&self.token)
    }

    pub(crate) async fn try_open_session(&mut self) -> Response {
        let token = json_of(self.authorize().await).await;
        self.token = token["access_token"]
            .as_str()
            .expect("an access token")
            .to_owned();
        let body = json!({"ownerName": "test", "agent": {"id": self.id(), "name": self.agent["name"]}});
        self.call(Method::POST, "sessions")
            .json(&body)
            .send()
            .await
            .expect("the server answers")
    }

    pub(crate) async fn open_session(&mut self) {
        let response = self.try_open_session().await;
        assert_eq!(response.status(), StatusCode::OK);
        let session = json_of(response).await;
        self.session = session["sessionId"].as_str().expect("a session id").to_owned();
        assert_eq!(session["encryptionKey"]["encrypted"], true);
        let sealed = BASE64_STANDARD
            .decode(session["encryptionKey"]["value"].as_str().expect("a key"))
            .expect("the key is base64");
        let pkcs8: Pkcs8V1Der<'_> = self.key.as_der().expect("the key has a PKCS#8 form");
        let private = PrivateDecryptingKey::from_pkcs8(pkcs8.as_ref()).expect("the key is RSA");
        let private = OaepPrivateDecryptingKey::new(private).expect("the key decrypts");
        let mut plain = vec![0; private.min_output_size()];
        self.aes = private
            .decrypt(&OAEP_SHA1_MGF1SHA1, &sealed, &mut plain, None)
            .expect("the session key was sealed to this runner")
            .to_vec();
    }

    pub(crate) fn poll(&self) -> reqwest::RequestBuilder {
        self.call(
            Method::GET,
            &format!(
                "messages?sessionId={}&status=Online&runnerVersion=2.306.0",
                self.session
            ),
        )
    }

    /// The next message's type and decrypted body, acknowledged.
    pub(crate) async fn message(&self) -> (String, Value) {
        let response = self.poll().send().await.expect("the server answers");
        assert_eq!(response.status(), StatusCode::OK, "a message must come");
        let message = json_of(response).await;
        let path = format!("messages/{}?sessionId={}", message["messageId"], self.session);
        let acknowledged = self
            .call(Method::DELETE, &path)
            .send()
            .await
            .expect("the server answers");
        assert!(acknowledged.status().is_success());
        let decode = |field: &str| {
            BASE64_STANDARD
                .decode(message[field].as_str().expect("a text"))
                .expect("the field is base64")
        };
        let iv: [u8; 16] = decode("iv").try_into().expect("an IV has 16 bytes");
        let mut body = decode("body");
        let key = UnboundCipherKey::new(&AES_256, &self.aes).expect("the session key is AES-256");
        let plain = PaddedBlockDecryptingKey::cbc_pkcs7(key)
            .and_then(|key| {
                key.decrypt(&mut body, DecryptionContext::Iv128(FixedLength::from(iv)))
                    .map(|plain| plain.to_vec())
            })
            .expect("the body decrypts with the session key");
        let kind = message["messageType"].as_str().expect("a type").to_owned();
        (kind, serde_json::from_slice(&plain).expect("the body is JSON"))
    }

    pub(crate) async fn close_session(&self) -> StatusCode {
        let path = format!("sessions/{}", self.session);
        self.call(Method::DELETE, &path)
            .send()
            .await
            .expect("the server answers")
            .status()
    }

    /// Waits for a job and takes it: the first renewal.
    pub(crate) async fn take_job(&self) -> Job<'a> {
        let (kind, body) = self.message().await;
        assert_eq!(kind, "PipelineAgentJobRequest");
        let request = body["requestId"].as_u64().expect("a request number");
        let renewed = self
            .call(
                Method::PATCH,
                &format!("jobrequests/{request}?lockToken=00000000-0000-0000-0000-000000000000"),
            )
            .json(&json!({"requestId": request}))
            .send()
            .await
            .expect("the server answers");
        assert_eq!(renewed.status(), StatusCode::OK);
        assert!(
            json_of(renewed).await["lockedUntil"].is_string(),
            "lockedUntil must not be null"
        );
        Job {
            ghes: self.ghes,
            body,
        }
    }

    pub(crate) async fn renew(&self, request: u64) -> Response {
        let call = self.call(Method::PATCH, &format!("jobrequests/{request}"));
        call.json(&json!({"requestId": request}))
            .send()
            .await
            .expect("the server answers")
    }
}

/// A job that a runner took.
pub(crate) struct Job<'a> {
    ghes: &'a Ghes,
    pub(crate) body: Value,
}

impl Job<'_> {
    pub(crate) fn text(&self, pointer: &str) -> &str {
        self.body
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_else(|| panic!("{pointer} must be a text"))
    }

    pub(crate) fn call(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let endpoint = &self.body["resources"]["endpoints"][0];
        let url = format!(
            "{}{}/_apis/distributedtask/hubs/actions/plans/{}/{path}",
            endpoint["url"].as_str().expect("a URL"),
            self.text("/plan/scopeIdentifier"),
            self.text("/plan/planId"),
        );
        let token = endpoint["authorization"]["parameters"]["AccessToken"]
            .as_str()
            .expect("a token");
        self.ghes.http.request(method, url).bearer_auth(token)
    }

    pub(crate) fn github_token(&self) -> &str {
        self.text("/variables/github_token/value")
    }

    /// Reports one step with a log, binds the log to the job, and the end, in .NET's spelling.
    pub(crate) async fn finish(&self, result: &str, outputs: Value) {
        let job_id = self.text("/jobId");
        let log = self
            .call(Method::POST, "logs")
            .json(&json!({"path": format!("logs\\{job_id}")}));
        let log = json_of(log.send().await.expect("the server answers")).await["id"]
            .as_u64()
            .expect("a log id");
        let text = "2026-01-01T00:00:00.0000000Z hello from the step\n";
        let appended = self
            .call(Method::POST, &format!("logs/{log}"))
            .body(text)
            .send()
            .await;
        assert_eq!(appended.expect("the server answers").status(), StatusCode::OK);
        let records = json!({"count": 2, "value": [
            {"id": job_id, "type": "Job", "name": "job", "state": "inProgress", "startTime": "2026-01-01T00:00:00.0000000Z", "log": {"id": log}},
            {"id": uuid::Uuid::new_v4(), "parentId": job_id, "type": "Task", "name": "Set up job", "order": 1, "state": "completed",
             "result": "succeeded", "startTime": "2026-01-01T00:00:00Z", "finishTime": "2026-01-01T00:00:01Z"},
        ]});
        let path = format!("timelines/{}/records", self.text("/timeline/id"));
        let patched = self
            .call(Method::PATCH, &path)
            .json(&records)
            .send()
            .await
            .expect("the server answers");
        assert_eq!(json_of(patched).await["count"], 2);
        let event = json!({"name": "JobCompleted", "jobId": job_id, "requestId": self.body["requestId"], "result": result, "outputs": outputs});
        let completed = self
            .call(Method::POST, "events")
            .json(&event)
            .send()
            .await
            .expect("the server answers");
        assert_eq!(completed.status(), StatusCode::OK);
    }
}

/// A secret, for calls that want one.
pub(crate) fn secret(text: &str) -> SecretString {
    SecretString::from(text.to_owned())
}
