//! A door without wires: the same port as the GPIO door, with its state in memory.
//!
//! Owns: the relay's state and history, the simulated visitor who opens and closes the door, buttons pressed by
//! tests, faults that can be injected. Does not own: what the relay should do.
//! Invariants: holds the contract of [`Door`] (idempotent relay, edges oldest first, nothing blocks); the relay is
//! released when the door is dropped; history and edges are bounded, the oldest go first and are counted.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ostiary_domain::{Millis, Mono, clipped};
use ostiary_ports::{Clock, Door, DoorError, Input, InputEdge};

/// Changes of the relay that are remembered.
pub const MAX_HISTORY: usize = 4_096;
/// Edges that wait to be fetched.
pub const MAX_EDGES: usize = 256;

/// A visitor who walks through whenever the strike is released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passage {
    /// From the release of the strike to the opening of the door.
    pub opens_after: Millis,
    /// From the opening to the closing.
    pub closes_after: Millis,
}

impl Default for Passage {
    /// Opens after 1 s, is through after 3 s.
    fn default() -> Self {
        Self { opens_after: Millis(1_000), closes_after: Millis(3_000) }
    }
}

/// The door's end.
pub struct SimDoor {
    shared: Arc<Mutex<State>>,
    clock: Arc<dyn Clock>,
}

/// The observer's end: presses buttons, injects faults, reads what happened. Clones share the door.
#[derive(Clone)]
pub struct SimDoorHandle {
    shared: Arc<Mutex<State>>,
}

struct State {
    relay: bool,
    history: VecDeque<(Mono, bool)>,
    forgotten: u64,
    inputs: [Option<bool>; INPUTS],
    edges: VecDeque<InputEdge>,
    lost_edges: u64,
    passage: Option<Passage>,
    opens_at: Option<Mono>,
    closes_at: Option<Mono>,
    relay_fault: Option<&'static str>,
    input_fault: Option<&'static str>,
}

impl SimDoor {
    /// A closed door with all four inputs wired; with `visitors`, somebody walks through after each release (see
    /// [`Passage::default`]).
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, visitors: bool) -> Self {
        let passage = visitors.then(Passage::default);
        let shared = Arc::new(Mutex::new(State {
            relay: false,
            history: VecDeque::with_capacity(64),
            forgotten: 0,
            inputs: [Some(false); INPUTS],
            edges: VecDeque::with_capacity(16),
            lost_edges: 0,
            passage,
            opens_at: None,
            closes_at: None,
            relay_fault: None,
            input_fault: None,
        }));
        Self { shared, clock }
    }

    /// The observer's end.
    #[must_use]
    pub fn handle(&self) -> SimDoorHandle {
        SimDoorHandle { shared: Arc::clone(&self.shared) }
    }
}

impl Door for SimDoor {
    fn set_relay(&mut self, energised: bool) -> Result<(), DoorError> {
        let now = self.clock.now().mono;
        lock(&self.shared).set_relay(energised, now)
    }

    fn poll_edge(&mut self) -> Result<Option<InputEdge>, DoorError> {
        let now = self.clock.now().mono;
        let mut state = lock(&self.shared);
        state.check_inputs()?;
        state.walk(now);
        Ok(state.edges.pop_front())
    }

    fn level(&mut self, input: Input) -> Result<Option<bool>, DoorError> {
        let now = self.clock.now().mono;
        let mut state = lock(&self.shared);
        state.check_inputs()?;
        state.walk(now);
        Ok(state.inputs[index(input)])
    }
}

impl Drop for SimDoor {
    fn drop(&mut self) {
        let now = self.clock.now().mono;
        let mut state = lock(&self.shared);
        // A wire that cannot be driven cannot be released either; the real door has its resistor for that.
        let _ = state.set_relay(false, now);
    }
}

impl SimDoorHandle {
    /// Whether the relay is energised.
    #[must_use]
    pub fn relay(&self) -> bool {
        lock(&self.shared).relay
    }

    /// Every change of the relay, oldest first, the last [`MAX_HISTORY`] of them.
    #[must_use]
    pub fn history(&self) -> Vec<(Mono, bool)> {
        lock(&self.shared).history.iter().copied().collect()
    }

    /// When the relay was energised, oldest first.
    #[must_use]
    pub fn unlocks(&self) -> Vec<Mono> {
        lock(&self.shared).history.iter().filter(|(_, on)| *on).map(|(at, _)| *at).collect()
    }

    /// Changes of the relay that no longer fit into the history.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        lock(&self.shared).forgotten
    }

    /// Edges that nobody fetched in time.
    #[must_use]
    pub fn lost_edges(&self) -> u64 {
        lock(&self.shared).lost_edges
    }

    /// Brings an input to a level (presses a button, opens the door by force) at that time.
    pub fn set_input(&self, input: Input, active: bool, at: Mono) {
        lock(&self.shared).set_input(input, active, at);
    }

    /// Takes an input away, as on a board where it is not wired.
    pub fn unwire(&self, input: Input) {
        lock(&self.shared).inputs[index(input)] = None;
    }

    /// Whether somebody walks through after each release.
    pub fn set_passage(&self, passage: Option<Passage>) {
        lock(&self.shared).passage = passage;
    }

    /// From now on the relay cannot be driven and stays as it is; `None` mends it.
    pub fn fail_relay(&self, why: Option<&'static str>) {
        lock(&self.shared).relay_fault = why;
    }

    /// From now on the inputs cannot be read; `None` mends them.
    pub fn fail_inputs(&self, why: Option<&'static str>) {
        lock(&self.shared).input_fault = why;
    }
}

