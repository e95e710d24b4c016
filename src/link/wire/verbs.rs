//! Commands by their verbs, as SPEC 4 names them: what MQTT's `cmd/<verb>` carries as JSON.
//!
//! Owns: the names and how a JSON object becomes a command. Does not own: topics, replay protection, replies.
//! Invariants: an unknown field is refused by name; a verb that moves the door is one of `door.*`. What makes keys
//! (`tokens`) has no verb, for a secret is not told to a broker, nor has what makes a clock believed, on which the guard
//! over the door rests.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::command::{Command, DoorOrder};
use super::refusal::{Code, Refusal};
use super::rules::{RulesCommand, RulesPart};

/// Every verb that is understood.
pub const VERBS: [&str; 61] = [
    "face.search",
    "face.search_live",
    "face.identify",
    "face.verify",
    "face.liveness",
    "face.one_to_n",
    "person.upsert",
    "person.get",
    "person.list",
    "person.delete",
    "person.withdraw_consent",
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
    "image.get",
    "gallery.digest",
    "gallery.sync",
    "session.start",
    "session.get",
    "rules.get",
    "rules.put",
    "rules.check",
    "schedule.put",
    "schedule.delete",
    "holiday.put",
    "holiday.delete",
    "group.put",
    "group.delete",
    "level.put",
    "level.delete",
    "access.explain",
    "access.get",
    "access.put",
    "apb.reset",
    "attendance.get",
    "punch.add",
    "door.state",
    "door.open",
    "door.mode",
    "door.lock",
    "door.release",
    "door.key",
    "door.others",
    "events.list",
    "events.verify",
    "audit.list",
    "retention.run",
    "config.get",
    "config.put",
    "model.stage",
    "model.activate",
    "snapshot",
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
        "face.one_to_n" => Command::OneToN(read(json)?),
        "person.upsert" => Command::PutPerson(read(json)?),
        "person.get" => Command::GetPerson(id(json)?),
        "person.list" => Command::ListPersons(read(json)?),
        "person.delete" => Command::DeletePerson(id(json)?),
        "person.withdraw_consent" => Command::WithdrawConsent(id(json)?),
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
        "image.get" => {
            let KeptImage { id, index } = read(json)?;
            Command::GetImage(id, index)
        }
        "gallery.digest" => Command::GalleryDigest(read(json)?),
        "gallery.sync" => Command::GallerySync(read(json)?),
        "session.start" => Command::StartSession(read(json)?),
        "session.get" => Command::GetSession(id(json)?),
        "door.state" => nothing(json, Command::Door(DoorOrder::State))?,
        "door.open" => nothing(json, Command::Door(DoorOrder::Open))?,
        "door.lock" => nothing(json, Command::Door(DoorOrder::Lock))?,
        "door.release" => nothing(json, Command::Door(DoorOrder::Release))?,
        "door.mode" => Command::Door(read::<Mode>(json)?.order()),
        "events.list" => Command::ListEvents(read(json)?),
        "events.verify" => nothing(json, Command::VerifyEvents)?,
        "audit.list" => Command::ListAudit(read(json)?),
        "retention.run" => nothing(json, Command::Expire)?,
        "config.get" => nothing(json, Command::GetConfig)?,
        "config.put" => Command::PutConfig(document(json)?),
        "model.stage" => Command::StageModel(read(json)?),
        "model.activate" => Command::UseModels(read::<ModelSet>(json)?.set),
        "snapshot" => nothing(json, Command::Watch)?,
        "status" => nothing(json, Command::Status)?,
        _ => return rules(verb, json),
    })
}

