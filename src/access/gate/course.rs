//! What takes more than a face: keys, ids, PINs, the second person.
//!
//! Owns: the way from a finding over what is still missing to yes or no. Does not own: the rules, what is being
//! typed and who is waited for (`approach`), the check of a PIN (the caller's).
//! Invariants: the reason of a refusal is the first rule's, whatever is asked for next; a PIN is asked for before a
//! person counts as the first of two; while the reader is locked no key is heard, so nothing can be tried.

use super::Gate;
use crate::approach::{Entered, Known, Showing};
use crate::outputs::Output;
use crate::rules::{Finding, PinGiven, Second, objection};
use ostiary_domain::limits::MAX_NAME;
use ostiary_domain::{
    DenyReason, Event, EventKind, Key, Mode, PersonId, PinVerdict, Screen, Standing, TrackId,
};

impl Gate {
    /// A known person, with what they have brought so far.
    pub(super) fn consider(&mut self, person: Known, track: Option<TrackId>, pin: PinGiven) {
        let second = self.second_of(&person.id);
        let c = self.circumstances(Some(&person), pin, second);
        let Some(reason) = objection(Finding::Person(&person.standing), &c) else {
            return self.grant(track, person);
        };
        // What would be missing with a companion: the PIN comes first, so that nobody waits who has not shown it.
        let c = self.circumstances(Some(&person), pin, Second::There);
        let missing = objection(Finding::Person(&person.standing), &c);
        let mode = c.mode(&person.standing);
        self.deny(track, reason, Some(person.id.clone()));
        match missing {
            None if reason == DenyReason::DualAuthPending => {
                self.screens.drop_result();
                self.approach.wait(person, self.now.mono);
            }
            Some(DenyReason::PinRequired) if !self.locked_out() => match mode {
                Mode::FacePin | Mode::Pin if person.standing.has_pin => {
                    self.screens.drop_result();
                    self.approach.ask_pin(person.id.clone(), Some(person), self.now.mono);
                }
                // No PIN on record, or an id is to be typed before the face.
                Mode::FacePin | Mode::Pin | Mode::IdFace | Mode::Face | Mode::Prohibited => {
                    self.denied_screen(reason);
                }
            },
            Some(DenyReason::PinRequired) => self.denied_screen(DenyReason::PinLocked),
            None | Some(_) => {}
        }
    }

    /// Whether somebody else waits who may still pass.
    fn second_of(&mut self, id: &PersonId) -> Second {
        let Some(first) = self.approach.waiting_for(id).cloned() else { return Second::Missing };
        let c = self.circumstances(Some(&first), PinGiven::Right, Second::There);
        // The id that was typed since is the second person's.
        let c = crate::rules::Circumstances { claim: crate::rules::Claim::Same, ..c };
        if objection(Finding::Person(&first.standing), &c).is_none() {
            return Second::There;
        }
        self.approach.end_wait();
        Second::Missing
    }

    /// Time ran out for somebody.
    pub(super) fn pass_course(&mut self) {
        let (alone, silent) = self.approach.advance(self.now.mono);
        if let Some(person) = alone {
            let c = self.circumstances(Some(&person), PinGiven::Right, Second::TooLate);
            let reason = objection(Finding::Person(&person.standing), &c);
            self.deny(None, reason.unwrap_or(DenyReason::DualAuthTimeout), Some(person.id));
        }
        if let Some(person) = silent {
            self.deny(None, DenyReason::PinRequired, Some(person.id));
            self.denied_screen(DenyReason::PinRequired);
        }
    }

    pub(super) fn key(&mut self, key: Key) {
        if self.locked_out() {
            return self.denied_screen(DenyReason::PinLocked);
        }
        let now = self.now.mono;
        self.screens.drop_result();
        match key {
            Key::Digit(digit) => self.approach.digit(digit, now),
            Key::Clear => self.approach.clear(),
            Key::Function(key) => {
                self.attendance.key(key, &self.book.attendance, now);
            }
            Key::Enter => match self.approach.enter(now) {
                Entered::Nothing => {}
                Entered::Short => self.denied_screen(DenyReason::PinRequired),
                Entered::Pin(ticket, person, pin) => {
                    self.outputs.push(Output::CheckPin { ticket, person, pin });
                }
                Entered::Claim(person) => {
                    let c = self.circumstances(None, PinGiven::Missing, Second::Missing);
                    if c.door_mode() == Mode::Pin {
                        let ticket = self.approach.look_up(person.clone(), now);
                        self.outputs.push(Output::LookUp { ticket, person });
                    }
                }
            },
        }
    }

    /// Who has the id that was typed.
    pub(super) fn looked_up(&mut self, ticket: u32, person: Option<(heapless::String<MAX_NAME>, Standing)>) {
        let Some(id) = self.approach.looked_up(ticket) else { return };
        let now = self.now.mono;
        match person {
            // Asked for a PIN as anybody is: who is enrolled here is not told to whoever types numbers.
            None => self.approach.ask_pin(id, None, now),
            Some((_, standing)) if !standing.has_pin => self.approach.ask_pin(id, None, now),
            Some((name, standing)) => {
                let person = Known { id, name, standing, since: now, by_face: false };
                self.consider(person, None, PinGiven::Missing);
            }
        }
    }

    /// What came of a PIN.
    pub(super) fn pin_checked(&mut self, ticket: u32, verdict: PinVerdict) {
        let now = self.now.mono;
        match verdict {
            PinVerdict::Right | PinVerdict::Duress => {
                let Ok(Some(person)) = self.approach.checked(ticket, false, now) else { return };
                let id = person.id.clone();
                self.consider(person, None, PinGiven::Right);
                // Whatever became of it: somebody stands behind this person.
                if verdict == PinVerdict::Duress {
                    let event = Event::new(EventKind::Duress, self.config.settings().door, self.now);
                    self.outputs.push(Output::Event(event.of(&id)));
                }
            }
            PinVerdict::Wrong => {
                let Ok(person) = self.approach.checked(ticket, true, now) else { return };
                let reason = person.as_ref().map_or(Some(DenyReason::PinBad), |person| {
                    let second = self.second_of(&person.id);
                    let c = self.circumstances(Some(person), PinGiven::Wrong, second);
                    objection(Finding::Person(&person.standing), &c)
                });
                let id = person.map(|p| p.id);
                // A PIN that was tried and failed is on record as that, and counts, whatever else is missing.
                let reason =
                    reason.filter(|r| *r != DenyReason::DualAuthPending).unwrap_or(DenyReason::PinBad);
                self.deny(None, reason, id);
            }
            PinVerdict::Unavailable => {
                let Ok(person) = self.approach.checked(ticket, false, now) else { return };
                self.deny(None, DenyReason::PinRequired, person.map(|p| p.id));
                self.denied_screen(DenyReason::PinRequired);
            }
        }
    }

    /// The screen of a course that goes on.
    pub(super) fn course_screen(&self) -> Option<Screen> {
        match self.approach.showing(self.now.mono) {
            Showing::Nothing => None,
            Showing::Keypad { pin, entered, left_s } => Some(Screen::Keypad { pin, entered, left_s }),
            Showing::Second { left_s } => Some(Screen::SecondPerson { left_s }),
        }
    }
}
