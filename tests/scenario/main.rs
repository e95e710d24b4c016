//! The door's life as stories on virtual time, and as laws over arbitrary lives.
//!
//! Owns: what must be true of `access` seen from outside. Does not own: its parts (their tests stand beside them),
//! hardware, vision.
//! Invariant: nothing here sleeps or reads a clock; the same test gives the same result for ever.

#[path = "../common/mod.rs"]
mod common;

mod attendance;
mod faults;
mod laws;
mod operators;
mod rule_laws;
mod rules;
mod visitors;
mod wires;
mod world;
