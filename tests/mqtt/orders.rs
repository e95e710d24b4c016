//! What moves the door, and what never does, each case over a real broker.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};
use ostiary::device::clock_os::pause;
use ostiary::domain::Millis;
use ostiary::link::mqtt::Version;
use ostiary::link::wire::{DoorOrder, Moment};
use ostiary::ports::Clock as _;
use serde_json::json;

use crate::broker::{Broker, need_broker, within};
use crate::house::House;

const OPEN: &str = "ostiary/front/cmd/door.open";
const EXPIRES: [&str; 5] = ["-V", "5", "-D", "PUBLISH", "message-expiry-interval"];

fn key() -> SigningKey {
    SigningKey::from_bytes(&[9; 32])
}

/// The public key of the operator `office`.
pub(crate) fn office() -> [u8; 32] {
    key().verifying_key().to_bytes()
}

pub(crate) fn signed(topic: &str, age_ms: i64, nonce: &str, id: &str) -> Vec<u8> {
    let now = ostiary::device::clock_os::OsClock::new().now().utc.0;
    let text = json!({ "issued_at": Moment(now - age_ms).text(), "nonce": nonce, "req_id": id }).to_string();
    let sig = STANDARD.encode(key().sign(format!("{topic}\n{text}").as_bytes()).to_bytes());
    json!({ "key": "office", "sig": sig, "signed": text }).to_string().into_bytes()
}

fn open_with(broker: &Broker, payload: &[u8], more: &[&str]) {
    let expires: Vec<&str> = EXPIRES.iter().copied().chain(["10"]).chain(more.iter().copied()).collect();
    broker.publish(OPEN, payload, &expires);
}

