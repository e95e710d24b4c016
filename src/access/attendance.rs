//! From a grant to a punch: which kind, and whether it is a new one.
//!
//! Owns: the key that was pressed, the punches of this run. Does not own: the records (the caller keeps them), whether
//! anybody is let in.
//! Invariants: a punch comes from a grant alone; a second one within the window is the same punch, whichever kind it
//! would be; what happened here goes before what was on record when a face was matched; a choice by the visitor ends
//! with the visit.

use super::config::GateConfig;
use super::rules::Circumstances;
use ostiary_domain::attendance::{
    AttendanceRules, LONGEST_SHIFT_S, LastPunch, PunchKey, PunchKind, PunchMode,
};
use ostiary_domain::{ClockTrust, Millis, Mono, Now, Opening, PersonId, Standing};

/// Punches remembered one by one.
const MAX_RECENT: usize = 64;

/// The kiosk's memory.
#[derive(Clone, Debug)]
pub(super) struct Attendance {
    recent: heapless::Deque<(PersonId, PunchKind, Mono), MAX_RECENT>,
    chosen: Option<(PunchKey, Mono)>,
    kept: Option<PunchKey>,
    patience: Millis,
}

/// What a grant is to the kiosk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Punched {
    /// Nothing: no attendance here, or the visitor chose no kind.
    Nothing,
    /// A new punch.
    New(PunchKey),
    /// The same as a moment ago.
    Again(PunchKind),
}

impl Attendance {
    pub(super) fn new(config: &GateConfig) -> Self {
        Self {
            recent: heapless::Deque::new(),
            chosen: None,
            kept: None,
            patience: Millis(u64::from(config.settings().pin_ms)),
        }
    }

    /// A function key, 1 to 16. `true` where it stands for something.
    pub(super) fn key(&mut self, key: u8, rules: &AttendanceRules, now: Mono) -> bool {
        let Some(choice) = usize::from(key).checked_sub(1).and_then(|at| *rules.keys.get(at)?) else {
            return false;
        };
        match rules.mode {
            PunchMode::Off | PunchMode::Fixed => return false,
            PunchMode::Last => self.kept = Some(choice),
            // A key goes before what a schedule or the turn would choose.
            PunchMode::User | PunchMode::Schedule | PunchMode::Toggle => {
                self.chosen = Some((choice, now.after(self.patience)));
            }
        }
        true
    }

    /// Lets time pass.
    pub(super) fn advance(&mut self, now: Mono) {
        self.chosen = self.chosen.filter(|(_, until)| now < *until);
    }

    /// When the choice ends.
    pub(super) fn deadline(&self) -> Option<Mono> {
        self.chosen.map(|(_, until)| until)
    }

    /// The kind that the next visitor's punch would be, where it does not depend on who comes.
    pub(super) fn ahead(&self, c: &Circumstances<'_>) -> Option<PunchKind> {
        let rules = &c.book.attendance;
        let chosen = self.chosen.map(|(key, _)| key.kind);
        match rules.mode {
            PunchMode::Off => None,
            PunchMode::User | PunchMode::Toggle => chosen,
            PunchMode::Last => Some(self.kept.map_or(rules.fixed, |key| key.kind)),
            PunchMode::Schedule => chosen.or_else(|| Some(scheduled(rules, c))),
            PunchMode::Fixed => Some(rules.fixed),
        }
    }

    /// Somebody was let in.
    pub(super) fn granted(&mut self, id: &PersonId, standing: &Standing, c: &Circumstances<'_>) -> Punched {
        let (rules, now) = (&c.book.attendance, c.now);
        if rules.mode == PunchMode::Off {
            return Punched::Nothing;
        }
        let last = self.last(id, standing, now);
        if let Some((kind, ago)) = last
            && ago.is_some_and(|ago| ago < Millis::secs(u64::from(rules.same_s)))
        {
            self.chosen = None;
            return Punched::Again(kind);
        }
        let fixed = |kind| PunchKey { kind, job: 0 };
        let chosen = self.chosen.take().map(|(key, _)| key);
        let key = match rules.mode {
            PunchMode::Off => None,
            PunchMode::User => chosen,
            PunchMode::Last => Some(self.kept.unwrap_or(fixed(rules.fixed))),
            PunchMode::Schedule => Some(chosen.unwrap_or_else(|| fixed(scheduled(rules, c)))),
            PunchMode::Fixed => Some(fixed(rules.fixed)),
            PunchMode::Toggle => Some(chosen.unwrap_or_else(|| fixed(turn(last)))),
        };
        let Some(key) = key else { return Punched::Nothing };
        if self.recent.is_full() {
            self.recent.pop_front();
        }
        // There is room now.
        let _ = self.recent.push_back((id.clone(), key.kind, now.mono));
        Punched::New(key)
    }

    /// The person's last punch and how long ago it was; `None` for the time where no clock tells.
    fn last(&self, id: &PersonId, standing: &Standing, now: Now) -> Option<(PunchKind, Option<Millis>)> {
        let here = self.recent.iter().rev().find(|(who, ..)| who == id);
        if let Some((_, kind, at)) = here {
            return Some((*kind, Some(now.mono.since(*at))));
        }
        let LastPunch { kind, at } = standing.last_punch?;
        let ago = match now.trust {
            ClockTrust::Trusted => {
                let ms = now.utc.0.saturating_sub(at.0);
                Some(u64::try_from(ms).map_or(Millis(u64::MAX), Millis))
            }
            ClockTrust::Untrusted => None,
        };
        Some((kind, ago))
    }
}

fn scheduled(rules: &AttendanceRules, c: &Circumstances<'_>) -> PunchKind {
    let now = rules.schedules.iter().find(|(schedule, _)| {
        (c.local.is_some() || c.book.is_always(*schedule)) && c.schedule(*schedule) == Opening::Open
    });
    now.map_or(rules.fixed, |(_, kind)| *kind)
}

/// Out for whoever is in, unless so long ago that the way out was forgotten; in for everybody else.
fn turn(last: Option<(PunchKind, Option<Millis>)>) -> PunchKind {
    let forgotten = |ago: Millis| ago > Millis::secs(u64::from(LONGEST_SHIFT_S));
    match last {
        Some((kind, ago)) if kind.is_in() && !ago.is_some_and(forgotten) => PunchKind::CheckOut,
        // Back from a break.
        Some((PunchKind::BreakOut, ago)) if !ago.is_some_and(forgotten) => PunchKind::BreakIn,
        Some(_) | None => PunchKind::CheckIn,
    }
}
