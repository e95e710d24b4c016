//! Judging a look: from what was seen to yes or no, and what follows from either.
//!
//! Owns: asking the attempt and the rules, and the records of a grant and a refusal. Does not own: the rules
//! themselves, the relay.
//! Invariant: a grant is what a person's finding is to which no rule objects, and nothing else; silence denies.

use super::Gate;
use crate::access::attempt::{Found, Heard};
use crate::access::door::DoorInput;
use crate::access::effects::Effects;
use crate::access::faults::Part;
use crate::access::outputs::Output;
use crate::access::rules::{Circumstances, Finding, objection};
use crate::domain::limits::MAX_NAME;
use crate::domain::{
    Decision, DenyReason, Event, EventKind, Look, Mono, PersonId, QualityReasons, Screen, TrackId,
};

impl Gate {
    pub(super) fn look(&mut self, look: &Look) {
        if self.faults.is(Part::Camera) {
            return;
        }
        let now = self.now.mono;
        let face = look.subject.as_ref().map(|(_, face)| face);
        match self.attempts.look(look, now) {
            Heard::Nothing => {}
            Heard::Nobody => self.screens.look_here(),
            Heard::Somebody(reasons) => {
                self.presence.seen(reasons, now);
                self.screens.guide(reasons, face);
            }
            Heard::Closed(track) => {
                self.presence.seen(QualityReasons::default(), now);
                self.presence.settle();
                self.screens.look_here();
                if self.attempts.is_spoofed(track) {
                    self.denied_screen(DenyReason::Spoof);
                }
            }
            Heard::Found(track, found) => {
                self.presence.seen(QualityReasons::default(), now);
                self.presence.settle();
                self.conclude(track, found);
            }
        }
    }

    fn conclude(&mut self, track: TrackId, found: Found) {
        let circumstances = Circumstances {
            now: self.now,
            untrusted_clock: self.config.settings().untrusted_clock,
            closed: self.door.in_lockdown() || self.faults.bars_faces(),
            locked_out: self.locked_out(),
        };
        let finding = match &found {
            Found::Spoof => Finding::Spoof,
            Found::Unknown => Finding::Unknown,
            Found::LowMargin => Finding::LowMargin,
            Found::Person { standing, .. } => Finding::Person(standing),
        };
        match (objection(finding, &circumstances), found) {
            (None, Found::Person { id, name, since, .. }) => self.grant(track, &id, name, since),
            (Some(reason), Found::Person { id, .. }) => self.deny(track, reason, Some(id)),
            (Some(reason), Found::Spoof | Found::Unknown | Found::LowMargin) => {
                self.deny(track, reason, None);
            }
            // No rule spoke for somebody who is nobody: silence denies.
            (None, Found::Spoof | Found::Unknown | Found::LowMargin) => {
                self.deny(track, DenyReason::UnknownFace, None);
            }
        }
    }

    fn grant(&mut self, track: TrackId, person: &PersonId, name: heapless::String<MAX_NAME>, since: Mono) {
        self.attempts.granted(track, self.now.mono);
        let mut effects = Effects::default();
        self.door.handle(DoorInput::Grant, self.now.mono, &mut effects);
        let decision = Decision::Grant { person: person.clone(), name: name.clone(), since };
        self.outputs.push(Output::Decision(decision));
        self.carry(&effects, Some(person));
        self.screens.result(Screen::Welcome { name }, self.now.mono);
    }

    fn deny(&mut self, track: TrackId, reason: DenyReason, person: Option<PersonId>) {
        let news = self.attempts.denied(track, reason, self.now.mono);
        if news {
            let kind = match reason {
                DenyReason::Spoof => EventKind::Spoof,
                DenyReason::UnknownFace => EventKind::UnknownFace,
                DenyReason::LowMargin
                | DenyReason::Disabled
                | DenyReason::NotYetValid
                | DenyReason::Expired
                | DenyReason::Blocklisted
                | DenyReason::NoGroup
                | DenyReason::OutsideSchedule
                | DenyReason::Holiday
                | DenyReason::Lockdown
                | DenyReason::Apb
                | DenyReason::TimedApb
                | DenyReason::Interlock
                | DenyReason::DualAuthPending
                | DenyReason::DualAuthTimeout
                | DenyReason::PinRequired
                | DenyReason::PinBad
                | DenyReason::PinLocked => EventKind::AccessDenied,
            };
            let event = Event::new(kind, self.config.settings().door, self.now).because(reason);
            let event = Event { person: person.clone(), ..event };
            self.outputs.push(Output::Decision(Decision::Deny { reason, person }));
            self.outputs.push(Output::Event(event));
        }
        self.denied_screen(reason);
        if reason == DenyReason::Spoof && self.lockout.failed(self.now.mono) {
            let event = Event::new(EventKind::AccessDenied, self.config.settings().door, self.now);
            let event =
                event.because(DenyReason::PinLocked).with(format_args!("reader locked: too many attacks"));
            self.outputs.push(Output::Event(event));
        }
    }

    fn denied_screen(&mut self, reason: DenyReason) {
        self.screens.result(Screen::Denied { reason: reason.into() }, self.now.mono);
    }
}
