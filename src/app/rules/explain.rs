//! Why, and what if: every rule's verdict on one person at one door at one time.
//!
//! Owns: the question's circumstances and the words for each verdict. Does not own: the rules (`access`).
//! Invariants: the rules asked are those of the door, in their order; what a visitor would only bring at the door (a
//! living face, a PIN, a second person, an id) is assumed to be brought and said to be asked for; nothing changes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Rules;
use crate::access::UntrustedClock;
use crate::access::rules::{Circumstances, Claim, Finding, LastPassage, PinGiven, Second, verdicts};
use crate::domain::{
    ClockTrust, DenyReason, DoorId, Millis, Mode, Mono, Now, Opening, PersonStatus, Standing, Utc,
};

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The person, in their standing of now.
    pub standing: &'a Standing,
    /// Which door.
    pub door: DoorId,
    /// When.
    pub at: Utc,
    /// Whether the clock is believed then.
    pub trust: ClockTrust,
    /// What is done about limits while it is not.
    pub untrusted_clock: UntrustedClock,
    /// The door is locked down or in fault.
    pub closed: bool,
    /// The reader is locked.
    pub locked_out: bool,
    /// Whether another door of the interlock is open, where that is known.
    pub others_open: Option<bool>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The door.
    pub door: u8,
    /// The instant, RFC 3339 in UTC.
    pub at: String,
    /// What the clock on the wall shows then; `None` while no clock is believed.
    pub local: Option<String>,
    /// Whether the person gets in, bringing what is asked for.
    pub admitted: bool,
    /// The first rule that keeps the person out.
    pub reason: Option<String>,
    /// What the door asks for: `face`, `face_pin`, `id_face`, `pin`, `prohibited`.
    pub mode: String,
    /// What must be brought besides: `pin`, `id`, `second_person`.
    pub brings: Vec<String>,
    /// Every rule, in the order in which they are asked.
    pub rules: Vec<RuleVerdict>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleVerdict {
    /// Its name, as in the reason of a refusal.
    pub rule: String,
    /// What it says.
    pub verdict: Verdict,
    /// Why.
    pub because: String,
}

/// What a rule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It does not object.
    Passes,
    /// It objects.
    Denies,
    /// It asks for something that the visitor brings at the door.
    Asks,
}

/// Answers.
#[must_use]
pub fn explain(rules: &Rules, question: &Question<'_>) -> Explanation {
    let Question { standing, door, at, trust, .. } = *question;
    let local = match trust {
        ClockTrust::Trusted => super::span(rules.zone(), at).local(at),
        ClockTrust::Untrusted => None,
    };
    let bare = Circumstances {
        now: Now { mono: Mono(0), utc: at, trust },
        local,
        untrusted_clock: question.untrusted_clock,
        door,
        book: rules.book(),
        closed: question.closed,
        last: standing.last.map(|last| LastPassage {
            side: last.side,
            ago: (trust == ClockTrust::Trusted)
                .then(|| u64::try_from(at.0.saturating_sub(last.at.0)).map_or(Millis(u64::MAX), Millis)),
        }),
        others_open: question.others_open,
        claim: Claim::None,
        second: Second::Missing,
        pin: PinGiven::Missing,
        locked_out: question.locked_out,
    };
    let full = Circumstances { claim: Claim::Same, second: Second::There, pin: PinGiven::Right, ..bare };
    let finding = Finding::Person(standing);
    let mut reason = None;
    let lines: Vec<RuleVerdict> = verdicts(finding, &bare)
        .into_iter()
        .zip(verdicts(finding, &full))
        .map(|((rule, empty_handed), (_, objects))| {
            let verdict = match (objects, empty_handed) {
                (true, _) => Verdict::Denies,
                (false, true) => Verdict::Asks,
                (false, false) => Verdict::Passes,
            };
            if objects {
                reason.get_or_insert(rule);
            }
            let because = because(rule, verdict, rules, standing, &full);
            RuleVerdict { rule: rule.name().to_owned(), verdict, because }
        })
        .collect();
    let mode = full.mode(standing);
    let mut brings = Vec::new();
    match mode {
        Mode::Face | Mode::Prohibited => {}
        Mode::FacePin => brings.push("pin".to_owned()),
        Mode::IdFace => brings.push("id".to_owned()),
        Mode::Pin => brings.extend(["id".to_owned(), "pin".to_owned()]),
    }
    if full.needs_two(standing) {
        brings.push("second_person".to_owned());
    }
    Explanation {
        door: door.0,
        at: Timestamp::from_millisecond(at.0).map_or_else(|_| "unknown".to_owned(), |t| t.to_string()),
        local: local.map(|local| {
            let ((y, m, d), day) = (local.day.date(), local.day.weekday().name());
            format!("{day} {y:04}-{m:02}-{d:02} {}", super::times::clock(local.minute))
        }),
        admitted: reason.is_none(),
        reason: reason.map(|r| r.name().to_owned()),
        mode: mode.name().to_owned(),
        brings,
        rules: lines,
    }
}

