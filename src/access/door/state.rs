//! How the door stands, read off its facts.
//!
//! Owns: the one place that names the state. Does not own: changing anything.
//! Invariant: fault before emergency before operator before schedule before none; a state is never stored, so it
//! cannot disagree with the facts.

use super::watch::Stage;
use super::{Door, DoorState, Override};
use ostiary_domain::GrantCause;

impl Door {
    /// How it stands.
    #[must_use]
    pub fn state(&self) -> DoorState {
        if self.wires_broken {
            return DoorState::Fault;
        }
        if self.emergency() {
            return DoorState::EmergencyRelease;
        }
        match self.hold {
            Some(Override { lockdown: true, .. }) => return DoorState::Lockdown,
            Some(Override { lockdown: false, .. }) => return DoorState::UnlockedHold,
            None if self.scheduled => return DoorState::UnlockedHold,
            None => {}
        }
        match self.watch.stage() {
            Some(Stage::Forced) => DoorState::ForcedAlarm,
            Some(Stage::Alarmed) => DoorState::HeldAlarm,
            Some(Stage::Warned) => DoorState::HeldWarn,
            Some(Stage::Quiet) => DoorState::OpenAuthorized,
            None if self.passage.is_some() => DoorState::Unlocking,
            None => DoorState::Locked,
        }
    }

    /// What the relay is energised for; `None` while it is off.
    #[must_use]
    pub const fn driven(&self) -> Option<GrantCause> {
        self.driven
    }

    /// Whether the door stands open; `None` without a contact.
    #[must_use]
    pub const fn contact(&self) -> Option<bool> {
        self.watch.contact()
    }

    /// Closed to every face by an operator.
    #[must_use]
    pub const fn in_lockdown(&self) -> bool {
        matches!(self.hold, Some(Override { lockdown: true, .. }))
    }

    /// Opened without leave and not shut since.
    #[must_use]
    pub fn is_forced(&self) -> bool {
        self.watch.stage() == Some(Stage::Forced)
    }

    /// Open too long: warned or alarmed.
    #[must_use]
    pub fn is_held(&self) -> bool {
        matches!(self.watch.stage(), Some(Stage::Warned | Stage::Alarmed))
    }

    /// The fire alarm calls, whether or not it frees the door.
    #[must_use]
    pub const fn on_fire(&self) -> bool {
        self.fire
    }

    /// The housing is open.
    #[must_use]
    pub const fn is_tampered(&self) -> bool {
        self.tamper
    }
}
