//! The rules of access, in their order: the first that fails is the reason (SPEC 6).
//!
//! Owns: the order and every rule as a question of its own. Does not own: the finding, the door's state, the count
//! of attacks, the course of an approach (second person, PIN), where passages are kept.
//! Invariants: rules stand in the order of [`DenyReason`], each reason once; a rule looks at what is handed in and at
//! no other rule, so any deny wins; whoever no rule objects to is a living, known person; nothing else is let in.

use super::config::UntrustedClock;
use ostiary_domain::rulebook::AntiPassback;
use ostiary_domain::{
    ClockTrust, DenyReason, DoorId, Local, Millis, Mode, Now, Opening, PersonStatus, Rulebook, ScheduleNo,
    Side, Standing,
};

/// What the looks of one attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding<'a> {
    /// A picture, a screen or a mask.
    Spoof,
    /// Nobody that is enrolled.
    Unknown,
    /// Two people too much alike.
    LowMargin,
    /// A living, known person; or, where the door asks for no face, whoever brings that person's id.
    Person(&'a Standing),
}

/// An id given at the keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Claim {
    /// None was given.
    #[default]
    None,
    /// The id of the person that was found.
    Same,
    /// The id of somebody else.
    Other,
}

/// The second of two people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Second {
    /// Nobody else was there.
    #[default]
    Missing,
    /// Somebody else was, in time.
    There,
    /// Nobody came in time.
    TooLate,
}

/// The PIN of the person that was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PinGiven {
    /// None was given.
    #[default]
    Missing,
    /// The right one, or the one for duress.
    Right,
    /// Another.
    Wrong,
}

/// Where the person went last, as it counts now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastPassage {
    /// In or out.
    pub side: Side,
    /// How long ago; `None` where no clock tells.
    pub ago: Option<Millis>,
}

/// What else is asked.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// The time of the decision.
    pub now: Now,
    /// Local time; `None` where the clock cannot be trusted or the zone is not known.
    pub local: Option<Local>,
    /// Whatever needs a clock, while the clock cannot be trusted.
    pub untrusted_clock: UntrustedClock,
    /// Which door.
    pub door: DoorId,
    /// Groups, levels, schedules, the door's own rules.
    pub book: &'a Rulebook,
    /// The door is locked down or in fault.
    pub closed: bool,
    /// Where the person went last.
    pub last: Option<LastPassage>,
    /// Whether another door of the interlock stands open; `None`: nothing is known of them.
    pub others_open: Option<bool>,
    /// The id given at the keys.
    pub claim: Claim,
    /// The second person.
    pub second: Second,
    /// The PIN.
    pub pin: PinGiven,
    /// The reader is locked after too many attacks.
    pub locked_out: bool,
}

