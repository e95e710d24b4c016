//! Birth, state, commands and answers, as an installer meets them.

use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ostiary::domain::EventKind;
use ostiary::link::mqtt::MqttConfig;
use ostiary::link::wire::{Scope, Scopes};
use serde_json::json;

use crate::broker::need_broker;
use crate::house::House;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\nthe rest of a picture in some bytes";

#[test]
fn the_door_says_who_it_is_and_when_it_goes() {
    let broker = need_broker!();
    let house = House::new();
    let link = house.link(House::config(broker.port));
    let ear = broker.listen(&["-t", "ostiary/front/#"]);
    ear.hear("online", |h| h.topic.ends_with("/status") && h.payload == "online");
    let late = broker.listen(&["-t", "ostiary/front/#"]);
    late.hear("info is retained", |h| h.retain && h.topic.ends_with("/info") && h.json()["people"] == 2);
    let late = broker.listen(&["-t", "ostiary/front/door/1/state"]);
    assert_eq!(late.hear("the state is retained", |h| h.retain).payload, "LOCKED");
    drop(link);
    ear.hear("offline", |h| h.topic.ends_with("/status") && h.payload == "offline");
}

#[test]
fn an_answer_comes_on_the_response_topic_with_its_correlation_data() {
    let broker = need_broker!();
    let house = House::new();
    let ear = broker.listen(&["-t", "ostiary/front/#"]);
    let _link = house.link(House::config(broker.port));
    ear.hear("online", |h| h.payload == "online");
    let ask = |verb: &str, payload: &str, topic: &str, correlation: &str| {
        let more = [
            "-V",
            "5",
            "-D",
            "PUBLISH",
            "response-topic",
            topic,
            "-D",
            "PUBLISH",
            "correlation-data",
            correlation,
        ];
        broker.publish(&format!("ostiary/front/cmd/{verb}"), payload.as_bytes(), &more);
    };
    ask("person.get", "{\"id\":\"ada\"}", "ostiary/front/rsp/desk/7", "seven");
    let said = ear.hear("an answer", |h| h.topic == "ostiary/front/rsp/desk/7");
    assert_eq!(said.properties["correlation-data"], "seven", "{:?}", said.properties);
    assert_eq!(said.json()["result"]["id"], "ada");
    assert_eq!(said.json()["id"], "seven");
    // Not where the asker might not write itself.
    ask("person.get", "{\"id\":\"ada\"}", "ostiary/back/door/1/set", "eight");
    assert_eq!(ear.hear("an answer", |h| h.topic.contains("/rsp/")).topic, "ostiary/front/rsp/eight");
    for (payload, code) in [
        ("{\"idd\":1}", "malformed"),
        ("{\"id\":\"a\",\"id\":\"b\"}", "malformed"),
        ("[", "malformed"),
        ("\u{0}", "malformed"),
    ] {
        ask("person.get", payload, "ostiary/front/rsp/x", "x");
        let said = ear.hear("a refusal", |h| h.topic.ends_with("/rsp/x"));
        assert_eq!(said.json()["error"]["code"], code, "{payload}");
    }
    ask("person.gett", "{}", "ostiary/front/rsp/x", "x");
    let said = ear.hear("a refusal", |h| h.topic.ends_with("/rsp/x"));
    assert!(said.payload.contains("person.get"), "{}", said.payload);
}

#[test]
fn a_retained_command_is_not_obeyed() {
    let broker = need_broker!();
    let payload = json!({ "id": "ada", "images": [STANDARD.encode(PNG)], "req_id": "kept" }).to_string();
    broker.publish("ostiary/front/cmd/enroll.image", payload.as_bytes(), &["-r"]);
    let house = House::new();
    let ear = broker.listen(&["-t", "ostiary/front/rsp/#"]);
    let _link = house.link(House::config(broker.port));
    let said = ear.hear("a refusal", |h| h.json()["ok"] == false);
    assert!(said.payload.contains("retained"));
    assert!(house.door.people.lock().unwrap().is_empty());
}

