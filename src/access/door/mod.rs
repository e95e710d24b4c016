//! The door: what its relay should do and what is wrong with it.
//!
//! Owns: the states of SPEC 5, their priority (emergency, operator, schedule, none) and their timers.
//! Does not own: who may pass (`rules`), debounce, the relay's wire.
//! Invariants: what holds the door is kept as facts, and state and relay are read off them in one place each, so
//! that no path can forget one; the relay goes on in `settle` alone, each time with one cause and one
//! `door_unlocked`; a face opens nothing in fault, in lockdown and while faces are barred.

mod state;
mod watch;
mod words;

#[cfg(test)]
mod space;

use super::config::{GateConfig, MAX_PRESS_AGE, RELOCK_GRACE};
use super::effects::{DoorEffect, Effects};
use ostiary_domain::{EventKind, GrantCause, Millis, Mono};
use watch::Watch;
pub use words::{DoorInput, DoorState, MAX_OVERRIDE_S, Operator, OverrideTime, OverrideTooLong};

/// An unlocking for a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Passage {
    cause: GrantCause,
    until: Mono,
    /// The door was opened since.
    used: bool,
    /// With the times of the accessible profile.
    slow: bool,
}

/// What an operator holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Override {
    lockdown: bool,
    until: Option<Mono>,
}

/// The door machine. Feed [`Door::advance`] before every [`Door::handle`].
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "facts that hold or not, each apart from the others")]
pub struct Door {
    config: GateConfig,
    watch: Watch,
    passage: Option<Passage>,
    hold: Option<Override>,
    scheduled: bool,
    fire: bool,
    tamper: bool,
    wires_broken: bool,
    faces_barred: bool,
    shunt_until: Option<Mono>,
    driven: Option<GrantCause>,
    released_at: Option<Mono>,
}

impl Door {
    /// A locked door of which nothing is known.
    #[must_use]
    pub const fn new(config: GateConfig) -> Self {
        Self {
            watch: Watch::new(config.held_warn(), config.held_alarm()),
            config,
            passage: None,
            hold: None,
            scheduled: false,
            fire: false,
            tamper: false,
            wires_broken: false,
            faces_barred: false,
            shunt_until: None,
            driven: None,
            released_at: None,
        }
    }

