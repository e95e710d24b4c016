//! A group of doors: three programs with their own galleries and one broker.
//!
//! Needs third-party models (a door does not start without them); nobody's face: templates are imported.

use std::collections::BTreeSet;
use std::process::{Child, Stdio};

use ostiary::device::clock_os::pause;
use ostiary::domain::Millis;
use serde_json::{Value, json};

use crate::broker::{Broker, Ear, need_broker, within};
use crate::common::need_shared;
use crate::kill::board;
use crate::program::Ostiary;

struct Door {
    name: &'static str,
    program: Ostiary,
    config: String,
    board: String,
    child: Option<Child>,
}

impl Door {
    fn new(name: &'static str, models: &std::path::Path, broker: &Broker, key: &str) -> Self {
        let program = Ostiary::with_models(models.to_owned());
        let board = board(&program);
        let key = program.file("group.key", key);
        std::process::Command::new("chmod").args(["600", &key]).status().unwrap();
        let config = format!(
            "[mqtt]\nbroker = \"mqtt://127.0.0.1:{}\"\ndevice = \"{name}\"\nconfirm = \"broker\"\nkeep_alive_s = 5\n\
             scopes = [\"persons\", \"enroll\", \"events\", \"admin\"]\ngroup = \"hq\"\ngroup_key_file = \"{key}\"\n",
            broker.port
        );
        let config = program.file("mqtt.toml", config);
        Self { name, program, config, board, child: None }
    }

    fn start(&mut self, ear: &Ear) {
        let child = self
            .program
            .command(&["run", "--config", &self.config, "--board", &self.board])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        let online = format!("ostiary/{}/status", self.name);
        let up = ear.hear_within(90_000, &mut |h| h.topic == online && h.payload == "online" && !h.retain);
        assert!(up.is_some(), "{} is connected", self.name);
    }

    fn stop(&mut self, kill: bool) {
        if let Some(mut child) = self.child.take() {
            if kill {
                child.kill().unwrap();
            } else {
                std::process::Command::new("kill").arg(child.id().to_string()).status().unwrap();
            }
            child.wait().unwrap();
        }
    }

    fn ask(&self, broker: &Broker, ear: &Ear, verb: &str, mut command: Value) -> Value {
        let id = format!("{}-{}", self.name, verb.replace('.', "-"));
        command["req_id"] = id.clone().into();
        let topic = format!("ostiary/{}/cmd/{verb}", self.name);
        broker.publish(&topic, command.to_string().as_bytes(), &[]);
        let rsp = format!("ostiary/{}/rsp/{id}", self.name);
        let said =
            ear.hear_within(20_000, &mut |h| h.topic == rsp).unwrap_or_else(|| panic!("no answer: {verb}"));
        said.json()
    }

    /// Everybody here: id, name, whether there are templates, and the digest of all.
    fn digest(&self, broker: &Broker, ear: &Ear) -> Value {
        self.ask(broker, ear, "gallery.digest", json!({}))["result"].clone()
    }

    /// Away from the broker: asked at the board.
    fn people(&self) -> BTreeSet<String> {
        let listed = self.program.run(&["--json", "persons", "list"]).ends(0).json();
        let persons = listed[0]["persons"].as_array().unwrap().clone();
        persons
            .iter()
            .map(|p| format!("{}:{}", p["id"].as_str().unwrap(), p["name"].as_str().unwrap()))
            .collect()
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.stop(true);
    }
}

fn converge(doors: &[&Door], broker: &Broker, ear: &Ear, fits: impl Fn(&Value) -> bool) {
    within(60_000, "the doors hold the same", || {
        pause(Millis(400));
        let all: Vec<Value> = doors.iter().map(|d| d.digest(broker, ear)).collect();
        (all.iter().all(|d| d["digest"] == all[0]["digest"]) && fits(&all[0])).then_some(())
    });
}