impl State {
    fn set_relay(&mut self, energised: bool, now: Mono) -> Result<(), DoorError> {
        if let Some(why) = self.relay_fault {
            return Err(DoorError(clipped(why)));
        }
        self.walk(now);
        if self.relay == energised {
            return Ok(());
        }
        self.relay = energised;
        if self.history.len() == MAX_HISTORY {
            self.history.pop_front();
            self.forgotten += 1;
        }
        self.history.push_back((now, energised));
        match (energised, self.passage) {
            (true, Some(passage)) if self.closes_at.is_none() => {
                self.opens_at = Some(now.after(passage.opens_after));
            }
            // Locked again before anybody pulled the door.
            (false, _) => self.opens_at = None,
            (true, _) => {}
        }
        Ok(())
    }

    /// Lets the visitor do what is due.
    fn walk(&mut self, now: Mono) {
        if let (Some(at), Some(passage)) = (self.opens_at, self.passage)
            && at <= now
        {
            self.opens_at = None;
            self.closes_at = Some(at.after(passage.closes_after));
            self.set_input(Input::Contact, true, at);
        }
        if let Some(at) = self.closes_at
            && at <= now
        {
            self.closes_at = None;
            self.set_input(Input::Contact, false, at);
        }
    }

    fn set_input(&mut self, input: Input, active: bool, at: Mono) {
        let Some(level) = self.inputs[index(input)].as_mut() else { return };
        if *level == active {
            return;
        }
        *level = active;
        if self.edges.len() == MAX_EDGES {
            self.edges.pop_front();
            self.lost_edges += 1;
        }
        self.edges.push_back(InputEdge { input, active, at });
    }

    fn check_inputs(&self) -> Result<(), DoorError> {
        self.input_fault.map_or(Ok(()), |why| Err(DoorError(clipped(why))))
    }
}

const INPUTS: usize = 4;

const fn index(input: Input) -> usize {
    match input {
        Input::Contact => 0,
        Input::Rex => 1,
        Input::Tamper => 2,
        Input::Fire => 3,
    }
}

fn lock(shared: &Mutex<State>) -> MutexGuard<'_, State> {
    // Every method leaves the state valid at each step.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::clock_sim::SimClock;
    use super::*;

    fn door(visitors: bool) -> (Arc<SimClock>, SimDoor, SimDoorHandle) {
        let clock = Arc::new(SimClock::default());
        let door = SimDoor::new(Arc::clone(&clock) as Arc<dyn Clock>, visitors);
        let handle = door.handle();
        (clock, door, handle)
    }

    #[test]
    fn the_relay_is_released_at_start_idempotent_and_released_on_drop() {
        let (clock, mut door, handle) = door(false);
        assert!(!handle.relay());
        door.set_relay(true).unwrap();
        door.set_relay(true).unwrap();
        clock.advance(Millis(700));
        drop(door);
        assert_eq!(handle.history(), [(Mono(0), true), (Mono(700), false)]);
        assert_eq!(handle.unlocks(), [Mono(0)]);
    }

    #[test]
    fn a_visitor_opens_and_closes_after_an_unlock() {
        let (clock, mut door, _) = door(true);
        door.set_relay(true).unwrap();
        clock.advance_to(Mono(999));
        assert_eq!(door.poll_edge(), Ok(None));
        clock.advance_to(Mono(9_000));
        let contact = |active, at| Ok(Some(InputEdge { input: Input::Contact, active, at: Mono(at) }));
        assert_eq!(door.poll_edge(), contact(true, 1_000));
        assert_eq!(door.poll_edge(), contact(false, 4_000));
        assert_eq!(door.poll_edge(), Ok(None));
    }

    #[test]
    fn a_door_locked_before_it_was_pulled_stays_shut() {
        let (clock, mut door, _) = door(true);
        door.set_relay(true).unwrap();
        clock.advance_to(Mono(500));
        door.set_relay(false).unwrap();
        clock.advance_to(Mono(9_000));
        assert_eq!(door.poll_edge(), Ok(None));
        assert_eq!(door.level(Input::Contact), Ok(Some(false)));
    }

    #[test]
    fn buttons_make_one_edge_a_change_and_missing_wires_none() {
        let (_, mut door, handle) = door(false);
        handle.unwire(Input::Fire);
        handle.set_input(Input::Fire, true, Mono(1));
        handle.set_input(Input::Rex, true, Mono(2));
        handle.set_input(Input::Rex, true, Mono(3));
        assert_eq!(door.level(Input::Fire), Ok(None));
        assert_eq!(door.level(Input::Rex), Ok(Some(true)));
        assert_eq!(door.poll_edge(), Ok(Some(InputEdge { input: Input::Rex, active: true, at: Mono(2) })));
        assert_eq!(door.poll_edge(), Ok(None));
    }

    #[test]
    fn injected_faults_are_reported_and_mended() {
        let (_, mut door, handle) = door(false);
        handle.fail_relay(Some("relay line broken"));
        assert!(door.set_relay(true).is_err());
        assert!(!handle.relay());
        handle.fail_relay(None);
        door.set_relay(true).unwrap();
        handle.fail_inputs(Some("chip gone"));
        assert!(door.poll_edge().is_err() && door.level(Input::Rex).is_err());
    }

    #[test]
    fn what_nobody_fetches_is_bounded_and_counted() {
        let (_, _door, handle) = door(false);
        for i in 0..(MAX_EDGES as u64 + 10) {
            handle.set_input(Input::Rex, i % 2 == 0, Mono(i));
        }
        assert_eq!(handle.lost_edges(), 10);
    }
}
