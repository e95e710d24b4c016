//! Every time, count and choice of the gate: its name, default and range, once.
//!
//! Owns: [`Settings`] as an installer gives them and [`GateConfig`], the same after the check.
//! Does not own: how a file spells them (`app::config`).
//! Invariants: a `GateConfig` that exists is in range; times are milliseconds and say so in their names.

use core::fmt;

use ostiary_domain::{DoorId, Millis};

/// A look whose frame was captured longer ago counts as none. A frame may be 500 ms old when it is picked up (SPEC 1,
/// held by the camera and the vision loop); the rest is what looking takes on a slow board. [D]
pub const MAX_LOOK_AGE: Millis = Millis(1_200);
/// An opening this soon after the relay went off still belongs to the unlocking: a hand already on the handle,
/// a door that bounced before it latched. [D]
pub const RELOCK_GRACE: Millis = Millis(500);
/// A press of the exit button that reaches the gate later than this (a stalled process) is logged and unlocks
/// nothing. [D]
pub const MAX_PRESS_AGE: Millis = Millis::secs(2);
/// Attacks further apart than this do not add up to a lock-out. [D]
pub const LOCKOUT_WINDOW: Millis = Millis::secs(300);
/// The same refusal of the same track is decided and logged again only after this. [D]
pub const REPEAT_DENIAL: Millis = Millis::secs(30);
/// Most attacks that a lock-out may be set to wait for.
pub const MAX_LOCKOUT_FAILURES: usize = 20;

/// What to do with whatever needs a clock while the clock cannot be trusted.
///
/// Either way no schedule then holds the door unlocked: a door may stay shut too long, never stand open too long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UntrustedClock {
    /// Every limit binds: whoever has a first or last day is refused as `expired`; a schedule that is not open at
    /// every minute is shut; the strictest of the door's modes holds, and two people are needed where they ever
    /// are; a passage of before this start is neither forgotten nor long ago.
    #[default]
    RefuseLimited,
    /// No limit binds: first and last days are not asked; a schedule that exists is open; the door asks what it
    /// asks for outside its schedules; a passage of before this start is forgotten.
    IgnoreLimits,
}

/// The gate's settings, not yet checked. Ranges stand in [`GateConfig::checked`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own, named in the file")]
pub struct Settings {
    /// Which door.
    pub door: DoorId,
    /// How long an unlocking lasts.
    pub strike_ms: u32,
    /// Lock again as soon as the door was opened and closed.
    pub relock_on_close: bool,
    /// Open for this long: warning.
    pub held_warn_ms: u32,
    /// Open for this long: alarm; longer than the warning.
    pub held_alarm_ms: u32,
    /// This door gives everybody the times of the accessible profile.
    pub accessible: bool,
    /// What the accessible profile adds to strike, warning and alarm.
    pub accessible_extra_ms: u32,
    /// The exit button energises the relay; otherwise it only shunts the forced-open alarm.
    pub rex_unlocks: bool,
    /// For how long the exit button shunts the forced-open alarm.
    pub rex_shunt_ms: u32,
    /// The fire input frees the door; otherwise it is logged and shown.
    pub fire_unlocks: bool,
    /// How long an input must stand still to count.
    pub debounce_ms: u32,
    /// Looks of one track that must name the same person.
    pub consistent_frames: u8,
    /// Looks of one track without an identity before the answer is no.
    pub unknown_frames: u8,
    /// Within which those looks must come.
    pub consistent_window_ms: u32,
    /// No second grant for the same track within this.
    pub regrant_ms: u32,
    /// After a refusal the same track is asked again after this.
    pub retry_ms: u32,
    /// After an attack nobody is looked at for this; the attacking track never again.
    pub spoof_pause_ms: u32,
    /// Somebody there this long and never good enough: event `no_face_timeout`. 0 = never.
    pub no_face_timeout_ms: u32,
    /// Nobody seen for this long: the visitor is gone.
    pub absent_ms: u32,
    /// How long a result stays on the display.
    pub result_ms: u32,
    /// Attacks that lock the reader.
    pub lockout_failures: u8,
    /// For how long.
    pub lockout_ms: u32,
    /// How long the first of two people is remembered for the second.
    pub dual_ms: u32,
    /// How long the keys wait for the next try: for an id, for a PIN.
    pub pin_ms: u32,
    /// Whatever needs a clock, while the clock cannot be trusted.
    pub untrusted_clock: UntrustedClock,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            door: DoorId(1),
            strike_ms: 5_000,
            relock_on_close: true,
            held_warn_ms: 20_000,
            held_alarm_ms: 30_000,
            accessible: false,
            accessible_extra_ms: 10_000,
            rex_unlocks: true,
            rex_shunt_ms: 5_000,
            fire_unlocks: false,
            debounce_ms: 50,
            consistent_frames: 2,
            unknown_frames: 3,
            consistent_window_ms: 2_000,
            regrant_ms: 15_000,
            retry_ms: 2_000,
            spoof_pause_ms: 1_000,
            no_face_timeout_ms: 15_000,
            absent_ms: 1_500,
            result_ms: 3_000,
            lockout_failures: 5,
            lockout_ms: 30_000,
            dual_ms: 15_000,
            pin_ms: 20_000,
            untrusted_clock: UntrustedClock::RefuseLimited,
        }
    }
}