#[test]
fn three_doors_converge_after_being_away_edited_and_deleted() {
    let models = need_shared!("models");
    let mut broker = need_broker!("max_queued_messages 0");
    let key = "0123456789abcdef".repeat(4);
    let ear = broker.listen(&["-t", "ostiary/+/status", "-t", "ostiary/+/rsp/#", "-t", "ostiary/+/info"]);
    let spy = broker.listen(&["-t", "ostiary/fleet/#"]);
    let mut a = Door::new("a", &models, &broker, &key);
    let mut b = Door::new("b", &models, &broker, &key);
    let mut c = Door::new("c", &models, &broker, &key);
    a.start(&ear);
    let info = ear.hear("info", |h| h.topic == "ostiary/a/info").json();
    let model = info["models"]["embedder"].as_str().unwrap().to_owned();

    // Somebody with a face, made elsewhere by the same model; somebody without.
    let length = 256;
    let values: Vec<i32> = (0..length).map(|i| (i * 37 % 101) - 50).collect();
    let template = |values: &[i32], model: &str| {
        json!({ "id": "ada", "profile": { "name": "Ada L.", "consent": "form 1" }, "model_sha256": model,
                "values": values, "scale": 0.002, "quality": 80 })
    };
    let wrong = a.ask(&broker, &ear, "enroll.template", template(&values, &"0".repeat(64)));
    assert!(wrong["error"]["message"].as_str().unwrap().contains("no other"), "{wrong}");
    let flat = a.ask(&broker, &ear, "enroll.template", template(&[3; 256], &model));
    assert_eq!(flat["ok"], false, "{flat}");
    let taken = a.ask(&broker, &ear, "enroll.template", template(&values, &model));
    assert_eq!(taken["result"]["templates"], 1, "{taken}");
    let put = json!({ "id": "bob", "profile": { "name": "Bob", "groups": ["day"] } });
    assert_eq!(a.ask(&broker, &ear, "person.upsert", put)["ok"], true);

    b.start(&ear);
    c.start(&ear);
    converge(&[&a, &b, &c], &broker, &ear, |d| d["people"] == 2 && d["templates"] == 1);
    // Edited at one door, blocked at another.
    let edit = json!({ "id": "bob", "profile": { "name": "Bob B.", "notes": "second shift" } });
    assert_eq!(b.ask(&broker, &ear, "person.upsert", edit)["ok"], true);
    let block = json!({ "person": "ada", "blocked": true });
    assert_eq!(c.ask(&broker, &ear, "access.put", block)["ok"], true);
    converge(&[&a, &b, &c], &broker, &ear, |d| d["people"] == 2);
    let held = a.ask(&broker, &ear, "access.get", json!({ "person": "ada" }));
    assert_eq!(held["result"]["blocked"], true, "{held}");

    // One is killed, one loses its broker with the others; both are edited meanwhile, at the board.
    c.stop(true);
    assert_eq!(a.ask(&broker, &ear, "person.delete", json!({ "id": "bob" }))["ok"], true);
    converge(&[&a, &b], &broker, &ear, |d| d["people"] == 1);
    assert!(c.people().contains("bob:Bob B."), "it has not heard yet");
    let eve = json!({ "id": "eve", "profile": { "name": "Eve" } });
    assert_eq!(b.ask(&broker, &ear, "person.upsert", eve)["ok"], true);
    converge(&[&a, &b], &broker, &ear, |d| d["people"] == 2);
    a.stop(false);
    c.program.run(&["persons", "delete", "ada"]).ends(0);
    broker.stop();
    broker.revive();
    let ear = broker.listen(&["-t", "ostiary/+/status", "-t", "ostiary/+/rsp/#"]);
    c.start(&ear);
    a.start(&ear);
    converge(&[&a, &b, &c], &broker, &ear, |d| d["people"] == 1 && d["templates"] == 0);
    assert_eq!(a.people(), BTreeSet::from(["eve:Eve".to_owned()]));
    a.program.run(&["events", "verify"]).ends(0);

    // A broker that forgot everything changes nothing, nor does one that makes things up.
    for topic in spy.drain().iter().map(|h| h.topic.clone()).collect::<BTreeSet<_>>() {
        broker.publish(&topic, b"\x01forged and forged and forged and forged and forged", &["-r"]);
    }
    let seen = spy.drain();
    assert!(
        !seen.iter().any(|h| h.topic.contains("ada") || h.payload.contains("Ada")),
        "a broker sees no name"
    );
    pause(Millis(2_000));
    converge(&[&a, &b, &c], &broker, &ear, |d| d["people"] == 1);
}
