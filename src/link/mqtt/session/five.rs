//! MQTT 5 through rumqttc.
//!
//! Owns: the translation between rumqttc's types and ours. Does not own: anything else.

use rumqttc::{
    AsyncClient, ConnAck, ConnectReturnCode, ConnectionError, Event, EventLoop, IncomingPacketSizeLimit,
    LastWill, MqttOptions, Packet, PersistedAckMode, PersistedSession, PublishOptions, PublishProperties,
    QoS, SessionStore, SessionStoreError, SessionStoreKey, SubscribeFilterInput, SubscribeReasonCode,
    Transport,
};
use tokio::sync::mpsc;

use super::super::config::MqttConfig;
use super::super::guard::Expiry;
use super::{IN_FLIGHT, Inbound, KEEP_SESSION_S, Lost, MAX_PACKET, Message, News, QUEUE, Receipt, Wanted};

type Store<'a, T> = std::pin::Pin<Box<dyn Future<Output = Result<T, SessionStoreError>> + Send + 'a>>;

/// Tells rumqttc that nothing was under way when this connection began: the outbox sends again what was.
///
/// Without it a broker that remembers this door is refused, or nothing may be published to it.
#[derive(Debug)]
struct NothingUnderWay;

impl SessionStore for NothingUnderWay {
    fn load<'a>(&'a self, key: &'a SessionStoreKey) -> Store<'a, Option<PersistedSession>> {
        Box::pin(async move {
            Ok(Some(PersistedSession {
                format_version: 1,
                client_id: key.client_id().to_owned(),
                clean_start: false,
                session_expiry_interval: Some(KEEP_SESSION_S),
                outgoing_inflight_upper_limit: Some(IN_FLIGHT),
                ack_mode: PersistedAckMode::Automatic,
                last_pkid: 0,
                last_puback: 0,
                replay: Vec::new(),
                incoming_qos2: Vec::new(),
            }))
        })
    }

    fn save<'a>(&'a self, _: &'a SessionStoreKey, _: &'a PersistedSession) -> Store<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn clear<'a>(&'a self, _: &'a SessionStoreKey) -> Store<'a, ()> {
        Box::pin(async { Ok(()) })
    }
}

pub(super) fn open(config: &MqttConfig) -> Result<(AsyncClient, EventLoop), String> {
    let broker = &config.broker;
    let mut options =
        MqttOptions::new(format!("ostiary-{}", config.device), (broker.host.clone(), broker.port));
    options.set_keep_alive(config.keep_alive_s);
    options.set_clean_start(false);
    options.set_session_expiry_interval(Some(KEEP_SESSION_S));
    options.set_session_store(NothingUnderWay);
    options.set_outgoing_inflight_upper_limit(IN_FLIGHT);
    options.set_incoming_packet_size_limit(IncomingPacketSizeLimit::Bytes(MAX_PACKET as u32));
    options.set_connect_timeout(std::time::Duration::from_secs(10));
    let will = config.topics.own("status");
    options.set_last_will(LastWill::new(will, "offline", QoS::AtLeastOnce, true, None));
    if let Some((name, password)) = &broker.login {
        options.set_credentials(name.clone(), password.clone());
    }
    if let Some(tls) = &broker.tls {
        let transport = match &tls.authority {
            Some(ca) => Transport::tls(ca.clone(), tls.client.clone(), None),
            None => Transport::try_tls_with_default_config().map_err(|e| e.to_string())?,
        };
        options.set_transport(transport);
    }
    AsyncClient::builder(options).capacity(QUEUE).try_build().map_err(|e| e.to_string())
}

pub(super) async fn pump(mut events: EventLoop, tell: mpsc::Sender<News>) {
    let mut connected = false;
    loop {
        let news = match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(ack))) => {
                connected = true;
                News::Connected { largest: largest(&ack) }
            }
            Ok(Event::Incoming(Packet::SubAck(ack))) => News::Subscribed(
                ack.return_codes.iter().all(|code| matches!(code, SubscribeReasonCode::Success(_))),
            ),
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                let Ok(topic) = String::from_utf8(publish.topic.to_vec()) else { continue };
                let properties = publish.properties.unwrap_or_default();
                News::Message(Inbound {
                    topic,
                    payload: publish.payload.to_vec(),
                    retain: publish.retain,
                    duplicate: publish.dup,
                    response_topic: properties.response_topic,
                    correlation: properties.correlation_data.map(|c| c.to_vec()),
                    expiry: properties.message_expiry_interval.map_or(Expiry::Never, Expiry::After),
                })
            }
            Ok(_) => continue,
            Err(error) => News::Lost(lost(&error, connected)),
        };
        let ends = matches!(news, News::Lost(_));
        if tell.send(news).await.is_err() || ends {
            return;
        }
    }
}

fn largest(ack: &ConnAck) -> Option<usize> {
    ack.properties.as_ref().and_then(|p| p.max_packet_size).map(|n| n as usize)
}

fn lost(error: &ConnectionError, connected: bool) -> Lost {
    let version = !connected
        && match error {
            ConnectionError::ConnectionRefused(code) => matches!(
                code,
                ConnectReturnCode::RefusedProtocolVersion
                    | ConnectReturnCode::UnsupportedProtocolVersion
                    | ConnectReturnCode::ProtocolError
                    | ConnectReturnCode::MalformedPacket
            ),
            // An older broker answers in its own form, or hangs up on a version it does not know.
            ConnectionError::MqttState(_) | ConnectionError::NotConnAck(_) => true,
            ConnectionError::Io(e) => matches!(
                e.kind(),
                std::io::ErrorKind::ConnectionAborted
                    | std::io::ErrorKind::ConnectionReset
                    | std::io::ErrorKind::UnexpectedEof
                    | std::io::ErrorKind::InvalidData
            ),
            _ => false,
        };
    Lost { why: error.to_string(), version }
}

pub(super) fn subscribe(client: &AsyncClient, wanted: &[Wanted]) -> Result<(), String> {
    let filters = wanted.iter().map(|w| {
        SubscribeFilterInput::new(
            w.filter.clone(),
            if w.acknowledged { QoS::AtLeastOnce } else { QoS::AtMostOnce },
        )
        // Else a message that was published to be kept looks like any other to whoever listens already.
        .preserve_retain(true)
    });
    client.try_subscribe_many(filters).map_err(|e| e.to_string())
}

pub(super) fn publish(client: &AsyncClient, message: Message) -> Result<Receipt, Message> {
    let qos = if message.acknowledged { QoS::AtLeastOnce } else { QoS::AtMostOnce };
    let mut options = PublishOptions::new(qos).retain(message.retain);
    if let Some(correlation) = &message.correlation {
        options = options.properties(PublishProperties {
            correlation_data: Some(correlation.clone().into()),
            ..PublishProperties::default()
        });
    }
    match client.try_publish_tracked(message.topic.clone(), message.payload.as_slice(), options) {
        Ok(notice) => {
            Ok(Box::pin(async move { notice.wait_completion_async().await.map_err(|e| e.to_string()) }))
        }
        Err(_) => Err(message),
    }
}
