//! The hardware and its stand-ins: everything that can block, fail or be unplugged.
//!
//! Owns: the adapters behind the ports. Does not own: decisions; any adapter may fail at any time and the door
//! stays locked. Adapters know `domain`, `ports` and `picture`, never the store, never the network.
//! Invariant: `unsafe` would be allowed here and is not needed.

pub mod camera_v4l;
pub mod clock_os;
pub mod clock_sim;
pub mod console;
pub mod display;
pub mod door_gpio;
pub mod frozen;
pub mod no_panel;
pub mod notify;
pub mod replay;
pub mod signals;
pub mod sim;
pub mod visitors;
pub mod walkup;
pub mod yuv;

use ostiary_domain::event::detail;
