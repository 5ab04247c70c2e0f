//! Becoming a runner and ceasing to be one: the calls that `config.sh` and `config.sh remove` make, and the `.runner` file.

use reqwest::{Client, Method, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};

use crate::config::Settings;
use crate::console::Console;
use crate::crypto::{AgentKey, CryptoError};
use crate::discovery::{AGENTS, POOLS, Routes, discover};
use crate::http::{CallError, List, json as read, send};
use crate::oauth::Agent;
use crate::{REGISTRATION_PAUSE, REGISTRATION_TRIES, VERSION};

/// Registration did not succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegistrationError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    #[error("the task that makes the key ended early")]
    Interrupted(#[from] tokio::task::JoinError),
    #[error("could not find any self-hosted runner group named \"{0}\"")]
    NoGroup(String),
    #[error("the server has no default runner group")]
    NoDefaultGroup,
    #[error("the server does not support configuring a self-hosted runner with '{0}' flag")]
    FlagNotEchoed(&'static str),
    #[error("the registration answered with token schema `{0}`, which this runner does not know")]
    TokenSchema(String),
    #[error("cannot write {path}")]
    Write {
        path: camino::Utf8PathBuf,
        source: std::io::Error,
    },
}

/// A runner that the server knows.
pub(crate) struct Registered {
    pub(crate) agent: Agent,
    pub(crate) agent_id: i64,
    pub(crate) pool_id: i64,
    pub(crate) server_url: String,
    pub(crate) routes: Routes,
}

#[derive(Deserialize)]
struct Registration {
    url: String,
    token_schema: String,
    token: SecretString,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pool {
    id: i64,
    name: String,
    #[serde(default)]
    is_hosted: bool,
    #[serde(default)]
    is_internal: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AgentAnswer {
    id: i64,
    #[serde(default)]
    ephemeral: Option<bool>,
    #[serde(default)]
    disable_update: Option<bool>,
    authorization: AgentAuthorization,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AgentAuthorization {
    authorization_url: String,
    client_id: String,
}

#[derive(Deserialize)]
struct AgentReference {
    id: i64,
}

/// Up to ten tries, one line each; `None` when all failed.
pub(crate) async fn register_with_retries(
    settings: &Settings,
    http: &Client,
    console: &Console,
) -> Option<Registered> {
    let mut ticks = interval(REGISTRATION_PAUSE);
    // A slow failure is followed by a full pause, not by a tick that was missed meanwhile.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for attempt in 1..=REGISTRATION_TRIES {
        ticks.tick().await;
        match register(settings, http, console).await {
            Ok(registered) => return Some(registered),
            Err(error) => {
                console.event(&format!(
                    "Configuration failed (try {attempt} of {REGISTRATION_TRIES}): {}{}",
                    causes(&error),
                    if attempt < REGISTRATION_TRIES {
                        ". Retrying"
                    } else {
                        ""
                    }
                ));
                ticks.reset();
            }
        }
    }
    None
}

/// An error with its causes, which `Display` alone leaves out.
fn causes(error: &RegistrationError) -> String {
    match error {
        RegistrationError::Write { source, .. } => format!("{error}: {source}"),
        _ => error.to_string(),
    }
}

async fn register(
    settings: &Settings,
    http: &Client,
    console: &Console,
) -> Result<Registered, RegistrationError> {
    // The key takes as long as the first calls: make it meanwhile.
    let key = tokio::task::spawn_blocking(AgentKey::generate);
    let management = Management::connect(settings, http, "register").await?;
    console.success("Connected to GitHub");

    let pool = management.choose_pool().await?;
    let key = key.await??;
    let (answer, replaced) = management.add_agent(pool.id, &key).await?;
    if settings.ephemeral && answer.ephemeral != Some(true) {
        return Err(RegistrationError::FlagNotEchoed("Ephemeral"));
    }
    if settings.disable_update && answer.disable_update != Some(true) {
        return Err(RegistrationError::FlagNotEchoed("DisableUpdate"));
    }
    console.success(if replaced {
        "Successfully replaced the runner"
    } else {
        "Runner successfully added"
    });

    let AgentAuthorization {
        authorization_url,
        client_id,
    } = answer.authorization;
    let agent = Agent::new(http.clone(), key, client_id, authorization_url);
    let server_url = management.server_url;
    let routes = discover(http, &server_url, None).await?;
    let pools = routes.url(POOLS, &[])?;
    agent
        .send("GET pools", || {
            http.get(&pools).header("Accept", POOLS.media_type())
        })
        .await?;
    console.success("Runner connection is good");

    let registered = Registered {
        agent,
        agent_id: answer.id,
        pool_id: pool.id,
        server_url,
        routes,
    };
    remember(settings, &registered, &pool)?;
    console.success("Settings Saved.");
    Ok(registered)
}

/// Removes the runner from the server with the registration token, as the image does on SIGTERM.
pub(crate) async fn deregister(settings: &Settings, http: &Client) -> Result<(), RegistrationError> {
    /// Means: all pools.
    const ANY_POOL: i64 = 0;
    let management = Management::connect(settings, http, "remove").await?;
    if let Some(agent_id) = management.find_agent(ANY_POOL).await? {
        management
            .send("DELETE agents", Method::DELETE, ANY_POOL, Some(agent_id), None)
            .await?;
    }
    Ok(())
}

/// The service as seen by who may add and remove runners.
struct Management<'a> {
    settings: &'a Settings,
    http: &'a Client,
    server_url: String,
    token: SecretString,
    routes: Routes,
}

impl<'a> Management<'a> {
    /// The one REST call: trades the registration token for the service's address and a token of its own.
    async fn connect(
        settings: &'a Settings,
        http: &'a Client,
        event: &str,
    ) -> Result<Self, RegistrationError> {
        let call = "POST actions/runner-registration";
        let request = http
            .post(format!("{}/actions/runner-registration", settings.api_url()))
            .header(
                "Authorization",
                format!("RemoteAuth {}", settings.token.expose_secret()),
            )
            .json(&json!({"url": settings.registration_url(), "runner_event": event}));
        let registration: Registration = read(send(request, call).await?, call).await?;
        if !registration.token_schema.eq_ignore_ascii_case("OAuthAccessToken") {
            return Err(RegistrationError::TokenSchema(registration.token_schema));
        }
        let routes = discover(http, &registration.url, Some(&registration.token)).await?;
        Ok(Self {
            settings,
            http,
            server_url: registration.url,
            token: registration.token,
            routes,
        })
    }

    /// The named runner group, or the one that is the scope's default.
    async fn choose_pool(&self) -> Result<Pool, RegistrationError> {
        let call = "GET pools";
        let request = self
            .http
            .get(self.routes.url(POOLS, &[])?)
            .query(&[("poolType", "Automation")])
            .header("Accept", POOLS.media_type())
            .bearer_auth(self.token.expose_secret());
        let pools: List<Pool> = read(send(request, call).await?, call).await?;
        let mut pools = pools.value.into_iter().filter(|pool| !pool.is_hosted);
        match &self.settings.group {
            Some(group) => pools
                .find(|pool| pool.name.eq_ignore_ascii_case(group))
                .ok_or_else(|| RegistrationError::NoGroup(group.clone())),
            None => pools
                .find(|pool| pool.is_internal)
                .ok_or(RegistrationError::NoDefaultGroup),
        }
    }

    /// Adds the runner, or takes the place of one of the same name (`--replace`); true if it replaced.
    async fn add_agent(
        &self,
        pool_id: i64,
        key: &AgentKey,
    ) -> Result<(AgentAnswer, bool), RegistrationError> {
        let mut body = agent_body(self.settings, key);
        let existing = match self.find_agent(pool_id).await? {
            Some(existing) => existing,
            None => match self
                .send("POST agents", Method::POST, pool_id, None, Some(&body))
                .await
            {
                // Someone of this name came between the question and the addition.
                Err(error) if error.status() == Some(StatusCode::CONFLICT) => {
                    self.find_agent(pool_id).await?.ok_or(error)?
                }
                answer => return Ok((read(answer?, "POST agents").await?, false)),
            },
        };
        body["id"] = json!(existing);
        let answer = self
            .send("PUT agents", Method::PUT, pool_id, Some(existing), Some(&body))
            .await?;
        Ok((read(answer, "PUT agents").await?, true))
    }

    async fn find_agent(&self, pool_id: i64) -> Result<Option<i64>, CallError> {
        let call = "GET agents";
        let request = self
            .http
            .get(self.routes.url(AGENTS, &[("poolId", &pool_id.to_string())])?)
            .query(&[
                ("agentName", self.settings.name.as_str()),
                ("includeCapabilities", "False"),
            ])
            .header("Accept", AGENTS.media_type())
            .bearer_auth(self.token.expose_secret());
        let agents: List<AgentReference> = read(send(request, call).await?, call).await?;
        Ok(agents.value.first().map(|agent| agent.id))
    }

    async fn send(
        &self,
        call: &str,
        method: Method,
        pool_id: i64,
        agent_id: Option<i64>,
        body: Option<&serde_json::Value>,
    ) -> Result<Response, CallError> {
        let (pool_id, agent_id) = (pool_id.to_string(), agent_id.map(|id| id.to_string()));
        let mut parameters = vec![("poolId", pool_id.as_str())];
        parameters.extend(agent_id.as_deref().map(|id| ("agentId", id)));
        let mut request = self
            .http
            .request(method, self.routes.url(AGENTS, &parameters)?)
            .header("Accept", AGENTS.media_type())
            .bearer_auth(self.token.expose_secret());
        if let Some(body) = body {
            request = request.json(body);
        }
        send(request, call).await
    }
}

fn agent_body(settings: &Settings, key: &AgentKey) -> serde_json::Value {
    let label = |name: &str, kind: &str| json!({"id": 0, "name": name, "type": kind});
    let system = ["self-hosted", "Linux", "X64"];
    let user = settings
        .labels
        .iter()
        .filter(|name| !system.iter().any(|known| known.eq_ignore_ascii_case(name)));
    let labels: Vec<_> = system
        .iter()
        .map(|name| label(name, "system"))
        .chain(user.map(|name| label(name, "user")))
        .collect();
    json!({
        "id": 0,
        "name": settings.name,
        "version": VERSION,
        "osDescription": os_description(),
        "enabled": true,
        "status": 0,
        "provisioningState": "Provisioned",
        "maxParallelism": 1,
        "ephemeral": settings.ephemeral,
        "disableUpdate": settings.disable_update,
        "labels": labels,
        "authorization": {"publicKey": {"exponent": key.exponent, "modulus": key.modulus}},
    })
}

/// The kernel, as .NET describes the system.
pub(crate) fn os_description() -> String {
    fs_err::read_to_string("/proc/sys/kernel/osrelease").map_or_else(
        |_| "Linux".to_owned(),
        |release| format!("Linux {}", release.trim()),
    )
}

fn remember(settings: &Settings, registered: &Registered, pool: &Pool) -> Result<(), RegistrationError> {
    let path = settings.runner_file();
    let content = json!({
        "agentId": registered.agent_id,
        "agentName": settings.name,
        "poolId": pool.id,
        "poolName": pool.name,
        "serverUrl": registered.server_url,
        "gitHubUrl": settings.registration_url(),
        "isHostedServer": false,
        "ephemeral": settings.ephemeral,
        "disableUpdate": settings.disable_update,
        "workFolder": settings.work_folder,
    });
    fs_err::create_dir_all(&settings.home)
        .and_then(|()| fs_err::write(&path, format!("{content:#}\n")))
        .map_err(|source| RegistrationError::Write { path, source })
}

/// Removes the `.runner` file: whoever waits for it to vanish learns that the runner is no more.
pub(crate) fn forget(settings: &Settings) {
    if let Err(error) = fs_err::remove_file(settings.runner_file())
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!("{error}");
    }
}
