//! The course of an approach that takes more than a face: an id, a PIN, a second person.
//!
//! Owns: who is waited for, what is being typed, and for how long. Does not own: whether any of it is needed or enough
//! (`rules`), the check of a PIN, the count of failures.
//! Invariants: what was begun ends by itself; an answer counts only for the question that is open; a person waits as
//! the first of two only after bringing everything else that was asked.

use super::config::GateConfig;
use ostiary_domain::keypad::Typed;
use ostiary_domain::limits::MAX_NAME;
use ostiary_domain::{Millis, Mono, PersonId, Pin, Standing};

/// Somebody who was recognised, or who gave an id where no face is asked for.
#[derive(Clone, PartialEq)]
pub(super) struct Known {
    pub(super) id: PersonId,
    pub(super) name: heapless::String<MAX_NAME>,
    pub(super) standing: Standing,
    /// First good frame, or the id's last digit.
    pub(super) since: Mono,
    /// A face was matched.
    pub(super) by_face: bool,
}

impl core::fmt::Debug for Known {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Known({})", self.id)
    }
}

/// A PIN that is being typed.
#[derive(Clone, Debug)]
struct Entry {
    /// `None` for an id that nobody has: whoever typed it learns that at the end, as with a wrong PIN.
    person: Option<Known>,
    id: PersonId,
    typed: Typed,
    until: Mono,
    /// The question that was sent out.
    asked: Option<u32>,
}

/// What the approach has come to.
#[derive(Clone, Debug)]
pub(super) struct Approach {
    dual: Millis,
    patience: Millis,
    first: Option<(Known, Mono)>,
    entry: Option<Entry>,
    typed: Typed,
    typed_until: Mono,
    claim: Option<(PersonId, Mono)>,
    lookup: Option<(u32, PersonId, Mono)>,
    tickets: u32,
}

/// What became of a press of Enter.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Entered {
    /// Nothing to be done.
    Nothing,
    /// An id is claimed.
    Claim(PersonId),
    /// A PIN is to be checked.
    Pin(u32, PersonId, Pin),
    /// Too few digits for a PIN.
    Short,
}

/// The answer is to a question that is no longer open.
pub(super) struct Stale;

/// What the display shows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Showing {
    Nothing,
    Keypad { pin: bool, entered: u8, left_s: u8 },
    Second { left_s: u8 },
}

impl Approach {
    pub(super) fn new(config: &GateConfig) -> Self {
        let s = config.settings();
        Self {
            dual: Millis(u64::from(s.dual_ms)),
            patience: Millis(u64::from(s.pin_ms)),
            first: None,
            entry: None,
            typed: Typed::default(),
            typed_until: Mono(0),
            claim: None,
            lookup: None,
            tickets: 0,
        }
    }

    /// Forgets everything that was begun.
    pub(super) fn forget(&mut self) {
        (self.first, self.entry, self.claim, self.lookup) = (None, None, None, None);
        self.typed.clear();
    }

    /// When something ends by itself.
    pub(super) fn deadline(&self, now: Mono) -> Option<Mono> {
        let ends = [
            self.first.as_ref().map(|(_, until)| *until),
            self.entry.as_ref().map(|e| e.until),
            self.claim.as_ref().map(|(_, until)| *until),
            self.lookup.as_ref().map(|(.., until)| *until),
            (!self.typed.is_empty()).then_some(self.typed_until),
        ];
        let end = ends.into_iter().flatten().min()?;
        // A countdown moves every second.
        let second = match self.showing(now) {
            Showing::Nothing => None,
            Showing::Keypad { .. } | Showing::Second { .. } => self.shown_until().map(|until| {
                let left = until.since(now).0;
                now.after(Millis(if left % 1_000 == 0 { 1_000 } else { left % 1_000 }))
            }),
        };
        Some(second.map_or(end, |second| second.min(end)))
    }

    /// Lets time pass: what is over is forgotten. Gives whoever waited for a second person in vain, and whoever
    /// did not type a PIN in time.
    pub(super) fn advance(&mut self, now: Mono) -> (Option<Known>, Option<Known>) {
        let over = |until: &Mono| *until <= now;
        self.claim = self.claim.take().filter(|(_, until)| !over(until));
        self.lookup = self.lookup.take().filter(|(.., until)| !over(until));
        if !self.typed.is_empty() && over(&self.typed_until) {
            self.typed.clear();
        }
        let alone =
            if self.first.as_ref().is_some_and(|(_, until)| over(until)) { self.first.take() } else { None };
        let silent =
            if self.entry.as_ref().is_some_and(|e| over(&e.until)) { self.entry.take() } else { None };
        (alone.map(|(known, _)| known), silent.and_then(|e| e.person))
    }

    /// Somebody other than `id` who waits for a second person.
    pub(super) fn waiting_for(&self, id: &PersonId) -> Option<&Known> {
        self.first.as_ref().map(|(known, _)| known).filter(|known| known.id != *id)
    }