    /// When something becomes due.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        let hold = self.hold.and_then(|h| h.until);
        let times = [self.passage.map(|p| p.until), hold, self.held_deadline()];
        times.into_iter().flatten().min()
    }

    /// Lets time pass up to `now`: everything due happens in its order.
    pub fn advance(&mut self, now: Mono, effects: &mut Effects) {
        while let Some(due) = self.deadline().filter(|due| *due <= now) {
            let free = self.is_free();
            if self.passage.is_some_and(|p| p.until <= due) {
                self.passage = None;
            } else if self.hold.is_some_and(|h| h.until.is_some_and(|until| until <= due)) {
                self.end_hold("off: time", effects);
            } else {
                self.watch.warn(effects);
            }
            // However late this is noticed, the relay was on until now.
            self.settle("time", false, free, now, effects);
        }
    }

    /// Takes an input.
    pub fn handle(&mut self, input: DoorInput, now: Mono, effects: &mut Effects) {
        let free = self.is_free();
        let (renewed, why) = match input {
            DoorInput::Grant { cause, slow } => (self.pass(cause, slow, now), cause.name()),
            DoorInput::Rex(at) => (self.exit(at, now, effects), "exit button"),
            DoorInput::Contact { open: true, since, first } => {
                self.opened(since, first, now, effects);
                (false, "contact")
            }
            DoorInput::Contact { open: false, .. } => {
                self.closed(effects);
                (false, "closed")
            }
            DoorInput::Fire(active) => {
                if self.fire != active {
                    self.fire = active;
                    effects.event(EventKind::Fire, if active { "on" } else { "off" });
                }
                (false, "fire alarm over")
            }
            DoorInput::Tamper(active) => {
                if self.tamper != active {
                    self.tamper = active;
                    effects.event(EventKind::Tamper, if active { "on" } else { "off" });
                }
                (false, "tamper")
            }
            DoorInput::Schedule(active) => {
                if self.scheduled != active {
                    self.scheduled = active;
                    let kind = if active { EventKind::ScheduleStart } else { EventKind::ScheduleEnd };
                    effects.event(kind, "");
                }
                (false, "schedule")
            }
            DoorInput::Operator(order) => (self.order(order, now, effects), "operator"),
            DoorInput::WiresBroken(broken) => {
                self.wires_broken = broken;
                // What was granted before the fault is not granted after it.
                self.passage = self.passage.filter(|_| !broken);
                (false, "fault")
            }
            DoorInput::FacesBarred(barred) => {
                self.faces_barred = barred;
                self.passage = self.passage.filter(|p| !barred || p.cause != GrantCause::Face);
                (false, "fault")
            }
        };
        self.settle(why, renewed, free, now, effects);
    }

    fn emergency(&self) -> bool {
        self.fire && self.config.settings().fire_unlocks
    }

    /// Held unlocked: nobody has to shut it.
    fn is_free(&self) -> bool {
        let held = self.hold.map_or(self.scheduled, |h| !h.lockdown);
        !self.wires_broken && (self.emergency() || held)
    }

    /// What the relay should be on for: the one place that says so.
    fn wanted(&self) -> Option<GrantCause> {
        if self.wires_broken {
            return None;
        }
        if self.emergency() {
            return Some(GrantCause::Fire);
        }
        let passage = self.passage.map(|p| p.cause);
        match self.hold {
            // The way out stays free.
            Some(Override { lockdown: true, .. }) => passage.filter(|c| *c == GrantCause::Rex),
            Some(Override { lockdown: false, .. }) => Some(GrantCause::Operator),
            None if self.scheduled => Some(GrantCause::Schedule),
            None => passage,
        }
    }

    /// Brings the relay to where it should be: the one place that moves it.
    fn settle(&mut self, why: &'static str, renewed: bool, was_free: bool, now: Mono, effects: &mut Effects) {
        if was_free != self.is_free() {
            self.watch.begin_anew(now);
        }
        let wanted = self.wanted();
        // A renewed passage is a new cause even where the relay is on already.
        let again = renewed && wanted.is_some() && wanted == self.passage.map(|p| p.cause);
        if wanted == self.driven && !again {
            return;
        }
        self.driven = wanted;
        effects.push(DoorEffect::Relay(wanted));
        if let Some(cause) = wanted {
            effects.push(DoorEffect::Unlocked(cause));
        } else {
            self.released_at = Some(now);
            effects.event(EventKind::DoorLocked, why);
        }
    }

    /// A passage begins or is extended; never stacked. `false` where nothing may pass.
    fn pass(&mut self, cause: GrantCause, slow: bool, now: Mono) -> bool {
        let shut_out = self.in_lockdown() && cause != GrantCause::Rex;
        let blind = self.faces_barred && cause == GrantCause::Face;
        if self.wires_broken || shut_out || blind {
            return false;
        }
        let extra = self.config.extra_for(slow);
        let until = now.after(self.config.strike()).after(extra);
        let until = self.passage.map_or(until, |p| p.until.max(until));
        self.passage = Some(Passage { cause, until, used: false, slow });
        if cause != GrantCause::Rex {
            self.watch.begin_anew(now.after(extra));
        }
        true
    }

    fn exit(&mut self, at: Mono, now: Mono, effects: &mut Effects) -> bool {
        let fresh = now.since(at) <= MAX_PRESS_AGE;
        effects.event(EventKind::Rex, if fresh { "" } else { "noticed too late to unlock" });
        let shunt = at.after(Millis(u64::from(self.config.settings().rex_shunt_ms)));
        self.shunt_until = self.shunt_until.max(Some(shunt));
        fresh && self.config.settings().rex_unlocks && self.pass(GrantCause::Rex, false, now)
    }

    fn order(&mut self, order: Operator, now: Mono, effects: &mut Effects) -> bool {
        let until = |time: OverrideTime| time.span().map(|span| now.after(span));
        match order {
            Operator::Open => return self.pass(GrantCause::Operator, false, now),
            // Only a release ends a lockdown: an automation that unlocks must not.
            Operator::Unlock(_) if self.in_lockdown() => {}
            Operator::Unlock(time) => self.hold = Some(Override { lockdown: false, until: until(time) }),
            Operator::Lock => {
                self.passage = None;
                self.hold = self.hold.filter(|h| h.lockdown);
                self.scheduled = false;
            }
            Operator::Lockdown(time) => {
                if !self.in_lockdown() {
                    effects.event(EventKind::Lockdown, "on");
                }
                self.hold = Some(Override { lockdown: true, until: until(time) });
                self.passage = self.passage.filter(|p| p.cause == GrantCause::Rex);
            }
            Operator::Release => self.end_hold("off: released", effects),
        }
        false
    }

    fn end_hold(&mut self, said: &'static str, effects: &mut Effects) {
        if self.in_lockdown() {
            effects.event(EventKind::Lockdown, said);
        }
        self.hold = None;
    }

    fn opened(&mut self, since: Mono, found: bool, now: Mono, effects: &mut Effects) {
        let covered = |until: Mono| since <= until;
        let with_leave = self.driven.is_some()
            || self.released_at.is_some_and(|at| covered(at.after(RELOCK_GRACE)))
            || self.shunt_until.is_some_and(covered);
        // Watched from when it was noticed: a late notice is no fault of whoever stands there.
        let slow = self.passage.is_some_and(|p| p.slow);
        self.watch.open(found, with_leave, now.after(self.config.extra_for(slow)), effects);
        if let Some(passage) = &mut self.passage {
            passage.used = true;
        }
    }

    fn closed(&mut self, effects: &mut Effects) {
        self.watch.shut(effects);
        let relock = self.config.settings().relock_on_close;
        self.passage = self.passage.filter(|p| !(p.used && relock));
    }

    fn held_deadline(&self) -> Option<Mono> {
        self.watch.deadline().filter(|_| !self.is_free())
    }
}
