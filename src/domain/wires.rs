//! What the door's wires report.
//!
//! Owns: the inputs and their changes as data. Does not own: polarity and lines (`device`), debounce (`access`).
//! Invariant: levels are logical; `active` means what the input is named after.

use super::time::Mono;

/// An input of the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// Door contact: active while the door stands open.
    Contact,
    /// Request-to-exit button: active while pressed.
    Rex,
    /// Housing switch: active while the housing is open.
    Tamper,
    /// Fire alarm: active while it calls.
    Fire,
}

/// A change of an input, not debounced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputEdge {
    /// Which.
    pub input: Input,
    /// The level after the change, logical.
    pub active: bool,
    /// When, by the kernel's time stamp where there is one.
    pub at: Mono,
}
