//! The door over HTTP: the cloud face APIs on the board itself, and its own operations.
//!
//! Owns: the server, its threads, its table of routes, the forms of each API. Does not own: any operation (all are
//! asked through `wire::Operations`), keys, storage.
//! Threads: two of its own for connections, at most eight for work that blocks; all run below the door's own threads
//! in the scheduler's order. Overflow: connections beyond the bound may ask for `/healthz` and no more, those beyond
//! these are closed, requests beyond their bound answered 503, bodies beyond their limit 413; nothing waits for ever.
//! Invariants: the door never waits for this server; it can fail to start, and the door runs.

mod answer;
mod arsa;
mod call;
mod console;
mod faceapi;
mod idempotency;
mod json;
mod jws;
mod limits;
mod manage;
mod metrics;
mod open;
mod openapi;
mod own;
mod people;
mod route;
mod rules;
mod schema;
mod serve;
mod stream;
mod tls;
mod turnstile;
mod verifik;

#[cfg(test)]
mod tests;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum_server::Handle;
use axum_server::accept::DefaultAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use hyper_util::rt::TokioTimer;
use tokio::runtime::{Builder, Runtime};

use crate::wire::Operations;

pub use openapi::document as openapi_document;
pub(crate) use tls::server_config;
pub use tls::{OwnCertificate, TlsError, fingerprint, own_certificate};

use serve::Shared;
use turnstile::{Ledger, Turnstile};

/// How the server listens.
pub struct HttpConfig {
    /// Where.
    pub listen: SocketAddr,
    /// Certificate chain and key as PEM; `None` serves in clear, which only this machine should be able to reach.
    pub tls: Option<(Vec<u8>, Vec<u8>)>,
    /// Requests a second of one key on average, twice as many at once.
    pub per_second: u32,
    /// Connections at once.
    pub connections: usize,
    /// How long a client may take.
    pub patience: Patience,
}

/// How long a client may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// To say anything, and then for the head of a request.
    pub head: Duration,
    /// For the body.
    pub body: Duration,
    /// Without having taken a byte of an answer; longer than that for the body.
    pub silence: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let [head, body, silence] = [15, 30, 60].map(Duration::from_secs);
        Self { head, body, silence }
    }
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address cannot be had.
    #[error("the door cannot listen on {0}: {1}; is another program there, or the address not this board's?")]
    Listen(SocketAddr, #[source] std::io::Error),
    /// Threads or the runtime.
    #[error("the server's threads cannot be started: {0}")]
    Threads(#[source] std::io::Error),
    /// The certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A running server.
pub struct HttpServer {
    address: SocketAddr,
    handle: Handle<SocketAddr>,
    runtime: Option<Runtime>,
}

impl HttpServer {
    /// Listens and serves until [`HttpServer::stop`].
    ///
    /// # Errors
    /// See [`HttpError`].
    pub fn start(config: HttpConfig, operations: Arc<dyn Operations>) -> Result<Self, HttpError> {
        let failed = |e| HttpError::Listen(config.listen, e);
        let listener = TcpListener::bind(config.listen).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let tls = config.tls.map(|(chain, key)| tls::server_config(&chain, &key)).transpose()?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .max_blocking_threads(8)
            .thread_name("http")
            .enable_all()
            // The door's own threads come first; where that cannot be set, they share.
            .on_thread_start(|| {
                let _ = rustix::process::nice(10);
            })
            .build()
            .map_err(HttpError::Threads)?;
        let handle = Handle::new();
        let ledger = Arc::new(Ledger::new(config.connections, config.patience));
        let shared = Arc::new(Shared::new(operations, config.per_second, tls.is_some(), Arc::clone(&ledger)));
        let service = serve::router(shared).into_make_service_with_connect_info::<SocketAddr>();
        let serving = handle.clone();
        // Registering with the runtime's IO driver needs its context.
        let context = runtime.enter();
        let mut server =
            axum_server::from_tcp(listener).map_err(HttpError::Threads)?.handle(serving).http1_only();
        drop(context);
        let mut http = server.http_builder().http1();
        http.timer(TokioTimer::new()).header_read_timeout(config.patience.head);
        runtime.spawn(async move {
            let ended = match tls {
                Some(tls) => {
                    let acceptor = RustlsAcceptor::new(RustlsConfig::from_config(tls));
                    server.acceptor(Turnstile::new(acceptor, ledger)).serve(service).await
                }
                None => server.acceptor(Turnstile::new(DefaultAcceptor::new(), ledger)).serve(service).await,
            };
            if let Err(error) = ended {
                tracing::error!(%error, "the HTTP server ended; the door goes on without it");
            }
        });
        Ok(Self { address, handle, runtime: Some(runtime) })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no new requests, gives those under way three seconds, and ends.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        self.handle.graceful_shutdown(Some(GRACE));
        let handle = self.handle.clone();
        runtime.block_on(async move {
            let idle = async {
                while handle.connection_count() > 0 {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            let _ = tokio::time::timeout(GRACE, idle).await;
        });
        runtime.shutdown_timeout(Duration::from_millis(500));
    }
}

/// What requests under way get at the end.
const GRACE: Duration = Duration::from_secs(3);

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.end();
    }
}
