//! Punches of the attendance kiosk (SPEC 7), and how one comes to be.
//!
//! Owns: what a punch is, its words, the rules by which a grant becomes one. Does not own: records and totals (outside
//! the core), the moment (`access`).
//! Invariants: a punch names a person by id; nothing edits one: what was wrong is corrected by another.

use super::id::PersonId;
use super::rulebook::ScheduleNo;
use super::time::{Now, Utc};

/// Function keys that may stand for something.
pub const MAX_KEYS: usize = super::keypad::MAX_FUNCTION_KEYS as usize;
/// Schedules that choose a kind.
pub const MAX_KIND_SCHEDULES: usize = 8;
/// A punch within these seconds of the last one is the same punch (SPEC 7).
pub const SAME_PUNCH_S: u32 = 60;
/// Whoever came in longer ago than this comes in anew.
pub const LONGEST_SHIFT_S: u32 = 16 * 3_600;

/// What a punch says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the name says it; SPEC 7 lists them")]
pub enum PunchKind {
    #[default]
    CheckIn,
    CheckOut,
    BreakOut,
    BreakIn,
    OvertimeIn,
    OvertimeOut,
}

impl PunchKind {
    /// Every kind, in the order of SPEC 7.
    pub const ALL: [Self; 6] =
        [Self::CheckIn, Self::CheckOut, Self::BreakOut, Self::BreakIn, Self::OvertimeIn, Self::OvertimeOut];

    /// The name used in files and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CheckIn => "check_in",
            Self::CheckOut => "check_out",
            Self::BreakOut => "break_out",
            Self::BreakIn => "break_in",
            Self::OvertimeIn => "ot_in",
            Self::OvertimeOut => "ot_out",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.name() == name)
    }

    /// Whether somebody is at work after it.
    #[must_use]
    pub const fn is_in(self) -> bool {
        match self {
            Self::CheckIn | Self::BreakIn | Self::OvertimeIn => true,
            Self::CheckOut | Self::BreakOut | Self::OvertimeOut => false,
        }
    }
}

/// How it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PunchSource {
    /// At the door, by face.
    Face,
    /// At the door, by id and PIN.
    Pin,
    /// By somebody in the office.
    Manual,
}

impl PunchSource {
    /// The name used in files and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Face => "face",
            Self::Pin => "pin",
            Self::Manual => "manual",
        }
    }

    /// The source of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Face, Self::Pin, Self::Manual].into_iter().find(|s| s.name() == name)
    }
}

/// One punch at the door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Punch {
    /// Who.
    pub person: PersonId,
    /// When, and whether the clock was believed.
    pub at: Now,
    /// What.
    pub kind: PunchKind,
    /// Job code of the key that was pressed; 0: none.
    pub job: u16,
    /// How.
    pub source: PunchSource,
}

/// A punch that a person made last, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastPunch {
    /// What.
    pub kind: PunchKind,
    /// When.
    pub at: Utc,
}

/// What chooses the kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PunchMode {
    /// No attendance here.
    #[default]
    Off,
    /// The visitor, by a key each time.
    User,
    /// The key that was pressed last, whoever pressed it.
    Last,
    /// A schedule; outside of all, the fixed kind.
    Schedule,
    /// Always the same.
    Fixed,
    /// In and out by turns, for each person.
    Toggle,
}

impl PunchMode {
    /// Every mode.
    pub const ALL: [Self; 6] = [Self::Off, Self::User, Self::Last, Self::Schedule, Self::Fixed, Self::Toggle];

    /// The name used in files and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::User => "user",
            Self::Last => "last",
            Self::Schedule => "schedule",
            Self::Fixed => "fixed",
            Self::Toggle => "toggle",
        }
    }

    /// The mode of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|m| m.name() == name)
    }
}

/// What a function key stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PunchKey {
    /// The kind.
    pub kind: PunchKind,
    /// A job code; 0: none.
    pub job: u16,
}

/// The kiosk's rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttendanceRules {
    /// What chooses the kind.
    pub mode: PunchMode,
    /// The kind where nothing else chooses one.
    pub fixed: PunchKind,
    /// The first that is open chooses.
    pub schedules: heapless::Vec<(ScheduleNo, PunchKind), MAX_KIND_SCHEDULES>,
    /// Key 1 is the first.
    pub keys: [Option<PunchKey>; MAX_KEYS],
    /// A punch within these seconds of the person's last is the same punch.
    pub same_s: u32,
}

impl Default for AttendanceRules {
    fn default() -> Self {
        let mut keys = [None; MAX_KEYS];
        for (key, kind) in keys.iter_mut().zip(PunchKind::ALL) {
            *key = Some(PunchKey { kind, job: 0 });
        }
        Self {
            mode: PunchMode::Off,
            fixed: PunchKind::CheckIn,
            schedules: heapless::Vec::new(),
            keys,
            same_s: SAME_PUNCH_S,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_again_and_the_first_keys_are_the_kinds() {
        assert!(PunchKind::ALL.into_iter().all(|k| PunchKind::from_name(k.name()) == Some(k)));
        assert!(PunchMode::ALL.into_iter().all(|m| PunchMode::from_name(m.name()) == Some(m)));
        let rules = AttendanceRules::default();
        assert_eq!(rules.keys[1].map(|k| k.kind), Some(PunchKind::CheckOut));
        assert!(rules.keys[6..].iter().all(Option::is_none));
    }
}
