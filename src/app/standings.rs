//! What the decision needs to know of people beside their faces, kept in memory: groups, exceptions, last passages and
//! punches, and the rules that give groups their numbers.
//!
//! Owns: putting a [`Standing`] together. Does not own: the records (`store`), the rules (`access`).
//! Invariants: a standing holds what is on record, or newer; a change of the rules raises the revision, so that whoever
//! must know of it can see it; a lock is never held while the store is asked.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::domain::{Exceptions, LastPunch, Passage, Person, PersonId, Standing};
use crate::store::{Access, Store};

use super::recognition::RecognitionError;
use super::rules::{DOCUMENT, Rules};

/// Lines of the attendance book looked through for everybody's last punch.
const LINES: u64 = 20_000;

/// What is kept of one person.
#[derive(Clone, Copy, Debug, Default)]
struct Beside {
    exceptions: Exceptions,
    has_pin: bool,
    last: Option<Passage>,
    last_punch: Option<LastPunch>,
}

/// Everybody's, with the rules in force.
pub struct Standings {
    rules: RwLock<Arc<Rules>>,
    revision: AtomicU64,
    people: RwLock<HashMap<PersonId, Beside>>,
}

impl Standings {
    /// Reads everything from the store.
    ///
    /// # Errors
    /// When a record is damaged, or the rules cannot be used.
    pub fn load(store: &Store) -> Result<Self, RecognitionError> {
        let rules = match store.document(DOCUMENT)? {
            None => Rules::unwritten(),
            Some(text) => Rules::read(&String::from_utf8_lossy(&text))?,
        };
        let mut people: HashMap<PersonId, Beside> = HashMap::new();
        store.for_each_access(|id, (access, last)| {
            let beside = people.entry(id.clone()).or_default();
            (beside.exceptions, beside.has_pin, beside.last) =
                (access.exceptions, access.pin.is_some(), *last);
        })?;
        let count = store.punch_count();
        if count > 0 {
            let newest = store.punches(1, 1)?.first().map_or(1, |line| line.number) + count;
            for line in store.punches(newest.saturating_sub(LINES), LINES as usize)? {
                if let Some(kind) = line.kind {
                    let beside = people.entry(line.person).or_default();
                    beside.last_punch = Some(LastPunch { kind, at: line.at });
                }
            }
        }
        Ok(Self {
            rules: RwLock::new(Arc::new(rules)),
            revision: AtomicU64::new(1),
            people: RwLock::new(people),
        })
    }

    /// The rules in force.
    #[must_use]
    pub fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Raised with every change of the rules.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision.load(Ordering::Acquire)
    }

    pub(super) fn set_rules(&self, rules: Rules) {
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
        self.revision.fetch_add(1, Ordering::AcqRel);
    }

    /// The standing of a person.
    #[must_use]
    pub fn of(&self, person: &Person) -> Standing {
        let groups = self.rules().groups_of(person);
        self.moved(&person.id, Standing { groups, ..person.standing() })
    }

    /// The same standing with what has happened since.
    #[must_use]
    pub fn moved(&self, id: &PersonId, standing: Standing) -> Standing {
        let Beside { exceptions, has_pin, last, last_punch } =
            self.people().get(id).copied().unwrap_or_default();
        Standing { exceptions, has_pin, last, last_punch, ..standing }
    }

    /// Notes what an operator has set.
    pub fn set_access(&self, id: &PersonId, access: &Access) {
        let mut people = self.people_mut();
        let beside = people.entry(id.clone()).or_default();
        (beside.exceptions, beside.has_pin) = (access.exceptions, access.pin.is_some());
    }

    /// Notes where somebody went.
    pub fn passed(&self, id: &PersonId, passage: Passage) {
        self.people_mut().entry(id.clone()).or_default().last = Some(passage);
    }

    /// Notes a punch.
    pub fn punched(&self, id: &PersonId, punch: LastPunch) {
        self.people_mut().entry(id.clone()).or_default().last_punch = Some(punch);
    }

    /// Forgets where one person, or everybody, went last; gives whom that concerns.
    pub fn forget_passages(&self, id: Option<&PersonId>) -> Vec<PersonId> {
        let mut people = self.people_mut();
        let concerned = people.iter_mut().filter(|(who, _)| id.is_none_or(|id| id == *who));
        concerned.filter_map(|(who, beside)| beside.last.take().map(|_| who.clone())).collect()
    }

    pub(super) fn forget(&self, id: &PersonId) {
        self.people_mut().remove(id);
    }

    fn people(&self) -> RwLockReadGuard<'_, HashMap<PersonId, Beside>> {
        // Plain values: a panic elsewhere cannot leave them half written.
        self.people.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn people_mut(&self) -> RwLockWriteGuard<'_, HashMap<PersonId, Beside>> {
        self.people.write().unwrap_or_else(PoisonError::into_inner)
    }
}
