//! Deletion that can be shown: nothing of a deleted person is left in the file, and the file was searched for it.
//!
//! Owns: removal, the rewriting of the file, the search and the receipt. Does not own: whether one may delete.
//!
//! redb is copy-on-write: a removed record stays in freed pages and, after a compaction, in the unused ends of live
//! ones. So a deletion is three steps. (1) One transaction removes the records, writes the events and notes that
//! an erasure is due. (2) Every remaining record is opened (a damaged one stops it), and its sealed bytes are
//! copied into a fresh file, which therefore holds nothing else, and that is compacted. (3) The fresh file
//! is searched for parts of every removed record and for the id and the name in clear; only when nothing is found
//! it takes the gallery's place, and the old file is overwritten with zeros and removed.
//! Killed anywhere: the note in step 1 makes the next start do steps 2 and 3 again.
//! What overwriting cannot reach: blocks that a flash controller or a copying file system has put aside. What lies
//! there is sealed; it is as safe as the key. Backups made elsewhere are not touched.

use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use serde::Serialize;

use super::attach::{write_extra, write_state};
use super::backing::{guarded, open_database};
use super::db::{Options, Shared, Store};
use super::documents::copy_documents;
use super::epoch_record::write_epochs;
use super::error::{Result, StoreError, corrupt};
use super::looks::write_looks;
use super::medium::{Medium, Part};
use super::record::PersonRecord;
use super::schema::{
    ACCESS, CROPS, FORMAT_KEY, IMAGES, JOURNAL, LOOKS, META, NEXT, PASSAGES, PEOPLE, PUNCHES, Pair, Place,
    State, TEMPLATES, name, pair_bytes,
};
use super::seal::{NONCE_BYTES, Sealer};
use super::search::{self, Needle};
use super::txn::Draft;
use ostiary_domain::{Event, PersonId, TemplateId};

/// What was removed and how it was shown to be gone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// Whom it was about.
    pub person: String,
    /// Profiles removed: 1, or 0 when only a part was deleted.
    pub profiles: u64,
    /// Templates removed.
    pub templates: u64,
    /// Aligned faces removed.
    pub crops: u64,
    /// Pictures removed.
    pub images: u64,
    /// Byte patterns looked for: parts of every removed record, and where the profile went the id and the name.
    pub patterns: u64,
    /// Patterns that the search found in the file before the deletion: shows that it can find them.
    pub found_before: u64,
    /// Bytes of the new file that were searched: all of it.
    pub bytes_searched: u64,
    /// Patterns found in it. Always 0 in a receipt: anything else is an error.
    pub occurrences: u64,
    /// Events kept in the journal that name the person by id: they say who passed when and that the person was
    /// deleted, and go with the journal's age.
    pub events_kept: u64,
}

impl Store {
    /// Deletes a person with everything that is kept, and proves it.
    ///
    /// The cost is one copy of the gallery file, and as much free space is needed. Nothing can be changed meanwhile;
    /// readers go on, and matching works from memory and is not touched.
    ///
    /// # Errors
    /// `NoSuchPerson`; `NotErased` when traces were found; `Io` or `Corrupt`. After an error of the disk the
    /// person may be gone from the gallery already while bytes remain: [`Store::erasure_due`] says so, and
    /// [`Store::finish_erasure`] or the next start finishes it.
    pub fn delete_person(&self, id: &PersonId, events: &[Event]) -> Result<Receipt> {
        self.erase(id, events, |draft, number, record| {
            draft.take_person(number, record, id).map(|(gone, _)| gone)
        })
    }

    /// Deletes the pictures of a person; templates, crops and the profile stay.
    ///
    /// # Errors
    /// As [`Store::delete_person`].
    pub fn delete_images(&self, id: &PersonId, events: &[Event]) -> Result<Receipt> {
        self.erase(id, events, |draft, number, record| {
            let gone = draft.take_images(number, record)?;
            draft.put_record(number, record)?;
            Ok(gone)
        })
    }

