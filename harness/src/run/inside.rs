//! The inner process: holds the environment, runs the scenarios, tells the supervisor. First process of its namespaces, so everything ends
//! with it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use harness_cluster::error_chain;
use harness_cluster::local::enclosure::EnclosureError;
use harness_model::{Event, Exit, Redactor};
use tokio::sync::watch;

use super::lifeline::{self, Signal};
use super::{Emitter, Order, schedule};
use crate::Scenario;
use crate::environment::{self, Environment, UpError};

/// How long tear-down may take before the kernel does it.
const TEARDOWN_LIMIT: Duration = Duration::from_secs(8);

/// Carries out the order that stands on standard input.
pub(crate) fn main(scenarios: impl Iterator<Item = &'static Scenario>) -> Exit {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_env_filter(tracing_subscriber::EnvFilter::new(
            "info,kube_runtime=error,kube_client=off",
        ))
        .init();
    let (order, signals) = match lifeline::read_order() {
        Ok(read) => read,
        Err(error) => {
            tracing::error!("no order: {error:#}");
            return Exit::Harness;
        }
    };
    if rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .is_err()
    {
        tracing::error!("another TLS provider is installed already");
        return Exit::Harness;
    }
    // Before any other thread of ours acts: mounts are the whole process's.
    let furnished = if order.enclosed {
        environment::furnish(&order)
    } else {
        Ok(())
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!("the runtime cannot start: {error}");
            return Exit::Harness;
        }
    };
    let result = runtime.block_on(run(order, furnished, scenarios, signals));
    // Whatever still runs on the runtime ends with the process.
    runtime.shutdown_background();
    match result {
        Ok(()) => Exit::Green,
        Err(error) => {
            tracing::error!("{error:#}");
            Exit::Harness
        }
    }
}

async fn run(
    order: Order,
    furnished: Result<(), EnclosureError>,
    scenarios: impl Iterator<Item = &'static Scenario>,
    mut signals: watch::Receiver<Signal>,
) -> anyhow::Result<()> {
    let orphaned = signals.clone();
    tokio::spawn(end_when_orphaned(orphaned));
    let (emitter, written) = Emitter::to_supervisor(Redactor::default());
    if let Err(error) = furnished {
        emitter.emit(Event::Broken {
            message: error_chain(&error),
            exit: Exit::Environment.code(),
        });
        return finish(emitter, written).await;
    }
    let keep = order.plan.keep;
    let selected = scenarios.filter(|s| order.checks.contains(&(s.check)().id));
    let (own, common): (Vec<&'static Scenario>, Vec<&'static Scenario>) =
        selected.partition(|s| order.own_arcs.contains(&(s.check)().id));

    let environment = tokio::select! {
        environment = environment::up(order, emitter.clone()) => environment,
        () = interrupted(&mut signals) => return finish(emitter, written).await,
    };
    let environment = match environment {
        Ok(environment) => environment,
        Err(error) => {
            emitter.emit(Event::Broken {
                message: error.to_string(),
                exit: error.exit().code(),
            });
            return finish(emitter, written).await;
        }
    };
    let environment = Arc::new(environment);
    let done = tokio::select! {
        done = checks(&environment, common, own) => Some(done),
        () = interrupted(&mut signals) => None,
    };
    if let Some(done) = done {
        if let Err(error) = done {
            emitter.emit(Event::Broken {
                message: error.to_string(),
                exit: error.exit().code(),
            });
        }
        environment.tell_health();
        environment.tell_leaks();
        if keep {
            environment.announce_kept()?;
            interrupted(&mut signals).await;
        }
    }
    tear_down(environment, &emitter).await;
    finish(emitter, written).await
}

/// First the scenarios that share an ARC, then those that have their own. The common one works in every namespace, so both cannot be.
async fn checks(
    environment: &Arc<Environment>,
    common: Vec<&'static Scenario>,
    own: Vec<&'static Scenario>,
) -> Result<(), UpError> {
    schedule::run(common, environment.clone()).await;
    environment.keep_metrics().await;
    if own.is_empty() {
        return Ok(());
    }
    environment.retire_common_arc().await?;
    schedule::run(own, environment.clone()).await;
    if environment.order.plan.keep {
        environment.resume_common_arc().await?;
    }
    Ok(())
}

async fn tear_down(environment: Arc<Environment>, emitter: &Emitter) {
    let phase = "tear down".to_owned();
    emitter.emit(Event::PhaseStarted { phase: phase.clone() });
    let start = Instant::now();
    match Arc::try_unwrap(environment) {
        Ok(environment) => {
            if tokio::time::timeout(TEARDOWN_LIMIT, environment.down())
                .await
                .is_err()
            {
                tracing::warn!("tear-down took too long; the kernel ends what is left");
            }
        }
        // An interrupted scenario still holds it.
        Err(_) => tracing::info!("scenarios were interrupted; the kernel ends what is left"),
    }
    let duration_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    emitter.emit(Event::PhaseFinished { phase, duration_ms });
}

async fn finish(emitter: Emitter, written: super::emitter::Written) -> anyhow::Result<()> {
    drop(emitter);
    // Emitters that interrupted scenarios still hold would keep the writer waiting.
    if let Ok(result) = tokio::time::timeout(Duration::from_secs(1), written).await {
        result??;
    }
    Ok(())
}

async fn interrupted(signals: &mut watch::Receiver<Signal>) {
    // The sender lives as long as the lifeline's thread, which sends before it ends.
    let _ = signals.wait_for(|signal| *signal != Signal::Alive).await;
}

async fn end_when_orphaned(mut signals: watch::Receiver<Signal>) {
    if signals
        .wait_for(|signal| *signal == Signal::Orphaned)
        .await
        .is_ok()
    {
        tracing::error!("the supervisor is gone: ending everything");
        // Ends this process and whatever it started. Inside namespaces of its own the kernel would do so anyway.
        let _ = nix::sys::signal::killpg(nix::unistd::getpgrp(), nix::sys::signal::Signal::SIGKILL);
        std::process::exit(i32::from(Exit::Harness.code()));
    }
}
