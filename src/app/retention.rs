//! How long things are kept, and what is due to go.
//!
//! Owns: the times and what they come to at a moment. Does not own: removal and its proof (`store`), the command
//! (`commands`), the clock.
//! Invariants: 0 days is for ever; nothing is due by a clock that is not believed (the caller asks); a person is due who
//! left, by the last day of access, never for want of one; where no pictures or faces are kept any more, those that were
//! kept before are due.

use crate::domain::{PersonId, Utc};
use crate::store::{Expiry, Store, StoreError};

use super::commands::Keep;

const DAY: i64 = 86_400_000;
/// Longest time, days: a hundred years.
pub const MAX_DAYS: u32 = 36_500;

/// Days; 0: for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Events of the journal.
    pub events: u32,
    /// Lines of the attendance book.
    pub attendance: u32,
    /// Lines of the audit log.
    pub looks: u32,
    /// People, counted from the last day of their access.
    pub leavers: u32,
    /// Pictures, counted from the newest look of the person.
    pub pictures: u32,
}

impl Retention {
    /// What is due now.
    ///
    /// # Errors
    /// When a record is damaged.
    pub fn due(&self, store: &Store, keep: Keep, now: Utc) -> Result<Expiry, StoreError> {
        let before = |days: u32| (days > 0).then(|| Utc(now.0.saturating_sub(i64::from(days) * DAY)));
        let mut due = Expiry {
            events: before(self.events),
            punches: before(self.attendance),
            looks: before(self.looks),
            ..Expiry::default()
        };
        let (left, taken) = (before(self.leavers), before(self.pictures));
        if left.is_none() && taken.is_none() && keep.images && keep.crops {
            return Ok(due);
        }
        for id in store.ids() {
            let Some((person, held)) = store.profile(&id)? else { continue };
            if left.is_some_and(|left| person.valid_until.is_some_and(|until| until < left)) {
                due.people.push(id);
                continue;
            }
            if held.images > 0 && (!keep.images || taken.is_some_and(|t| is_old(store, &id, t))) {
                due.pictures.push(id.clone());
            }
            if held.crops > 0 && !keep.crops {
                due.crops.push(id);
            }
        }
        Ok(due)
    }
}

/// Whether every look of the person was taken before that time. A record that does not open is left alone here: whoever
/// checks the gallery names it.
fn is_old(store: &Store, id: &PersonId, before: Utc) -> bool {
    store.templates(id).is_ok_and(|all| all.iter().all(|t| t.created_at < before))
}