    /// Deletes one template of a person with its crop.
    ///
    /// # Errors
    /// `NoSuchTemplate`, and as [`Store::delete_person`].
    pub fn delete_template(&self, id: &PersonId, template: TemplateId, events: &[Event]) -> Result<Receipt> {
        self.erase(id, events, |draft, number, record| {
            if !record.templates.iter().any(|(t, _)| *t == template.0) {
                return Err(StoreError::NoSuchTemplate { person: id.clone(), template: template.0 });
            }
            let gone = draft.take_templates(number, record, &[template.0])?;
            draft.put_record(number, record)?;
            Ok(gone)
        })
    }

    /// Deletes these templates of a person with their crops, and the person's pictures where `images` says so, in
    /// one rewriting of the file.
    ///
    /// # Errors
    /// As [`Store::delete_person`]; ids that are not there are passed over.
    pub fn delete_looks(
        &self,
        id: &PersonId,
        templates: &[TemplateId],
        images: bool,
        events: &[Event],
    ) -> Result<Receipt> {
        let templates: Vec<u64> = templates.iter().map(|t| t.0).collect();
        self.erase(id, events, |draft, number, record| {
            let mut gone = draft.take_templates(number, record, &templates)?;
            if images {
                gone.append(&mut draft.take_images(number, record)?);
            }
            draft.put_record(number, record)?;
            Ok(gone)
        })
    }

    /// Whether bytes of something deleted may still be on the disk, because it was full or failed.
    ///
    /// # Errors
    /// When the disk cannot be asked.
    pub fn erasure_due(&self) -> Result<bool> {
        Ok(self.memory().state.erasing || self.medium.len(Part::Old)?.is_some())
    }

    /// Finishes an erasure that is due; nothing happens when none is.
    ///
    /// # Errors
    /// When the disk still refuses, or a record is damaged.
    pub fn finish_erasure(&self) -> Result<()> {
        let _busy = self.rewriting();
        let due = self.exclusive()?.state.erasing;
        if due {
            self.rewrite(&[])?;
        }
        Ok(self.medium.wipe(Part::Old)?)
    }

    fn erase(
        &self,
        id: &PersonId,
        events: &[Event],
        take: impl FnOnce(&mut Draft<'_>, u64, &mut PersonRecord) -> Result<Vec<Removed>>,
    ) -> Result<Receipt> {
        let _busy = self.rewriting();
        let mut shared = self.exclusive()?;
        let mut needles = Vec::new();
        let mut receipt = Receipt { person: id.to_string(), ..Receipt::default() };
        let written = self.write_with(&mut shared, |draft| {
            let (number, mut record) =
                draft.person(id)?.ok_or_else(|| StoreError::NoSuchPerson(id.clone()))?;
            let plain = [record.id.clone(), record.person()?.name.as_str().to_owned()];
            let gone = take(draft, number, &mut record)?;
            for removed in &gone {
                match removed.kind {
                    Kind::Profile => receipt.profiles += 1,
                    Kind::Template => receipt.templates += 1,
                    Kind::Crop => receipt.crops += 1,
                    Kind::Image => receipt.images += 1,
                    // Searched for as all the others.
                    Kind::Standing | Kind::Made => {}
                }
                needles.extend(removed.needles.iter().cloned());
            }
            if receipt.profiles > 0 {
                needles.extend(plain.iter().filter_map(|text| search::plain_needle(text)));
            }
            draft.append(events)?;
            draft.state.revision += 1;
            draft.state.erasing = true;
            Ok(())
        });
        drop(shared);
        written?;
        receipt.patterns = needles.len() as u64;
        // The commit has left the removed records in freed pages, so they must be found now.
        receipt.found_before = search::count(&*self.medium, Part::Main, &needles)?.distinct;
        receipt.events_kept = self.events_about(id)?;
        let searched = self.rewrite(&needles)?;
        receipt.bytes_searched = searched.bytes;
        receipt.occurrences = searched.occurrences;
        Ok(receipt)
    }
}

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Profile,
    Template,
    Crop,
    Image,
    /// A template of the epoch that is being made.
    Made,
    /// Exceptions, PINs, the last passage.
    Standing,
}

/// A removed record: which parts of its sealed bytes to look for.
pub(super) struct Removed {
    pub(super) kind: Kind,
    pub(super) needles: Vec<Needle>,
}

