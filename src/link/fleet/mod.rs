//! The people of a group of doors: desired state that converges, sealed against the broker.
//!
//! Owns: the merge (`merge`), what is said about a person and how it is sealed (`seal`). Does not own: topics and
//! sessions (`link/mqtt`), the gallery (`app`).
//! Invariants: any two doors that have received the same messages, in any order and any number of times, hold the same
//! people; a deletion is remembered as a tombstone, so that no old message brings a person back; a broker sees
//! pseudonyms and noise, and whatever it makes up or moves to another topic is refused.

mod merge;
mod seal;

pub use merge::{Ledger, Stamp, Verdict};
pub use seal::{GroupKey, Look, Member, SealError};
