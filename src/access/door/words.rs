//! The words in which the door is spoken to and of.
//!
//! Owns: states, orders and inputs as data. Does not own: what they lead to (the machine beside).
//! Invariant: an override that exists lasts a day at most, or until released.

use core::fmt;

use ostiary_domain::{GrantCause, Millis, Mono};

/// Longest operator override.
pub const MAX_OVERRIDE_S: u32 = 86_400;

/// How the door stands (SPEC 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DoorState {
    /// Locked and, as far as is known, shut.
    Locked,
    /// Unlocked for a moment; not opened yet.
    Unlocking,
    /// Open, and nothing is wrong with that (yet). Also a door found open at the start.
    OpenAuthorized,
    /// Open too long: warning.
    HeldWarn,
    /// Open too long: alarm.
    HeldAlarm,
    /// Opened without an unlocking.
    ForcedAlarm,
    /// Held unlocked by an operator or a schedule.
    UnlockedHold,
    /// Closed to every face by an operator.
    Lockdown,
    /// Freed by the fire alarm.
    EmergencyRelease,
    /// The wires do not obey: the relay is off.
    Fault,
}

impl DoorState {
    /// The name used in answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Locked => "locked",
            Self::Unlocking => "unlocking",
            Self::OpenAuthorized => "open_authorized",
            Self::HeldWarn => "held_warn",
            Self::HeldAlarm => "held_alarm",
            Self::ForcedAlarm => "forced_alarm",
            Self::UnlockedHold => "unlocked_hold",
            Self::Lockdown => "lockdown",
            Self::EmergencyRelease => "emergency_release",
            Self::Fault => "fault",
        }
    }
}

/// An operator's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// Unlock once, as for a grant.
    Open,
    /// Hold unlocked.
    Unlock(OverrideTime),
    /// Lock now; ends an unlocking and a hold, also a schedule's until its next edge.
    Lock,
    /// Close to every face. The exit button and the fire alarm still free the door.
    Lockdown(OverrideTime),
    /// End hold and lockdown.
    Release,
}

/// What the door is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoorInput {
    /// Somebody may pass.
    Grant {
        /// By face, or by PIN where no face is asked for.
        cause: GrantCause,
        /// With the times of the accessible profile.
        slow: bool,
    },
    /// The exit button was pressed then.
    Rex(Mono),
    /// The contact opened (`true`) or closed then; `first`: nothing was known before.
    Contact {
        /// Whether the door stands open.
        open: bool,
        /// Since when.
        since: Mono,
        /// Nothing was known of it before.
        first: bool,
    },
    /// The fire alarm calls, or not.
    Fire(bool),
    /// The housing is open, or not.
    Tamper(bool),
    /// A schedule begins or ends to hold the door unlocked.
    Schedule(bool),
    /// An order.
    Operator(Operator),
    /// The wires do not obey, or do again.
    WiresBroken(bool),
    /// No face can be judged (camera, board), or can again: what a face opened is locked.
    FacesBarred(bool),
}

/// How long an operator's override lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverrideTime(u32);

impl OverrideTime {
    /// Until an operator releases it.
    pub const UNTIL_RELEASED: Self = Self(0);

    /// 1 to 86,400 seconds; 0 means until released.
    ///
    /// # Errors
    /// When it is longer than a day.
    pub const fn seconds(seconds: u32) -> Result<Self, OverrideTooLong> {
        if seconds > MAX_OVERRIDE_S { Err(OverrideTooLong { seconds }) } else { Ok(Self(seconds)) }
    }

    /// The span, `None` for one that lasts until released.
    #[must_use]
    pub const fn span(self) -> Option<Millis> {
        if self.0 == 0 { None } else { Some(Millis::secs(self.0 as u64)) }
    }
}

/// An override longer than a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverrideTooLong {
    /// What was asked for.
    pub seconds: u32,
}

impl fmt::Display for OverrideTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.seconds;
        write!(
            f,
            "an override of {seconds} s is too long; give 1 to {MAX_OVERRIDE_S}, or 0 for until released"
        )
    }
}

impl core::error::Error for OverrideTooLong {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_override_lasts_a_day_at_most() {
        assert_eq!(OverrideTime::seconds(0).map(OverrideTime::span), Ok(None));
        assert_eq!(OverrideTime::seconds(86_400).map(OverrideTime::span), Ok(Some(Millis::secs(86_400))));
        assert_eq!(OverrideTime::seconds(86_401), Err(OverrideTooLong { seconds: 86_401 }));
    }
}
