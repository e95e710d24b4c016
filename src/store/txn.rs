//! One transaction being made, one state being read.
//!
//! Owns: putting sealed records into tables and taking them out by key. Does not own: what is in them, commits.
//! Invariant: a record that another record lists is there and is the right one, or the reading fails.

use std::collections::BTreeMap;

use redb::{ReadTransaction, ReadableTable, TableDefinition, WriteTransaction};

use super::attach::write_state;
use super::epoch_record::EpochsRecord;
use super::error::{Result, corrupt};
use super::record::{PersonRecord, decode};
use super::schema::{Extra, Lines, PEOPLE, Pair, Place, RECORD_V1, State, name, pair_bytes};
use super::seal::Sealer;
use super::signed::Signer;
use ostiary_domain::{BootId, PersonId};

/// One transaction being made.
pub(super) struct Draft<'a> {
    pub(super) txn: &'a WriteTransaction,
    pub(super) sealer: &'a Sealer,
    pub(super) index: &'a BTreeMap<PersonId, u64>,
    pub(super) state: State,
    pub(super) extra: Extra,
    pub(super) looks: Lines,
    pub(super) epochs: Option<EpochsRecord>,
    pub(super) boot: BootId,
    pub(super) capacity: u64,
    /// Signs the last event of each append, where the device's key is known.
    pub(super) signer: Option<&'a Signer>,
    pub(super) added: Option<(PersonId, u64)>,
    pub(super) removed: Vec<PersonId>,
}

impl Draft<'_> {
    pub(super) fn put(
        &self,
        table: TableDefinition<'static, u64, &[u8]>,
        table_name: &'static str,
        key: u64,
        plain: &[u8],
    ) -> Result<()> {
        self.put_version(table, table_name, key, RECORD_V1, plain)
    }

    pub(super) fn put_version(
        &self,
        table: TableDefinition<'static, u64, &[u8]>,
        table_name: &'static str,
        key: u64,
        version: u8,
        plain: &[u8],
    ) -> Result<()> {
        let sealed =
            self.sealer.seal(&Place { table: table_name, key: &key.to_be_bytes() }, version, plain)?;
        self.txn.open_table(table)?.insert(key, sealed.as_slice())?;
        Ok(())
    }

    pub(super) fn put_pair(
        &self,
        table: TableDefinition<'static, Pair, &[u8]>,
        table_name: &'static str,
        key: Pair,
        plain: &[u8],
    ) -> Result<()> {
        let sealed =
            self.sealer.seal(&Place { table: table_name, key: &pair_bytes(key) }, RECORD_V1, plain)?;
        self.txn.open_table(table)?.insert(key, sealed.as_slice())?;
        Ok(())
    }

    /// The number and record of a person.
    pub(super) fn person(&self, id: &PersonId) -> Result<Option<(u64, PersonRecord)>> {
        let Some(number) = self.index.get(id).copied() else { return Ok(None) };
        let table = self.txn.open_table(PEOPLE)?;
        person_in(&table, self.sealer, id, number).map(|record| Some((number, record)))
    }

    pub(super) fn write_state(&self) -> Result<()> {
        write_state(self.txn, self.sealer, &self.state)
    }
}

/// One consistent state being read.
pub(super) struct View<'a> {
    pub(super) txn: &'a ReadTransaction,
    pub(super) sealer: &'a Sealer,
    pub(super) index: &'a BTreeMap<PersonId, u64>,
    pub(super) state: &'a State,
    pub(super) extra: &'a Extra,
    pub(super) looks: Lines,
    pub(super) epochs: Option<&'a EpochsRecord>,
}

impl View<'_> {
    /// The number and record of a person.
    pub(super) fn person(&self, id: &PersonId) -> Result<Option<(u64, PersonRecord)>> {
        let Some(number) = self.index.get(id).copied() else { return Ok(None) };
        let table = self.txn.open_table(PEOPLE)?;
        person_in(&table, self.sealer, id, number).map(|record| Some((number, record)))
    }

    /// The opened record of a two-part key, which the person's record says is there.
    pub(super) fn pair<T: serde::de::DeserializeOwned>(
        &self,
        table: TableDefinition<'static, Pair, &[u8]>,
        table_name: &'static str,
        key: Pair,
    ) -> Result<T> {
        let table = self.txn.open_table(table)?;
        let sealed = table.get(key)?.ok_or_else(|| corrupt(table_name, "a record is gone"))?;
        let (version, plain) =
            self.sealer.open(&Place { table: table_name, key: &pair_bytes(key) }, sealed.value())?;
        decode(table_name, version, &plain)
    }
}

fn person_in(
    table: &impl ReadableTable<u64, &'static [u8]>,
    sealer: &Sealer,
    id: &PersonId,
    number: u64,
) -> Result<PersonRecord> {
    let sealed = table.get(number)?.ok_or_else(|| corrupt(name::PEOPLE, "a record is gone"))?;
    let record = open_person(sealer, number, sealed.value())?;
    if record.id == id.as_str() { Ok(record) } else { Err(corrupt(name::PEOPLE, "a record is another's")) }
}

/// Opens the record of person `number`.
pub(super) fn open_person(sealer: &Sealer, number: u64, sealed: &[u8]) -> Result<PersonRecord> {
    let (version, plain) = sealer.open(&Place { table: name::PEOPLE, key: &number.to_be_bytes() }, sealed)?;
    decode(name::PEOPLE, version, &plain)
}
