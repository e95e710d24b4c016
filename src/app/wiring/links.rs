//! The links built: what the configuration names becomes an HTTP server, a link to a broker, a broker.
//!
//! Owns: the reading of their certificates, keys and passwords, the order in which they start and end. Does not own:
//! their settings' ranges (`config`), their work. Invariants: a secret that others can read is refused; a link that
//! cannot be started is said and done without.

use std::fs;
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::commands::Desk;
use super::super::config::{MqttSetup, RawHttp};
use super::super::fleet::DeskRoll;
use super::super::pipeline::Links;
use super::super::uplink::{NudgingUplink, StoreOutbox};
use super::{WiringError, write_private};
use crate::device::console::ConsoleUplink;
use crate::link::broker::{Broker, BrokerConfig};
use crate::link::fleet::GroupKey;
use crate::link::http::{self, HttpConfig, HttpServer};
use crate::link::mqtt::{Fleet, Mqtt, MqttConfig, Nudge, Tls, Topics, World};
use crate::link::wire::Operations;
use crate::ports::{Clock, Uplink};
use crate::store::Store;

/// A link's settings with what stands in the files they name.
///
/// # Errors
/// When a file cannot be read, or others may read a secret.
pub fn mqtt_settings(setup: &MqttSetup) -> Result<MqttConfig, WiringError> {
    let mut link = setup.link.clone();
    if setup.tls {
        let authority = setup.authority.as_deref().map(|p| link_file(p, false)).transpose()?;
        let client = setup
            .client
            .as_ref()
            .map(|(certificate, key)| {
                link_file(certificate, false).and_then(|c| Ok((c, link_file(key, true)?)))
            })
            .transpose()?;
        link.broker.tls = Some(Tls { authority, client });
    }
    if let Some((user, file)) = &setup.login {
        let password = String::from_utf8(link_file(file, true)?)
            .map_err(|_| WiringError::Link(format!("{} is not UTF-8", file.display())))?;
        link.broker.login = Some((user.clone(), password.lines().next().unwrap_or_default().to_owned()));
    }
    Ok(link)
}

/// A group of doors with its keys.
pub struct GroupSecret {
    name: String,
    key: GroupKey,
}

/// The group that a link's settings name, with what stands in the file of its secret.
///
/// # Errors
/// When the file cannot be read, others may read it, or it holds no secret.
pub fn group_secret(setup: &MqttSetup) -> Result<Option<GroupSecret>, WiringError> {
    let Some((name, file)) = &setup.group else { return Ok(None) };
    let text = zeroize::Zeroizing::new(link_file(file, true)?);
    let digits = text.trim_ascii();
    let mut secret = zeroize::Zeroizing::new([0; 32]);
    let wrong = || {
        let file = file.display();
        WiringError::Link(format!(
            "{file} must hold 64 hex digits; make one with: openssl rand -hex 32 > {file}"
        ))
    };
    if digits.len() != 64 {
        return Err(wrong());
    }
    for (byte, pair) in secret.iter_mut().zip(digits.chunks(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_| wrong())?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
    }
    Ok(Some(GroupSecret { name: name.clone(), key: GroupKey::new(&secret, name) }))
}

