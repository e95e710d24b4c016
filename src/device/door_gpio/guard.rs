//! A dead man's switch over the relay: whoever energises it must keep showing up.
//!
//! Owns: a thread that releases the relay when its holder stands still or holds it longer than the board allows.
//! Does not own: the polarity (`output`), what the relay should do (`access`).
//! Invariants: an energised relay whose holder has not called for [`UNATTENDED`] is released, and so is one that was
//! on for `max_on`, whatever the holder does; after either the holder is told, and the relay stays off until it has
//! been released in so many words; after `max_on` it stays off for [`REST`], so that a coil cools.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use embedded_hal::digital::OutputPin;

use ostiary_domain::{Millis, Mono};
use ostiary_ports::{Clock, DoorError};

use super::super::detail;
use super::Output;

/// How long the relay stays on while nobody calls. The control loop turns every 10 ms.
pub const UNATTENDED: Millis = Millis(1_000);
/// How long the relay stays off after it was on for longer than the board allows.
pub const REST: Millis = Millis(60_000);
/// How late the thread may notice.
const TURN: Duration = Duration::from_millis(50);

/// A relay with its guard.
pub struct Guarded<P: OutputPin + Send + 'static> {
    shared: Arc<Shared<P>>,
    clock: Arc<dyn Clock>,
    thread: Option<JoinHandle<()>>,
}

struct Shared<P: OutputPin> {
    state: Mutex<State<P>>,
    changed: Condvar,
    max_on: Option<Millis>,
}

struct State<P: OutputPin> {
    relay: Output<P>,
    on: Option<On>,
    tripped: Option<Trip>,
    closed: bool,
}

#[derive(Clone, Copy)]
struct On {
    since: Mono,
    renewed: Mono,
}

#[derive(Clone, Copy)]
enum Trip {
    Unattended,
    TooLong { until: Mono },
}

impl<P: OutputPin + Send + 'static> Guarded<P> {
    /// Takes a released relay. With `max_on`, no pulse is longer, whoever wants it.
    ///
    /// # Errors
    /// When the guard's thread cannot be started; the relay is then released and stays so.
    pub fn new(relay: Output<P>, max_on: Option<Millis>, clock: Arc<dyn Clock>) -> Result<Self, DoorError> {
        let state = State { relay, on: None, tripped: None, closed: false };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new(), max_on });
        let (watched, watch_clock) = (Arc::clone(&shared), Arc::clone(&clock));
        let thread = std::thread::Builder::new()
            .name("relay".into())
            .spawn(move || watched.watch(&*watch_clock))
            .map_err(|e| DoorError(detail(format_args!("the relay's guard cannot be started: {e}"))))?;
        Ok(Self { shared, clock, thread: Some(thread) })
    }

    /// Energises or releases.
    ///
    /// # Errors
    /// When the line cannot be written, and when the guard has released the relay: until it is released in so many
    /// words, or, after it was on for too long, until it has rested.
    pub fn set(&self, energised: bool) -> Result<(), DoorError> {
        let now = self.clock.now().mono;
        let mut state = self.shared.lock();
        if let Some(trip) = state.tripped {
            // Written again although it is off: the caller asked for it.
            state.relay.set(false)?;
            match trip {
                Trip::Unattended if !energised => state.tripped = None,
                Trip::TooLong { until } if !energised && now >= until => state.tripped = None,
                Trip::Unattended | Trip::TooLong { .. } => return Err(self.shared.said(trip)),
            }
            return Ok(());
        }
        state.relay.set(energised)?;
        state.on = match state.on {
            _ if !energised => None,
            Some(on) => Some(On { renewed: now, ..on }),
            None => Some(On { since: now, renewed: now }),
        };
        self.shared.changed.notify_all();
        Ok(())
    }

    /// Says that the holder is alive.
    ///
    /// # Errors
    /// When the guard has released the relay since the last call.
    pub fn renew(&self) -> Result<(), DoorError> {
        let now = self.clock.now().mono;
        let mut state = self.shared.lock();
        if let Some(on) = &mut state.on {
            on.renewed = now;
        }
        state.tripped.map_or(Ok(()), |trip| Err(self.shared.said(trip)))
    }
}

