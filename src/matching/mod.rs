//! The gallery as a matrix in memory, and what a cosine is worth against it.
//!
//! Owns: the exact search over all templates, the open-set rule (threshold and margin), the score and the level that
//! people and clients are shown. Does not own: where templates come from (`store`), how they are made (`vision`),
//! what follows from a match (`access`).
//! Invariants: a search allocates nothing and its result does not depend on the order of enrolment; it equals the
//! scan that calls [`ostiary_domain::Embedding::cosine`] on every template, bit for bit; a vector without direction
//! never gets here (`Embedding` cannot hold one).

mod gallery;
mod matrix;
mod open_set;
mod score;

pub use gallery::{Candidate, Entry, Gallery, GalleryError, MAX_CANDIDATES, Mode};
pub use matrix::Scan;
pub use open_set::{OpenSet, OpenSetError};
pub use score::{MatchLevel, shown_score};
