//! Commands by their verbs, as SPEC 4 names them: what MQTT's `cmd/<verb>` carries as JSON.
//!
//! Owns: the names and how a JSON object becomes a command. Does not own: topics, replay protection, replies.
//! Invariants: an unknown field is refused by name; a verb that moves the door is one of `door.*`.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::command::{Command, DoorOrder};
use super::refusal::{Code, Refusal};

/// Every verb that is understood.
pub const VERBS: [&str; 31] = [
    "face.search",
    "face.search_live",
    "face.identify",
    "face.verify",
    "face.liveness",
    "person.upsert",
    "person.get",
    "person.list",
    "person.delete",
    "person.export",
    "collection.put",
    "collection.get",
    "collection.list",
    "collection.delete",
    "enroll.image",
    "enroll.camera",
    "enroll.progress",
    "enroll.template",
    "enroll.cancel",
    "image.delete",
    "session.start",
    "session.get",
    "door.state",
    "door.open",
    "door.mode",
    "door.lock",
    "door.release",
    "events.list",
    "events.verify",
    "config.get",
    "status",
];

/// The command that a verb and its JSON object stand for.
///
/// # Errors
/// `NotFound` for an unknown verb, `Malformed` for JSON that cannot be read (too deep, a field twice, unknown, of
/// another type), `MissingParameter` where one is wanted.
pub fn command(verb: &str, json: &[u8]) -> Result<Command, Refusal> {
    Ok(match verb {
        "face.search" => Command::Search(read(json)?),
        "face.search_live" => {
            let query: super::FaceQuery = read(json)?;
            query.min_live.ok_or_else(|| Refusal::missing("min_live"))?;
            Command::Search(query)
        }
        "face.identify" => Command::Identify(read::<Image>(json)?.image),
        "face.verify" => Command::Compare(read(json)?),
        "face.liveness" => Command::Live(read(json)?),
        "person.upsert" => Command::PutPerson(read(json)?),
        "person.get" => Command::GetPerson(id(json)?),
        "person.list" => Command::ListPersons(read(json)?),
        "person.delete" => Command::DeletePerson(id(json)?),
        "person.export" => Command::ExportPerson(id(json)?),
        "collection.put" => Command::PutCollection(read(json)?),
        "collection.get" => Command::GetCollection(id(json)?),
        "collection.list" => nothing(json, Command::ListCollections)?,
        "collection.delete" => Command::DeleteCollection(id(json)?),
        "enroll.image" => Command::Enrol(read(json)?),
        "enroll.camera" => Command::EnrolCamera(read(json)?),
        "enroll.progress" => nothing(json, Command::CameraProgress)?,
        "enroll.template" => Command::EnrolTemplate(read(json)?),
        "enroll.cancel" => nothing(json, Command::EnrolCancel)?,
        "image.delete" => Command::DeleteImages(id(json)?),
        "session.start" => Command::StartSession(read(json)?),
        "session.get" => Command::GetSession(id(json)?),
        "door.state" => nothing(json, Command::Door(DoorOrder::State))?,
        "door.open" => nothing(json, Command::Door(DoorOrder::Open))?,
        "door.lock" => nothing(json, Command::Door(DoorOrder::Lock))?,
        "door.release" => nothing(json, Command::Door(DoorOrder::Release))?,
        "door.mode" => Command::Door(read::<Mode>(json)?.order()),
        "events.list" => Command::ListEvents(read(json)?),
        "events.verify" => nothing(json, Command::VerifyEvents)?,
        "config.get" => nothing(json, Command::GetConfig)?,
        "status" => nothing(json, Command::Status)?,
        _ => {
            let nearest = VERBS.iter().min_by_key(|known| strsim::damerau_levenshtein(verb, known));
            let hint = nearest.map_or_else(String::new, |n| format!("; did you mean {n}?"));
            return Err(Refusal::new(Code::NotFound, format!("there is no verb {verb:?}{hint}")));
        }
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Id {
    id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Image {
    image: super::Photo,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// How the door is to be held.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mode {
    mode: ModeName,
    #[serde(default)]
    seconds: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum ModeName {
    Normal,
    Unlocked,
    Lockdown,
}

impl Mode {
    const fn order(&self) -> DoorOrder {
        match self.mode {
            ModeName::Normal => DoorOrder::Release,
            ModeName::Unlocked => DoorOrder::Unlock { seconds: self.seconds },
            ModeName::Lockdown => DoorOrder::Lockdown { seconds: self.seconds },
        }
    }
}

fn id(json: &[u8]) -> Result<String, Refusal> {
    read::<Id>(json).map(|i| i.id)
}

fn nothing(json: &[u8], command: Command) -> Result<Command, Refusal> {
    read::<Nothing>(json).map(|_| command)
}

/// Reads an object; nothing at all counts as an empty one.
pub(crate) fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T, Refusal> {
    let json = if json.trim_ascii().is_empty() { b"{}" } else { json };
    serde_json::from_slice(json)
        .map_err(|e| Refusal::new(Code::Malformed, format!("the JSON cannot be used: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_is_read_or_says_what_is_missing() {
        for verb in VERBS {
            match command(verb, b"") {
                Ok(_) => {}
                Err(e) => assert!(matches!(e.code, Code::Malformed | Code::MissingParameter), "{verb}: {e}"),
            }
        }
        assert!(command("face.serch", b"{}").unwrap_err().message.contains("face.search"));
    }

    #[test]
    fn wrong_fields_are_named_and_doors_are_held_for_their_time() {
        let e = command("person.get", br#"{"idd":"a"}"#).unwrap_err();
        assert!(e.message.contains("idd"), "{e}");
        let e = command("person.get", br#"{"id":"a","id":"b"}"#).unwrap_err();
        assert!(e.message.contains("duplicate"), "{e}");
        assert!(command("door.open", br#"{"id":1}"#).is_err());
        let order = command("door.mode", br#"{"mode":"lockdown","seconds":60}"#).unwrap();
        assert_eq!(order, Command::Door(DoorOrder::Lockdown { seconds: 60 }));
        let deep = "[".repeat(100_000);
        assert_eq!(command("person.list", deep.as_bytes()).unwrap_err().code, Code::Malformed);
    }
}
