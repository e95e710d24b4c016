//! Rules, exceptions, PINs, keys and attendance.
//!
//! Owns: what each of these commands does. Does not own: the rules (`access`), the file (`app/rules`), the book
//! (`store`), the sheet (`app/attendance`).
//! Invariants: rules are checked before they are kept, kept before they hold; a change is an event that names who made
//! it; a PIN is hashed here and goes no further.

use jiff::Timestamp;
use serde::Serialize;

use super::OrRefuse as _;
use crate::access::{Input, UntrustedClock};
use crate::app::attendance::{self, Range};
use crate::app::rules::explain::{self, Question};
use crate::app::rules::pin::PinHashes;
use crate::app::rules::{DOCUMENT, HolidayText, Rules, RulesError, when};
use crate::domain::person::Label;
use crate::domain::{
    ClockTrust, DoorId, EventKind, Key, Mode, Numbers, Person, PersonId, Pin, PunchKind, Utc, clipped,
};
use crate::link::wire::{
    AccessPut, Caller, Code, CorrectionPut, Document, ExplainQuery, Refusal, Reply, RulesCommand, RulesPart,
    SheetQuery,
};
use crate::store::{Access, Correction};

use super::Desk;

impl Desk {
    pub(super) fn rules(&self, caller: &Caller, command: RulesCommand) -> Result<Reply, Refusal> {
        match command {
            RulesCommand::Get => {
                let rules = self.house.recognition.standings().rules();
                document(rules.file())
            }
            RulesCommand::Put(text) => self.put_rules(caller, &text),
            RulesCommand::Check(text) => Rules::read(&text).map(|_| Reply::Done).map_err(refused),
            RulesCommand::PutPart { part, name, value } => {
                self.put_part(caller, part, &name, value.as_deref())
            }
            RulesCommand::Explain(query) => self.explain(&query),
            RulesCommand::GetAccess(id) => self.show_access(&self.known(&id)?),
            RulesCommand::PutAccess(put) => self.put_access(caller, &put),
            RulesCommand::ForgetPassages(id) => self.forget_passages(caller, id.as_deref()),
            RulesCommand::Key(name) => {
                let key = key(&name)
                    .ok_or_else(|| Refusal::invalid("key", "a key is 0 to 9, enter, clear or f1 to f16"))?;
                self.door_handle()?.tell(Input::Key(key)).map(|()| Reply::Done)
            }
            RulesCommand::Others(open) => self.door_handle()?.tell(Input::Others(open)).map(|()| Reply::Done),
            RulesCommand::TrustClock => {
                self.house.clock.vouch();
                let event = self.event(EventKind::ConfigChanged);
                let event = event.with(format_args!("clock vouched for by {}", caller.name));
                self.house.store.append(&[event]).or_refuse()?;
                if self.house.clock.now().trust == ClockTrust::Untrusted {
                    return Err(Refusal::new(
                        Code::Conflict,
                        "the clock shows a time before this program was made; set it first",
                    ));
                }
                Ok(Reply::Done)
            }
            RulesCommand::Attendance(query) => self.attendance(&query),
            RulesCommand::Correct(put) => self.correct(caller, &put),
        }
    }

    /// One part of the rules, checked together with all others.
    fn put_part(
        &self,
        caller: &Caller,
        part: RulesPart,
        name: &str,
        value: Option<&str>,
    ) -> Result<Reply, Refusal> {
        let _changing = self.changing();
        let mut file = self.house.recognition.standings().rules().file().clone();
        let gone = || Refusal::new(Code::NotFound, format!("the rules have no such part {name:?}"));
        match (part, value) {
            (RulesPart::Schedule, Some(value)) => {
                file.schedules.insert(name.to_owned(), part_of(value)?);
            }
            (RulesPart::Schedule, None) => drop(file.schedules.remove(name).ok_or_else(gone)?),
            (RulesPart::Level, Some(value)) => {
                file.levels.insert(name.to_owned(), part_of(value)?);
            }
            (RulesPart::Level, None) => drop(file.levels.remove(name).ok_or_else(gone)?),
            (RulesPart::Group, Some(value)) => {
                file.groups.insert(name.to_owned(), part_of(value)?);
            }
            (RulesPart::Group, None) => drop(file.groups.remove(name).ok_or_else(gone)?),
            (RulesPart::Holiday, value) => {
                let before = file.holidays.len();
                file.holidays.retain(|day| day.name != name);
                match value {
                    Some(value) => {
                        file.holidays.push(HolidayText { name: name.to_owned(), ..part_of(value)? });
                    }
                    None if file.holidays.len() == before => return Err(gone()),
                    None => {}
                }
            }
        }
        let text = serde_json::to_string(&file)
            .map_err(|e| Refusal::new(Code::Internal, format!("the rules have no JSON form: {e}")))?;
        self.keep_rules(caller, &text)
    }

