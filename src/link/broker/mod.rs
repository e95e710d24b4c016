//! A small broker inside the program, for a single box and for development: `[mqtt] broker = "own"`.
//!
//! Owns: the listening, the bound on connections, its thread. Does not own: the door's link, which comes to it as to any
//! other broker; who has a key (behind [`Operations`]).
//! It speaks MQTT 5 and 3.1.1 with `QoS` 0 and 1, keeps everything in memory, and forgets it with the process: the door
//! says all of its own again, and its events lie in the outbox until a receiver has them.
//! Overflow: [`CLIENTS`] connections, [`ENTERING`] that were not let in yet; more are closed at once. Memory by
//! `hub::Limits` and one packet of `speak::PACKET` a connection.
//! Invariants: one niced thread; the door neither waits for it nor ends with it; its own link has an entrance that nobody
//! else can fill.

mod hub;
mod message;
mod rights;
mod seat;
mod speak;

#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::http::{TlsError, server_config};
use super::mqtt::{BrokerAddress, Topics};
use super::wire::{Operations, hex};
use hub::{Hub, Limits};
use rights::{Entrance, Rights};

/// Connections at once.
const CLIENTS: usize = 32;
/// Connections at once that were not let in yet, at each entrance.
const ENTERING: usize = 8;

/// How the broker is set up.
pub struct BrokerConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Certificate chain and key as PEM; a must beyond a loopback address.
    pub tls: Option<(Vec<u8>, Vec<u8>)>,
    /// The door's topics: others may not write there.
    pub topics: Topics,
}

/// Why there is no broker.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The address cannot be had.
    #[error(
        "the door's own broker cannot listen on {0}: {1}; is another broker there (systemctl stop mosquitto), or the \
         address not this board's? Another one: broker = \"own://127.0.0.1:1884\""
    )]
    Listen(SocketAddr, #[source] io::Error),
    /// In clear beyond this board.
    #[error("the door's own broker speaks in clear on a loopback address alone, not on {0}")]
    Clear(SocketAddr),
    /// The certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Its thread.
    #[error("the broker's thread cannot be started: {0}")]
    Thread(#[source] io::Error),
}

/// The running broker.
pub struct Broker {
    address: SocketAddr,
    door: SocketAddr,
    secret: String,
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

impl Broker {
    /// Listens and serves until it is dropped.
    ///
    /// # Errors
    /// See [`BrokerError`].
    pub fn start(config: BrokerConfig, operations: Arc<dyn Operations>) -> Result<Self, BrokerError> {
        let local = config.listen.ip().is_loopback();
        let tls = match config.tls {
            Some((chain, key)) => {
                let mut tls = server_config(&chain, &key)?.as_ref().clone();
                tls.alpn_protocols = vec![b"mqtt".to_vec()];
                Some(TlsAcceptor::from(Arc::new(tls)))
            }
            None if local => None,
            None => return Err(BrokerError::Clear(config.listen)),
        };
        let own = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (listener, address) = listen(config.listen)?;
        let (door_listener, door) = listen(own)?;
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|e| BrokerError::Thread(io::Error::other(e)))?;
        let secret = hex(&secret);
        let rights = Rights::new(&config.topics, secret.clone());
        let entrance = if local && tls.is_none() { Entrance::Board } else { Entrance::World };
        let stop = Arc::new(Notify::new());
        let (stopped, runtime) = (
            Arc::clone(&stop),
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(BrokerError::Thread)?,
        );
        let serve = move || {
            // The door's own threads come first; where that cannot be set, they share.
            let _ = rustix::process::nice(10);
            let shared = Rc::new(Shared {
                hub: RefCell::new(Hub::new(Limits::BOARD)),
                rights,
                operations,
                inside: Rc::default(),
            });
            LocalSet::new().block_on(&runtime, async move {
                tokio::select! {
                    () = accept(Rc::clone(&shared), listener, tls, entrance) => {}
                    () = accept(Rc::clone(&shared), door_listener, None, Entrance::Door) => {}
                    () = sweep(&shared) => {}
                    () = stopped.notified() => {}
                }
            });
        };
        let thread =
            std::thread::Builder::new().name("broker".into()).spawn(serve).map_err(BrokerError::Thread)?;
        Ok(Self { address, door, secret, stop, thread: Some(thread) })
    }

    /// Where others find it.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How the door's own link comes to it.
    #[must_use]
    pub fn for_the_door(&self) -> BrokerAddress {
        BrokerAddress {
            host: self.door.ip().to_string(),
            port: self.door.port(),
            tls: None,
            login: Some(("door".into(), self.secret.clone())),
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic there was logged and is over now.
            let _ = thread.join();
        }
    }
}

/// What connections share.
struct Shared {
    hub: RefCell<Hub>,
    rights: Rights,
    operations: Arc<dyn Operations>,
    inside: Rc<Cell<usize>>,
}

impl Shared {
    fn now(&self) -> u64 {
        self.operations.mono_ms()
    }
}

/// How many may be inside for one more to come in; the door's own link always finds a place.
const fn clients(entrance: Entrance) -> usize {
    match entrance {
        Entrance::Door => CLIENTS + ENTERING,
        Entrance::Board | Entrance::World => CLIENTS,
    }
}

/// One of a bounded number of places; given back when it is dropped.
struct Place(Rc<Cell<usize>>);

impl Place {
    fn take(taken: &Rc<Cell<usize>>, most: usize) -> Option<Self> {
        (taken.get() < most).then(|| {
            taken.set(taken.get() + 1);
            Self(Rc::clone(taken))
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), BrokerError> {
    let failed = |e| BrokerError::Listen(address, e);
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

async fn accept(shared: Rc<Shared>, listener: TcpListener, tls: Option<TlsAcceptor>, entrance: Entrance) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "the broker ended; the door goes on without it"),
    };
    let entering = Rc::default();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // No file descriptor is free, perhaps; somebody will go.
            sleep(Duration::from_secs(1)).await;
            continue;
        };
        // Beyond the bound: closed at once.
        let Some(place) = Place::take(&entering, ENTERING) else { continue };
        let _ = stream.set_nodelay(true);
        let shared = Rc::clone(&shared);
        let tls = tls.clone();
        spawn_local(async move {
            match tls {
                Some(tls) => {
                    if let Ok(Ok(stream)) = timeout(seat::ENTRY, tls.accept(stream)).await {
                        seat::serve(shared, stream, entrance, place).await;
                    }
                }
                None => seat::serve(shared, stream, entrance, place).await,
            }
        });
    }
}

/// Ends sessions whose time is over and says the wills that are due.
async fn sweep(shared: &Shared) {
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        seconds.tick().await;
        shared.hub.borrow_mut().sweep(shared.now());
    }
}