/// Verbs of rules.
fn rules(verb: &str, json: &[u8]) -> Result<Command, Refusal> {
    let command = match verb {
        "rules.get" => nothing(json, Command::Rules(RulesCommand::Get)).map(|_| RulesCommand::Get)?,
        "rules.put" => RulesCommand::Put(document(json)?),
        "rules.check" => RulesCommand::Check(document(json)?),
        "schedule.put" => part(RulesPart::Schedule, json)?,
        "schedule.delete" => no_part(RulesPart::Schedule, json)?,
        "holiday.put" => part(RulesPart::Holiday, json)?,
        "holiday.delete" => no_part(RulesPart::Holiday, json)?,
        "group.put" => part(RulesPart::Group, json)?,
        "group.delete" => no_part(RulesPart::Group, json)?,
        "level.put" => part(RulesPart::Level, json)?,
        "level.delete" => no_part(RulesPart::Level, json)?,
        "access.explain" => RulesCommand::Explain(read(json)?),
        "access.get" => RulesCommand::GetAccess(read::<Person>(json)?.person),
        "access.put" => RulesCommand::PutAccess(read(json)?),
        "apb.reset" => RulesCommand::ForgetPassages(read::<Anybody>(json)?.person),
        "attendance.get" => RulesCommand::Attendance(read(json)?),
        "punch.add" => RulesCommand::Correct(read(json)?),
        "door.key" => RulesCommand::Key(read::<KeyName>(json)?.key),
        "door.others" => RulesCommand::Others(read::<Others>(json)?.open),
        _ => {
            let nearest = VERBS.iter().min_by_key(|known| strsim::damerau_levenshtein(verb, known));
            let hint = nearest.map_or_else(String::new, |n| format!("; did you mean {n}?"));
            return Err(Refusal::new(Code::NotFound, format!("there is no verb {verb:?}{hint}")));
        }
    };
    Ok(Command::Rules(command))
}

/// The whole object, as the text of a rules file.
fn document(json: &[u8]) -> Result<String, Refusal> {
    read::<serde_json::Map<String, serde_json::Value>>(json).map(|o| serde_json::Value::Object(o).to_string())
}

/// `{"name": ..., ...}`: one named part of the rules.
fn part(part: RulesPart, json: &[u8]) -> Result<RulesCommand, Refusal> {
    let mut fields: serde_json::Map<String, serde_json::Value> = read(json)?;
    let name = match fields.remove("name") {
        Some(serde_json::Value::String(name)) if !name.is_empty() => name,
        Some(_) => return Err(Refusal::invalid("name", "\"name\" must be a text")),
        None => return Err(Refusal::missing("name")),
    };
    let value = Some(serde_json::Value::Object(fields).to_string());
    Ok(RulesCommand::PutPart { part, name, value })
}

