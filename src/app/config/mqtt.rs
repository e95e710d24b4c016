//! `[mqtt]`: from the file to a link's settings.
//!
//! Owns: the shape of the section, its ranges, the reading of the broker's address. Does not own: certificates and
//! passwords themselves (`wiring` reads the files that are named here), the link.

use std::net::SocketAddr;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::link::mqtt::{BrokerAddress, Confirm, MqttConfig, Operator, Topics, Version};
use crate::link::wire::Scopes;

/// The link to a broker. Without `broker` there is none.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawMqtt {
    /// `mqtts://broker.example` (TLS, port 8883), `mqtt://192.0.2.7:1883`, or `own`: the small broker inside this program,
    /// for programs of this board on 127.0.0.1:1883. `own://0.0.0.0:8883` is for others, too: with TLS, and a key of the
    /// door as the password.
    pub broker: Option<String>,
    /// This door in topics: `ostiary/<device>/...`. Letters, digits, - and _.
    pub device: String,
    /// PEM file of the authority that vouches for the broker; by default those the system trusts.
    pub authority: Option<PathBuf>,
    /// PEM file of the door's own certificate; that of the door's own broker where it is one for others.
    pub certificate: Option<PathBuf>,
    /// PEM file of its key.
    pub key: Option<PathBuf>,
    /// Name at the broker.
    pub user: Option<String>,
    /// File with the password on its first line, readable by the owner alone.
    pub password_file: Option<PathBuf>,
    /// `auto` (5, else 3.1.1), `5` or `3.1.1`.
    pub version: String,
    /// Seconds between signs of life (5 to 1,200).
    pub keep_alive_s: u16,
    /// What may be asked without a signature by whoever the broker lets write to `cmd/`: names of scopes. The scope
    /// `door` has no effect here: the door moves for signed commands.
    pub scopes: Vec<String>,
    /// Obey LOCK, UNLOCK and OPEN on `door/1/set`, as Home Assistant sends them, from whoever the broker lets write.
    pub door_set: bool,
    /// An event leaves the outbox when the `receiver` has said so on `events/ack`, or when the `broker` has it.
    pub confirm: String,
    /// Tell Home Assistant how to show this door, on `homeassistant/device/<device>/config`.
    pub home_assistant: bool,
    /// Let pictures of the camera go to the broker: the last visitor on `image/last`, and `snapshot` for a signed operator
    /// with the scope `door`.
    pub pictures: bool,
    /// The group of doors whose people this door shares.
    pub group: Option<String>,
    /// File with the group's secret, 64 hex digits on its first line, the same at every door and readable by the owner
    /// alone.
    pub group_key_file: Option<PathBuf>,
    /// Whose signed commands are obeyed.
    pub operators: Vec<RawOperator>,
}

impl Default for RawMqtt {
    fn default() -> Self {
        Self {
            broker: None,
            device: "door".into(),
            authority: None,
            certificate: None,
            key: None,
            user: None,
            password_file: None,
            version: "auto".into(),
            keep_alive_s: 30,
            scopes: Vec::new(),
            door_set: false,
            confirm: "receiver".into(),
            home_assistant: false,
            pictures: false,
            group: None,
            group_key_file: None,
            operators: Vec::new(),
        }
    }
}

/// Somebody whose signature is believed.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RawOperator {
    /// The name that a signed command gives.
    pub name: String,
    /// Their Ed25519 public key, 32 bytes in base64.
    pub key: String,
    /// What they may: names of scopes.
    pub scopes: Vec<String>,
}

/// The section, checked; files are named and not yet read.
#[derive(Clone, Debug)]
pub struct MqttSetup {
    /// The link's settings, without what stands in files.
    pub link: MqttConfig,
    /// Whether TLS is spoken.
    pub tls: bool,
    /// The authority's file.
    pub authority: Option<PathBuf>,
    /// The certificate's and the key's file.
    pub client: Option<(PathBuf, PathBuf)>,
    /// The name at the broker and the password's file.
    pub login: Option<(String, PathBuf)>,
    /// The group and its secret's file.
    pub group: Option<(String, PathBuf)>,
    /// Where the broker inside this program listens, where that is the broker.
    pub own: Option<SocketAddr>,
}

