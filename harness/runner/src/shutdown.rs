//! Waiting that can be ended early, and the signals that end the runner.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Waits for `duration`, or until `stop`; true if `stop` came first.
pub(crate) async fn pause(duration: Duration, stop: &CancellationToken) -> bool {
    tokio::time::timeout(duration, stop.cancelled()).await.is_ok()
}

/// A token that SIGTERM and SIGINT cancel.
///
/// # Errors
/// The signal handlers cannot be installed.
pub fn on_signals() -> std::io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let token = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        token.cancel();
    });
    Ok(stop)
}