impl<P: OutputPin + Send + 'static> Drop for Guarded<P> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        // What cannot be written now is left to the resistor at the relay's input.
        let _ = state.relay.set(false);
        drop(state);
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl<P: OutputPin> Shared<P> {
    fn lock(&self) -> MutexGuard<'_, State<P>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch(&self, clock: &dyn Clock) {
        let mut state = self.lock();
        while !state.closed {
            state = if state.on.is_none() {
                self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
            } else {
                self.changed.wait_timeout(state, TURN).unwrap_or_else(PoisonError::into_inner).0
            };
            let Some(on) = state.on else { continue };
            let now = clock.now().mono;
            let trip = if self.max_on.is_some_and(|most| now.since(on.since) >= most) {
                Trip::TooLong { until: now.after(REST) }
            } else if now.since(on.renewed) >= UNATTENDED {
                Trip::Unattended
            } else {
                continue;
            };
            // Tried again at every turn until the line obeys.
            if state.relay.set(false).is_ok() {
                state.on = None;
                tracing::error!(why = %self.said(trip), "the guard has released the relay");
            }
            state.tripped = Some(trip);
        }
    }

    fn said(&self, trip: Trip) -> DoorError {
        DoorError(match trip {
            Trip::Unattended => detail(format_args!("the relay was released because its loop stood still")),
            Trip::TooLong { .. } => detail(format_args!(
                "the relay was on for max_on_s = {} s and rests {} s",
                self.max_on.unwrap_or_default().0 / 1_000,
                REST.0 / 1_000
            )),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicBool, Ordering};

    use embedded_hal::digital::ErrorType;

    use super::super::super::clock_os::{OsClock, pause};
    use super::super::super::clock_sim::SimClock;
    use super::*;

    #[derive(Clone, Default)]
    struct Pin(Arc<AtomicBool>);

    impl ErrorType for Pin {
        type Error = Infallible;
    }

    impl OutputPin for Pin {
        fn set_low(&mut self) -> Result<(), Infallible> {
            self.0.store(false, Ordering::SeqCst);
            Ok(())
        }

        fn set_high(&mut self) -> Result<(), Infallible> {
            self.0.store(true, Ordering::SeqCst);
            Ok(())
        }
    }

    impl Pin {
        /// Whether the pin reaches that level within two seconds.
        fn becomes(&self, high: bool) -> bool {
            (0..200).any(|_| {
                pause(Millis(10));
                self.0.load(Ordering::SeqCst) == high
            })
        }
    }

    fn guarded(max_on: Option<Millis>) -> (Guarded<Pin>, Pin, Arc<SimClock>) {
        let (pin, clock) = (Pin::default(), Arc::new(SimClock::default()));
        let relay = Output::new("relay", pin.clone(), false).unwrap();
        (Guarded::new(relay, max_on, Arc::clone(&clock) as Arc<dyn Clock>).unwrap(), pin, clock)
    }

    #[test]
    fn a_relay_whose_loop_stands_still_is_released_and_the_loop_is_told() {
        let pin = Pin::default();
        let relay = Output::new("relay", pin.clone(), false).unwrap();
        let clock = Arc::new(OsClock::new());
        let guarded = Guarded::new(relay, None, Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
        guarded.set(true).unwrap();
        let began = clock.now().mono;
        while clock.now().mono.since(began) < Millis(1_300) {
            guarded.renew().unwrap();
            pause(Millis(10));
        }
        assert!(pin.0.load(Ordering::SeqCst), "a loop that turns keeps it");
        let stood = clock.now().mono;
        assert!(pin.becomes(false));
        let took = clock.now().mono.since(stood);
        assert!(took >= Millis(800) && took < Millis(2_000), "{took:?}");
        assert!(guarded.renew().unwrap_err().to_string().contains("stood still"));
        assert!(guarded.set(true).is_err(), "not before it was released in so many words");
        guarded.set(false).unwrap();
        guarded.set(true).unwrap();
        assert!(pin.0.load(Ordering::SeqCst));
        drop(guarded);
        assert!(!pin.0.load(Ordering::SeqCst), "the end releases");
    }

    #[test]
    fn no_pulse_is_longer_than_the_board_allows_however_often_it_is_renewed() {
        let (guarded, pin, clock) = guarded(Some(Millis(10_000)));
        guarded.set(true).unwrap();
        for _ in 0..19 {
            clock.advance(Millis(500));
            guarded.set(true).unwrap();
        }
        pause(Millis(120));
        assert!(pin.0.load(Ordering::SeqCst), "9.5 s");
        clock.advance(Millis(500));
        assert!(pin.becomes(false), "10 s");
        assert!(guarded.renew().unwrap_err().to_string().contains("max_on_s = 10"));
        assert!(guarded.set(false).is_err(), "a coil rests");
        clock.advance(REST);
        guarded.set(false).unwrap();
        guarded.set(true).unwrap();
        assert!(pin.0.load(Ordering::SeqCst));
    }
}
