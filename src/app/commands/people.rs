//! People and the journal: list, show, erase, export.
//!
//! Owns: the operations on what is stored. Does not own: erasure itself and its proof (`store`).
//! Invariant: an erased person is gone from the gallery in memory before the answer is given.

use jiff::Timestamp;

use super::OrRefuse as _;
use crate::domain::{EventKind, EventSeq, Person, PersonId, Utc};
use crate::link::wire::{
    Code, Document, Erased, EventPage, EventQuery, Moment, PersonPage, PersonQuery, PersonView, Refusal,
    Reply, person_status,
};
use crate::store::{Entry, Filter, Held, Receipt};

use super::Desk;

/// Events opened for one page of a filtered list; the page then ends and says where to go on.
const SCAN: usize = 20_000;
const BATCH: usize = 256;

impl Desk {
    pub(super) fn list_persons(&self, query: &PersonQuery) -> Result<Reply, Refusal> {
        if query.limit == 0 || query.limit > 1_000 {
            return Err(Refusal::invalid("limit", "\"limit\" must be 1 to 1000"));
        }
        let filter = Filter {
            status: query.status.as_deref().map(person_status).transpose()?,
            collection: query.collection.clone(),
            name: query.name.clone(),
        };
        let page =
            self.house.store.people(&filter, query.page as usize, usize::from(query.limit)).or_refuse()?;
        let persons = page.people.iter().zip(&page.held).map(|(p, held)| self.view(p, *held)).collect();
        Ok(Reply::Persons(PersonPage { persons, total: page.total }))
    }

    pub(super) fn show_person(&self, id: &str) -> Result<Reply, Refusal> {
        let id = parse(id)?;
        let (person, held) = self.house.store.profile(&id).or_refuse()?.ok_or_else(|| nobody(&id))?;
        let mut view = self.view(&person, held);
        view.looks = self
            .house
            .store
            .templates(&id)
            .or_refuse()?
            .iter()
            .map(|t| {
                format!("{}: quality {}, {}, {}", t.id.0, t.quality, t.source.name(), when(t.created_at))
            })
            .collect();
        Ok(Reply::Person(Box::new(view)))
    }

    pub(super) fn delete_person(&self, id: &str, why: std::fmt::Arguments<'_>) -> Result<Reply, Refusal> {
        let id = parse(id)?;
        let _changing = self.changing();
        if !self.house.store.has_person(&id) {
            return Err(nobody(&id));
        }
        let event = self.event(EventKind::PersonDeleted).of(&id).with(why);
        // Whatever becomes of the file, the person must not be let in any more.
        self.house.recognition.remove(&id);
        self.audit.forget(&id);
        let receipt = self.house.store.delete_person(&id, &[event]).or_refuse()?;
        Ok(Reply::Erased(erased(&id, &receipt)))
    }

    pub(super) fn delete_images(&self, id: &str) -> Result<Reply, Refusal> {
        let id = parse(id)?;
        let _changing = self.changing();
        let (_, held) = self.house.store.profile(&id).or_refuse()?.ok_or_else(|| nobody(&id))?;
        if held.images == 0 {
            // Nothing to erase: the file need not be rewritten.
            return Ok(Reply::Erased(erased(&id, &Receipt::default())));
        }
        let event = self.event(EventKind::ImageDeleted).of(&id);
        let receipt = self.house.store.delete_images(&id, &[event]).or_refuse()?;
        Ok(Reply::Erased(erased(&id, &receipt)))
    }

    pub(super) fn export_person(&self, id: &str) -> Result<Reply, Refusal> {
        let id = parse(id)?;
        if !self.house.store.has_person(&id) {
            return Err(nobody(&id));
        }
        let export = self.house.store.export_person(&id).or_refuse()?;
        serde_json::to_string_pretty(&export)
            .map(|text| Reply::Document(Document(text)))
            .map_err(|e| Refusal::new(Code::Internal, format!("the export cannot be written as JSON: {e}")))
    }

