//! Ostiary: open firmware for a face-recognition door.
//!
//! A frame enters at the top and leaves as a door pulse and an event; the modules are the stations on the way.
//! Who may import whom is held by `tests/architecture.rs`; the table is in ARCHITECTURE.md.

pub use ostiary_domain as domain;
pub use ostiary_ports as ports;

pub use ostiary_access as access;
pub use ostiary_engine as engine;
pub use ostiary_matching as matching;
pub use ostiary_picture as picture;
pub use ostiary_vision as vision;

pub use ostiary_device as device;
pub use ostiary_link as link;
pub use ostiary_store as store;

pub mod app;

#[cfg(test)]
#[path = "../tests/common/mod.rs"]
mod common;
