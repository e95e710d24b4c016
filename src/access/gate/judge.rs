//! Judging a look: from what was seen to yes or no, and what follows from either.
//!
//! Owns: asking the attempt and the rules, and the records of a grant and a refusal. Does not own: the rules
//! themselves, the relay, the course of what takes more than a face (`course`).
//! Invariant: a grant is what a person's finding is to which no rule objects, and nothing else; silence denies.

use super::Gate;
use crate::approach::Known;
use crate::attempt::{Found, Heard};
use crate::attendance::Punched;
use crate::door::DoorInput;
use crate::effects::Effects;
use crate::faults::Part;
use crate::outputs::Output;
use crate::rules::{Circumstances, Claim, Finding, PinGiven, Second, objection};
use ostiary_domain::limits::MAX_NAME;
use ostiary_domain::rulebook::AntiPassback;
use ostiary_domain::{
    ClockTrust, Decision, DenyReason, Event, EventKind, GrantCause, Local, Look, PersonId, Punch,
    PunchSource, QualityReasons, Screen, TrackId,
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
        let finding = match found {
            Found::Spoof => Finding::Spoof,
            Found::Unknown => Finding::Unknown,
            Found::LowMargin => Finding::LowMargin,
            Found::Person { id, name, standing, since } => {
                let person = Known { id, name, standing, since, by_face: true };
                return self.consider(person, Some(track), PinGiven::Missing);
            }
        };
        let reason = objection(finding, &self.circumstances(None, PinGiven::Missing, Second::Missing));
        // Should no rule speak of somebody who is nobody: silence denies.
        self.deny(Some(track), reason.unwrap_or(DenyReason::UnknownFace), None);
    }

    /// Local time, while the clock may be believed.
    pub(super) fn local(&self) -> Option<Local> {
        match self.now.trust {
            ClockTrust::Trusted => self.zone.and_then(|zone| zone.local(self.now.utc)),
            ClockTrust::Untrusted => None,
        }
    }

    /// How things stand now, for that person.
    pub(super) fn circumstances(
        &self,
        person: Option<&Known>,
        pin: PinGiven,
        second: Second,
    ) -> Circumstances<'_> {
        let by_face = person.is_none_or(|p| p.by_face);
        let faults = if by_face { self.faults.bars_faces() } else { self.faults.bars_pins() };
        let claim = match (self.approach.claimed(), person) {
            (Some(id), Some(person)) if *id == person.id => Claim::Same,
            (Some(_), Some(_)) => Claim::Other,
            (Some(_) | None, None) | (None, Some(_)) => Claim::None,
        };
        Circumstances {
            now: self.now,
            local: self.local(),
            untrusted_clock: self.config.settings().untrusted_clock,
            door: self.config.settings().door,
            book: &self.book,
            closed: self.door.in_lockdown() || faults,
            last: person.and_then(|p| self.passages.last(&p.id, &p.standing, self.now)),
            others_open: self.others_open,
            claim,
            second,
            pin,
            locked_out: self.locked_out(),
        }
    }

    /// Somebody may pass: the relay first, then the records.
    pub(super) fn grant(&mut self, track: Option<TrackId>, person: Known) {
        let now = self.now.mono;
        if let Some(track) = track {
            self.attempts.granted(track, now);
        }
        let cause = if person.by_face { GrantCause::Face } else { GrantCause::Pin };
        let slow = person.standing.exceptions.accessible;
        let first = self.approach.end_wait();
        let mut effects = Effects::default();
        self.door.handle(DoorInput::Grant { cause, slow }, now, &mut effects);
        let Known { id, name, since, standing, by_face } = person;
        let decision = Decision::Grant { person: id.clone(), name: name.clone(), since };
        self.outputs.push(Output::Decision(decision));
        self.carry(&effects, Some((&id, cause)));
        self.passes(&id, &standing);
        if let Some(first) = first.filter(|first| first.id != id) {
            let event = Event::new(EventKind::AccessGranted, self.config.settings().door, self.now);
            self.outputs.push(Output::Event(event.of(&first.id).with(format_args!("first of two"))));
            self.passes(&first.id, &first.standing);
        }
        self.approach.end_claim();
        let screen = self.punch(&id, &standing, name, by_face);
        self.screens.result(screen, now);
        if self.timetable.granted() {
            self.tell(DoorInput::Schedule(true));
        }
    }

    /// The time of somebody who was let in, and the screen of it.
    fn punch(
        &mut self,
        id: &PersonId,
        standing: &ostiary_domain::Standing,
        name: heapless::String<MAX_NAME>,
        by_face: bool,
    ) -> Screen {
        let mut attendance = self.attendance.clone();
        let c = self.circumstances(None, PinGiven::Missing, Second::Missing);
        let punched = attendance.granted(id, standing, &c);
        self.attendance = attendance;
        match punched {
            Punched::Nothing => Screen::Welcome { name },
            Punched::Again(kind) => Screen::Punched { name, kind, again: true },
            Punched::New(key) => {
                let source = if by_face { PunchSource::Face } else { PunchSource::Pin };
                let punch = Punch { person: id.clone(), at: self.now, kind: key.kind, job: key.job, source };
                self.outputs.push(Output::Punch(punch));
                Screen::Punched { name, kind: key.kind, again: false }
            }
        }
    }

    /// Notes that somebody was let in who will go through, and that it was not the first time, where that is only
    /// reported.
    fn passes(&mut self, id: &PersonId, standing: &ostiary_domain::Standing) {
        let door = &self.book.door;
        if door.apb == AntiPassback::Off && door.timed_apb_s == 0 {
            return;
        }
        let c = self.circumstances(None, PinGiven::Missing, Second::Missing);
        let last = self.passages.last(id, standing, self.now);
        if (Circumstances { last, ..c }).passes_back(standing) {
            let event = Event::new(EventKind::ApbViolation, self.config.settings().door, self.now);
            self.outputs.push(Output::Event(event.of(id).with(format_args!("let in and reported"))));
        }
        self.passages.expect(id.clone(), self.config.strike().max(self.slow_strike()), self.now.mono);
        // Open already, or no contact that would tell: the grant is the passage.
        if self.door.contact() != Some(false) {
            self.pass_through();
        }
    }

    const fn slow_strike(&self) -> ostiary_domain::Millis {
        let (strike, extra) = (self.config.strike(), self.config.extra_for(true));
        ostiary_domain::Millis(strike.0 + extra.0)
    }

    /// Everybody who was let in goes through the door that is open now.
    pub(super) fn pass_through(&mut self) {
        let side = self.book.door.side;
        while let Some(id) = self.passages.opened(side, self.now.mono) {
            let passage = ostiary_domain::Passage { side, at: self.now.utc };
            self.outputs.push(Output::Passage(id, passage));
        }
    }

    /// Nobody passes, and this is why.
    pub(super) fn deny(&mut self, track: Option<TrackId>, reason: DenyReason, person: Option<PersonId>) {
        let news = track.is_none_or(|track| self.attempts.denied(track, reason, self.now.mono));
        if news {
            let event = Event::new(kind(reason), self.config.settings().door, self.now).because(reason);
            let event = Event { person: person.clone(), ..event };
            self.outputs.push(Output::Decision(Decision::Deny { reason, person }));
            self.outputs.push(Output::Event(event));
        }
        // A course that goes on has a screen of its own.
        if !matches!(reason, DenyReason::DualAuthPending | DenyReason::PinRequired) {
            self.denied_screen(reason);
        }
        if matches!(reason, DenyReason::Spoof | DenyReason::PinBad) && self.lockout.failed(self.now.mono) {
            self.approach.forget();
            let event = Event::new(EventKind::AccessDenied, self.config.settings().door, self.now);
            let event =
                event.because(DenyReason::PinLocked).with(format_args!("reader locked: too many attacks"));
            self.outputs.push(Output::Event(event));
        }
    }

    pub(super) fn denied_screen(&mut self, reason: DenyReason) {
        self.screens.result(Screen::Denied { reason: reason.into() }, self.now.mono);
    }
}

/// The kind of event that a refusal is.
const fn kind(reason: DenyReason) -> EventKind {
    match reason {
        DenyReason::Spoof => EventKind::Spoof,
        DenyReason::UnknownFace => EventKind::UnknownFace,
        DenyReason::Apb | DenyReason::TimedApb => EventKind::ApbViolation,
        DenyReason::Interlock => EventKind::InterlockViolation,
        DenyReason::LowMargin
        | DenyReason::Disabled
        | DenyReason::NotYetValid
        | DenyReason::Expired
        | DenyReason::Blocklisted
        | DenyReason::NoGroup
        | DenyReason::OutsideSchedule
        | DenyReason::Holiday
        | DenyReason::Lockdown
        | DenyReason::DualAuthPending
        | DenyReason::DualAuthTimeout
        | DenyReason::PinRequired
        | DenyReason::PinBad
        | DenyReason::PinLocked => EventKind::AccessDenied,
    }
}
