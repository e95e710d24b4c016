//! The rules of access as people write them, and what they come to.
//!
//! Owns: the file's form, its check, its reading into the core's book, local time, PINs, the answer to why and what if.
//! Does not own: the rules themselves (`access`), where the file is kept (`store`).
//! Invariants: a [`Rules`] that exists is sound; what is exported is what was imported; the core sees numbers alone,
//! given anew each time a file is read.

mod compile;
pub mod explain;
mod file;
pub mod pin;
mod times;
mod zone;

pub use compile::{Rules, RulesError};
pub use file::{
    AttendanceText, DoorText, GroupText, HolidayText, KeyText, KindText, LevelText, ModeText, RulesFile,
    ScheduleText,
};
pub use times::{date, periods, when};
pub use zone::{named, span};

/// The document of the store that holds the file, as JSON.
pub const DOCUMENT: &str = "rules";
