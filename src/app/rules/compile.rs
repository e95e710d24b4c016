//! From the file to the core's book: names to numbers, texts to periods, every reference checked.
//!
//! Owns: the check and its messages. Does not own: the file's shape (`file`), the book's bounds (`domain`).
//! Invariants: a [`Rules`] that exists points nowhere outside itself; numbers follow the order of the names, so the
//! same file gives the same book.

use std::collections::BTreeMap;
use std::fmt;

use jiff::tz::TimeZone;

use super::file::{AttendanceText, DoorText, HolidayText, LevelText, RulesFile, ScheduleText};
use super::times::{date, periods};
use super::zone::named;
use crate::domain::attendance::{AttendanceRules, MAX_KEYS, MAX_KIND_SCHEDULES, PunchKey, PunchMode};
use crate::domain::rulebook::{
    AntiPassback, DoorRules, Level, MAX_ALL_GROUPS, MAX_DOOR_MODES, MAX_LEVELS, MAX_SCHEDULES,
};
use crate::domain::schedule::{MAX_HOLIDAYS, Periods};
use crate::domain::{Holiday, Mode, Numbers, Person, PunchKind, Rulebook, Schedule, ScheduleNo, Side};

/// Longest name of a group, a level, a schedule: that of a label on a person.
const MAX_NAME: usize = crate::domain::limits::MAX_LABEL;
/// The schedule that is there without being written.
const ALWAYS: &str = "always";

/// Why a file holds no rules.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    /// No TOML or JSON of that shape.
    #[error("{0}")]
    Form(String),
    /// No period.
    #[error("{0:?} is no period; write 08:00-18:00, or 22:00-06:00 for one over midnight")]
    Period(String),
    /// No date.
    #[error("{0:?} is no date; write 12-25 for every year or 2026-12-25 for one")]
    Date(String),
    /// No instant.
    #[error("{0:?} is no time; write 2026-11-21T08:00 (local), 2026-11-21 or 2026-11-21T08:00:00Z")]
    When(String),
    /// No holiday.
    #[error("the holiday {0:?} needs a day that exists, 1 to 366 days and groups from 1 to 4")]
    Holiday(String),
    /// No zone.
    #[error("there is no time zone {0:?}; write one as in Europe/Zurich")]
    Zone(String),
    /// A name that is not defined.
    #[error("{place} names the {what} {name:?}, which is not defined{hint}")]
    Unknown {
        /// Where it is named.
        place: String,
        /// Of what kind.
        what: &'static str,
        /// The name.
        name: String,
        /// The nearest right one.
        hint: String,
    },
    /// A word that is none of the list.
    #[error("{key} is {value:?}; it may be {allowed}")]
    Word {
        /// Which key.
        key: &'static str,
        /// What was given.
        value: String,
        /// What may be.
        allowed: String,
    },
    /// A number out of its range.
    #[error("{key} is {value}; it may be 0 to {most}")]
    Range {
        /// Which key.
        key: &'static str,
        /// What was given.
        value: u32,
        /// The most.
        most: u32,
    },
    /// More than the door can hold.
    #[error("too many {what}; there may be {most}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        most: usize,
    },
    /// A name that is none.
    #[error("{0:?} is no name for a schedule, level or group; 1 to 64 bytes, and always is taken")]
    Name(String),
    /// Door 0.
    #[error("the level {0:?} names door 0; doors are counted from 1")]
    Door(String),
}

/// Rules that fit together.
#[derive(Clone)]
pub struct Rules {
    file: RulesFile,
    book: Box<Rulebook>,
    groups: BTreeMap<String, u8>,
    zone: TimeZone,
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rules({:?})", self.book)
    }
}

impl Rules {
    /// What holds before any rules were written: everybody who is enrolled may pass.
    #[must_use]
    pub fn unwritten() -> Self {
        let file = RulesFile { everyone: true, ..RulesFile::default() };
        let book = Box::new(Rulebook::default());
        Self { file, book, groups: BTreeMap::new(), zone: TimeZone::system() }
    }

