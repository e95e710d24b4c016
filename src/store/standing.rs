//! What a door must remember of a person beside the profile: exceptions, PINs, the last passage.
//!
//! Owns: tables `a` and `b`, one record a person at most. Does not own: what any of it means (`access`), hashing.
//! Invariants: a PIN is here as a hash alone and leaves the store for its check alone; a passage is written in the
//! transaction of the events beside it; both go with the person.

use std::fmt;

use redb::ReadableTable as _;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::db::Store;
use super::error::{Result, StoreError, corrupt};
use super::record::{decode, encode};
use super::schema::{ACCESS, PASSAGES, Place, name};
use super::seal::Sealer;
use super::txn::{Draft, View};
use ostiary_domain::{Event, Exceptions, Mode, Passage, PersonId, Side, Utc};

/// What an operator has set for one person.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// Block list, exemptions, a mode of their own.
    pub exceptions: Exceptions,
    /// Hash of the PIN, as its maker wrote it.
    pub pin: Option<String>,
    /// Hash of the PIN for duress.
    pub duress: Option<String>,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Access({:?}, <redacted>)", self.exceptions)
    }
}

#[derive(Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "the shape on disk is that of the exceptions")]
struct AccessRecord {
    blocked: bool,
    any_time: bool,
    no_apb: bool,
    alone: bool,
    accessible: bool,
    mode: Option<String>,
    pin: Option<String>,
    duress: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct PassageRecord {
    side: String,
    utc: i64,
}

/// The standing of one person as far as it is kept here.
pub type Kept = (Access, Option<Passage>);

impl Store {
    /// What is kept of a person; the default where nothing is.
    ///
    /// # Errors
    /// `NoSuchPerson`, or when a record is damaged.
    pub fn access(&self, id: &PersonId) -> Result<Kept> {
        self.read(|view| {
            let number = view.index.get(id).copied().ok_or_else(|| StoreError::NoSuchPerson(id.clone()))?;
            Ok((view.access(number)?.unwrap_or_default(), view.passage(number)?))
        })
    }

    /// Writes what an operator has set for a person.
    ///
    /// # Errors
    /// `NoSuchPerson`, or when the disk refuses.
    pub fn put_access(&self, id: &PersonId, access: &Access, events: &[Event]) -> Result<()> {
        self.write(|draft| {
            let number = draft.number(id)?;
            draft.put_access(number, access)?;
            draft.append(events)?;
            Ok(())
        })
    }

    /// Forgets where a person went last, or where everybody did; answers how many.
    ///
    /// # Errors
    /// `NoSuchPerson`, or when the disk refuses.
    pub fn forget_passages(&self, id: Option<&PersonId>, events: &[Event]) -> Result<u64> {
        self.write(|draft| {
            let numbers: Vec<u64> = match id {
                Some(id) => vec![draft.number(id)?],
                None => draft.index.values().copied().collect(),
            };
            let mut gone = 0;
            for number in numbers {
                gone += u64::from(draft.txn.open_table(PASSAGES)?.remove(number)?.is_some());
            }
            draft.extra.passages -= gone;
            draft.append(events)?;
            Ok(gone)
        })
    }

    /// Calls `f` for everyone of whom something is kept here. `f` must not call the store.
    ///
    /// # Errors
    /// When a record is damaged.
    pub fn for_each_access(&self, mut f: impl FnMut(&PersonId, &Kept)) -> Result<()> {
        self.read(|view| {
            for (id, number) in view.index {
                let (access, passage) = (view.access(*number)?, view.passage(*number)?);
                if access.is_some() || passage.is_some() {
                    f(id, &(access.unwrap_or_default(), passage));
                }
            }
            Ok(())
        })
    }
}

impl Draft<'_> {
    fn number(&self, id: &PersonId) -> Result<u64> {
        self.index.get(id).copied().ok_or_else(|| StoreError::NoSuchPerson(id.clone()))
    }

    fn put_access(&mut self, number: u64, access: &Access) -> Result<()> {
        let Exceptions { blocked, any_time, no_apb, alone, accessible, mode } = access.exceptions;
        let record = AccessRecord {
            blocked,
            any_time,
            no_apb,
            alone,
            accessible,
            mode: mode.map(|m| m.name().to_owned()),
            pin: access.pin.clone(),
            duress: access.duress.clone(),
        };
        let plain = Zeroizing::new(encode(name::ACCESS, &record)?);
        let new = self.txn.open_table(ACCESS)?.get(number)?.is_none();
        self.put(ACCESS, name::ACCESS, number, &plain)?;
        self.extra.access += u64::from(new);
        Ok(())
    }

    /// Notes where a person went; somebody who was deleted meanwhile goes nowhere.
    pub(super) fn put_passage(&mut self, id: &PersonId, passage: Passage) -> Result<()> {
        let Some(number) = self.index.get(id).copied() else { return Ok(()) };
        let record = PassageRecord { side: passage.side.name().to_owned(), utc: passage.at.0 };
        let new = self.txn.open_table(PASSAGES)?.get(number)?.is_none();
        self.put(PASSAGES, name::PASSAGES, number, &encode(name::PASSAGES, &record)?)?;
        self.extra.passages += u64::from(new);
        Ok(())
    }

    /// Takes out what is kept here of a person; gives the sealed bytes that are gone.
    pub(super) fn take_standing(&mut self, number: u64) -> Result<Vec<Vec<u8>>> {
        let mut gone = Vec::new();
        if let Some(value) = self.txn.open_table(ACCESS)?.remove(number)? {
            gone.push(value.value().to_vec());
            self.extra.access -= 1;
        }
        if let Some(value) = self.txn.open_table(PASSAGES)?.remove(number)? {
            gone.push(value.value().to_vec());
            self.extra.passages -= 1;
        }
        Ok(gone)
    }
}

impl View<'_> {
    pub(super) fn access(&self, number: u64) -> Result<Option<Access>> {
        let table = self.txn.open_table(ACCESS)?;
        let Some(sealed) = table.get(number)? else { return Ok(None) };
        let record: AccessRecord = open(self.sealer, name::ACCESS, number, sealed.value())?;
        let mode = record
            .mode
            .map(|m| Mode::from_name(&m).ok_or_else(|| corrupt(name::ACCESS, "an unknown mode")))
            .transpose()?;
        Ok(Some(Access {
            exceptions: Exceptions {
                blocked: record.blocked,
                any_time: record.any_time,
                no_apb: record.no_apb,
                alone: record.alone,
                accessible: record.accessible,
                mode,
            },
            pin: record.pin,
            duress: record.duress,
        }))
    }

    pub(super) fn passage(&self, number: u64) -> Result<Option<Passage>> {
        let table = self.txn.open_table(PASSAGES)?;
        let Some(sealed) = table.get(number)? else { return Ok(None) };
        let record: PassageRecord = open(self.sealer, name::PASSAGES, number, sealed.value())?;
        let side = Side::from_name(&record.side).ok_or_else(|| corrupt(name::PASSAGES, "an unknown side"))?;
        Ok(Some(Passage { side, at: Utc(record.utc) }))
    }
}

fn open<T: serde::de::DeserializeOwned>(
    sealer: &Sealer,
    table: &'static str,
    number: u64,
    sealed: &[u8],
) -> Result<T> {
    let (version, plain) = sealer.open(&Place { table, key: &number.to_be_bytes() }, sealed)?;
    decode(table, version, &plain)
}
