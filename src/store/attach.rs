//! Opening a gallery: making an empty one, checking one that is there, finishing what was cut short.
//!
//! Owns: the order of the checks, the format record, the counters' place. Does not own: redb's own recovery.
//! Invariants: an empty gallery appears whole or not at all, and never where one was; nothing is answered before
//! file, key, version, counters and profiles have been checked.

use std::collections::BTreeMap;

use redb::{ReadableDatabase as _, ReadableTable as _, ReadableTableMetadata as _, WriteTransaction};
use zeroize::Zeroizing;

use super::backing::{guarded, open_database};
use super::db::{Opening, Options, Shared};
use super::epoch_record::write_epochs;
use super::error::{Result, StoreError, corrupt};
use super::looks::write_looks;
use super::medium::{Medium, Part};
use super::record::{decode, encode};
use super::schema::{
    ACCESS, CROPS, EXTRA_KEY, Extra, FORMAT_KEY, FORMAT_VERSION, GALLERY_ID_BYTES, IMAGES, JOURNAL, Lines,
    MAGIC, META, PASSAGES, PEOPLE, PUNCHES, Place, RECORD_V1, STATE_KEY, State, TEMPLATES, name,
};
use super::seal::Sealer;
use super::txn::open_person;

impl Shared {
    /// Opens and checks the gallery, or makes it.
    pub(super) fn attach(&mut self, medium: &dyn Medium, options: Options) -> Result<Opening> {
        self.detach();
        let mut opening = Opening::default();
        match medium.len(Part::Main)? {
            Some(0) => return Err(corrupt("file", "it is empty")),
            Some(_) => {}
            None if !options.create => return Err(StoreError::Missing(medium.name())),
            None if medium.len(Part::Made)?.is_some() => return Err(StoreError::Missing(medium.name())),
            None => {
                self.create(medium, options)?;
                opening.created = true;
            }
        }
        let (db, recovered, clean) = open_database(medium, Part::Main, options.cache_bytes)?;
        opening.recovered = recovered;
        opening.mended = !clean;
        self.db = Some(db);
        let loaded = guarded(|| self.load(medium));
        if let Err(e) = loaded {
            self.detach();
            return Err(e);
        }
        // Leftovers of a rewriting that was cut short; only now is it certain that the gallery itself is whole. A disk
        // that refuses this must not keep the door from its gallery: `erasure_due` goes on saying it.
        let _ = medium.wipe(Part::Fresh).and_then(|()| medium.wipe(Part::Old));
        if self.state.erasing {
            match self.rewrite(medium, options, &[]) {
                Ok(_) => opening.erasure_finished = true,
                // As above.
                Err(StoreError::Io(_)) if self.db.is_some() => {}
                Err(e) => {
                    self.detach();
                    return Err(e);
                }
            }
        }
        Ok(opening)
    }

    /// Makes an empty gallery beside its place and puts it there whole.
    fn create(&mut self, medium: &dyn Medium, options: Options) -> Result<()> {
        medium.wipe(Part::Fresh)?;
        let mut gallery = [0; GALLERY_ID_BYTES];
        getrandom::fill(&mut gallery).map_err(|e| StoreError::Random(e.to_string()))?;
        self.sealer.set_gallery(gallery);
        let (db, _, _) = open_database(medium, Part::Fresh, options.cache_bytes)?;
        guarded(|| {
            let mut txn = db.begin_write()?;
            txn.set_two_phase_commit(true);
            {
                let check = self.sealer.seal(&format_place(), RECORD_V1, &[])?;
                let format = format_record(&gallery, &check);
                txn.open_table(META)?.insert(FORMAT_KEY, format.as_slice())?;
                txn.open_table(PEOPLE)?;
                txn.open_table(TEMPLATES)?;
                txn.open_table(CROPS)?;
                txn.open_table(IMAGES)?;
                txn.open_table(JOURNAL)?;
                create_extra(&txn, &self.sealer)?;
                write_epochs(&txn, &self.sealer, None)?;
                write_looks(&txn, &self.sealer, Lines::default())?;
                write_state(&txn, &self.sealer, &State::default())?;
            }
            txn.commit()?;
            Ok(())
        })?;
        drop(db);
        medium.promote()?;
        Ok(())
    }