    /// Reads TOML, or JSON where the text begins with a brace.
    ///
    /// # Errors
    /// See [`RulesError`].
    pub fn read(text: &str) -> Result<Self, RulesError> {
        let file = if text.trim_start().starts_with('{') {
            serde_json::from_str(text).map_err(|e| RulesError::Form(e.to_string()))
        } else {
            toml::from_str(text).map_err(|e| RulesError::Form(e.to_string().trim_end().to_owned()))
        };
        Self::check(file?)
    }

    /// Checks a file.
    ///
    /// # Errors
    /// See [`RulesError`]; the first thing that is wrong.
    pub fn check(file: RulesFile) -> Result<Self, RulesError> {
        let zone = match &file.time_zone {
            Some(name) => named(name)?,
            None => TimeZone::system(),
        };
        let schedules = numbered(&file.schedules, MAX_SCHEDULES, "schedules", 1)?;
        let levels = numbered(&file.levels, MAX_LEVELS, "levels", 0)?;
        let groups = numbered(&file.groups, MAX_ALL_GROUPS, "groups", 1)?;
        let mut book = Box::new(Rulebook { everyone: file.everyone, ..Rulebook::default() });
        let full = |what, most| RulesError::TooMany { what, most };
        for text in file.schedules.values() {
            book.schedules.push(schedule(text)?).map_err(|_| full("schedules", MAX_SCHEDULES))?;
        }
        for (name, text) in &file.levels {
            let level = level(name, text, &schedules)?;
            book.levels.push(level).map_err(|_| full("levels", MAX_LEVELS))?;
        }
        for (name, text) in &file.groups {
            let place = || format!("the group {name:?}");
            let mut bits = 0_u128;
            for level in &text.levels {
                bits |= 1 << look_up(&levels, level, "level", place)?;
            }
            book.groups.push(bits).map_err(|_| full("groups", MAX_ALL_GROUPS))?;
        }
        for text in &file.holidays {
            book.holidays.push(holiday(text)?).map_err(|_| full("holidays", MAX_HOLIDAYS))?;
        }
        book.door = door(&file.door, &schedules)?;
        book.attendance = attendance(&file.attendance, &schedules)?;
        Ok(Self { file, book, groups, zone })
    }

    /// The core's book.
    #[must_use]
    pub const fn book(&self) -> &Rulebook {
        &self.book
    }

    /// As it was written.
    #[must_use]
    pub const fn file(&self) -> &RulesFile {
        &self.file
    }

    /// Whose clocks count.
    #[must_use]
    pub const fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The numbers of a person's groups; a name that is not defined here is no group.
    #[must_use]
    pub fn groups_of(&self, person: &Person) -> Numbers {
        person.groups.iter().filter_map(|name| self.groups.get(name.as_str())).copied().collect()
    }

    /// Whether a group of that name is defined.
    #[must_use]
    pub fn has_group(&self, name: &str) -> bool {
        self.groups.contains_key(name)
    }

    /// The name of a level.
    #[must_use]
    pub fn level_name(&self, number: usize) -> &str {
        self.file.levels.keys().nth(number).map_or("?", String::as_str)
    }

    /// The name of a schedule.
    #[must_use]
    pub fn schedule_name(&self, number: ScheduleNo) -> &str {
        match usize::from(number.0).checked_sub(1) {
            None => ALWAYS,
            Some(at) => self.file.schedules.keys().nth(at).map_or("?", String::as_str),
        }
    }
}

type NumberOf = BTreeMap<String, u8>;

fn numbered<T>(
    all: &BTreeMap<String, T>,
    most: usize,
    what: &'static str,
    first: u8,
) -> Result<NumberOf, RulesError> {
    if all.len() > most {
        return Err(RulesError::TooMany { what, most });
    }
    let sound = |name: &str| !name.trim().is_empty() && name.len() <= MAX_NAME && name != ALWAYS;
    if let Some(name) = all.keys().find(|name| !sound(name)) {
        return Err(RulesError::Name(name.clone()));
    }
    Ok(all.keys().cloned().zip(first..=u8::MAX).collect())
}

