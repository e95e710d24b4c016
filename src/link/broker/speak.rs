//! Both versions of MQTT as one form.
//!
//! Owns: how a packet of 5 or 3.1.1 becomes what is asked, and how an answer becomes bytes. The bytes themselves are
//! written and read by rumqttc's codecs. Does not own: sessions, sockets, rights.
//! Invariants: nothing above [`PACKET`] is read, nothing above [`HELLO`] before somebody was let in; what the broker does
//! not do (`QoS` 2, aliases, numbered and shared subscriptions) is refused with the standard's code, never half done.

use bytes::{Bytes, BytesMut};
use rumqttc::{
    ConnAck, ConnAckProperties, ConnectAuth, ConnectProperties, ConnectReturnCode, Disconnect,
    DisconnectReasonCode as Why, Packet as Five, PubAck, PubAckReason, Publish, PublishProperties, QoS,
    RetainForwardRule, SubAck, SubscribeReasonCode, UnsubAck, UnsubAckReason,
};
use rumqttc_v4::Packet as Three;

use super::hub::{Sub, TellRetained};
use super::message::{Out, Will};

/// Largest packet, bytes.
pub(super) const PACKET: u32 = 1 << 20;
/// Largest packet of somebody who was not let in yet.
pub(super) const HELLO: u32 = 64 << 10;
/// Longest topic and filter, bytes.
const TOPIC: usize = 1_024;
/// Publishes without a receipt, where the receiver names no number.
const WINDOW: u16 = 32;
/// Longest time between two signs of life that MQTT 5 is granted, seconds.
const KEEP_ALIVE: u16 = 1_200;

/// The version that a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    Five,
    Three,
}

/// Why a connection is ended by the broker.
#[derive(Debug)]
pub(super) struct Bad(pub(super) Why, pub(super) &'static str);

/// How somebody comes in.
#[derive(Debug)]
pub(super) struct Hello {
    pub(super) version: Version,
    pub(super) id: String,
    pub(super) clean: bool,
    pub(super) lasting_ms: u64,
    /// Seconds; 0 is without end.
    pub(super) keep_alive: u16,
    pub(super) window: usize,
    pub(super) largest: usize,
    pub(super) will: Option<Will>,
    pub(super) password: Option<Bytes>,
    /// A way to prove oneself that this broker does not know.
    pub(super) other_proof: bool,
}

/// What a connection asks.
#[derive(Debug)]
pub(super) enum Asked {
    Publish { id: Option<u16>, topic: String, payload: Bytes, retain: bool, extra: Option<PublishProperties> },
    Receipt(u16),
    Subscribe { id: u16, subs: Vec<Result<Sub, Unfit>> },
    Unsubscribe { id: u16, filters: Vec<String> },
    Ping,
    Bye { farewell: bool, lasting_ms: Option<u64> },
}

/// Why a subscription is not granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    Filter,
    Shared,
    Numbered,
    Full,
}

/// How a message was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Yes,
    Forbidden,
    Full,
}

