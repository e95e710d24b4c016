//! MQTT (SPEC 4): commands in, answers, events and states out.
//!
//! Owns: the translation between topics and operations, delivery of events, the guard over what moves the door. Does
//! not own: what an operation does (behind [`super::wire::Operations`]), the events on disk (behind [`Outbox`]).
//! Threads: one for the connection (`mqtt`), two for commands (`mqtt-short`, `mqtt-long`), one for the disk
//! (`mqtt-outbox`), one for the group of doors where there is one (`mqtt-fleet`). The door knows none of them and waits for none.
//! Invariants: a broker that is gone, slow or hostile costs memory within the bounds named in each file and the door
//! nothing; an event leaves the outbox only when it was confirmed; the door moves only for what passes the guard.

mod config;
mod discovery;
mod envelope;
mod fleet;
mod guard;
mod inbound;
mod link;
mod outbox;
mod session;
mod state;
mod tell;
mod topics;
mod upload;
mod work;

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use tokio::sync::mpsc;

use super::fleet::{GroupKey, Roll};
use super::wire::Operations;
use ostiary_ports::Clock;

pub use config::{BrokerAddress, Confirm, MqttConfig, Operator, Tls, Version};
pub use guard::{Expiry, Guard, Held, Stamp};
pub use outbox::{Committed, Outbox, OutboxError};
pub use topics::{BadName, Heading, Topics};

use fleet::FleetLane;
use link::{Link, Shared};
use outbox::Lane;
use upload::Uploads;
use work::Lanes;

/// What the link works with.
pub struct World {
    /// The door.
    pub operations: Arc<dyn Operations>,
    /// The events on disk.
    pub outbox: Arc<dyn Outbox>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The group this door belongs to.
    pub fleet: Option<Fleet>,
}

/// A group of doors, as this door takes part in it.
pub struct Fleet {
    /// Its name in topics.
    pub group: String,
    /// Its keys.
    pub key: GroupKey,
    /// The people of this door.
    pub roll: Box<dyn Roll>,
}

/// The running link.
pub struct Mqtt {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// Tells the link that an event was committed, and others whether the link is up.
#[derive(Clone, Default)]
pub struct Nudge(Arc<Shared>);

impl Nudge {
    /// There is something new on the disk. Never blocks.
    pub fn committed(&self) {
        self.0.nudge.notify_one();
    }

    /// Whether a broker is connected.
    #[must_use]
    pub fn up(&self) -> bool {
        self.0.up.load(Ordering::Relaxed)
    }
}

impl Mqtt {
    /// Starts the link; it connects, and connects again, on its own. `nudge` belongs to this link from here on.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start(config: MqttConfig, world: World, nudge: &Nudge) -> io::Result<Self> {
        if config.broker.tls.is_none() && !is_local(&config.broker.host) {
            tracing::warn!(broker = ?config.broker, "the broker is spoken to without TLS: whoever sits on the way reads all");
        }
        let config = Arc::new(config);
        let shared = Arc::clone(&nudge.0);
        shared.stop.store(false, Ordering::Relaxed);
        let uploads = Arc::new(Mutex::new(Uploads::default()));
        let (tell, answers) = mpsc::channel(16);
        let lanes = Lanes::start(&config, &world.operations, &uploads, &tell)?;
        let (outbox, told) = Lane::start(world.outbox)?;
        let fleet = world.fleet.map(FleetLane::start).transpose()?;
        let link = Link {
            config,
            clock: world.clock,
            shared: Arc::clone(&shared),
            uploads,
            lanes,
            answers,
            outbox,
            told,
            fleet,
            guard: Guard::default(),
            queue: VecDeque::new(),
            dropped: 0,
            delivered: 0,
            confirmed: 0,
            live_after: None,
            public_key: world.operations.public_key().ok().map(|key| super::wire::hex(&key)),
            round: 0,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("mqtt".into()).spawn(move || {
            runtime.block_on(link.run());
            // A name that is being looked up is not waited for.
            runtime.shutdown_background();
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }
}

impl Drop for Mqtt {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.shared.stopped.notify_one();
        if let Some(thread) = self.thread.take() {
            // It ends within its last second; a panic there was logged and is over now.
            let _ = thread.join();
        }
    }
}

fn is_local(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