fn look_up(
    all: &NumberOf,
    name: &str,
    what: &'static str,
    place: impl Fn() -> String,
) -> Result<u8, RulesError> {
    all.get(name).copied().ok_or_else(|| {
        let nearest = all.keys().min_by_key(|known| strsim::damerau_levenshtein(name, known));
        let hint = nearest.map_or_else(String::new, |known| format!("; did you mean {known:?}?"));
        RulesError::Unknown { place: place(), what, name: name.to_owned(), hint }
    })
}

fn schedule_no(all: &NumberOf, name: &str, place: impl Fn() -> String) -> Result<ScheduleNo, RulesError> {
    if name == ALWAYS {
        return Ok(ScheduleNo::ALWAYS);
    }
    look_up(all, name, "schedule", place).map(ScheduleNo)
}

fn schedule(text: &ScheduleText) -> Result<Schedule, RulesError> {
    let own = [
        &text.monday,
        &text.tuesday,
        &text.wednesday,
        &text.thursday,
        &text.friday,
        &text.saturday,
        &text.sunday,
    ];
    let mut schedule = Schedule::default();
    for (i, (day, own)) in schedule.week.iter_mut().zip(own).enumerate() {
        let part = if i < 5 { &text.weekdays } else { &text.weekend };
        *day = periods(own.as_ref().or(part.as_ref()).unwrap_or(&text.daily))?;
    }
    let special = [&text.holiday_1, &text.holiday_2, &text.holiday_3, &text.holiday_4];
    for (group, own) in schedule.holidays.iter_mut().zip(special) {
        *group = match own {
            None => Some(Periods::new()),
            Some(words) if *words == ["as_usual"] => None,
            Some(words) => Some(periods(words)?),
        };
    }
    Ok(schedule)
}

fn level(name: &str, text: &LevelText, schedules: &NumberOf) -> Result<Level, RulesError> {
    if text.doors.contains(&0) {
        return Err(RulesError::Door(name.to_owned()));
    }
    let schedule = schedule_no(schedules, &text.schedule, || format!("the level {name:?}"))?;
    Ok(Level { doors: text.doors.iter().copied().collect(), schedule })
}

fn holiday(text: &HolidayText) -> Result<Holiday, RulesError> {
    let wrong = || RulesError::Holiday(if text.name.is_empty() { &text.date } else { &text.name }.clone());
    let (year, month, day) = date(&text.date)?;
    let mut groups = 0_u8;
    for group in &text.groups {
        if !(1..=4).contains(group) {
            return Err(wrong());
        }
        groups |= 1 << (group - 1);
    }
    Holiday::new(year, month, day, text.days, groups).ok_or_else(wrong)
}

fn door(text: &DoorText, schedules: &NumberOf) -> Result<DoorRules, RulesError> {
    let no = |key: &'static str, name: &str| schedule_no(schedules, name, || format!("door.{key}"));
    let mut modes = heapless::Vec::new();
    for entry in &text.modes {
        let pair = (no("modes", &entry.schedule)?, mode("door.modes", &entry.mode)?);
        let many = |_| RulesError::TooMany { what: "modes of the door", most: MAX_DOOR_MODES };
        modes.push(pair).map_err(many)?;
    }
    let within = |key, value, most| {
        if value > most { Err(RulesError::Range { key, value, most }) } else { Ok(value) }
    };
    Ok(DoorRules {
        mode: mode("door.mode", &text.mode)?,
        modes,
        unlock: text.unlock.as_deref().map(|name| no("unlock", name)).transpose()?,
        first_person: text.first_person,
        dual: text.two_people.as_deref().map(|name| no("two_people", name)).transpose()?,
        side: word("door.side", &text.side, Side::from_name, &["entry", "exit"])?,
        apb: word(
            "door.anti_passback",
            &text.anti_passback,
            AntiPassback::from_name,
            &["off", "soft", "hard"],
        )?,
        timed_apb_s: within("door.again_after_s", text.again_after_s, 86_400)?,
        forget_s: within("door.forget_after_s", text.forget_after_s, 604_800)?,
        interlock: text.interlock,
    })
}