/// Reads who comes; `None` until enough bytes are there.
pub(super) fn hello(buffer: &mut BytesMut) -> Result<Option<Hello>, Bad> {
    match rumqttc::check(buffer.iter(), Some(HELLO)) {
        Ok(_) => {}
        Err(rumqttc::Error::InsufficientBytes(_)) => return Ok(None),
        Err(error) => return Err(five(&error)),
    }
    // The level stands behind the first byte, the length and the protocol's name.
    let length = buffer.iter().skip(1).take_while(|b| **b & 0x80 != 0).count() + 2;
    match buffer.get(length + 6) {
        Some(5) => match Five::read(buffer, Some(HELLO)).map_err(|e| five(&e))? {
            Five::Connect(connect, will, auth) => {
                let asked = connect.properties.unwrap_or_else(ConnectProperties::new);
                let password = match auth {
                    ConnectAuth::Password { password } | ConnectAuth::UsernamePassword { password, .. } => {
                        Some(password)
                    }
                    ConnectAuth::None | ConnectAuth::Username { .. } => None,
                };
                Ok(Some(Hello {
                    version: Version::Five,
                    id: connect.client_id,
                    clean: connect.clean_start,
                    lasting_ms: u64::from(asked.session_expiry_interval.unwrap_or(0)) * 1_000,
                    keep_alive: connect.keep_alive,
                    window: usize::from(asked.receive_maximum.unwrap_or(WINDOW).min(WINDOW)),
                    largest: asked.max_packet_size.map_or(usize::MAX, |n| n as usize),
                    will: will.map(will_of_five).transpose()?,
                    password,
                    other_proof: asked.authentication_method.is_some(),
                }))
            }
            _ => Err(Bad(Why::ProtocolError, "the first packet is no CONNECT")),
        },
        Some(4) => match Three::read(buffer, HELLO as usize) {
            Ok(Three::Connect(connect)) => {
                let password = match connect.auth {
                    rumqttc_v4::ConnectAuth::UsernamePassword { password, .. } => Some(password),
                    rumqttc_v4::ConnectAuth::None | rumqttc_v4::ConnectAuth::Username { .. } => None,
                };
                let will = connect.last_will.map(|will| Will {
                    topic: will.topic,
                    payload: will.message,
                    acknowledged: will.qos != rumqttc_v4::QoS::AtMostOnce,
                    retain: will.retain,
                    extra: None,
                    delay_ms: 0,
                });
                if let Some(will) = &will {
                    topic(will.topic.as_bytes())?;
                }
                Ok(Some(Hello {
                    version: Version::Three,
                    id: connect.client_id,
                    clean: connect.clean_session,
                    // 3.1.1 knows only for ever and not at all; the hub bounds it.
                    lasting_ms: if connect.clean_session { 0 } else { u64::MAX },
                    keep_alive: connect.keep_alive,
                    window: usize::from(WINDOW),
                    largest: usize::MAX,
                    will,
                    password,
                    other_proof: false,
                }))
            }
            Ok(_) => Err(Bad(Why::ProtocolError, "the first packet is no CONNECT")),
            Err(_) => Err(Bad(Why::MalformedPacket, "the CONNECT cannot be read")),
        },
        Some(_) | None => Err(Bad(Why::ProtocolError, "neither MQTT 5 nor 3.1.1")),
    }
}

fn will_of_five(will: rumqttc::LastWill) -> Result<Will, Bad> {
    let name = topic(&will.topic)?;
    let delay = will.properties.as_ref().and_then(|p| p.delay_interval).unwrap_or(0);
    let extra = will.properties.map(|p| PublishProperties {
        payload_format_indicator: p.payload_format_indicator,
        message_expiry_interval: p.message_expiry_interval,
        response_topic: p.response_topic,
        correlation_data: p.correlation_data,
        user_properties: p.user_properties,
        content_type: p.content_type,
        ..PublishProperties::default()
    });
    Ok(Will {
        topic: name,
        payload: will.message,
        acknowledged: will.qos != QoS::AtMostOnce,
        retain: will.retain,
        extra,
        delay_ms: u64::from(delay) * 1_000,
    })
}

/// Reads the next thing asked; `None` until enough bytes are there.
pub(super) fn read(version: Version, buffer: &mut BytesMut) -> Result<Option<Asked>, Bad> {
    match version {
        Version::Five => match Five::read(buffer, Some(PACKET)) {
            Ok(packet) => asked_in_five(packet).map(Some),
            Err(rumqttc::Error::InsufficientBytes(_)) => Ok(None),
            Err(error) => Err(five(&error)),
        },
        Version::Three => match Three::read(buffer, PACKET as usize) {
            Ok(packet) => asked_in_three(packet).map(Some),
            Err(rumqttc_v4::mqttbytes::Error::InsufficientBytes(_)) => Ok(None),
            Err(rumqttc_v4::mqttbytes::Error::PayloadSizeLimitExceeded(_)) => Err(too_large()),
            Err(_) => Err(Bad(Why::MalformedPacket, "a packet cannot be read")),
        },
    }
}

