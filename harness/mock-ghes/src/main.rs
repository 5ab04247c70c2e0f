//! The server alone, for other people's tests. Prints one JSON line when it is ready; logs go to stderr.

use std::io::Write as _;
use std::net::SocketAddr;

use anyhow::Context as _;
use camino::Utf8PathBuf;
use clap::Parser;
use mock_ghes::{MockGhes, TlsIdentity, World};
use secrecy::ExposeSecret as _;
use tokio::io::AsyncReadExt as _;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// A GitHub Enterprise Server for tests.
///
/// When it is ready it prints one line of JSON: url, ca (PEM, or null without TLS), pat, admin_url, admin_token.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Address and port to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Serve HTTPS with a certificate made at start, for localhost, ghes.test and the address.
    #[arg(long)]
    tls: bool,
    /// Another name for the certificate, besides localhost, ghes.test and the address; may be repeated.
    #[arg(long = "name", value_name = "HOST", requires = "tls")]
    names: Vec<String>,
    /// What exists on the server (YAML); without it: enterprise and organization dogecompany with the quickstart.
    #[arg(long, value_name = "FILE")]
    world: Option<Utf8PathBuf>,
    /// Where repositories and ledger are kept; without it: a temporary folder.
    #[arg(long, value_name = "DIRECTORY")]
    data: Option<Utf8PathBuf>,
    /// `Cache-Control: max-age` of REST answers, in seconds. A real GHES says 60.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    list_max_age: u64,
    /// End when standard input is closed.
    #[arg(long)]
    stdin_lifeline: bool,
}

#[tokio::main]
async fn main() -> std::process::ExitCode {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info")))
        .init();
    match run(arguments).await {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            // A wrong world file is the user's; everything else is the machine's.
            let is_usage = error.downcast_ref::<mock_ghes::WorldError>().is_some();
            std::process::ExitCode::from(if is_usage { 2 } else { 3 })
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let world = arguments
        .world
        .as_deref()
        .map_or_else(|| Ok(World::default()), World::load)?;
    let tls = if arguments.tls {
        Some(TlsIdentity::for_local_server(
            arguments.listen.ip(),
            &arguments.names,
        )?)
    } else {
        None
    };
    let mut interrupt = signal(SignalKind::interrupt()).context("wait for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("wait for SIGTERM")?;

    let mut builder = MockGhes::builder()
        .world(world)
        .listen(arguments.listen)
        .tls(tls.clone())
        .list_max_age(arguments.list_max_age);
    if let Some(data) = arguments.data {
        builder = builder.data(data);
    }
    let (server, hand) = builder.start().await?;
    let line = serde_json::json!({
        "url": hand.url(),
        "ca": tls.map(|identity| identity.ca_pem),
        "pat": hand.pat().expose_secret(),
        "admin_url": hand.admin_url(),
        "admin_token": hand.admin_token().expose_secret(),
    });
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")
        .and_then(|()| stdout.flush())
        .context("print the line that tells the address")?;
    drop(stdout);
    tracing::info!(url = hand.url(), ledger = %hand.ledger().file(), "ready");

    tokio::select! {
        _ = interrupt.recv() => tracing::info!("SIGINT"),
        _ = terminate.recv() => tracing::info!("SIGTERM"),
        () = end_of_stdin(), if arguments.stdin_lifeline => tracing::info!("standard input was closed"),
    }
    server.shutdown().await.context("the server broke while it ran")
}

/// Resolves when whoever holds the other end of standard input is gone.
async fn end_of_stdin() {
    let mut stdin = tokio::io::stdin();
    let mut buffer = [0; 64];
    while !matches!(stdin.read(&mut buffer).await, Ok(0) | Err(_)) {}
}