    /// That person waits for another, if not already. Another who waited before is not waited with any more.
    pub(super) fn wait(&mut self, person: Known, now: Mono) {
        if self.first.as_ref().is_none_or(|(first, _)| first.id != person.id) {
            self.first = Some((person, now.after(self.dual)));
        }
    }

    /// The second has come, or the first may not pass any more.
    pub(super) fn end_wait(&mut self) -> Option<Known> {
        self.first.take().map(|(known, _)| known)
    }

    /// The id that was typed last, while it counts.
    pub(super) fn claimed(&self) -> Option<&PersonId> {
        self.claim.as_ref().map(|(id, _)| id)
    }

    /// What was typed has served.
    pub(super) fn end_claim(&mut self) {
        self.claim = None;
    }

    /// Asks who has that id.
    pub(super) fn look_up(&mut self, id: PersonId, now: Mono) -> u32 {
        self.tickets = self.tickets.wrapping_add(1);
        self.lookup = Some((self.tickets, id, now.after(self.patience)));
        self.tickets
    }

    /// The id that was asked about under that number, if the answer is still wanted.
    pub(super) fn looked_up(&mut self, ticket: u32) -> Option<PersonId> {
        self.lookup.take_if(|(asked, ..)| *asked == ticket).map(|(_, id, _)| id)
    }

    /// A PIN is asked of that person; what they have typed of it already stays.
    pub(super) fn ask_pin(&mut self, id: PersonId, person: Option<Known>, now: Mono) {
        if self.entry.as_ref().is_none_or(|e| e.id != id) {
            self.typed.clear();
            let until = now.after(self.patience);
            self.entry = Some(Entry { person, id, typed: Typed::default(), until, asked: None });
        }
    }

    /// A digit.
    pub(super) fn digit(&mut self, digit: u8, now: Mono) {
        match &mut self.entry {
            Some(entry) if entry.asked.is_none() => entry.typed.push(digit),
            Some(_) => {}
            None => {
                self.typed.push(digit);
                self.typed_until = now.after(self.patience);
            }
        }
    }

    /// Begins again; with nothing typed, gives up.
    pub(super) fn clear(&mut self) {
        match &mut self.entry {
            Some(entry) if entry.asked.is_none() && !entry.typed.is_empty() => entry.typed.clear(),
            Some(_) => self.entry = None,
            None => self.typed.clear(),
        }
    }

    /// Done typing.
    pub(super) fn enter(&mut self, now: Mono) -> Entered {
        let Some(entry) = &mut self.entry else {
            let id = self.typed.as_str().parse::<PersonId>();
            self.typed.clear();
            return id.map_or(Entered::Nothing, |id| {
                self.claim = Some((id.clone(), now.after(self.patience)));
                Entered::Claim(id)
            });
        };
        if entry.asked.is_some() {
            return Entered::Nothing;
        }
        let pin = Pin::new(entry.typed.as_str());
        entry.typed.clear();
        let Some(pin) = pin else { return Entered::Short };
        self.tickets = self.tickets.wrapping_add(1);
        (entry.asked, entry.until) = (Some(self.tickets), now.after(self.patience));
        Entered::Pin(self.tickets, entry.id.clone(), pin)
    }

    /// The check that was asked for under that number has come: whose PIN it was to be, `None` where nobody has
    /// the id. With `again` the same person may try once more.
    pub(super) fn checked(&mut self, ticket: u32, again: bool, now: Mono) -> Result<Option<Known>, Stale> {
        let entry = self.entry.as_mut().filter(|e| e.asked == Some(ticket)).ok_or(Stale)?;
        if again {
            (entry.asked, entry.until) = (None, now.after(self.patience));
            return Ok(entry.person.clone());
        }
        self.entry.take().map(|e| e.person).ok_or(Stale)
    }

    /// What the display shows of it.
    pub(super) fn showing(&self, now: Mono) -> Showing {
        let left_s = |until: Mono| u8::try_from(until.since(now).0.div_ceil(1_000)).unwrap_or(u8::MAX);
        let count = |typed: &Typed| typed.len() as u8;
        if let Some(entry) = &self.entry {
            return Showing::Keypad { pin: true, entered: count(&entry.typed), left_s: left_s(entry.until) };
        }
        if !self.typed.is_empty() {
            let left_s = left_s(self.typed_until);
            return Showing::Keypad { pin: false, entered: count(&self.typed), left_s };
        }
        match &self.first {
            Some((_, until)) => Showing::Second { left_s: left_s(*until) },
            None => Showing::Nothing,
        }
    }

    fn shown_until(&self) -> Option<Mono> {
        let typing = (!self.typed.is_empty()).then_some(self.typed_until);
        let entry = self.entry.as_ref().map(|e| e.until);
        entry.or(typing).or(self.first.as_ref().map(|(_, until)| *until))
    }
}