fn link_file(path: &Path, secret: bool) -> Result<Vec<u8>, WiringError> {
    let failed = |e| WiringError::Link(format!("{} cannot be read: {e}", path.display()));
    let file = fs::File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode();
    if secret && mode & 0o077 != 0 {
        let path = path.display();
        return Err(WiringError::Link(format!("{path} can be read by others; run: chmod 600 {path}")));
    }
    let mut bytes = Vec::new();
    file.take(1 << 20).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// The link to a broker as it is to be started.
pub struct LinkParts {
    /// Its settings.
    pub config: MqttConfig,
    /// The group of doors.
    pub group: Option<GroupSecret>,
    /// Where the broker inside this program listens and its certificate's files, where that is the broker.
    pub own: Option<(SocketAddr, Option<(PathBuf, PathBuf)>)>,
    /// What wakes it.
    pub nudge: Nudge,
}

/// Reads what the section `[mqtt]` names.
///
/// # Errors
/// See [`mqtt_settings`] and [`group_secret`].
pub fn link_parts(setup: &MqttSetup, nudge: &Nudge) -> Result<LinkParts, WiringError> {
    Ok(LinkParts {
        config: mqtt_settings(setup)?,
        group: group_secret(setup)?,
        own: setup.own.map(|listen| (listen, setup.client.clone())),
        nudge: nudge.clone(),
    })
}

/// The small broker inside the program.
fn own_broker(
    listen: SocketAddr,
    files: Option<&(PathBuf, PathBuf)>,
    topics: Topics,
    names: &[String],
    data: &Path,
    desk: &Arc<Desk>,
) -> Result<Broker, WiringError> {
    let tls = if listen.ip().is_loopback() {
        None
    } else if let Some((certificate, key)) = files {
        Some((link_file(certificate, false)?, link_file(key, true)?))
    } else {
        Some(own_tls(data, names)?)
    };
    let fingerprint = tls.as_ref().and_then(|(chain, _)| http::fingerprint(chain));
    let operations = Arc::clone(desk) as Arc<dyn Operations>;
    let broker = Broker::start(BrokerConfig { listen, tls, topics }, operations)
        .map_err(|e| WiringError::Link(e.to_string()))?;
    tracing::info!(address = %broker.address(), fingerprint, "the door's own broker listens");
    Ok(broker)
}

/// The door's own certificate and its key, made at the first use.
fn own_tls(data: &Path, names: &[String]) -> Result<(Vec<u8>, Vec<u8>), WiringError> {
    let said = |e: &dyn std::fmt::Display| WiringError::Device(e.to_string());
    let (certificate, key) = (data.join("http-certificate.pem"), data.join("http-key.pem"));
    if !certificate.exists() || !key.exists() {
        let own = http::own_certificate(names).map_err(|e| said(&e))?;
        // The key first: a certificate alone is made again, a key alone as well.
        write_private(&key, own.key.as_bytes()).map_err(|e| said(&e))?;
        write_private(&certificate, own.certificate.as_bytes()).map_err(|e| said(&e))?;
    }
    let file = |path: &Path| fs::read(path).map_err(|e| said(&format!("{}: {e}", path.display())));
    Ok((file(&certificate)?, file(&key)?))
}

/// What the journal tells of new events while the link to a broker takes them from the disk.
#[must_use]
pub fn uplink(nudge: &Nudge, console: Option<Box<dyn Uplink>>, newest: u64) -> Box<dyn Uplink> {
    Box::new(NudgingUplink::new(nudge.clone(), console, newest))
}

/// Committed events as lines on the terminal.
#[must_use]
pub fn console() -> Box<dyn Uplink> {
    Box::new(ConsoleUplink::new(Box::new(io::stdout())))
}

/// What reaches the door over a network. A link that cannot be started is said and done without.
#[must_use]
pub fn links(
    http: Option<RawHttp>,
    mqtt: Option<LinkParts>,
    store: &Arc<Store>,
    clock: &Arc<dyn Clock>,
    data: PathBuf,
) -> Links {
    let (store, clock) = (Arc::clone(store), Arc::clone(clock));
    Box::new(move |desk| {
        let mut links: Vec<Box<dyn Send>> = Vec::new();
        let names = http.as_ref().map_or_else(|| RawHttp::default().names, |http| http.names.clone());
        if let Some(http) = http {
            match self::http(&http, &data, desk) {
                Ok(server) => links.push(Box::new(server)),
                Err(error) => tracing::error!(%error, "the door works without its HTTP server"),
            }
        }
        if let Some(LinkParts { mut config, group, own, nudge }) = mqtt {
            let own = own.map(|(listen, files)| {
                own_broker(listen, files.as_ref(), config.topics.clone(), &names, &data, desk)
            });
            let broker = match own.transpose() {
                Ok(broker) => broker,
                Err(error) => {
                    tracing::error!(%error, "the door works without its own broker and without a link to it");
                    return links;
                }
            };
            if let Some(broker) = &broker {
                config.broker = broker.for_the_door();
            }
            let operations = Arc::clone(desk) as Arc<dyn Operations>;
            let fleet = group.map(|GroupSecret { name, key }| {
                let roll = Box::new(DeskRoll::new(Arc::clone(desk), Arc::clone(&store)));
                Fleet { group: name, key, roll }
            });
            let world = World { operations, outbox: Arc::new(StoreOutbox(store)), clock, fleet };
            match Mqtt::start(config, world, &nudge) {
                Ok(link) => links.push(Box::new(link)),
                Err(error) => tracing::error!(%error, "the door works without its link to the broker"),
            }
            // Behind the link, which says farewell to it first.
            links.extend(broker.map(|broker| Box::new(broker) as Box<dyn Send>));
        }
        links
    })
}

/// The door's own HTTP server.
fn http(raw: &RawHttp, data: &Path, desk: &Arc<Desk>) -> Result<HttpServer, WiringError> {
    let said = |e: &dyn std::fmt::Display| WiringError::Device(e.to_string());
    let file = |path: &Path| fs::read(path).map_err(|e| said(&format!("{}: {e}", path.display())));
    let tls = match (&raw.certificate, &raw.key) {
        _ if raw.clear => None,
        (Some(certificate), Some(key)) => Some((file(certificate)?, file(key)?)),
        _ => Some(own_tls(data, &raw.names)?),
    };
    let fingerprint = tls.as_ref().and_then(|(chain, _)| http::fingerprint(chain));
    let config = HttpConfig {
        listen: raw.listen,
        tls,
        per_second: raw.per_second,
        connections: raw.connections,
        patience: http::Patience::default(),
    };
    let server = HttpServer::start(config, Arc::clone(desk) as Arc<dyn Operations>).map_err(|e| said(&e))?;
    let (address, scheme) = (server.address(), if raw.clear { "http" } else { "https" });
    tracing::info!(%address, scheme, fingerprint, "listening");
    Ok(server)
}
