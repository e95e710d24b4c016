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
pub mod sim;
pub mod walkup;
pub mod yuv;

use std::fmt::{self, Write as _};

use crate::ports::Detail;

/// A short text for the installer, cut where it does not fit; needs no heap.
fn detail(text: fmt::Arguments<'_>) -> Detail {
    struct Clip(Detail);
    impl fmt::Write for Clip {
        fn write_str(&mut self, s: &str) -> fmt::Result {
            s.chars().try_for_each(|c| self.0.push(c).map_err(|_| fmt::Error))
        }
    }
    let mut clip = Clip(Detail::new());
    // A cut text is what is wanted when it does not fit.
    let _ = clip.write_fmt(text);
    clip.0
}
