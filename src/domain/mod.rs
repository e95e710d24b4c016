//! The words of the house: identifiers, time, frames, faces, people, decisions and events.
//!
//! Owns: plain data that every other module talks about, with its capacities and ranges.
//! Does not own: any IO, clock, allocation, file or thread. Only `core` and `heapless` are used.
//! Invariants: a value that exists is valid (constructors check), every text and list is bounded by its
//! type, and whatever could identify a person (names, embeddings, pixels) prints redacted in `Debug`.
#![cfg_attr(not(test), no_std)]

pub mod attendance;
pub mod audit;
pub mod calendar;
pub mod calibration;
pub mod decision;
pub mod embedding;
pub mod event;
pub mod face;
pub mod frame;
pub mod id;
pub mod keypad;
pub mod limits;
pub mod person;
pub mod rulebook;
pub mod schedule;
pub mod screen;
pub mod time;
pub mod wires;

pub use attendance::{LastPunch, Punch, PunchKind, PunchSource};
pub use audit::{About, Looked};
pub use calendar::{Day, Local, Weekday, Zone};
pub use calibration::{Anchor, Calibration};
pub use decision::{Decision, DenyReason, GrantCause, Look, LookVerdict, Match, Standing};
pub use embedding::{Cosine, Embedding};
pub use event::{Event, EventKind};
pub use face::{AlignedFace, Detection, Landmarks, Point, Quality, QualityReason, QualityReasons, Rect};
pub use frame::{Frame, FrameMeta};
pub use id::{BootId, DoorId, EventSeq, IdError, ModelId, PersonId, TemplateId, TrackId};
pub use keypad::{Key, Pin, PinVerdict};
pub use person::{Consent, Person, PersonStatus, Template, TemplateSource};
pub use rulebook::{Exceptions, Mode, Numbers, Passage, Rulebook, ScheduleNo, Side};
pub use schedule::{Holiday, Opening, Period, Schedule};
pub use screen::{Guidance, Screen, VisitorReason};
pub use time::{ClockTrust, Millis, Mono, Now, Utc};

/// Copies `text` into a bounded string, cutting at a character boundary when it does not fit.
#[must_use]
pub fn clipped<const N: usize>(text: &str) -> heapless::String<N> {
    let mut out = heapless::String::new();
    for c in text.chars() {
        if out.push(c).is_err() {
            break;
        }
    }
    out
}
