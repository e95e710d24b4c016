//! Opening, checking, reading and writing: every touch of redb goes through here.
//!
//! Owns: the open database, the index from person ids to their numbers, the counters, the lock around them.
//! Does not own: what the tables mean (`people`, `journal`, `erase`).
//! Invariants: a change is one durable two-phase transaction with its events and its counters; memory follows only
//! after the commit; after any failure of the disk the file is opened and checked again before it is used; a panic
//! inside redb (it can, on damaged pages) becomes `Corrupt`.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::{fmt, io};

use redb::{
    BackendError, Builder, Database, ReadTransaction, ReadableDatabase as _, ReadableTable,
    ReadableTableMetadata as _, StorageBackend, TableDefinition, WriteTransaction,
};
use zeroize::Zeroizing;

use super::error::{Result, StoreError, corrupt};
use super::key::SealKey;
use super::medium::{FileMedium, Medium, Part};
use super::record::{PersonRecord, decode, encode};
use super::schema::{
    CROPS, FORMAT_KEY, FORMAT_VERSION, GALLERY_ID_BYTES, IMAGES, JOURNAL, MAGIC, META, PEOPLE, Pair, Place,
    RECORD_V1, STATE_KEY, State, TEMPLATES, name, pair_bytes,
};
use super::seal::Sealer;
use crate::domain::{BootId, PersonId};

/// How a store is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Memory for redb's cache, bytes; 8 to 16 MiB suits a board.
    pub cache_bytes: usize,
    /// Events kept, at least 64; when there are more the oldest go.
    pub journal_capacity: u64,
    /// Whether an absent gallery is made. Where it is not, an absent gallery is an error.
    pub create: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { cache_bytes: 12 << 20, journal_capacity: 200_000, create: true }
    }
}

/// Fewest events a journal is opened for.
pub const MIN_JOURNAL: u64 = 64;

/// What opening had to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "four independent facts for one line of the log")]
pub struct Opening {
    /// There was no gallery, an empty one was made.
    pub created: bool,
    /// The last run did not end in order and the file was brought back to its last commit.
    pub recovered: bool,
    /// The check found damage that does not concern the records, and mended it: the disk should be looked at.
    pub mended: bool,
    /// A deletion that was cut short was finished.
    pub erasure_finished: bool,
}

/// The gallery and the journal of one board.
pub struct Store {
    pub(super) medium: Arc<dyn Medium>,
    pub(super) options: Options,
    pub(super) boot: BootId,
    opening: Opening,
    shared: RwLock<Shared>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("medium", &self.medium)
            .field("boot", &self.boot)
            .finish_non_exhaustive()
    }
}

pub(super) struct Shared {
    pub(super) sealer: Sealer,
    /// `None` after a failure of the disk, until it is opened again.
    pub(super) db: Option<Database>,
    pub(super) index: BTreeMap<PersonId, u64>,
    pub(super) state: State,
}

impl Store {
    /// Opens the gallery at `path`, or makes it.
    ///
    /// The whole file is checked against its checksums, every profile is opened and counted against the sealed
    /// counters, and a deletion that was cut short is finished, before anything is answered.
    ///
    /// # Errors
    /// `InUse`, `WrongKey`, `Version`, `Missing`, `Corrupt` or `Io`; each says what to do. A damaged gallery is
    /// never taken for an empty one.
    pub fn open(path: &Path, key: SealKey, options: Options) -> Result<Self> {
        Self::open_on(Arc::new(FileMedium::new(path)), key, options)
    }