/// Where the broker is.
#[derive(Debug, PartialEq, Eq)]
enum Where {
    There { tls: bool, host: String, port: u16 },
    Own(SocketAddr),
}

impl RawMqtt {
    /// The section, or nothing where no broker is named.
    ///
    /// # Errors
    /// Which key, what it may be.
    pub(super) fn check(&self) -> Result<Option<MqttSetup>, String> {
        let Some(address) = &self.broker else { return Ok(None) };
        let (tls, host, port, own) = match broker(address)? {
            Where::There { tls, host, port } => (tls, host, port, None),
            Where::Own(listen) => (false, listen.ip().to_string(), listen.port(), Some(listen)),
        };
        // It serves with a certificate, where it serves others.
        let certified = own.is_some_and(|listen| !listen.ip().is_loopback());
        if own.is_some() && (self.authority.is_some() || self.user.is_some() || self.password_file.is_some())
        {
            return Err(
                "mqtt.authority, mqtt.user and mqtt.password_file are for a broker elsewhere: the door needs none for \
                 its own, and whoever comes to it shows a key of the door (ostiary tokens create)"
                    .into(),
            );
        }
        if !(5..=1_200).contains(&self.keep_alive_s) {
            return Err(format!("mqtt.keep_alive_s must be from 5 to 1200, it is {}", self.keep_alive_s));
        }
        let version = match self.version.as_str() {
            "auto" => Version::Auto,
            "5" => Version::Five,
            "3.1.1" => Version::ThreeOneOne,
            other => return Err(format!("mqtt.version is auto, 5 or 3.1.1, not {other:?}")),
        };
        let confirm = match self.confirm.as_str() {
            "receiver" => Confirm::Receiver,
            "broker" => Confirm::Broker,
            other => return Err(format!("mqtt.confirm is receiver or broker, not {other:?}")),
        };
        let client = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => Some((certificate.clone(), key.clone())),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                return Err("mqtt.certificate and mqtt.key belong together".into());
            }
        };
        if !tls && !certified && (client.is_some() || self.authority.is_some()) {
            return Err("mqtt.authority, mqtt.certificate and mqtt.key need mqtts:// in mqtt.broker".into());
        }
        let login = match (&self.user, &self.password_file) {
            (Some(user), Some(file)) => Some((user.clone(), file.clone())),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                return Err("mqtt.user and mqtt.password_file belong together".into());
            }
        };
        let group = match (&self.group, &self.group_key_file) {
            (Some(group), Some(file)) => {
                Topics::group(group).map_err(|e| format!("mqtt.group: {e}"))?;
                Some((group.clone(), file.clone()))
            }
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                return Err("mqtt.group and mqtt.group_key_file belong together".into());
            }
        };
        let topics = Topics::new(&self.device).map_err(|e| format!("mqtt.device: {e}"))?;
        let link = MqttConfig {
            device: self.device.clone(),
            topics,
            broker: BrokerAddress { host, port, tls: None, login: None },
            version,
            keep_alive_s: self.keep_alive_s,
            scopes: scopes("mqtt.scopes", &self.scopes)?,
            operators: self.operators.iter().map(RawOperator::check).collect::<Result<_, _>>()?,
            door_set: self.door_set,
            confirm,
            home_assistant: self.home_assistant,
            pictures: self.pictures,
        };
        Ok(Some(MqttSetup { link, tls, authority: self.authority.clone(), client, login, group, own }))
    }
}

impl RawOperator {
    fn check(&self) -> Result<Operator, String> {
        let key = STANDARD.decode(self.key.trim()).ok().and_then(|k| k.try_into().ok()).ok_or_else(|| {
            format!(
                "the key of mqtt operator {:?} must be 32 bytes in base64 (an Ed25519 public key)",
                self.name
            )
        })?;
        let scopes = scopes(&format!("mqtt operator {:?}: scopes", self.name), &self.scopes)?;
        Ok(Operator { name: self.name.clone(), key, scopes })
    }
}

fn scopes(key: &str, names: &[String]) -> Result<Scopes, String> {
    Scopes::parse(names.iter().map(String::as_str))
        .map_err(|name| format!("{key}: there is no scope {name:?}; there are {}", Scopes::ALL))
}