#[test]
fn scopes_hold_and_the_door_is_not_among_them() {
    let broker = need_broker!();
    let house = House::new();
    let ear = broker.listen(&["-t", "ostiary/front/#"]);
    let config = MqttConfig { scopes: Scopes::NONE.with(Scope::Events), ..House::config(broker.port) };
    let _link = house.link(config);
    ear.hear("online", |h| h.payload == "online");
    for verb in ["person.get", "enroll.cancel"] {
        let payload =
            if verb == "person.get" { "{\"id\":\"a\",\"req_id\":\"x\"}" } else { "{\"req_id\":\"x\"}" };
        broker.publish(&format!("ostiary/front/cmd/{verb}"), payload.as_bytes(), &[]);
        let said = ear.hear("a refusal", |h| h.topic.ends_with("/rsp/x"));
        assert_eq!(said.json()["error"]["code"], "forbidden", "{verb}");
    }
}

#[test]
fn pictures_in_parts_bulk_and_repeats() {
    let broker = need_broker!();
    let house = House::new();
    let ear = broker.listen(&["-t", "ostiary/front/#"]);
    let _link = house.link(House::config(broker.port));
    ear.hear("online", |h| h.payload == "online");
    for (i, part) in PNG.chunks(17).enumerate().rev() {
        let parts = PNG.chunks(17).count();
        broker.publish(&format!("ostiary/front/cmd/upload/photo1/{i}/{parts}"), part, &[]);
    }
    let said = ear.hear("the upload is whole", |h| h.topic.ends_with("/rsp/photo1"));
    assert_eq!(said.json()["ok"], true);
    let enrol = json!({ "id": "ada", "profile": { "name": "Ada" }, "uploads": ["photo1"], "req_id": "e1" })
        .to_string();
    broker.publish("ostiary/front/cmd/enroll.image", enrol.as_bytes(), &[]);
    let said = ear.hear("enrolled", |h| h.topic.ends_with("/rsp/e1"));
    assert_eq!(said.json()["result"]["images"][0]["quality"], 80, "{}", said.payload);
    assert_eq!(house.door.people.lock().unwrap()["ada"], [PNG.len()]);
    // The same asking again is answered, not done.
    let before = *house.door.enrolments.lock().unwrap();
    broker.publish("ostiary/front/cmd/enroll.image", enrol.as_bytes(), &[]);
    let again = ear.hear("the same answer", |h| h.topic.ends_with("/rsp/e1"));
    assert_eq!(again.json(), said.json());
    assert_eq!(*house.door.enrolments.lock().unwrap(), before);

    let picture = STANDARD.encode(PNG);
    let rows = json!({ "req_id": "b1", "rows": [
        { "id": "bob", "images": [picture] },
        { "id": "twin", "images": [picture] },
        { "id": "cy" },
        { "id": "dee", "images": ["http://elsewhere/x.png"] },
        { "id": "eve", "images": [picture], "profil": {} },
        { "id": "fay", "uploads": ["nothing"] },
    ]});
    broker.publish("ostiary/front/cmd/enroll.bulk", rows.to_string().as_bytes(), &[]);
    let said = ear.hear("one result a row", |h| h.topic.ends_with("/rsp/b1")).json();
    assert_eq!(said["result"]["accepted"], 1);
    let rows = said["result"]["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 6);
    assert_eq!(rows[0]["ok"], true);
    assert_eq!(rows[1]["error"]["code"], "duplicate");
    assert_eq!(rows[1]["error"]["person"], "other");
    for (row, words) in [(2, "images"), (3, "never fetched"), (4, "profil"), (5, "nothing")] {
        assert!(rows[row]["error"]["message"].as_str().unwrap().contains(words), "{}", rows[row]);
    }
}

#[test]
fn enrolment_at_the_camera_tells_its_progress_and_can_be_ended() {
    let broker = need_broker!();
    let house = House::new();
    let ear = broker.listen(&["-t", "ostiary/front/#"]);
    let _link = house.link(House::config(broker.port));
    ear.hear("online", |h| h.payload == "online");
    broker.publish("ostiary/front/cmd/enroll.camera", b"{\"id\":\"ada\",\"req_id\":\"c1\"}", &[]);
    let mut steps = Vec::new();
    let last = ear.hear("the end", |h| {
        let json = h.json();
        if json["progress"].is_object() {
            steps.push(json["progress"]["taken"].as_u64().unwrap());
        }
        h.topic.ends_with("/rsp/c1") && !json["ok"].is_null()
    });
    assert!(steps.len() >= 2 && steps.is_sorted(), "{steps:?}");
    assert_eq!(last.json()["result"]["templates"], 3);
    broker.publish("ostiary/front/cmd/enroll.camera", b"{\"id\":\"ada\",\"req_id\":\"c2\"}", &[]);
    ear.hear("progress", |h| h.topic.ends_with("/rsp/c2"));
    broker.publish("ostiary/front/cmd/enroll.cancel", b"{\"req_id\":\"c3\"}", &[]);
    let last = ear.hear("the end", |h| h.topic.ends_with("/rsp/c2") && h.json()["ok"] == false);
    assert!(last.payload.contains("cancelled"));
}

#[test]
fn pictures_of_the_camera_go_only_where_the_installer_lets_them() {
    let broker = need_broker!();
    let ear = broker.listen(&["-t", "ostiary/front/#", "-q", "1"]);
    let topic = "ostiary/front/cmd/snapshot";
    let expires = ["-V", "5", "-D", "PUBLISH", "message-expiry-interval", "10"];
    for pictures in [false, true] {
        let house = House::new();
        let config = MqttConfig { pictures, ..House::config(broker.port) };
        let _link = house.link(config);
        ear.hear("online", |h| h.payload == "online");
        // Unsigned: never.
        broker.publish(topic, b"{\"req_id\":\"plain\"}", &[]);
        let said = ear.hear("a refusal", |h| h.topic.ends_with("/rsp/plain")).json();
        assert_eq!(said["error"]["code"], "forbidden", "{said}");
        let id = format!("signed-{pictures}");
        let command = crate::orders::signed(topic, 0, &format!("nonce-pic-{pictures}"), &id);
        broker.publish(topic, &command, &expires);
        let said = ear.hear("an answer", |h| h.topic.ends_with(&format!("/rsp/{id}"))).json();
        if pictures {
            assert_eq!(said["result"]["jpeg"], STANDARD.encode("a JPEG"), "{said}");
            assert_eq!(said["result"]["seen"]["faces"], 1);
        } else {
            assert_eq!(said["error"]["code"], "unavailable", "{said}");
        }
        house.happens(EventKind::DoorOpened);
        house.happens(EventKind::AccessDenied);
        let mut images = 0;
        ear.hear("the end", |h| {
            images += usize::from(h.topic.ends_with("/image/last"));
            assert!(!h.topic.ends_with("/image/last") || h.payload == "a JPEG" && !h.retain);
            h.topic.ends_with("/events/access_denied")
        });
        let late = ear.hear_within(1_500, &mut |h| h.topic.ends_with("/image/last"));
        assert_eq!(images + usize::from(late.is_some()), usize::from(pictures), "of the visitor alone");
    }
}

#[test]
fn mosquittos_own_request_client_gets_its_answer() {
    let broker = need_broker!();
    let house = House::new();
    let ear = broker.listen(&["-t", "ostiary/front/status"]);
    let _link = house.link(House::config(broker.port));
    ear.hear("online", |h| h.payload == "online");
    let out = Command::new("mosquitto_rr")
        .args(["-h", "127.0.0.1", "-p", &broker.port.to_string(), "-V", "5", "-W", "5"])
        .args(["-t", "ostiary/front/cmd/person.get", "-e", "ostiary/front/rsp/rr"])
        .args(["-m", "{\"id\":\"ada\"}"])
        .output()
        .unwrap();
    let said: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(said["ok"], true);
}