    fn put_rules(&self, caller: &Caller, text: &str) -> Result<Reply, Refusal> {
        let _changing = self.changing();
        self.keep_rules(caller, text)
    }

    /// The caller holds `changing`.
    fn keep_rules(&self, caller: &Caller, text: &str) -> Result<Reply, Refusal> {
        let rules = Rules::read(text).map_err(refused)?;
        let kept = serde_json::to_vec(rules.file())
            .map_err(|e| Refusal::new(Code::Internal, format!("the rules have no JSON form: {e}")))?;
        let event = self.event(EventKind::ConfigChanged);
        let event = event.with(format_args!("rules of access, by {}", caller.name));
        self.house.store.put_document(DOCUMENT, &kept, &[event]).or_refuse()?;
        self.house.recognition.set_rules(rules, &self.house.store).or_refuse()?;
        Ok(Reply::Done)
    }

    fn explain(&self, query: &ExplainQuery) -> Result<Reply, Refusal> {
        let person = self.known(&query.person)?;
        let standings = self.house.recognition.standings();
        let rules = standings.rules();
        let now = self.house.clock.now();
        let at = query.at.as_deref().map(|t| when(t, rules.zone())).transpose().map_err(refused)?;
        let mut standing = standings.of(&person);
        if let Some(groups) = &query.groups {
            standing.groups = self.numbers(&rules, groups)?;
        }
        let question = Question {
            standing: &standing,
            door: query.door.map_or(self.house.door_id, DoorId),
            at: at.unwrap_or(now.utc),
            // A time that was named is that time.
            trust: if at.is_some() { ClockTrust::Trusted } else { now.trust },
            untrusted_clock: UntrustedClock::default(),
            closed: self.door_is_closed(),
            locked_out: false,
            others_open: None,
        };
        document(&explain::explain(&rules, &question))
    }

    fn numbers(&self, rules: &Rules, groups: &[String]) -> Result<Numbers, Refusal> {
        let mut person = Person::new(
            "nobody".parse().map_err(|_| Refusal::new(Code::Internal, "an id"))?,
            clipped(""),
            self.house.clock.now().utc,
        );
        person.groups = labels(groups)?;
        Ok(rules.groups_of(&person))
    }

    /// Whether the running door is locked down or in fault; no where none runs.
    fn door_is_closed(&self) -> bool {
        let Some(door) = &self.door else { return false };
        let state = door.order(crate::link::wire::DoorOrder::State, "explain");
        state.is_ok_and(|s| matches!(s.state.as_str(), "lockdown" | "fault"))
    }

    fn known(&self, id: &str) -> Result<Person, Refusal> {
        let id: PersonId =
            id.parse().map_err(|e| Refusal::invalid("person", format!("person id {id:?}: {e}")))?;
        let nobody = || Refusal::new(Code::NotFound, format!("there is no person {id}"));
        self.house.store.person(&id).or_refuse()?.ok_or_else(nobody)
    }

    fn show_access(&self, person: &Person) -> Result<Reply, Refusal> {
        #[derive(Serialize)]
        #[expect(clippy::struct_excessive_bools, reason = "marks of a person, each apart from the others")]
        struct View<'a> {
            person: &'a str,
            groups: Vec<&'a str>,
            blocked: bool,
            any_time: bool,
            no_anti_passback: bool,
            alone: bool,
            accessible: bool,
            mode: Option<&'static str>,
            pin: bool,
            duress_pin: bool,
            last_passage: Option<(&'static str, String)>,
        }
        let (access, last) = self.house.store.access(&person.id).or_refuse()?;
        let e = access.exceptions;
        document(&View {
            person: person.id.as_str(),
            groups: person.groups.iter().map(Label::as_str).collect(),
            blocked: e.blocked,
            any_time: e.any_time,
            no_anti_passback: e.no_apb,
            alone: e.alone,
            accessible: e.accessible,
            mode: e.mode.map(Mode::name),
            pin: access.pin.is_some(),
            duress_pin: access.duress.is_some(),
            last_passage: last.map(|p| (p.side.name(), instant(p.at))),
        })
    }

