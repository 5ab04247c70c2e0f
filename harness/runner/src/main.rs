//! The program of the runner pod. As process 1 it is also the pod's init, and ends with 0 whatever the runner's result,
//! as the image's entry point does, so that the pod counts as succeeded and ARC replaces it.

use std::process::ExitCode;

use anyhow::Context;
use harness_runner::config::Settings;
use harness_runner::console::Console;
use harness_runner::{init, shutdown};

fn main() -> anyhow::Result<ExitCode> {
    if std::process::id() == 1 {
        let code = init::supervise().context("serve as the pod's first process")?;
        let console = Console::stdout();
        console.event(&format!("Runner init exited with code {code}. Exiting this process with code 0 so that the container and the pod is GC'ed Kubernetes soon."));
        return Ok(ExitCode::SUCCESS);
    }
    init::hear_signals().context("unblock signals")?;
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("RUNNER_LOG")
                .unwrap_or_else(|_| "warn,rustls_platform_verifier=off".into()),
        )
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .init();
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("a TLS provider is installed already"))?;
    // A variable that is no text is none of ours.
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let settings = Settings::from_environment(variables).context("read the environment")?;
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(async {
            let stop = shutdown::on_signals().context("install the signal handlers")?;
            let outcome = harness_runner::run(settings, Console::stdout(), stop).await;
            Ok(ExitCode::from(outcome.code()))
        })
}
