//! The server alone. Prints one JSON line when it is ready; logs go to stderr.

use std::io::Write as _;
use std::net::SocketAddr;

use anyhow::Context as _;
use camino::Utf8PathBuf;
use clap::Parser;
use mock_aws::{Builder, Defect, StartError, TlsIdentity, World, WorldError};
use tokio::io::AsyncReadExt as _;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// STS and S3 for tests.
///
/// When it is ready it prints one line of JSON: url, ca (PEM, or null without TLS).
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Address and port to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Serve HTTPS with a certificate made at start, for localhost and the address.
    #[arg(long)]
    tls: bool,
    /// Another name for the certificate; may be repeated.
    #[arg(long = "name", value_name = "HOST", requires = "tls")]
    names: Vec<String>,
    /// Accounts with their OIDC providers, roles and buckets (TOML, or JSON if the name ends so).
    #[arg(long, value_name = "FILE")]
    world: Utf8PathBuf,
    /// Also write the ledger to this file, a line of JSON for each answer.
    #[arg(long, value_name = "FILE")]
    ledger: Option<Utf8PathBuf>,
    /// Leave out one of the server's judgements, to prove that a check notices; may be repeated.
    #[arg(long = "defect", value_name = "NAME")]
    defects: Vec<Defect>,
    /// End when standard input is closed.
    #[arg(long)]
    stdin_lifeline: bool,
}

#[tokio::main]
async fn main() -> std::process::ExitCode {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        // Every refusal would be an error of s3s; the ledger tells them.
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,s3s=off")))
        .init();
    match run(arguments).await {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            // A wrong world file is the user's; everything else is the machine's.
            let is_usage =
                error.is::<WorldError>() || matches!(error.downcast_ref(), Some(StartError::World(_)));
            std::process::ExitCode::from(if is_usage { 2 } else { 3 })
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let world = World::load(&arguments.world)?;
    let mut names = vec!["localhost".to_owned(), arguments.listen.ip().to_string()];
    names.extend(arguments.names);
    let tls = arguments.tls.then(|| TlsIdentity::generate(&names)).transpose()?;
    let mut interrupt = signal(SignalKind::interrupt()).context("wait for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("wait for SIGTERM")?;

    let mut builder = Builder::default()
        .world(world)
        .listen(arguments.listen)
        .tls(tls.clone())
        .ledger(arguments.ledger);
    for defect in arguments.defects {
        tracing::warn!(%defect, "seeded");
        builder = builder.defect(defect);
    }
    let mut server = builder.start().await?;
    let line = serde_json::json!({
        "url": server.url(),
        "ca": tls.map(|identity| identity.ca_pem),
    });
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")
        .and_then(|()| stdout.flush())
        .context("print the line that tells the address")?;
    drop(stdout);
    tracing::info!(url = server.url(), "ready");

    tokio::select! {
        _ = interrupt.recv() => tracing::info!("SIGINT"),
        _ = terminate.recv() => tracing::info!("SIGTERM"),
        () = end_of_stdin(), if arguments.stdin_lifeline => tracing::info!("standard input was closed"),
        ended = server.ended() => return ended.context("the server broke while it ran"),
    }
    Ok(())
}

/// Resolves when whoever holds the other end of standard input is gone.
async fn end_of_stdin() {
    let mut stdin = tokio::io::stdin();
    let mut buffer = [0; 64];
    while !matches!(stdin.read(&mut buffer).await, Ok(0) | Err(_)) {}
}
