//! Home Assistant: what the door says about itself, held against the published rules of its MQTT integration.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::broker::need_broker;
use crate::house::House;

const CONFIG: &str = "homeassistant/device/ostiary-front/config";

/// Keys that a platform must have, and those it may have here, as its page in Home Assistant's documentation lists them.
fn rules(platform: &str) -> (&'static [&'static str], &'static [&'static str]) {
    match platform {
        "lock" => (
            &["command_topic"],
            &[
                "state_topic",
                "payload_lock",
                "payload_unlock",
                "payload_open",
                "state_locked",
                "state_unlocked",
                "state_locking",
                "state_unlocking",
                "state_jammed",
                "retain",
                "qos",
            ],
        ),
        "binary_sensor" => {
            (&["state_topic"], &["device_class", "payload_on", "payload_off", "value_template"])
        }
        "sensor" => (&["state_topic"], &["value_template"]),
        "event" => (&["state_topic", "event_types"], &[]),
        "image" => (&["image_topic"], &["content_type"]),
        other => panic!("Home Assistant has no MQTT platform {other:?} that we use"),
    }
}

fn check(message: &Value) {
    let top: BTreeSet<&str> = message.as_object().unwrap().keys().map(String::as_str).collect();
    let known =
        ["dev", "o", "cmps", "availability_topic", "payload_available", "payload_not_available", "qos"];
    assert!(top.iter().all(|key| known.contains(key)), "{top:?}");
    assert!(!message["dev"]["ids"].as_array().unwrap().is_empty());
    assert!(message["o"]["name"].is_string(), "the origin is mandatory");
    assert_eq!(message["availability_topic"], "ostiary/front/status");
    let mut unique = BTreeSet::new();
    for (id, component) in message["cmps"].as_object().unwrap() {
        assert!(id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'), "{id}");
        let (must, may) = rules(component["p"].as_str().unwrap());
        let has: BTreeSet<&str> = component.as_object().unwrap().keys().map(String::as_str).collect();
        for key in must {
            assert!(has.contains(key), "{id} lacks {key}");
        }
        let common = ["p", "unique_id", "name", "entity_category"];
        let odd: Vec<_> =
            has.iter().filter(|k| !must.contains(k) && !may.contains(k) && !common.contains(k)).collect();
        assert!(odd.is_empty(), "{id}: {odd:?}");
        assert!(unique.insert(component["unique_id"].as_str().unwrap()), "{id}: the unique id is used twice");
        if component["p"] == "binary_sensor" {
            let class = component["device_class"].as_str().unwrap();
            assert!(["door", "lock", "tamper", "safety", "problem"].contains(&class), "{class}");
        }
    }
}

#[test]
fn home_assistant_is_told_how_to_show_the_door() {
    let broker = need_broker!();
    let house = House::new();
    let mut config = House::config(broker.port);
    (config.home_assistant, config.door_set, config.pictures) = (true, true, true);
    let ear = broker.listen(&["-t", "homeassistant/#"]);
    let link = house.link(config.clone());
    let first = ear.hear("the device", |h| h.topic == CONFIG);
    check(&first.json());
    assert_eq!(first.json()["cmps"]["lock"]["command_topic"], "ostiary/front/door/1/set");
    let late = broker.listen(&["-t", "homeassistant/#"]);
    assert!(late.hear("the device is retained", |h| h.topic == CONFIG).retain);
    // Home Assistant starts again.
    broker.publish("homeassistant/status", b"online", &[]);
    let again = ear.hear("the device again", |h| h.topic == CONFIG);
    assert_eq!(again.json(), first.json());
    // Every state that is pointed to is there for whoever comes late.
    house.happen(1);
    house.nudge.committed();
    let states = broker.listen(&["-t", "ostiary/front/#"]);
    let mut wanted: BTreeSet<String> = first.json()["cmps"]
        .as_object()
        .unwrap()
        .values()
        .filter(|c| c["p"] != "event" && c["p"] != "image")
        .map(|c| c["state_topic"].as_str().unwrap().to_owned())
        .collect();
    wanted.insert("ostiary/front/status".into());
    states.hear("all states", |h| {
        if h.retain {
            wanted.remove(&h.topic);
        }
        wanted.is_empty()
    });
    drop(link);

    // Where Home Assistant may not move the door it is offered no order.
    (config.door_set, config.pictures) = (false, false);
    let _link = house.link(config);
    let quiet = ear.hear("the device without orders", |h| h.topic == CONFIG);
    check(&quiet.json());
    assert_eq!(quiet.json()["cmps"]["lock"]["p"], "binary_sensor");
    assert!(!quiet.payload.contains("command_topic"));
    assert!(quiet.json()["cmps"]["image"].is_null(), "no picture without mqtt.pictures");
}

#[test]
fn without_the_switch_nothing_is_said_outside_of_the_doors_own_topics() {
    let broker = need_broker!();
    let house = House::new();
    let ear = broker.listen(&["-t", "#"]);
    let _link = house.link(House::config(broker.port));
    ear.hear("info", |h| h.topic.ends_with("/info"));
    broker.publish("homeassistant/status", b"online", &[]);
    ostiary::device::clock_os::pause(ostiary::domain::Millis(500));
    let other: Vec<_> =
        ear.drain().into_iter().map(|h| h.topic).filter(|t| !t.starts_with("ostiary/front/")).collect();
    assert_eq!(other, ["homeassistant/status"]);
}
