//! Why the store refuses, in words for an installer.
//!
//! Owns: the one error type of the module and the reading of redb's errors. Does not own: what the caller does.
//! Invariants: an error never carries a name, a template or a key; damage is always `Corrupt`, never a default.

use std::io;
use std::path::PathBuf;

use super::schema::FORMAT_VERSION;
use ostiary_domain::{EventSeq, PersonId};

/// What went wrong in the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The key file cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),

    /// Another process has the gallery open.
    #[error(
        "the gallery {0} is open in another process; stop the other ostiary (systemctl stop ostiary) and try again"
    )]
    InUse(String),

    /// The key does not open this gallery.
    #[error("the key does not open the gallery {0}; put the key file back that was made together with it")]
    WrongKey(String),

    /// The gallery was written by another version.
    #[error(
        "the gallery {path} has format {found} and this program reads format {FORMAT_VERSION}; {}",
        if *found > FORMAT_VERSION {
            "install the newer ostiary that wrote it"
        } else {
            "open it once with the ostiary release that reads both formats"
        }
    )]
    Version {
        /// Which gallery.
        path: String,
        /// The format found.
        found: u16,
    },

    /// The gallery is gone although it was there.
    #[error(
        "the gallery {0} is missing, and there was one; put it back from a backup, or remove {0}.made to begin an empty one"
    )]
    Missing(String),

    /// The file or a record was altered, or the disk is failing.
    #[error("the gallery is damaged ({place}: {what}); the door stays locked, put it back from a backup")]
    Corrupt {
        /// The table, or `file`.
        place: &'static str,
        /// What was found.
        what: String,
    },

    /// The disk refused; nothing that was acknowledged before is lost.
    #[error("the gallery cannot be written or read: {0}; check that the disk is not full or failing")]
    Io(#[from] io::Error),

    /// Nobody has that id.
    #[error("there is no person {0}")]
    NoSuchPerson(PersonId),

    /// The person has no such template.
    #[error("person {person} has no template {template}")]
    NoSuchTemplate {
        /// Whose.
        person: PersonId,
        /// Which.
        template: u64,
    },

    /// The person's book has no such line, or it was taken back already.
    #[error("line {number} of the attendance book is not a punch of {person}, or was taken back already")]
    NoSuchPunch {
        /// Whose.
        person: PersonId,
        /// Which line.
        number: u64,
    },

    /// More templates, images or bytes than a person may have.
    #[error("person {person} would have {wanted} {what}, at most {limit} are kept; delete some first")]
    TooMany {
        /// Whose.
        person: PersonId,
        /// Of what.
        what: &'static str,
        /// How many there would be.
        wanted: usize,
        /// How many there may be.
        limit: usize,
    },

    /// A crop that is not `side * side * 3` bytes.
    #[error("an aligned face of side {side} needs {} bytes of RGB, {got} were given", side * side * 3)]
    BadCrop {
        /// Side in pixels.
        side: usize,
        /// Bytes given.
        got: usize,
    },

    /// A confirmation of an event that was never written.
    #[error("event {upto} cannot be confirmed, the newest is {newest}")]
    AckAhead {
        /// What was confirmed.
        upto: u64,
        /// What there is.
        newest: u64,
    },

    /// The hash chain of the journal is broken.
    #[error("the journal is not whole: event {} does not follow from the one before it", .0.0)]
    BrokenChain(EventSeq),

    /// A signature in the journal is not this device's.
    #[error("the journal is not this device's: the signature at event {} does not hold", .0.0)]
    BadSignature(EventSeq),

    /// Bytes of a deleted person are still in the file.
    #[error(
        "{occurrences} traces of the deleted person are still in the gallery file; the erasure is tried again at the next start"
    )]
    NotErased {
        /// How many.
        occurrences: u64,
    },

    /// The system gave no random numbers.
    #[error("the system gives no random numbers, nothing can be sealed: {0}")]
    Random(String),
}

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The gallery is there and its key is not.
    #[error(
        "the gallery {database} is there but its key {key} is not; put the key back, a new one cannot open an old gallery"
    )]
    Missing {
        /// Where the key should be.
        key: PathBuf,
        /// The gallery it belongs to.
        database: PathBuf,
    },

    /// There is no key at the given place.
    #[error("there is no key at {0}")]
    Absent(PathBuf),

    /// Others may read or replace it.
    #[error("{path} may be read or replaced by others (mode {mode:o}); run: chmod {right:o} {path}", path = .path.display())]
    Exposed {
        /// The file or its directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// The mode it should have.
        right: u32,
    },

    /// Not 32 bytes, or all zero as after a power cut.
    #[error("{path} is no key: {what}; put the key back from where it was kept", path = .path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },

    /// The file cannot be read or written.
    #[error("the key {path} cannot be read or made: {source}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

pub(super) type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Damage found in a table.
pub(super) fn corrupt(place: &'static str, what: impl Into<String>) -> StoreError {
    StoreError::Corrupt { place, what: what.into() }
}

impl StoreError {
    /// Whether the database must be closed and opened again before it can be used.
    pub(super) const fn needs_reopen(&self) -> bool {
        match self {
            Self::Io(_) | Self::Corrupt { .. } => true,
            Self::Key(_)
            | Self::InUse(_)
            | Self::WrongKey(_)
            | Self::Version { .. }
            | Self::Missing(_)
            | Self::NoSuchPerson(_)
            | Self::NoSuchTemplate { .. }
            | Self::NoSuchPunch { .. }
            | Self::TooMany { .. }
            | Self::BadCrop { .. }
            | Self::AckAhead { .. }
            | Self::BrokenChain(_)
            | Self::BadSignature(_)
            | Self::NotErased { .. }
            | Self::Random(_) => false,
        }
    }
}

/// redb's errors are not ours to match exhaustively (they are `non_exhaustive`), so this reads them once.
impl From<redb::Error> for StoreError {
    fn from(error: redb::Error) -> Self {
        match error {
            // How redb says that the file is none of its own, or ends too early.
            redb::Error::Io(source)
                if matches!(source.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) =>
            {
                corrupt("file", source.to_string())
            }
            redb::Error::Io(source) => Self::Io(source),
            redb::Error::PreviousIo => Self::Io(io::Error::other(
                "an earlier write failed, the gallery is opened again at the next use",
            )),
            redb::Error::DatabaseAlreadyOpen => Self::InUse(String::new()),
            other => corrupt("file", other.to_string()),
        }
    }
}

macro_rules! through_redb {
    ($($kind:ident),*) => {$(
        impl From<redb::$kind> for StoreError {
            fn from(error: redb::$kind) -> Self {
                redb::Error::from(error).into()
            }
        }
    )*};
}
through_redb!(StorageError, TableError, TransactionError, CommitError, CompactionError, DatabaseError);