fn no_part(part: RulesPart, json: &[u8]) -> Result<RulesCommand, Refusal> {
    let name = read::<Name>(json)?.name;
    Ok(RulesCommand::PutPart { part, name, value: None })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Name {
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Person {
    person: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Anybody {
    #[serde(default)]
    person: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyName {
    key: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Others {
    /// `null`: not known any more.
    open: Option<bool>,
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
struct KeptImage {
    id: String,
    /// From 0.
    #[serde(default)]
    index: u8,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelSet {
    set: String,
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
    use proptest::prelude::*;

    use super::*;
    use crate::hostile::{hostile_json, spoiled};

    proptest! {
        // 256 in a normal run; `make fuzz` makes it 100,000.
        #[test]
        fn whatever_a_verb_is_given_is_a_command_or_a_short_refusal(
            verb in proptest::sample::select(VERBS.as_slice()),
            json in hostile_json(),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            for json in [json.clone().into_bytes(), spoiled(json, at, byte)] {
                match command(verb, &json) {
                    // What moves the door is asked under a name that the guard knows.
                    Ok(command) => prop_assert!(
                        command.scope() != Some(crate::wire::Scope::Door)
                            || verb.starts_with("door.") || matches!(verb, "apb.reset" | "snapshot")
                    ),
                    Err(refusal) => prop_assert!(refusal.message.len() < 8_000, "{}", refusal.message.len()),
                }
            }
        }
    }

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

    /// The verb of each operation; a new operation does not compile until it is answered for here.
    fn verb(command: &Command) -> Result<&'static str, &'static str> {
        Ok(match command {
            Command::PutPerson(_) => "person.upsert",
            Command::Enrol(_) => "enroll.image",
            Command::EnrolCamera(_) => "enroll.camera",
            Command::CameraProgress => "enroll.progress",
            Command::EnrolCancel => "enroll.cancel",
            Command::EnrolTemplate(_) => "enroll.template",
            Command::GetPerson(_) => "person.get",
            Command::ListPersons(_) => "person.list",
            Command::DeletePerson(_) => "person.delete",
            Command::WithdrawConsent(_) => "person.withdraw_consent",
            Command::DeleteImages(_) => "image.delete",
            Command::GetImage(..) => "image.get",
            Command::Watch => "snapshot",
            Command::ExportPerson(_) => "person.export",
            Command::PutCollection(_) => "collection.put",
            Command::GetCollection(_) => "collection.get",
            Command::ListCollections => "collection.list",
            Command::DeleteCollection(_) => "collection.delete",
            Command::GalleryDigest(_) => "gallery.digest",
            Command::GallerySync(_) => "gallery.sync",
            Command::Search(_) => "face.search",
            Command::Identify(_) => "face.identify",
            Command::Compare(_) => "face.verify",
            Command::Live(_) => "face.liveness",
            Command::OneToN(_) => "face.one_to_n",
            Command::StartSession(_) => "session.start",
            Command::GetSession(_) => "session.get",
            Command::ListEvents(_) => "events.list",
            Command::VerifyEvents => "events.verify",
            Command::ListAudit(_) => "audit.list",
            Command::Expire => "retention.run",
            Command::Status => "status",
            Command::Door(order) => match order {
                DoorOrder::State => "door.state",
                DoorOrder::Open => "door.open",
                DoorOrder::Lock => "door.lock",
                DoorOrder::Unlock { .. } | DoorOrder::Lockdown { .. } => "door.mode",
                DoorOrder::Release => "door.release",
            },
            Command::Rules(_) => "rules.put",
            Command::UseModels(_) => "model.activate",
            Command::StageModel(_) => "model.stage",
            Command::GetConfig => "config.get",
            Command::PutConfig(_) => "config.put",
            Command::Names(_) | Command::WatchEnrolment | Command::Accounts(_) | Command::GetEditable => {
                return Err("the console's own");
            }
            Command::CreateToken(_)
            | Command::ListTokens
            | Command::RevokeToken(_)
            | Command::Setup { .. } => {
                return Err("a secret is not told to a broker");
            }
        })
    }

    #[test]
    fn every_operation_has_its_verb_and_every_verb_its_operation() {
        let person = || br#"{"id":"a","person":"a","key":"enter","set":"s","mode":"normal","name":"n"}"#;
        for name in VERBS {
            // Each field by itself: what a verb does not know it refuses.
            let fields: serde_json::Map<String, serde_json::Value> =
                serde_json::from_slice(person()).unwrap();
            let tries = fields.into_iter().map(|(k, v)| serde_json::json!({ k: v }).to_string());
            for json in tries.chain(["{}".into()]) {
                if let Ok(command) = command(name, json.as_bytes()) {
                    let own = verb(&command).unwrap_or_else(|why| panic!("{name}: {why}"));
                    assert!(VERBS.contains(&own), "{own}");
                    let alike = own == name
                        || matches!(command, Command::Rules(_))
                        || (name, own) == ("door.mode", "door.release");
                    assert!(alike, "{name} is read as {own}");
                }
            }
        }
    }

    #[test]
    fn a_part_of_the_rules_is_named_and_the_rest_is_the_part() {
        let put = command("schedule.put", br#"{"name":"day","weekdays":["08:00-17:00"]}"#).unwrap();
        let Command::Rules(RulesCommand::PutPart { part, name, value }) = put else { panic!("{put:?}") };
        assert_eq!((part, name.as_str()), (RulesPart::Schedule, "day"));
        assert_eq!(value.unwrap(), r#"{"weekdays":["08:00-17:00"]}"#);
        assert!(command("group.delete", br#"{"name":"g","levels":[]}"#).is_err());
        assert_eq!(command("level.put", b"{}").unwrap_err().code, Code::MissingParameter);
        let reset = Command::Rules(RulesCommand::ForgetPassages(None));
        assert_eq!(command("apb.reset", b"").unwrap(), reset);
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
