//! Who went through last: what the reader saw since its start, on top of what was on record.
//!
//! Owns: the latest passages and those that are about to happen. Does not own: the record (the caller keeps it), the
//! rules of anti-passback.
//! Invariants: a person is let in first and passes when the door opens; where no contact tells, with the grant. What
//! happened here goes before what was on record when a face was matched, so that two looks in a row cannot both find
//! the person outside; a look is younger than it takes to fill this memory.

use super::config::RELOCK_GRACE;
use super::rules::LastPassage;
use ostiary_domain::{ClockTrust, Millis, Mono, Now, PersonId, Side, Standing};

/// Passages remembered one by one.
const MAX_RECENT: usize = 32;
/// People let in who have not opened the door yet.
const MAX_PENDING: usize = 8;

/// The memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Passages {
    recent: heapless::Deque<(PersonId, Side, Mono), MAX_RECENT>,
    pending: heapless::Vec<(PersonId, Mono), MAX_PENDING>,
}

impl Passages {
    /// Where the person went last, as it counts now. A record from the future (the clock was ahead when it was
    /// made, and has been set right since) says the side, and that it was long ago.
    pub(super) fn last(&self, id: &PersonId, standing: &Standing, now: Now) -> Option<LastPassage> {
        let here = self.recent.iter().rev().find(|(who, ..)| who == id);
        if let Some((_, side, at)) = here {
            return Some(LastPassage { side: *side, ago: Some(now.mono.since(*at)) });
        }
        let record = standing.last?;
        let ago = match now.trust {
            ClockTrust::Trusted => {
                let ms = now.utc.0.saturating_sub(record.at.0);
                Some(u64::try_from(ms).map_or(Millis(u64::MAX), Millis))
            }
            ClockTrust::Untrusted => None,
        };
        Some(LastPassage { side: record.side, ago })
    }

    /// Let in; may open the door for that long.
    pub(super) fn expect(&mut self, id: PersonId, strike: Millis, now: Mono) {
        self.pending.retain(|(who, until)| *who != id && now <= *until);
        if self.pending.is_full() {
            self.pending.remove(0);
        }
        // There is room now.
        let _ = self.pending.push((id, now.after(strike).after(RELOCK_GRACE)));
    }

    /// The next person who passes through the door that opened now; call until `None`.
    pub(super) fn opened(&mut self, side: Side, now: Mono) -> Option<PersonId> {
        self.pending.retain(|(_, until)| now <= *until);
        if self.pending.is_empty() {
            return None;
        }
        let (id, _) = self.pending.remove(0);
        if self.recent.is_full() {
            self.recent.pop_front();
        }
        // There is room now.
        let _ = self.recent.push_back((id.clone(), side, now));
        Some(id)
    }

    /// Forgets one person, or everybody.
    pub(super) fn forget(&mut self, id: Option<&PersonId>) {
        let kept = core::mem::take(&mut self.recent);
        for entry in kept.iter().filter(|(who, ..)| id.is_some_and(|id| id != who)) {
            // No more than there were.
            let _ = self.recent.push_back(entry.clone());
        }
        self.pending.retain(|(who, _)| id.is_some_and(|id| id != who));
    }
}