impl Removed {
    /// Beginning (the nonce), middle and end: random bytes, 24 each, that occur nowhere else.
    pub(super) fn new(kind: Kind, sealed: &[u8]) -> Self {
        let n = NONCE_BYTES;
        let (middle, end) = (sealed.len() / 2, sealed.len().saturating_sub(n));
        let starts = [1, middle, end];
        let needles = starts.iter().filter_map(|s| sealed.get(*s..*s + n)).map(<[u8]>::to_vec).collect();
        Self { kind, needles }
    }
}

impl Draft<'_> {
    /// Everything of a person, and the id and the name as texts to look for.
    pub(super) fn take_person(
        &mut self,
        number: u64,
        record: &mut PersonRecord,
        id: &PersonId,
    ) -> Result<(Vec<Removed>, Vec<Needle>)> {
        let plain = [record.id.clone(), record.person()?.name.as_str().to_owned()];
        let everything: Vec<u64> = record.templates.iter().map(|(t, _)| *t).collect();
        let mut gone = self.take_templates(number, record, &everything)?;
        gone.append(&mut self.take_images(number, record)?);
        let standing = self.take_standing(number)?;
        gone.extend(standing.iter().map(|sealed| Removed::new(Kind::Standing, sealed)));
        if let Some(value) = self.txn.open_table(PEOPLE)?.remove(number)? {
            gone.push(Removed::new(Kind::Profile, value.value()));
        }
        self.state.people -= 1;
        self.removed.push(id.clone());
        Ok((gone, plain.iter().filter_map(|text| search::plain_needle(text)).collect()))
    }

    fn take_templates(
        &mut self,
        number: u64,
        record: &mut PersonRecord,
        ids: &[u64],
    ) -> Result<Vec<Removed>> {
        let mut gone = Vec::new();
        for id in ids {
            if let Some(sealed) = self.take_made((number, *id))? {
                gone.push(Removed::new(Kind::Made, &sealed));
            }
        }
        let (mut templates, mut crops) = (self.txn.open_table(TEMPLATES)?, self.txn.open_table(CROPS)?);
        for id in ids {
            if let Some(value) = templates.remove((number, *id))? {
                gone.push(Removed::new(Kind::Template, value.value()));
                self.state.templates -= 1;
            }
            if let Some(value) = crops.remove((number, *id))? {
                gone.push(Removed::new(Kind::Crop, value.value()));
                self.state.crops -= 1;
            }
        }
        record.templates.retain(|(t, _)| !ids.contains(t));
        Ok(gone)
    }

    pub(super) fn take_images(&mut self, number: u64, record: &mut PersonRecord) -> Result<Vec<Removed>> {
        let mut images = self.txn.open_table(IMAGES)?;
        let mut gone = Vec::new();
        for slot in record.images.drain(..) {
            if let Some(value) = images.remove((number, slot))? {
                gone.push(Removed::new(Kind::Image, value.value()));
                self.state.images -= 1;
            }
        }
        Ok(gone)
    }
}

impl Shared {
    /// Copies what is live into a fresh file, searches it for the needles, and puts it in the gallery's place.
    pub(super) fn rewrite(
        &mut self,
        medium: &dyn Medium,
        options: Options,
        needles: &[Needle],
    ) -> Result<search::Count> {
        medium.wipe(Part::Fresh)?;
        medium.wipe(Part::Old)?;
        let state = State { erasing: false, ..self.state.clone() };
        let (fresh, found) = match self.copy_and_search(medium, options, &state, needles) {
            Ok(done) => done,
            Err(e) => {
                // The gallery itself was only read. Makes room again where the disk was full; what cannot be
                // removed now is removed at the next start.
                let _ = medium.wipe(Part::Fresh);
                return Err(e);
            }
        };
        let promoted = medium.promote();
        // Either file may be the gallery now if that failed, so the old one is closed in any case.
        self.detach();
        promoted?;
        self.db = Some(fresh);
        self.state = state;
        medium.wipe(Part::Old)?;
        Ok(found)
    }