    /// Reads format, counters and index, and holds the tables against the counters.
    fn load(&mut self, medium: &dyn Medium) -> Result<()> {
        let txn = self.database()?.begin_read()?;
        let not_ours = |e| match e {
            redb::TableError::TableDoesNotExist(_) => corrupt("file", "it is no gallery of ostiary"),
            other => other.into(),
        };
        let meta = txn.open_table(META).map_err(not_ours)?;
        let format = meta.get(FORMAT_KEY)?.ok_or_else(|| corrupt(name::META, "the format record is gone"))?;
        let gallery = check_format(format.value(), &medium.name())?;
        self.sealer.set_gallery(gallery);
        let check = &format.value()[FORMAT_HEAD..];
        if self.sealer.open(&format_place(), check).is_err() {
            return Err(StoreError::WrongKey(medium.name()));
        }
        let sealed = meta.get(STATE_KEY)?.ok_or_else(|| corrupt(name::META, "the counters are gone"))?;
        let (version, plain) = self.sealer.open(&state_place(), sealed.value())?;
        let state: State = decode(name::META, version, &plain)?;

        let mut index = BTreeMap::new();
        let (mut templates, mut crops, mut images) = (0_u64, 0_u64, 0_u64);
        for row in txn.open_table(PEOPLE)?.iter()? {
            let (key, value) = row?;
            let number = key.value();
            let record = open_person(&self.sealer, number, value.value())?;
            templates += record.templates.len() as u64;
            crops += record.crops() as u64;
            images += record.images.len() as u64;
            if number >= state.next_person || index.insert(record.person_id()?, number).is_some() {
                return Err(corrupt(name::PEOPLE, "a person is there twice or was never counted"));
            }
        }
        let counted = [
            (name::PEOPLE, index.len() as u64, state.people, txn.open_table(PEOPLE)?.len()?),
            (name::TEMPLATES, templates, state.templates, txn.open_table(TEMPLATES)?.len()?),
            (name::CROPS, crops, state.crops, txn.open_table(CROPS)?.len()?),
            (name::IMAGES, images, state.images, txn.open_table(IMAGES)?.len()?),
            (name::JOURNAL, state.kept(), state.kept(), txn.open_table(JOURNAL)?.len()?),
        ];
        for (table, listed, expected, rows) in counted {
            if listed != expected || rows != expected {
                return Err(corrupt(table, format!("{rows} records where {expected} were written")));
            }
        }
        let kept = meta.get(EXTRA_KEY)?.map(|sealed| sealed.value().to_vec());
        drop((meta, txn));
        let extra = if let Some(sealed) = kept {
            let (version, plain) = self.sealer.open(&extra_place(), &sealed)?;
            decode(name::META, version, &plain)?
        } else {
            // Written before there were such tables.
            let txn = self.database()?.begin_write()?;
            create_extra(&txn, &self.sealer)?;
            txn.commit()?;
            Extra::default()
        };
        self.check_extra(&extra)?;
        self.epochs = self.load_epochs()?;
        self.looks = self.load_looks()?;
        self.index = index;
        self.state = state;
        self.extra = extra;
        Ok(())
    }

    /// Holds the tables that came later against their counts.
    fn check_extra(&self, extra: &Extra) -> Result<()> {
        let txn = self.database()?.begin_read()?;
        let lines = extra.next_punch.saturating_sub(extra.first_punch);
        for (table, expected, definition) in [
            (name::ACCESS, extra.access, ACCESS),
            (name::PASSAGES, extra.passages, PASSAGES),
            (name::PUNCHES, lines, PUNCHES),
        ] {
            let rows = txn.open_table(definition)?.len()?;
            if rows != expected {
                return Err(corrupt(table, format!("{rows} records where {expected} were written")));
            }
        }
        Ok(())
    }
}

/// The tables that came later, empty.
fn create_extra(txn: &WriteTransaction, sealer: &Sealer) -> Result<()> {
    for definition in [ACCESS, PASSAGES, PUNCHES] {
        txn.open_table(definition)?;
    }
    write_extra(txn, sealer, &Extra::default())
}

const FORMAT_HEAD: usize = MAGIC.len() + 2 + GALLERY_ID_BYTES;

fn format_record(gallery: &[u8; GALLERY_ID_BYTES], check: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(FORMAT_HEAD + check.len());
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
    out.extend_from_slice(gallery);
    out.extend_from_slice(check);
    out
}

fn check_format(record: &[u8], path: &str) -> Result<[u8; GALLERY_ID_BYTES]> {
    if record.len() < FORMAT_HEAD || record[..MAGIC.len()] != MAGIC {
        return Err(corrupt(name::META, "the format record is damaged"));
    }
    let found = u16::from_le_bytes([record[MAGIC.len()], record[MAGIC.len() + 1]]);
    if found != FORMAT_VERSION {
        return Err(StoreError::Version { path: path.to_owned(), found });
    }
    let mut gallery = [0; GALLERY_ID_BYTES];
    gallery.copy_from_slice(&record[MAGIC.len() + 2..FORMAT_HEAD]);
    Ok(gallery)
}

const fn format_place() -> Place<'static> {
    Place { table: name::META, key: b"format/1" }
}

const fn state_place() -> Place<'static> {
    Place { table: name::META, key: b"state" }
}

const fn extra_place() -> Place<'static> {
    Place { table: name::META, key: b"extra" }
}

/// Seals the later tables' counts into their place.
pub(super) fn write_extra(txn: &WriteTransaction, sealer: &Sealer, extra: &Extra) -> Result<()> {
    let sealed = sealer.seal(&extra_place(), RECORD_V1, &encode(name::META, extra)?)?;
    txn.open_table(META)?.insert(EXTRA_KEY, sealed.as_slice())?;
    Ok(())
}

/// Seals the counters into their place.
pub(super) fn write_state(txn: &WriteTransaction, sealer: &Sealer, state: &State) -> Result<()> {
    let plain = Zeroizing::new(encode(name::META, state)?);
    let sealed = sealer.seal(&state_place(), RECORD_V1, &plain)?;
    txn.open_table(META)?.insert(STATE_KEY, sealed.as_slice())?;
    Ok(())
}