    /// Opens a gallery on any medium.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_on(medium: Arc<dyn Medium>, key: SealKey, options: Options) -> Result<Self> {
        let options = Options { journal_capacity: options.journal_capacity.max(MIN_JOURNAL), ..options };
        let boot = BootId(getrandom::u64().map_err(|e| StoreError::Random(e.to_string()))?);
        let mut shared = Shared {
            sealer: Sealer::new(key, [0; GALLERY_ID_BYTES]),
            db: None,
            index: BTreeMap::new(),
            state: State::default(),
        };
        if !options.create && medium.len(Part::Main)?.is_none() {
            return Err(StoreError::Missing(medium.name()));
        }
        if !medium.claim()? {
            return Err(StoreError::InUse(medium.name()));
        }
        let opening = shared.attach(&*medium, options)?;
        Ok(Self { medium, options, boot, opening, shared: RwLock::new(shared) })
    }

    /// What opening had to do.
    #[must_use]
    pub const fn opening(&self) -> Opening {
        self.opening
    }

    /// The number of this start of the store.
    #[must_use]
    pub const fn boot(&self) -> BootId {
        self.boot
    }

    /// Runs one durable transaction: all of it is on the disk when this returns `Ok`.
    pub(super) fn write<T>(&self, work: impl FnOnce(&mut Draft<'_>) -> Result<T>) -> Result<T> {
        let mut guard = self.exclusive()?;
        self.write_with(&mut guard, work)
    }

    pub(super) fn write_with<T>(
        &self,
        shared: &mut Shared,
        work: impl FnOnce(&mut Draft<'_>) -> Result<T>,
    ) -> Result<T> {
        let done = guarded(|| {
            let mut txn = shared.database()?.begin_write()?;
            txn.set_two_phase_commit(true);
            let mut draft = Draft {
                txn: &txn,
                sealer: &shared.sealer,
                index: &shared.index,
                state: shared.state.clone(),
                boot: self.boot,
                capacity: self.options.journal_capacity,
                added: None,
                removed: Vec::new(),
            };
            let out = work(&mut draft)?;
            draft.write_state()?;
            let Draft { state, added, removed, .. } = draft;
            txn.commit()?;
            Ok((out, state, added, removed))
        });
        match done {
            Ok((out, state, added, removed)) => {
                shared.state = state;
                for id in removed {
                    shared.index.remove(&id);
                }
                shared.index.extend(added);
                Ok(out)
            }
            Err(e) => {
                if e.needs_reopen() {
                    shared.detach();
                }
                Err(e)
            }
        }
    }

    /// Reads from one consistent state.
    pub(super) fn read<T>(&self, work: impl FnOnce(&View<'_>) -> Result<T>) -> Result<T> {
        let mut guard = self.shared.read().unwrap_or_else(PoisonError::into_inner);
        if guard.db.is_none() {
            drop(guard);
            drop(self.exclusive()?);
            guard = self.shared.read().unwrap_or_else(PoisonError::into_inner);
        }
        let done = read_in(&guard, work);
        if done.as_ref().is_err_and(StoreError::needs_reopen) {
            drop(guard);
            self.shared.write().unwrap_or_else(PoisonError::into_inner).detach();
        }
        done
    }

    /// Reads everyone from one consistent state, a batch at a time. `take` runs outside of what turns a panic into
    /// damage, and says where to go on and how many it was given.
    pub(super) fn read_in_batches<T>(
        &self,
        next: impl Fn(&View<'_>, u64) -> Result<Vec<T>>,
        mut take: impl FnMut(&[T]) -> Option<(u64, u64)>,
    ) -> Result<()> {
        // Opened here where it was closed by a failure.
        self.read(|_| Ok(()))?;
        let done = self.batches(&next, &mut take);
        if done.as_ref().is_err_and(StoreError::needs_reopen) {
            self.shared.write().unwrap_or_else(PoisonError::into_inner).detach();
        }
        done
    }

    fn batches<T>(
        &self,
        next: &impl Fn(&View<'_>, u64) -> Result<Vec<T>>,
        take: &mut impl FnMut(&[T]) -> Option<(u64, u64)>,
    ) -> Result<()> {
        let shared = self.memory();
        let txn = guarded(|| Ok(shared.database()?.begin_read()?))?;
        let view = View { txn: &txn, sealer: &shared.sealer, index: &shared.index, state: &shared.state };
        let (mut from, mut seen) = (0, 0);
        while let Some((further, count)) = take(&guarded(|| next(&view, from))?) {
            from = further;
            seen += count;
        }
        if seen == shared.state.people {
            Ok(())
        } else {
            Err(corrupt(name::PEOPLE, format!("{seen} records where {} were written", shared.state.people)))
        }
    }

    /// The lock, with the database open behind it.
    pub(super) fn exclusive(&self) -> Result<RwLockWriteGuard<'_, Shared>> {
        let mut guard = self.shared.write().unwrap_or_else(PoisonError::into_inner);
        if guard.db.is_none() {
            guard.attach(&*self.medium, Options { create: false, ..self.options })?;
        }
        Ok(guard)
    }

    /// The lock for what is in memory alone.
    pub(super) fn memory(&self) -> RwLockReadGuard<'_, Shared> {
        self.shared.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read_in<T>(shared: &Shared, work: impl FnOnce(&View<'_>) -> Result<T>) -> Result<T> {
    guarded(|| {
        let txn = shared.database()?.begin_read()?;
        work(&View { txn: &txn, sealer: &shared.sealer, index: &shared.index, state: &shared.state })
    })
}

impl Shared {
    pub(super) fn database(&self) -> Result<&Database> {
        self.db.as_ref().ok_or_else(|| io::Error::other("the gallery is closed after a failure").into())
    }

    /// Closes the database; redb may panic here as well when its pages are damaged.
    pub(super) fn detach(&mut self) {
        if let Some(db) = self.db.take() {
            // Nothing can be done about a failing close: what was acknowledged is on the disk already.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(db)));
        }
    }

    fn attach(&mut self, medium: &dyn Medium, options: Options) -> Result<Opening> {
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
        self.index = index;
        self.state = state;
        Ok(())
    }
}

/// One transaction being made.
pub(super) struct Draft<'a> {
    pub(super) txn: &'a WriteTransaction,
    pub(super) sealer: &'a Sealer,
    pub(super) index: &'a BTreeMap<PersonId, u64>,
    pub(super) state: State,
    pub(super) boot: BootId,
    pub(super) capacity: u64,
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
        let sealed =
            self.sealer.seal(&Place { table: table_name, key: &key.to_be_bytes() }, RECORD_V1, plain)?;
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

    fn write_state(&self) -> Result<()> {
        write_state(self.txn, self.sealer, &self.state)
    }
}

/// One consistent state being read.
pub(super) struct View<'a> {
    pub(super) txn: &'a ReadTransaction,
    pub(super) sealer: &'a Sealer,
    pub(super) index: &'a BTreeMap<PersonId, u64>,
    pub(super) state: &'a State,
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

/// Seals the counters into their place.
pub(super) fn write_state(txn: &WriteTransaction, sealer: &Sealer, state: &State) -> Result<()> {
    let plain = Zeroizing::new(encode(name::META, state)?);
    let sealed = sealer.seal(&state_place(), RECORD_V1, &plain)?;
    txn.open_table(META)?.insert(STATE_KEY, sealed.as_slice())?;
    Ok(())
}

/// Opens and checks one file: the database, whether it had to be recovered, whether the check found it clean.
pub(super) fn open_database(medium: &dyn Medium, part: Part, cache: usize) -> Result<(Database, bool, bool)> {
    guarded(|| {
        let recovered = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&recovered);
        let mut db = Builder::new()
            .set_cache_size(cache)
            .set_repair_callback(move |_| seen.store(true, Ordering::Relaxed))
            .create_with_backend(Backing(medium.open(part)?))
            .map_err(|e| match e {
                redb::DatabaseError::DatabaseAlreadyOpen => StoreError::InUse(medium.name()),
                other => other.into(),
            })?;
        let clean = db.check_integrity()?;
        Ok((db, recovered.load(Ordering::Relaxed), clean))
    })
}

/// Turns a panic of redb on damaged pages into an error.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(corrupt("file", "its pages contradict each other")))
}

/// Lets a boxed backend stand where redb wants a type.
#[derive(Debug)]
struct Backing(Box<dyn StorageBackend>);

impl StorageBackend for Backing {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
    fn close(&self) -> io::Result<()> {
        self.0.close()
    }
    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.try_lock_range(start, end)
    }
    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.try_lock_shared_range(start, end)
    }
    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_range(start, end)
    }
    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_shared_range(start, end)
    }
    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.unlock_range(start, end)
    }
    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.query_lock_range(start, end)
    }
}