/// The words for one verdict.
fn because(
    rule: DenyReason,
    verdict: Verdict,
    rules: &Rules,
    who: &Standing,
    c: &Circumstances<'_>,
) -> String {
    let denies = verdict == Verdict::Denies;
    let door = &c.book.door;
    let clock = if c.local.is_none() { "; the clock is not believed" } else { "" };
    match rule {
        DenyReason::Spoof | DenyReason::UnknownFace | DenyReason::LowMargin => {
            "a living, recognised face is assumed".to_owned()
        }
        DenyReason::Disabled => match who.status {
            PersonStatus::Active => "the person is active".to_owned(),
            PersonStatus::Inactive => "the person was switched off".to_owned(),
            PersonStatus::Pending => "the enrolment is not finished".to_owned(),
        },
        DenyReason::NotYetValid => match who.valid_from {
            None => "no first day is set".to_owned(),
            Some(from) => format!("valid from {}{clock}", text(from)),
        },
        DenyReason::Expired => match who.valid_until {
            None if denies => format!("a first day is set{clock}"),
            None => "no last day is set".to_owned(),
            Some(until) => format!("valid until {}{clock}", text(until)),
        },
        DenyReason::Blocklisted => {
            if denies { "on the block list" } else { "not on the block list" }.to_owned()
        }
        DenyReason::NoGroup => {
            if c.book.everyone {
                "no groups are asked: everybody who is enrolled may pass".to_owned()
            } else if denies {
                format!("none of the person's groups has a level for door {}", c.door.0)
            } else {
                format!("by {}", levels(rules, who, c).join(", "))
            }
        }
        DenyReason::OutsideSchedule | DenyReason::Holiday => {
            let found = levels(rules, who, c);
            if c.mode(who) == Mode::Prohibited && rule == DenyReason::OutsideSchedule {
                "the door lets nobody in at this time".to_owned()
            } else if who.exceptions.any_time {
                "this person may come at any time".to_owned()
            } else if c.book.everyone {
                "no groups are asked".to_owned()
            } else if found.is_empty() {
                "no level, so no schedule".to_owned()
            } else {
                format!("{}{clock}", found.join(", "))
            }
        }
        DenyReason::Lockdown => {
            if denies { "locked down, or in fault" } else { "neither locked down nor in fault" }.to_owned()
        }
        DenyReason::Apb | DenyReason::TimedApb => passage(rule, who, c),
        DenyReason::Interlock => match (door.interlock, c.others_open) {
            (false, _) => "no interlock".to_owned(),
            (true, None) => "nothing is known of the other doors".to_owned(),
            (true, Some(true)) => "another door stands open".to_owned(),
            (true, Some(false)) => "every other door is shut".to_owned(),
        },
        DenyReason::DualAuthPending | DenyReason::DualAuthTimeout => match door.dual {
            None => "one person is enough".to_owned(),
            Some(_) if who.exceptions.alone => "this person may come alone".to_owned(),
            Some(no) if c.needs_two(who) => format!("two people by the schedule {}", rules.schedule_name(no)),
            Some(no) => format!("one person is enough outside {}", rules.schedule_name(no)),
        },
        DenyReason::PinRequired if !who.has_pin && matches!(c.mode(who), Mode::FacePin | Mode::Pin) => {
            "a PIN is asked for and none is on record".to_owned()
        }
        DenyReason::PinRequired | DenyReason::PinBad => format!("the door asks for {}", c.mode(who).name()),
        DenyReason::PinLocked => {
            if denies { "the reader is locked after failures" } else { "the reader is not locked" }.to_owned()
        }
    }
}

