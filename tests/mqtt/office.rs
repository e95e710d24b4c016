//! Two programs of an office, as anybody might write them: one asks until it is answered, one keeps every event.
//!
//! Owns: what was asked and what was promised, the receiver's copy of the log, its receipts. Does not own: broker, door.
//! Invariants: a command is repeated under its own id with its own bytes; a receipt is given only for events that are
//! all there, without a gap.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::broker::{Broker, Ear, Heard};

/// What a command is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    Enrol,
    Punch,
    Person,
}

/// Asks.
#[derive(Default)]
pub(crate) struct Asker {
    /// By id: what is not answered yet.
    pub(crate) waiting: BTreeMap<String, (What, &'static str, Vec<u8>)>,
    /// Ids that the door said yes to.
    pub(crate) kept: Vec<(What, String)>,
    /// Ids that it said no to, and why.
    pub(crate) refused: Vec<(String, String)>,
    pub(crate) asked: usize,
}

impl Asker {
    pub(crate) fn ask(&mut self, broker: &Broker, what: What, id: &str, mut command: Value) {
        let verb = match what {
            What::Enrol => "enroll.image",
            What::Punch => "punch.add",
            What::Person => "person.upsert",
        };
        command["req_id"] = id.into();
        self.asked += 1;
        self.waiting.insert(id.to_owned(), (what, verb, command.to_string().into_bytes()));
        self.send(broker, id);
    }

    /// Everything that was not answered, once more.
    pub(crate) fn ask_again(&self, broker: &Broker) {
        for id in self.waiting.keys() {
            self.send(broker, id);
        }
    }

    fn send(&self, broker: &Broker, id: &str) {
        let (_, verb, command) = &self.waiting[id];
        // A broker that is away is asked again later.
        broker.try_publish(&format!("ostiary/front/cmd/{verb}"), command, &[]);
    }

    fn take(&mut self, heard: &Heard) {
        let said = heard.json();
        let id = said["id"].as_str().unwrap_or_default();
        if said["ok"] == true {
            if let Some((what, ..)) = self.waiting.remove(id) {
                self.kept.push((what, id.to_owned()));
            }
        } else if said["error"]["code"] != "busy" && self.waiting.remove(id).is_some() {
            self.refused.push((id.to_owned(), said["error"].to_string()));
        }
    }
}

/// Keeps events.
#[derive(Default)]
pub(crate) struct Keeper {
    /// Id and canonical text by number.
    pub(crate) events: BTreeMap<u64, (String, String)>,
    pub(crate) heard: usize,
    /// Everything up to here is there.
    pub(crate) whole: u64,
    told: u64,
    pub(crate) ups: usize,
    pub(crate) public_key: Option<String>,
}

impl Keeper {
    /// Takes what came; gives the door a receipt where there is something new without a gap.
    pub(crate) fn take(&mut self, broker: &Broker, ear: &Ear, asker: &mut Asker) {
        for heard in ear.drain() {
            if heard.topic.ends_with("/status") {
                self.ups += usize::from(heard.payload == "online" && !heard.retain);
            } else if heard.topic.ends_with("/info") {
                self.public_key = heard.json()["public_key"].as_str().map(str::to_owned);
            } else if heard.topic.contains("/rsp/") {
                asker.take(&heard);
            } else if heard.topic.contains("/events/") {
                self.keep(&heard);
            }
        }
        while self.events.contains_key(&(self.whole + 1)) {
            self.whole += 1;
        }
        if self.whole > self.told {
            let receipt = format!("{{\"upto\":{}}}", self.whole);
            if broker.try_publish("ostiary/front/events/ack", receipt.as_bytes(), &[]) {
                self.told = self.whole;
            }
        }
    }

    /// A receipt that may have been lost with a broker or a door is given again with the next event.
    pub(crate) fn doubt(&mut self) {
        self.told = 0;
    }

    fn keep(&mut self, heard: &Heard) {
        let json = heard.json();
        let (Some(seq), Some(id)) = (json["seq"].as_u64(), json["id"].as_str()) else { return };
        self.heard += 1;
        // The canonical text stands at the end, byte for byte.
        let text =
            heard.payload.split_once("\"data\":").and_then(|(_, data)| data.strip_suffix('}')).unwrap();
        let event = (id.to_owned(), text.to_owned());
        let known = self.events.entry(seq).or_insert_with(|| event.clone());
        assert_eq!(*known, event, "one number, one event, the same to the last byte");
    }
}
