//! The people of a group of doors: desired state that converges, sealed against the broker.
//!
//! Owns: the merge (`merge`), what is said about a person and how it is sealed (`seal`), what a door has taken over and
//! has still to say (`group`). Does not own: sessions (`link/mqtt`), the gallery (`app/fleet`).
//! Invariants: any two doors that have received the same messages, in any order and any number of times, hold the same
//! people; a deletion is remembered as a tombstone, so that no old message brings a person back; a broker sees
//! pseudonyms and noise, and whatever it makes up or moves to another topic is refused.

mod group;
mod merge;
mod seal;

pub use group::{Group, Heard, Roll, RollError, Row, Said, Token};
pub use merge::{Ledger, Stamp, Verdict};
pub use seal::{GroupKey, Look, Member, SealError};
