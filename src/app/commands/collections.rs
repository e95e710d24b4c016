//! Collections: named sets of people that are searched together.
//!
//! Owns: their list, one sealed document. Does not own: who is in which (the person's profile says so).
//! Invariants: a person can be put only into a collection that is there; one that is removed is left by everyone
//! before it goes.

use serde::{Deserialize, Serialize};

use super::OrRefuse as _;
use crate::domain::limits::{MAX_LABEL, MAX_NOTES};
use crate::domain::{EventKind, PersonId};
use crate::link::wire::{Code, CollectionPut, CollectionView, Moment, Presence, Refusal, Reply, hex};
use crate::store::{Filter, Store, StoreError};

use super::Desk;

const DOCUMENT: &str = "collections";
/// Collections of one door.
const MAX: usize = 1_000;

#[derive(Clone, Serialize, Deserialize)]
struct Collection {
    id: String,
    name: String,
    description: String,
    create_date: i64,
    modified_date: i64,
}

impl Desk {
    pub(super) fn put_collection(&self, put: &CollectionPut) -> Result<Reply, Refusal> {
        let _changing = self.changing();
        let mut all = read(&self.house.store)?;
        let id = match &put.id {
            Some(id) => {
                id.parse::<PersonId>().map_err(|e| Refusal::invalid("id", format!("collection id: {e}")))?;
                id.clone()
            }
            None => drawn_id()?,
        };
        let at = all.iter().position(|c| c.id == id);
        match (put.presence, at) {
            (Presence::New, Some(_)) => {
                return Err(Refusal::new(Code::Duplicate, format!("there is a collection {id:?} already")));
            }
            (Presence::Known, None) => return Err(Refusal::not_found("collection", &id)),
            (Presence::Either | Presence::New | Presence::Known, _) => {}
        }
        let now = self.house.clock.now().utc.0;
        let at = match at {
            Some(at) => at,
            None if all.len() == MAX => {
                return Err(Refusal::new(Code::Conflict, format!("there are {MAX} collections already")));
            }
            None => {
                put.name.as_ref().ok_or_else(|| Refusal::missing("name"))?;
                all.push(Collection {
                    id,
                    name: String::new(),
                    description: String::new(),
                    create_date: now,
                    modified_date: now,
                });
                all.len() - 1
            }
        };
        let entry = &mut all[at];
        if let Some(name) = &put.name {
            entry.name = text("name", name, 1, MAX_LABEL)?;
        }
        if let Some(description) = &put.description {
            entry.description = text("description", description, 0, MAX_NOTES)?;
        }
        entry.modified_date = now;
        let id = entry.id.clone();
        self.write_collections(&all, &format!("collection {id}"))?;
        self.get_collection(&id)
    }

    pub(super) fn get_collection(&self, id: &str) -> Result<Reply, Refusal> {
        let all = read(&self.house.store)?;
        let found = all.iter().find(|c| c.id == id).ok_or_else(|| Refusal::not_found("collection", id))?;
        Ok(Reply::Collection(self.collection_view(found)))
    }

    pub(super) fn list_collections(&self) -> Result<Reply, Refusal> {
        let all = read(&self.house.store)?;
        Ok(Reply::Collections(all.iter().map(|c| self.collection_view(c)).collect()))
    }

    pub(super) fn delete_collection(&self, id: &str) -> Result<Reply, Refusal> {
        let _changing = self.changing();
        let mut all = read(&self.house.store)?;
        let at = all.iter().position(|c| c.id == id).ok_or_else(|| Refusal::not_found("collection", id))?;
        all.remove(at);
        // A person in a collection that is gone would be found by its id if it came back.
        let filter = Filter { collection: Some(id.to_owned()), ..Filter::default() };
        loop {
            let page = self.house.store.people(&filter, 0, 64).or_refuse()?;
            if page.people.is_empty() {
                break;
            }
            for mut person in page.people {
                person.collections.retain(|c| c.as_str() != id);
                person.modified_date = self.house.clock.now().utc;
                let event = self.event(EventKind::PersonChanged).of(&person.id);
                self.house.store.put_person(&person, &[event]).or_refuse()?;
                self.refresh(&person.id)?;
            }
        }
        self.write_collections(&all, &format!("collection {id} removed"))?;
        Ok(Reply::Done)
    }

    /// Refuses a collection that is not there.
    pub(super) fn check_collection(&self, parameter: &str, id: &str) -> Result<(), Refusal> {
        if read(&self.house.store)?.iter().any(|c| c.id == id) {
            return Ok(());
        }
        Err(Refusal::invalid(parameter, format!("there is no collection {id:?}")))
    }

    fn write_collections(&self, all: &[Collection], what: &str) -> Result<(), Refusal> {
        let bytes = postcard::to_allocvec(all).map_err(|e| Refusal::new(Code::Internal, e.to_string()))?;
        let event = self.event(EventKind::ConfigChanged).with(format_args!("{what}"));
        self.house.store.put_document(DOCUMENT, &bytes, &[event]).or_refuse()
    }

    fn collection_view(&self, c: &Collection) -> CollectionView {
        CollectionView {
            id: c.id.clone(),
            name: c.name.clone(),
            description: c.description.clone(),
            persons: self.house.recognition.gallery().people_in(&c.id),
            create_date: Moment(c.create_date),
            modified_date: Moment(c.modified_date),
        }
    }
}

fn read(store: &Store) -> Result<Vec<Collection>, Refusal> {
    match store.document(DOCUMENT).or_refuse()? {
        None => Ok(Vec::new()),
        Some(bytes) => postcard::from_bytes(&bytes)
            .map_err(|e| StoreError::Corrupt { place: "collections", what: e.to_string() })
            .or_refuse(),
    }
}

fn text(key: &str, value: &str, least: usize, most: usize) -> Result<String, Refusal> {
    let value = value.trim();
    if value.len() < least || value.len() > most || value.chars().any(char::is_control) {
        return Err(Refusal::invalid(
            key,
            format!("\"{key}\" needs {least} to {most} bytes of text without control characters"),
        ));
    }
    Ok(value.to_owned())
}

/// A new id: 24 hex digits at random, as the cloud APIs have them.
pub(super) fn drawn_id() -> Result<String, Refusal> {
    let mut bytes = [0; 12];
    getrandom::fill(&mut bytes)
        .map_err(|e| Refusal::new(Code::Internal, format!("the system gives no random numbers: {e}")))?;
    Ok(hex(&bytes))
}
