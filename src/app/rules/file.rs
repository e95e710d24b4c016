//! The rules file: every key, its form and its default. TOML for people, the same shape as JSON for programs.
//!
//! Owns: the shape. Does not own: what the words mean and whether they fit together (`compile`).
//! Invariant: an unknown key is refused; an empty file lets nobody in.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RulesFile {
    /// The place whose clocks count, as in `Europe/Zurich`; without it the machine's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Everybody who is enrolled may pass at any time; groups are not asked.
    pub everyone: bool,
    /// This door.
    pub door: DoorText,
    /// By name; `always` is there without being written.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub schedules: BTreeMap<String, ScheduleText>,
    /// By name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub levels: BTreeMap<String, LevelText>,
    /// By name, as people have them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, GroupText>,
    /// The attendance kiosk.
    #[serde(skip_serializing_if = "AttendanceText::is_off")]
    pub attendance: AttendanceText,
    /// Days that are not as others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub holidays: Vec<HolidayText>,
}

/// This door's own rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DoorText {
    /// `face`, `face_pin`, `id_face`, `pin` or `prohibited`.
    pub mode: String,
    /// What instead, by schedule: the first that is open decides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub modes: Vec<ModeText>,
    /// The schedule during which the door is held unlocked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unlock: Option<String>,
    /// Held unlocked only once somebody has been let in.
    pub first_person: bool,
    /// The schedule during which two people are needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub two_people: Option<String>,
    /// Which way the reader lets people: `entry` or `exit`.
    pub side: String,
    /// A second entry without an exit: `off`, `soft` (reported) or `hard` (kept out).
    pub anti_passback: String,
    /// The same person not again within these seconds (0 to 86,400); 0: at once.
    pub again_after_s: u32,
    /// A passage is forgotten after these seconds (0 to 604,800); 0: never.
    pub forget_after_s: u32,
    /// Shut while another door of the lock stands open.
    pub interlock: bool,
}

impl Default for DoorText {
    fn default() -> Self {
        Self {
            mode: "face".into(),
            modes: Vec::new(),
            unlock: None,
            first_person: false,
            two_people: None,
            side: "entry".into(),
            anti_passback: "off".into(),
            again_after_s: 0,
            forget_after_s: 0,
            interlock: false,
        }
    }
}

/// The attendance kiosk: every grant at the door is a punch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AttendanceText {
    /// What chooses the kind: `off`, `user` (a key each time), `last` (the key pressed last), `schedule`, `fixed` or
    /// `toggle` (in and out by turns).
    pub mode: String,
    /// The kind where nothing else chooses one: `check_in`, `check_out`, `break_out`, `break_in`, `ot_in`, `ot_out`.
    pub kind: String,
    /// By schedule: the first that is open chooses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub schedules: Vec<KindText>,
    /// Function keys; without any, keys 1 to 6 are the kinds in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<KeyText>,
    /// A punch within these seconds of the person's last is the same punch (0 to 3,600).
    pub same_s: u32,
}

impl Default for AttendanceText {
    fn default() -> Self {
        Self {
            mode: "off".into(),
            kind: "check_in".into(),
            schedules: Vec::new(),
            keys: Vec::new(),
            same_s: crate::domain::attendance::SAME_PUNCH_S,
        }
    }
}

impl AttendanceText {
    fn is_off(&self) -> bool {
        *self == Self::default()
    }
}

/// A kind by schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KindText {
    /// When.
    pub schedule: String,
    /// What.
    pub kind: String,
}

/// A function key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyText {
    /// 1 to 16.
    pub key: u8,
    /// What it stands for.
    pub kind: String,
    /// A job code, 1 to 65,535; 0: none.
    #[serde(default)]
    pub job: u16,
}

/// A mode by schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModeText {
    /// When.
    pub schedule: String,
    /// What.
    pub mode: String,
}

/// Periods of local time, up to five a day, as in `["08:00-12:00", "22:00-06:00"]`; one that ends no later than it
/// begins runs over midnight and belongs to the day on which it begins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleText {
    /// Every day that is not written by itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub daily: Vec<String>,
    /// Monday to Friday, where not written by themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weekdays: Option<Vec<String>>,
    /// Saturday and Sunday, where not written by themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weekend: Option<Vec<String>>,
    /// Monday.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monday: Option<Vec<String>>,
    /// Tuesday.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tuesday: Option<Vec<String>>,
    /// Wednesday.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wednesday: Option<Vec<String>>,
    /// Thursday.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thursday: Option<Vec<String>>,
    /// Friday.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub friday: Option<Vec<String>>,
    /// Saturday.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saturday: Option<Vec<String>>,
    /// Sunday.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sunday: Option<Vec<String>>,
    /// On holidays of group 1; without it such a day is shut, `["as_usual"]` makes it a day as any other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holiday_1: Option<Vec<String>>,
    /// On holidays of group 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holiday_2: Option<Vec<String>>,
    /// On holidays of group 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holiday_3: Option<Vec<String>>,
    /// On holidays of group 4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holiday_4: Option<Vec<String>>,
}

/// Which doors, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LevelText {
    /// By number, 1 to 255; this door alone where none is written.
    #[serde(default = "this_door")]
    pub doors: Vec<u8>,
    /// When; `always` without it.
    #[serde(default = "always")]
    pub schedule: String,
}

/// A group of people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GroupText {
    /// What its people may open, by name of the level.
    pub levels: Vec<String>,
}

/// A day, or several in a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HolidayText {
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// `12-25` for every year, `2026-12-25` for one.
    pub date: String,
    /// How many days in a row, 1 to 366.
    #[serde(default = "one")]
    pub days: u16,
    /// Which of the groups 1 to 4.
    #[serde(default = "first_group")]
    pub groups: Vec<u8>,
}

fn this_door() -> Vec<u8> {
    vec![1]
}

fn always() -> String {
    "always".into()
}

const fn one() -> u16 {
    1
}

fn first_group() -> Vec<u8> {
    vec![1]
}
