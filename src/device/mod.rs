//! The hardware and its stand-ins: everything that can block, fail or be unplugged.
//!
//! Owns: the adapters behind the ports. Does not own: decisions; any adapter may fail at any time and the door
//! stays locked. Adapters know `domain`, `ports` and `picture`, never each other's business, never the store.
//! Invariant: `unsafe` would be allowed here and is not needed.

pub mod clock_os;
pub mod clock_sim;
pub mod sim;
