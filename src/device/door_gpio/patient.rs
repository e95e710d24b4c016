//! The door's wires, waited for: a chip that is not there yet, busy or forbidden is a fault, not the end.
//!
//! Owns: trying again, with growing pauses, and telling the levels once the wires are there. Does not own: the wires
//! (`GpioDoor`). Invariant: while the wires are not held, every call that must move or read them is refused with the
//! reason, so that the gate stays in fault and the door locked.

use std::collections::VecDeque;
use std::sync::Arc;

use ostiary_domain::{Millis, Mono};
use ostiary_ports::{Clock, Door, DoorError, Input, InputEdge};

use super::super::detail;
use super::{GpioConfig, GpioDoor, GpioError};

/// The pause after the first failure; it doubles.
const FIRST: Millis = Millis(500);
/// The longest pause.
const LONGEST: Millis = Millis(10_000);

/// Opens the wires when they are first needed, and again after they failed.
pub struct PatientDoor<D: Door = GpioDoor> {
    open: Box<dyn FnMut() -> Result<D, GpioError> + Send>,
    clock: Arc<dyn Clock>,
    door: Option<D>,
    /// Levels that were not told as edges: those found when the wires came.
    levels: VecDeque<InputEdge>,
    why: Option<DoorError>,
    next: Mono,
    pause: Millis,
}

impl PatientDoor {
    /// The wires of `config`, tried at once; an error is kept for the first who asks.
    #[must_use]
    pub fn new(config: GpioConfig, clock: Arc<dyn Clock>) -> Self {
        let opening = Arc::clone(&clock);
        Self::with(Box::new(move || GpioDoor::open(&config, Arc::clone(&opening))), clock)
    }
}

impl<D: Door> PatientDoor<D> {
    fn with(open: Box<dyn FnMut() -> Result<D, GpioError> + Send>, clock: Arc<dyn Clock>) -> Self {
        let (next, pause) = (clock.now().mono, FIRST);
        let mut door = Self { open, clock, door: None, levels: VecDeque::new(), why: None, next, pause };
        // Said by the first call that needs the wires.
        let _ = door.held();
        // At the start the caller asks for every level itself.
        door.levels.clear();
        door
    }

    fn held(&mut self) -> Result<&mut D, DoorError> {
        if self.door.is_none() {
            let now = self.clock.now().mono;
            if now < self.next {
                return Err(self.why.clone().unwrap_or_else(|| DoorError(detail(format_args!("not yet")))));
            }
            match (self.open)() {
                Ok(mut door) => {
                    for input in [Input::Contact, Input::Rex, Input::Tamper, Input::Fire] {
                        if let Some(active) = door.level(input)? {
                            self.levels.push_back(InputEdge { input, active, at: now });
                        }
                    }
                    if self.why.take().is_some() {
                        tracing::info!("the door's wires are there");
                    }
                    self.pause = FIRST;
                    self.door = Some(door);
                }
                Err(error) => {
                    let why = DoorError(detail(format_args!("{error}")));
                    if self.why.as_ref() != Some(&why) {
                        tracing::error!(%error, "the door stays locked; the wires are tried again");
                    }
                    self.next = now.after(self.pause);
                    self.pause = Millis((self.pause.0 * 2).min(LONGEST.0));
                    self.why = Some(why.clone());
                    return Err(why);
                }
            }
        }
        self.door.as_mut().ok_or_else(|| DoorError(detail(format_args!("not yet"))))
    }

    /// Wires that fail after they were there are given back, so that a chip that was pulled and put back is found.
    fn kept<T>(&mut self, outcome: Result<T, DoorError>) -> Result<T, DoorError> {
        if let Err(why) = &outcome
            && self.door.as_mut().is_some_and(|door| door.level(Input::Contact).is_err())
        {
            self.door = None;
            self.why = Some(why.clone());
            self.next = self.clock.now().mono.after(self.pause);
        }
        outcome
    }
}

impl<D: Door> Door for PatientDoor<D> {
    fn set_relay(&mut self, energised: bool) -> Result<(), DoorError> {
        let outcome = self.held()?.set_relay(energised);
        self.kept(outcome)
    }

    fn poll_edge(&mut self) -> Result<Option<InputEdge>, DoorError> {
        self.held()?;
        if let Some(level) = self.levels.pop_front() {
            return Ok(Some(level));
        }
        let outcome = self.held()?.poll_edge();
        self.kept(outcome)
    }

    fn level(&mut self, input: Input) -> Result<Option<bool>, DoorError> {
        self.held()?.level(input)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::super::super::clock_sim::SimClock;
    use super::super::super::sim::SimDoor;
    use super::*;

    #[test]
    fn wires_that_are_not_there_are_a_fault_until_they_come() {
        let clock = Arc::new(SimClock::default());
        let there = Arc::new(AtomicBool::new(false));
        let (seen, sim_clock) = (Arc::clone(&there), Arc::clone(&clock));
        let mut door = PatientDoor::with(
            Box::new(move || {
                if !seen.load(Ordering::SeqCst) {
                    return Err(GpioError::NoChip(PathBuf::from("/dev/gpiochip9")));
                }
                let door = SimDoor::new(Arc::clone(&sim_clock) as Arc<dyn Clock>, false);
                door.handle().set_input(Input::Contact, true, Mono(0));
                Ok(door)
            }),
            Arc::clone(&clock) as Arc<dyn Clock>,
        );
        assert!(door.set_relay(false).unwrap_err().to_string().contains("/dev/gpiochip9"));
        assert!(door.poll_edge().is_err());
        there.store(true, Ordering::SeqCst);
        assert!(door.set_relay(true).is_err(), "not before the pause is over");
        clock.advance(LONGEST);
        door.set_relay(false).unwrap();
        let edge = door.poll_edge().unwrap().expect("the level found is told");
        assert_eq!((edge.input, edge.active), (Input::Contact, true));
    }
}
