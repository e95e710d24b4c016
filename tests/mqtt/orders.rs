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

fn signed(topic: &str, age_ms: i64, nonce: &str, id: &str) -> Vec<u8> {
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
