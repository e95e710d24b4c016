//! The gate: everything that reaches the door's decision goes in here, and everything that follows comes out.
//!
//! Owns: the order in which an input is judged, and the words in which results leave. Does not own: clocks,
//! wires, disk, display, or any rule (see the neighbours).
//! Invariants: given the same inputs and times it gives the same outputs; outputs come in the order decide,
//! actuate, record, show; time that runs backwards is taken as standing still.

mod course;
mod judge;

use super::approach::Approach;
use super::attempt::Attempts;
use super::attendance::Attendance;
use super::config::GateConfig;
use super::debounce::{Change, Debouncer};
use super::door::{Door, DoorInput, DoorState, Operator};
use super::effects::{DoorEffect, Effects};
use super::faults::{Faults, Part};
use super::input::Input;
use super::lockout::Lockout;
use super::outputs::{Output, Outputs};
use super::passages::Passages;
use super::presence::Presence;
use super::rules;
use super::screens::{Kiosk, Screens, View};
use super::timetable::Timetable;
use ostiary_domain::attendance::PunchMode;
use ostiary_domain::event::Detail;
use ostiary_domain::wires;
use ostiary_domain::{
    DenyReason, DoorId, Event, EventKind, GrantCause, Millis, Mono, Now, PersonId, Rulebook, Zone,
};

/// The decision core of one door.
///
/// Drain [`Gate::poll_output`] after every [`Gate::handle`]; call `handle(Input::Tick, ..)` no later than
/// [`Gate::poll_timeout`] says.
#[derive(Debug)]
pub struct Gate {
    config: GateConfig,
    door: Door,
    wires: Debouncer,
    attempts: Attempts,
    presence: Presence,
    lockout: Lockout,
    faults: Faults,
    screens: Screens,
    outputs: Outputs,
    approach: Approach,
    passages: Passages,
    timetable: Timetable,
    attendance: Attendance,
    book: Rulebook,
    zone: Option<Zone>,
    others_open: Option<bool>,
    link_up: Option<bool>,
    now: Now,
}

impl Gate {
    /// A locked door. Its first output releases the relay.
    #[must_use]
    pub fn new(config: GateConfig) -> Self {
        let s = config.settings();
        let ms = |ms: u32| Millis(u64::from(ms));
        let patience = Some(ms(s.no_face_timeout_ms)).filter(|p| p.0 > 0);
        let mut gate = Self {
            door: Door::new(config.clone()),
            wires: Debouncer::new(ms(s.debounce_ms)),
            attempts: Attempts::new(&config),
            presence: Presence::new(ms(s.absent_ms), patience),
            lockout: Lockout::new(s.lockout_failures, ms(s.lockout_ms)),
            faults: Faults::default(),
            screens: Screens::new(ms(s.result_ms)),
            outputs: Outputs::default(),
            approach: Approach::new(&config),
            passages: Passages::default(),
            timetable: Timetable::default(),
            attendance: Attendance::new(&config),
            book: Rulebook::default(),
            zone: None,
            others_open: None,
            link_up: None,
            now: Now::default(),
            config,
        };
        gate.outputs.push(Output::Relay { energised: false, cause: None });
        gate
    }

    /// Takes other rules. What was begun under the old ones is forgotten; follow with a `Tick`.
    ///
    /// Not an input: a book is some sixty kilobytes, which no queue should carry.
    pub fn set_rules(&mut self, book: &Rulebook) {
        self.book.clone_from(book);
        self.approach.forget();
    }

    /// Which door.
    #[must_use]
    pub const fn door_id(&self) -> DoorId {
        self.config.settings().door
    }

    /// The rules in force.
    #[must_use]
    pub const fn rules(&self) -> &Rulebook {
        &self.book
    }

