//! The door as paho, the client most installers' programs use, meets it. Python: `scripts/api-tools`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::broker::{Broker, need_broker};
use crate::common::skip;
use crate::house::House;

fn python() -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/python");
    let named = std::env::var_os("OSTIARY_PYTHON").map(PathBuf::from);
    [Some(own), named, Some("python3".into())].into_iter().flatten().find(|python| {
        let tried = Command::new(python).args(["-c", "import paho.mqtt"]).output();
        tried.is_ok_and(|done| done.status.success())
    })
}

#[test]
fn an_installers_program_enrols_over_paho() {
    enrols_through(&need_broker!());
}

#[test]
fn an_installers_program_enrols_over_paho_at_the_doors_own_broker() {
    let Some((_own, broker)) = crate::own::broker() else {
        skip!("no mosquitto here: apt-get install mosquitto mosquitto-clients");
    };
    enrols_through(&broker);
}

fn enrols_through(broker: &Broker) {
    let Some(python) = python() else { skip!("no paho; see scripts/api-tools") };
    let house = House::new();
    let ear = broker.listen(&["-t", "ostiary/front/status"]);
    let _link = house.link(House::config(broker.port));
    ear.hear("online", |h| h.payload == "online");
    let done = Command::new(python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mqtt/installer.py"))
        .env("PORT", broker.port.to_string())
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success() && out.contains("enrolled"), "{out}\n{err}");
    assert!(house.door.people.lock().unwrap().contains_key("cy"));
}
