//! Reading and writing: every touch of the open database goes through here.
//!
//! Owns: the open database, the index from person ids to their numbers, the counters, the lock around them.
//! Does not own: opening and checking (`attach`), what the tables mean (`people`, `journal`, `erase`).
//! Invariants: a change is one durable two-phase transaction with its events and its counters; memory follows only
//! after the commit; after any failure of the disk the file is opened and checked again before it is used; a panic
//! inside redb (it can, on damaged pages) becomes `Corrupt`.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError,
};
use std::{fmt, io};

use redb::{Database, ReadTransaction, ReadableDatabase as _};

use super::attach::write_extra;
use super::backing::guarded;
use super::epoch_record::{EpochsRecord, write_epochs};
use super::error::{Result, StoreError, corrupt};
use super::key::SealKey;
use super::looks::write_looks;
use super::medium::{FileMedium, Medium, Part};
use super::schema::{Extra, GALLERY_ID_BYTES, Lines, State, name};
use super::seal::Sealer;
use super::search::{self, Needle};
use super::signed::Signer;
use super::txn::{Draft, View};
use ostiary_domain::{BootId, PersonId};

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

/// Between two tries to change something while another change is under way.
const SHORT: std::time::Duration = std::time::Duration::from_micros(500);

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
    pub(super) signer: OnceLock<Signer>,
    /// Events that wait to be confirmed, for whoever must not wait for the lock.
    depth: AtomicU64,
    rewriting: AtomicBool,
    /// Held by whoever changes anything, for as long as the file is being written anew: readers go on meanwhile.
    writers: Mutex<()>,
    pub(super) shared: RwLock<Shared>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("medium", &self.medium)
            .field("boot", &self.boot)
            .finish_non_exhaustive()
    }
}

/// See [`Store::is_rewriting`].
pub(super) struct Rewriting<'a>(&'a AtomicBool, #[expect(dead_code, reason = "held")] MutexGuard<'a, ()>);

impl Drop for Rewriting<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