fn attendance(text: &AttendanceText, schedules: &NumberOf) -> Result<AttendanceRules, RulesError> {
    let kind = |key, name: &str| word(key, name, PunchKind::from_name, &PunchKind::ALL.map(PunchKind::name));
    let mut rules = AttendanceRules {
        mode: word(
            "attendance.mode",
            &text.mode,
            PunchMode::from_name,
            &PunchMode::ALL.map(PunchMode::name),
        )?,
        fixed: kind("attendance.kind", &text.kind)?,
        same_s: text.same_s,
        ..AttendanceRules::default()
    };
    if text.same_s > 3_600 {
        return Err(RulesError::Range { key: "attendance.same_s", value: text.same_s, most: 3_600 });
    }
    for entry in &text.schedules {
        let no = schedule_no(schedules, &entry.schedule, || "attendance.schedules".to_owned())?;
        let many = |_| RulesError::TooMany { what: "schedules of attendance", most: MAX_KIND_SCHEDULES };
        rules.schedules.push((no, kind("attendance.schedules", &entry.kind)?)).map_err(many)?;
    }
    if !text.keys.is_empty() {
        rules.keys = [None; MAX_KEYS];
    }
    for entry in &text.keys {
        let place = usize::from(entry.key).checked_sub(1).and_then(|at| rules.keys.get_mut(at));
        let Some(place) = place else {
            return Err(RulesError::Range {
                key: "attendance.keys.key (counted from 1)",
                value: u32::from(entry.key),
                most: MAX_KEYS as u32,
            });
        };
        *place = Some(PunchKey { kind: kind("attendance.keys", &entry.kind)?, job: entry.job });
    }
    Ok(rules)
}

/// A mode by its name.
pub(super) fn mode(key: &'static str, name: &str) -> Result<Mode, RulesError> {
    word(key, name, Mode::from_name, &Mode::ALL.map(Mode::name))
}

