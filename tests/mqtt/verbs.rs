//! The verbs of the real program: what they do, and how it refuses what it cannot do.
//!
//! Needs third-party models, without which a door does not start.

use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::broker::need_broker;
use crate::common::need_shared;
use crate::kill::board;
use crate::program::Ostiary;

#[test]
fn rules_people_and_the_book_are_kept_over_mqtt() {
    let models = need_shared!("models");
    let broker = need_broker!();
    let ostiary = Ostiary::with_models(models);
    let board = board(&ostiary);
    let config = format!(
        "[mqtt]\nbroker = \"mqtt://127.0.0.1:{}\"\ndevice = \"front\"\nconfirm = \"broker\"\nkeep_alive_s = 5\n\
         scopes = [\"persons\", \"enroll\", \"events\", \"admin\", \"onetoN\", \"search\", \"door\", \"attendance\"]\n\
         [[mqtt.operators]]\nname = \"office\"\nkey = \"{}\"\nscopes = [\"door\"]\n",
        broker.port,
        STANDARD.encode(crate::orders::office())
    );
    let config = ostiary.file("mqtt.toml", config);
    let ear = broker.listen(&["-t", "ostiary/front/#"]);
    let mut child = ostiary
        .command(&["run", "--config", &config, "--board", &board])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let up = ear.hear_within(90_000, &mut |h| h.payload == "online");
    assert!(up.is_some(), "the door is connected");
    let mut n = 0;
    let mut ask = |verb: &str, mut command: Value| {
        n += 1;
        let id = format!("q{n}");
        command["req_id"] = id.clone().into();
        broker.publish(&format!("ostiary/front/cmd/{verb}"), command.to_string().as_bytes(), &[]);
        let rsp = format!("ostiary/front/rsp/{id}");
        let said = ear.hear_within(30_000, &mut |h| h.topic == rsp);
        said.unwrap_or_else(|| panic!("{verb} is not answered")).json()
    };
    macro_rules! good {
        ($verb:expr, $command:expr) => {{
            let mut said = ask($verb, $command);
            assert_eq!(said["ok"], true, "{}: {said}", $verb);
            said["result"].take()
        }};
    }
    macro_rules! refused {
        ($verb:expr, $command:expr, $code:expr) => {{
            let said = ask($verb, $command);
            assert_eq!(
                (&said["ok"], said["error"]["code"].as_str()),
                (&false.into(), Some($code)),
                "{}: {said}",
                $verb
            );
        }};
    }

    good!("person.upsert", json!({ "id": "ada", "profile": { "name": "Ada 🙂", "status": "active" } }));
    // Until there are rules everybody may pass and groups are not asked.
    good!("rules.put", json!({ "time_zone": "UTC" }));
    good!("schedule.put", json!({ "name": "day", "weekdays": ["08:00-17:00"] }));
    good!("level.put", json!({ "name": "front", "schedule": "day" }));
    good!("group.put", json!({ "name": "staff", "levels": ["front"] }));
    good!("holiday.put", json!({ "name": "Christmas", "date": "12-25" }));
    refused!("schedule.put", json!({ "name": "odd", "weekdays": ["25:00-26:00"] }), "invalid_parameter");
    refused!("schedule.put", json!({ "name": "odd", "wekdays": [] }), "malformed");
    refused!("group.put", json!({ "name": "g", "levels": ["nowhere"] }), "invalid_parameter");
    refused!("schedule.delete", json!({ "name": "day" }), "invalid_parameter");
    refused!("holiday.delete", json!({ "name": "Easter" }), "not_found");
    let rules = good!("rules.get", json!({}));
    assert_eq!(rules["schedules"]["day"]["weekdays"][0], "08:00-17:00", "{rules}");
    assert_eq!(rules["holidays"][0]["date"], "12-25");
    good!("access.put", json!({ "person": "ada", "groups": ["staff"] }));
    let why = good!("access.explain", json!({ "person": "ada", "at": "2026-11-23T12:00" }));
    assert_eq!(why["admitted"], true, "{why}");
    let why = good!("access.explain", json!({ "person": "ada", "at": "2026-12-25T12:00" }));
    assert_eq!(why["admitted"], false, "{why}");
    good!("holiday.delete", json!({ "name": "Christmas" }));

    let added = good!(
        "punch.add",
        json!({ "person": "ada", "at": "2026-11-20T08:00", "kind": "check_in", "why": "forgot" })
    );
    assert!(added["number"].is_u64(), "{added}");
    let sheet = good!("attendance.get", json!({ "from": "2026-11-20", "form": "csv" }));
    assert!(sheet.as_str().unwrap().contains("ada"), "{sheet}");

    let digest = good!("gallery.digest", json!({}));
    let own = &digest["persons"][0];
    assert_eq!(own["id"], "ada");
    let people = json!({ "ada": own["digest"], "bob": "00" });
    let same = good!("gallery.sync", json!({ "people": people }));
    assert_eq!(same, json!({ "missing": ["bob"], "changed": [], "extra": [] }));
    let other = good!("gallery.sync", json!({ "people": { "ada": "00" } }));
    assert_eq!(other["changed"], json!(["ada"]));
    assert_eq!(good!("gallery.sync", json!({ "people": {} }))["extra"], json!(["ada"]));

    // What needs the scope of the door needs an operator's signature, whatever the broker lets through.
    ostiary::device::clock_os::pause(ostiary::domain::Millis(2_100));
    refused!("apb.reset", json!({}), "unauthenticated");
    refused!("door.key", json!({ "key": "enter" }), "unauthenticated");
    // A picture is for a signed operator alone, and only where the installer lets it go.
    refused!("snapshot", json!({}), "forbidden");

    let put = good!("config.put", json!({ "access": { "strike_s": 9 } }));
    assert_eq!(put["settings"]["access"]["strike_s"], 9, "{put}");
    assert!(ostiary.run(&["config", "show", "--config", &config]).ends(0).out.contains("strike_s = 9"));
    refused!("config.put", json!({ "access": { "strike_s": 900 } }), "invalid_parameter");
    refused!("config.put", json!({ "mqtt": { "door_set": true } }), "invalid_parameter");
    refused!("model.activate", json!({ "set": "nothing" }), "models");
    let set = good!("status", json!({}))["models"].as_str().unwrap().to_owned();
    assert_eq!(good!("model.activate", json!({ "set": set }))["models"], set.as_str());
    stage(&mut |verb, command| ask(verb, command));
    let bin = ostiary.data().join("models");
    let files: Vec<_> = std::fs::read_dir(bin).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(files, ["ostiary-live-27.onnx"], "installed, and nothing beside it");
    refused!("image.get", json!({ "id": "ada" }), "not_found");
    refused!("tokens.create", json!({}), "not_found");
    assert_eq!(good!("status", json!({}))["people"], 1);

    let changed = good!("events.list", json!({ "kind": "config_changed", "limit": 1000 })).to_string();
    for word in ["settings by mqtt: access.strike_s", "installed"] {
        assert!(changed.contains(word), "{word}: {changed}");
    }

    // Killed: the broker says so for it.
    child.kill().unwrap();
    child.wait().unwrap();
    ear.hear("the last will", |h| h.topic == "ostiary/front/status" && h.payload == "offline");
}

