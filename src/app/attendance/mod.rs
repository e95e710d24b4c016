//! The attendance book read: shifts, days, months, and the forms in which it leaves.
//!
//! Owns: what of the book counts, the shifts it makes, totals, exports. Does not own: the book (`store`), how a punch
//! comes to be (`access`).
//! Invariants: totals are elapsed time, so a night of a change of time is as long as it was; a shift belongs to the day
//! on which it begins; what is incomplete is said and counts nothing; nothing here changes the book.

mod export;
mod sheet;

pub use export::{csv, erpnext, json};
pub use sheet::{Day, Month, Range, Sheet, Shift, ShiftFlaw, effective, sheet};