fn asked_in_five(packet: Five) -> Result<Asked, Bad> {
    Ok(match packet {
        Five::Publish(p) => {
            if p.properties.as_ref().is_some_and(|e| e.topic_alias.is_some()) {
                return Err(Bad(Why::TopicAliasInvalid, "an alias in place of a topic"));
            }
            Asked::Publish {
                id: receipt_wanted(p.qos, p.pkid)?,
                topic: topic(&p.topic)?,
                payload: p.payload,
                retain: p.retain,
                extra: p.properties,
            }
        }
        Five::PubAck(ack) => Asked::Receipt(ack.pkid),
        Five::Subscribe(s) => {
            let numbered = s.properties.as_ref().is_some_and(|p| p.id.is_some());
            let subs = s.filters.into_iter().map(|f| {
                if numbered {
                    return Err(Unfit::Numbered);
                }
                let retained = match f.retain_forward_rule {
                    RetainForwardRule::OnEverySubscribe => TellRetained::Always,
                    RetainForwardRule::OnNewSubscribe => TellRetained::IfNew,
                    RetainForwardRule::Never => TellRetained::Never,
                };
                Ok(Sub {
                    filter: filter(f.path)?,
                    acknowledged: f.qos != QoS::AtMostOnce,
                    no_local: f.nolocal,
                    as_published: f.preserve_retain,
                    retained,
                })
            });
            Asked::Subscribe { id: s.pkid, subs: subs.collect() }
        }
        Five::Unsubscribe(u) => Asked::Unsubscribe { id: u.pkid, filters: u.filters },
        Five::PingReq => Asked::Ping,
        Five::Disconnect(d) => Asked::Bye {
            farewell: d.reason_code == Why::NormalDisconnection,
            lasting_ms: d.properties.and_then(|p| p.session_expiry_interval).map(|s| u64::from(s) * 1_000),
        },
        Five::Connect(..)
        | Five::ConnAck(_)
        | Five::PubRec(_)
        | Five::PubRel(_)
        | Five::PubComp(_)
        | Five::SubAck(_)
        | Five::UnsubAck(_)
        | Five::PingResp
        | Five::Auth(_) => return Err(out_of_place()),
    })
}

fn asked_in_three(packet: Three) -> Result<Asked, Bad> {
    Ok(match packet {
        Three::Publish(p) => {
            let qos = match p.qos {
                rumqttc_v4::QoS::AtMostOnce => QoS::AtMostOnce,
                rumqttc_v4::QoS::AtLeastOnce => QoS::AtLeastOnce,
                rumqttc_v4::QoS::ExactlyOnce => QoS::ExactlyOnce,
            };
            Asked::Publish {
                id: receipt_wanted(qos, p.pkid)?,
                topic: topic(&p.topic)?,
                payload: p.payload,
                retain: p.retain,
                extra: None,
            }
        }
        Three::PubAck(ack) => Asked::Receipt(ack.pkid),
        Three::Subscribe(s) => {
            let subs = s.filters.into_iter().map(|f| {
                Ok(Sub {
                    filter: filter(f.path)?,
                    acknowledged: f.qos != rumqttc_v4::QoS::AtMostOnce,
                    no_local: false,
                    as_published: false,
                    retained: TellRetained::Always,
                })
            });
            Asked::Subscribe { id: s.pkid, subs: subs.collect() }
        }
        Three::Unsubscribe(u) => Asked::Unsubscribe { id: u.pkid, filters: u.topics },
        Three::PingReq => Asked::Ping,
        Three::Disconnect => Asked::Bye { farewell: true, lasting_ms: None },
        Three::Connect(_)
        | Three::ConnAck(_)
        | Three::PubRec(_)
        | Three::PubRel(_)
        | Three::PubComp(_)
        | Three::SubAck(_)
        | Three::UnsubAck(_)
        | Three::PingResp => return Err(out_of_place()),
    })
}

const fn out_of_place() -> Bad {
    Bad(Why::ProtocolError, "a packet that has no place there")
}

const fn too_large() -> Bad {
    Bad(Why::PacketTooLarge, "a packet is too large")
}