#[test]
fn a_fresh_signed_order_opens_the_door_and_nothing_else_does() {
    let broker = need_broker!();
    let house = House::new();
    // Kept by the broker from before: an attacker's retained order and a real one.
    open_with(&broker, &signed(OPEN, 0, "nonce-000", "kept"), &["-r"]);
    broker.publish("ostiary/front/door/1/set", b"OPEN", &["-r"]);
    let ear = broker.listen(&["-t", "ostiary/front/rsp/#", "-t", "ostiary/front/status"]);
    let mut config = House::config(broker.port);
    config.door_set = true;
    let _link = house.link(config);
    ear.hear("online", |h| h.payload == "online");
    let orders = || house.door.orders.lock().unwrap().clone();
    let reason = |id: &str| {
        let said = ear.hear(id, |h| h.json()["id"] == id || h.topic.ends_with(&format!("/{id}")));
        (said.json()["ok"].clone(), said.json()["error"]["message"].as_str().unwrap_or("").to_owned())
    };

    // Right after the connection.
    open_with(&broker, &signed(OPEN, 0, "nonce-001", "early"), &[]);
    assert!(reason("early").1.contains("just connected"));
    broker.publish("ostiary/front/door/1/set", b"OPEN", &[]);
    pause(Millis(4_500));
    assert!(orders().is_empty(), "{:?}", orders());

    let good = signed(OPEN, 100, "nonce-002", "good");
    open_with(&broker, &good, &[]);
    assert_eq!(reason("good").0, true);
    within(2_000, "the door opens", || (orders().len() == 1).then_some(()));
    assert_eq!(orders()[0], ("mqtt office".into(), DoorOrder::Open));

    // The same bytes again, as whoever recorded them could send them.
    open_with(&broker, &good, &[]);
    assert!(reason("good").1.contains("nonce"), "a recording is refused");
    let refused: [(&str, Vec<u8>, &[&str], &str); 4] = [
        ("late", signed(OPEN, 11_000, "nonce-003", "late"), &[], "too old"),
        ("ahead", signed(OPEN, -12_000, "nonce-004", "ahead"), &[], "ahead"),
        ("retained", signed(OPEN, 0, "nonce-005", "retained"), &["-r"], "retained"),
        ("unsigned", br#"{"req_id":"unsigned","nonce":"nonce-006"}"#.to_vec(), &[], "signed"),
    ];
    for (id, payload, more, words) in refused {
        open_with(&broker, &payload, more);
        let said = reason(id);
        assert!(said.0 == false && said.1.contains(words), "{id}: {said:?}");
    }
    // Signed for another topic, by another hand, without an expiry.
    open_with(&broker, &signed("ostiary/front/cmd/door.lock", 0, "nonce-007", "topic"), &[]);
    let mut forged = signed(OPEN, 0, "nonce-008", "forged");
    let at = forged.len() / 2;
    forged[at] ^= 1;
    open_with(&broker, &forged, &[]);
    broker.publish(OPEN, &signed(OPEN, 0, "nonce-009", "forever"), &["-V", "5"]);
    assert!(reason("forever").1.contains("expiry"));
    pause(Millis(500));
    assert_eq!(orders().len(), 1, "{:?}", orders());

    // What an installer has switched on: bare orders, now that the link is settled.
    broker.publish("ostiary/front/door/1/set", b"LOCK", &[]);
    within(2_000, "the bare order is obeyed", || (orders().len() == 2).then_some(()));
    broker.publish("ostiary/front/door/2/set", b"OPEN", &[]);
    broker.publish("ostiary/front/door/1/set", b"EXPLODE", &[]);
    pause(Millis(300));
    assert_eq!(orders().len(), 2);
}

#[test]
fn orders_kept_over_a_reconnect_are_never_obeyed() {
    let mut broker = need_broker!();
    let house = House::new();
    let ear = broker.listen(&["-t", "ostiary/front/#"]);
    let config = House::config(broker.port);
    let link = house.link(config.clone());
    ear.hear("online", |h| h.payload == "online");
    drop(link);
    // The broker keeps these for the door, which is away.
    for i in 0..5 {
        open_with(&broker, &signed(OPEN, 0, &format!("nonce-1{i}0"), "kept"), &[]);
    }
    let _link = house.link(config);
    let said = ear.hear("a refusal", |h| h.topic.contains("/rsp/") && h.json()["ok"] == false);
    assert!(said.payload.contains("just connected"), "{}", said.payload);
    // The broker itself goes and comes back.
    broker.stop();
    broker.revive();
    let ear = broker.listen(&["-t", "ostiary/front/#"]);
    ear.hear("online again", |h| h.payload == "online");
    open_with(&broker, &signed(OPEN, 0, "nonce-200", "soon"), &[]);
    pause(Millis(2_500));
    assert!(house.door.orders.lock().unwrap().is_empty());
}

#[test]
fn without_the_switch_bare_orders_are_dropped() {
    let broker = need_broker!();
    let house = House::new();
    let ear = broker.listen(&["-t", "ostiary/front/status"]);
    let config =
        ostiary::link::mqtt::MqttConfig { version: Version::ThreeOneOne, ..House::config(broker.port) };
    let _link = house.link(config);
    ear.hear("online", |h| h.payload == "online");
    pause(Millis(2_300));
    broker.publish("ostiary/front/door/1/set", b"OPEN", &[]);
    // Under 3.1.1 a signed order needs no expiry, and the id comes in the payload.
    broker.publish(OPEN, &signed(OPEN, 0, "nonce-300", "old"), &["-V", "311"]);
    within(3_000, "the signed order is obeyed", || {
        (house.door.orders.lock().unwrap().len() == 1).then_some(())
    });
    pause(Millis(300));
    assert_eq!(house.door.orders.lock().unwrap().len(), 1);
}

/// A door that has settled, sees only what `send` does, and what it was ordered.
fn obeys(version: Version, send: impl FnOnce(&Broker, &House)) -> Option<Vec<(String, DoorOrder)>> {
    let broker = Broker::start("")?;
    let house = House::new();
    let ear = broker.listen(&["-t", "ostiary/front/status"]);
    let _link = house.link(ostiary::link::mqtt::MqttConfig { version, ..House::config(broker.port) });
    ear.hear("online", |h| h.payload == "online");
    pause(Millis(2_300));
    send(&broker, &house);
    pause(Millis(1_500));
    let orders = house.door.orders.lock().unwrap().clone();
    Some(orders)
}

macro_rules! never {
    ($($name:ident: $send:expr;)*) => {$(
        #[test]
        fn $name() {
            match obeys(Version::Auto, $send) {
                None => crate::common::skip!("no mosquitto here: apt-get install mosquitto mosquitto-clients"),
                Some(orders) => assert!(orders.is_empty(), "{orders:?}"),
            }
        }
    )*};
}

never! {
    a_retained_order_never_opens: |broker, _| open_with(broker, &signed(OPEN, 0, "nonce-r00", "r"), &["-r"]);
    a_late_order_never_opens: |broker, _| open_with(broker, &signed(OPEN, 10_500, "nonce-l00", "l"), &[]);
    an_order_from_the_future_never_opens: |broker, _| open_with(broker, &signed(OPEN, -11_000, "nonce-f00", "f"), &[]);
    an_unsigned_order_never_opens: |broker, house| {
        let now = Moment(house.clock.now().utc.0).text();
        let bare = json!({ "issued_at": now, "nonce": "nonce-u00", "req_id": "u" }).to_string();
        open_with(broker, bare.as_bytes(), &[]);
    };
    an_order_of_an_unknown_hand_never_opens: |broker, _| {
        let stranger = SigningKey::from_bytes(&[8; 32]);
        let text = String::from_utf8(signed(OPEN, 0, "nonce-h00", "h")).unwrap();
        let mut order: serde_json::Value = serde_json::from_str(&text).unwrap();
        let sig = stranger.sign(format!("{OPEN}\n{}", order["signed"].as_str().unwrap()).as_bytes());
        order["sig"] = STANDARD.encode(sig.to_bytes()).into();
        open_with(broker, order.to_string().as_bytes(), &[]);
    };
    an_order_for_another_topic_never_opens: |broker, _| {
        open_with(broker, &signed("ostiary/back/cmd/door.open", 0, "nonce-t00", "t"), &[]);
    };
    an_order_without_an_expiry_never_opens: |broker, _| {
        broker.publish(OPEN, &signed(OPEN, 0, "nonce-e00", "e"), &["-V", "5"]);
    };
    an_order_right_after_a_reconnect_never_opens: |broker, house| {
        // Another connection of the same name throws the door off; it comes back by itself.
        broker.publish("x", b"x", &["-i", "ostiary-front"]);
        within(10_000, "the door is thrown off", || (!house.nudge.up()).then_some(()));
        within(10_000, "and comes back", || house.nudge.up().then_some(()));
        open_with(broker, &signed(OPEN, 0, "nonce-c00", "c"), &[]);
    };
}

#[test]
fn an_order_that_was_recorded_opens_once() {
    let replayed = obeys(Version::Auto, |broker, _| {
        let order = signed(OPEN, 0, "nonce-p00", "p");
        (0..5).for_each(|_| open_with(broker, &order, &[]));
    });
    match replayed {
        None => crate::common::skip!("no mosquitto here: apt-get install mosquitto mosquitto-clients"),
        Some(orders) => assert_eq!(orders.len(), 1, "{orders:?}"),
    }
}

#[test]
fn an_order_that_is_delivered_twice_opens_once() {
    let twice = obeys(Version::Auto, |broker, _| {
        publish_twice(broker.port, OPEN, &signed(OPEN, 0, "nonce-d00", "d"));
    });
    match twice {
        None => crate::common::skip!("no mosquitto here: apt-get install mosquitto mosquitto-clients"),
        Some(orders) => assert_eq!(orders.len(), 1, "{orders:?}"),
    }
}

/// One MQTT 5 publish with its packet number, and the same again marked as a duplicate, as after a lost receipt.
fn publish_twice(port: u16, topic: &str, payload: &[u8]) {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(b"\x10\x0f\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x02dd").unwrap();
    let mut answer = [0; 64];
    assert!(stream.read(&mut answer).unwrap() > 3 && answer[0] == 0x20 && answer[3] == 0, "connected");
    let mut rest = (topic.len() as u16).to_be_bytes().to_vec();
    rest.extend_from_slice(topic.as_bytes());
    rest.extend_from_slice(&[0, 7, 5, 2, 0, 0, 0, 10]);
    rest.extend_from_slice(payload);
    let mut length = Vec::new();
    let mut left = rest.len();
    while left > 0 {
        length.push((left % 128) as u8 | if left >= 128 { 128 } else { 0 });
        left /= 128;
    }
    for first in [0x32, 0x3a] {
        stream.write_all(&[&[first], length.as_slice(), rest.as_slice()].concat()).unwrap();
    }
    let _ = stream.read(&mut answer);
}
