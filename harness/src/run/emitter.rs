//! Events of the inner process on their way to the supervisor: JSON lines on standard output.

use std::io::Write as _;

use harness_model::{Event, Line, Measurement, Redactor};
use jiff::Timestamp;
use tokio::sync::mpsc;

/// Sends events. Clones share the way.
#[derive(Debug, Clone)]
pub(crate) struct Emitter {
    lines: mpsc::UnboundedSender<Line>,
    redactor: Redactor,
}

/// Ends when every emitter is gone and all is written.
pub(crate) type Written = tokio::task::JoinHandle<std::io::Result<()>>;

impl Emitter {
    /// An emitter to standard output, which belongs to the supervisor: nothing else may write there.
    pub(crate) fn to_supervisor(redactor: Redactor) -> (Emitter, Written) {
        let (lines, mut received) = mpsc::unbounded_channel::<Line>();
        let cleaner = redactor.clone();
        let written = tokio::task::spawn_blocking(move || {
            let mut out = std::io::stdout().lock();
            while let Some(line) = received.blocking_recv() {
                let mut value = serde_json::to_value(&line).map_err(std::io::Error::other)?;
                // Only this process knows the run's tokens.
                cleaner.clean_json(&mut value);
                writeln!(out, "{value}")?;
                out.flush()?;
            }
            Ok(())
        });
        (Emitter { lines, redactor }, written)
    }

    /// Sends an event with the present time.
    pub(crate) fn emit(&self, event: Event) {
        // The supervisor is gone only when the run is ending anyway.
        let _ = self.lines.send(Line {
            at: Timestamp::now(),
            event,
        });
    }

    /// Sends a figure of the run itself.
    pub(crate) fn measured(&self, name: &str, seconds: f64) {
        self.emit(Event::Measured {
            id: String::new(),
            measurement: Measurement {
                name: name.to_owned(),
                value: seconds,
                unit: "s".to_owned(),
            },
        });
    }

    /// The run's redactor.
    pub(crate) fn redactor(&self) -> &Redactor {
        &self.redactor
    }
}
