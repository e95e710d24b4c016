//! The rules of access as data: who may pass which door when, and what the door asks for (SPEC 6).
//!
//! Owns: groups, levels, schedules and the door's own rules with their bounds. Does not own: asking them (`access`),
//! their names (the core knows numbers alone), where they are kept.
//! Invariants: what a number points at that is not there opens nothing; an empty book that was never written binds
//! nobody, one that was written lets nobody in but by a level.

use core::fmt;

use super::attendance::AttendanceRules;
use super::calendar::Local;
use super::id::DoorId;
use super::schedule::{Holiday, MAX_HOLIDAYS, Opening, Schedule};
use super::time::Utc;

/// Schedules known in all.
pub const MAX_SCHEDULES: usize = 255;
/// Levels known in all.
pub const MAX_LEVELS: usize = 128;
/// Groups known in all.
pub const MAX_ALL_GROUPS: usize = 255;
/// Schedules by which a door changes what it asks for.
pub const MAX_DOOR_MODES: usize = 8;

/// A set of numbers from 0 to 255: groups, doors.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Numbers([u64; 4]);

impl Numbers {
    /// Every number.
    pub const ALL: Self = Self([u64::MAX; 4]);

    /// Adds one.
    pub const fn insert(&mut self, number: u8) {
        self.0[(number >> 6) as usize] |= 1 << (number & 63);
    }

    /// Whether it is in.
    #[must_use]
    pub const fn contains(&self, number: u8) -> bool {
        self.0[(number >> 6) as usize] >> (number & 63) & 1 == 1
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0[0] | self.0[1] | self.0[2] | self.0[3] == 0
    }

    /// All, rising.
    pub fn iter(&self) -> impl Iterator<Item = u8> + '_ {
        (0..=u8::MAX).filter(|n| self.contains(*n))
    }
}

impl FromIterator<u8> for Numbers {
    fn from_iter<I: IntoIterator<Item = u8>>(numbers: I) -> Self {
        let mut set = Self::default();
        numbers.into_iter().for_each(|n| set.insert(n));
        set
    }
}

impl fmt::Debug for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// A schedule by its number in the book; 0 is always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScheduleNo(pub u8);

impl ScheduleNo {
    /// Open at every minute; asks no clock.
    pub const ALWAYS: Self = Self(0);
}

/// What a visitor must bring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The face.
    #[default]
    Face,
    /// The face, then a PIN.
    FacePin,
    /// An id at the keys, then the face of that person.
    IdFace,
    /// An id and a PIN at the keys; no face.
    Pin,
    /// Nobody is let in.
    Prohibited,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Self; 5] = [Self::Face, Self::FacePin, Self::IdFace, Self::Pin, Self::Prohibited];

    /// The name used in files and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Face => "face",
            Self::FacePin => "face_pin",
            Self::IdFace => "id_face",
            Self::Pin => "pin",
            Self::Prohibited => "prohibited",
        }
    }

    /// The mode of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|m| m.name() == name)
    }
}

/// The side of the area that a reader lets people to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Side {
    /// In.
    #[default]
    Entry,
    /// Out.
    Exit,
}

impl Side {
    /// The name used in files and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Entry => "entry",
            Self::Exit => "exit",
        }
    }

    /// The side of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Entry, Self::Exit].into_iter().find(|s| s.name() == name)
    }
}

/// Where a person went last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passage {
    /// In or out.
    pub side: Side,
    /// When.
    pub at: Utc,
}

/// What is done about a person who goes in twice without having gone out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AntiPassback {
    /// Nothing.
    #[default]
    Off,
    /// Let in and reported.
    Soft,
    /// Kept out and reported.
    Hard,
}

impl AntiPassback {
    /// The name used in files and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Soft => "soft",
            Self::Hard => "hard",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Off, Self::Soft, Self::Hard].into_iter().find(|a| a.name() == name)
    }
}

/// What an operator has set for one person, whatever the groups say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "each is a mark of its own on a person's record")]
pub struct Exceptions {
    /// On the block list.
    pub blocked: bool,
    /// No schedule and no holiday is asked; a group still is.
    pub any_time: bool,
    /// Anti-passback is not asked.
    pub no_apb: bool,
    /// Needs no second person; does not count as the second of another either way.
    pub alone: bool,
    /// Gets the times of the accessible profile.
    pub accessible: bool,
    /// Must bring this instead of what the door asks for.
    pub mode: Option<Mode>,
}

/// The doors that a level opens, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// By number; door 0 does not exist.
    pub doors: Numbers,
    /// When.
    pub schedule: ScheduleNo,
}

/// The rules of the board's own door.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DoorRules {
    /// What a visitor must bring.
    pub mode: Mode,
    /// What instead, by schedule: the first that is open decides.
    pub modes: heapless::Vec<(ScheduleNo, Mode), MAX_DOOR_MODES>,
    /// Held unlocked during this schedule.
    pub unlock: Option<ScheduleNo>,
    /// Held unlocked only once somebody has been let in during it.
    pub first_person: bool,
    /// Two people are needed during this schedule.
    pub dual: Option<ScheduleNo>,
    /// Which way the reader lets people.
    pub side: Side,
    /// A second entry without an exit.
    pub apb: AntiPassback,
    /// The same person again within these seconds; 0: may be.
    pub timed_apb_s: u32,
    /// A passage is forgotten after these seconds; 0: never.
    pub forget_s: u32,
    /// Shut while another door of the lock stands open, or nothing is known of it.
    pub interlock: bool,
}

