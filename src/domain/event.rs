//! What happened, as it is kept and sent (SPEC 9).
//!
//! Owns: the kinds of events and what each carries. Does not own: their numbers, their chain, their transport.
//! Invariant: an event names a person by id alone and holds no picture, no name, no embedding, no score.

use core::fmt::Write as _;

use super::decision::{DenyReason, GrantCause};
use super::id::{DoorId, PersonId};
use super::limits::MAX_DETAIL;
use super::time::Now;

/// A short text that needs no heap.
pub type Detail = heapless::String<MAX_DETAIL>;

/// Every kind of event. The names on the wire are [`EventKind::name`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the name on the wire says it; SPEC 9 lists them")]
pub enum EventKind {
    AccessGranted,
    AccessDenied,
    Duress,
    UnknownFace,
    NoFaceTimeout,
    Spoof,
    DoorUnlocked,
    DoorLocked,
    DoorOpened,
    DoorClosed,
    ForcedOpen,
    HeldOpen,
    Rex,
    Tamper,
    Fire,
    Lockdown,
    ApbViolation,
    InterlockViolation,
    ScheduleStart,
    ScheduleEnd,
    EnrollOk,
    EnrollFail,
    PersonChanged,
    PersonDeleted,
    ImageDeleted,
    Duplicate,
    Punch,
    CameraFault,
    ClockStep,
    LinkUp,
    LinkDown,
    Boot,
    ConfigChanged,
    ModelChanged,
    AdminLogin,
    LogGap,
}

impl EventKind {
    /// Every kind, in the order of SPEC 9.
    pub const ALL: [Self; 36] = [
        Self::AccessGranted,
        Self::AccessDenied,
        Self::Duress,
        Self::UnknownFace,
        Self::NoFaceTimeout,
        Self::Spoof,
        Self::DoorUnlocked,
        Self::DoorLocked,
        Self::DoorOpened,
        Self::DoorClosed,
        Self::ForcedOpen,
        Self::HeldOpen,
        Self::Rex,
        Self::Tamper,
        Self::Fire,
        Self::Lockdown,
        Self::ApbViolation,
        Self::InterlockViolation,
        Self::ScheduleStart,
        Self::ScheduleEnd,
        Self::EnrollOk,
        Self::EnrollFail,
        Self::PersonChanged,
        Self::PersonDeleted,
        Self::ImageDeleted,
        Self::Duplicate,
        Self::Punch,
        Self::CameraFault,
        Self::ClockStep,
        Self::LinkUp,
        Self::LinkDown,
        Self::Boot,
        Self::ConfigChanged,
        Self::ModelChanged,
        Self::AdminLogin,
        Self::LogGap,
    ];

    /// The name used on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AccessGranted => "access_granted",
            Self::AccessDenied => "access_denied",
            Self::Duress => "duress",
            Self::UnknownFace => "unknown_face",
            Self::NoFaceTimeout => "no_face_timeout",
            Self::Spoof => "spoof",
            Self::DoorUnlocked => "door_unlocked",
            Self::DoorLocked => "door_locked",
            Self::DoorOpened => "door_opened",
            Self::DoorClosed => "door_closed",
            Self::ForcedOpen => "forced_open",
            Self::HeldOpen => "held_open",
            Self::Rex => "rex",
            Self::Tamper => "tamper",
            Self::Fire => "fire",
            Self::Lockdown => "lockdown",
            Self::ApbViolation => "apb_violation",
            Self::InterlockViolation => "interlock_violation",
            Self::ScheduleStart => "schedule_start",
            Self::ScheduleEnd => "schedule_end",
            Self::EnrollOk => "enroll_ok",
            Self::EnrollFail => "enroll_fail",
            Self::PersonChanged => "person_changed",
            Self::PersonDeleted => "person_deleted",
            Self::ImageDeleted => "image_deleted",
            Self::Duplicate => "duplicate",
            Self::Punch => "punch",
            Self::CameraFault => "camera_fault",
            Self::ClockStep => "clock_step",
            Self::LinkUp => "link_up",
            Self::LinkDown => "link_down",
            Self::Boot => "boot",
            Self::ConfigChanged => "config_changed",
            Self::ModelChanged => "model_changed",
            Self::AdminLogin => "admin_login",
            Self::LogGap => "log_gap",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.name() == name)
    }
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What.
    pub kind: EventKind,
    /// When, by both clocks.
    pub at: Now,
    /// Where.
    pub door: DoorId,
    /// Whom it is about.
    pub person: Option<PersonId>,
    /// Why the door stayed shut.
    pub reason: Option<DenyReason>,
    /// What made the relay go on.
    pub cause: Option<GrantCause>,
    /// What else an installer needs to know; never a name, a score or a picture.
    pub detail: Detail,
}

impl Event {
    /// An event of that kind with nothing else said.
    #[must_use]
    pub const fn new(kind: EventKind, door: DoorId, at: Now) -> Self {
        Self { kind, at, door, person: None, reason: None, cause: None, detail: Detail::new() }
    }

    /// Names the person.
    #[must_use]
    pub fn of(mut self, person: &PersonId) -> Self {
        self.person = Some(person.clone());
        self
    }

    /// Gives the reason of a refusal.
    #[must_use]
    pub const fn because(mut self, reason: DenyReason) -> Self {
        self.reason = Some(reason);
        self
    }

    /// Gives the cause of an actuation.
    #[must_use]
    pub const fn caused_by(mut self, cause: GrantCause) -> Self {
        self.cause = Some(cause);
        self
    }

    /// Adds a text, cut where it does not fit.
    #[must_use]
    pub fn with(mut self, detail: core::fmt::Arguments<'_>) -> Self {
        self.detail = self::detail(detail);
        self
    }
}

/// A short text, cut at a character where it does not fit; needs no heap.
#[must_use]
pub fn detail(text: core::fmt::Arguments<'_>) -> Detail {
    struct Clip(Detail);
    impl core::fmt::Write for Clip {
        fn write_str(&mut self, s: &str) -> core::fmt::Result {
            s.chars().try_for_each(|c| self.0.push(c).map_err(|_| core::fmt::Error))
        }
    }
    let mut clip = Clip(Detail::new());
    // A cut text is what is wanted when it does not fit.
    let _ = clip.write_fmt(text);
    clip.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_kinds_are_distinct_and_found_again() {
        for (i, kind) in EventKind::ALL.into_iter().enumerate() {
            assert_eq!(EventKind::from_name(kind.name()), Some(kind));
            assert!(EventKind::ALL[..i].iter().all(|k| k.name() != kind.name()));
        }
        assert_eq!(EventKind::from_name("nothing"), None);
    }

    #[test]
    fn a_long_detail_is_cut_at_a_character() {
        let event = Event::new(EventKind::Boot, DoorId(1), Now::default()).with(format_args!("{:ä<200}", ""));
        assert_eq!(event.detail.len(), MAX_DETAIL);
        assert!(event.detail.chars().all(|c| c == 'ä'));
    }
}