/// The person's levels for the door, and what each says.
fn levels(rules: &Rules, who: &Standing, c: &Circumstances<'_>) -> Vec<String> {
    let all = c.book.levels_for(&who.groups, c.door);
    all.map(|level| {
        let number = c.book.levels.iter().position(|l| core::ptr::eq(l, level)).unwrap_or(usize::MAX);
        let says = match c.schedule(level.schedule) {
            Opening::Open => "open",
            Opening::Shut => "shut",
            Opening::Holiday => "shut by a holiday",
        };
        let schedule = rules.schedule_name(level.schedule);
        format!("level {} with schedule {schedule} ({says})", rules.level_name(number))
    })
    .collect()
}

fn passage(rule: DenyReason, who: &Standing, c: &Circumstances<'_>) -> String {
    let asked = if rule == DenyReason::TimedApb {
        c.book.door.timed_apb_s > 0
    } else {
        c.book.door.apb != crate::domain::rulebook::AntiPassback::Off
    };
    if !asked {
        return "not asked at this door".to_owned();
    }
    if who.exceptions.no_apb {
        return "not asked of this person".to_owned();
    }
    match who.last {
        None => "no passage is on record".to_owned(),
        Some(last) => format!("last {} at {}", last.side.name(), text(last.at)),
    }
}

fn text(at: Utc) -> String {
    Timestamp::from_millisecond(at.0)
        .map_or_else(|_| "unknown".to_owned(), |t| t.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

impl std::fmt::Display for Explanation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let local = self.local.as_deref().unwrap_or("no clock that is believed");
        writeln!(f, "door {} at {} ({local})", self.door, self.at)?;
        for line in &self.rules {
            let verdict = match line.verdict {
                Verdict::Passes => "passes",
                Verdict::Denies => "DENIES",
                Verdict::Asks => "asks",
            };
            writeln!(f, "  {:<18} {verdict:<7} {}", line.rule, line.because)?;
        }
        match &self.reason {
            Some(reason) => write!(f, "kept out: {reason}"),
            None if self.brings.is_empty() => f.write_str("let in with a face"),
            None => write!(f, "let in with {} and {}", self.mode, self.brings.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SITE: &str = r#"
        time_zone = "Europe/Zurich"
        [door]
        modes = [{ schedule = "night", mode = "face_pin" }]
        [schedules.office]
        weekdays = ["08:00-18:00"]
        [schedules.night]
        daily = ["22:00-06:00"]
        [levels.front]
        schedule = "office"
        [levels.guarded]
        [groups.guards]
        levels = ["guarded"]
        [groups.staff]
        levels = ["front"]
        [[holidays]]
        date = "12-25"
    "#;

    fn ask(standing: &Standing, at: &str) -> Explanation {
        let rules = Rules::read(SITE).unwrap();
        let at = super::super::when(at, rules.zone()).unwrap();
        let question = Question {
            standing,
            door: DoorId(1),
            at,
            trust: ClockTrust::Trusted,
            untrusted_clock: UntrustedClock::RefuseLimited,
            closed: false,
            locked_out: false,
            others_open: None,
        };
        explain(&rules, &question)
    }

    fn member(groups: &[u8]) -> Standing {
        Standing { groups: groups.iter().copied().collect(), has_pin: true, ..Standing::default() }
    }

    #[test]
    fn the_answer_names_the_rule_the_level_and_the_local_time() {
        let staff = member(&[2]);
        let friday = ask(&staff, "2026-11-20T08:00");
        assert!(friday.admitted && friday.brings.is_empty(), "{friday}");
        assert_eq!(friday.local.as_deref(), Some("friday 2026-11-20 08:00"));
        let early = ask(&staff, "2026-11-20T07:59");
        assert_eq!(early.reason.as_deref(), Some("outside_schedule"));
        let line = early.rules.iter().find(|r| r.rule == "outside_schedule").unwrap();
        assert_eq!(line.because, "level front with schedule office (shut)");
        assert_eq!(ask(&staff, "2026-12-25T09:00").reason.as_deref(), Some("holiday"));
        assert_eq!(ask(&member(&[]), "2026-11-20T09:00").reason.as_deref(), Some("no_group"));
        assert_eq!(early.rules.len(), 19);
    }

    #[test]
    fn what_the_visitor_would_bring_is_asked_and_not_refused() {
        let night = ask(&member(&[1]), "2026-11-20T23:00");
        assert!(night.admitted);
        assert_eq!(night.brings, ["pin"]);
        let pin = night.rules.iter().find(|r| r.rule == "pin_required").unwrap();
        assert_eq!(pin.verdict, Verdict::Asks);
        let without = Standing { has_pin: false, ..member(&[1]) };
        assert_eq!(ask(&without, "2026-11-20T23:00").reason.as_deref(), Some("pin_required"));
    }
}
