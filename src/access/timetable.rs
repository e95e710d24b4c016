//! The schedule that holds the door unlocked, and the first person who must come before it does.
//!
//! Owns: its edges. Does not own: what a schedule is, what the door makes of an edge.
//! Invariants: an edge is told once; without a clock that may be believed no schedule holds the door unlocked; with
//! `first_person` it begins only with a person let in during it, each time anew.

use ostiary_domain::{Local, Millis, Mono, Now, Opening, Rulebook};

/// A minute: schedules have no finer grain.
const MINUTE_MS: i64 = 60_000;

/// How the schedule stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Timetable {
    open: bool,
    told: bool,
}

impl Timetable {
    /// The edge that is due, if any: `true` to begin to hold the door unlocked.
    pub(super) fn edge(&mut self, book: &Rulebook, local: Option<Local>) -> Option<bool> {
        let open = book
            .door
            .unlock
            .is_some_and(|schedule| local.is_some_and(|local| book.at(schedule, local) == Opening::Open));
        self.open = open;
        if !open {
            return core::mem::take(&mut self.told).then_some(false);
        }
        if self.told || book.door.first_person {
            return None;
        }
        self.told = true;
        Some(true)
    }

    /// Somebody was let in: whether the door is held unlocked from now on.
    pub(super) fn granted(&mut self) -> bool {
        let begins = self.open && !self.told;
        self.told |= begins;
        begins
    }

    /// When the next edge may be due.
    pub(super) fn deadline(book: &Rulebook, now: Now) -> Option<Mono> {
        book.door.unlock?;
        let left = MINUTE_MS - now.utc.0.rem_euclid(MINUTE_MS);
        Some(now.mono.after(Millis(left.unsigned_abs())))
    }
}
