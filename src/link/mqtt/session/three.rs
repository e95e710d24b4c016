//! MQTT 3.1.1 through the other half of rumqttc.
//!
//! Owns: the translation between rumqttc's types and ours. Does not own: anything else.

use rumqttc_v4::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, LastWill, MqttOptions, Packet,
    PublishOptions, QoS, SubscribeFilter, SubscribeReasonCode, Transport,
};
use tokio::sync::mpsc;

use super::super::config::MqttConfig;
use super::super::guard::Expiry;
use super::{IN_FLIGHT, Inbound, Lost, MAX_PACKET, Message, News, QUEUE, Receipt, Wanted};

pub(super) fn open(config: &MqttConfig) -> Result<(AsyncClient, EventLoop), String> {
    let broker = &config.broker;
    let mut options =
        MqttOptions::new(format!("ostiary-{}", config.device), (broker.host.clone(), broker.port));
    options.set_keep_alive(config.keep_alive_s);
    options.set_clean_session(false);
    options.set_inflight(IN_FLIGHT);
    options.set_max_packet_size(MAX_PACKET, MAX_PACKET);
    let will = config.topics.own("status");
    options.set_last_will(LastWill::new(will, "offline", QoS::AtLeastOnce, true));
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
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                connected = true;
                News::Connected { largest: None }
            }
            Ok(Event::Incoming(Packet::SubAck(ack))) => News::Subscribed(
                ack.return_codes.iter().all(|code| matches!(code, SubscribeReasonCode::Success(_))),
            ),
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                let Ok(topic) = String::from_utf8(publish.topic.to_vec()) else { continue };
                News::Message(Inbound {
                    topic,
                    payload: publish.payload.to_vec(),
                    retain: publish.retain,
                    duplicate: publish.dup,
                    response_topic: None,
                    correlation: None,
                    expiry: Expiry::Unknown,
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

fn lost(error: &ConnectionError, connected: bool) -> Lost {
    let version = !connected
        && match error {
            ConnectionError::ConnectionRefused(code) => {
                matches!(code, ConnectReturnCode::RefusedProtocolVersion)
            }
            _ => false,
        };
    Lost { why: error.to_string(), version }
}

pub(super) fn subscribe(client: &AsyncClient, wanted: &[Wanted]) -> Result<(), String> {
    let filters = wanted.iter().map(|w| {
        SubscribeFilter::new(
            w.filter.clone(),
            if w.acknowledged { QoS::AtLeastOnce } else { QoS::AtMostOnce },
        )
    });
    client.try_subscribe_many(filters).map_err(|e| e.to_string())
}

pub(super) fn publish(client: &AsyncClient, message: Message) -> Result<Receipt, Message> {
    let qos = if message.acknowledged { QoS::AtLeastOnce } else { QoS::AtMostOnce };
    let options = PublishOptions::new(qos).retain(message.retain);
    match client.try_publish_tracked(message.topic.clone(), message.payload.as_slice(), options) {
        Ok(notice) => {
            Ok(Box::pin(async move { notice.wait_completion_async().await.map_err(|e| e.to_string()) }))
        }
        Err(_) => Err(message),
    }
}
