//! What the door machine wants done, before the gate gives it time and names.
//!
//! Owns: a short bounded list. Does not own: the order book towards the world (`outputs`).
//! Invariant: one step of the door fills at most `MAX_EFFECTS`; the tests in `space` count the most there are.

use ostiary_domain::{EventKind, GrantCause};

/// Room for one step of the door with every deadline due at once.
pub const MAX_EFFECTS: usize = 12;

/// One thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoorEffect {
    /// Energise the relay for that cause, or release it.
    Relay(Option<GrantCause>),
    /// Log that it was energised.
    Unlocked(GrantCause),
    /// Log something else.
    Event(EventKind, &'static str),
}

/// A list of them.
#[derive(Clone, Debug, Default)]
pub struct Effects {
    list: heapless::Vec<DoorEffect, MAX_EFFECTS>,
}

impl Effects {
    /// Adds one.
    pub fn push(&mut self, effect: DoorEffect) {
        // The bound is proved by exploring every reachable state; should it ever be wrong, a release of the relay
        // must not be what is lost.
        if let Err(effect) = self.list.push(effect) {
            debug_assert!(false, "effects overflow");
            if let (DoorEffect::Relay(_), Some(last)) = (effect, self.list.last_mut()) {
                *last = effect;
            }
        }
    }

    /// Adds an event.
    pub fn event(&mut self, kind: EventKind, detail: &'static str) {
        self.push(DoorEffect::Event(kind, detail));
    }

    /// All, in order.
    #[must_use]
    pub fn all(&self) -> &[DoorEffect] {
        &self.list
    }
}
