//! People and the journal: list, show, erase, export.
//!
//! Owns: the operations on what is stored. Does not own: erasure itself and its proof (`store`).
//! Invariant: an erased person is gone from the gallery in memory before the answer is given.

use jiff::Timestamp;

use crate::domain::{EventKind, EventSeq, Person, PersonId, Utc};
use crate::store::{Entry, Filter};

use super::Desk;
use super::reply::{Erased, ExportText, Failure, PersonRow, PersonView, Persons, Reply};

impl Desk<'_> {
    pub(super) fn list_persons(&mut self, page: u32, limit: u16) -> Result<Reply, Failure> {
        let page = self.store.people(&Filter::default(), page as usize, usize::from(limit))?;
        let persons = page.people.iter().map(|p| self.row(p)).collect::<Result<_, Failure>>()?;
        Ok(Reply::Persons(Persons { persons, total: page.total }))
    }

    pub(super) fn show_person(&mut self, id: &str) -> Result<Reply, Failure> {
        let id = parse(id)?;
        let p = &self.store.person(&id)?.ok_or_else(|| nobody(&id))?;
        let templates = self.store.templates(&id)?;
        let looks = templates.iter().map(|t| {
            format!("{}: quality {}, {}, {}", t.id.0, t.quality, t.source.name(), when(t.created_at))
        });
        Ok(Reply::Person(Box::new(PersonView {
            row: self.row(p)?,
            notes: p.notes.as_str().to_owned(),
            groups: p.groups.iter().map(|g| g.as_str().to_owned()).collect(),
            valid_from: p.valid_from.map(when),
            valid_until: p.valid_until.map(when),
            consent: p.consent.as_ref().map(|c| format!("{} ({}, by {})", c.basis, when(c.at), c.by)),
            created: when(p.create_date),
            modified: when(p.modified_date),
            looks: looks.collect(),
            images: self.store.images(&id)?.len(),
            crops: self.store.crops(&id)?.len(),
        })))
    }

    pub(super) fn delete_person(&mut self, id: &str) -> Result<Reply, Failure> {
        let id = parse(id)?;
        if !self.store.has_person(&id) {
            return Err(nobody(&id));
        }
        let event = self.event(EventKind::PersonDeleted).of(&id);
        // Whatever becomes of the file, the person must not be let in any more.
        self.recognition.remove(&id);
        let receipt = self.store.delete_person(&id, &[event])?;
        Ok(Reply::Erased(Erased {
            person: id.as_str().to_owned(),
            templates: receipt.templates,
            images: receipt.images,
            crops: receipt.crops,
            patterns: receipt.patterns,
            found_before: receipt.found_before,
            bytes_searched: receipt.bytes_searched,
            occurrences: receipt.occurrences,
        }))
    }

    pub(super) fn export_person(&mut self, id: &str) -> Result<Reply, Failure> {
        let id = parse(id)?;
        if !self.store.has_person(&id) {
            return Err(nobody(&id));
        }
        let export = self.store.export_person(&id)?;
        serde_json::to_string_pretty(&export).map(|text| Reply::Export(ExportText(text))).map_err(|e| {
            Failure::new(super::Trouble::Store, format!("the export cannot be written as JSON: {e}"))
        })
    }

    fn row(&self, person: &Person) -> Result<PersonRow, Failure> {
        Ok(PersonRow {
            id: person.id.as_str().to_owned(),
            name: person.name.as_str().to_owned(),
            status: person.status.name().to_owned(),
            templates: self.store.templates(&person.id)?.len(),
        })
    }

    pub(super) fn list_events(&mut self, from: u64, limit: u16) -> Result<Reply, Failure> {
        let events = self.store.read_events(EventSeq(from), usize::from(limit))?;
        Ok(Reply::Events(events.iter().map(Entry::json).collect()))
    }

    pub(super) fn verify_events(&mut self) -> Result<Reply, Failure> {
        Ok(Reply::Chain { events: self.store.verify_chain()? })
    }
}

fn parse(id: &str) -> Result<PersonId, Failure> {
    id.parse().map_err(|e| Failure::input(format!("person id {id:?}: {e}")))
}

fn nobody(id: &PersonId) -> Failure {
    Failure::input(format!("there is no person {id}; see: ostiary persons list"))
}

/// RFC 3339 in UTC, to the second.
pub(super) fn when(at: Utc) -> String {
    Timestamp::from_millisecond(at.0)
        .map_or_else(|_| "unknown".to_owned(), |t| t.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}