/// One number of [`Settings`]: its name and the range it must lie in.
struct Range {
    name: &'static str,
    low: u32,
    high: u32,
    value: fn(&Settings) -> u32,
}

const RANGES: [Range; 20] = [
    Range { name: "strike_ms", low: 500, high: 60_000, value: |s| s.strike_ms },
    Range { name: "held_warn_ms", low: 1_000, high: 3_600_000, value: |s| s.held_warn_ms },
    Range { name: "held_alarm_ms", low: 1_000, high: 3_600_000, value: |s| s.held_alarm_ms },
    Range { name: "accessible_extra_ms", low: 1_000, high: 60_000, value: |s| s.accessible_extra_ms },
    Range { name: "rex_shunt_ms", low: 1_000, high: 60_000, value: |s| s.rex_shunt_ms },
    Range { name: "debounce_ms", low: 5, high: 1_000, value: |s| s.debounce_ms },
    Range { name: "consistent_frames", low: 1, high: 10, value: |s| u32::from(s.consistent_frames) },
    Range { name: "unknown_frames", low: 1, high: 30, value: |s| u32::from(s.unknown_frames) },
    Range { name: "consistent_window_ms", low: 100, high: 10_000, value: |s| s.consistent_window_ms },
    Range { name: "regrant_ms", low: 1_000, high: 600_000, value: |s| s.regrant_ms },
    Range { name: "retry_ms", low: 0, high: 60_000, value: |s| s.retry_ms },
    Range { name: "spoof_pause_ms", low: 0, high: 60_000, value: |s| s.spoof_pause_ms },
    Range { name: "no_face_timeout_ms", low: 0, high: 600_000, value: |s| s.no_face_timeout_ms },
    Range { name: "absent_ms", low: 200, high: 60_000, value: |s| s.absent_ms },
    Range { name: "result_ms", low: 500, high: 30_000, value: |s| s.result_ms },
    Range {
        name: "lockout_failures",
        low: 1,
        high: MAX_LOCKOUT_FAILURES as u32,
        value: |s| u32::from(s.lockout_failures),
    },
    Range { name: "lockout_ms", low: 1_000, high: 3_600_000, value: |s| s.lockout_ms },
    Range { name: "dual_ms", low: 5_000, high: 60_000, value: |s| s.dual_ms },
    Range { name: "pin_ms", low: 5_000, high: 60_000, value: |s| s.pin_ms },
    Range { name: "door", low: 1, high: 255, value: |s| u32::from(s.door.0) },
];

/// Settings that were checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GateConfig(Settings);

