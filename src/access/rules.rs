//! The rules of access, in their order: the first that fails is the reason (SPEC 6).
//!
//! Owns: the order and the rules whose data the door has today. Does not own: the finding, the door's state,
//! the count of attacks.
//! Invariants: rules stand in the order of [`DenyReason`]; a new rule is a line in the list and cannot be asked
//! out of turn; whoever no rule objects to is a living, known person; nothing else is let in.

use super::config::UntrustedClock;
use crate::domain::{ClockTrust, DenyReason, Now, PersonStatus, Standing};

/// What the looks of one attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding<'a> {
    /// A picture, a screen or a mask.
    Spoof,
    /// Nobody that is enrolled.
    Unknown,
    /// Two people too much alike.
    LowMargin,
    /// A living, known person.
    Person(&'a Standing),
}

/// What else is asked.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// The time of the decision.
    pub now: Now,
    /// Validity periods while the clock cannot be trusted.
    pub untrusted_clock: UntrustedClock,
    /// The door is locked down or in fault.
    pub closed: bool,
    /// The reader is locked after too many attacks.
    pub locked_out: bool,
}

/// Says yes where it objects.
type Rule = fn(&Finding<'_>, &Circumstances) -> bool;

/// In the order in which they are asked. What needs groups, schedules, anti-passback, other doors, a second
/// person or a PIN takes its place here when the door knows of such things.
const RULES: [(DenyReason, Rule); 8] = [
    (DenyReason::Spoof, |f, _| matches!(f, Finding::Spoof)),
    (DenyReason::UnknownFace, |f, _| matches!(f, Finding::Unknown)),
    (DenyReason::LowMargin, |f, _| matches!(f, Finding::LowMargin)),
    (DenyReason::Disabled, |f, _| standing(f).is_none_or(|s| s.status != PersonStatus::Active)),
    (DenyReason::NotYetValid, not_yet_valid),
    (DenyReason::Expired, expired),
    (DenyReason::Lockdown, |_, c| c.closed),
    (DenyReason::PinLocked, |_, c| c.locked_out),
];

/// The first rule that objects; `None` lets in.
#[must_use]
pub fn objection(finding: Finding<'_>, circumstances: &Circumstances) -> Option<DenyReason> {
    RULES.iter().find(|(_, objects)| objects(&finding, circumstances)).map(|(reason, _)| *reason)
}

const fn standing<'a>(finding: &Finding<'a>) -> Option<&'a Standing> {
    match finding {
        Finding::Person(standing) => Some(standing),
        Finding::Spoof | Finding::Unknown | Finding::LowMargin => None,
    }
}

fn not_yet_valid(finding: &Finding<'_>, c: &Circumstances) -> bool {
    let trusted = c.now.trust == ClockTrust::Trusted;
    let first = standing(finding).and_then(|s| s.valid_from);
    trusted && first.is_some_and(|first| c.now.utc < first)
}

fn expired(finding: &Finding<'_>, c: &Circumstances) -> bool {
    let Some(Standing { valid_from, valid_until, .. }) = standing(finding) else { return true };
    match (c.now.trust, c.untrusted_clock) {
        (ClockTrust::Trusted, _) => valid_until.is_some_and(|last| c.now.utc > last),
        (ClockTrust::Untrusted, UntrustedClock::RefuseLimited) => {
            valid_from.is_some() || valid_until.is_some()
        }
        (ClockTrust::Untrusted, UntrustedClock::IgnoreLimits) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Mono, Utc};

    fn at(utc: i64) -> Circumstances {
        Circumstances {
            now: Now { mono: Mono(0), utc: Utc(utc), trust: ClockTrust::Trusted },
            untrusted_clock: UntrustedClock::RefuseLimited,
            closed: false,
            locked_out: false,
        }
    }

    fn from_to(from: Option<i64>, until: Option<i64>) -> Standing {
        let (valid_from, valid_until) = (from.map(Utc), until.map(Utc));
        Standing { status: PersonStatus::Active, valid_from, valid_until }
    }

    #[test]
    fn rules_are_asked_in_the_order_of_the_specification() {
        assert!(RULES.windows(2).all(|w| w[0].0 < w[1].0));
    }

    #[test]
    fn no_face_but_a_living_known_one_is_ever_let_in() {
        for finding in [Finding::Spoof, Finding::Unknown, Finding::LowMargin] {
            assert!(objection(finding, &at(0)).is_some(), "{finding:?}");
        }
        assert_eq!(objection(Finding::Person(&Standing::default()), &at(0)), None);
    }

    #[test]
    fn the_first_rule_that_fails_is_the_reason() {
        let all = Circumstances { closed: true, locked_out: true, ..at(100) };
        let off = Standing { status: PersonStatus::Inactive, ..from_to(Some(200), Some(50)) };
        assert_eq!(objection(Finding::Spoof, &all), Some(DenyReason::Spoof));
        assert_eq!(objection(Finding::Unknown, &all), Some(DenyReason::UnknownFace));
        assert_eq!(objection(Finding::Person(&off), &all), Some(DenyReason::Disabled));
        let early = from_to(Some(200), Some(50));
        assert_eq!(objection(Finding::Person(&early), &all), Some(DenyReason::NotYetValid));
        let late = from_to(None, Some(50));
        assert_eq!(objection(Finding::Person(&late), &all), Some(DenyReason::Expired));
        let fine = from_to(Some(0), Some(100));
        assert_eq!(objection(Finding::Person(&fine), &all), Some(DenyReason::Lockdown));
        let open = Circumstances { closed: false, ..all };
        assert_eq!(objection(Finding::Person(&fine), &open), Some(DenyReason::PinLocked));
        assert_eq!(objection(Finding::Person(&fine), &at(100)), None, "the last day still counts");
        assert_eq!(objection(Finding::Person(&fine), &at(101)), Some(DenyReason::Expired));
    }

    #[test]
    fn enrolment_that_is_not_finished_opens_nothing() {
        let pending = Standing { status: PersonStatus::Pending, ..Standing::default() };
        assert_eq!(objection(Finding::Person(&pending), &at(0)), Some(DenyReason::Disabled));
    }

    #[test]
    fn a_clock_that_is_not_trusted_refuses_whoever_has_a_period_unless_told_otherwise() {
        let mut c = at(50);
        c.now.trust = ClockTrust::Untrusted;
        for limited in [from_to(Some(0), None), from_to(None, Some(100)), from_to(Some(0), Some(100))] {
            assert_eq!(objection(Finding::Person(&limited), &c), Some(DenyReason::Expired));
            let lenient = Circumstances { untrusted_clock: UntrustedClock::IgnoreLimits, ..c };
            assert_eq!(objection(Finding::Person(&limited), &lenient), None);
        }
        assert_eq!(objection(Finding::Person(&Standing::default()), &c), None);
    }
}