    fn put_access(&self, caller: &Caller, put: &AccessPut) -> Result<Reply, Refusal> {
        let _changing = self.changing();
        let mut person = self.known(&put.person)?;
        let (mut access, _) = self.house.store.access(&person.id).or_refuse()?;
        let e = &mut access.exceptions;
        let marks = [
            (&mut e.blocked, put.blocked),
            (&mut e.any_time, put.any_time),
            (&mut e.no_apb, put.no_anti_passback),
            (&mut e.alone, put.alone),
            (&mut e.accessible, put.accessible),
        ];
        for (mark, wanted) in marks {
            *mark = wanted.unwrap_or(*mark);
        }
        if let Some(mode) = put.mode.as_deref() {
            let wrong = || {
                Refusal::invalid(
                    "mode",
                    format!("\"mode\" may be empty, {}", Mode::ALL.map(Mode::name).join(", ")),
                )
            };
            e.mode = if mode.is_empty() { None } else { Some(Mode::from_name(mode).ok_or_else(wrong)?) };
        }
        pins(&mut access, put)?;
        let event = self.event(EventKind::PersonChanged).of(&person.id);
        let event = event.with(format_args!("access, by {}", caller.name));
        if let Some(groups) = &put.groups {
            let rules = self.house.recognition.standings().rules();
            if let Some(unknown) = groups.iter().find(|g| !rules.has_group(g)) {
                return Err(Refusal::invalid(
                    "groups",
                    format!("there is no group {unknown:?} in the rules; see: ostiary access export"),
                ));
            }
            person.groups = labels(groups)?;
            person.modified_date = event.at.utc;
            self.house.store.put_person(&person, &[]).or_refuse()?;
        }
        self.house.store.put_access(&person.id, &access, &[event]).or_refuse()?;
        self.house.recognition.standings().set_access(&person.id, &access);
        self.house.recognition.stands(&person);
        self.show_access(&person)
    }

    fn forget_passages(&self, caller: &Caller, id: Option<&str>) -> Result<Reply, Refusal> {
        let person = id.map(|id| self.known(id)).transpose()?.map(|p| p.id);
        let event = self.event(EventKind::ConfigChanged);
        let mut event = event.with(format_args!("passages forgotten by {}", caller.name));
        event.person.clone_from(&person);
        self.house.store.forget_passages(person.as_ref(), &[event]).or_refuse()?;
        for id in self.house.recognition.standings().forget_passages(person.as_ref()) {
            self.house.recognition.moved(&id);
        }
        if let Some(door) = &self.door {
            door.tell(Input::ForgetPassages(person))?;
        }
        Ok(Reply::Done)
    }

    fn attendance(&self, query: &SheetQuery) -> Result<Reply, Refusal> {
        let rules = self.house.recognition.standings().rules();
        let zone = rules.zone();
        let now = self.house.clock.now().utc;
        let today = Timestamp::from_millisecond(now.0).unwrap_or_default().to_zoned(zone.clone()).date();
        let range = Range::read(query.from.as_deref(), query.until.as_deref(), today).ok_or_else(|| {
            Refusal::invalid(
                "from",
                "write days as 2026-11-21 or months as 2026-11, the first before the last",
            )
        })?;
        let mut lines = self.house.store.punches_since(range.since(zone)).or_refuse()?;
        if let Some(person) = &query.person {
            lines.retain(|line| line.person.as_str() == person);
        }
        if matches!(query.form.as_str(), "" | "sheet") {
            return document(&attendance::sheet(&lines, range, zone));
        }
        // A line that takes another back goes with it.
        let days: Vec<u64> = lines.iter().filter(|l| range.holds(l.at, zone)).map(|l| l.number).collect();
        lines.retain(|l| days.contains(&l.number) || l.voids.is_some_and(|n| days.contains(&n)));
        let text = match query.form.as_str() {
            "csv" => attendance::csv(&lines, zone),
            "json" => attendance::json(&lines, zone),
            "erpnext" => attendance::erpnext(&lines, zone),
            _ => return Err(Refusal::invalid("form", "\"form\" may be sheet, csv, json or erpnext")),
        };
        Ok(Reply::Document(Document(text)))
    }

