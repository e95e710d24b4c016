//! What the gate wants done, in order, until it is taken.
//!
//! Owns: [`Output`] and the bounded queue of them, with its overflow policy. Does not own: carrying any of it out.
//! Invariants: one input needs at most [`MAX_OUTPUTS`]; with outputs drained before the next input nothing is
//! ever lost. Whoever does not drain loses, in this order: screens, releases that a newer one repeats, decisions and
//! questions (which then time out), passages, punches and events
//! (counted, and said by a `log_gap`), and unlockings that were never carried out, together with their event.
//! The newest release of the relay is never lost.

use ostiary_domain::limits::MAX_OUTPUTS;
use ostiary_domain::{Decision, Event, EventKind, GrantCause, Passage, PersonId, Pin, Punch, Screen};

/// One thing to do. To be carried out in the order in which they come.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Drive the relay.
    Relay {
        /// Energise or release.
        energised: bool,
        /// What for; `None` exactly for a release.
        cause: Option<GrantCause>,
    },
    /// Record it and send it.
    Event(Event),
    /// Show it.
    Screen(Screen),
    /// An attempt at the door ended.
    Decision(Decision),
    /// Keep where a person went last.
    Passage(PersonId, Passage),
    /// Keep a punch.
    Punch(Punch),
    /// Check a PIN, away from this thread; answer with [`super::Input::PinChecked`].
    CheckPin {
        /// To be given back with the answer.
        ticket: u32,
        /// Whose PIN it should be. Where there is no such person, take as long and say that it is wrong.
        person: PersonId,
        /// What was typed.
        pin: Pin,
    },
    /// Say who has an id; answer with [`super::Input::LookedUp`].
    LookUp {
        /// To be given back with the answer.
        ticket: u32,
        /// The id.
        person: PersonId,
    },
}

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Outputs {
    queue: heapless::Vec<Output, MAX_OUTPUTS>,
    lost: u32,
}

impl Outputs {
    pub(super) fn push(&mut self, output: Output) {
        if self.queue.is_full() {
            self.make_room();
        }
        // Room was made above: an eviction always takes one.
        let _ = self.queue.push(output);
    }

    pub(super) fn pop(&mut self) -> Option<Output> {
        if self.queue.is_empty() { None } else { Some(self.queue.remove(0)) }
    }

    /// Events lost since this was last asked.
    pub(super) fn take_lost(&mut self) -> u32 {
        core::mem::take(&mut self.lost)
    }

    /// Takes out the oldest of those that are worth least.
    fn make_room(&mut self) {
        let newest_release = self.queue.iter().rposition(is_release);
        let least = (0..self.queue.len()).min_by_key(|i| worth(&self.queue[*i], Some(*i) == newest_release));
        let Some(at) = least else { return };
        match self.queue.remove(at) {
            Output::Screen(_)
            | Output::Decision(_)
            | Output::Relay { energised: false, .. }
            | Output::CheckPin { .. }
            | Output::LookUp { .. } => {}
            Output::Event(_) | Output::Passage(..) | Output::Punch(_) => {
                self.lost = self.lost.saturating_add(1);
            }
            // Never carried out, so it must not be on record as if it had been.
            Output::Relay { energised: true, .. } => {
                if let Some(event) = self.queue[at..].iter().position(is_unlocking) {
                    self.queue.remove(at + event);
                }
            }
        }
    }
}

/// Less is given up earlier.
fn worth(output: &Output, newest_release: bool) -> u8 {
    match output {
        Output::Screen(_) => 0,
        Output::Relay { energised: false, .. } if !newest_release => 1,
        Output::Decision(_) | Output::CheckPin { .. } | Output::LookUp { .. } => 2,
        Output::Passage(..) | Output::Punch(_) => 3,
        Output::Event(event) if event.kind != EventKind::DoorUnlocked => 3,
        Output::Relay { energised: true, .. } => 4,
        Output::Event(_) => 5,
        Output::Relay { energised: false, .. } => 6,
    }
}

fn is_release(output: &Output) -> bool {
    matches!(output, Output::Relay { energised: false, .. })
}

fn is_unlocking(output: &Output) -> bool {
    matches!(output, Output::Event(event) if event.kind == EventKind::DoorUnlocked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostiary_domain::{DoorId, Now};

    fn event(kind: EventKind) -> Output {
        Output::Event(Event::new(kind, DoorId(1), Now::default()))
    }

    fn on() -> Output {
        Output::Relay { energised: true, cause: Some(GrantCause::Face) }
    }

    fn off() -> Output {
        Output::Relay { energised: false, cause: None }
    }

    #[test]
    fn a_full_queue_gives_up_pictures_before_records() {
        let mut outputs = Outputs::default();
        outputs.push(Output::Screen(Screen::Fault { what: heapless::String::new() }));
        for _ in 0..MAX_OUTPUTS {
            outputs.push(event(EventKind::Rex));
        }
        assert_eq!(outputs.take_lost(), 0);
        outputs.push(event(EventKind::Rex));
        assert_eq!((outputs.take_lost(), outputs.take_lost()), (1, 0));
    }

    #[test]
    fn nobody_drains_and_the_last_word_is_still_off() {
        let mut outputs = Outputs::default();
        for round in 0..100 {
            outputs.push(on());
            outputs.push(event(EventKind::DoorUnlocked));
            outputs.push(off());
            outputs.push(event(EventKind::DoorLocked));
            let queue = &outputs.queue;
            let last = queue.iter().rev().find(|o| matches!(o, Output::Relay { .. }));
            assert_eq!(last, Some(&off()), "round {round}");
            let ons = queue.iter().filter(|o| **o == on()).count();
            assert_eq!(ons, queue.iter().filter(|o| is_unlocking(o)).count(), "round {round}");
        }
        assert!(outputs.take_lost() > 0);
    }
}
