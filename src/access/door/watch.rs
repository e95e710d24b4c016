//! The watch over an open door: how it came to be open, and for how long it has been.
//!
//! Owns: the contact, the opening and its two warnings. Does not own: who had leave to open it.
//! Invariants: each opening is warned of once and alarmed once at most; a forced opening stays forced until the
//! door is shut; a door that nobody has to shut is not warned of.

use super::super::effects::Effects;
use ostiary_domain::{EventKind, Millis, Mono};

/// What is known of the door leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Watch {
    contact: Option<bool>,
    opening: Option<Opening>,
    warn: Millis,
    alarm: Millis,
}

/// How an open door came to be so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Opening {
    /// With leave, or found so: watched from then on.
    Watched { since: Mono, stage: Stage },
    /// Without.
    Forced,
}

/// How far a watched opening has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    /// All is well.
    Quiet,
    /// Warned of.
    Warned,
    /// Alarmed.
    Alarmed,
    /// Forced open.
    Forced,
}

impl Watch {
    /// A door of which nothing is known. `warn` and `alarm` count from the opening; the alarm comes later.
    pub(super) const fn new(warn: Millis, alarm: Millis) -> Self {
        Self { contact: None, opening: None, warn, alarm }
    }

    /// Whether the door stands open; `None` without a contact.
    pub(super) const fn contact(&self) -> Option<bool> {
        self.contact
    }

    /// How the opening stands; `None` while the door is not open.
    pub(super) fn stage(&self) -> Option<Stage> {
        self.opening.map(|opening| match opening {
            Opening::Watched { stage, .. } => stage,
            Opening::Forced => Stage::Forced,
        })
    }

    /// The door opens. `found`: it was open when first looked at; `with_leave`: it was unlocked, or is being left
    /// by the exit button.
    pub(super) fn open(&mut self, found: bool, with_leave: bool, now: Mono, effects: &mut Effects) {
        if self.contact == Some(true) {
            return;
        }
        self.contact = Some(true);
        effects.event(EventKind::DoorOpened, if found { "opened_unknown" } else { "" });
        if found || with_leave {
            self.opening = Some(Opening::Watched { since: now, stage: Stage::Quiet });
        } else {
            self.opening = Some(Opening::Forced);
            effects.event(EventKind::ForcedOpen, "");
        }
    }

    /// The door shuts.
    pub(super) fn shut(&mut self, effects: &mut Effects) {
        if self.contact == Some(true) {
            effects.event(EventKind::DoorClosed, "");
        }
        (self.contact, self.opening) = (Some(false), None);
    }

    /// With new leave to stand open, or without its old one, the time begins anew. A forced door stays forced.
    pub(super) const fn begin_anew(&mut self, now: Mono) {
        if let Some(Opening::Watched { since, stage }) = &mut self.opening {
            (*since, *stage) = (now, Stage::Quiet);
        }
    }

    /// When the next warning is due.
    pub(super) const fn deadline(&self) -> Option<Mono> {
        match self.opening {
            Some(Opening::Watched { since, stage: Stage::Quiet }) => Some(since.after(self.warn)),
            Some(Opening::Watched { since, stage: Stage::Warned }) => Some(since.after(self.alarm)),
            Some(Opening::Watched { stage: Stage::Alarmed | Stage::Forced, .. } | Opening::Forced) | None => {
                None
            }
        }
    }

    /// The warning that is due is given.
    pub(super) fn warn(&mut self, effects: &mut Effects) {
        let Some(Opening::Watched { stage, .. }) = &mut self.opening else { return };
        let (next, said) = match stage {
            Stage::Quiet => (Stage::Warned, "warning"),
            Stage::Warned | Stage::Alarmed | Stage::Forced => (Stage::Alarmed, "alarm"),
        };
        *stage = next;
        effects.event(EventKind::HeldOpen, said);
    }
}

#[cfg(test)]
impl Watch {
    /// The same with times counted from `now` on.
    pub(super) fn rebased(mut self, now: Mono) -> Self {
        if let Some(Opening::Watched { since, stage }) = &mut self.opening {
            // What is over matters no more, and `since` may lie before `now`: count up to the longest wait.
            let age = if *stage == Stage::Alarmed { 0 } else { now.since(*since).0.min(self.alarm.0) };
            // An opening of the accessible profile counts from ahead of now.
            *since = Mono(age + (since.since(now).0 << 32));
        }
        self
    }
}