/// The whole book.
#[derive(Clone, PartialEq, Eq)]
pub struct Rulebook {
    /// Everybody who is enrolled may pass at any time: groups are not asked.
    pub everyone: bool,
    /// Number 1 is the first.
    pub schedules: heapless::Vec<Schedule, MAX_SCHEDULES>,
    /// Days that are not as others.
    pub holidays: heapless::Vec<Holiday, MAX_HOLIDAYS>,
    /// Number 0 is the first.
    pub levels: heapless::Vec<Level, MAX_LEVELS>,
    /// The levels of each group as bits; group 1 is the first.
    pub groups: heapless::Vec<u128, MAX_ALL_GROUPS>,
    /// The board's own door.
    pub door: DoorRules,
    /// The kiosk.
    pub attendance: AttendanceRules,
}

impl Default for Rulebook {
    fn default() -> Self {
        Self {
            everyone: true,
            schedules: heapless::Vec::new(),
            holidays: heapless::Vec::new(),
            levels: heapless::Vec::new(),
            groups: heapless::Vec::new(),
            door: DoorRules::default(),
            attendance: AttendanceRules::default(),
        }
    }
}

// Sixty kilobytes help nobody who reads a log.
impl fmt::Debug for Rulebook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Rulebook({} groups, {} levels, {} schedules, {} holidays)",
            self.groups.len(),
            self.levels.len(),
            self.schedules.len(),
            self.holidays.len()
        )
    }
}

impl Rulebook {
    /// A schedule; `None` where there is none of that number. Number 0 is no entry of the book.
    #[must_use]
    pub fn schedule(&self, number: ScheduleNo) -> Option<&Schedule> {
        self.schedules.get(usize::from(number.0.checked_sub(1)?))
    }

    /// Whether that schedule is open at every minute, so that no clock need be asked.
    #[must_use]
    pub fn is_always(&self, number: ScheduleNo) -> bool {
        number == ScheduleNo::ALWAYS || self.schedule(number).is_some_and(Schedule::is_always)
    }

    /// What that schedule says at a local time; one that is not there is shut.
    #[must_use]
    pub fn at(&self, number: ScheduleNo, local: Local) -> Opening {
        if number == ScheduleNo::ALWAYS {
            return Opening::Open;
        }
        self.schedule(number).map_or(Opening::Shut, |s| s.at(local, &self.holidays))
    }

    /// The levels by which somebody in those groups may open that door.
    pub fn levels_for(&self, groups: &Numbers, door: DoorId) -> impl Iterator<Item = &Level> + '_ {
        let levels = (1_u8..=u8::MAX)
            .zip(&self.groups)
            .filter(|(number, _)| groups.contains(*number))
            .fold(0_u128, |all, (_, levels)| all | levels);
        self.levels
            .iter()
            .enumerate()
            .filter(move |(i, level)| levels >> i & 1 == 1 && level.doors.contains(door.0))
            .map(|(_, level)| level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_a_set() {
        let set: Numbers = [0, 63, 64, 255, 64].into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 63, 64, 255]);
        assert!(!set.contains(1) && !set.is_empty() && Numbers::default().is_empty());
        assert_eq!(Numbers::ALL.iter().count(), 256);
    }

    #[test]
    fn the_book_holds_what_the_specification_wants_and_points_nowhere_else() {
        let mut book = Rulebook { everyone: false, ..Rulebook::default() };
        for _ in 0..MAX_SCHEDULES {
            book.schedules.push(Schedule::default()).unwrap();
        }
        for i in 0..MAX_LEVELS {
            let doors = core::iter::once(i as u8 + 1).collect();
            book.levels.push(Level { doors, schedule: ScheduleNo(255) }).unwrap();
        }
        for i in 0..MAX_ALL_GROUPS {
            book.groups.push(1 << (i % 128)).unwrap();
        }
        let groups: Numbers = [128, 255].into_iter().collect();
        assert_eq!(book.levels_for(&groups, DoorId(128)).count(), 1);
        assert_eq!(book.levels_for(&groups, DoorId(127)).count(), 1);
        assert_eq!(book.levels_for(&groups, DoorId(1)).count(), 0);
        assert!(book.schedule(ScheduleNo(255)).is_some() && book.schedule(ScheduleNo(0)).is_none());
        book.schedules.truncate(10);
        let local = Local { day: super::super::calendar::Day(0), minute: 0 };
        assert_eq!(book.at(ScheduleNo(11), local), Opening::Shut);
        assert_eq!(book.at(ScheduleNo::ALWAYS, local), Opening::Open);
        assert!(core::mem::size_of::<Rulebook>() < 100_000);
    }
}
