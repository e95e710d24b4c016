//! Between redb and the medium.
//!
//! Owns: opening one file with redb, and turning redb's panics into errors. Does not own: which file, what is in it.
//! Invariant: a file that is handed out has passed redb's check of every page.

use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::{BackendError, Builder, Database, StorageBackend};

use super::error::{Result, StoreError, corrupt};
use super::medium::{Medium, Part};

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
