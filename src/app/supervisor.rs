//! Progress of every loop, and what follows when one stands still.
//!
//! Owns: the stamps and the verdict over them. Does not own: the loops, the watchdog device, the relay.
//! Invariants: a stamp is one relaxed store (no lock, no allocation); a loop that never stamped counts from the
//! moment it was registered; the watchdog is fed only while every stamp is fresh.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::domain::{Millis, Mono};

/// The loops that must move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loop {
    /// Reads the camera.
    Capture,
    /// Looks at frames.
    Vision,
    /// Decides and drives the relay.
    Control,
    /// Writes events to disk.
    Journal,
    /// Draws screens.
    Display,
}

impl Loop {
    /// Every loop.
    pub const ALL: [Self; 5] = [Self::Capture, Self::Vision, Self::Control, Self::Journal, Self::Display];

    /// The name used in logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Capture => "capture",
            Self::Vision => "vision",
            Self::Control => "control",
            Self::Journal => "journal",
            Self::Display => "display",
        }
    }

    /// How long the loop may take for one turn. The control loop holds the relay and gets the least.
    #[must_use]
    pub const fn patience(self) -> Millis {
        match self {
            Self::Control => Millis(1_500),
            // A look on the slowest board we name takes under a second; a cold first one more.
            Self::Capture | Self::Vision => Millis(4_000),
            // SD cards stall for seconds while they erase.
            Self::Journal | Self::Display => Millis(10_000),
        }
    }
}

/// The stamps, shared by all loops.
#[derive(Clone)]
pub struct Stamps(Arc<[AtomicU64; Loop::ALL.len()]>);

impl Stamps {
    /// All fresh at `now`.
    #[must_use]
    pub fn new(now: Mono) -> Self {
        Self(Arc::new(std::array::from_fn(|_| AtomicU64::new(now.0))))
    }

    /// Says that the loop moved.
    pub fn stamp(&self, which: Loop, now: Mono) {
        self.0[which as usize].store(now.0, Ordering::Relaxed);
    }

    /// Loops that have not moved for longer than they may.
    pub fn stale(&self, now: Mono) -> impl Iterator<Item = (Loop, Millis)> + '_ {
        Loop::ALL.into_iter().filter_map(move |which| {
            let idle = now.since(Mono(self.0[which as usize].load(Ordering::Relaxed)));
            (idle > which.patience()).then_some((which, idle))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_that_stands_still_is_named_and_forgiven_when_it_moves() {
        let stamps = Stamps::new(Mono(1_000));
        assert_eq!(stamps.stale(Mono(2_400)).count(), 0);
        let stale: Vec<_> = stamps.stale(Mono(2_600)).map(|(l, _)| l).collect();
        assert_eq!(stale, [Loop::Control]);
        stamps.stamp(Loop::Control, Mono(2_600));
        assert_eq!(stamps.stale(Mono(2_600)).count(), 0);
        assert_eq!(stamps.stale(Mono(60_000)).count(), Loop::ALL.len());
    }
}
