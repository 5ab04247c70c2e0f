//! The program of a runner pod: it registers with GitHub Enterprise Server, takes jobs and runs their steps.
//!
//! It stands where the image `summerwind/actions-runner` stands: the same environment variables, files, output lines and
//! exit codes, and on the wire the protocol of actions/runner 2.306. It is not a full runner: JavaScript and Docker
//! actions, job containers and self-update are refused with a clear message. It knows nothing of Kubernetes.

pub mod config;
pub mod console;
mod crypto;
mod discovery;
mod http;
pub mod init;
mod job;
mod listener;
mod oauth;
mod poll;
mod registration;
mod session;
pub mod shutdown;

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use config::Settings;
use console::Console;

/// The version this runner claims to be: the runner of the GHES 3.9 era.
pub const VERSION: &str = "2.306.0";

/// How the runner ended, as the scripts of the real image say it by exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The job is done, or the runner was removed: exit code 0.
    Done,
    /// The server refused the runner for good, or a local folder cannot be used: exit code 1.
    Terminated,
    /// No registration succeeded: exit code 2.
    NotConfigured,
}

impl Outcome {
    /// The exit code of the inner program.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Terminated => 1,
            Self::NotConfigured => 2,
        }
    }
}

/// Registers, listens, runs jobs, and leaves: after one job if ephemeral, or when `stop` is cancelled (SIGTERM).
pub async fn run(settings: Settings, console: Console, stop: CancellationToken) -> Outcome {
    if !settings.startup_delay.is_zero() {
        console.line(&format!(
            "Delaying startup by {} seconds",
            settings.startup_delay.as_secs()
        ));
        shutdown::pause(settings.startup_delay, &CancellationToken::new()).await;
    }
    let http = match http::client(&settings) {
        Ok(http) => http,
        Err(error) => {
            console.error(&format!("cannot set up the HTTP client: {error}"));
            return Outcome::Terminated;
        }
    };
    let Some(registered) = registration::register_with_retries(&settings, &http, &console).await else {
        console.error("Configuration failed!");
        return Outcome::NotConfigured;
    };
    let outcome = listener::listen(&settings, &http, &console, registered, &stop).await;
    registration::forget(&settings);
    outcome
}

/// How often, and how far apart, registration is tried (as the image's start script does).
const REGISTRATION_TRIES: u32 = 10;
const REGISTRATION_PAUSE: Duration = Duration::from_secs(1);