    pub(super) fn copy_and_search(
        &self,
        medium: &dyn Medium,
        options: Options,
        state: &State,
        needles: &[Needle],
    ) -> Result<(Database, search::Count)> {
        let (mut fresh, _, _) = open_database(medium, Part::Fresh, options.cache_bytes)?;
        guarded(|| {
            let from = self.database()?.begin_read()?;
            let mut txn = fresh.begin_write()?;
            txn.set_two_phase_commit(true);
            {
                let meta = from.open_table(META)?;
                let format =
                    meta.get(FORMAT_KEY)?.ok_or_else(|| corrupt(name::META, "the format record is gone"))?;
                txn.open_table(META)?.insert(FORMAT_KEY, format.value())?;
                copy_documents(&meta, &txn, &self.sealer)?;
                write_state(&txn, &self.sealer, state)?;
            }
            copy_numbers(&from, &txn, &self.sealer, PEOPLE, name::PEOPLE, state.people)?;
            copy_pairs(&from, &txn, &self.sealer, TEMPLATES, name::TEMPLATES, state.templates)?;
            copy_pairs(&from, &txn, &self.sealer, CROPS, name::CROPS, state.crops)?;
            copy_pairs(&from, &txn, &self.sealer, IMAGES, name::IMAGES, state.images)?;
            copy_numbers(&from, &txn, &self.sealer, JOURNAL, name::JOURNAL, state.kept())?;
            write_epochs(&txn, &self.sealer, self.epochs.as_ref())?;
            let made = self.epochs.as_ref().map_or(0, |record| record.made);
            copy_pairs(&from, &txn, &self.sealer, NEXT, name::NEXT, made)?;
            let extra = &self.extra;
            write_extra(&txn, &self.sealer, extra)?;
            copy_numbers(&from, &txn, &self.sealer, ACCESS, name::ACCESS, extra.access)?;
            copy_numbers(&from, &txn, &self.sealer, PASSAGES, name::PASSAGES, extra.passages)?;
            let lines = extra.next_punch - extra.first_punch;
            copy_numbers(&from, &txn, &self.sealer, PUNCHES, name::PUNCHES, lines)?;
            write_looks(&txn, &self.sealer, self.looks)?;
            let looks = self.looks.next - self.looks.first;
            copy_numbers(&from, &txn, &self.sealer, LOOKS, name::LOOKS, looks)?;
            txn.commit()?;
            // Gives the growth back that redb made ahead of need.
            fresh.compact()?;
            Ok(())
        })?;
        let found = search::count(medium, Part::Fresh, needles)?;
        if found.occurrences > 0 {
            return Err(StoreError::NotErased { occurrences: found.occurrences });
        }
        Ok((fresh, found))
    }
}

fn copy_numbers(
    from: &redb::ReadTransaction,
    to: &redb::WriteTransaction,
    sealer: &Sealer,
    definition: TableDefinition<'static, u64, &[u8]>,
    table: &'static str,
    expected: u64,
) -> Result<()> {
    let (source, mut target) = (from.open_table(definition)?, to.open_table(definition)?);
    let mut copied = 0;
    for row in source.iter()? {
        let (key, value) = row?;
        sealer.open(&Place { table, key: &key.value().to_be_bytes() }, value.value())?;
        target.insert(key.value(), value.value())?;
        copied += 1;
    }
    whole(table, copied, expected)
}

fn copy_pairs(
    from: &redb::ReadTransaction,
    to: &redb::WriteTransaction,
    sealer: &Sealer,
    definition: TableDefinition<'static, Pair, &[u8]>,
    table: &'static str,
    expected: u64,
) -> Result<()> {
    let (source, mut target) = (from.open_table(definition)?, to.open_table(definition)?);
    let mut copied = 0;
    for row in source.iter()? {
        let (key, value) = row?;
        sealer.open(&Place { table, key: &pair_bytes(key.value()) }, value.value())?;
        target.insert(key.value(), value.value())?;
        copied += 1;
    }
    whole(table, copied, expected)
}

fn whole(table: &'static str, copied: u64, expected: u64) -> Result<()> {
    if copied == expected {
        Ok(())
    } else {
        Err(corrupt(table, format!("{copied} records where {expected} were written")))
    }
}
