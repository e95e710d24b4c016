//! Ostiary: open firmware for a face-recognition door.
//!
//! A frame enters at the top and leaves as a door pulse and an event; the modules are the stations on the way.
//! Who may import whom is held by `tests/architecture.rs`; the table is in ARCHITECTURE.md.

pub mod domain;
pub mod ports;

pub mod access;
pub mod engine;
pub mod matching;
pub mod picture;
pub mod vision;

pub mod device;
pub mod link;
pub mod store;

pub mod app;

#[cfg(test)]
#[path = "../tests/common/mod.rs"]
mod common;
