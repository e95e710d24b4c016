//! The gallery and the journal on disk: one redb file, every record sealed.
//!
//! Owns: people, templates, crops, pictures, events, the key that seals them, and their removal. Does not own: when
//! something is enrolled or deleted, matching, transport of events, any clock (times come with what is written).
//! Invariants: what was acknowledged survives a power cut; what is read is what was written or an error, never
//! something else; a damaged gallery is never taken for an empty one; a deleted person is gone from the file.
//! The layout on disk stands in `schema`.

mod attach;
mod backing;
mod db;
mod documents;
mod epoch_record;
mod epochs;
mod erase;
mod error;
mod expire;
mod export;
mod journal;
mod key;
mod looks;
mod medium;
mod people;
mod punches;
mod record;
mod schema;
mod seal;
mod search;
mod signed;
mod standing;
mod txn;
mod walk;

pub use db::{MIN_JOURNAL, Opening, Options, Store};
pub use documents::MAX_DOCUMENT_BYTES;
pub use epochs::{DueFace, Epoch, Epochs, MadeTemplate, Switched};
pub use erase::Receipt;
pub use error::{KeyError, StoreError};
pub use expire::{Expired, Expiry};
pub use export::{Export, ExportedConsent, ExportedCrop, ExportedTemplate};
pub use key::{KEY_BYTES, SealKey};
pub use looks::{Look, MAX_LOOKS};
pub use medium::{FileMedium, Medium, Part};
pub use people::{Counts, Crop, Filter, Held, Jpeg, MAX_IMAGE_BYTES, NewTemplate, Page};
pub use punches::{Correction, PunchLine, Record};
pub use record::Entry;
pub use schema::FORMAT_VERSION;
pub use signed::{LogError, Signer, Verified, block_message, verify_log};
pub use standing::{Access, Kept};
