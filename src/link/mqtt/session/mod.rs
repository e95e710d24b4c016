//! One connection to a broker, whichever version of MQTT it speaks.
//!
//! Owns: making the connection, the pump that drives it, one form for what comes in and goes out. Does not own: when
//! to connect, topics, what is sent.
//! Each connection has its own rumqttc event loop and ends with it: what was under way is not kept there, because
//! the outbox on disk is the one memory of what was delivered. The broker keeps this door's subscriptions and what
//! comes for it meanwhile (a persistent session).
//! Invariants: publishing never waits (a full queue gives the message back); the pump is driven on its own, so a
//! slow reader delays signs of life but nothing else waits on it; nothing is larger than `MAX_PACKET`.

mod five;
mod three;

use std::future::Future;
use std::pin::Pin;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::config::MqttConfig;
use super::guard::Expiry;

/// Largest message taken or sent, bytes: a bulk of pictures in base64.
pub(super) const MAX_PACKET: usize = 8 << 20;
/// Messages handed to the event loop and not yet on the wire.
const QUEUE: usize = 32;
/// Publishes without their receipt.
const IN_FLIGHT: u16 = 64;
/// Seconds the broker keeps this door's subscriptions and commands after a connection ends.
const KEEP_SESSION_S: u32 = 86_400;

/// A message to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    /// `QoS` 1, else 0.
    pub(super) acknowledged: bool,
    pub(super) retain: bool,
    /// Comes back to the asker under MQTT 5.
    pub(super) correlation: Option<Vec<u8>>,
}

impl Message {
    pub(super) fn new(topic: String, payload: impl Into<Vec<u8>>) -> Self {
        Self { topic, payload: payload.into(), acknowledged: true, retain: false, correlation: None }
    }

    pub(super) fn retained(self) -> Self {
        Self { retain: true, ..self }
    }
}

/// A message that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Inbound {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    pub(super) retain: bool,
    pub(super) duplicate: bool,
    pub(super) response_topic: Option<String>,
    pub(super) correlation: Option<Vec<u8>>,
    /// How long the broker may still keep it.
    pub(super) expiry: Expiry,
}

/// What the pump tells.
#[derive(Debug)]
pub(super) enum News {
    /// The broker has answered; the largest packet it takes, where it says so.
    Connected { largest: Option<usize> },
    /// Subscriptions were answered; whether all were granted.
    Subscribed(bool),
    /// A message.
    Message(Inbound),
    /// The end.
    Lost(Lost),
}

/// Why a connection ended.
#[derive(Debug)]
pub(super) struct Lost {
    /// For the log.
    pub(super) why: String,
    /// The broker does not speak this version, or seems not to.
    pub(super) version: bool,
}

/// The version of the protocol that one connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaks {
    Five,
    Three,
}

impl Speaks {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Five => "5",
            Self::Three => "3.1.1",
        }
    }
}

/// The broker's receipt for one message.
pub(super) type Receipt = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// A subscription; `acknowledged` is `QoS` 1.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) filter: String,
    pub(super) acknowledged: bool,
}

enum Client {
    Five(rumqttc::AsyncClient),
    Three(rumqttc_v4::AsyncClient),
}

/// One connection.
pub(super) struct Session {
    client: Client,
    pump: JoinHandle<()>,
    news: mpsc::Receiver<News>,
}

impl Session {
    /// Begins to connect.
    ///
    /// # Errors
    /// When the certificates cannot be used.
    pub(super) fn open(config: &MqttConfig, speaks: Speaks) -> Result<Self, String> {
        // Small: a message may be large.
        let (tell, news) = mpsc::channel(4);
        let (client, pump) = match speaks {
            Speaks::Five => {
                let (client, events) = five::open(config)?;
                (Client::Five(client), tokio::spawn(five::pump(events, tell)))
            }
            Speaks::Three => {
                let (client, events) = three::open(config)?;
                (Client::Three(client), tokio::spawn(three::pump(events, tell)))
            }
        };
        Ok(Self { client, pump, news })
    }

    /// What happens next.
    pub(super) async fn news(&mut self) -> News {
        self.news.recv().await.unwrap_or_else(|| {
            News::Lost(Lost { why: "the connection's event loop ended".into(), version: false })
        })
    }

    /// Asks for subscriptions; `News::Subscribed` answers.
    ///
    /// # Errors
    /// When the queue is full.
    pub(super) fn subscribe(&self, wanted: &[Wanted]) -> Result<(), String> {
        match &self.client {
            Client::Five(client) => five::subscribe(client, wanted),
            Client::Three(client) => three::subscribe(client, wanted),
        }
    }

    /// Sends a message, or gives it back when the queue is full.
    pub(super) fn publish(&self, message: Message) -> Result<Receipt, Message> {
        match &self.client {
            Client::Five(client) => five::publish(client, message),
            Client::Three(client) => three::publish(client, message),
        }
    }

    /// Says farewell: the broker publishes no last will.
    pub(super) fn disconnect(&self) {
        // When the queue is full the connection just ends.
        let _ = match &self.client {
            Client::Five(client) => client.try_disconnect().map_err(|e| e.to_string()),
            Client::Three(client) => client.try_disconnect().map_err(|e| e.to_string()),
        };
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.pump.abort();
    }
}