fn five(error: &rumqttc::Error) -> Bad {
    match error {
        rumqttc::Error::PayloadSizeLimitExceeded { .. } => too_large(),
        rumqttc::Error::ProtocolViolation(why) => Bad(*why, "a packet breaks the protocol"),
        _ => Bad(Why::MalformedPacket, "a packet cannot be read"),
    }
}

fn receipt_wanted(qos: QoS, id: u16) -> Result<Option<u16>, Bad> {
    match qos {
        QoS::AtMostOnce => Ok(None),
        QoS::AtLeastOnce => Ok(Some(id)),
        QoS::ExactlyOnce => Err(Bad(Why::QoSNotSupported, "this broker has no QoS 2")),
    }
}

fn topic(bytes: &[u8]) -> Result<String, Bad> {
    let text = std::str::from_utf8(bytes).map_err(|_| Bad(Why::TopicNameInvalid, "a topic is no UTF-8"))?;
    let fits = !text.is_empty() && text.len() <= TOPIC && !text.contains(['+', '#', '\0']);
    if fits { Ok(text.to_owned()) } else { Err(Bad(Why::TopicNameInvalid, "a topic cannot be used")) }
}

fn filter(text: String) -> Result<String, Unfit> {
    if text.starts_with("$share/") {
        return Err(Unfit::Shared);
    }
    if text.len() <= TOPIC && !text.contains('\0') && rumqttc::valid_filter(&text) {
        Ok(text)
    } else {
        Err(Unfit::Filter)
    }
}

/// Bytes for one connection.
pub(super) struct Mouth {
    pub(super) version: Version,
    pub(super) largest: usize,
    pub(super) bytes: BytesMut,
}

impl Mouth {
    /// `false` when it cannot be said at all.
    fn say(&mut self, five: impl FnOnce() -> Five, three: impl FnOnce() -> Three) -> bool {
        match self.version {
            Version::Five => {
                let largest = u32::try_from(self.largest).ok();
                five().write(&mut self.bytes, largest).is_ok()
            }
            Version::Three => three().write(&mut self.bytes, usize::MAX).is_ok(),
        }
    }

    /// Lets somebody in.
    pub(super) fn welcome(&mut self, present: bool, given: Option<String>, lasting_ms: u64, keep_alive: u16) {
        let properties = ConnAckProperties {
            session_expiry_interval: Some(u32::try_from(lasting_ms / 1_000).unwrap_or(u32::MAX)),
            receive_max: None,
            max_qos: Some(1),
            retain_available: None,
            max_packet_size: Some(PACKET),
            assigned_client_identifier: given,
            topic_alias_max: None,
            reason_string: None,
            user_properties: Vec::new(),
            wildcard_subscription_available: None,
            subscription_identifiers_available: Some(0),
            shared_subscription_available: Some(0),
            server_keep_alive: (keep_alive == 0 || keep_alive > KEEP_ALIVE).then_some(KEEP_ALIVE),
            response_information: None,
            server_reference: None,
            authentication_method: None,
            authentication_data: None,
        };
        let code = ConnectReturnCode::Success;
        self.say(
            || Five::ConnAck(ConnAck { session_present: present, code, properties: Some(properties) }),
            || Three::ConnAck(rumqttc_v4::ConnAck::new(rumqttc_v4::ConnectReturnCode::Success, present)),
        );
    }

    /// Does not let somebody in.
    pub(super) fn turn_away(&mut self, why: ConnectReturnCode) {
        let old = match why {
            ConnectReturnCode::BadUserNamePassword => rumqttc_v4::ConnectReturnCode::BadUserNamePassword,
            ConnectReturnCode::ClientIdentifierNotValid => rumqttc_v4::ConnectReturnCode::BadClientId,
            _ => rumqttc_v4::ConnectReturnCode::ServiceUnavailable,
        };
        self.say(
            || Five::ConnAck(ConnAck { session_present: false, code: why, properties: None }),
            || Three::ConnAck(rumqttc_v4::ConnAck::new(old, false)),
        );
    }

