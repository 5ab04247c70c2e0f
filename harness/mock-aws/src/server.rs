//! The server: STS and S3 on one address, told apart as AWS's clients write them.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum_server::Handle;
use camino::Utf8PathBuf;
use http::{Method, Response, StatusCode, header};
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::defect::{Defect, Defects};
use crate::ledger::{Ledger, Record, Subject};
use crate::session::Sessions;
use crate::tls::{TlsError, TlsIdentity};
use crate::world::World;
use crate::{Refusal, s3, sts};

/// A form of STS is a token and a few names.
const LARGEST_FORM: usize = 64 * 1024;

/// What all requests share.
pub(crate) struct State {
    pub world: World,
    pub sessions: Sessions,
    pub clock: Clock,
    pub ledger: Ledger,
    pub defects: Defects,
}

impl State {
    pub(crate) fn note(
        &self,
        service: &'static str,
        operation: &str,
        subject: Subject,
        refusal: Option<Refusal>,
    ) {
        self.ledger.add(Record {
            at: self.clock.now(),
            service,
            operation: operation.to_owned(),
            subject,
            allowed: refusal.is_none(),
            refusal,
        });
    }
}

/// The server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The world contradicts itself.
    #[error("the world cannot be: {0}")]
    World(String),
    /// The address is taken or not of this machine.
    #[error("listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The ledger's file cannot be opened.
    #[error("open the ledger")]
    Ledger(#[source] std::io::Error),
    /// No certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// What a server is to be.
#[derive(Debug)]
pub struct Builder {
    world: World,
    listen: SocketAddr,
    tls: Option<TlsIdentity>,
    ledger: Option<Utf8PathBuf>,
    defects: Vec<Defect>,
}

impl Default for Builder {
    fn default() -> Self {
        Builder {
            world: World::default(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls: None,
            ledger: None,
            defects: Vec::new(),
        }
    }
}

impl Builder {
    /// What exists.
    #[must_use]
    pub fn world(mut self, world: World) -> Self {
        self.world = world;
        self
    }

    /// Where to listen; without it a free port of the loopback.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Serves HTTPS.
    #[must_use]
    pub fn tls(mut self, identity: Option<TlsIdentity>) -> Self {
        self.tls = identity;
        self
    }

    /// Also writes the ledger to this file.
    #[must_use]
    pub fn ledger(mut self, file: Option<Utf8PathBuf>) -> Self {
        self.ledger = file;
        self
    }

    /// Seeds a defect; may be repeated.
    #[must_use]
    pub fn defect(mut self, defect: Defect) -> Self {
        self.defects.push(defect);
        self
    }

    /// Starts. The server ends when it is shut down or dropped.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(self) -> Result<Server, StartError> {
        self.world.check().map_err(StartError::World)?;
        let ledger = match &self.ledger {
            None => Ledger::default(),
            Some(file) => Ledger::in_file(file).map_err(StartError::Ledger)?,
        };
        let state = Arc::new(State {
            world: self.world,
            sessions: Sessions::default(),
            clock: Clock::default(),
            ledger,
            defects: self.defects.into_iter().collect(),
        });
        let listen_error = |source| StartError::Listen {
            address: self.listen,
            source,
        };
        let listener = TcpListener::bind(self.listen).map_err(listen_error)?;
        listener.set_nonblocking(true).map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        let s3 = s3::service(&state);
        let shared = state.clone();
        let service = Router::new()
            .fallback(move |request: Request| {
                let (state, s3) = (shared.clone(), s3.clone());
                async move { answer(&state, &s3, request).await }
            })
            .into_make_service();
        let handle = Handle::new();
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let serve = match &self.tls {
            None => {
                let server = axum_server::from_tcp(listener).map_err(listen_error)?;
                tokio::spawn(server.handle(handle.clone()).serve(service))
            }
            Some(identity) => {
                let config = identity.server_config()?;
                let server = axum_server::from_tcp_rustls(listener, config).map_err(listen_error)?;
                tokio::spawn(server.handle(handle.clone()).serve(service))
            }
        };
        Ok(Server {
            url: format!("{scheme}://{address}"),
            address,
            state,
            handle,
            serve,
        })
    }
}

/// STS's requests are forms sent to the root; S3 has none there.
async fn answer(state: &State, s3: &s3s::service::S3Service, request: Request) -> Response<Body> {
    let is_form = request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
    if request.method() != Method::POST || request.uri().path() != "/" || !is_form {
        return s3::answer(state, s3, request).await;
    }
    let (parts, body) = request.into_parts();
    match axum::body::to_bytes(body, LARGEST_FORM).await {
        Ok(body) => sts::answer(state, &parts, &body).await,
        Err(_) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
            response
        }
    }
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    url: String,
    address: SocketAddr,
    state: Arc<State>,
    handle: Handle<SocketAddr>,
    serve: JoinHandle<std::io::Result<()>>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("defects", &self.defects)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// What `AWS_ENDPOINT_URL` is set to.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every answer until now.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.state.ledger
    }

    /// Its clock, which can be put forward.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.state.clock
    }

    /// Ends it.
    pub fn shutdown(&self) {
        self.handle.shutdown();
    }

    /// Waits until it ends by itself, which is a failure.
    ///
    /// # Errors
    /// Why it ended.
    pub async fn ended(&mut self) -> std::io::Result<()> {
        (&mut self.serve).await.map_err(std::io::Error::other)?
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.handle.shutdown();
    }
}