impl Circumstances<'_> {
    /// What this schedule says now. Without a clock a schedule that is not open at every minute counts as shut,
    /// unless limits are to be ignored.
    #[must_use]
    pub fn schedule(&self, number: ScheduleNo) -> Opening {
        if self.book.is_always(number) {
            return Opening::Open;
        }
        match (self.local, self.untrusted_clock) {
            (Some(local), _) => self.book.at(number, local),
            (None, UntrustedClock::IgnoreLimits) if self.book.schedule(number).is_some() => Opening::Open,
            (None, UntrustedClock::IgnoreLimits | UntrustedClock::RefuseLimited) => Opening::Shut,
        }
    }

    /// What the door asks for now of somebody of that standing: a door that lets nobody in lets nobody in, but for
    /// hours those who may come at any time; otherwise what was set for the person goes before what was set for
    /// the door.
    #[must_use]
    pub fn mode(&self, standing: &Standing) -> Mode {
        let mode = match self.door_mode() {
            Mode::Prohibited if standing.exceptions.any_time => self.book.door.mode,
            mode @ (Mode::Face | Mode::FacePin | Mode::IdFace | Mode::Pin | Mode::Prohibited) => mode,
        };
        if mode == Mode::Prohibited { mode } else { standing.exceptions.mode.unwrap_or(mode) }
    }

    /// What the door asks for now. Without a clock the strictest of all its modes holds, or, where limits are to
    /// be ignored, the one that needs no clock.
    #[must_use]
    pub fn door_mode(&self) -> Mode {
        let door = &self.book.door;
        let open = |schedule: ScheduleNo| match self.local {
            Some(local) => self.book.at(schedule, local) == Opening::Open,
            None => self.book.is_always(schedule),
        };
        if self.local.is_none() && self.untrusted_clock == UntrustedClock::RefuseLimited {
            return door.modes.iter().map(|(_, mode)| *mode).fold(door.mode, stricter);
        }
        door.modes.iter().find(|(schedule, _)| open(*schedule)).map_or(door.mode, |(_, mode)| *mode)
    }

    /// Whether two people are needed now of somebody of that standing. Without a clock they are, unless limits
    /// are to be ignored.
    #[must_use]
    pub fn needs_two(&self, standing: &Standing) -> bool {
        let Some(schedule) = self.book.door.dual else { return false };
        let now = match (self.local, self.untrusted_clock) {
            (Some(_), _) => self.schedule(schedule) == Opening::Open,
            (None, UntrustedClock::RefuseLimited) => true,
            (None, UntrustedClock::IgnoreLimits) => self.book.is_always(schedule),
        };
        now && !standing.exceptions.alone
    }

    /// Whether the person goes the same way a second time.
    #[must_use]
    pub fn passes_back(&self, standing: &Standing) -> bool {
        let door = &self.book.door;
        let forgotten = |last: &LastPassage| match (last.ago, self.untrusted_clock) {
            (Some(_) | None, _) if door.forget_s == 0 => false,
            (Some(ago), _) => ago >= Millis::secs(u64::from(door.forget_s)),
            (None, UntrustedClock::RefuseLimited) => false,
            (None, UntrustedClock::IgnoreLimits) => true,
        };
        let again = self.last.is_some_and(|last| last.side == door.side && !forgotten(&last));
        again && door.apb != AntiPassback::Off && !standing.exceptions.no_apb
    }

    fn too_soon(&self, standing: &Standing) -> bool {
        let door = &self.book.door;
        let soon = self.last.is_some_and(|last| match (last.ago, self.untrusted_clock) {
            (Some(_) | None, _) if last.side != door.side => false,
            (Some(ago), _) => ago < Millis::secs(u64::from(door.timed_apb_s)),
            (None, UntrustedClock::RefuseLimited) => true,
            (None, UntrustedClock::IgnoreLimits) => false,
        });
        soon && door.timed_apb_s > 0 && !standing.exceptions.no_apb
    }

    /// The best that any of the person's levels says, and `None` where there is none for this door.
    #[must_use]
    pub fn levels(&self, standing: &Standing) -> Option<Opening> {
        let said = |best: Option<Opening>, opening| match (best, opening) {
            (Some(Opening::Open), _) | (_, Opening::Open) => Some(Opening::Open),
            (Some(Opening::Holiday), _) | (_, Opening::Holiday) => Some(Opening::Holiday),
            (Some(Opening::Shut) | None, Opening::Shut) => Some(Opening::Shut),
        };
        if self.book.everyone {
            return Some(Opening::Open);
        }
        let levels = self.book.levels_for(&standing.groups, self.door);
        levels.map(|level| self.schedule(level.schedule)).fold(None, said)
    }
}

/// The stricter of two modes.
const fn stricter(a: Mode, b: Mode) -> Mode {
    const fn rank(mode: Mode) -> u8 {
        match mode {
            Mode::Face => 0,
            Mode::Pin => 1,
            Mode::IdFace => 2,
            Mode::FacePin => 3,
            Mode::Prohibited => 4,
        }
    }
    if rank(b) > rank(a) { b } else { a }
}

/// Says yes where it objects.
type Rule = fn(&Finding<'_>, &Circumstances<'_>) -> bool;