    /// Tells a message; `false` when the receiver takes none of that size.
    pub(super) fn publish(&mut self, out: &Out, now: u64) -> bool {
        let (message, id) = (&out.message, out.id.unwrap_or(0));
        let dup = out.again && out.id.is_some();
        let topic = Bytes::copy_from_slice(message.topic.as_bytes());
        let payload = message.payload.clone();
        let old_topic = topic.clone();
        let old_payload = payload.clone();
        let qos = if out.id.is_some() { QoS::AtLeastOnce } else { QoS::AtMostOnce };
        let old_qos =
            if out.id.is_some() { rumqttc_v4::QoS::AtLeastOnce } else { rumqttc_v4::QoS::AtMostOnce };
        let properties = message.properties(now);
        self.say(
            || Five::Publish(Publish { dup, qos, retain: out.retain, topic, pkid: id, payload, properties }),
            || {
                Three::Publish(rumqttc_v4::Publish {
                    dup,
                    qos: old_qos,
                    retain: out.retain,
                    topic: old_topic,
                    pkid: id,
                    payload: old_payload,
                })
            },
        )
    }

    /// The receipt for a message. 3.1.1 has no word for one that was not taken.
    pub(super) fn receipt(&mut self, id: u16, taken: Taken) {
        let reason = match taken {
            Taken::Yes => PubAckReason::Success,
            Taken::Forbidden => PubAckReason::NotAuthorized,
            Taken::Full => PubAckReason::QuotaExceeded,
        };
        self.say(
            || Five::PubAck(PubAck { pkid: id, reason, properties: None }),
            || Three::PubAck(rumqttc_v4::PubAck::new(id)),
        );
    }

    /// What became of each wish; the value is whether receipts are kept.
    pub(super) fn granted(&mut self, id: u16, wishes: &[Result<bool, Unfit>]) {
        let code = |wish: &Result<bool, Unfit>| match wish {
            Ok(true) => SubscribeReasonCode::Success(QoS::AtLeastOnce),
            Ok(false) => SubscribeReasonCode::Success(QoS::AtMostOnce),
            Err(Unfit::Filter) => SubscribeReasonCode::TopicFilterInvalid,
            Err(Unfit::Shared) => SubscribeReasonCode::SharedSubscriptionsNotSupported,
            Err(Unfit::Numbered) => SubscribeReasonCode::SubscriptionIdNotSupported,
            Err(Unfit::Full) => SubscribeReasonCode::QuotaExceeded,
        };
        let old = |wish: &Result<bool, Unfit>| match wish {
            Ok(true) => rumqttc_v4::SubscribeReasonCode::Success(rumqttc_v4::QoS::AtLeastOnce),
            Ok(false) => rumqttc_v4::SubscribeReasonCode::Success(rumqttc_v4::QoS::AtMostOnce),
            Err(_) => rumqttc_v4::SubscribeReasonCode::Failure,
        };
        self.say(
            || {
                Five::SubAck(SubAck {
                    pkid: id,
                    return_codes: wishes.iter().map(code).collect(),
                    properties: None,
                })
            },
            || Three::SubAck(rumqttc_v4::SubAck::new(id, wishes.iter().map(old).collect())),
        );
    }

    /// Whether each subscription was there.
    pub(super) fn ended(&mut self, id: u16, were: &[bool]) {
        let code =
            |was: &bool| if *was { UnsubAckReason::Success } else { UnsubAckReason::NoSubscriptionExisted };
        self.say(
            || {
                Five::UnsubAck(UnsubAck {
                    pkid: id,
                    reasons: were.iter().map(code).collect(),
                    properties: None,
                })
            },
            || Three::UnsubAck(rumqttc_v4::UnsubAck::new(id)),
        );
    }

    pub(super) fn pong(&mut self) {
        self.say(|| Five::PingResp, || Three::PingResp);
    }

    /// Says why the connection ends, to who understands it.
    pub(super) fn goodbye(&mut self, why: Why) {
        if self.version == Version::Five {
            self.say(
                || Five::Disconnect(Disconnect { reason_code: why, properties: None }),
                || Three::Disconnect,
            );
        }
    }
}
