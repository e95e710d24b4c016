//! The link against a real broker (Mosquitto), driven by clients that are not ours.
//!
//! Owns: what a broker, an installer and a thief may do to the link, and what must follow. Does not own: the rules in
//! themselves (unit tests beside them). Without Debian's `mosquitto` and `mosquitto-clients` the tests are skipped.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/program.rs"]
mod program;

mod broker;
mod delivery;
mod docs;
mod enrol;
mod fleet;
mod home;
mod house;
mod kill;
mod load;
mod office;
mod orders;
mod own;
mod paho;
mod proxy;
mod talk;
mod tls;
mod verbs;