/// `mqtt://host:port`, `mqtts://host:port`, `own` or `own://address:port`.
fn broker(address: &str) -> Result<Where, String> {
    let wrong = || {
        format!(
            "mqtt.broker is mqtts://HOST or mqtt://HOST, with :PORT where it is another, or own, or \
             own://ADDRESS:PORT, not {address:?}"
        )
    };
    if address == "own" {
        return Ok(Where::Own(SocketAddr::from(([127, 0, 0, 1], 1883))));
    }
    let (tls, rest) = match address.split_once("://") {
        Some(("mqtts", rest)) => (true, rest),
        Some(("mqtt", rest)) => (false, rest),
        Some(("own", rest)) => return rest.parse().map(Where::Own).map_err(|_| wrong()),
        Some(_) | None => return Err(wrong()),
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let standard = if tls { 8883 } else { 1883 };
    let (host, port) = if let Some(v6) = rest.strip_prefix('[') {
        let (host, port) = v6.split_once(']').ok_or_else(wrong)?;
        (host, port.strip_prefix(':'))
    } else {
        rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port)))
    };
    let port = port.map_or(Ok(standard), |p| p.parse().map_err(|_| wrong()))?;
    let fits = !host.is_empty() && !host.contains(['/', '@', ' ', '?']);
    if fits { Ok(Where::There { tls, host: host.to_owned(), port }) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_brokers_address_is_read() {
        let read = |a: &str| broker(a).unwrap();
        let there = |tls, host: &str, port| Where::There { tls, host: host.into(), port };
        assert_eq!(read("mqtt://10.0.0.2"), there(false, "10.0.0.2", 1883));
        assert_eq!(read("mqtts://broker.example/"), there(true, "broker.example", 8883));
        assert_eq!(read("mqtts://[::1]:99"), there(true, "::1", 99));
        assert_eq!(read("own"), Where::Own("127.0.0.1:1883".parse().unwrap()));
        assert_eq!(read("own://[::]:8883"), Where::Own("[::]:8883".parse().unwrap()));
        let wrong = [
            "broker.example",
            "http://x",
            "mqtt://",
            "mqtt://a:b",
            "mqtt://u:p@h",
            "mqtt://a/b",
            "own://",
            "own://door:1",
        ];
        for wrong in wrong {
            assert!(broker(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_section_is_checked_as_a_whole() {
        let good = || RawMqtt { broker: Some("mqtts://b".into()), ..RawMqtt::default() };
        assert!(RawMqtt::default().check().unwrap().is_none());
        let setup = good().check().unwrap().unwrap();
        assert!(setup.tls && !setup.link.door_set && setup.link.confirm == Confirm::Receiver);
        let says = |change: fn(&mut RawMqtt), word: &str| {
            let mut raw = good();
            change(&mut raw);
            let error = raw.check().unwrap_err();
            assert!(error.contains(word), "{error}");
        };
        says(|r| r.device = "a/b".into(), "mqtt.device");
        says(|r| r.keep_alive_s = 1, "keep_alive_s");
        says(|r| r.version = "4".into(), "3.1.1");
        says(|r| r.confirm = "never".into(), "receiver");
        says(|r| r.key = Some("k".into()), "belong together");
        says(|r| r.user = Some("u".into()), "belong together");
        says(|r| r.group = Some("hq".into()), "belong together");
        says(|r| (r.group, r.group_key_file) = (Some("a/b".into()), Some("k".into())), "mqtt.group");
        says(|r| r.scopes = vec!["root".into()], "root");
        says(|r| (r.broker, r.authority) = (Some("own".into()), Some("a".into())), "elsewhere");
        says(
            |r| {
                (r.certificate, r.key) = (Some("c".into()), Some("k".into()));
                r.broker = Some("own".into());
            },
            "mqtts",
        );
        let others = RawMqtt {
            broker: Some("own://0.0.0.0:8883".into()),
            certificate: Some("c".into()),
            key: Some("k".into()),
            ..RawMqtt::default()
        };
        assert!(others.check().unwrap().unwrap().own.is_some());
        says(
            |r| r.operators.push(RawOperator { name: "o".into(), key: "AA==".into(), scopes: Vec::new() }),
            "32 bytes",
        );
        says(
            |r| {
                r.broker = Some("mqtt://b".into());
                r.authority = Some("x".into());
            },
            "mqtts",
        );
    }
}
