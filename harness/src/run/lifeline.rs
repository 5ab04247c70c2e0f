//! The inner process's hold on its supervisor: standard input. A byte interrupts; the end of file means that the supervisor is dead.
//!
//! Not PR_SET_PDEATHSIG: that fires when the *thread* that started the child ends.

use std::io::{BufRead, Read};

use harness_model::INTERRUPT;
use tokio::sync::watch;

use super::Order;

/// What the lifeline says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Go on.
    Alive,
    /// Tear down.
    Interrupted,
    /// The supervisor is gone: end at once.
    Orphaned,
}

/// Reads the order, then listens on a thread of its own until the end.
pub(crate) fn read_order() -> anyhow::Result<(Order, watch::Receiver<Signal>)> {
    let mut input = std::io::stdin().lock();
    let mut line = String::new();
    input.read_line(&mut line)?;
    drop(input);
    let order = serde_json::from_str(&line)?;
    let (signals, heard) = watch::channel(Signal::Alive);
    std::thread::Builder::new()
        .name("lifeline".to_owned())
        .spawn(move || {
            let mut input = std::io::stdin().lock();
            let mut byte = [0];
            loop {
                match input.read(&mut byte) {
                    Ok(1) if byte[0] == INTERRUPT => signals.send_replace(Signal::Interrupted),
                    Ok(1) => continue,
                    Ok(_) | Err(_) => {
                        signals.send_replace(Signal::Orphaned);
                        return;
                    }
                };
            }
        })?;
    Ok((order, heard))
}