/// In the order in which they are asked.
const RULES: [(DenyReason, Rule); DenyReason::ALL.len()] = [
    (DenyReason::Spoof, |f, _| matches!(f, Finding::Spoof)),
    (DenyReason::UnknownFace, |f, c| {
        matches!(f, Finding::Unknown) || (asks(f, c, Mode::IdFace) && c.claim == Claim::Other)
    }),
    (DenyReason::LowMargin, |f, _| matches!(f, Finding::LowMargin)),
    (DenyReason::Disabled, |f, _| standing(f).is_none_or(|s| s.status != PersonStatus::Active)),
    (DenyReason::NotYetValid, not_yet_valid),
    (DenyReason::Expired, expired),
    (DenyReason::Blocklisted, |f, _| standing(f).is_none_or(|s| s.exceptions.blocked)),
    (DenyReason::NoGroup, |f, c| standing(f).is_none_or(|s| c.levels(s).is_none())),
    (DenyReason::OutsideSchedule, |f, c| {
        standing(f).is_none_or(|s| {
            let shut = c.levels(s) == Some(Opening::Shut) && !s.exceptions.any_time;
            shut || c.mode(s) == Mode::Prohibited
        })
    }),
    (DenyReason::Holiday, |f, c| {
        standing(f).is_none_or(|s| c.levels(s) == Some(Opening::Holiday) && !s.exceptions.any_time)
    }),
    (DenyReason::Lockdown, |_, c| c.closed),
    (DenyReason::Apb, |f, c| {
        standing(f).is_none_or(|s| c.book.door.apb == AntiPassback::Hard && c.passes_back(s))
    }),
    (DenyReason::TimedApb, |f, c| standing(f).is_none_or(|s| c.too_soon(s))),
    (DenyReason::Interlock, |_, c| c.book.door.interlock && c.others_open != Some(false)),
    (DenyReason::DualAuthPending, |f, c| {
        standing(f).is_none_or(|s| c.needs_two(s) && c.second == Second::Missing)
    }),
    (DenyReason::DualAuthTimeout, |f, c| {
        standing(f).is_none_or(|s| c.needs_two(s) && c.second == Second::TooLate)
    }),
    (DenyReason::PinRequired, pin_required),
    (DenyReason::PinBad, |f, c| {
        (asks(f, c, Mode::FacePin) || asks(f, c, Mode::Pin)) && c.pin == PinGiven::Wrong
    }),
    (DenyReason::PinLocked, |_, c| c.locked_out),
];

/// The first rule that objects; `None` lets in.
#[must_use]
pub fn objection(finding: Finding<'_>, circumstances: &Circumstances<'_>) -> Option<DenyReason> {
    RULES.iter().find(|(_, objects)| objects(&finding, circumstances)).map(|(reason, _)| *reason)
}

/// What every rule says, asked each by itself, in their order: `true` where it objects.
#[must_use]
pub fn verdicts(
    finding: Finding<'_>,
    circumstances: &Circumstances<'_>,
) -> [(DenyReason, bool); DenyReason::ALL.len()] {
    RULES.map(|(reason, objects)| (reason, objects(&finding, circumstances)))
}

const fn standing<'a>(finding: &Finding<'a>) -> Option<&'a Standing> {
    match finding {
        Finding::Person(standing) => Some(standing),
        Finding::Spoof | Finding::Unknown | Finding::LowMargin => None,
    }
}

fn asks(finding: &Finding<'_>, c: &Circumstances<'_>, mode: Mode) -> bool {
    standing(finding).is_some_and(|s| c.mode(s) == mode)
}

fn not_yet_valid(finding: &Finding<'_>, c: &Circumstances<'_>) -> bool {
    let trusted = c.now.trust == ClockTrust::Trusted;
    let first = standing(finding).and_then(|s| s.valid_from);
    trusted && first.is_some_and(|first| c.now.utc < first)
}

fn expired(finding: &Finding<'_>, c: &Circumstances<'_>) -> bool {
    let Some(Standing { valid_from, valid_until, .. }) = standing(finding) else { return true };
    match (c.now.trust, c.untrusted_clock) {
        (ClockTrust::Trusted, _) => valid_until.is_some_and(|last| c.now.utc > last),
        (ClockTrust::Untrusted, UntrustedClock::RefuseLimited) => {
            valid_from.is_some() || valid_until.is_some()
        }
        (ClockTrust::Untrusted, UntrustedClock::IgnoreLimits) => false,
    }
}

fn pin_required(finding: &Finding<'_>, c: &Circumstances<'_>) -> bool {
    let Some(standing) = standing(finding) else { return true };
    match c.mode(standing) {
        Mode::Face | Mode::Prohibited => false,
        Mode::IdFace => c.claim == Claim::None,
        // Without one on record there is none that could be right.
        Mode::FacePin | Mode::Pin => c.pin == PinGiven::Missing || !standing.has_pin,
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
