//! What `kubectl logs` shows: the lines of the runner itself, worded as the real runner words them. Never step output.

use std::io::Write;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;

/// A line writer; clones write to the same place.
#[derive(Clone)]
pub struct Console {
    sink: Arc<Mutex<Box<dyn Write + Send>>>,
}

impl Console {
    /// Writes to standard output.
    #[must_use]
    pub fn stdout() -> Self {
        Self::to(std::io::stdout())
    }

    /// Writes to `sink`.
    #[must_use]
    pub fn to(sink: impl Write + Send + 'static) -> Self {
        Self {
            sink: Arc::new(Mutex::new(Box::new(sink))),
        }
    }

    /// A line as it is.
    pub fn line(&self, text: &str) {
        // A closed output must not end the runner, and a poisoned lock still writes.
        let mut sink = self
            .sink
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let _ = writeln!(sink, "{text}");
        let _ = sink.flush();
    }

    /// A line with the time in front, as the listener writes them.
    pub fn event(&self, text: &str) {
        self.line(&format!(
            "{}: {text}",
            Timestamp::now().strftime("%Y-%m-%d %H:%M:%SZ")
        ));
    }

    /// A success, with its mark.
    pub fn success(&self, text: &str) {
        self.line(&format!("√ {text}"));
    }

    /// Something that ends the runner or a try.
    pub fn error(&self, text: &str) {
        self.line(&format!(
            "{} ERROR --- {text}",
            Timestamp::now().strftime("%Y-%m-%d %H:%M:%SZ")
        ));
    }
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Console")
    }
}