/// One of our own networks goes onto the board in parts; a wrong one never.
fn stage(ask: &mut dyn FnMut(&str, Value) -> Value) {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models/ostiary-live-27.onnx");
    let bytes = std::fs::read(file).unwrap();
    let part = |offset: usize, bytes: &[u8], last: bool| json!({ "model": "ostiary-live-27", "offset": offset, "data": STANDARD.encode(bytes), "last": last });
    let said = ask("model.stage", json!({ "model": "other", "offset": 0, "data": "" }));
    assert_eq!(said["error"]["code"], "not_found", "{said}");
    let said = ask("model.stage", part(0, &bytes[..1_000], true));
    assert_eq!(said["error"]["code"], "models", "a part is no model: {said}");
    let mut offset = 0;
    for chunk in bytes.chunks(200_000) {
        // Sent twice, as after a lost answer: refused with the place to go on at.
        let last = offset + chunk.len() == bytes.len();
        let said = ask("model.stage", part(offset, chunk, last));
        offset += chunk.len();
        assert_eq!((&said["ok"], &said["result"]["have"]), (&true.into(), &offset.into()), "{said}");
        assert_eq!(said["result"]["installed"], last, "{said}");
        if !last {
            let again = ask("model.stage", part(offset - chunk.len() + 1, chunk, false));
            assert!(
                again["error"]["message"].as_str().unwrap().contains(&format!("offset {offset}")),
                "{again}"
            );
        }
    }
}
