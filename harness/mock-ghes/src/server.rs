//! Starting and stopping the server.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum_server::Handle;
use camino::Utf8PathBuf;
use harness_model::Redactor;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::fault::Faults;
use crate::git::{GitError, Repositories};
use crate::hand::Hand;
use crate::ledger::Ledger;
use crate::staged::Staged;
use crate::web::{App, Inner, deliver_all, router};
use crate::wire::app::AppKey;
use crate::wire::{TokenSecret, random_guid, random_token};
use crate::{Clock, TlsError, TlsIdentity, World, WorldError, state};

/// What answers under way get when the server stops.
const GRACE: Duration = Duration::from_secs(3);

/// The server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The world contradicts itself.
    #[error(transparent)]
    World(#[from] WorldError),
    /// The address cannot be listened on.
    #[error("listen on {address}: is another program using the port?")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The folder for repositories or ledger cannot be used.
    #[error("use the folder {folder} for the server's data")]
    Data {
        /// The folder.
        folder: Utf8PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A repository of the world cannot be made.
    #[error("make repository {repository}")]
    Repository {
        /// `owner/name`.
        repository: String,
        /// Why.
        #[source]
        source: GitError,
    },
    /// The TLS identity cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A key cannot be drawn.
    #[error("draw a key from the system's random source")]
    Random,
}

/// The server broke while it ran.
#[derive(Debug, thiserror::Error)]
pub enum ShutdownError {
    /// Handlers panicked; the requests were answered 500.
    #[error("{} request handlers of the mock GHES panicked; the first: {}", .0.len(), .0.first().map_or("", String::as_str))]
    Handlers(
        /// What each panicked with.
        Vec<String>,
    ),
    /// The state panicked; everything after was answered 503.
    #[error("the state of the mock GHES panicked: {0}")]
    State(
        /// What it panicked with.
        String,
    ),
    /// The listener broke.
    #[error("the listener of the mock GHES broke")]
    Serve(#[source] std::io::Error),
    /// Ledger lines could not be written.
    #[error("{lines} lines of the ledger {file} could not be written: is the disk full?")]
    Ledger {
        /// How many.
        lines: u64,
        /// The file.
        file: Utf8PathBuf,
    },
}

/// The entry: `MockGhes::builder()`.
#[derive(Debug)]
pub struct MockGhes;

impl MockGhes {
    /// A server with the default world, plain HTTP, a free port of the loopback, and a temporary folder.
    pub fn builder() -> Builder {
        Builder {
            world: World::default(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls: None,
            ledger: None,
            data: None,
            list_max_age: 0,
            redactor: Redactor::default(),
            clock: Clock::default(),
        }
    }
}

/// What the server is to be.
#[derive(Debug)]
#[must_use]
pub struct Builder {
    world: World,
    listen: SocketAddr,
    tls: Option<TlsIdentity>,
    ledger: Option<Utf8PathBuf>,
    data: Option<Utf8PathBuf>,
    list_max_age: u64,
    redactor: Redactor,
    clock: Clock,
}

impl Builder {
    /// What exists on it.
    pub fn world(mut self, world: World) -> Self {
        self.world = world;
        self
    }

    /// Where it listens; port 0 takes a free one.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Serves HTTPS instead of HTTP.
    pub fn tls(mut self, identity: Option<TlsIdentity>) -> Self {
        self.tls = identity;
        self
    }

    /// The folder for `ledger.jsonl`; absent: below the data folder.
    pub fn ledger(mut self, folder: Utf8PathBuf) -> Self {
        self.ledger = Some(folder);
        self
    }

    /// The folder for the repositories, kept after the end; absent: a temporary one.
    pub fn data(mut self, folder: Utf8PathBuf) -> Self {
        self.data = Some(folder);
        self
    }

    /// Seconds in `Cache-Control: max-age` of REST answers. A real GHES says 60.
    pub fn list_max_age(mut self, seconds: u64) -> Self {
        self.list_max_age = seconds;
        self
    }

    /// Learns every token that the server makes, so that the caller's own output can be cleaned with it.
    pub fn redactor(mut self, redactor: Redactor) -> Self {
        self.redactor = redactor;
        self
    }

    /// Its wall clock; absent: the machine's.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Makes the repositories and starts to listen. When this returns, the server answers.
    ///
    /// # Errors
    /// [`StartError`]
    pub async fn start(self) -> Result<(Server, Hand), StartError> {
        let mut world = self.world;
        world.check()?;
        for token in &mut world.tokens {
            let value = token
                .token
                .get_or_insert_with(|| SecretString::from(random_token("ghp_")));
            self.redactor.learn(value.expose_secret());
        }
        for app in &mut world.apps {
            let key = AppKey::draw().ok_or(StartError::Random)?;
            self.redactor.learn(key.pem().expose_secret());
            app.key = Some(key);
        }
        let pat = world
            .tokens
            .first()
            .and_then(|token| token.token.clone())
            .unwrap_or_default();
        let temporary = match self.data {
            Some(_) => None,
            None => Some(camino_tempfile::tempdir().map_err(|source| StartError::Data {
                folder: Utf8PathBuf::from("(temporary)"),
                source,
            })?),
        };
        let data = self
            .data
            .or_else(|| temporary.as_ref().map(|dir| dir.path().to_owned()))
            .unwrap_or_default();
        let ledger_folder = self.ledger.unwrap_or_else(|| data.clone());
        let ledger =
            Ledger::open(&ledger_folder, self.redactor.clone()).map_err(|source| StartError::Data {
                folder: ledger_folder,
                source,
            })?;
        let repositories = Repositories::new(data.join("repositories"));
        for spec in &world.repositories {
            repositories
                .create(spec)
                .await
                .map_err(|source| StartError::Repository {
                    repository: spec.full_name().to_string(),
                    source,
                })?;
        }

        let tls = self.tls.as_ref().map(TlsIdentity::server_config).transpose()?;
        let listen_error = |source| StartError::Listen {
            address: self.listen,
            source,
        };
        let listener = TcpListener::bind(self.listen).map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;

        let world = Arc::new(world);
        let secret = TokenSecret::random();
        let stop = CancellationToken::new();
        let (posts, to_deliver) = tokio::sync::mpsc::unbounded_channel();
        let (state, state_task) = state::start(
            world.clone(),
            secret.clone(),
            self.redactor.clone(),
            self.clock.clone(),
            posts,
            stop.clone(),
        );
        let admin_token = SecretString::from(random_token("admin_"));
        self.redactor.learn(admin_token.expose_secret());
        let log_key = aws_lc_rs::hmac::Key::generate(
            aws_lc_rs::hmac::HMAC_SHA256,
            &aws_lc_rs::rand::SystemRandom::new(),
        )
        .map_err(|_| StartError::Random)?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let app = App {
            inner: Arc::new(Inner {
                state,
                world,
                repositories,
                ledger,
                faults: Faults::default(),
                staged: Staged::default(),
                clock: self.clock,
                secret,
                scheme,
                tls: tls.clone(),
                list_max_age: AtomicU64::new(self.list_max_age),
                admin_token,
                log_key,
                instance: random_guid(),
                closing: CancellationToken::new(),
                panics: Mutex::default(),
            }),
        };
        tokio::spawn(
            stop.clone()
                .run_until_cancelled_owned(deliver_all(app.clone(), to_deliver)),
        );
        let handle = Handle::new();
        let service = router(app.clone()).into_make_service();
        let serve = match tls {
            None => {
                let server = axum_server::from_tcp(listener)
                    .map_err(listen_error)?
                    .handle(handle.clone());
                tokio::spawn(server.serve(service))
            }
            Some(config) => {
                let server = axum_server::from_tcp_rustls(listener, config).map_err(listen_error)?;
                tokio::spawn(server.handle(handle.clone()).serve(service))
            }
        };
        let server = Server {
            address,
            app: app.clone(),
            handle,
            stop,
            serve: Some(serve),
            state: Some(state_task),
            _temporary: temporary,
        };
        Ok((server, Hand::new(app, address, pat)))
    }
}

/// A running server. Dropping it ends it at once; [`Server::shutdown`] also tells whether anything broke.
pub struct Server {
    address: SocketAddr,
    app: App,
    handle: Handle<SocketAddr>,
    stop: CancellationToken,
    serve: Option<JoinHandle<std::io::Result<()>>>,
    state: Option<JoinHandle<()>>,
    /// Goes with the server.
    _temporary: Option<camino_tempfile::Utf8TempDir>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// Stops: long polls end, answers under way get a moment, then everything ends.
    ///
    /// # Errors
    /// [`ShutdownError`]: something had broken while the server ran.
    pub async fn shutdown(mut self) -> Result<(), ShutdownError> {
        self.app.closing.cancel();
        self.handle.graceful_shutdown(Some(GRACE));
        let served = match self.serve.take() {
            Some(task) => task.await,
            None => Ok(Ok(())),
        };
        self.stop.cancel();
        if let Some(task) = self.state.take()
            && let Err(error) = task.await
        {
            return Err(ShutdownError::State(panic_text(error)));
        }
        match served {
            Ok(Ok(())) => {}
            Ok(Err(source)) => return Err(ShutdownError::Serve(source)),
            Err(error) => return Err(ShutdownError::Handlers(vec![panic_text(error)])),
        }
        let panics = std::mem::take(&mut *self.app.panics.lock().unwrap_or_else(PoisonError::into_inner));
        if !panics.is_empty() {
            return Err(ShutdownError::Handlers(panics));
        }
        match self.app.ledger.unwritten() {
            0 => Ok(()),
            lines => Err(ShutdownError::Ledger {
                lines,
                file: self.app.ledger.file().to_owned(),
            }),
        }
    }
}

fn panic_text(error: tokio::task::JoinError) -> String {
    match error.try_into_panic() {
        Err(cancelled) => cancelled.to_string(),
        Ok(panic) => panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_else(|| "a panic without text".to_owned()),
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.app.closing.cancel();
        self.handle.shutdown();
        self.stop.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Message, State};
    use crate::web::SEEDED_PANIC;

    #[tokio::test]
    async fn a_handlers_panic_is_answered_and_surfaces_at_the_end() {
        let (server, hand) = MockGhes::builder().start().await.expect("the server starts");

        let answer = reqwest::get(format!("{}{SEEDED_PANIC}", hand.url()))
            .await
            .expect("the server answers");
        let after = reqwest::get(format!("{}/api/v3/meta", hand.url()))
            .await
            .expect("the server answers");
        let error = server.shutdown().await.expect_err("the panic must surface");

        assert_eq!((answer.status().as_u16(), after.status().as_u16()), (500, 200));
        assert!(error.to_string().contains("/_panic: seeded"), "{error}");
    }

    #[tokio::test]
    async fn a_panic_of_the_state_surfaces_at_the_end() {
        struct Panics;
        impl Message for Panics {
            type Reply = ();
            fn apply(self, _state: &mut State) {
                panic!("seeded");
            }
        }
        let (server, hand) = MockGhes::builder().start().await.expect("the server starts");

        server.app.state.tell(Panics);
        let answer = reqwest::get(format!("{}/api/v3/meta", hand.url()))
            .await
            .expect("the server answers");
        let with_token = reqwest::Client::new()
            .get(format!("{}/api/v3/user", hand.url()))
            .bearer_auth(hand.pat().expose_secret())
            .send()
            .await
            .expect("the server answers");
        let error = server.shutdown().await.expect_err("the panic must surface");

        assert_eq!(
            (answer.status().as_u16(), with_token.status().as_u16()),
            (200, 503)
        );
        assert!(matches!(error, ShutdownError::State(text) if text == "seeded"));
    }
}