    pub(super) fn list_events(&self, query: &EventQuery) -> Result<Reply, Refusal> {
        if query.limit == 0 || query.limit > 10_000 {
            return Err(Refusal::invalid("limit", "\"limit\" must be 1 to 10000"));
        }
        let kind = query.kind.as_deref().map(|name| {
            EventKind::from_name(name)
                .ok_or_else(|| Refusal::invalid("type", format!("there are no {name:?} events")))
        });
        let kind = kind.transpose()?;
        let person = query.person.as_deref().map(parse).transpose()?;
        let wanted = |entry: &Entry| {
            kind.is_none_or(|k| entry.event.kind == k)
                && person.as_ref().is_none_or(|p| entry.event.person.as_ref() == Some(p))
        };
        let newest = self.house.store.newest().or_refuse()?.map_or(0, |entry| entry.seq.0);
        let (mut events, mut opened) = (Vec::new(), 0);
        let full = |events: &Vec<String>| events.len() == usize::from(query.limit);
        let backwards = query.before.is_some();
        let mut next = query.before.map_or(query.from.max(1), |before| before.min(newest + 1));
        'pages: while opened < SCAN && !full(&events) {
            // Backwards the batch ends below `next`; what went by age leaves it shorter.
            let first = if backwards { next.saturating_sub(BATCH as u64).max(1) } else { next };
            let most = if backwards { (next - first) as usize } else { BATCH };
            let mut batch = self.house.store.read_events(EventSeq(first), most).or_refuse()?;
            batch.retain(|entry| !backwards || entry.seq.0 < next);
            if batch.is_empty() {
                next = if backwards { 1 } else { next };
                break;
            }
            if backwards {
                batch.reverse();
            }
            opened += batch.len();
            for entry in &batch {
                next = if backwards { entry.seq.0 } else { entry.seq.0 + 1 };
                if wanted(entry) {
                    events.push(entry.json());
                    if full(&events) {
                        break 'pages;
                    }
                }
            }
        }
        Ok(Reply::Events(EventPage { events, next, newest }))
    }

    /// A person as a client sees them.
    pub(super) fn view(&self, person: &Person, held: Held) -> PersonView {
        let needs_reenrolment = self.house.recognition.gallery().strangers().contains(&person.id);
        PersonView { needs_reenrolment, ..view(person, held) }
    }

    pub(super) fn verify_events(&self) -> Result<Reply, Refusal> {
        let key = self.identity.public_key().or_refuse()?;
        let events = self.house.store.verify_signed(Some(&key)).or_refuse()?;
        Ok(Reply::Chain { events, key: crate::link::wire::hex(&key) })
    }
}

/// The id, checked.
pub(super) fn parse(id: &str) -> Result<PersonId, Refusal> {
    id.parse().map_err(|e| Refusal::invalid("id", format!("person id {id:?}: {e}")))
}

/// There is no such person.
pub(super) fn nobody(id: &PersonId) -> Refusal {
    Refusal::new(Code::NotFound, format!("there is no person {id}"))
}

fn view(p: &Person, held: Held) -> PersonView {
    let texts = |labels: &[crate::domain::person::Label]| labels.iter().map(ToString::to_string).collect();
    PersonView {
        id: p.id.as_str().to_owned(),
        name: p.name.as_str().to_owned(),
        notes: p.notes.as_str().to_owned(),
        gender: p.gender.as_str().to_owned(),
        nationality: p.nationality.as_str().to_owned(),
        date_of_birth: p.date_of_birth.as_str().to_owned(),
        status: p.status.name().to_owned(),
        groups: texts(&p.groups),
        collections: texts(&p.collections),
        valid_from: p.valid_from.map(|t| Moment(t.0)),
        valid_until: p.valid_until.map(|t| Moment(t.0)),
        consent: p.consent.as_ref().map(|c| format!("{} ({}, by {})", c.basis, when(c.at), c.by)),
        create_date: Moment(p.create_date.0),
        modified_date: Moment(p.modified_date.0),
        templates: held.templates,
        images: held.images,
        crops: held.crops,
        needs_reenrolment: false,
        looks: Vec::new(),
    }
}

fn erased(id: &PersonId, receipt: &Receipt) -> Erased {
    Erased {
        person: id.as_str().to_owned(),
        templates: receipt.templates,
        images: receipt.images,
        crops: receipt.crops,
        patterns: receipt.patterns,
        found_before: receipt.found_before,
        bytes_searched: receipt.bytes_searched,
        occurrences: receipt.occurrences,
    }
}

/// RFC 3339 in UTC, to the second.
pub(super) fn when(at: Utc) -> String {
    Timestamp::from_millisecond(at.0)
        .map_or_else(|_| "unknown".to_owned(), |t| t.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}
