//! What one look at one face says, and what is decided of it.
//!
//! Owns: the results that travel from vision to the gate, and the reasons of a refusal in their order.
//! Does not own: how a look is made, which rules apply.
//! Invariants: a `Match` names a person only where the score and the margin hold; a refusal has one reason.

use super::attendance::LastPunch;
use super::embedding::Cosine;
use super::face::{Detection, QualityReasons};
use super::id::{PersonId, TrackId};
use super::limits::MAX_NAME;
use super::person::PersonStatus;
use super::rulebook::{Exceptions, Numbers, Passage};
use super::time::{Mono, Utc};

/// What the decision needs to know of a person; kept beside the templates in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Whether access is possible at all.
    pub status: PersonStatus,
    /// Not before.
    pub valid_from: Option<Utc>,
    /// Not after.
    pub valid_until: Option<Utc>,
    /// Access groups by their numbers in the rulebook.
    pub groups: Numbers,
    /// What an operator has set for this person alone.
    pub exceptions: Exceptions,
    /// Whether a PIN is on record.
    pub has_pin: bool,
    /// Where the person went last, as far as that was on record when the face was matched.
    pub last: Option<Passage>,
    /// The person's last punch, as far as that was on record when the face was matched.
    pub last_punch: Option<LastPunch>,
}

/// The outcome of an open-set search.
#[derive(Clone, PartialEq)]
pub enum Match {
    /// Above the threshold, and clear of every other person by the margin.
    Person {
        /// Who.
        id: PersonId,
        /// For the display and the event alone.
        name: heapless::String<MAX_NAME>,
        /// Whether that person may be let in.
        standing: Standing,
        /// Cosine with the best template.
        score: Cosine,
    },
    /// Above the threshold, but another person is as near.
    LowMargin {
        /// Cosine with the best template.
        score: Cosine,
    },
    /// Nobody that is enrolled.
    Unknown {
        /// Cosine with the nearest template; -1 in an empty gallery.
        score: Cosine,
    },
}

impl core::fmt::Debug for Match {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Person { id, .. } => write!(f, "Match::Person({id})"),
            Self::LowMargin { .. } => f.write_str("Match::LowMargin"),
            Self::Unknown { .. } => f.write_str("Match::Unknown"),
        }
    }
}

/// What one frame said of the face in front of the door.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// When the frame was captured; everything later is measured from here.
    pub captured: Mono,
    /// The frame's number.
    pub frame_seq: u64,
    /// The face looked at, `None` when nobody is there.
    pub subject: Option<(TrackId, Detection)>,
    /// Faces seen in the frame.
    pub faces: u8,
    /// What was found.
    pub verdict: LookVerdict,
}

/// What was found in one frame.
#[derive(Clone, Debug, PartialEq)]
pub enum LookVerdict {
    /// Nothing moved, so nothing was looked at; says nothing of who is there.
    Still,
    /// Nobody is there.
    Nobody,
    /// Somebody is there, the picture is not good enough, and this is why.
    Refused(QualityReasons),
    /// Good enough; whether it lives is not known yet.
    Unsure,
    /// A picture, a screen or a mask.
    Spoof,
    /// A living face, compared with the gallery.
    Matched(Match),
}

/// Why the door stays shut, in the order in which the rules are asked (SPEC 6): the first that fails is the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DenyReason {
    /// Not a living face.
    Spoof,
    /// Nobody that is enrolled.
    UnknownFace,
    /// Two people are too much alike to tell.
    LowMargin,
    /// Switched off, or enrolment not finished.
    Disabled,
    /// Before the first day.
    NotYetValid,
    /// After the last day, or the clock cannot be trusted and a validity period is set.
    Expired,
    /// On the block list.
    Blocklisted,
    /// In no group that opens this door.
    NoGroup,
    /// Not at this hour.
    OutsideSchedule,
    /// Not on this holiday.
    Holiday,
    /// The door is locked down, or in fault.
    Lockdown,
    /// Already inside (anti-passback).
    Apb,
    /// Too soon after the last passage.
    TimedApb,
    /// Another door stands open.
    Interlock,
    /// A second person is needed.
    DualAuthPending,
    /// The second person did not come.
    DualAuthTimeout,
    /// A PIN is needed.
    PinRequired,
    /// The PIN is wrong.
    PinBad,
    /// Too many failures: the reader is locked for a while.
    PinLocked,
}

impl DenyReason {
    /// Every reason, in the order of SPEC 6.
    pub const ALL: [Self; 19] = [
        Self::Spoof,
        Self::UnknownFace,
        Self::LowMargin,
        Self::Disabled,
        Self::NotYetValid,
        Self::Expired,
        Self::Blocklisted,
        Self::NoGroup,
        Self::OutsideSchedule,
        Self::Holiday,
        Self::Lockdown,
        Self::Apb,
        Self::TimedApb,
        Self::Interlock,
        Self::DualAuthPending,
        Self::DualAuthTimeout,
        Self::PinRequired,
        Self::PinBad,
        Self::PinLocked,
    ];

    /// The reason of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.name() == name)
    }

    /// The name used in events and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spoof => "spoof",
            Self::UnknownFace => "unknown_face",
            Self::LowMargin => "low_margin",
            Self::Disabled => "disabled",
            Self::NotYetValid => "not_yet_valid",
            Self::Expired => "expired",
            Self::Blocklisted => "blocklisted",
            Self::NoGroup => "no_group",
            Self::OutsideSchedule => "outside_schedule",
            Self::Holiday => "holiday",
            Self::Lockdown => "lockdown",
            Self::Apb => "apb",
            Self::TimedApb => "timed_apb",
            Self::Interlock => "interlock",
            Self::DualAuthPending => "dual_auth_pending",
            Self::DualAuthTimeout => "dual_auth_timeout",
            Self::PinRequired => "pin_required",
            Self::PinBad => "pin_bad",
            Self::PinLocked => "pin_locked",
        }
    }
}

/// What made the relay go on: exactly one for every time it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GrantCause {
    /// A face that may pass.
    Face,
    /// An id and a PIN at the keys, where the door asks for no face.
    Pin,
    /// The button inside.
    Rex,
    /// An operator.
    Operator,
    /// A schedule that holds the door open.
    Schedule,
    /// The fire alarm.
    Fire,
}

impl GrantCause {
    /// Every cause.
    pub const ALL: [Self; 6] = [Self::Face, Self::Pin, Self::Rex, Self::Operator, Self::Schedule, Self::Fire];

    /// The cause of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.name() == name)
    }

    /// The name used in events and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Face => "face",
            Self::Pin => "pin",
            Self::Rex => "rex",
            Self::Operator => "operator",
            Self::Schedule => "schedule",
            Self::Fire => "fire",
        }
    }
}

/// The end of one attempt at the door.
#[derive(Clone, PartialEq)]
pub enum Decision {
    /// Let in.
    Grant {
        /// Who.
        person: PersonId,
        /// For the display alone.
        name: heapless::String<MAX_NAME>,
        /// First good frame of the attempt: the time to the relay is counted from here.
        since: Mono,
    },
    /// Kept out.
    Deny {
        /// Why.
        reason: DenyReason,
        /// Who, where it is known.
        person: Option<PersonId>,
    },
}

impl core::fmt::Debug for Decision {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Grant { person, .. } => write!(f, "Decision::Grant({person})"),
            Self::Deny { reason, .. } => write!(f, "Decision::Deny({})", reason.name()),
        }
    }
}
