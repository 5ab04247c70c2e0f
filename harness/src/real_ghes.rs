//! `cargo xtask ghes check` and `ghes sweep`: what a run would find on a GHES that is not ours, and what earlier ones left there.
//!
//! What it is not: the rules of who may be spoken to and what may be written, which are types of `harness_ghes`.

mod check;
mod screen;
mod sweep;

use std::time::Duration;

use anyhow::Context as _;
use camino::Utf8PathBuf;
use harness_ghes::{Admitted, Failure, GhesError, Guest, NotAdmitted, Pace, Repo, Targets, Unfit, is_name};
use harness_model::{Exit, HOSTS_VARIABLE, Hosts, InvalidHost, Redactor};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

/// Where the token stands, if not in a file. Never in an argument: anybody on the machine may read those.
const TOKEN_VARIABLE: &str = "GHES_TOKEN";

/// A real GHES: what would happen there, and what was left.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// What a run would find and make there, what is missing and how to grant it. Writes nothing. Exit 0: a run can take place
    Check(Box<Server>),
    /// Remove what earlier runs left on marked targets, and nothing else. Exit 0: nothing is left that could be removed
    Sweep(Box<sweep::Args>),
}

/// Which server, by whom, on what.
#[derive(clap::Args)]
struct Server {
    /// Its address; the host must stand in GHES_HOSTS
    #[arg(long, value_name = "https://HOST")]
    ghes: String,
    /// A file with the personal access token; without it, GHES_TOKEN
    #[arg(long, value_name = "FILE")]
    token_file: Option<Utf8PathBuf>,
    /// The CA in PEM that signed its certificate, if the system does not trust it
    #[arg(long, value_name = "FILE")]
    ca: Option<Utf8PathBuf>,
    /// The slug of the enterprise; its mark stands on the organization that is named along
    #[arg(long, value_parser = name)]
    enterprise: Option<String>,
    /// The login of the organization
    #[arg(long, value_parser = name)]
    organization: Option<String>,
    /// The repository
    #[arg(long, value_name = "OWNER/NAME")]
    repository: Option<Repo>,
    /// At most so many requests, tries and pages included
    #[arg(long, value_name = "N", default_value_t = 500)]
    api_budget: u32,
    /// How long an answer may take
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Format {
    Human,
    Json,
}

fn name(text: &str) -> Result<String, String> {
    if is_name(text) {
        Ok(text.to_owned())
    } else {
        Err("letters, digits, dashes, underscores and dots are what a name has".to_owned())
    }
}

/// Carries out the verb, and tells why it ends. Nothing that it prints has the token.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let redactor = Redactor::default();
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    let ended = match &args.verb {
        Verb::Check(server) => runtime.block_on(check::run(server, &redactor)),
        Verb::Sweep(args) => runtime.block_on(sweep::run(args, &redactor)),
    };
    Ok(match &ended {
        Ok(()) => Exit::Green,
        Err(error) => {
            screen::complain(&redactor, &format!("{error:#}"));
            exit_of(error)
        }
    })
}

/// A value of the command line or the environment that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Wrong(String);

/// What the user must mend is usage; a server that does not answer is the environment.
fn exit_of(error: &anyhow::Error) -> Exit {
    let client = error
        .downcast_ref::<Explained>()
        .map(|explained| &explained.error)
        .or_else(|| error.downcast_ref::<GhesError>());
    if let Some(error) = client {
        return match error.failure() {
            Failure::Refused {
                status, rate_limited, ..
            } if *rate_limited || status.is_server_error() => Exit::Environment,
            Failure::Refused { .. } | Failure::Target(_) | Failure::Answer(_) => Exit::Usage,
            _ => Exit::Environment,
        };
    }
    let usage =
        error.is::<NotAdmitted>() || error.is::<InvalidHost>() || error.is::<Wrong>() || error.is::<Unfit>();
    if usage { Exit::Usage } else { Exit::Harness }
}

impl Server {
    /// The address, if it may be spoken to. Nothing is sent.
    fn admit(&self) -> anyhow::Result<Admitted> {
        let listed = std::env::var(HOSTS_VARIABLE).unwrap_or_default();
        let hosts: Hosts = listed.parse().with_context(|| HOSTS_VARIABLE.to_owned())?;
        Ok(Admitted::of(&self.ghes, &hosts)?)
    }

    fn targets(&self) -> Targets {
        Targets {
            enterprise: self.enterprise.clone(),
            organization: self.organization.clone(),
            repository: self.repository.clone(),
        }
    }

    /// Connects. The redactor knows the token from here on.
    async fn enter(&self, admitted: &Admitted, redactor: &Redactor) -> anyhow::Result<Guest> {
        let token = self.token(redactor)?;
        let ca = self.ca.as_ref().map(|file| read("ca", file)).transpose()?;
        let pace = Pace::default()
            .with_budget(self.api_budget)
            .with_timeout(Duration::from_secs(self.timeout));
        let entered = Guest::enter(admitted, token, ca, pace).await;
        entered.map_err(|error| explained(error, admitted))
    }

    fn token(&self, redactor: &Redactor) -> anyhow::Result<SecretString> {
        let (text, place) = match &self.token_file {
            Some(file) => (read("token-file", file)?, format!("the file {file}")),
            None => (
                std::env::var(TOKEN_VARIABLE).unwrap_or_default(),
                format!("the variable {TOKEN_VARIABLE}"),
            ),
        };
        let token = SecretString::from(text.trim());
        if token.expose_secret().is_empty() {
            let words = format!(
                "there is no token in {place}: set {TOKEN_VARIABLE} to a personal access token, or name a file with --token-file"
            );
            return Err(Wrong(words).into());
        }
        match redactor.learn(token.expose_secret()).refusal() {
            None => Ok(token),
            Some(refusal) => Err(Wrong(format!("the token in {place}: {refusal}")).into()),
        }
    }
}

fn read(flag: &str, file: &Utf8PathBuf) -> Result<String, Wrong> {
    std::fs::read_to_string(file).map_err(|cause| Wrong(format!("--{flag} {file}: cannot be read: {cause}")))
}

/// An error of the client, with what only the command line knows: the flag that mends it, the proxy that was used.
#[derive(Debug, thiserror::Error)]
#[error("{error}; {hint}")]
struct Explained {
    error: GhesError,
    hint: String,
}

fn explained(error: GhesError, admitted: &Admitted) -> anyhow::Error {
    let Failure::Unreachable { reason, .. } = error.failure() else {
        return error.into();
    };
    let proxy = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
        .into_iter()
        .find(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
    // The variable's name, never its value: it may hold a password.
    let hint = match proxy.filter(|_| admitted.may_be_behind_a_proxy()) {
        _ if reason.contains("certificate") => "--ca FILE takes it, in PEM".to_owned(),
        Some(name) => format!("requests go through the proxy of {name}"),
        None => return error.into(),
    };
    Explained { error, hint }.into()
}

/// Without `/api/v3`: below it lie the pages for people.
fn base(url: &Url) -> Url {
    let mut base = url.clone();
    base.set_path("/");
    base
}