fn word<T>(
    key: &'static str,
    value: &str,
    from_name: impl Fn(&str) -> Option<T>,
    allowed: &[&str],
) -> Result<T, RulesError> {
    let wrong = || RulesError::Word { key, value: value.to_owned(), allowed: allowed.join(", ") };
    from_name(value).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Day, Local, Opening};

    const SITE: &str = r#"
        time_zone = "Europe/Zurich"
        [door]
        mode = "face"
        modes = [{ schedule = "night", mode = "face_pin" }]
        unlock = "lobby"
        first_person = true
        two_people = "night"
        anti_passback = "hard"
        again_after_s = 30
        [attendance]
        mode = "schedule"
        keys = [{ key = 16, kind = "ot_in", job = 412 }]
        schedules = [{ schedule = "night", kind = "check_out" }]
        [schedules.office]
        weekdays = ["08:00-12:00", "13:00-18:00"]
        friday = ["08:00-12:00"]
        holiday_2 = ["09:00-11:00"]
        holiday_3 = ["as_usual"]
        [schedules.lobby]
        daily = ["07:00-19:00"]
        [schedules.night]
        daily = ["22:00-06:00"]
        [levels.front]
        doors = [1, 2]
        schedule = "office"
        [levels.all]
        [groups.staff]
        levels = ["front"]
        [groups.guards]
        levels = ["all", "front"]
        [[holidays]]
        name = "Christmas"
        date = "12-25"
        days = 2
    "#;

    #[test]
    fn a_site_s_rules_become_a_book_and_come_out_as_they_went_in() {
        let rules = Rules::read(SITE).unwrap();
        let book = rules.book();
        assert!(!book.everyone);
        assert_eq!((book.schedules.len(), book.levels.len(), book.groups.len()), (3, 2, 2));
        // By name: lobby 1, night 2, office 3; all 0, front 1; guards 1, staff 2.
        assert_eq!((rules.schedule_name(ScheduleNo(3)), rules.level_name(1)), ("office", "front"));
        assert_eq!(book.levels[1].schedule, ScheduleNo(3));
        assert_eq!((book.groups[0], book.groups[1]), (0b11, 0b10));
        assert_eq!(book.door.modes[0], (ScheduleNo(2), Mode::FacePin));
        assert_eq!(book.attendance.keys[15], Some(PunchKey { kind: PunchKind::OvertimeIn, job: 412 }));
        assert_eq!(book.attendance.schedules[0], (ScheduleNo(2), PunchKind::CheckOut));
        let at = |y, m, d, minute| Local { day: Day::of(y, m, d).unwrap(), minute };
        assert_eq!(book.at(ScheduleNo(3), at(2026, 11, 20, 800)), Opening::Shut, "a Friday afternoon");
        assert_eq!(book.at(ScheduleNo(3), at(2026, 11, 19, 800)), Opening::Open);
        assert_eq!(
            book.at(ScheduleNo(3), at(2025, 12, 25, 500)),
            Opening::Holiday,
            "shut where nothing is said"
        );
        assert_eq!(book.at(ScheduleNo(3), at(2026, 11, 22, 500)), Opening::Shut, "a Sunday");
        let json = serde_json::to_string(rules.file()).unwrap();
        let again = Rules::read(&json).unwrap();
        assert_eq!((again.file(), again.book()), (rules.file(), rules.book()));
        let toml = toml::to_string(rules.file()).unwrap();
        assert_eq!(Rules::read(&toml).unwrap().file(), rules.file());
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_way_to_mend_it() {
        for (text, wanted) in [
            ("[levels.front]\nschedule = \"offise\"\n[schedules.office]\n", "did you mean \"office\""),
            ("[groups.staff]\nlevels = [\"frnt\"]\n[levels.front]\n", "did you mean \"front\""),
            ("[schedules.a]\nmonday = [\"8-12\"]\n", "08:00-18:00"),
            ("[[holidays]]\ndate = \"02-30\"\n", "a day that exists"),
            ("[[holidays]]\ndate = \"12-25\"\ngroups = [5]\n", "groups from 1 to 4"),
            ("time_zone = \"Mars/Olympus\"", "Mars/Olympus"),
            ("[door]\nmode = \"fase\"", "face, face_pin, id_face, pin, prohibited"),
            ("[door]\nagain_after_s = 100000", "0 to 86400"),
            ("[levels.front]\ndoors = [0]\n", "counted from 1"),
            ("[schedules.always]\n", "always is taken"),
            ("[attendance]\nkeys = [{ key = 17, kind = \"check_in\" }]", "0 to 16"),
            ("[attendance]\nmode = \"auto\"", "off, user, last, schedule, fixed, toggle"),
            ("everybody = true", "everyone"),
            ("{\"door\": 5}", "line 1"),
        ] {
            let said = Rules::read(text).unwrap_err().to_string();
            assert!(said.contains(wanted), "{text}: {said}");
        }
        let many = (0..256).map(|i| format!("[schedules.s{i:03}]\n")).collect::<Vec<_>>().concat();
        assert!(Rules::read(&many).unwrap_err().to_string().contains("there may be 255"));
        let many = (0..129).map(|i| format!("[levels.s{i:03}]\n")).collect::<Vec<_>>().concat();
        assert!(Rules::read(&many).unwrap_err().to_string().contains("there may be 128"));
    }

    #[test]
    fn an_empty_file_lets_nobody_in_and_no_file_everybody() {
        assert!(!Rules::read("").unwrap().book().everyone);
        assert!(Rules::unwritten().book().everyone);
    }
}