    /// How things stand for somebody found there: for asking why and what if. Nobody waits, nothing is typed.
    #[must_use]
    pub fn circumstances_now(&self) -> rules::Circumstances<'_> {
        self.circumstances(None, rules::PinGiven::Missing, rules::Second::Missing)
    }

    /// Takes one input at that time.
    pub fn handle(&mut self, input: Input, now: Now) {
        self.now = Now { mono: now.mono.max(self.now.mono), ..now };
        let lost = self.outputs.take_lost();
        if lost > 0 {
            self.event(EventKind::LogGap, format_args!("{lost} events were not taken in time"));
        }
        self.pass_time();
        match input {
            Input::Edge(edge) => {
                self.settle_wires(self.wires.stamp(edge, self.now.mono));
                self.wires.edge(edge, self.now.mono);
            }
            Input::Look(_)
            | Input::Operator(_)
            | Input::Schedule(_)
            | Input::CameraFault(_)
            | Input::CameraBack
            | Input::Fault(..)
            | Input::FaultCleared(_)
            | Input::Tick
            | Input::Link { .. }
            | Input::ClockStep { .. }
            | Input::Key(_)
            | Input::PinChecked { .. }
            | Input::LookedUp { .. }
            | Input::Zone(_)
            | Input::Others(_)
            | Input::ForgetPassages(_)
            | Input::FrameSize { .. } => {
                self.settle_wires(self.now.mono);
                self.take(input);
            }
        }
        self.show();
    }

    /// The next thing to do; `None` when all is done.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop()
    }

    /// When the gate wants a `Tick` at the latest; `None` while nothing is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Mono> {
        let times = [
            self.door.deadline(),
            self.wires.deadline(),
            self.presence.deadline(),
            self.lockout.deadline(self.now.mono),
            self.approach.deadline(self.now.mono),
            self.attendance.deadline(),
            Timetable::deadline(&self.book, self.now),
            self.screens.deadline(self.now),
        ];
        times.into_iter().flatten().min()
    }

    /// How the door stands.
    #[must_use]
    pub fn door_state(&self) -> DoorState {
        self.door.state()
    }

    /// Whether the relay is to be energised.
    #[must_use]
    pub const fn relay(&self) -> bool {
        self.door.driven().is_some()
    }

    /// Whether the housing was opened.
    #[must_use]
    pub const fn tampered(&self) -> bool {
        self.door.is_tampered()
    }

    /// Whether the door stands open; `None` without a contact.
    #[must_use]
    pub const fn contact(&self) -> Option<bool> {
        self.door.contact()
    }

    /// What is wrong, for the installer; `None` when nothing is.
    #[must_use]
    pub fn fault(&self) -> Option<&str> {
        self.faults.any()
    }

    /// Whether the reader is locked after too many attacks.
    #[must_use]
    pub fn locked_out(&self) -> bool {
        self.lockout.is_on(self.now.mono)
    }

    fn pass_time(&mut self) {
        let mut effects = Effects::default();
        self.door.advance(self.now.mono, &mut effects);
        self.carry(&effects, None);
        if let Some(reasons) = self.presence.advance(self.now.mono) {
            self.event(EventKind::NoFaceTimeout, format_args!("{reasons}"));
        }
        self.pass_course();
        self.attendance.advance(self.now.mono);
        if let Some(edge) = self.timetable.edge(&self.book, self.local()) {
            self.tell(DoorInput::Schedule(edge));
        }
    }

    fn settle_wires(&mut self, until: Mono) {
        while let Some(Change { input, active, since, first }) = self.wires.due(until) {
            match (input, active) {
                (wires::Input::Contact, open) => self.tell(DoorInput::Contact { open, since, first }),
                // A button held down since before the start was not pressed for this door.
                (wires::Input::Rex, true) if !first => self.tell(DoorInput::Rex(since)),
                (wires::Input::Rex, _) => {}
                (wires::Input::Tamper, open) => self.tell(DoorInput::Tamper(open)),
                (wires::Input::Fire, calls) => self.tell(DoorInput::Fire(calls)),
            }
        }
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Look(look) => self.look(&look),
            Input::Operator(order) => self.order(order),
            Input::Schedule(active) => self.tell(DoorInput::Schedule(active)),
            Input::CameraFault(what) => {
                if !self.faults.is(Part::Camera) {
                    self.event(EventKind::CameraFault, format_args!("{what}"));
                }
                self.broken(Part::Camera, what);
            }
            Input::CameraBack => {
                if self.faults.is(Part::Camera) {
                    self.event(EventKind::CameraFault, format_args!("over: the camera delivers again"));
                }
                self.cleared(Part::Camera);
            }
            Input::Fault(part, what) => self.broken(part, what),
            Input::FaultCleared(part) => self.cleared(part),
            Input::Edge(_) | Input::Tick => {}
            Input::Link { up, queued } => {
                match (self.link_up, up) {
                    (Some(true), Some(false)) => self.event(EventKind::LinkDown, format_args!("")),
                    (None | Some(false), Some(true)) => self.event(EventKind::LinkUp, format_args!("")),
                    (_, None) | (None | Some(false), Some(false)) | (Some(true), Some(true)) => {}
                }
                self.link_up = up;
                self.screens.link(up, queued);
            }
            Input::ClockStep { by_ms } => self.event(EventKind::ClockStep, format_args!("{by_ms:+} ms")),
            Input::Key(key) => self.key(key),
            Input::PinChecked { ticket, verdict } => self.pin_checked(ticket, verdict),
            Input::LookedUp { ticket, person } => self.looked_up(ticket, person),
            Input::Zone(zone) => self.zone = Some(zone),
            Input::Others(open) => self.others_open = open,
            Input::ForgetPassages(person) => self.passages.forget(person.as_ref()),
            Input::FrameSize { width, height } => self.screens.frame(width, height),
        }
    }

    fn order(&mut self, order: Operator) {
        let refused = match order {
            Operator::Open => self.door.in_lockdown() || self.faults.is(Part::Wires),
            Operator::Unlock(_) => self.door.in_lockdown(),
            Operator::Lock | Operator::Lockdown(_) | Operator::Release => false,
        };
        if refused {
            let event = Event::new(EventKind::AccessDenied, self.config.settings().door, self.now);
            let event =
                event.because(DenyReason::Lockdown).with(format_args!("operator's order; release first"));
            self.outputs.push(Output::Event(event));
        }
        self.tell(DoorInput::Operator(order));
    }

    fn broken(&mut self, part: Part, what: Detail) {
        self.faults.set(part, what);
        self.apply_faults();
        if self.faults.bars_faces() {
            self.attempts.interrupt();
            self.approach.forget();
            self.presence.forget();
            self.screens.look_here();
            self.screens.drop_result();
        }
    }

    fn cleared(&mut self, part: Part) {
        self.faults.clear(part);
        self.apply_faults();
    }

    fn apply_faults(&mut self) {
        self.tell(DoorInput::FacesBarred(self.faults.bars_faces()));
        self.tell(DoorInput::WiresBroken(self.faults.is(Part::Wires)));
    }

    fn tell(&mut self, input: DoorInput) {
        let mut effects = Effects::default();
        self.door.handle(input, self.now.mono, &mut effects);
        self.carry(&effects, None);
    }

    /// Sends the door's effects on their way: the relay first. `granted`: the person this is about, and by what.
    fn carry(&mut self, effects: &Effects, granted: Option<(&PersonId, GrantCause)>) {
        let (door, now) = (self.config.settings().door, self.now);
        if let Some((person, _)) = granted {
            for effect in effects.all() {
                self.relay_output(effect);
            }
            let event = Event::new(EventKind::AccessGranted, door, now).of(person);
            self.outputs.push(Output::Event(event));
        }
        for effect in effects.all() {
            match effect {
                DoorEffect::Relay(_) if granted.is_some() => {}
                DoorEffect::Relay(_) => self.relay_output(effect),
                DoorEffect::Unlocked(cause) => {
                    let event = Event::new(EventKind::DoorUnlocked, door, now).caused_by(*cause);
                    let person = granted.filter(|(_, by)| cause == by).map(|(person, _)| person.clone());
                    self.outputs.push(Output::Event(Event { person, ..event }));
                }
                DoorEffect::Event(kind, detail) => {
                    self.event(*kind, format_args!("{detail}"));
                    if *kind == EventKind::DoorOpened {
                        self.pass_through();
                    }
                }
            }
        }
    }

    fn relay_output(&mut self, effect: &DoorEffect) {
        if let DoorEffect::Relay(cause) = effect {
            self.outputs.push(Output::Relay { energised: cause.is_some(), cause: *cause });
        }
    }

    fn event(&mut self, kind: EventKind, detail: core::fmt::Arguments<'_>) {
        let event = Event::new(kind, self.config.settings().door, self.now).with(detail);
        self.outputs.push(Output::Event(event));
    }

    fn show(&mut self) {
        let view = View {
            fire: self.door.on_fire(),
            fault: self.faults.shown(),
            forced: self.door.is_forced(),
            held: self.door.is_held(),
            tampered: self.door.is_tampered(),
            locked_out: self.lockout.is_on(self.now.mono),
            lockdown: self.door.in_lockdown(),
            somebody: self.presence.is_somebody(),
            course: self.course_screen(),
            kiosk: self.kiosk(),
        };
        if let Some(screen) = self.screens.next(&view, self.now) {
            self.outputs.push(Output::Screen(screen));
        }
    }
}

impl Gate {
    /// What the idle screen of a kiosk shows; `None` where this is none.
    fn kiosk(&self) -> Option<Kiosk> {
        let rules = &self.book.attendance;
        if rules.mode == PunchMode::Off {
            return None;
        }
        let c = self.circumstances(None, rules::PinGiven::Missing, rules::Second::Missing);
        let keyed = !matches!(rules.mode, PunchMode::Off | PunchMode::Fixed);
        let keys = core::array::from_fn(|i| rules.keys[i].filter(|_| keyed).map(|key| key.kind));
        Some(Kiosk { kind: self.attendance.ahead(&c), keys })
    }
}

#[cfg(test)]
mod tests;