    fn correct(&self, caller: &Caller, put: &CorrectionPut) -> Result<Reply, Refusal> {
        let person = self.known(&put.person)?.id;
        let rules = self.house.recognition.standings().rules();
        let adds = match (&put.at, &put.kind) {
            (None, None) => None,
            (Some(at), Some(kind)) => {
                let wrong = || {
                    let all = PunchKind::ALL.map(PunchKind::name).join(", ");
                    Refusal::invalid("kind", format!("\"kind\" may be {all}"))
                };
                let kind = PunchKind::from_name(kind).ok_or_else(wrong)?;
                Some((when(at, rules.zone()).map_err(refused)?, kind, put.job))
            }
            (Some(_), None) => return Err(Refusal::missing("kind")),
            (None, Some(_)) => return Err(Refusal::missing("at")),
        };
        if adds.is_none() && put.takes_back.is_none() {
            return Err(Refusal::missing("takes_back"));
        }
        if put.why.len() > 256 {
            return Err(Refusal::invalid("why", "\"why\" has at most 256 bytes"));
        }
        let event = self.event(EventKind::Punch).of(&person);
        let what = adds.map_or("taken back", |(_, kind, _)| kind.name());
        let event = event.with(format_args!(
            "manual {what} by {}{}",
            caller.name,
            put.takes_back.map_or_else(String::new, |n| format!(", takes back {n}"))
        ));
        let correction =
            Correction { person, adds, voids: put.takes_back, by: caller.name.clone(), why: put.why.clone() };
        let number = self.house.store.correct(&correction, &event).or_refuse()?;
        document(&serde_json::json!({ "number": number }))
    }
}

fn part_of<T: serde::de::DeserializeOwned>(value: &str) -> Result<T, Refusal> {
    serde_json::from_str(value)
        .map_err(|e| Refusal::new(Code::Malformed, format!("this part of the rules cannot be used: {e}")))
}

fn pins(access: &mut Access, put: &AccessPut) -> Result<(), Refusal> {
    let read = |name: &'static str, digits: &str| {
        Pin::new(digits).ok_or_else(|| Refusal::invalid(name, "a PIN has 4 to 16 digits"))
    };
    match (put.pin.as_deref(), put.duress_pin.as_deref()) {
        (None, None) => {}
        (None, Some(_)) => return Err(Refusal::missing("pin")),
        (Some(""), _) => (access.pin, access.duress) = (None, None),
        (Some(pin), duress) => {
            let pin = read("pin", pin)?;
            let duress = duress.map(|d| read("duress_pin", d)).transpose()?;
            let hashes = PinHashes::make(&pin, duress.as_ref())
                .map_err(|e| Refusal::invalid("duress_pin", e.to_string()))?;
            (access.pin, access.duress) = (hashes.pin, hashes.duress);
        }
    }
    Ok(())
}

fn labels<const N: usize>(groups: &[String]) -> Result<heapless::Vec<Label, N>, Refusal> {
    let many = || Refusal::invalid("groups", format!("a person is in at most {N} groups of 1 to 64 bytes"));
    let mut all = heapless::Vec::new();
    for group in groups {
        let label = Label::try_from(group.as_str()).map_err(|_| many())?;
        all.push(label).map_err(|_| many())?;
    }
    Ok(all)
}

fn key(name: &str) -> Option<Key> {
    match name {
        "enter" => Some(Key::Enter),
        "clear" => Some(Key::Clear),
        _ => match name.strip_prefix('f') {
            Some(n) => n.parse().ok().filter(|n| (1..=16).contains(n)).map(Key::Function),
            None => name.parse().ok().filter(|d| name.len() == 1 && *d <= 9).map(Key::Digit),
        },
    }
}

fn instant(at: Utc) -> String {
    crate::link::wire::Moment(at.0).text()
}

fn document<T: Serialize>(value: &T) -> Result<Reply, Refusal> {
    serde_json::to_string_pretty(value)
        .map(|text| Reply::Document(Document(text)))
        .map_err(|e| Refusal::new(Code::Internal, format!("the answer has no JSON form: {e}")))
}

#[expect(clippy::needless_pass_by_value, reason = "it stands where an error is mapped")]
fn refused(error: RulesError) -> Refusal {
    Refusal::invalid("rules", error.to_string())
}