pub(super) struct Shared {
    pub(super) sealer: Sealer,
    /// `None` after a failure of the disk, until it is opened again.
    pub(super) db: Option<Database>,
    pub(super) index: BTreeMap<PersonId, u64>,
    pub(super) state: State,
    pub(super) extra: Extra,
    pub(super) looks: Lines,
    pub(super) epochs: Option<EpochsRecord>,
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
            extra: Extra::default(),
            looks: Lines::default(),
            epochs: None,
        };
        if !options.create && medium.len(Part::Main)?.is_none() {
            return Err(StoreError::Missing(medium.name()));
        }
        if !medium.claim()? {
            return Err(StoreError::InUse(medium.name()));
        }
        let opening = shared.attach(&*medium, options)?;
        let depth = AtomicU64::new(shared.state.depth());
        Ok(Self {
            medium,
            options,
            boot,
            opening,
            signer: OnceLock::new(),
            depth,
            rewriting: AtomicBool::new(false),
            writers: Mutex::new(()),
            shared: RwLock::new(shared),
        })
    }

    /// What opening had to do.
    #[must_use]
    pub const fn opening(&self) -> Opening {
        self.opening
    }

    /// Whether the file is being written anew, which takes seconds or minutes: whatever changes something waits for it.
    #[must_use]
    pub fn is_rewriting(&self) -> bool {
        self.rewriting.load(Ordering::Relaxed)
    }

    /// Events that wait to be confirmed; never waits.
    #[must_use]
    pub fn depth(&self) -> u64 {
        self.depth.load(Ordering::Relaxed)
    }

    /// Keeps all others from changing anything, and says so, until it is dropped.
    pub(super) fn rewriting(&self) -> Rewriting<'_> {
        let one = self.writers();
        self.rewriting.store(true, Ordering::Relaxed);
        Rewriting(&self.rewriting, one)
    }

    fn writers(&self) -> MutexGuard<'_, ()> {
        // Nothing is kept in it that a panic could leave half done.
        self.writers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of this start of the store.
    #[must_use]
    pub const fn boot(&self) -> BootId {
        self.boot
    }

    /// Runs one durable transaction: all of it is on the disk when this returns `Ok`.
    pub(super) fn write<T>(&self, work: impl FnOnce(&mut Draft<'_>) -> Result<T>) -> Result<T> {
        let _one = self.writers();
        let mut guard = self.exclusive()?;
        self.write_with(&mut guard, work)
    }

    /// As [`Store::write`]; `None` while the file is being written anew.
    pub(super) fn try_write<T>(&self, work: impl FnOnce(&mut Draft<'_>) -> Result<T>) -> Option<Result<T>> {
        let _one = loop {
            match self.writers.try_lock() {
                Ok(one) => break one,
                Err(TryLockError::Poisoned(poisoned)) => break poisoned.into_inner(),
                Err(TryLockError::WouldBlock) if self.is_rewriting() => return None,
                // Another change, of milliseconds.
                Err(TryLockError::WouldBlock) => std::thread::park_timeout(SHORT),
            }
        };
        Some(self.exclusive().and_then(|mut guard| self.write_with(&mut guard, work)))
    }

    /// Copies what is live into a fresh file, searches it for the needles, and puts it in the gallery's place. Readers
    /// go on but for a moment at the end; the caller holds [`Store::rewriting`].
    pub(super) fn rewrite(&self, needles: &[Needle]) -> Result<search::Count> {
        self.medium.wipe(Part::Fresh)?;
        self.medium.wipe(Part::Old)?;
        let (state, copied) = {
            let shared = self.memory();
            let state = State { erasing: false, ..shared.state.clone() };
            let copied = shared.copy_and_search(&*self.medium, self.options, &state, needles);
            (state, copied)
        };
        let (fresh, found) = match copied {
            Ok(done) => done,
            Err(e) => {
                // The gallery itself was only read. Makes room again where the disk was full; what cannot be
                // removed now is removed at the next start.
                let _ = self.medium.wipe(Part::Fresh);
                if matches!(e, StoreError::Corrupt { .. }) {
                    self.shared.write().unwrap_or_else(PoisonError::into_inner).detach();
                }
                return Err(e);
            }
        };
        {
            let mut shared = self.shared.write().unwrap_or_else(PoisonError::into_inner);
            let promoted = self.medium.promote();
            // Either file may be the gallery now if that failed, so the old one is closed in any case.
            shared.detach();
            promoted?;
            shared.db = Some(fresh);
            shared.state = state;
        }
        self.medium.wipe(Part::Old)?;
        Ok(found)
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
                extra: shared.extra.clone(),
                looks: shared.looks,
                epochs: shared.epochs.clone(),
                boot: self.boot,
                capacity: self.options.journal_capacity,
                signer: self.signer.get(),
                added: None,
                removed: Vec::new(),
            };
            let out = work(&mut draft)?;
            draft.write_state()?;
            if draft.extra != shared.extra {
                write_extra(&txn, &shared.sealer, &draft.extra)?;
            }
            if draft.looks != shared.looks {
                write_looks(&txn, &shared.sealer, draft.looks)?;
            }
            if draft.epochs != shared.epochs {
                write_epochs(&txn, &shared.sealer, draft.epochs.as_ref())?;
            }
            let Draft { state, extra, looks, epochs, added, removed, .. } = draft;
            txn.commit()?;
            Ok((out, (state, extra, looks, epochs), added, removed))
        });
        match done {
            Ok((out, counters, added, removed)) => {
                (shared.state, shared.extra, shared.looks, shared.epochs) = counters;
                self.depth.store(shared.state.depth(), Ordering::Relaxed);
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
        let view = shared.view(&txn);
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
        work(&shared.view(&txn))
    })
}

impl Shared {
    /// One consistent state, through that transaction.
    pub(super) const fn view<'a>(&'a self, txn: &'a ReadTransaction) -> View<'a> {
        let Self { sealer, index, state, extra, looks, epochs, .. } = self;
        View { txn, sealer, index, state, extra, looks: *looks, epochs: epochs.as_ref() }
    }

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
}
