//! What the visitor is shown.
//!
//! Owns: the screens and the words' meaning. Does not own: fonts, languages, pixels (`device::display`).
//! Invariant: a screen never carries a score, nor the name of anyone but the person who was let in.

use super::attendance::PunchKind;
use super::decision::DenyReason;
use super::face::{QualityReason, Rect};
use super::limits::{MAX_LABEL, MAX_NAME};
use super::time::Utc;

/// What the display shows now.
#[derive(Clone, PartialEq)]
pub enum Screen {
    /// Nobody is there.
    Idle {
        /// For the clock; `None` while the clock cannot be trusted.
        time: Option<Utc>,
        /// Whether the link to the broker is up; `None` where none is configured.
        link_up: Option<bool>,
        /// Events waiting to leave.
        queued: u32,
    },
    /// Somebody is there and should do something.
    Look {
        /// The face, in fractions of the frame (0 to 1).
        face: Option<Rect>,
        /// What to do.
        guidance: Guidance,
    },
    /// Let in.
    Welcome {
        /// The person's own name.
        name: heapless::String<MAX_NAME>,
    },
    /// Nobody is there, and this is a kiosk: the idle screen with what the next punch will be.
    Kiosk {
        /// For the clock; `None` while the clock cannot be trusted.
        time: Option<Utc>,
        /// What the next punch will be; `None` where a key, or the person's turn, decides.
        kind: Option<PunchKind>,
        /// The kinds of the first six keys; `None` where a key stands for nothing.
        keys: [Option<PunchKind>; 6],
    },
    /// Let in, and the time was taken.
    Punched {
        /// The person's own name.
        name: heapless::String<MAX_NAME>,
        /// What.
        kind: PunchKind,
        /// It was taken a moment ago already.
        again: bool,
    },
    /// Digits are being typed: an id, or a PIN.
    Keypad {
        /// Whether it is the PIN.
        pin: bool,
        /// Digits so far; which ones is not shown.
        entered: u8,
        /// Seconds left.
        left_s: u8,
    },
    /// The first of two people was recognised; the second is waited for.
    SecondPerson {
        /// Seconds left.
        left_s: u8,
    },
    /// Kept out.
    Denied {
        /// What a visitor may know.
        reason: VisitorReason,
    },
    /// Enrolment at the door.
    Enrol {
        /// Looks taken.
        taken: u8,
        /// Looks wanted.
        wanted: u8,
        /// What to do.
        guidance: Guidance,
    },
    /// Something is wrong with the door.
    Alarm(AlarmKind),
    /// The door has no key yet: whoever stands before it may make the first one with this code.
    Setup {
        /// Good once, for a while.
        code: heapless::String<16>,
    },
    /// For whoever builds the display in: edges, colours, size, lamps and buzzer.
    TestCard,
    /// The board cannot work; the door stays locked.
    Fault {
        /// One line for the installer.
        what: heapless::String<MAX_LABEL>,
    },
}

impl core::fmt::Debug for Screen {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Idle { .. } => f.write_str("Idle"),
            Self::Look { guidance, .. } => write!(f, "Look({guidance:?})"),
            Self::Welcome { .. } => f.write_str("Welcome(<redacted>)"),
            Self::Kiosk { kind, .. } => write!(f, "Kiosk({kind:?})"),
            Self::Punched { kind, again, .. } => {
                write!(f, "Punched(<redacted>, {}{})", kind.name(), if *again { ", again" } else { "" })
            }
            Self::Keypad { pin, entered, left_s } => {
                write!(f, "Keypad({}, {entered}, {left_s} s)", if *pin { "pin" } else { "id" })
            }
            Self::SecondPerson { left_s } => write!(f, "SecondPerson({left_s} s)"),
            Self::Denied { reason } => write!(f, "Denied({reason:?})"),
            Self::Enrol { taken, wanted, .. } => write!(f, "Enrol({taken}/{wanted})"),
            Self::Alarm(kind) => write!(f, "Alarm({kind:?})"),
            Self::Setup { .. } => f.write_str("Setup(<redacted>)"),
            Self::TestCard => f.write_str("TestCard"),
            Self::Fault { what } => write!(f, "Fault({what})"),
        }
    }
}

/// What the visitor should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guidance {
    /// Look into the camera.
    LookHere,
    /// Come closer.
    Closer,
    /// Stand in the middle.
    Centre,
    /// Turn the head to the camera.
    FaceCamera,
    /// Do not move.
    HoldStill,
    /// The light is too weak.
    MoreLight,
    /// The light is too strong.
    LessLight,
    /// Take off what covers the face.
    Uncover,
    /// One person at a time.
    OneAtATime,
}

impl From<QualityReason> for Guidance {
    fn from(reason: QualityReason) -> Self {
        match reason {
            QualityReason::NoFace => Self::LookHere,
            QualityReason::TooSmall => Self::Closer,
            QualityReason::Yaw | QualityReason::Pitch => Self::FaceCamera,
            QualityReason::Blur => Self::HoldStill,
            QualityReason::Dark => Self::MoreLight,
            QualityReason::Bright => Self::LessLight,
            QualityReason::Occluded => Self::Uncover,
            QualityReason::MultipleFaces => Self::OneAtATime,
            QualityReason::OutOfZone => Self::Centre,
        }
    }
}

/// What a visitor may know of a refusal: enough to act, nothing that helps an attacker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VisitorReason {
    /// Not recognised. Also said for an attack and for a person too much like another.
    NotRecognised,
    /// Known, but not allowed here and now.
    NotAllowed,
    /// Too many failures: wait.
    Wait,
    /// A second person is needed.
    SecondPerson,
    /// A PIN is needed.
    Pin,
    /// The door is closed to everyone.
    Closed,
}

impl From<DenyReason> for VisitorReason {
    fn from(reason: DenyReason) -> Self {
        match reason {
            DenyReason::Spoof | DenyReason::UnknownFace | DenyReason::LowMargin => Self::NotRecognised,
            DenyReason::Disabled
            | DenyReason::NotYetValid
            | DenyReason::Expired
            | DenyReason::Blocklisted
            | DenyReason::NoGroup
            | DenyReason::OutsideSchedule
            | DenyReason::Holiday
            | DenyReason::Apb
            | DenyReason::TimedApb
            | DenyReason::Interlock => Self::NotAllowed,
            DenyReason::Lockdown => Self::Closed,
            DenyReason::DualAuthPending | DenyReason::DualAuthTimeout => Self::SecondPerson,
            DenyReason::PinRequired | DenyReason::PinBad => Self::Pin,
            DenyReason::PinLocked => Self::Wait,
        }
    }
}

/// What is wrong with the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlarmKind {
    /// Opened without a grant.
    Forced,
    /// Held open too long.
    Held,
    /// The housing was opened.
    Tamper,
    /// Fire: the door is free.
    Fire,
}
