//! An output and its polarity, which nothing else knows: relay, lamp, buzzer, backlight.
//!
//! Owns: the only translation from energised to a level. Does not own: the line.
//! Invariants: off when made and when dropped; a failed write is retried by the next call, never believed.
//!
//! The trap this type exists for: `CdevPin::set_high()` is the physical level even on a line that was requested
//! active-low, while the `default` of the request is logical. The line is therefore requested plain, and turned
//! round here or nowhere.

use embedded_hal::digital::OutputPin;

use ostiary_ports::DoorError;

use super::super::detail;

/// What is switched by any output pin.
pub struct Output<P: OutputPin> {
    pin: P,
    name: &'static str,
    active_low: bool,
    /// What the pin was last told, `None` after a failure.
    energised: Option<bool>,
}

impl<P: OutputPin> Output<P> {
    /// Takes the pin and switches off. With `active_low`, a low level energises. `name` is what the installer calls it.
    ///
    /// # Errors
    /// When the pin cannot be driven.
    pub fn new(name: &'static str, pin: P, active_low: bool) -> Result<Self, DoorError> {
        let mut output = Self { pin, name, active_low, energised: None };
        output.set(false)?;
        Ok(output)
    }

    /// Switches; writes the pin only when that changes something or the last write failed.
    ///
    /// # Errors
    /// When the pin cannot be driven.
    pub fn set(&mut self, energised: bool) -> Result<(), DoorError> {
        if self.energised == Some(energised) {
            return Ok(());
        }
        self.energised = None;
        let high = energised != self.active_low;
        let written = if high { self.pin.set_high() } else { self.pin.set_low() };
        let name = self.name;
        written.map_err(|e| {
            DoorError(detail(format_args!("the line of the {name} cannot be written ({e:?})")))
        })?;
        self.energised = Some(energised);
        Ok(())
    }
}

impl<P: OutputPin> Drop for Output<P> {
    fn drop(&mut self) {
        // Written even when it is believed to be off: this is the last chance. What cannot be written now is
        // left to the resistor at the line.
        self.energised = None;
        let _ = self.set(false);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use embedded_hal::digital::{Error, ErrorKind, ErrorType};

    use super::*;

    #[derive(Clone, Default)]
    struct Pin(Rc<RefCell<(Vec<bool>, bool)>>);

    #[derive(Debug)]
    struct Broken;

    impl Error for Broken {
        fn kind(&self) -> ErrorKind {
            ErrorKind::Other
        }
    }

    impl ErrorType for Pin {
        type Error = Broken;
    }

    impl Pin {
        fn write(&self, high: bool) -> Result<(), Broken> {
            let mut state = self.0.borrow_mut();
            if state.1 {
                return Err(Broken);
            }
            state.0.push(high);
            Ok(())
        }

        fn levels(&self) -> Vec<bool> {
            self.0.borrow().0.clone()
        }

        fn break_it(&self, broken: bool) {
            self.0.borrow_mut().1 = broken;
        }
    }

    impl OutputPin for Pin {
        fn set_low(&mut self) -> Result<(), Broken> {
            self.write(false)
        }

        fn set_high(&mut self) -> Result<(), Broken> {
            self.write(true)
        }
    }

    #[test]
    fn each_polarity_is_released_at_start_and_on_drop() {
        for active_low in [false, true] {
            let pin = Pin::default();
            let (on, off) = (!active_low, active_low);
            let mut relay = Output::new("relay", pin.clone(), active_low).unwrap();
            assert_eq!(pin.levels(), [off]);
            relay.set(true).unwrap();
            relay.set(true).unwrap();
            relay.set(false).unwrap();
            relay.set(true).unwrap();
            drop(relay);
            assert_eq!(pin.levels(), [off, on, off, on, off], "active_low {active_low}");
        }
    }

    #[test]
    fn released_when_the_thread_panics() {
        let pin = Pin::default();
        let held = pin.clone();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            let mut relay = Output::new("relay", held, false).unwrap();
            relay.set(true).unwrap();
            panic!("on purpose");
        }));
        assert!(panicked.is_err());
        assert_eq!(pin.levels(), [false, true, false]);
    }

    #[test]
    fn a_failed_write_is_reported_and_written_again() {
        let pin = Pin::default();
        let mut relay = Output::new("relay", pin.clone(), false).unwrap();
        relay.set(true).unwrap();
        pin.break_it(true);
        assert!(relay.set(false).is_err());
        pin.break_it(false);
        relay.set(false).unwrap();
        assert_eq!(pin.levels(), [false, true, false]);
        pin.break_it(true);
        assert!(Output::new("relay", pin.clone(), false).is_err());
    }
}
