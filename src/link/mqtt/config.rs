//! How the link is set up, checked.
//!
//! Owns: the settings as values that may be used without another look. Does not own: their file (`app/config`).
//! Invariant: secrets are redacted in `Debug`.

use std::fmt;

use super::super::wire::Scopes;
use super::topics::Topics;

/// How the link is set up.
#[derive(Clone, Debug)]
pub struct MqttConfig {
    /// This device's name in topics.
    pub device: String,
    /// Its topics.
    pub topics: Topics,
    /// Where the broker is.
    pub broker: BrokerAddress,
    /// Which version of the protocol is spoken.
    pub version: Version,
    /// Seconds between signs of life, 5 to 1,200.
    pub keep_alive_s: u16,
    /// What may be asked without a signature, by whoever the broker lets write to `cmd/`. Never moves the door.
    pub scopes: Scopes,
    /// Whose signed commands are obeyed.
    pub operators: Vec<Operator>,
    /// Whether `door/<n>/set` moves the door: the broker alone decides who may write there.
    pub door_set: bool,
    /// When an event counts as delivered.
    pub confirm: Confirm,
    /// Whether Home Assistant is told how to show this door.
    pub home_assistant: bool,
    /// Whether pictures of the camera go to the broker: `snapshot` and `image/last`.
    pub pictures: bool,
}

/// Where the broker is and how it is spoken to.
#[derive(Clone)]
pub struct BrokerAddress {
    /// Name or address.
    pub host: String,
    /// 1883, or 8883 with TLS.
    pub port: u16,
    /// TLS, where it is used.
    pub tls: Option<Tls>,
    /// Name and password, where the broker wants them.
    pub login: Option<(String, String)>,
}

impl fmt::Debug for BrokerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls.is_some() { "mqtts" } else { "mqtt" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

/// Certificates as PEM.
#[derive(Clone)]
pub struct Tls {
    /// Who vouches for the broker; without one, those the system trusts.
    pub authority: Option<Vec<u8>>,
    /// The door's own certificate chain and key.
    pub client: Option<(Vec<u8>, Vec<u8>)>,
}

/// Which version of MQTT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// 5, and 3.1.1 with a broker that does not know it.
    #[default]
    Auto,
    /// 5 alone.
    Five,
    /// 3.1.1 alone.
    ThreeOneOne,
}

/// When an event counts as delivered and may leave the outbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Confirm {
    /// When the receiver said so on `events/ack`.
    #[default]
    Receiver,
    /// When the broker has taken it.
    Broker,
}

/// Whose signature is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// The name that a signed command gives.
    pub name: String,
    /// Their Ed25519 public key.
    pub key: [u8; 32],
    /// What they may.
    pub scopes: Scopes,
}
