//! This door's people as the group knows them.
//!
//! Owns: the translation between the group's part (`link/fleet`) and the desk, the notes on disk. Does not own: what is
//! shared (`commands/gallery`), who wins.

use std::sync::Arc;

use crate::domain::{EventKind, EventSeq};
use crate::link::fleet::{Member, Roll, RollError, Row};
use crate::link::wire::Refusal;
use crate::store::{Store, StoreError};

use super::commands::Desk;

/// The kind of numbered document that holds the notes.
const KIND: &str = "fleet";
/// Events looked through at once; beyond that everybody is compared.
const LOOK: usize = 2_000;

/// People behind the desk, notes in the store.
pub struct DeskRoll {
    desk: Arc<Desk>,
    store: Arc<Store>,
}

impl DeskRoll {
    /// Of that door.
    #[must_use]
    pub const fn new(desk: Arc<Desk>, store: Arc<Store>) -> Self {
        Self { desk, store }
    }
}

impl Roll for DeskRoll {
    fn ids(&self) -> Result<Vec<String>, RollError> {
        Ok(self.store.ids().iter().map(ToString::to_string).collect())
    }

    fn member(&self, id: &str) -> Result<Option<Member>, RollError> {
        self.desk.member(id).map_err(refused)
    }

    fn adopt(&self, member: &Member) -> Result<(), RollError> {
        self.desk.adopt(member).map_err(refused)
    }

    fn rows(&self) -> Result<Vec<Row>, RollError> {
        let read = |(_, bytes): (u32, zeroize::Zeroizing<Vec<u8>>)| {
            postcard::from_bytes(&bytes)
                .map_err(|e| RollError(format!("a note about the group is damaged: {e}")))
        };
        self.store.numbered(KIND).map_err(said)?.into_iter().map(read).collect()
    }

    fn keep(&self, row: &Row) -> Result<(), RollError> {
        let bytes = postcard::to_allocvec(row).map_err(|e| RollError(e.to_string()))?;
        self.store.put_numbered(KIND, row.slot, &bytes).map_err(said)
    }

    fn changed(&self, since: u64) -> Result<(Option<Vec<String>>, u64), RollError> {
        let newest = self.store.newest_seq().0;
        if since >= newest {
            return Ok((Some(Vec::new()), newest));
        }
        let events = self.store.read_events(EventSeq(since + 1), LOOK).map_err(said)?;
        let whole = events.first().is_some_and(|first| first.seq.0 == since + 1)
            && events.last().is_some_and(|last| last.seq.0 >= newest);
        let mut ids: Vec<String> = events
            .iter()
            .filter(|entry| {
                matches!(
                    entry.event.kind,
                    EventKind::EnrollOk
                        | EventKind::PersonChanged
                        | EventKind::PersonDeleted
                        | EventKind::ImageDeleted
                )
            })
            .filter_map(|entry| entry.event.person.as_ref().map(ToString::to_string))
            .collect();
        ids.sort();
        ids.dedup();
        Ok((whole.then_some(ids), newest))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the form of map_err")]
fn refused(refusal: Refusal) -> RollError {
    RollError(refusal.to_string())
}

#[expect(clippy::needless_pass_by_value, reason = "the form of map_err")]
fn said(error: StoreError) -> RollError {
    RollError(error.to_string())
}
