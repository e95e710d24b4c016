//! The program killed again and again, at its work and in the middle of it.
//!
//! Ten times here; `make chaos` does it 200 times (`OSTIARY_KILLS`).

use std::collections::BTreeMap;
use std::process::{Child, Stdio};

use ostiary::device::clock_os::pause;
use ostiary::domain::Millis;
use serde_json::json;

use crate::broker::{Broker, Ear, need_broker, within};
use crate::common::need_shared;
use crate::program::Ostiary;

/// What a receiver has, duplicates dropped by their id, and what the door has promised to remember.
#[derive(Default)]
struct Seen {
    events: BTreeMap<u64, String>,
    heard: usize,
    promised: Vec<String>,
    ups: usize,
}

impl Seen {
    fn take(&mut self, ear: &Ear) {
        for heard in ear.drain() {
            let json = heard.json();
            if heard.topic.ends_with("/status") {
                self.ups += usize::from(heard.payload == "online" && !heard.retain);
            } else if heard.topic.contains("/events/")
                && let (Some(seq), Some(id)) = (json["seq"].as_u64(), json["id"].as_str())
            {
                self.heard += 1;
                let known = self.events.entry(seq).or_insert_with(|| id.to_owned());
                assert_eq!(known, id, "one number, one event");
            } else if heard.topic.contains("/rsp/") && json["ok"] == true {
                self.promised.push(json["id"].as_str().unwrap_or_default().to_owned());
            }
        }
    }
}

#[test]
fn a_program_that_is_killed_loses_nothing_it_promised() {
    let models = need_shared!("models");
    let broker = need_broker!();
    let kills: u32 = std::env::var("OSTIARY_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(10);
    let ostiary = Ostiary::with_models(models);
    let board = board(&ostiary);
    let config = format!(
        "[mqtt]\nbroker = \"mqtt://127.0.0.1:{}\"\ndevice = \"front\"\nconfirm = \"broker\"\nkeep_alive_s = 5\n\
         scopes = [\"persons\", \"events\"]\n",
        broker.port
    );
    let config = ostiary.file("mqtt.toml", config);
    let ear = broker.listen(&[
        "-t",
        "ostiary/front/events/+",
        "-t",
        "ostiary/front/rsp/#",
        "-t",
        "ostiary/front/status",
    ]);
    let mut seen = Seen::default();
    let mut asked = 0;
    for kill in 0..kills {
        let ups = seen.ups;
        let mut child = start(&ostiary, &config, &board);
        within(60_000, "the door is connected", || {
            assert!(child.try_wait().unwrap().is_none(), "the program ended by itself");
            seen.take(&ear);
            (seen.ups > ups).then_some(())
        });
        for _ in 0..5 {
            ask(&broker, asked);
            asked += 1;
        }
        // Anywhere between the first commit and the last receipt.
        pause(Millis(u64::from(kill * 37 % 400)));
        child.kill().unwrap();
        child.wait().unwrap();
        seen.take(&ear);
    }
    let mut child = start(&ostiary, &config, &board);
    // Everything that is in the journal arrives; the receiver that drops duplicates has each once.
    let listed = within(120_000, "every committed event arrives", || {
        pause(Millis(500));
        seen.take(&ear);
        let listed = ostiary.run(&["--json", "events", "list", "--limit", "10000"]).ends(0).json();
        let all = listed.iter().all(|event| seen.events.contains_key(&event["seq"].as_u64().unwrap_or(0)));
        all.then_some(listed)
    });
    assert!(listed.len() as u64 >= u64::from(kills) + seen.promised.len() as u64);
    for event in &listed {
        let id = format!("front/{}/{}", event["boot"].as_str().unwrap(), event["seq"]);
        assert_eq!(seen.events[&event["seq"].as_u64().unwrap()], id);
    }
    // Whatever was answered is kept; whatever was not may be.
    assert!(!seen.promised.is_empty());
    for id in &seen.promised {
        ostiary.run(&["persons", "show", id]).ends(0);
    }
    ostiary.run(&["events", "verify"]).ends(0);
    child.kill().unwrap();
    child.wait().unwrap();
    let (events, heard, promised) = (listed.len(), seen.heard, seen.promised.len());
    let _ = std::io::Write::write_all(
        &mut std::io::stderr(),
        format!(
            "{kills} kills: {events} events, {heard} deliveries, {promised} of {asked} changes answered\n"
        )
        .as_bytes(),
    );
}

fn ask(broker: &Broker, n: u32) {
    let id = format!("p{n}");
    let command = json!({ "id": id, "profile": { "name": "Somebody" }, "req_id": id });
    broker.publish("ostiary/front/cmd/person.upsert", command.to_string().as_bytes(), &[]);
}

fn start(ostiary: &Ostiary, config: &str, board: &str) -> Child {
    ostiary
        .command(&["run", "--config", config, "--board", board])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// A simulated door before a grey wall.
pub(crate) fn board(ostiary: &Ostiary) -> String {
    let frames = ostiary.folder().join("frames");
    std::fs::create_dir(&frames).unwrap();
    let wall = vec![90; 64 * 64 * 3];
    let jpeg = ostiary::picture::encode_jpeg(64, 64, &wall, 80).unwrap();
    std::fs::write(frames.join("wall.jpg"), jpeg).unwrap();
    let board = format!(
        "name = \"kill\"\n[camera]\nsource = \"replay\"\npath = \"{}\"\nloop = true\nfps = 5\n[door]\nkind = \"sim\"\n",
        frames.display()
    );
    ostiary.file("board.toml", board)
}