impl GateConfig {
    /// Takes settings whose every number is in its range.
    ///
    /// # Errors
    /// Names the first number that is not, or an alarm that does not come after its warning.
    pub fn checked(settings: Settings) -> Result<Self, ConfigError> {
        for Range { name, low, high, value } in &RANGES {
            let value = value(&settings);
            if value < *low || value > *high {
                return Err(ConfigError::Range { name, low: *low, high: *high, value });
            }
        }
        if settings.held_alarm_ms <= settings.held_warn_ms {
            return Err(ConfigError::AlarmBeforeWarning);
        }
        Ok(Self(settings))
    }

    /// The settings.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.0
    }

    /// How long an unlocking lasts, the accessible profile included.
    #[must_use]
    pub const fn strike(&self) -> Millis {
        self.extended(self.0.strike_ms)
    }

    /// Open for this long: warning; the accessible profile included.
    #[must_use]
    pub const fn held_warn(&self) -> Millis {
        self.extended(self.0.held_warn_ms)
    }

    /// Open for this long: alarm; the accessible profile included.
    #[must_use]
    pub const fn held_alarm(&self) -> Millis {
        self.extended(self.0.held_alarm_ms)
    }

    /// What somebody who needs the times of the accessible profile gets beyond what this door gives everybody.
    #[must_use]
    pub const fn extra_for(&self, slow: bool) -> Millis {
        let extra = if slow && !self.0.accessible { self.0.accessible_extra_ms } else { 0 };
        Millis(extra as u64)
    }

    const fn extended(&self, ms: u32) -> Millis {
        let extra = if self.0.accessible { self.0.accessible_extra_ms } else { 0 };
        Millis(ms as u64 + extra as u64)
    }
}

/// Why settings are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// A number is out of its range.
    Range {
        /// Its name.
        name: &'static str,
        /// Smallest allowed.
        low: u32,
        /// Largest allowed.
        high: u32,
        /// What was given.
        value: u32,
    },
    /// The held-open alarm does not come after its warning.
    AlarmBeforeWarning,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range { name, low, high, value } => {
                write!(f, "{name} is {value}; it may be {low} to {high}")
            }
            Self::AlarmBeforeWarning => {
                f.write_str("held_alarm_ms must be longer than held_warn_ms: the warning comes first")
            }
        }
    }
}

impl core::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_in_range() {
        assert_eq!(GateConfig::checked(Settings::default()), Ok(GateConfig::default()));
    }

    #[test]
    fn each_number_out_of_range_is_refused_by_name() {
        let bad = [
            (Settings { strike_ms: 0, ..Settings::default() }, "strike_ms"),
            (Settings { strike_ms: 60_001, ..Settings::default() }, "strike_ms"),
            (Settings { consistent_frames: 0, ..Settings::default() }, "consistent_frames"),
            (Settings { consistent_frames: 11, ..Settings::default() }, "consistent_frames"),
            (Settings { lockout_failures: 21, ..Settings::default() }, "lockout_failures"),
            (Settings { debounce_ms: u32::MAX, ..Settings::default() }, "debounce_ms"),
            (Settings { door: DoorId(0), ..Settings::default() }, "door"),
        ];
        for (settings, wanted) in bad {
            match GateConfig::checked(settings) {
                Err(ConfigError::Range { name, .. }) => assert_eq!(name, wanted),
                other => panic!("{wanted}: {other:?}"),
            }
        }
        let swapped = Settings { held_alarm_ms: 20_000, ..Settings::default() };
        assert_eq!(GateConfig::checked(swapped), Err(ConfigError::AlarmBeforeWarning));
    }

    #[test]
    fn the_accessible_profile_adds_its_time_everywhere() {
        let config = GateConfig::checked(Settings { accessible: true, ..Settings::default() }).unwrap();
        assert_eq!(config.strike(), Millis::secs(15));
        assert_eq!((config.held_warn(), config.held_alarm()), (Millis::secs(30), Millis::secs(40)));
    }
}
