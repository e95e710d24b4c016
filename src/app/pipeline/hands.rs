//! The gate's hands: every input goes to the gate here, and every output leaves from here, in one order.
//!
//! Owns: the gate, the door's wires, and the order of effects: decide, actuate, persist, publish.
//! Does not own: threads and waiting (`threads`, `lockstep`), rules (`access`).
//! Invariants: outputs are drained before the next input; a wire that cannot be driven puts the gate in fault and
//! the relay is released again at every turn until the wire obeys; dropping this releases the relay.

use crate::access::{Gate, Input, Output, Part};
use crate::domain::{Decision, GrantCause, Mono, Now, Rulebook, Screen, clipped};
use crate::ports::{self, Detail, Door};
use crate::store::Record;

use super::journal::JournalSender;
use super::keeper::{Ask, KeeperSender};

/// What an observer may see of the door's work (the demo's story, the metrics).
#[derive(Debug)]
pub enum Observation<'a> {
    /// An attempt ended.
    Decision(&'a Decision),
    /// The relay moved.
    Relay {
        /// Whether it is energised now.
        energised: bool,
        /// What for.
        cause: Option<GrantCause>,
        /// For a face: when the first good frame of the attempt was captured.
        since: Option<Mono>,
    },
}

/// Whoever watches the door's work; called between actuation and journal, must be quick.
pub type Observer = Box<dyn FnMut(&Observation<'_>, Now) + Send>;

/// Where screens go; must not block.
pub trait ScreenSink: Send {
    /// The newest screen.
    fn show(&mut self, screen: Screen);
}

/// Gate, wires and what follows.
pub struct Hands {
    gate: Gate,
    door: Box<dyn Door>,
    journal: JournalSender,
    screens: Box<dyn ScreenSink>,
    observer: Option<Observer>,
    keeper: Option<KeeperSender>,
    since: Option<Mono>,
    wires_broken: bool,
}

impl Hands {
    /// Takes the door in hand: the relay is released before anything else happens.
    #[must_use]
    pub fn new(
        gate: Gate,
        door: Box<dyn Door>,
        journal: JournalSender,
        screens: Box<dyn ScreenSink>,
        observer: Option<Observer>,
        now: Now,
    ) -> Self {
        let (keeper, since, wires_broken) = (None, None, false);
        let mut hands = Self { gate, door, journal, screens, observer, keeper, since, wires_broken };
        hands.release(now);
        for input in [ports::Input::Contact, ports::Input::Rex, ports::Input::Tamper, ports::Input::Fire] {
            hands.start_level(input, now);
        }
        hands.drain(now);
        hands
    }

    /// Gives the gate somebody to ask for PINs and ids, and to tell of passages and punches.
    #[must_use]
    pub fn asking(mut self, keeper: KeeperSender) -> Self {
        self.keeper = Some(keeper);
        self
    }

    /// Other rules hold from now on.
    pub fn set_rules(&mut self, book: &Rulebook, now: Now) {
        self.gate.set_rules(book);
        self.feed(Input::Tick, now);
    }

    /// The gate, to be asked how it stands.
    #[must_use]
    pub const fn gate(&self) -> &Gate {
        &self.gate
    }

    /// One input, and all that follows from it.
    pub fn feed(&mut self, input: Input, now: Now) {
        self.gate.handle(input, now);
        self.drain(now);
    }

    /// One turn without a message: the wires' changes, what is due, and another try at a broken wire.
    pub fn turn(&mut self, now: Now) {
        if self.wires_broken {
            self.release(now);
        }
        loop {
            match self.door.poll_edge() {
                Ok(Some(edge)) => self.feed(Input::Edge(edge), now),
                Ok(None) => break,
                Err(error) => {
                    self.broken(&error.0, now);
                    break;
                }
            }
        }
        self.feed(Input::Tick, now);
    }

    /// The end of the door's work: locks, and says so in the journal.
    pub fn stop(mut self, now: Now) {
        self.feed(Input::Fault(Part::Board, clipped("the program ends")), now);
    }

    /// Shows a screen that is not the gate's; the gate's next one follows it.
    pub fn show(&mut self, screen: Screen) {
        self.screens.show(screen);
    }

    /// When the gate wants its next turn at the latest.
    #[must_use]
    pub fn due(&self) -> Option<Mono> {
        self.gate.poll_timeout()
    }

    fn drain(&mut self, now: Now) {
        while let Some(output) = self.gate.poll_output() {
            match output {
                Output::Relay { energised, cause } => self.actuate(energised, cause, now),
                Output::Decision(decision) => {
                    self.since = match &decision {
                        Decision::Grant { since, .. } => Some(*since),
                        Decision::Deny { .. } => None,
                    };
                    tracing::info!(?decision, "decided");
                    self.observe(&Observation::Decision(&decision), now);
                }
                Output::Event(event) => self.journal.record(event),
                Output::Screen(screen) => self.screens.show(screen),
                Output::Passage(person, passage) => {
                    self.journal.keep(Record::Passage(person.clone(), passage));
                    self.ask(Ask::Passed(person, passage));
                }
                Output::Punch(punch) => {
                    let (door, same_s) = (self.gate.door_id(), self.gate.rules().attendance.same_s);
                    self.journal.keep(Record::Punch { punch: punch.clone(), door, same_s });
                    self.ask(Ask::Punched(punch));
                }
                Output::CheckPin { ticket, person, pin } => self.ask(Ask::Pin(ticket, person, pin)),
                Output::LookUp { ticket, person } => self.ask(Ask::Id(ticket, person)),
            }
        }
    }

    /// Without a keeper a question times out at the door.
    fn ask(&self, ask: Ask) {
        if let Some(keeper) = &self.keeper {
            keeper.tell(ask);
        }
    }

    fn actuate(&mut self, energised: bool, cause: Option<GrantCause>, now: Now) {
        match self.door.set_relay(energised) {
            Ok(()) => {
                let since =
                    self.since.take().filter(|_| matches!(cause, Some(GrantCause::Face | GrantCause::Pin)));
                self.observe(&Observation::Relay { energised, cause, since }, now);
            }
            Err(error) => self.broken(&error.0, now),
        }
    }

    fn release(&mut self, now: Now) {
        match self.door.set_relay(false) {
            Ok(()) if self.wires_broken => {
                self.wires_broken = false;
                tracing::info!("the door's wires obey again");
                self.feed(Input::FaultCleared(Part::Wires), now);
            }
            Ok(()) => {}
            Err(error) => self.broken(&error.0, now),
        }
    }

    fn broken(&mut self, what: &Detail, now: Now) {
        if !self.wires_broken {
            tracing::error!(%what, "the door's wires cannot be driven; the door stays locked");
            self.wires_broken = true;
            self.gate.handle(Input::Fault(Part::Wires, what.clone()), now);
            self.drain(now);
        }
    }

    fn observe(&mut self, observation: &Observation<'_>, now: Now) {
        if let Some(observer) = &mut self.observer {
            observer(observation, now);
        }
    }

    fn start_level(&mut self, input: ports::Input, now: Now) {
        match self.door.level(input) {
            Ok(Some(active)) => {
                let edge = ports::InputEdge { input, active, at: now.mono };
                self.feed(Input::Edge(edge), now);
            }
            Ok(None) => {}
            Err(error) => self.broken(&error.0, now),
        }
    }
}

impl Drop for Hands {
    fn drop(&mut self) {
        if let Err(error) = self.door.set_relay(false) {
            tracing::error!(%error, "the relay could not be released at the end; cut its power");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;

    use super::*;
    use crate::access::{GateConfig, Operator};
    use crate::app::pipeline::Journal;
    use crate::device::clock_sim::SimClock;
    use crate::device::sim::{SimDoor, SimDoorHandle};
    use crate::domain::{DoorId, EventSeq};
    use crate::ports::Clock;
    use crate::store::{Options, SealKey, Store};

    struct Nowhere;

    impl ScreenSink for Nowhere {
        fn show(&mut self, _screen: Screen) {}
    }

    fn at(ms: u64) -> Now {
        Now { mono: Mono(ms), ..Now::default() }
    }

    fn hands(observer: Option<Observer>) -> (Hands, SimDoorHandle, Journal, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let key = SealKey::from_bytes([7; 32]);
        let store = Store::open(&folder.path().join("gallery.redb"), key, Options::default()).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SimClock::default());
        let door = SimDoor::new(Arc::clone(&clock), false);
        let handle = door.handle();
        let (sender, journal) = Journal::new(Arc::new(store), None, clock, DoorId(1), EventSeq(0));
        let gate = Gate::new(GateConfig::default());
        let hands = Hands::new(gate, Box::new(door), sender, Box::new(Nowhere), observer, at(0));
        (hands, handle, journal, folder)
    }

    #[test]
    fn a_panic_while_the_relay_is_on_releases_it() {
        let observer: Observer = Box::new(|observation, _| {
            assert!(
                !matches!(observation, Observation::Relay { energised: true, .. }),
                "a fault of the program"
            );
        });
        let (mut hands, door, _journal, _folder) = hands(Some(observer));
        let outcome = catch_unwind(AssertUnwindSafe(move || {
            hands.feed(Input::Operator(Operator::Open), at(10));
        }));
        assert!(outcome.is_err());
        assert_eq!(door.history().iter().map(|(_, on)| *on).collect::<Vec<_>>().last(), Some(&false));
        assert!(door.history().iter().any(|(_, on)| *on), "the relay was on before the panic");
        assert!(!door.relay());
    }

    #[test]
    fn a_wire_that_does_not_obey_is_a_fault_until_it_does() {
        let (mut hands, door, _journal, _folder) = hands(None);
        door.fail_relay(Some("unplugged"));
        hands.feed(Input::Operator(Operator::Open), at(10));
        assert!(!hands.gate().relay(), "the gate takes nothing back that the wires did not do");
        hands.turn(at(20));
        assert_eq!(hands.gate().door_state().name(), "fault");
        door.fail_relay(None);
        hands.turn(at(30));
        assert_ne!(hands.gate().door_state().name(), "fault");
        assert!(!door.relay());
        hands.feed(Input::Operator(Operator::Open), at(40));
        assert!(door.relay());
        drop(hands);
        assert!(!door.relay(), "the end releases the relay");
    }
}
